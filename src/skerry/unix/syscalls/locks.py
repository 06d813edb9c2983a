"""System calls for file locks: fcntl record locks and flock."""

from __future__ import annotations

import struct
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from skerry.abi import linux
from skerry.unix.arguments import c_int
from skerry.unix.errors import LinuxError
from skerry.unix.files import OpenFile
from skerry.unix.locks import END, FileLocks

if TYPE_CHECKING:
    from skerry.unix.process import Thread


def _locks(file: OpenFile) -> FileLocks:
    if file.inode.locks is None:
        file.inode.locks = FileLocks()
    return file.inode.locks


def record_lock(thread: Thread, file: OpenFile, command: int, address: int) -> int | Coroutine[Any, Any, int]:
    """fcntl F_GETLK, F_SETLK, F_SETLKW. Raises EAGAIN, EBADF, EINVAL."""
    memory = thread.process.memory
    kind, whence, start, length, _pid = struct.unpack("<hh4xqqi", memory.read(address, 28))
    if whence == linux.SEEK_CUR:
        start += file.position
    elif whence == linux.SEEK_END:
        start += file.inode.size
    end = start + length if length else END
    if length < 0:
        start, end = start + length, start
    if start < 0 or kind not in (linux.F_RDLCK, linux.F_WRLCK, linux.F_UNLCK):
        raise LinuxError(linux.EINVAL)
    locks = _locks(file)
    exclusive = kind == linux.F_WRLCK
    if command == linux.F_GETLK:
        other = locks.conflict(thread.process, start, end, exclusive)
        if other is None:
            memory.write(address, struct.pack("<h", linux.F_UNLCK))
        else:
            size = 0 if other.end == END else other.end - other.start
            pid = getattr(other.owner, "pid", -1)
            found = linux.F_WRLCK if other.exclusive else linux.F_RDLCK
            memory.write(address, struct.pack("<hh4xqqi", found, linux.SEEK_SET, other.start, size, pid))
        return 0
    if kind == linux.F_UNLCK:
        locks.unlock(thread.process, start, end)
        return 0
    if not (file.writable if exclusive else file.readable):
        raise LinuxError(linux.EBADF)
    return _take(locks, thread.process, start, end, exclusive, command == linux.F_SETLKW)


def _take(locks: FileLocks, owner: object, start: int, end: int, exclusive: bool, wait: bool) -> int | Coroutine[Any, Any, int]:
    if locks.conflict(owner, start, end, exclusive) is None:
        locks.lock(owner, start, end, exclusive)
        return 0
    if not wait:
        raise LinuxError(linux.EAGAIN)
    return _take_later(locks, owner, start, end, exclusive)


async def _take_later(locks: FileLocks, owner: object, start: int, end: int, exclusive: bool) -> int:
    while locks.conflict(owner, start, end, exclusive) is not None:
        await locks.changed.wait()
    locks.lock(owner, start, end, exclusive)
    return 0


def sys_flock(thread: Thread, fd: int, operation: int) -> int | Coroutine[Any, Any, int]:
    file = thread.process.files[c_int(fd)]
    if file.inode.whole_locks is None:
        file.inode.whole_locks = FileLocks()
    locks = file.inode.whole_locks
    how = operation & ~linux.LOCK_NB
    if how == linux.LOCK_UN:
        locks.release(file)
        return 0
    if how not in (linux.LOCK_SH, linux.LOCK_EX):
        raise LinuxError(linux.EINVAL)
    return _take(locks, file, 0, END, how == linux.LOCK_EX, not operation & linux.LOCK_NB)
