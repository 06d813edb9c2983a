"""Inodes: objects of a file system, whatever they are called.

Names and paths are ``bytes`` everywhere. Times are nanoseconds since 1970. An operation that its kind of inode does not have raises the
LinuxError that Linux gives. Permission checks are the name space's (:mod:`skerry.unix.vfs`), not the inode's.
Nothing here sleeps: what would block says None (see :mod:`skerry.unix.files`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.unix import notify
from skerry.unix.errors import LinuxError

if TYPE_CHECKING:
    from skerry.unix.disk import BlockDevice
    from skerry.unix.files import OpenFile
    from skerry.unix.locks import FileLocks
    from skerry.unix.memory import Memory
    from skerry.unix.net.local import LocalSocket
    from skerry.unix.notify import Watched
    from skerry.unix.pipe import Pipe
    from skerry.unix.process import Thread
    from skerry.unix.substrate import Buffer, MemoryObject


DAY: Final = 86_400_000_000_000  # ns


class FileSystem:
    """A mounted file system: what statfs says of it, and the device number of its inodes."""

    supports_xattrs = True

    def __init__(self, kind: str, device: int, magic: int, read_only: bool = False) -> None:
        self.kind = kind  # as in /proc/filesystems
        self.device = device  # st_dev
        self.magic = magic  # f_type
        self.read_only = read_only
        self.covered: list[Inode] = []  # directories that something is mounted on, which must stay the same inodes

    def now(self) -> int:
        """The time for what changes here (ns since 1970)."""
        return 0

    def sync(self) -> None:
        """Have all that was changed reach the disk, where there is one. Raises LinuxError."""

    def store_attribute(self, inode: Inode, size: int) -> None:
        """``inode`` is about to get an extended attribute of ``size`` bytes. Raises ENOSPC."""

    def statfs(self) -> tuple[int, int, int, int, int, int]:
        """Block size, blocks, free blocks, available blocks, files, free files."""
        return (4096, 0, 0, 0, 0, 0)


class Inode:
    """An object of a file system and its attributes. ``mode`` holds the type bits too."""

    pipe: Pipe | None = None  # of a fifo, once it was opened
    disk: BlockDevice | None = None  # of a block device, once it was opened
    immutable = False  # nobody may write it, whatever the mode says
    socket: LocalSocket | None = None  # that is bound to this name
    watched: Watched | None = None  # who is told what happens here, if somebody is
    birth = 0  # when it was made (ns since 1970); 0: not known
    accessed = False  # whether it was read since it was loaded
    executed = False  # whether it was ever a program here
    writers = 0  # open file descriptions that may write it
    linkable = False  # it has no name yet (O_TMPFILE) but may be given one

    def __init__(self, fs: FileSystem, ino: int, mode: int, uid: int, gid: int, now: int) -> None:
        self.fs = fs
        self.ino = ino
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.nlink = 1
        self.rdev = 0
        self.size = 0
        self.atime = now
        self.mtime = now
        self.ctime = now
        self.xattrs: dict[bytes, bytes] | None = None  # None: none, or not yet asked for
        self.locks: FileLocks | None = None  # fcntl
        self.whole_locks: FileLocks | None = None  # flock

    @property
    def is_directory(self) -> bool:
        return self.mode & linux.S_IFMT == linux.S_IFDIR

    @property
    def is_symlink(self) -> bool:
        return self.mode & linux.S_IFMT == linux.S_IFLNK

    @property
    def is_regular(self) -> bool:
        return self.mode & linux.S_IFMT == linux.S_IFREG

    def note_access(self) -> None:
        """It is read: atime changes if it is not newer than the other times, or a day old. Source: mount(8), relatime."""
        atime = self.atime
        if self.accessed and atime > self.mtime and atime > self.ctime:
            return
        self.accessed = True
        now = self.fs.now()
        if atime <= self.mtime or atime <= self.ctime or atime + DAY <= now:
            self.atime = now

    def refresh(self) -> None:
        """Bring the attributes up to date, where they live elsewhere (the host, /proc)."""

    @property
    def blocks(self) -> int:
        """Storage in units of 512 bytes."""
        return (self.size + 511) >> 9

    def set_attributes(
        self,
        now: int,
        mode: int | None = None,
        uid: int | None = None,
        gid: int | None = None,
        atime: int | None = None,
        mtime: int | None = None,
    ) -> None:
        """Change what is given (``mode`` without type bits); raises LinuxError(EROFS) and the like."""
        if mode is not None:
            self.mode = (self.mode & linux.S_IFMT) | (mode & 0o7777)
        if uid is not None:
            self.uid = uid
        if gid is not None:
            self.gid = gid
        if atime is not None:
            self.atime = atime
        if mtime is not None:
            self.mtime = mtime
        self.ctime = now
        if self.watched is not None:
            whole = mode is not None or uid is not None or gid is not None or (atime is None) == (mtime is None)
            notify.tell(self, notify.IN_ATTRIB if whole else notify.IN_ACCESS if mtime is None else notify.IN_MODIFY)

    # Extended attributes: whether they may be seen and changed, the system calls know
    def xattr_table(self) -> dict[bytes, bytes]:
        """All of them, not to be changed; raises LinuxError."""
        return self.xattrs if self.xattrs is not None else {}

    def set_xattr(self, name: bytes, value: bytes, now: int) -> None:
        """Set one; raises LinuxError(ENOSPC) and the like."""
        self.fs.store_attribute(self, len(name) + len(value))
        self.xattrs = {**self.xattr_table(), name: value}
        self._xattrs_changed(now)

    def remove_xattr(self, name: bytes, now: int) -> None:
        """Remove one that is there."""
        self.xattrs = {key: value for key, value in self.xattr_table().items() if key != name}
        self._xattrs_changed(now)

    def _xattrs_changed(self, now: int) -> None:
        self.ctime = now
        if self.watched is not None:
            notify.tell(self, notify.IN_ATTRIB)

    def open(self, thread: Thread, flags: int) -> OpenFile:
        """An open file description of this inode; O_TRUNC is done by the caller. Raises ENXIO, EISDIR, ..."""
        raise LinuxError(linux.ENXIO)

    # Directories
    @property
    def is_mount_root(self) -> bool:
        """Whether it is the root of its file system."""
        return False

    @property
    def parent_ino(self) -> int:
        """The inode number of "..": of the directory that holds this one."""
        return self.ino

    def lookup(self, name: bytes) -> Inode:
        """The inode called ``name`` here; never "." or "..". Raises ENOENT, ENOTDIR."""
        raise LinuxError(linux.ENOTDIR)

    def entries(self) -> Iterable[tuple[bytes, Inode]]:
        """Names and inodes, without "." and ".."."""
        raise LinuxError(linux.ENOTDIR)

    def entry_kinds(self) -> Iterable[tuple[bytes, int, int]]:
        """Name, inode number and type bits (S_IFMT) of each entry, for getdents; cheap even where inodes are not loaded."""
        return [(name, inode.ino, inode.mode & linux.S_IFMT) for name, inode in self.entries()]

    def create(self, name: bytes, mode: int, uid: int, gid: int, now: int, rdev: int = 0) -> Inode:
        """A new regular file, directory, fifo, socket or device, by the type bits of ``mode``."""
        raise LinuxError(linux.ENOTDIR)

    def create_unnamed(self, mode: int, uid: int, gid: int, now: int) -> Inode:
        """A new regular file that no name leads to (O_TMPFILE). Raises EOPNOTSUPP."""
        raise LinuxError(linux.EOPNOTSUPP)

    def symlink(self, name: bytes, target: bytes, uid: int, gid: int, now: int) -> Inode:
        raise LinuxError(linux.ENOTDIR)

    def link(self, name: bytes, inode: Inode, now: int) -> None:
        raise LinuxError(linux.ENOTDIR)

    def unlink(self, name: bytes, now: int) -> None:
        """Remove a name that is not a directory."""
        raise LinuxError(linux.ENOTDIR)

    def rmdir(self, name: bytes, now: int) -> None:
        raise LinuxError(linux.ENOTDIR)

    def rename(self, name: bytes, to: Inode, new_name: bytes, now: int, exchange: bool = False) -> None:
        """Move an entry to directory ``to`` of the same file system, replacing what is there; types were checked by the caller."""
        raise LinuxError(linux.ENOTDIR)

    # Symbolic links
    def readlink(self) -> bytes:
        raise LinuxError(linux.EINVAL)

    def readlink_for(self, thread: Thread) -> bytes:
        """What readlink(2) says to ``thread``: links of /proc depend on who asks."""
        return self.readlink()

    def follow(self, thread: Thread) -> Inode | None:
        """For magic links of /proc (fd/N, exe, cwd, root): the inode itself, else None and readlink() is walked."""
        return None

    # Regular files
    def read_at(self, offset: int, length: int) -> bytes:
        raise LinuxError(linux.EINVAL)

    def write_at(self, offset: int, data: Buffer, now: int) -> int:
        """Write at ``offset``, growing the file; raises ENOSPC, EFBIG."""
        raise LinuxError(linux.EINVAL)

    def truncate(self, size: int, now: int) -> None:
        raise LinuxError(linux.EINVAL)

    def seek_data(self, offset: int, whence: int) -> int:
        """Where data (SEEK_DATA) or a hole (SEEK_HOLE) begins, at ``offset`` or after it, which lies in the file. Raises ENXIO."""
        return offset if whence == linux.SEEK_DATA else self.size

    def allocate(self, mode: int, offset: int, length: int, now: int) -> None:
        """fallocate(2): ``mode`` is FALLOC_FL_* bits. Raises EOPNOTSUPP, ENOSPC, EFBIG."""
        raise LinuxError(linux.EOPNOTSUPP)

    def note_mapped_write(self, wait: bool) -> None:
        """msync of a shared mapping that may be written, which counts as written: whether it was, nobody saw.

        Args:
            wait: have it reach the disk.
        """
        self.mtime = self.ctime = self.fs.now()

    def sync(self) -> None:
        """Have it reach the disk, where there is one."""

    def memory_object(self) -> MemoryObject:
        """The memory behind the contents, for mmap: the same pages that read_at and write_at use. Raises ENODEV."""
        raise LinuxError(linux.ENODEV)

    def prepare_program(self) -> None:
        """It is about to be executed: from now on ``memory_object`` must succeed. Raises LinuxError."""

    def writable_memory_object(self) -> MemoryObject:
        """The same, for a shared mapping that may be written."""
        return self.memory_object()

    def is_replaced_later(self, memory: Memory) -> bool:
        """Whether other memory may take the place of this; then ``memory``, which maps it shared, is told (Memory.replace)."""
        return False
