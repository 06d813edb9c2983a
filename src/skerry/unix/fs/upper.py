"""A copy-on-write view whose writable layer is kept on the host (``--upper``), in OverlayFS's format.

Every change is made in the layer when it is made here, by one host call that makes it visible: what is not a single call on the host is
prepared in ``work`` and moved into place. So the layer is whole at any moment, whoever is killed. Attributes in memory are what programs
see; nobody else changes the layer meanwhile. Modification times of the host may be some milliseconds off: ``write_times`` brings them up.

As in OverlayFS, a file is copied up as a whole when it is first changed, and other names of it that nobody has looked at keep the old
contents; a directory that is (partly) the root's cannot be renamed (EXDEV: mv copies then).

Source: Linux, Documentation/filesystems/overlayfs.rst.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.unix import notify
from skerry.unix.errors import LinuxError
from skerry.unix.files import OpenFile, RegularFile
from skerry.unix.fs.cow import CowFile, CowFileSystem, count_of_links
from skerry.unix.fs.tmpfs import Node, Symlink
from skerry.unix.inode import Inode

if TYPE_CHECKING:
    from skerry.unix.fs.upperdir import UpperDirectory
    from skerry.unix.memory import Memory
    from skerry.unix.process import Thread
    from skerry.unix.storage import Storage
    from skerry.unix.substrate import Attributes, Buffer, HostFile, HostTree, LayerNode, MemoryObject, Platform

KEPT_INO: Final = 1 << 48  # added to inode numbers of the layer, which may be on another file system than the root
OPEN_DIRECTORIES: Final = 256
_COPY_STEP: Final = 1 << 24


class UpperFileSystem(CowFileSystem):
    """What the inodes of one view share. ``upper`` is the layer's directory, ``work`` an empty one on the same file system."""

    def __init__(
        self, platform: Platform, device: int, tree: HostTree, upper: LayerNode, work: LayerNode, storage: Storage | None = None
    ) -> None:
        super().__init__(platform, device, tree, storage)
        self.upper = upper
        self.work = work
        self.directories: dict[UpperDirectory, LayerNode] = {}  # open ones, least recently used first
        self.changed: dict[Kept, None] = {}  # whose times the layer may have a little wrong; mostly parents first, which is quick
        self._last_temporary = 0

    def root(self) -> UpperDirectory:
        """The view's root directory. Raises LinuxError."""
        from skerry.unix.fs.upperdir import UpperDirectory

        root = self.adopt(self.upper, b"")
        assert isinstance(root, UpperDirectory)
        return root

    def temporary(self) -> bytes:
        """A name in ``work`` that nothing has."""
        self._last_temporary += 1
        return b"%d" % self._last_temporary

    def adopt(self, node: LayerNode, below: bytes | None) -> Inode:
        """The inode of what the layer holds; ``below``: the path of the root's directory that shows through. Raises LinuxError."""
        from skerry.unix.fs.upperdir import UpperDirectory

        attributes = node.stat()
        mode, ino, dev, nlink, uid, gid, rdev, size, atime, mtime, ctime, blocks = attributes
        kind = mode & linux.S_IFMT
        shared = nlink > 1 and kind != linux.S_IFDIR
        if shared and (dev, ino) in self.hard_links:
            return self.hard_links[dev, ino]
        inode: Kept
        if kind == linux.S_IFREG:
            inode = UpperFile(self, KEPT_INO | ino, mode, uid, gid, ctime, b"", blocks)
            if self.storage is not None:
                self.storage.add_file(inode)
        elif kind == linux.S_IFDIR:
            inode = UpperDirectory(self, KEPT_INO | ino, mode, uid, gid, ctime, below)
        elif kind == linux.S_IFLNK:
            inode = UpperSymlink(self, KEPT_INO | ino, node.readlink(), uid, gid, ctime)
        else:
            inode = UpperNode(self, KEPT_INO | ino, mode, uid, gid, ctime)
        inode.in_upper = True
        inode.nlink, inode.rdev, inode.size, inode.atime, inode.mtime = count_of_links(attributes), rdev, size, atime, mtime
        if below is not None:
            inode.nlink += count_of_links(self.tree.stat(below))  # at least as many as there are
        inode.xattrs = node.attributes()
        if shared:
            inode.shared_as = (dev, ino)
            self.hard_links[dev, ino] = inode
        return inode

    def _make(self, path: bytes, attributes: Attributes) -> Inode:
        from skerry.unix.fs.upperdir import UpperDirectory

        mode, ino, _, _, uid, gid, _, _, _, _, ctime, blocks = attributes
        kind = mode & linux.S_IFMT
        if kind == linux.S_IFREG:
            return UpperFile(self, ino, mode, uid, gid, ctime, path, blocks)
        if kind == linux.S_IFDIR:
            return UpperDirectory(self, ino, mode, uid, gid, ctime, path)
        if kind == linux.S_IFLNK:
            return UpperSymlink(self, ino, self.readlink(path), uid, gid, ctime)
        return UpperNode(self, ino, mode, uid, gid, ctime)

    def discard(self, name: bytes) -> None:
        """Remove what lies in ``work`` under ``name``: something that is not a directory, or one that holds nothing but whiteouts."""
        node = self.work.lookup(name)
        if node.stat()[0] & linux.S_IFMT != linux.S_IFDIR:
            self.work.unlink(name)
            return
        for whiteout, _, _ in node.list():
            node.unlink(whiteout)
        self.work.rmdir(name)

    def write_times(self) -> None:
        """Give what was changed the times that programs have seen. Raises LinuxError."""
        changed, self.changed = self.changed, {}
        for inode in changed:
            inode.write_times()

    def sync(self) -> None:
        self.write_times()
        self.upper.sync_all()

    def statfs(self) -> tuple[int, int, int, int, int, int]:
        return super().statfs() if self.storage is not None else self.upper.statfs()


