"""A host directory that is written through: what programs change here, changes on the host, at once.

Nothing is remembered but who an object is: names and attributes are asked of the host each time, so the view is always current. An object
has one inode as long as somebody holds it (an open file, a mapping, a working directory); locks and fifos live there, so they are between
the programs of this system only. Reads, writes and mappings use one host file, so they agree with each other and with the host's programs.

With a tree that is not writable the file system is read-only (EROFS). Of extended attributes there are those that begin with ``user.``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

from skerry.abi import linux
from skerry.unix.errors import LinuxError
from skerry.unix.files import OpenFile, RegularFile
from skerry.unix.fs.tmpfs import Directory, MemoryFileSystem, Node
from skerry.unix.inode import Inode

if TYPE_CHECKING:
    from skerry.unix.process import Thread
    from skerry.unix.substrate import Attributes, Buffer, HostFile, HostNode, MemoryObject, Platform

FUSE_MAGIC: Final = 0x65735546  # as sshfs and virtiofs say: files that somebody else keeps


class HostDirectoryFileSystem(MemoryFileSystem):
    """What the inodes of one host directory share; ``tree`` is the directory's own node."""

    def __init__(self, platform: Platform, device: int, tree: HostNode) -> None:
        super().__init__(platform, device, "fuse", FUSE_MAGIC)
        self.tree = tree
        self.read_only = not tree.writable
        self._inodes: WeakValueDictionary[tuple[int, int], Inode] = WeakValueDictionary()  # by the host's device and number

    def root(self) -> HostDirectory:
        """The root directory. Raises LinuxError."""
        root = self.inode_of(self.tree)
        if not isinstance(root, HostDirectory):
            raise LinuxError(linux.ENOTDIR)
        return root

    def inode_of(self, node: HostNode) -> Inode:
        """The inode of what ``node`` is, up to date."""
        attributes = node.stat()
        key = (attributes[2], attributes[1])
        inode = self._inodes.get(key)
        if inode is None:
            inode = self._inodes[key] = _KINDS.get(attributes[0] & linux.S_IFMT, HostSpecial)(self, node, attributes)
        else:
            _take(inode, attributes)
        return inode

    def statfs(self) -> tuple[int, int, int, int, int, int]:
        return self.tree.statfs()


def _take(inode: Inode, attributes: Attributes) -> None:
    inode.mode, _, _, inode.nlink, inode.uid, inode.gid, inode.rdev, inode.size, inode.atime, inode.mtime, inode.ctime, _ = attributes


class HostInode(Inode):
    """An object of the host: its node, and the attributes as they were when they were last asked for."""

    fs: HostDirectoryFileSystem

    def __init__(self, fs: HostDirectoryFileSystem, node: HostNode, attributes: Attributes) -> None:
        super().__init__(fs, attributes[1], attributes[0], attributes[4], attributes[5], attributes[10])
        self.node = node
        _take(self, attributes)

    def note_access(self) -> None:
        """The host notes it."""

    def refresh(self) -> None:
        _take(self, self.node.stat())

    @property
    def blocks(self) -> int:
        return self.node.stat()[11]

    def xattr_table(self) -> dict[bytes, bytes]:
        return self.node.attributes()

    def set_xattr(self, name: bytes, value: bytes, now: int) -> None:
        if not name.startswith(b"user."):
            raise LinuxError(linux.EOPNOTSUPP)
        self.node.set_attribute(name, value)

    def remove_xattr(self, name: bytes, now: int) -> None:
        self.node.remove_attribute(name)

    def set_attributes(
        self,
        now: int,
        mode: int | None = None,
        uid: int | None = None,
        gid: int | None = None,
        atime: int | None = None,
        mtime: int | None = None,
    ) -> None:
        if uid is not None or gid is not None:
            self.node.change_owner(-1 if uid is None else uid, -1 if gid is None else gid)
        if mode is not None and not self.is_symlink:
            self.node.change_mode(mode & 0o7777)
        if atime is not None or mtime is not None:
            self.refresh()
            self.node.change_times(self.atime if atime is None else atime, self.mtime if mtime is None else mtime)
        self.refresh()


class HostSymlink(HostInode):
    """A symbolic link; programs follow it within their own tree of names."""

    def readlink(self) -> bytes:
        return self.node.readlink()


class HostSpecial(HostInode, Node):
    """A fifo, which connects programs of this system; a socket's name or a device, which cannot be opened."""


