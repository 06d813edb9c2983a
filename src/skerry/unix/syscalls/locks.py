"""System calls for file locks: fcntl record locks, open file description locks, and flock."""

from __future__ import annotations

import struct
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final

from skerry.abi import linux
from skerry.unix.arguments import c_int
from skerry.unix.errors import LinuxError
from skerry.unix.files import OpenFile
from skerry.unix.locks import END, FileLocks, LockOwner

if TYPE_CHECKING:
    from skerry.unix.process import Thread

GETS: Final = frozenset((linux.F_GETLK, linux.F_OFD_GETLK))
WAITS: Final = frozenset((linux.F_SETLKW, linux.F_OFD_SETLKW))
OF_DESCRIPTIONS: Final = frozenset((linux.F_OFD_GETLK, linux.F_OFD_SETLK, linux.F_OFD_SETLKW))
RECORD_LOCKS: Final = GETS | WAITS | {linux.F_SETLK, linux.F_OFD_SETLK}  # the commands of fcntl that record_lock carries out


def record_lock(thread: Thread, file: OpenFile, command: int, address: int) -> int | Coroutine[Any, Any, int]:
    """fcntl F_GETLK, F_SETLK, F_SETLKW and their F_OFD forms. Raises EAGAIN, EBADF, EDEADLK, EINVAL, EOVERFLOW."""
    memory = thread.process.memory
    kind, whence, start, length, given_pid = struct.unpack("<hh4xqqi", memory.read(address, 28))
    if whence == linux.SEEK_CUR:
        start += file.position
    elif whence == linux.SEEK_END:
        start += file.inode.size
    elif whence != linux.SEEK_SET:
        raise LinuxError(linux.EINVAL)
    end = start + length if length else END
    if length < 0:
        start, end = start + length, start
    if start < 0 or kind not in (linux.F_RDLCK, linux.F_WRLCK, linux.F_UNLCK):
        raise LinuxError(linux.EINVAL)
    if end > END:
        raise LinuxError(linux.EOVERFLOW)
    owner: LockOwner = thread.process.files
    pid = thread.process.pid
    if command in OF_DESCRIPTIONS:
        if given_pid:
            raise LinuxError(linux.EINVAL)
        owner, pid = file, -1
    if file.inode.locks is None:
        file.inode.locks = FileLocks()
    locks = file.inode.locks
    exclusive = kind == linux.F_WRLCK
    if command in GETS:
        if kind == linux.F_UNLCK:
            raise LinuxError(linux.EINVAL)
        memory.write(address, _obstacle(locks, owner, start, end, exclusive))
        return 0
    if kind == linux.F_UNLCK:
        locks.unlock(owner, start, end)
        return 0
    if not (file.writable if exclusive else file.readable):
        raise LinuxError(linux.EBADF)
    return _take(locks, owner, pid, start, end, exclusive, command in WAITS)


def _obstacle(locks: FileLocks, owner: LockOwner, start: int, end: int, exclusive: bool) -> bytes:
    """The struct flock that F_GETLK gives, or as much of it as changes."""
    other = locks.conflict(owner, start, end, exclusive)
    if other is None:
        return struct.pack("<h", linux.F_UNLCK)
    size = 0 if other.end == END else other.end - other.start
    return struct.pack("<hh4xqqi", linux.F_WRLCK if other.exclusive else linux.F_RDLCK, linux.SEEK_SET, other.start, size, other.pid)


def _take(
    locks: FileLocks, owner: LockOwner, pid: int, start: int, end: int, exclusive: bool, wait: bool
) -> int | Coroutine[Any, Any, int]:
    if locks.conflict(owner, start, end, exclusive) is None:
        locks.lock(owner, pid, start, end, exclusive)
        return 0
    if not wait:
        raise LinuxError(linux.EAGAIN)
    return _take_later(locks, owner, pid, start, end, exclusive)


async def _take_later(locks: FileLocks, owner: LockOwner, pid: int, start: int, end: int, exclusive: bool) -> int:
    """Sleep until nothing is in the way. Raises EDEADLK, for record locks alone: flock does not look."""
    while (obstacle := locks.conflict(owner, start, end, exclusive)) is not None:
        other = obstacle.owner
        if pid > 0 and other.waits_for(owner):
            raise LinuxError(linux.EDEADLK)
        owner.awaited.append(other)
        try:
            await locks.changed.wait()
        finally:
            owner.awaited.remove(other)
    locks.lock(owner, pid, start, end, exclusive)
    return 0


def sys_flock(thread: Thread, fd: int, operation: int) -> int | Coroutine[Any, Any, int]:
    file = thread.process.files.usable(c_int(fd))
    if file.inode.whole_locks is None:
        file.inode.whole_locks = FileLocks()
    locks = file.inode.whole_locks
    how = operation & ~linux.LOCK_NB
    if how == linux.LOCK_UN:
        locks.release(file)
        return 0
    if how not in (linux.LOCK_SH, linux.LOCK_EX):
        raise LinuxError(linux.EINVAL)
    return _take(locks, file, -1, 0, END, how == linux.LOCK_EX, not operation & linux.LOCK_NB)