def origin(attributes: Attributes) -> bytes:
    """What is noted of an object of the root when it is copied up: mode, size, and modification and change time (ns)."""
    return b"%o %d %d %d" % (attributes[0], attributes[7], attributes[9], attributes[10])


class Kept(Inode):
    """An object of the view: what it is in memory, and where the layer has it once it was changed."""

    fs: UpperFileSystem
    in_upper = False
    names: tuple[tuple[UpperDirectory, bytes], ...] = ()  # that are known; a directory's own are its parent and name
    shared_as: tuple[int, int] | None = None  # its key in hard_links, if it came with several names from the layer
    _held: LayerNode | None = None  # instead of a name

    def placed(self, directory: UpperDirectory, name: bytes) -> None:
        """It has a name."""
        self.names += ((directory, name),)

    def unplaced(self, directory: UpperDirectory, name: bytes) -> None:
        """It has lost one."""
        self.names = tuple(known for known in self.names if known != (directory, name))

    def hold(self) -> None:
        """It is about to lose its last name; whoever has it open goes on with it."""
        if self.in_upper and self._held is None:
            self._held = self.kept_node()

    def is_named(self) -> None:
        """It gets a name that it had none."""
        self._held = None

    def node(self) -> LayerNode:
        """What the layer has of it: a copy, if it had none. Raises LinuxError."""
        self.copy_up()
        return self.kept_node()

    def kept_node(self) -> LayerNode:
        """What the layer has of it."""
        if self._held is not None:
            return self._held
        directory, name = self.names[0]
        return directory.node().lookup(name)

    def copy_up(self) -> None:
        """Have the layer keep it. Raises LinuxError; then nothing has changed."""
        if self.in_upper:
            return
        fs = self.fs
        if not self.names:
            self._held = self._copy_unnamed()
            self.in_upper = True
            return
        directory, name = self.names[0]
        place = directory.node()
        temporary = fs.temporary()
        try:
            node = self._copy(temporary)
            for key, value in self.xattr_table().items():
                node.set_attribute(key, value)
            node.change_times(self.atime, self.mtime)
            fs.work.rename(temporary, place, name, 0)
        except LinuxError:
            with suppress(LinuxError):
                fs.discard(temporary)
            raise
        self.in_upper = True
        directory.now_keeps(name)
        for directory, name in self.names[1:]:
            directory.node().link(node, name)
            directory.now_keeps(name)

    def _copy(self, name: bytes) -> LayerNode:
        """A copy of the root's object in ``work``."""
        raise NotImplementedError

    def _copy_unnamed(self) -> LayerNode:
        """The same, without a name."""
        temporary = self.fs.temporary()
        node = self._copy(temporary)
        self.xattr_table()
        self.fs.work.unlink(temporary)
        return node

    def write_times(self) -> None:
        if self.in_upper and self.nlink:
            self.kept_node().change_times(self.atime, self.mtime)

    def set_attributes(
        self,
        now: int,
        mode: int | None = None,
        uid: int | None = None,
        gid: int | None = None,
        atime: int | None = None,
        mtime: int | None = None,
    ) -> None:
        new_owner = uid not in (None, self.uid) or gid not in (None, self.gid)
        new_mode = mode is not None and mode & 0o7777 != self.mode & 0o7777
        if new_owner or new_mode or atime is not None or mtime is not None:
            node = self.node()
            if new_owner:
                node.change_owner(self.uid if uid is None else uid, self.gid if gid is None else gid)
            if mode is not None and not self.is_symlink:
                node.change_mode(mode & 0o7777)
            if atime is not None or mtime is not None:
                node.change_times(self.atime if atime is None else atime, self.mtime if mtime is None else mtime)
        super().set_attributes(now, mode, uid, gid, atime, mtime)

    def set_xattr(self, name: bytes, value: bytes, now: int) -> None:
        self.node().set_attribute(name, value)
        super().set_xattr(name, value, now)

    def remove_xattr(self, name: bytes, now: int) -> None:
        self.node().remove_attribute(name)
        super().remove_xattr(name, now)