class HostRegular(HostInode):
    """A regular file. Its host file is opened when it is first needed, and again when writing is."""

    def __init__(self, fs: HostDirectoryFileSystem, node: HostNode, attributes: Attributes) -> None:
        self._file: HostFile | None = None
        self._may_write = False
        super().__init__(fs, node, attributes)

    def adopt(self, file: HostFile) -> None:
        """Use ``file``, which may be written whatever the mode says: the file was made with it."""
        self._file, self._may_write = file, True

    def file(self, write: bool) -> HostFile:
        """The host file. Raises LinuxError."""
        if self._file is None or (write and not self._may_write):
            self._file, self._may_write = self.node.open(write), write
        return self._file

    def open(self, thread: Thread, flags: int) -> OpenFile:
        self.file(flags & linux.O_ACCMODE != linux.O_RDONLY or bool(flags & linux.O_TRUNC))
        return HostRegularFile(self, flags, b"")

    def read_at(self, offset: int, length: int) -> bytes:
        return self.file(False).read(offset, length)

    def write_at(self, offset: int, data: Buffer, now: int) -> int:
        return self.file(True).write(offset, data)

    def truncate(self, size: int, now: int) -> None:
        self.file(True).resize(size)

    def seek_data(self, offset: int, whence: int) -> int:
        return self.file(False).seek(offset, whence)

    def allocate(self, mode: int, offset: int, length: int, now: int) -> None:
        self.file(True).allocate(mode, offset, length)

    def sync(self) -> None:
        if self._file is not None:
            self._file.sync()

    def note_mapped_write(self, wait: bool) -> None:
        """The host sees it."""
        if wait:
            self.sync()

    def memory_object(self) -> MemoryObject:
        return self.file(False)

    def writable_memory_object(self) -> MemoryObject:
        return self.file(True)


class HostRegularFile(RegularFile):
    """An open file, whose end may move without our doing."""

    inode: HostRegular

    def write(self, data: bytes) -> int | None:
        if not self.flags & linux.O_APPEND:
            return super().write(data)
        moved = self.position  # a lent offset can be moved only from where it was seen
        count, moved = self.inode.file(True).append(data)
        self.position = moved
        return count

    def write_at(self, data: bytes, offset: int) -> int:
        return self.inode.file(True).append(data)[0] if self.flags & linux.O_APPEND else super().write_at(data, offset)

    def seek(self, offset: int, whence: int) -> int:
        if whence == linux.SEEK_END:
            self.inode.refresh()
        return super().seek(offset, whence)


class HostDirectory(HostInode, Directory):
    """A directory: ``children`` stays empty, every lookup asks the host."""

    fs: HostDirectoryFileSystem

    def __init__(self, fs: HostDirectoryFileSystem, node: HostNode, attributes: Attributes) -> None:
        Directory.__init__(self, fs, attributes[1], attributes[0], attributes[4], attributes[5], attributes[10])
        self.node = node
        _take(self, attributes)

    def lookup(self, name: bytes) -> Inode:
        return self._placed(name, self.node.lookup(name))

    def _placed(self, name: bytes, node: HostNode) -> Inode:
        inode = self.fs.inode_of(node)
        if isinstance(inode, Directory) and inode is not self:
            inode.parent, inode.name = self, name
        return inode

    def entries(self) -> Iterable[tuple[bytes, Inode]]:
        return [(name, self.lookup(name)) for name, _, _ in self.node.list()]

    def entry_kinds(self) -> Iterable[tuple[bytes, int, int]]:
        return self.node.list()

    def create(self, name: bytes, mode: int, uid: int, gid: int, now: int, rdev: int = 0) -> Inode:
        gid = self._group(gid)
        kind = mode & linux.S_IFMT
        if kind == linux.S_IFREG:
            node, file = self.node.make_file(name, mode & 0o7777, uid, gid)
            return self._adopted(node, file)
        if kind == linux.S_IFDIR:
            return self._placed(name, self.node.make_directory(name, mode & 0o7777, uid, gid))
        return self.fs.inode_of(self.node.make_special(name, mode, uid, gid))

    def create_unnamed(self, mode: int, uid: int, gid: int, now: int) -> Inode:
        node, file = self.node.make_unnamed(mode & 0o7777, uid, self._group(gid))
        return self._adopted(node, file)

    def _adopted(self, node: HostNode, file: HostFile) -> Inode:
        inode = self.fs.inode_of(node)
        assert isinstance(inode, HostRegular)
        inode.adopt(file)
        return inode

    def _group(self, gid: int) -> int:
        """The group of what is made here."""
        self.refresh()
        return self.gid if self.mode & linux.S_ISGID else gid

    def symlink(self, name: bytes, target: bytes, uid: int, gid: int, now: int) -> Inode:
        return self.fs.inode_of(self.node.make_link(name, target, uid, self._group(gid)))

    def link(self, name: bytes, inode: Inode, now: int) -> None:
        assert isinstance(inode, HostInode)
        self.node.link(inode.node, name)

    def unlink(self, name: bytes, now: int) -> None:
        self.node.unlink(name)

    def rmdir(self, name: bytes, now: int) -> None:
        self.node.rmdir(name)

    def rename(self, name: bytes, to: Inode, new_name: bytes, now: int, exchange: bool = False) -> None:
        assert isinstance(to, HostDirectory)
        self.node.rename(name, to.node, new_name, linux.RENAME_EXCHANGE if exchange else 0)
        to.lookup(new_name)  # a directory learns where it is now
        if exchange:
            self.lookup(name)

    def sync(self) -> None:
        self.node.sync()


_KINDS: Final[dict[int, type[HostInode]]] = {
    linux.S_IFREG: HostRegular,
    linux.S_IFDIR: HostDirectory,
    linux.S_IFLNK: HostSymlink,
}
