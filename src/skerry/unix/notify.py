"""What happens to inodes, told to who watches them (inotify).

An inode that somebody watches, or that lies in a watched directory, has a :class:`Watched`; any other has None, and whoever changes an
inode looks no further. A name in ``Watched.names`` may be out of date: it counts if the directory still has the inode under it.

Source: inotify(7); the order of events is that of Linux's fs/namei.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from skerry.abi import linux

if TYPE_CHECKING:
    from skerry.unix.files import OpenFile
    from skerry.unix.fs.tmpfs import Directory
    from skerry.unix.inode import Inode
    from skerry.unix.process import System

IN_ACCESS: Final = 0x1
IN_MODIFY: Final = 0x2
IN_ATTRIB: Final = 0x4
IN_CLOSE_WRITE: Final = 0x8
IN_CLOSE_NOWRITE: Final = 0x10
IN_OPEN: Final = 0x20
IN_MOVED_FROM: Final = 0x40
IN_MOVED_TO: Final = 0x80
IN_CREATE: Final = 0x100
IN_DELETE: Final = 0x200
IN_DELETE_SELF: Final = 0x400
IN_MOVE_SELF: Final = 0x800
IN_ISDIR: Final = 0x40000000


class Watcher(Protocol):
    """Who wants to know."""

    def event(self, mask: int, name: bytes = b"", cookie: int = 0) -> None:
        """Something happened to the inode, or to ``name`` in the directory."""

    def new_cookie(self) -> int:
        """A number that ties the two halves of a move together."""

    def is_open(self, inode: Inode) -> bool:
        """Whether a program has the inode open."""

    def end(self) -> None:
        """The inode is gone."""


class Watched:
    """Who watches an inode, and in which watched directories it is, under what names."""

    __slots__ = ("names", "watchers")

    def __init__(self) -> None:
        self.names: list[tuple[Directory, bytes]] = []
        self.watchers: list[Watcher] = []


def _of(inode: Inode) -> Watched:
    if inode.watched is None:
        inode.watched = Watched()
    return inode.watched


def watch(inode: Inode, watcher: Watcher) -> None:
    """Tell ``watcher`` from now on."""
    _of(inode).watchers.append(watcher)


def adopt_entries(directory: Directory) -> None:
    """Directory ``directory`` is watched from now on: so are those in it that are known; others when they come to be known."""
    for name, child in directory.children.items():
        if child is not None:
            adopt(directory, name, child)


def is_open(system: System, inode: Inode) -> bool:
    """Whether a program has the inode open."""
    return any(file.inode is inode for process in system.processes.values() for file in process.files.files.values())


def new_cookie(system: System) -> int:
    """A number that ties the two halves of a move together."""
    system.last_cookie = (system.last_cookie + 1) & 0xFFFFFFFF
    return system.last_cookie


def adopt(directory: Directory, name: bytes, inode: Inode) -> None:
    """``inode`` is in the watched ``directory``."""
    names = _of(inode).names
    if (directory, name) not in names:
        names.append((directory, name))


def unwatch(inode: Inode, watcher: Watcher) -> None:
    watched = inode.watched
    if watched is not None:
        watched.watchers.remove(watcher)
        if not watched.watchers and not watched.names:
            inode.watched = None


def tell(inode: Inode, mask: int) -> None:
    """Something happened to the inode: its directories' watchers hear of it, and its own."""
    watched = inode.watched
    if watched is None:
        return
    if inode.is_directory:
        mask |= IN_ISDIR
    for directory, name in tuple(watched.names):
        if directory.children.get(name) is inode and directory.watched is not None and directory.watched.watchers:
            tell_entry(directory, mask, name)
        else:
            watched.names.remove((directory, name))
    tell_self(inode, mask)


def tell_self(inode: Inode, mask: int) -> None:
    """The same, for its own watchers alone."""
    if inode.watched is not None:
        for watcher in tuple(inode.watched.watchers):
            watcher.event(mask)


def tell_entry(directory: Directory, mask: int, name: bytes, cookie: int = 0) -> None:
    """Something happened to a name in ``directory``."""
    if directory.watched is not None:
        for watcher in tuple(directory.watched.watchers):
            watcher.event(mask, name, cookie)


def _kind(inode: Inode) -> int:
    return IN_ISDIR if inode.is_directory else 0


def created(directory: Directory, name: bytes, inode: Inode) -> None:
    tell_entry(directory, IN_CREATE | _kind(inode), name)


def removed(directory: Directory, name: bytes, inode: Inode) -> None:
    """``name`` was removed from the directory."""
    if not inode.is_directory:
        tell_self(inode, IN_ATTRIB)
    forget(inode)
    tell_entry(directory, IN_DELETE | _kind(inode), name)


def moved(source: Directory, name: bytes, target: Directory, new_name: bytes, inode: Inode, replaced: Inode | None) -> None:
    """A name was moved; ``replaced`` lost its own to it."""
    watchers = [*(source.watched.watchers if source.watched else ()), *(target.watched.watchers if target.watched else ())]
    cookie = watchers[0].new_cookie() if watchers else 0
    tell_entry(source, IN_MOVED_FROM | _kind(inode), name, cookie)
    tell_entry(target, IN_MOVED_TO | _kind(inode), new_name, cookie)
    if replaced is not None:
        tell_self(replaced, IN_ATTRIB)
    tell_self(inode, IN_MOVE_SELF)
    if replaced is not None:
        forget(replaced)


def closed(file: OpenFile) -> None:
    """The last descriptor of an open file was closed."""
    if not file.flags & linux.O_PATH:
        tell(file.inode, IN_CLOSE_WRITE if file.writable else IN_CLOSE_NOWRITE)
    forget(file.inode)


def forget(inode: Inode) -> None:
    """An inode that has no name, and that nobody has open, is gone."""
    if inode.watched is None or inode.nlink or not inode.watched.watchers:
        return
    if not inode.watched.watchers[0].is_open(inode):
        for watcher in tuple(inode.watched.watchers):
            watcher.event(IN_DELETE_SELF)
            watcher.end()
