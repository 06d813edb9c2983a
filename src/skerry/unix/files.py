"""Open file descriptions, and the table of descriptors of a process.

A file never blocks: ``read`` and ``write`` return None where they would, ``poll`` says what is possible now, and ``changed`` is woken
whenever that may be different. The system calls do the waiting, in one place each; so poll, select and epoll need nothing more of a file.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.lib.coroutine import NEVER, WaitQueue
from skerry.unix import notify
from skerry.unix.errors import LinuxError
from skerry.unix.locks import LockOwner

if TYPE_CHECKING:
    from skerry.unix.epoll import Exclusive
    from skerry.unix.inode import Inode
    from skerry.unix.net.local import LocalSocket
    from skerry.unix.process import Thread
    from skerry.unix.sigio import Owner
    from skerry.unix.substrate import MemoryObject, UserSpace

_DIRENT: Final = struct.Struct("<QqHB")
_OLD_DIRENT: Final = struct.Struct("<QqH")
_NOT_READABLE: Final = linux.O_WRONLY | linux.O_PATH  # an access mode of 3 allows neither reading nor writing, only ioctl
_ACCESS: Final = linux.O_ACCMODE | linux.O_PATH
DESCRIPTION: Final = 1024  # bytes of an open file and what belongs to it, about
_LARGE: Final = 0o100000
_WRITABLE: Final = (linux.O_WRONLY, linux.O_RDWR)


def packed_entry(ino: int, following: int, name: bytes, kind: int) -> bytes:
    """struct linux_dirent64: what getdents64 gives of an entry."""
    length = (19 + len(name) + 1 + 7) & ~7
    return _DIRENT.pack(ino, following, length, kind >> 12) + name.ljust(length - 19, b"\0")


def packed_old_entry(ino: int, following: int, name: bytes, kind: int) -> bytes:
    """struct linux_dirent: what getdents gives of an entry, the type in its last byte."""
    length = (18 + len(name) + 2 + 7) & ~7
    return _OLD_DIRENT.pack(ino, following, length) + name.ljust(length - 19, b"\0") + bytes((kind >> 12,))


class LentOffset:
    """The offset of a description with one descriptor, while the program's emulation library moves it: a word that both share."""

    __slots__ = ("_descriptor", "_seen", "_space")

    def __init__(self, space: UserSpace, descriptor: int, position: int) -> None:
        self._space = space
        self._descriptor = descriptor
        self._seen = position
        space.lend_offset(descriptor, position)

    def get(self) -> int:
        self._seen = position = self._space.offset(self._descriptor)
        return position

    def set(self, position: int) -> None:
        """Move it from where ``get`` saw it, which must be asked first; a seek of the program that came between counts as the later one."""
        self._space.move_offset(self._descriptor, self._seen, position)

    def recall(self) -> int:
        """End the loan; the last offset."""
        return self._space.recall_offset(self._descriptor)


