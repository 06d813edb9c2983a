"""System calls that move bytes between descriptors without the program: sendfile, splice, tee, vmsplice, copy_file_range.

Source: sendfile(2), splice(2), tee(2), vmsplice(2), copy_file_range(2).
"""

from __future__ import annotations

import struct
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final

from skerry.abi import linux
from skerry.unix.answers import retried
from skerry.unix.arguments import c_int, c_long
from skerry.unix.errors import LinuxError
from skerry.unix.files import OpenFile, RegularFile
from skerry.unix.net.socket import Socket
from skerry.unix.pipe import PipeEnd
from skerry.unix.syscalls.descriptors import STEP, gather, limit_growth, scatter, vector_at, write_bytes
from skerry.unix.vfs import drop_privileges

if TYPE_CHECKING:
    from skerry.unix.process import Thread

Result = int | Coroutine[Any, Any, int]
SPLICE_F_NONBLOCK: Final = 2
SPLICE_FLAGS: Final = 0xF  # what splice, tee and vmsplice know; only SPLICE_F_NONBLOCK means something here
COPY_STEP: Final = 1 << 24
WORD: Final = 1 << 64


def _word(thread: Thread, address: int) -> int:
    """The signed word at ``address``. Raises Fault."""
    (offset,) = thread.process.memory.read_words(address, 1)
    return c_long(offset)


def _offset(thread: Thread, address: int) -> int:
    """The offset at ``address``. Raises Fault, EINVAL."""
    offset = _word(thread, address)
    if offset < 0:
        raise LinuxError(linux.EINVAL)
    return offset


def _moved(thread: Thread, file: OpenFile, address: int, offset: int) -> None:
    """The position of ``file``, or the offset that the program keeps, is ``offset`` now."""
    if address:
        thread.process.memory.write(address, struct.pack("<Q", offset))
    else:
        file.seek(offset, linux.SEEK_SET)


def _position(file: OpenFile) -> int:
    return file.seek(0, linux.SEEK_CUR)


def sys_sendfile(thread: Thread, out: int, source: int, address: int, count: int) -> Result:
    files = thread.process.files
    file, target = files.usable(c_int(source)), files.usable(c_int(out))
    if not file.readable or not target.writable:
        raise LinuxError(linux.EBADF)
    if isinstance(file, PipeEnd | Socket) or file.inode.is_directory or target.flags & linux.O_APPEND:
        raise LinuxError(linux.EINVAL)
    start = _offset(thread, address) if address else _position(file)
    data = file.read_at(min(count, STEP), start)
    if not data:
        return 0
    result = write_bytes(thread, target, data)
    if not isinstance(result, int):
        return _sent_later(thread, file, address, start, result)
    _moved(thread, file, address, start + result)
    return result


async def _sent_later(thread: Thread, file: OpenFile, address: int, start: int, result: Coroutine[Any, Any, int]) -> int:
    file.hold()
    try:
        done = await result
        _moved(thread, file, address, start + done)
    finally:
        file.release()
    return done


def sys_splice(thread: Thread, source: int, source_at: int, out: int, out_at: int, count: int, flags: int) -> Result:
    files = thread.process.files
    file, target = files.usable(c_int(source)), files.usable(c_int(out))
    if not count:
        return 0
    if not file.readable or not target.writable:
        raise LinuxError(linux.EBADF)
    pipes = isinstance(file, PipeEnd), isinstance(target, PipeEnd)
    if not any(pipes) or flags & ~SPLICE_FLAGS or target.flags & linux.O_APPEND or file.inode.is_directory:
        raise LinuxError(linux.EINVAL)
    if (pipes[0] and source_at) or (pipes[1] and out_at):
        raise LinuxError(linux.ESPIPE)
    if (isinstance(file, Socket) and source_at) or (isinstance(target, Socket) and out_at):
        raise LinuxError(linux.EINVAL)
    if all(pipes) and file.inode is target.inode:
        raise LinuxError(linux.EINVAL)
    return _splice(thread, file, source_at, target, out_at, min(count, STEP), flags)


async def _splice(thread: Thread, file: OpenFile, source_at: int, target: OpenFile, out_at: int, count: int, flags: int) -> int:
    file.hold()
    target.hold()
    try:
        if isinstance(target, PipeEnd):
            while not (room := _room(target)):
                await _changed(target, flags)
            count = min(count, room)
        if not isinstance(file, PipeEnd | Socket):
            start = _offset(thread, source_at) if source_at else _position(file)
            data = file.read_at(count, start)
        else:
            while (piped := file.read(count)) is None:
                await _changed(file, flags)
            data = piped
        if out_at:
            at = _offset(thread, out_at)
            done: int = await retried(thread, lambda: target.write_at(data, at))
            _moved(thread, target, out_at, _offset(thread, out_at) + done)
        else:
            done = await retried(thread, lambda: write_bytes(thread, target, data))  # a pipe has given the data away
        if not isinstance(file, PipeEnd | Socket):
            _moved(thread, file, source_at, start + done)
        return done
    finally:
        file.release()
        target.release()


