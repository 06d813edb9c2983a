"""Directories of a view whose writable layer is kept: whose names come from the layer, and where it says nothing, from the root."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from skerry.abi import linux
from skerry.unix import notify
from skerry.unix.errors import LinuxError
from skerry.unix.fs.cow import CowDirectory
from skerry.unix.fs.tmpfs import Directory
from skerry.unix.fs.upper import OPEN_DIRECTORIES, Kept, UpperFile, UpperFileSystem, UpperNode, UpperSymlink, origin
from skerry.unix.storage import NODE

if TYPE_CHECKING:
    from skerry.unix.inode import Inode
    from skerry.unix.substrate import Attributes, LayerNode


class UpperDirectory(Kept, CowDirectory):
    """A directory. ``below`` is the path of the root's directory that shows through; None: nothing does."""

    fs: UpperFileSystem

    def __init__(self, fs: UpperFileSystem, ino: int, mode: int, uid: int, gid: int, now: int, below: bytes | None) -> None:
        super().__init__(fs, ino, mode, uid, gid, now, below or b"")
        self.below = below
        self._kept: dict[bytes, bool] | None = None  # what the layer has here: a name, or a whiteout (False)

    # What is where
    def _names(self) -> dict[bytes, bool]:
        """What the layer has here."""
        if self._kept is None:
            self._kept = {}
            if self.in_upper:
                self._kept = {name: kind != linux.S_IFCHR for name, _, kind in self.node().list()}  # a device is not kept as one
        return self._kept

    def _path_below(self, name: bytes) -> bytes:
        return self.below + b"/" + name if self.below else name

    def hidden(self, name: bytes) -> Attributes | None:
        """What the root has under ``name``, whatever the layer says."""
        if self.below is None:
            return None
        try:
            return self.fs.tree.stat(self._path_below(name))
        except LinuxError as error:
            if error.errno in (linux.ENOENT, linux.ENOTDIR):
                return None
            raise

    def _fetch(self, name: bytes) -> Inode | None:
        child: Inode | None = None
        if len(name) > 255:
            raise LinuxError(linux.ENAMETOOLONG)
        names = self._names()
        kept = names.get(name)
        if kept:
            node = self.node().lookup(name)
            if node.is_whiteout():
                names[name] = False
            else:
                child = self.fs.adopt(node, self._shows_through(name, node))
        elif kept is None and self.below is not None and not self._complete:
            try:
                child = self.fs.load(self._path_below(name))
            except LinuxError as error:
                if error.errno != linux.ENOENT:
                    raise
        if isinstance(child, Directory):
            child.parent, child.name = self, name
        elif isinstance(child, Kept):
            self._know(name, child)
        if child is None and not self._remembers_missing():
            return None
        self.children[name] = child
        if self.watched is not None and self.watched.watchers and child is not None:
            notify.adopt(self, name, child)
        return child

    def _shows_through(self, name: bytes, node: LayerNode) -> bytes | None:
        """The root's directory that is to be seen through ``node``, if that is a directory and does not hide it."""
        if node.stat()[0] & linux.S_IFMT != linux.S_IFDIR or node.is_opaque():
            return None
        hidden = self.hidden(name)
        return self._path_below(name) if hidden is not None and hidden[0] & linux.S_IFMT == linux.S_IFDIR else None

    def _know(self, name: bytes, child: Kept) -> None:
        """A name was looked at; if the file was changed under another one that it shares, it is changed here, too."""
        if child.in_upper and name not in self._names():
            self.node().link(child.kept_node(), name)
            self._names()[name] = True
        child.placed(self, name)

    def xattr_table(self) -> dict[bytes, bytes]:
        if self.xattrs is None:
            self.xattrs = {} if self.below is None else self.fs.tree.attributes(self.below)
        return self.xattrs

    def load(self) -> None:
        if not self._complete:
            kept = self._names()
            if self.below is not None:
                below = [name for name, _, _ in self.fs.tree.list(self.below) if name not in self.children and name not in kept]
                for name in self.fs.look_ahead(self.below, below):
                    self._fetch(name)
            for name in list(kept):
                if name not in self.children:
                    self._fetch(name)
            self._complete = True

    # The layer's directory
    def node(self) -> LayerNode:
        fs = self.fs
        node = fs.directories.pop(self, None) or self._reached()
        fs.directories[self] = node
        if len(fs.directories) > OPEN_DIRECTORIES:
            fs.directories.pop(next(iter(fs.directories)))
        return node

    def _reached(self) -> LayerNode:
        """The node, from the nearest one above that is known: programs may make trees deeper than a stack."""
        missing: list[UpperDirectory] = []
        here = self
        while (node := here._known()) is None:
            missing.append(here)
            assert isinstance(here.parent, UpperDirectory)
            here = here.parent
        for directory in reversed(missing):
            if not directory.in_upper:
                directory._copy_into(here, node)
            node = node.lookup(directory.name)
            here = directory
        return node

    def _known(self) -> LayerNode | None:
        if self._held is not None:
            return self._held
        return self.fs.upper if self.parent is self else self.fs.directories.get(self)

    def kept_node(self) -> LayerNode:
        return self._held or self.node()

    def copy_up(self) -> None:
        if not self.in_upper and self.parent is not self:
            self.node()

    def _copy_into(self, parent: UpperDirectory, place: LayerNode) -> None:
        """Have the layer keep it, in its parent's ``place``."""
        if self.nlink == 0:
            raise LinuxError(linux.ENOENT)
        fs = self.fs
        temporary = fs.temporary()
        node = fs.work.make_directory(temporary, self.mode & 0o7777, self.uid, self.gid)
        if self.below is not None:
            node.set_origin(origin(fs.tree.stat(self.below)))
        for key, value in self.xattr_table().items():
            node.set_attribute(key, value)
        node.change_times(self.atime, self.mtime)
        fs.work.rename(temporary, place, self.name, 0)
        self.in_upper = True
        self._kept = {}
        parent.now_keeps(self.name)

    def now_keeps(self, name: bytes, what: bool = True) -> None:
        """The layer has a name here, or a whiteout."""
        self._names()[name] = what
        self.fs.changed[self] = None

    def _forgets(self, name: bytes) -> None:
        self._names().pop(name, None)
        self.fs.changed[self] = None

    # Making
    def _new_child(self, name: bytes, mode: int, uid: int, gid: int, now: int, rdev: int) -> Inode:
        fs = self.fs
        if fs.storage is not None:
            fs.storage.require(NODE)
        kind = mode & linux.S_IFMT
        node = self.node()
        taken = name in self._names()  # by a whiteout
        place, called = (fs.work, fs.temporary()) if taken else (node, name)
        child: Kept
        if kind == linux.S_IFDIR:
            made = place.make_directory(called, mode & 0o7777, uid, gid)
            if taken:
                made.set_opaque()
            child = UpperDirectory(fs, fs.next_ino(), mode, uid, gid, now, None)
            child.parent, child.name, child._kept = self, name, {}
        elif kind == linux.S_IFREG:
            _, file = place.make_file(called, mode & 0o7777, uid, gid)
            child = UpperFile(fs, fs.next_ino(), mode, uid, gid, now, b"", 0)
            fs.keep_open(child, file)
        else:
            place.make_device(called, mode, uid, gid, rdev)
            child = UpperNode(fs, fs.next_ino(), mode, uid, gid, now)
            child.rdev = rdev
        if taken:
            self._put(called, name, kind == linux.S_IFDIR)
        child.in_upper, child.xattrs = True, {}
        self._named(name, child)
        return child

    def make_place(self, name: bytes, mode: int, now: int) -> Directory:
        """In memory; the layer gets it when something is put into it."""
        fs = self.fs
        child = UpperDirectory(fs, fs.next_ino(), linux.S_IFDIR | mode, 0, 0, now, None)
        child.parent, child.name = self, name
        self.children[name] = child
        return child

    def _put(self, temporary: bytes, name: bytes, directory: bool) -> None:
        """Move something from ``work`` to where a whiteout is."""
        fs = self.fs
        fs.work.rename(temporary, self.node(), name, linux.RENAME_EXCHANGE if directory else 0)
        if directory:
            fs.work.unlink(temporary)

    def _named(self, name: bytes, child: Kept) -> None:
        if not isinstance(child, Directory):
            child.placed(self, name)
        self.now_keeps(name)
        self.fs.changed[child] = None

    def _store(self, child: Inode) -> None:
        storage = self.fs.storage
        if storage is not None:
            storage.note_node(child)
            if isinstance(child, UpperFile):
                storage.add_file(child)

    def create_unnamed(self, mode: int, uid: int, gid: int, now: int) -> Inode:
        fs = self.fs
        gid = self.gid if self.mode & linux.S_ISGID else gid
        if fs.storage is not None:
            fs.storage.require(NODE)
        node, file = fs.work.make_unnamed(mode & 0o7777, uid, gid)
        child = UpperFile(fs, fs.next_ino(), linux.S_IFREG | mode & 0o7777, uid, gid, now, b"", 0)
        child.in_upper, child._held, child._nameless, child.nlink, child.xattrs = True, node, file, 0, {}
        self._store(child)
        return child

    def symlink(self, name: bytes, target: bytes, uid: int, gid: int, now: int) -> Inode:
        fs = self.fs
        if self.nlink == 0:
            raise LinuxError(linux.ENOENT)
        if fs.storage is not None:
            fs.storage.require(NODE)
        node = self.node()
        taken = name in self._names()
        place, called = (fs.work, fs.temporary()) if taken else (node, name)
        place.make_link(called, target, uid, gid)
        if taken:
            self._put(called, name, False)
        child = UpperSymlink(fs, fs.next_ino(), target, uid, gid, now)
        child.in_upper, child.xattrs = True, {}
        self._named(name, child)
        self._store(child)
        self._add(name, child, now)
        if self.watched is not None:
            notify.created(self, name, child)
        return child

    def link(self, name: bytes, inode: Inode, now: int) -> None:
        assert isinstance(inode, Kept)
        if self.nlink == 0:
            raise LinuxError(linux.ENOENT)
        node = inode.node()
        node.set_origin(b"")
        if name in self._names():
            temporary = self.fs.temporary()
            self.fs.work.link(node, temporary)
            self._put(temporary, name, False)
        else:
            self.node().link(node, name)
        inode.is_named()
        self._named(name, inode)
        super().link(name, inode, now)

    # Removing
    def _unlink(self, name: bytes, now: int) -> Inode:
        child = self.lookup(name)
        assert isinstance(child, Kept)
        if child.nlink <= 1:
            child.hold()
        self._wipe(name, False)
        self._gone(name, child)
        return super()._unlink(name, now)

    def _rmdir(self, name: bytes, now: int) -> Inode:
        child = self.lookup(name)
        assert isinstance(child, UpperDirectory)
        if any(True for _ in child.entries()):
            raise LinuxError(linux.ENOTEMPTY)
        child.hold()
        self._wipe(name, True)
        self._forget(child)
        return super()._rmdir(name, now)

    def _forget(self, child: UpperDirectory) -> None:
        """The file system has no use for it any more."""
        self.fs.directories.pop(child, None)
        self.fs.changed.pop(child, None)

    def _gone(self, name: bytes, child: Kept) -> None:
        child.unplaced(self, name)
        if child.nlink <= 1:
            self.fs.changed.pop(child, None)
            if child.shared_as is not None:
                self.fs.hard_links.pop(child.shared_as, None)  # the number may get another owner

    def _wipe(self, name: bytes, directory: bool) -> None:
        """Have nothing under ``name``: neither in the layer nor, by a whiteout, in the root."""
        fs = self.fs
        hidden = self.hidden(name)
        kept = name in self._names()
        if hidden is None and not kept:  # a place to mount on
            return
        node = self.node()
        if hidden is not None:
            temporary = fs.temporary()
            fs.work.make_whiteout(temporary, hidden[10], hidden[9])
            fs.work.rename(temporary, node, name, linux.RENAME_EXCHANGE if kept and directory else 0)
            if kept and directory:
                fs.discard(temporary)
            self.now_keeps(name, False)
            return
        if directory:
            temporary = fs.temporary()
            node.rename(name, fs.work, temporary, 0)
            fs.discard(temporary)
        else:
            node.unlink(name)
        self._forgets(name)

    # Moving
    def rename(self, name: bytes, to: Inode, new_name: bytes, now: int, exchange: bool = False) -> None:
        assert isinstance(to, UpperDirectory)
        child, old = self.lookup(name), to.children.get(new_name)
        if old is child:
            return
        exchange = exchange and old is not None
        for moved in (child, old) if exchange else (child,):
            if isinstance(moved, UpperDirectory) and moved.below is not None:
                raise LinuxError(linux.EXDEV)
        if old is not None and not exchange and old.is_directory and any(True for _ in old.entries()):
            raise LinuxError(linux.ENOTEMPTY)
        if len(new_name) > 255:
            raise LinuxError(linux.ENAMETOOLONG)
        if to.nlink == 0:
            raise LinuxError(linux.ENOENT)
        assert isinstance(child, Kept)
        child.node().set_origin(b"")
        if exchange:
            assert isinstance(old, Kept)
            old.node().set_origin(b"")
            _hide_below(child, to, new_name)
            _hide_below(old, self, name)
            self.node().rename(name, to.node(), new_name, linux.RENAME_EXCHANGE)
        else:
            self._move(name, child, to, new_name, old)
        _follow(child, self, name, to, new_name)
        if exchange and isinstance(old, Kept):
            _follow(old, to, new_name, self, name)
        self.fs.changed |= {self: None, to: None}
        super().rename(name, to, new_name, now, exchange)

    def _move(self, name: bytes, child: Kept, to: UpperDirectory, new_name: bytes, old: Inode | None) -> None:
        """In the layer, the entry goes to ``to`` in place of what is there, leaving a whiteout if the root has its name."""
        if isinstance(old, Kept) and (old.is_directory or old.nlink <= 1):
            old.hold()
        _hide_below(child, to, new_name)
        source, target = self.node(), to.node()
        left = self.hidden(name)
        there = to._names().get(new_name)
        if child.is_directory and there is not None:
            source.rename(name, target, new_name, linux.RENAME_EXCHANGE)
            self._wipe(name, there)  # what was there: a whiteout, or a directory of whiteouts
        elif left is not None:
            source.rename(name, target, new_name, linux.RENAME_WHITEOUT)
            source.lookup(name).change_times(left[10], left[9])
            self.now_keeps(name, False)
        else:
            source.rename(name, target, new_name, 0)
            self._forgets(name)
        to.now_keeps(new_name)
        if isinstance(old, UpperDirectory):
            self._forget(old)

    def _displace(self, name: bytes, child: Inode, now: int) -> None:
        """The layer has it replaced already."""
        if isinstance(child, Kept) and not child.is_directory:
            self._gone(name, child)
        if child.is_directory:
            super()._rmdir(name, now)
        else:
            super()._unlink(name, now)

    def sync(self) -> None:
        if self.in_upper:
            self.node().sync()


def _hide_below(child: Kept, to: UpperDirectory, name: bytes) -> None:
    """A directory that gets the name of something of the root must not let it show through."""
    if child.is_directory and to.hidden(name) is not None:
        child.node().set_opaque()


def _follow(child: Kept, old: UpperDirectory, old_name: bytes, new: UpperDirectory, name: bytes) -> None:
    """It is known by its new name."""
    if not isinstance(child, Directory):
        child.unplaced(old, old_name)
        child.placed(new, name)


def count_all(root: UpperDirectory) -> None:
    """Have all that the layer keeps counted, where that is limited. Raises LinuxError."""
    directories = [root]
    while directories:
        directory = directories.pop()
        for name in [name for name, there in directory._names().items() if there]:
            with suppress(LinuxError):  # a whiteout of the other form
                child = directory.lookup(name)
                directory._store(child)
                if isinstance(child, UpperDirectory) and child.in_upper:
                    directories.append(child)
    if root.fs.storage is not None:
        root.fs.storage.count()