class OpenFile(LockOwner):
    """An open file description (POSIX): what descriptors made by dup and fork share."""

    def __init__(self, inode: Inode, flags: int, path: bytes) -> None:
        self.awaited = []
        self.inode = inode
        self.flags = flags & ~(linux.O_CREAT | linux.O_EXCL | linux.O_NOCTTY | linux.O_TRUNC | linux.O_CLOEXEC)
        self.path = path  # absolute when it was opened; for /proc/self/fd
        self._position = 0
        self._lent: LentOffset | None = None
        self.references = 0  # descriptors and mappings that hold it
        self.changed = WaitQueue()

    @property
    def position(self) -> int:
        """The file offset."""
        lent = self._lent
        return self._position if lent is None else lent.get()

    @position.setter
    def position(self, position: int) -> None:
        if self._lent is None:
            self._position = position
        else:
            self._lent.set(position)

    def lend(self, space: UserSpace, descriptor: int) -> None:
        """Let the program move the offset itself; ``descriptor`` is the only one, and only the program in ``space`` has it."""
        if self._lent is None:
            self._lent = LentOffset(space, descriptor, self._position)

    def recall(self) -> None:
        """End the loan, if there is one: others are to see the offset."""
        if self._lent is not None:
            self._position = self._lent.recall()
            self._lent = None

    lendable = False  # whether lseek means no more than a new offset
    pollable = True  # whether epoll takes it: readiness means something
    asynchronous = False  # whether O_ASYNC means something
    owner: Owner | None = None  # who is signalled, if a program has asked for it
    exclusive: Exclusive | None = None  # interests that share wakes
    closed: WaitQueue | None = None  # woken when the last descriptor is closed, if somebody wants to know

    @property
    def held(self) -> int:
        """Bytes of the system's memory that it takes, about."""
        return DESCRIPTION

    @property
    def readable(self) -> bool:
        return not self.flags & _NOT_READABLE

    @property
    def writable(self) -> bool:
        return self.flags & _ACCESS in _WRITABLE

    mappable = False  # whether something that is not a regular file can be mapped
    zero_memory = False  # whether mapping it gives zero memory
    controlled = False  # a terminal: it matters who writes

    @property
    def nonblocking(self) -> bool:
        return bool(self.flags & linux.O_NONBLOCK)

    @property
    def status_flags(self) -> int:
        """What F_GETFL says: what was opened by name has O_LARGEFILE, which open(2) adds on 64-bit machines."""
        return self.flags | _LARGE if self.path.startswith(b"/") else self.flags

    def deadline(self, writing: bool) -> int:
        """Until when a read or write that begins now may wait (ns, monotonic)."""
        return NEVER

    def read(self, count: int) -> bytes | None:
        """Up to ``count`` bytes from the position on, which moves; b"" at the end; None where it would block."""
        raise LinuxError(linux.EINVAL)

    def read_for(self, thread: Thread, count: int) -> bytes | None:
        """The same where it depends on who reads (signalfd, terminals); asked when ``read`` has said None. May raise Interrupted."""
        return None

    def write(self, data: bytes) -> int | None:
        """Write at the position (O_APPEND: at the end), which moves; the count may be short; None where it would block."""
        raise LinuxError(linux.EINVAL)

    def write_for(self, thread: Thread, data: bytes) -> int | None:
        """``write`` for this thread: asked of what is ``controlled``. Raises Interrupted where job control has just stopped its process."""
        return self.write(data)

    def read_at(self, count: int, offset: int) -> bytes:
        """pread: raises ESPIPE where there is no position."""
        raise LinuxError(linux.ESPIPE)

    def write_at(self, data: bytes, offset: int) -> int:
        raise LinuxError(linux.ESPIPE)

    def seek(self, offset: int, whence: int) -> int:
        """The new position; raises ESPIPE, EINVAL, ENXIO."""
        raise LinuxError(linux.ESPIPE)

    def truncate(self, size: int) -> None:
        raise LinuxError(linux.EINVAL)

    def poll(self) -> int:
        """POLL* bits that hold now."""
        return linux.POLLIN | linux.POLLOUT | linux.POLLRDNORM | linux.POLLWRNORM

    def ioctl(self, thread: Thread, request: int, argument: int) -> int:
        raise LinuxError(linux.ENOTTY)

    def memory_object(self) -> MemoryObject:
        """What mmap of this file maps; raises ENODEV."""
        raise LinuxError(linux.ENODEV)

    def shared_memory_object(self) -> MemoryObject:
        """The same, for a shared mapping that may be written."""
        return self.memory_object()

    def sync(self) -> None:
        """fsync: raises EINVAL where it has no meaning."""
        raise LinuxError(linux.EINVAL)

    def information(self) -> bytes:
        """What /proc/PID/fdinfo says beyond what every file has."""
        return b""

    @property
    def carrier(self) -> LocalSocket | None:
        """Itself, if messages to it can hold files."""
        return None

    def hold(self) -> None:
        """One more descriptor or mapping refers to this description."""
        self.recall()
        self.references += 1

    def release(self) -> None:
        """One fewer; the last one closes it."""
        self.recall()
        self.references -= 1
        if self.references == 0:
            if self.inode.whole_locks is not None:
                self.inode.whole_locks.release(self)
            if self.inode.locks is not None:
                self.inode.locks.release(self)
            if self.closed is not None:
                self.closed.wake()
            if self.inode.watched is not None:
                notify.closed(self)
            self.close()

    def close(self) -> None:
        """The last reference is gone."""


