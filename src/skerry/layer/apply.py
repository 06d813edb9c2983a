"""Applying the changes of a layer to a root: each file at once, by a rename, and no link followed.

What is new is made under a name of its own beside its place and renamed there when it is whole; what goes is renamed away before it is
removed. So whoever looks sees the old file or the new one, and an application that was broken off can be repeated.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import Final

from skerry.layer.changes import STEP, Change
from skerry.machine.hostnode import HostNode
from skerry.machine.layernode import LayerNode
from skerry.machine.memory import HostFile

RENAME_EXCHANGE: Final = 2  # linux/fs.h
_DEVICES: Final = (stat.S_IFCHR, stat.S_IFBLK)


class Application:
    """Applies changes of the layer's ``upper`` to ``root``. Every call raises OSError."""

    def __init__(self, upper: LayerNode, root: HostNode, owners: bool) -> None:
        """``owners``: whether files get the owners that they have in the layer, or stay whoever's applies it."""
        self.upper = upper
        self.root = root
        self._owners = owners
        self._linked: dict[tuple[int, int], bytes] = {}  # where a file of the layer with several names was put first
        self._times: list[tuple[bytes, int, int]] = []  # of directories, when all below them is done
        self._last = 0

    def apply(self, change: Change) -> None:
        """Make it so."""
        directory, _, name = change.path.rpartition(b"/")
        place = self.root.below(directory)
        if change.upper is None:
            self._remove(place, name)
        elif stat.S_ISDIR(change.upper[0]) and change.lower is not None and stat.S_ISDIR(change.lower[0]):
            self._adjust(place.lookup(name), change)
        else:
            self._install(place, name, change)
        if change.upper is not None and stat.S_ISDIR(change.upper[0]):
            self._times.append((change.path, change.upper[8], change.upper[9]))

    def finish(self) -> None:
        """Give directories their times."""
        for path, access, modification in reversed(self._times):
            self.root.below(path).change_times(access, modification)

    def _install(self, place: HostNode, name: bytes, change: Change) -> None:
        temporary = self._make(place, change)
        try:
            if change.lower is not None and (change.is_directory or stat.S_ISDIR(change.lower[0])):
                place.rename(temporary, place, name, RENAME_EXCHANGE)
                self._clear(place, temporary)
            else:
                place.rename(temporary, place, name, 0)
        except OSError:
            self._clear(place, temporary)
            raise

    def _make(self, place: HostNode, change: Change) -> bytes:
        """The new object, whole, under a name of its own, which is returned."""
        assert change.upper is not None
        mode, ino, device, nlink, uid, gid = change.upper[:6]
        kind = stat.S_IFMT(mode)
        source = self.upper.below(change.path)
        temporary = self._temporary()
        first = self._linked.get((device, ino)) if nlink > 1 else None
        if first is not None and kind != stat.S_IFDIR:
            place.link(self.root.below(first), temporary)
            return temporary
        owner = (uid, gid) if self._owners else self.root.owners.shown(os.geteuid(), os.getegid())
        try:
            if kind == stat.S_IFDIR:
                node = place.make_directory(temporary, stat.S_IMODE(mode), *owner)
            elif kind == stat.S_IFLNK:
                node = place.make_link(temporary, source.readlink(), *owner)
            elif kind == stat.S_IFREG:
                node, file = place.make_file(temporary, stat.S_IMODE(mode), *owner)
                _copy(source.open(False), file)
                node.change_mode(stat.S_IMODE(mode))  # a set-user-id bit does not outlast a write
            else:
                node = place.make_special(temporary, mode, *owner)
            for key, value in source.attributes().items():
                node.set_attribute(key, value)
            node.change_times(change.upper[8], change.upper[9])
        except OSError:
            self._clear(place, temporary)
            raise
        if nlink > 1 and kind != stat.S_IFDIR:
            self._linked[device, ino] = change.path
        return temporary

    def _adjust(self, node: HostNode, change: Change) -> None:
        """A directory stays, with other attributes."""
        assert change.upper is not None
        assert change.lower is not None
        if self._owners and change.upper[4:6] != change.lower[4:6]:
            node.change_owner(change.upper[4], change.upper[5])
        if change.upper[0] != change.lower[0] or change.upper[4:6] != change.lower[4:6]:
            node.change_mode(stat.S_IMODE(change.upper[0]))
        wanted, have = self.upper.below(change.path).attributes(), node.attributes()
        for key in have.keys() - wanted.keys():
            node.remove_attribute(key)
        for key, value in wanted.items():
            if have.get(key) != value:
                node.set_attribute(key, value)

    def _remove(self, place: HostNode, name: bytes) -> None:
        temporary = self._temporary()
        place.rename(name, place, temporary, 0)
        self._clear(place, temporary)

    def _temporary(self) -> bytes:
        self._last += 1
        return b".skerry-commit-%d-%d" % (os.getpid(), self._last)

    def _clear(self, place: HostNode, name: bytes) -> None:
        """Remove whatever has the name, and all below it."""
        try:
            node = place.lookup(name)
        except FileNotFoundError:
            return
        remove(place, node, name)


def remove(place: HostNode, node: HostNode, name: bytes) -> None:
    """Remove ``node``, which is called ``name`` in ``place``, and all below it."""
    if not stat.S_ISDIR(os.fstat(node.descriptor).st_mode):
        place.unlink(name)
        return
    todo = [(place, node, name, False)]
    while todo:
        place, node, name, emptied = todo.pop()
        if emptied:
            place.rmdir(name)
            continue
        todo.append((place, node, name, True))
        for child, _, kind in node.list():
            if kind == stat.S_IFDIR:
                todo.append((node, node.lookup(child), child, False))
            else:
                node.unlink(child)


def is_device(change: Change) -> bool:
    """Whether it would make a device: none is made on the host at a program's bidding."""
    return change.upper is not None and stat.S_IFMT(change.upper[0]) in _DEVICES


def strange_owners(changes: list[Change], root: HostNode) -> list[Change]:
    """The changes whose owner who applies them cannot give to files of the host."""
    if os.geteuid() == 0:
        return []
    mine = {os.getegid(), *os.getgroups()}

    def gives_away(change: Change) -> bool:
        if change.upper is None or (change.lower is not None and change.upper[4:6] == change.lower[4:6] and change.is_directory):
            return False
        uid, gid = root.owners.kept(change.upper[4], change.upper[5])
        return uid != os.geteuid() or gid not in mine

    return [change for change in changes if gives_away(change)]


def clear(upper: LayerNode) -> None:
    """Take everything from the layer: its root has it. Raises OSError."""
    for name, _, _ in upper.list():
        remove(upper, upper.lookup(name), name)


def _copy(source: HostFile, target: HostFile) -> None:
    """All of the contents, with their holes."""
    size, at = source.size, 0
    while at < size:
        try:
            at = source.seek(at, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:  # a hole to the end
                raise
            break
        data = source.read(at, STEP)
        if not data:
            break
        written = 0
        while written < len(data):
            written += target.write(at + written, memoryview(data)[written:])
        at += len(data)
    target.resize(size)
    target.sync()
