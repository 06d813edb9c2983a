"""Files in memory.

Contents are a bytearray while they are small and were never mapped, and a memory object from then on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.unix import notify
from skerry.unix.errors import LinuxError
from skerry.unix.files import DirectoryFile, OpenFile, RegularFile
from skerry.unix.inode import FileSystem, Inode

if TYPE_CHECKING:
    from skerry.unix.process import Thread
    from skerry.unix.storage import Storage
    from skerry.unix.substrate import Buffer, MemoryObject, Platform

PAGE: Final = 4096
SMALL: Final = 1 << 20  # bytes of contents up to which a bytearray holds them
HOLE: Final = 1 << 16  # bytes of a hole from which on a memory object, where it costs nothing, takes over
TMPFS_MAGIC: Final = 0x01021994
MAX_SIZE: Final = (1 << 63) - 1  # of a file, bytes
_NO_GROWTH: Final = linux.FALLOC_FL_KEEP_SIZE
_ZEROING: Final = linux.FALLOC_FL_PUNCH_HOLE | linux.FALLOC_FL_ZERO_RANGE


class MemoryFileSystem(FileSystem):
    """What the inodes of one tmpfs share."""

    def __init__(
        self, platform: Platform, device: int, kind: str = "tmpfs", magic: int = TMPFS_MAGIC, storage: Storage | None = None
    ) -> None:
        super().__init__(kind, device, magic)
        self.platform = platform
        self.storage = storage  # counts what is stored; None: it has no limit
        self._last_ino = 1 << 40  # above those of the host, which a copy-on-write view shows beside them

    def now(self) -> int:
        return self.platform.realtime()

    def next_ino(self) -> int:
        self._last_ino += 1
        return self._last_ino

    def store_attribute(self, inode: Inode, size: int) -> None:
        if self.storage is not None:
            self.storage.add_attribute(inode, size)

    def statfs(self) -> tuple[int, int, int, int, int, int]:
        total, available = self.platform.memory_bytes()
        if self.storage is not None:
            total, available = self.storage.limit, self.storage.left()
        return (4096, total >> 12, available >> 12, available >> 12, 1 << 20, 1 << 20)


class File(Inode):
    """A regular file."""

    fs: MemoryFileSystem
    born_in_memory = True  # whether its contents are in memory from the beginning

    def __init__(self, fs: MemoryFileSystem, ino: int, mode: int, uid: int, gid: int, now: int) -> None:
        super().__init__(fs, ino, mode, uid, gid, now)
        self._small: bytearray | None = bytearray()
        self._object: MemoryObject | None = None
        if fs.storage is not None and self.born_in_memory:
            fs.storage.add_file(self)

    @property
    def blocks(self) -> int:
        return self._object.blocks if self._object is not None else (self.size + 4095) >> 12 << 3

    @property
    def stored(self) -> int:
        """Bytes of memory that its contents take."""
        return self._object.blocks << 9 if self._object is not None else (self.size + 4095) & ~4095

    def open(self, thread: Thread, flags: int) -> OpenFile:
        return RegularFile(self, flags, b"")

    def read_at(self, offset: int, length: int) -> bytes:
        small = self._small
        if small is not None:
            return bytes(small[offset : offset + length])
        assert self._object is not None
        return self._object.read(offset, min(length, max(0, self.size - offset)))

    def write_at(self, offset: int, data: Buffer, now: int) -> int:
        if not len(data):
            return 0
        end = offset + len(data)
        if end > MAX_SIZE:
            raise LinuxError(linux.EFBIG)
        if self.fs.storage is not None and not self.fs.storage.take(len(data)):
            room = self._room(self.fs.storage, offset, len(data))
            if room < len(data):
                data, end = data[:room], offset + room
        if self._small is not None and (end > SMALL or offset - len(self._small) > HOLE):
            self.memory_object()
        small = self._small
        if small is not None:
            if offset > len(small):
                small.extend(bytes(offset - len(small)))
            small[offset:end] = data
        else:
            assert self._object is not None
            if end > self.size:
                self._object.resize(end)
            self._object.write(offset, data)
        self.size = max(self.size, end)
        self.mtime = self.ctime = now
        return len(data)

    def _missing(self, start: int, end: int) -> int:
        """Bytes of the pages of a range that nothing is stored in yet."""
        start, end = start & -PAGE, (end + PAGE - 1) & -PAGE
        if self._object is None:
            return max(0, end - max(start, (self.size + PAGE - 1) & -PAGE))
        missing = end - start
        while start < min(end, self.size):
            try:
                data = self._object.seek(start, linux.SEEK_DATA)
                start = self._object.seek(data, linux.SEEK_HOLE)
            except LinuxError:  # ENXIO: only a hole is left
                break
            missing -= max(0, min(end, (start + PAGE - 1) & -PAGE) - data)
        return missing

    def _room(self, storage: Storage, offset: int, length: int) -> int:
        """How many of ``length`` bytes can be written at ``offset``: where something is stored already, it costs nothing. Raises ENOSPC."""
        missing = self._missing(offset, offset + length)
        room = length - missing + storage.reserve(missing) if missing else length
        if room <= 0:
            storage.tell()
            raise LinuxError(linux.ENOSPC)
        return min(room, length)

    def truncate(self, size: int, now: int) -> None:
        if self._small is not None and (size > SMALL or size - len(self._small) > HOLE):
            self.memory_object()
        if self._small is not None:
            if size < len(self._small):
                del self._small[size:]
            else:
                self._small.extend(bytes(size - len(self._small)))
        else:
            assert self._object is not None
            self._object.resize(size)
        self.size = size
        self.mtime = self.ctime = now
        if self.watched is not None:
            notify.tell(self, notify.IN_MODIFY)

    def seek_data(self, offset: int, whence: int) -> int:
        return super().seek_data(offset, whence) if self._object is None else self._object.seek(offset, whence)

    def allocate(self, mode: int, offset: int, length: int, now: int) -> None:
        end = offset + length
        if mode & ~(_NO_GROWTH | _ZEROING) or mode & _ZEROING == _ZEROING:
            raise LinuxError(linux.EOPNOTSUPP)
        if mode & linux.FALLOC_FL_PUNCH_HOLE and not mode & _NO_GROWTH:
            raise LinuxError(linux.EOPNOTSUPP)
        if end > MAX_SIZE:
            raise LinuxError(linux.EFBIG)
        if not mode & _ZEROING:
            self._preallocate(offset, length)
        if end > self.size and not mode & _NO_GROWTH:
            self.truncate(end, now)
        self.mtime = self.ctime = now
        end = min(end, self.size)
        if not mode & _ZEROING or offset >= end:
            return
        if self._small is not None and end - offset >= PAGE and mode & linux.FALLOC_FL_PUNCH_HOLE:
            self.memory_object()  # it can have holes
        if self._small is not None:
            self._small[offset:end] = bytes(end - offset)
        else:
            assert self._object is not None
            self._object.allocate(linux.FALLOC_FL_PUNCH_HOLE | _NO_GROWTH, offset, end - offset)

    def _preallocate(self, offset: int, length: int) -> None:
        """Have room for a range, so that it can be written later. Raises ENOSPC."""
        missing = self._missing(offset, offset + length)
        if not missing:
            return
        if missing > self.fs.platform.memory_bytes()[1]:
            raise LinuxError(linux.ENOSPC)
        if self.fs.storage is not None:
            self.fs.storage.require(missing)
        self.memory_object().allocate(_NO_GROWTH, offset, length)

    def writable_memory_object(self) -> MemoryObject:
        if self.fs.storage is not None:
            self.fs.storage.note_mapped(self)
        return self.memory_object()

    def memory_object(self) -> MemoryObject:
        if self._object is None:
            contents = self._small if self._small is not None else bytearray()
            self._object = self.fs.platform.new_memory_object(len(contents))
            self._object.write(0, contents)
            self._small = None
        return self._object


class Symlink(Inode):
    """A symbolic link."""

    def __init__(self, fs: FileSystem, ino: int, target: bytes, uid: int, gid: int, now: int) -> None:
        super().__init__(fs, ino, linux.S_IFLNK | 0o777, uid, gid, now)
        self.target = target
        self.size = len(target)

    def readlink(self) -> bytes:
        return self.target


class Node(Inode):
    """A fifo, a socket's name or a device."""

    def open(self, thread: Thread, flags: int) -> OpenFile:
        if self.mode & linux.S_IFMT == linux.S_IFIFO:
            from skerry.unix.pipe import open_fifo

            return open_fifo(self, flags)
        from skerry.unix.fs.dev import open_device

        return open_device(self, thread, flags)

    def note_mapped_write(self, wait: bool) -> None:
        super().note_mapped_write(wait)
        if self.disk is not None and wait:
            self.disk.flush()