class UpperFile(Kept, CowFile):
    """A regular file: the root's until it is changed, then the layer's."""

    fs: UpperFileSystem
    _nameless: HostFile | None = None  # the contents of one that has lost its last name, once they are needed

    @property
    def stored(self) -> int:
        return (self.size + 4095) & ~4095 if self.in_upper else 0

    @property
    def blocks(self) -> int:
        file = (self._nameless or self.fs.open_files.get(self)) if self.in_upper else None
        return self._host_blocks if file is None else file.blocks

    def open(self, thread: Thread, flags: int) -> OpenFile:
        return SynchronousFile(self, flags, b"") if flags & linux.O_DSYNC else super().open(thread, flags)

    def _host_file(self) -> HostFile:
        if not self.in_upper:
            return super()._host_file()
        file = self._nameless or self.fs.open_files.get(self)
        if file is None:
            file = self.kept_node().open(True)
            if self._held is not None:
                self._nameless = file
            else:
                self.fs.keep_open(self, file)
        return file

    def hold(self) -> None:
        super().hold()
        if self.in_upper:
            self._nameless = self.fs.open_files.pop(self, None)

    def is_named(self) -> None:
        super().is_named()
        if self._nameless is not None:
            self.fs.keep_open(self, self._nameless)
            self._nameless = None

    def _copy(self, name: bytes) -> LayerNode:
        return self._copied(name, self.size)

    def _copied(self, name: bytes, size: int) -> LayerNode:
        fs = self.fs
        if fs.storage is not None:
            fs.storage.require(size)
        assert self._host_path is not None
        node, file = fs.work.make_file(name, self.mode & 0o7777, self.uid, self.gid)
        if self.names:
            node.set_origin(origin(fs.tree.stat(self._host_path)))
        source = super()._host_file()
        at = 0
        while at < size:
            try:
                at = source.seek(at, linux.SEEK_DATA)
            except LinuxError as error:
                if error.errno != linux.ENXIO:  # a hole to the end
                    raise
                break
            data = source.read(at, min(_COPY_STEP, size - at))
            if not data:
                break
            written = 0
            while written < len(data):
                written += file.write(at + written, memoryview(data)[written:])
            at += len(data)
        file.resize(size)
        if at and self.names:
            file.sync()  # or a power failure could leave an empty copy in the way of the root's file
        return node

    def copy_up(self) -> None:
        if self.in_upper:
            return
        super().copy_up()
        self.fs.open_files.pop(self, None)
        if self.fs.storage is not None:
            self.fs.storage.add_file(self)
        self._replace_mappings()

    def _copy_up(self, size: int) -> None:
        if self.in_upper:
            return
        whole, self.size = self.size, size  # what is copied is what will be left of it
        try:
            self.copy_up()
        except LinuxError:
            self.size = whole
            raise

    def write_at(self, offset: int, data: Buffer, now: int) -> int:
        if not len(data):
            return 0
        if self.fs.storage is not None:
            data = memoryview(data)[: self.fs.storage.reserve(len(data))]
        self._copy_up(self.size)
        count = self._host_file().write(offset, data)
        self.size = max(self.size, offset + count)
        self._written(now)
        return count

    def truncate(self, size: int, now: int) -> None:
        self._copy_up(min(size, self.size))
        self._host_file().resize(size)
        self.size = size
        self._written(now)
        if self.watched is not None:
            notify.tell(self, notify.IN_MODIFY)

    def allocate(self, mode: int, offset: int, length: int, now: int) -> None:
        if self.fs.storage is not None:
            self.fs.storage.require(max(0, offset + length - self.size))
        self._copy_up(self.size)
        self._host_file().allocate(mode, offset, length)
        if not mode & linux.FALLOC_FL_KEEP_SIZE:
            self.size = max(self.size, offset + length)
        self._written(now)

    def _written(self, now: int) -> None:
        self.mtime = self.ctime = now
        if self.names:
            self.fs.changed[self] = None

    def writable_memory_object(self) -> MemoryObject:
        self._copy_up(self.size)
        return self._host_file()

    def is_replaced_later(self, memory: Memory) -> bool:
        return not self.in_upper and super().is_replaced_later(memory)

    def note_mapped_write(self, wait: bool) -> None:
        super().note_mapped_write(wait)
        self._written(self.mtime)
        if wait:
            self.sync()

    def sync(self) -> None:
        if self.in_upper:
            self.fs.changed.pop(self, None)
            self.write_times()
            self._host_file().sync()


class UpperSymlink(Kept, Symlink):
    """A symbolic link."""

    fs: UpperFileSystem

    def _copy(self, name: bytes) -> LayerNode:
        return self.fs.work.make_link(name, self.target, self.uid, self.gid)


class UpperNode(Kept, Node):
    """A fifo, a socket's name or a device."""

    fs: UpperFileSystem

    def _copy(self, name: bytes) -> LayerNode:
        return self.fs.work.make_device(name, self.mode, self.uid, self.gid, self.rdev)


class SynchronousFile(RegularFile):
    """An open file whose writes reach the disk before they return (O_SYNC, O_DSYNC)."""

    def write_at(self, data: bytes, offset: int) -> int:
        count = super().write_at(data, offset)
        self.inode.sync()
        return count