def _room(target: PipeEnd) -> int:
    """How much the pipe takes at once; a pipe that nobody reads takes the write that fails."""
    return target.pipe.capacity - target.pipe.length if target.pipe.readers else 1


async def _changed(file: OpenFile, flags: int) -> None:
    if flags & SPLICE_F_NONBLOCK or file.nonblocking:
        raise LinuxError(linux.EAGAIN)
    await file.changed.wait()


def _two_pipes(thread: Thread, source: int, out: int) -> tuple[PipeEnd, PipeEnd]:
    files = thread.process.files
    file, target = files.usable(c_int(source)), files.usable(c_int(out))
    if not file.readable or not target.writable:
        raise LinuxError(linux.EBADF)
    if not isinstance(file, PipeEnd) or not isinstance(target, PipeEnd) or file.pipe is target.pipe:
        raise LinuxError(linux.EINVAL)
    return file, target


def sys_tee(thread: Thread, source: int, out: int, count: int, flags: int) -> Result:
    if flags & ~SPLICE_FLAGS:
        raise LinuxError(linux.EINVAL)
    if not count:
        return 0
    return _tee(thread, *_two_pipes(thread, source, out), count, flags)


async def _tee(thread: Thread, file: PipeEnd, target: PipeEnd, count: int, flags: int) -> int:
    file.hold()
    target.hold()
    try:
        while not file.pipe.length:
            if not file.pipe.writers:
                return 0
            await _changed(file, flags)
        while not (room := _room(target)):
            await _changed(target, flags)
        result = write_bytes(thread, target, file.pipe.look(min(count, room)))
        return result if isinstance(result, int) else await result
    finally:
        file.release()
        target.release()


def sys_vmsplice(thread: Thread, fd: int, address: int, count: int, flags: int) -> Result:
    if flags & ~SPLICE_FLAGS:
        raise LinuxError(linux.EINVAL)
    file = thread.process.files.usable(c_int(fd))
    if not isinstance(file, PipeEnd):
        raise LinuxError(linux.EBADF)
    vector = vector_at(thread, address, count)
    if not any(length for _, length in vector):
        return 0
    return _from_memory(thread, file, vector, flags) if file.writable else _to_memory(thread, file, vector, flags)


async def _from_memory(thread: Thread, file: PipeEnd, vector: list[tuple[int, int]], flags: int) -> int:
    """As many bytes as the pipe takes at once, when it takes any; they are copied, SPLICE_F_GIFT or not."""
    file.hold()
    try:
        while not (room := _room(file)):
            await _changed(file, flags)
        some: list[tuple[int, int]] = []
        for start, length in vector:
            some.append((start, min(length, room)))
            room -= some[-1][1]
        result = write_bytes(thread, file, gather(thread, some))
        return result if isinstance(result, int) else await result
    finally:
        file.release()


async def _to_memory(thread: Thread, file: PipeEnd, vector: list[tuple[int, int]], flags: int) -> int:
    total = min(sum(length for _, length in vector), STEP)
    file.hold()
    try:
        while (data := file.read(total)) is None:
            await _changed(file, flags)
        return scatter(thread, vector, data)
    finally:
        file.release()


def sys_copy_file_range(thread: Thread, source: int, source_at: int, out: int, out_at: int, count: int, flags: int) -> Result:
    files = thread.process.files
    file, target = files.usable(c_int(source)), files.usable(c_int(out))
    if flags:
        raise LinuxError(linux.EINVAL)
    if not isinstance(file, RegularFile) or not isinstance(target, RegularFile):
        raise LinuxError(linux.EISDIR if file.inode.is_directory or target.inode.is_directory else linux.EINVAL)
    if not file.readable or not target.writable or target.flags & linux.O_APPEND:
        raise LinuxError(linux.EBADF)
    start = _word(thread, source_at) if source_at else _position(file)
    to = _word(thread, out_at) if out_at else _position(target)
    if start % WORD + count >= WORD or to % WORD + count >= WORD:
        raise LinuxError(linux.EOVERFLOW)
    if start < 0 or to < 0:
        raise LinuxError(linux.EINVAL)
    count = limit_growth(thread, to, min(count, COPY_STEP, max(0, file.inode.size - start)))
    if file.inode is target.inode and start < to + count and to < start + count:
        raise LinuxError(linux.EINVAL)
    data = file.read_at(count, start)
    if data:
        drop_privileges(thread.process.credentials, target.inode)
    done = target.write_at(data, to) if data else 0
    _moved(thread, file, source_at, start + done)
    _moved(thread, target, out_at, to + done)
    return done