class Directory(Inode):
    """A directory; ``parent`` and ``name`` say where it is, ``covered_by`` what is mounted on it."""

    fs: MemoryFileSystem

    def __init__(self, fs: MemoryFileSystem, ino: int, mode: int, uid: int, gid: int, now: int) -> None:
        super().__init__(fs, ino, mode, uid, gid, now)
        self.children: dict[bytes, Inode | None] = {}  # None: a whiteout, or known to be missing
        self.nlink = 2
        self.size = 4096
        self.parent: Directory = self  # itself: a root
        self.name = b""
        self.covered_by: Directory | None = None

    def open(self, thread: Thread, flags: int) -> OpenFile:
        if flags & linux.O_ACCMODE != linux.O_RDONLY:
            raise LinuxError(linux.EISDIR)
        return DirectoryFile(self, flags, b"")

    @property
    def is_mount_root(self) -> bool:
        return self.parent is self or self.parent.fs is not self.fs

    @property
    def parent_ino(self) -> int:
        return self.parent.ino

    def load(self) -> None:
        """Make ``children`` complete."""

    def lookup(self, name: bytes) -> Inode:
        child = self.children.get(name)
        if child is None:
            raise LinuxError(linux.ENAMETOOLONG if len(name) > 255 else linux.ENOENT)
        return child

    def entries(self) -> Iterable[tuple[bytes, Inode]]:
        self.load()
        return [(name, child) for name, child in self.children.items() if child is not None]

    def create(self, name: bytes, mode: int, uid: int, gid: int, now: int, rdev: int = 0) -> Inode:
        kind = mode & linux.S_IFMT
        if self.nlink == 0:
            raise LinuxError(linux.ENOENT)
        if self.mode & linux.S_ISGID:
            gid = self.gid
            if kind == linux.S_IFDIR:
                mode |= linux.S_ISGID
        child = self._new_child(name, mode, uid, gid, now, rdev)
        self._store(child)
        self._add(name, child, now)
        if kind == linux.S_IFDIR:
            self.nlink += 1
        if self.watched is not None:
            notify.created(self, name, child)
        return child

    def make_place(self, name: bytes, mode: int, now: int) -> Directory:
        """A directory for the system's own use: to mount something on."""
        child = self.create(name, linux.S_IFDIR | mode, 0, 0, now)
        assert isinstance(child, Directory)
        return child

    def _new_child(self, name: bytes, mode: int, uid: int, gid: int, now: int, rdev: int) -> Inode:
        """A new inode, not yet called ``name``."""
        kind = mode & linux.S_IFMT
        ino = self.fs.next_ino()
        child: Inode
        if kind == linux.S_IFDIR:
            child = Directory(self.fs, ino, mode, uid, gid, now)
            child.parent, child.name = self, name
        elif kind == linux.S_IFREG:
            child = File(self.fs, ino, mode, uid, gid, now)
        else:
            child = Node(self.fs, ino, mode, uid, gid, now)
            child.rdev = rdev
        return child

    def create_unnamed(self, mode: int, uid: int, gid: int, now: int) -> Inode:
        child = File(self.fs, self.fs.next_ino(), linux.S_IFREG | mode & 0o7777, uid, self.gid if self.mode & linux.S_ISGID else gid, now)
        child.nlink = 0
        self._store(child)
        return child

    def _store(self, child: Inode) -> None:
        """Count a new inode. Raises ENOSPC."""
        child.birth = child.ctime
        if self.fs.storage is not None:
            self.fs.storage.add_node(child)

    def symlink(self, name: bytes, target: bytes, uid: int, gid: int, now: int) -> Inode:
        child = Symlink(self.fs, self.fs.next_ino(), target, uid, gid, now)
        self._store(child)
        self._add(name, child, now)
        if self.watched is not None:
            notify.created(self, name, child)
        return child

    def link(self, name: bytes, inode: Inode, now: int) -> None:
        self._add(name, inode, now)
        inode.linkable = False
        inode.nlink += 1
        inode.ctime = now
        notify.tell_self(inode, notify.IN_ATTRIB)
        if self.watched is not None:
            notify.created(self, name, inode)

    def unlink(self, name: bytes, now: int) -> None:
        child = self._unlink(name, now)
        if self.watched is not None or child.watched is not None:
            notify.removed(self, name, child)

    def _unlink(self, name: bytes, now: int) -> Inode:
        child = self.lookup(name)
        self._remove(name, now)
        child.nlink -= 1
        child.ctime = now
        return child

    def rmdir(self, name: bytes, now: int) -> None:
        child = self._rmdir(name, now)
        if self.watched is not None or child.watched is not None:
            notify.removed(self, name, child)

    def _rmdir(self, name: bytes, now: int) -> Inode:
        child = self.lookup(name)
        if any(True for _ in child.entries()):
            raise LinuxError(linux.ENOTEMPTY)
        self._remove(name, now)
        child.nlink = 0
        self.nlink -= 1
        return child

    def rename(self, name: bytes, to: Inode, new_name: bytes, now: int, exchange: bool = False) -> None:
        assert isinstance(to, Directory)
        child = self.lookup(name)
        old = to.children.get(new_name)
        if old is child:
            return
        if old is not None and not exchange:
            to._displace(new_name, old, now)
        self._remove(name, now)
        if exchange and old is not None:
            self._place(name, old, now)
        to._place(new_name, child, now)
        if to is not self:
            moved = child.is_directory - (exchange and old is not None and old.is_directory)
            self.nlink -= moved
            to.nlink += moved
        child.ctime = now
        notify.moved(self, name, to, new_name, child, None if exchange else old)
        if exchange and old is not None:
            notify.moved(to, new_name, self, name, old, None)

    def _displace(self, name: bytes, child: Inode, now: int) -> None:
        """Another takes the name."""
        if child.is_directory:
            self._rmdir(name, now)
        else:
            self._unlink(name, now)

    def _place(self, name: bytes, child: Inode, now: int) -> None:
        self._add(name, child, now)
        if isinstance(child, Directory):
            child.parent, child.name = self, name

    def _add(self, name: bytes, child: Inode, now: int) -> None:
        if len(name) > 255:
            raise LinuxError(linux.ENAMETOOLONG)
        if self.nlink == 0:
            raise LinuxError(linux.ENOENT)
        self.children[name] = child
        self.mtime = self.ctime = now
        if self.watched is not None and self.watched.watchers:
            notify.adopt(self, name, child)

    def _remove(self, name: bytes, now: int) -> None:
        del self.children[name]
        self.mtime = self.ctime = now
