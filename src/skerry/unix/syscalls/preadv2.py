"""preadv2 and pwritev2: vectors, a position or none, and flags for this one transfer.

Source: readv(2).
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from skerry.abi import linux
from skerry.unix.answers import retried
from skerry.unix.arguments import c_int, c_long
from skerry.unix.errors import LinuxError
from skerry.unix.syscalls import descriptors

if TYPE_CHECKING:
    from skerry.unix.files import OpenFile
    from skerry.unix.process import Thread

Result = int | Coroutine[Any, Any, int]
RWF_HIPRI: Final = 0x1  # polls the device: nothing here has one that can be polled
RWF_DSYNC: Final = 0x2
RWF_SYNC: Final = 0x4
RWF_NOWAIT: Final = 0x8
RWF_APPEND: Final = 0x10
RWF_NOAPPEND: Final = 0x20
_KNOWN: Final = RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND | RWF_NOAPPEND
_CAN_REFUSE: Final = (linux.S_IFREG, linux.S_IFIFO, linux.S_IFSOCK)


@contextmanager
def _changed_flags(file: OpenFile, on: int, off: int) -> Iterator[None]:
    """The description with other flags, for a transfer that does not wait."""
    kept = file.flags
    file.flags = kept & ~off | on
    try:
        yield
    finally:
        file.flags = kept


def _check(file: OpenFile, flags: int, writing: bool) -> None:
    """Raises EOPNOTSUPP, EINVAL."""
    kind = file.inode.mode & linux.S_IFMT
    if flags & ~_KNOWN or (flags & RWF_NOWAIT and (kind not in _CAN_REFUSE or (writing and kind == linux.S_IFREG))):
        raise LinuxError(linux.EOPNOTSUPP)
    if flags & RWF_APPEND and flags & RWF_NOAPPEND:
        raise LinuxError(linux.EINVAL)


def sys_preadv2(thread: Thread, fd: int, address: int, count: int, offset: int, high: int, flags: int) -> Result:
    file = thread.process.files[c_int(fd)]
    if not file.readable:
        raise LinuxError(linux.EBADF)
    _check(file, flags & 0xFFFFFFFF, False)
    if c_long(offset) != -1:
        return descriptors.sys_preadv(thread, fd, address, count, offset)
    with _changed_flags(file, linux.O_NONBLOCK if flags & RWF_NOWAIT else 0, 0):
        return descriptors.sys_readv(thread, fd, address, count)


def sys_pwritev2(thread: Thread, fd: int, address: int, count: int, offset: int, high: int, flags: int) -> Result:
    file = thread.process.files[c_int(fd)]
    if not file.writable:
        raise LinuxError(linux.EBADF)
    _check(file, flags & 0xFFFFFFFF, True)
    result = _write(thread, file, fd, address, count, offset, flags)
    if not flags & (RWF_DSYNC | RWF_SYNC) or file.inode.mode & linux.S_IFMT not in descriptors.STORED:
        return result
    return _and_sync(thread, file, result)


def _write(thread: Thread, file: OpenFile, fd: int, address: int, count: int, offset: int, flags: int) -> Result:
    here = c_long(offset) == -1
    if file.inode.is_regular and flags & (RWF_APPEND | RWF_NOAPPEND):
        appending = flags & RWF_APPEND or (file.flags & linux.O_APPEND and not flags & RWF_NOAPPEND)
        position = file.position  # looked at even when appending: a lent offset can be moved only from where it was seen
        if appending:
            file.inode.refresh()
        start = file.inode.size if appending else position if here else c_long(offset)
        with _changed_flags(file, linux.O_APPEND if appending else 0, linux.O_APPEND):
            done = descriptors.sys_pwritev(thread, fd, address, count, start)
        if here and isinstance(done, int):
            file.position = start + done
        return done
    if not here:
        return descriptors.sys_pwritev(thread, fd, address, count, offset)
    if not flags & RWF_NOWAIT:
        return descriptors.sys_writev(thread, fd, address, count)
    vector = descriptors.vector_at(thread, address, count)
    if sum(length for _, length in vector) > descriptors.STEP:
        vector = [next(descriptors.pieces(vector))]  # more than fits: the write is short
    with _changed_flags(file, linux.O_NONBLOCK, 0):
        return descriptors.write_bytes(thread, file, descriptors.gather(thread, vector))


async def _and_sync(thread: Thread, file: OpenFile, writing: Result) -> int:
    done = writing if isinstance(writing, int) else await writing
    file.hold()
    try:
        await retried(thread, file.sync)  # what is written is not written again: the position may have moved
    finally:
        file.release()
    return done
