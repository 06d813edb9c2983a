"""A copy-on-write view of a host directory: loaded as it is walked, changed in memory only.

What was looked at once stays as it was seen: a name that was missing stays missing (so the first MISSING names), a file's attributes are
those it had then, but for its size, which is taken again when its contents are first opened. (Overlayfs promises no more for a lower layer
that changes; :mod:`skerry.unix.fs.hostdir` is the view that is always current.) Contents are read from the host until the file is first
changed.

When it is, they move to memory, and shared mappings with them. Private mappings keep showing the host's bytes: whether they see later
writes is unspecified (POSIX mmap), and programs that run from the file are not disturbed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from skerry.abi import linux
from skerry.unix import notify
from skerry.unix.errors import LinuxError
from skerry.unix.fs.tmpfs import Directory, File, MemoryFileSystem, Node, Symlink
from skerry.unix.inode import Inode
from skerry.unix.substrate import Attributes, Buffer, HostFile, HostTree, MemoryObject, Platform

if TYPE_CHECKING:
    from skerry.unix.memory import Memory
    from skerry.unix.storage import Storage

_COPY_STEP: Final = 1 << 24
_NOBODY: Final[WeakSet[Memory]] = WeakSet()  # never added to
OPEN_HOST_FILES: Final = 512
MISSING: Final = 1 << 16  # names that are remembered as not there; the host is asked for others each time
AT_ONCE: Final = 256  # names of a directory that the host is asked for in one call
UNCOUNTED: Final = 1 << 16  # links of a directory where the host says 1


class CowFileSystem(MemoryFileSystem):
    """What the inodes of one view share: the tree, the nodes of hard-linked files, the open host files."""

    def __init__(self, platform: Platform, device: int, tree: HostTree, storage: Storage | None = None) -> None:
        super().__init__(platform, device, "overlay", 0x794C7630, storage)
        self.tree = tree
        self.hard_links: dict[tuple[int, int], Inode] = {}
        self.open_files: dict[CowFile, HostFile] = {}  # least recently opened first
        self.missing = 0  # names that were found not to be there
        self._ahead: dict[bytes, tuple[Attributes, bytes]] = {}  # by path: what is about to be loaded

    def root(self) -> CowDirectory:
        """The view's root directory. Raises LinuxError."""
        node = self.load(b"")
        assert isinstance(node, CowDirectory)
        return node

    def look_ahead(self, path: bytes, names: list[bytes]) -> Iterator[bytes]:
        """Each of ``names`` in a host directory, for all of which the host is asked together: they are to be loaded one after the other."""
        place = path + b"/" if path else b""
        try:
            for start in range(0, len(names), AT_ONCE):
                some = names[start : start + AT_ONCE]
                self._ahead = {place + name: (attributes, target) for name, attributes, target in self.tree.look(path, b"\0".join(some))}
                yield from some
        finally:
            self._ahead = {}

    def readlink(self, path: bytes) -> bytes:
        """The target of a symbolic link that is being loaded."""
        return self._ahead[path][1] if path in self._ahead else self.tree.readlink(path)

    def load(self, path: bytes) -> Inode:
        """The inode of a host name; raises LinuxError."""
        attributes = self._ahead[path][0] if path in self._ahead else self.tree.stat(path)
        mode, ino, dev, nlink = attributes[:4]
        shared = nlink > 1 and mode & linux.S_IFMT != linux.S_IFDIR
        if shared and (dev, ino) in self.hard_links:
            return self.hard_links[dev, ino]
        node = self._make(path, attributes)
        if self.storage is not None:
            self.storage.looked_at += 1
        _, _, _, _, _, _, node.rdev, node.size, node.atime, node.mtime, _, _ = attributes
        node.nlink = count_of_links(attributes)
        if shared:
            self.hard_links[dev, ino] = node
        return node

    def _make(self, path: bytes, attributes: Attributes) -> Inode:
        """An inode of the right class, with the attributes that inodes are made with."""
        mode, ino, _, _, uid, gid, _, _, _, _, ctime, blocks = attributes
        kind = mode & linux.S_IFMT
        if kind == linux.S_IFREG:
            return CowFile(self, ino, mode, uid, gid, ctime, path, blocks)
        if kind == linux.S_IFDIR:
            return CowDirectory(self, ino, mode, uid, gid, ctime, path)
        if kind == linux.S_IFLNK:
            return Symlink(self, ino, self.readlink(path), uid, gid, ctime)
        return Node(self, ino, mode, uid, gid, ctime)

    def keep_open(self, inode: CowFile, file: HostFile) -> None:
        """Keep its contents open for a while."""
        self.open_files[inode] = file
        if len(self.open_files) > OPEN_HOST_FILES:
            last = next(iter(self.open_files))
            file = self.open_files.pop(last)
            last.will_close(file)
            file.close()


def count_of_links(attributes: Attributes) -> int:
    """Of an object of the host; many for a directory of a file system that does not count its directories."""
    mode, nlink = attributes[0], attributes[3]
    return UNCOUNTED if nlink < 2 and mode & linux.S_IFMT == linux.S_IFDIR else nlink