class PathFile(OpenFile):
    """A place in the tree of names (O_PATH): what is done with its contents fails with EBADF."""

    pollable = False

    def seek(self, offset: int, whence: int) -> int:
        raise LinuxError(linux.EBADF)

    def read_at(self, count: int, offset: int) -> bytes:
        raise LinuxError(linux.EBADF)

    def write_at(self, data: bytes, offset: int) -> int:
        raise LinuxError(linux.EBADF)

    def ioctl(self, thread: Thread, request: int, argument: int) -> int:
        raise LinuxError(linux.EBADF)

    def sync(self) -> None:
        raise LinuxError(linux.EBADF)


class RegularFile(OpenFile):
    """A regular file: its inode's contents, and a position."""

    lendable = True
    pollable = False
    counted = False  # among the inode's writers

    def read(self, count: int) -> bytes | None:
        data = self.inode.read_at(self.position, count)
        self.position += len(data)
        if count and not self.flags & linux.O_NOATIME:
            self.inode.note_access()
        if self.inode.watched is not None and data:
            notify.tell(self.inode, notify.IN_ACCESS)
        return data

    def write(self, data: bytes) -> int | None:
        start = self.position
        if self.flags & linux.O_APPEND:
            start = self.inode.size
        count = self.write_at(data, start)
        self.position = start + count
        return count

    def read_at(self, count: int, offset: int) -> bytes:
        data = self.inode.read_at(offset, count)
        if count and not self.flags & linux.O_NOATIME:
            self.inode.note_access()
        if self.inode.watched is not None and data:
            notify.tell(self.inode, notify.IN_ACCESS)
        return data

    def write_at(self, data: bytes, offset: int) -> int:
        if self.flags & linux.O_APPEND:
            offset = self.inode.size  # pwrite(2), BUGS
        count = self.inode.write_at(offset, data, self.inode.fs.now())
        if self.inode.watched is not None and count:
            notify.tell(self.inode, notify.IN_MODIFY)
        return count

    def seek(self, offset: int, whence: int) -> int:
        size, here = self.inode.size, self.position  # a lent offset can be moved only from where it was seen
        if whence == linux.SEEK_CUR:
            offset += here
        elif whence == linux.SEEK_END:
            offset += size
        elif whence in (linux.SEEK_DATA, linux.SEEK_HOLE):
            if not 0 <= offset < size:
                raise LinuxError(linux.ENXIO)
            offset = self.inode.seek_data(offset, whence)
        elif whence != linux.SEEK_SET:
            raise LinuxError(linux.EINVAL)
        if not 0 <= offset < 1 << 63:
            raise LinuxError(linux.EINVAL)
        self.position = offset
        return offset

    def truncate(self, size: int) -> None:
        self.inode.truncate(size, self.inode.fs.now())

    def memory_object(self) -> MemoryObject:
        return self.inode.memory_object()

    def shared_memory_object(self) -> MemoryObject:
        return self.inode.writable_memory_object()

    def sync(self) -> None:
        self.inode.sync()

    def count_writer(self) -> None:
        """Who opened the path may write: as long as it is open the file cannot be executed."""
        self.counted = True
        self.inode.writers += 1

    def close(self) -> None:
        if self.counted:
            self.inode.writers -= 1


class DirectoryFile(OpenFile):
    """An open directory: what it held when reading began."""

    pollable = False

    def __init__(self, inode: Inode, flags: int, path: bytes) -> None:
        super().__init__(inode, flags, path)
        self._entries: list[tuple[bytes, int, int]] = []

    def read(self, count: int) -> bytes | None:
        raise LinuxError(linux.EISDIR)

    def read_at(self, count: int, offset: int) -> bytes:
        raise LinuxError(linux.EISDIR)

    def read_entries(self, size: int, pack: Callable[[int, int, bytes, int], bytes] = packed_entry) -> bytes:
        """Entries from the position on, at most ``size`` bytes. Raises EINVAL if not even one fits, ENOENT where the directory is removed.

        Args:
            pack: the bytes of an entry: inode number, position of the next, name, type bits.
        """
        if self.position == 0:
            self.inode.refresh()
        if not self.inode.nlink:
            raise LinuxError(linux.ENOENT)
        if self.position == 0:
            here = [(b".", self.inode.ino, linux.S_IFDIR), (b"..", self.inode.parent_ino, linux.S_IFDIR)]
            self._entries = here + list(self.inode.entry_kinds())
        packed: list[bytes] = []
        used = 0
        if not self.flags & linux.O_NOATIME:
            self.inode.note_access()
        while self.position < len(self._entries):
            name, ino, kind = self._entries[self.position]
            entry = pack(ino, self.position + 1, name, kind)
            if used + len(entry) > size:
                if not packed:
                    raise LinuxError(linux.EINVAL)
                break
            self.position += 1
            packed.append(entry)
            used += len(entry)
        if self.inode.watched is not None:
            notify.tell(self.inode, notify.IN_ACCESS)
        return b"".join(packed)

    def seek(self, offset: int, whence: int) -> int:
        if whence == linux.SEEK_CUR:
            offset += self.position
        elif whence != linux.SEEK_SET:
            raise LinuxError(linux.EINVAL)
        if not 0 <= offset < 1 << 63:
            raise LinuxError(linux.EINVAL)
        self.position = offset
        return offset

    def sync(self) -> None:
        self.inode.sync()