class CowFile(File):
    """A regular file whose contents are the host's until they are first written."""

    fs: CowFileSystem
    born_in_memory = False

    def __init__(self, fs: CowFileSystem, ino: int, mode: int, uid: int, gid: int, now: int, path: bytes, blocks: int) -> None:
        super().__init__(fs, ino, mode, uid, gid, now)
        self._host_path: bytes | None = path  # None: copied up
        self._host_blocks = blocks
        self._mapped_by: WeakSet[Memory] = _NOBODY  # shared, while the contents are the host's

    @property
    def blocks(self) -> int:
        return self._host_blocks if self._host_path is not None else super().blocks

    def _host_file(self) -> HostFile:
        fs = self.fs
        file = fs.open_files.get(self)
        if file is None:
            assert self._host_path is not None
            file = fs.tree.open(self._host_path)
            self._look_again(file)
            fs.keep_open(self, file)
        return file

    def will_close(self, file: HostFile) -> None:
        """It was open too long."""
        self._host_blocks = file.blocks

    def _look_again(self, file: HostFile) -> None:
        """The host may have changed the file since its attributes were taken; what it holds now is what will be read."""
        if (size := file.size) != self.size:
            self.size, self._host_blocks = size, file.blocks

    def read_at(self, offset: int, length: int) -> bytes:
        if self._host_path is None:
            return super().read_at(offset, length)
        return self._host_file().read(offset, length)

    def xattr_table(self) -> dict[bytes, bytes]:
        if self.xattrs is None:
            self.xattrs = {} if self._host_path is None else self.fs.tree.attributes(self._host_path)
        return self.xattrs

    def _copy_up(self, size: int) -> None:
        """Bring the first ``size`` bytes into memory."""
        if self._host_path is None:
            return
        self.xattr_table()
        file = self._host_file() if size else None
        if self.fs.storage is not None:
            self.fs.storage.require(size)
            self.fs.storage.add_file(self)
        self.fs.open_files.pop(self, None)
        self._host_path = None
        kept, self.size = self.mtime, 0
        for offset in range(0, size, _COPY_STEP):
            assert file is not None
            super().write_at(offset, file.read(offset, min(_COPY_STEP, size - offset)), kept)
        self._replace_mappings()

    def _replace_mappings(self) -> None:
        """Shared mappings show what the contents are now."""
        if self._mapped_by:
            mapped_by, self._mapped_by = self._mapped_by, _NOBODY
            for memory in list(mapped_by):
                memory.replace(self, self.memory_object())

    def write_at(self, offset: int, data: Buffer, now: int) -> int:
        self._copy_up(self.size)
        return super().write_at(offset, data, now)

    def truncate(self, size: int, now: int) -> None:
        self._copy_up(min(size, self.size))
        super().truncate(size, now)

    def seek_data(self, offset: int, whence: int) -> int:
        return super().seek_data(offset, whence) if self._host_path is None else self._host_file().seek(offset, whence)

    def allocate(self, mode: int, offset: int, length: int, now: int) -> None:
        self._copy_up(self.size)
        super().allocate(mode, offset, length, now)

    def memory_object(self) -> MemoryObject:
        if self._host_path is None:
            return super().memory_object()
        return self._host_file()

    def writable_memory_object(self) -> MemoryObject:
        """For a shared mapping that may be written."""
        self._copy_up(self.size)
        return super().writable_memory_object()

    def is_replaced_later(self, memory: Memory) -> bool:
        if self._host_path is None:
            return False
        if self._mapped_by is _NOBODY:
            self._mapped_by = WeakSet()
        self._mapped_by.add(memory)
        return True


class CowDirectory(Directory):
    """A directory whose names come from the host as they are looked up."""

    fs: CowFileSystem

    def __init__(self, fs: CowFileSystem, ino: int, mode: int, uid: int, gid: int, now: int, path: bytes) -> None:
        super().__init__(fs, ino, mode, uid, gid, now)
        self._host_path = path
        self._complete = False

    def xattr_table(self) -> dict[bytes, bytes]:
        if self.xattrs is None:
            self.xattrs = self.fs.tree.attributes(self._host_path)
        return self.xattrs

    def lookup(self, name: bytes) -> Inode:
        try:
            child = self.children[name]
        except KeyError:
            child = self._fetch(name)
        if child is None:
            raise LinuxError(linux.ENOENT)
        return child

    def _fetch(self, name: bytes) -> Inode | None:
        child: Inode | None = None
        if len(name) > 255:
            raise LinuxError(linux.ENAMETOOLONG)
        if not self._complete:
            try:
                child = self.fs.load(self._host_path + b"/" + name if self._host_path else name)
            except LinuxError as error:
                if error.errno != linux.ENOENT:
                    raise
            else:
                if isinstance(child, Directory):
                    child.parent, child.name = self, name
        if child is None and not self._remembers_missing():
            return None
        self.children[name] = child
        if self.watched is not None and self.watched.watchers and child is not None:
            notify.adopt(self, name, child)
        return child

    def _remembers_missing(self) -> bool:
        """Whether one more name that is not there is to be remembered."""
        if self._complete:
            return False
        self.fs.missing += 1
        return self.fs.missing <= MISSING

    def _is_below(self, name: bytes) -> bool:
        """Whether the host has the name now, or may have it."""
        try:
            self.fs.tree.stat(self._host_path + b"/" + name if self._host_path else name)
        except LinuxError as error:
            return error.errno != linux.ENOENT
        return True

    def load(self) -> None:
        if not self._complete:
            names = [name for name, _ino, _kind in self.fs.tree.list(self._host_path) if name not in self.children]
            for name in self.fs.look_ahead(self._host_path, names):
                self._fetch(name)
            self._complete = True

    def _remove(self, name: bytes, now: int) -> None:
        if self._complete or not (self._remembers_missing() or self._is_below(name)):
            del self.children[name]
        else:
            self.children[name] = None  # whatever the host has there
        self.mtime = self.ctime = now