class FileTable(LockOwner):
    """The descriptors of a process (or of several, CLONE_FILES)."""

    def __init__(self, limit: int = 1024) -> None:
        super().__init__()
        self.limit = limit  # RLIMIT_NOFILE
        self.files: dict[int, OpenFile] = {}
        self.close_on_exec: set[int] = set()
        self.references = 1  # processes that share the table
        self._lowest = 0  # no descriptor below it is free

    def __getitem__(self, fd: int) -> OpenFile:
        """Raises LinuxError(EBADF)."""
        file = self.files.get(fd)
        if file is None:
            raise LinuxError(linux.EBADF)
        return file

    def usable(self, fd: int) -> OpenFile:
        """The same, for calls that need more than a place (O_PATH). Raises LinuxError(EBADF)."""
        file = self.files.get(fd)
        if file is None or file.flags & linux.O_PATH:
            raise LinuxError(linux.EBADF)
        return file

    def install(self, file: OpenFile, close_on_exec: bool = False, lowest: int = 0) -> int:
        """Give ``file`` the lowest free descriptor from ``lowest`` on; raises LinuxError(EMFILE)."""
        fd = max(lowest, self._lowest)
        files = self.files
        while fd in files:
            fd += 1
        if fd >= self.limit:
            raise LinuxError(linux.EMFILE)
        if lowest <= self._lowest:
            self._lowest = fd + 1
        self.place(fd, file, close_on_exec)
        return fd

    def require_room(self) -> None:
        """Raises LinuxError(EMFILE) where ``install`` would."""
        if len(self.files) >= self.limit and sum(fd < self.limit for fd in self.files) >= self.limit:
            raise LinuxError(linux.EMFILE)

    def place(self, fd: int, file: OpenFile, close_on_exec: bool) -> None:
        """Make ``fd`` refer to ``file``, closing what it was."""
        file.hold()
        old = self.files.get(fd)
        self.files[fd] = file
        if close_on_exec:
            self.close_on_exec.add(fd)
        else:
            self.close_on_exec.discard(fd)
        if old is not None:
            if old.inode.locks is not None:
                old.inode.locks.release(self)
            old.release()

    def close(self, fd: int) -> OpenFile:
        """Drop ``fd``, and the table's record locks on its file; raises LinuxError(EBADF). The description is returned."""
        file = self.files.pop(fd, None)
        if file is None:
            raise LinuxError(linux.EBADF)
        self.close_on_exec.discard(fd)
        if fd < self._lowest:
            self._lowest = fd
        if file.inode.locks is not None:
            file.inode.locks.release(self)
        file.release()
        return file

    def recall(self) -> None:
        """End all loans of offsets: the table gets another user, or its program another space."""
        for file in self.files.values():
            file.recall()

    def copy(self) -> FileTable:
        """The table of a forked child."""
        table = FileTable(self.limit)
        table.files = dict(self.files)
        table.close_on_exec = set(self.close_on_exec)
        table._lowest = self._lowest
        for file in table.files.values():
            file.hold()
        return table

    def release(self) -> None:
        """A process that used the table is gone; the last one closes all."""
        self.references -= 1
        if self.references == 0:
            for fd in list(self.files):
                self.close(fd)
