"""System calls on descriptors: reading, writing, seeking, duplicating, pipes."""

from __future__ import annotations

import struct
from collections.abc import Coroutine, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from skerry.abi import linux
from skerry.abi.fault import Fault
from skerry.lib.coroutine import Interrupted
from skerry.unix import memfd, sigio, signals
from skerry.unix.answers import NotYet
from skerry.unix.arguments import c_int, c_long
from skerry.unix.disk import BlockFile
from skerry.unix.errors import LinuxError
from skerry.unix.files import DirectoryFile, OpenFile, RegularFile, packed_old_entry
from skerry.unix.fs.tmpfs import Directory
from skerry.unix.memory import PAGE
from skerry.unix.pipe import PipeEnd, make_pipe
from skerry.unix.syscalls.locks import RECORD_LOCKS, record_lock
from skerry.unix.vfs import drop_privileges, require_owner

if TYPE_CHECKING:
    from skerry.unix.memory import Memory
    from skerry.unix.process import Thread

Result = int | Coroutine[Any, Any, int]
MAX_TRANSFER: Final = 0x7FFFF000
STEP: Final = 1 << 21  # bytes that are brought through the server at a time: what a program can make it hold
IOV_MAX: Final = 1024
_WHOLE: Final = (linux.S_IFREG, linux.S_IFCHR, linux.S_IFBLK)  # what read gives all that was asked for, as long as there is more
STORED: Final = (linux.S_IFREG, linux.S_IFBLK)  # what writes never wait for
_PRIVILEGES: Final = linux.S_ISUID | linux.S_ISGID


def sys_read(thread: Thread, fd: int, address: int, count: int) -> Result:
    process = thread.process
    file = process.files[c_int(fd)]
    if not file.readable:
        raise LinuxError(linux.EBADF)
    if count > STEP:
        if linux.S_IFMT & file.inode.mode in _WHOLE:
            return _read_in_steps(thread, file, [(address, count)])
        count = STEP
    data = file.read(count)
    if data is None and (data := file.read_for(thread, count)) is None:
        if file.flags & linux.O_NONBLOCK:
            raise LinuxError(linux.EAGAIN)
        return _read_later(thread, file, [(address, count)])
    if data:
        try:
            process.memory.write(address, data)
        except Fault:
            done = store_what_fits(process.memory, address, data)
            file.position -= len(data) - done
            if not done:
                raise
            return done
    return len(data)


def _read_in_steps(thread: Thread, file: OpenFile, vector: list[tuple[int, int]], offset: int | None = None) -> Result:
    """Read until there is less than was asked for, at the file's position or at ``offset``. Only the first step waits."""
    done = 0
    for address, length in pieces(vector):
        try:
            data = file.read(length) if offset is None else file.read_at(length, offset + done)
        except (LinuxError, NotYet):
            if done:
                break
            raise
        if data is None and not done and (data := file.read_for(thread, length)) is None:
            if file.nonblocking:
                raise LinuxError(linux.EAGAIN)
            return _read_later(thread, file, [(address, length)])
        if not data:
            break
        try:
            thread.process.memory.write(address, data)
        except Fault:
            stored = store_what_fits(thread.process.memory, address, data)
            if offset is None:
                file.position -= len(data) - stored
            if not done + stored:
                raise
            return done + stored
        done += len(data)
        if len(data) < length:
            break
    return done


async def _read_later(thread: Thread, file: OpenFile, vector: list[tuple[int, int]]) -> int:
    total = sum(length for _, length in vector)
    deadline = file.deadline(False)
    file.hold()
    try:
        while (data := file.read(total)) is None and (data := file.read_for(thread, total)) is None:
            if not await file.changed.wait(deadline):
                raise LinuxError(linux.EAGAIN)
    finally:
        file.release()
    return scatter(thread, vector, data)


def store_what_fits(memory: Memory, address: int, data: bytes) -> int:
    """Write ``data`` up to the first page that cannot be written; the count."""
    done = 0
    while done < len(data):
        step = min(len(data) - done, PAGE - (address + done) % PAGE)
        try:
            memory.write(address + done, data[done : done + step])
        except Fault:
            break
        done += step
    return done


def scatter(thread: Thread, vector: list[tuple[int, int]], data: bytes) -> int:
    """Write ``data`` into the pieces of the program's memory; its length."""
    at = 0
    for address, length in vector:
        if at >= len(data):
            break
        thread.process.memory.write(address, data[at : at + length])
        at += length
    return len(data)


def sys_write(thread: Thread, fd: int, address: int, count: int) -> Result:
    process = thread.process
    file = process.files[c_int(fd)]
    if not file.writable:
        raise LinuxError(linux.EBADF)
    if count > STEP:
        return _write_in_steps(thread, file, [(address, count)])
    return write_bytes(thread, file, process.memory.read(address, count))


async def _write_in_steps(thread: Thread, file: OpenFile, vector: list[tuple[int, int]]) -> int:
    done = 0
    for address, length in pieces(vector):
        try:
            result = write_bytes(thread, file, thread.process.memory.read(address, length))
            step = result if isinstance(result, int) else await result
        except (LinuxError, Fault, Interrupted, NotYet):
            if done:
                break
            raise
        done += step
        if step < length:
            break
    return done


def pieces(vector: list[tuple[int, int]], left: int = MAX_TRANSFER) -> Iterator[tuple[int, int]]:
    """The same ranges in pieces of at most STEP bytes, and ``left`` in all."""
    for address, length in vector:
        end = address + min(length, left)
        left -= end - address
        while address < end:
            yield address, min(STEP, end - address)
            address += STEP


def write_bytes(thread: Thread, file: OpenFile, data: bytes) -> Result:
    """Write at the file's position, waiting as the file says. Raises what write(2) does, with SIGPIPE and SIGXFSZ."""
    try:
        if linux.RLIMIT_FSIZE in thread.process.limits and file.inode.is_regular:
            start = file.inode.size if file.flags & linux.O_APPEND else file.position
            data = data[: limit_growth(thread, start, len(data))]
        if file.inode.mode & _PRIVILEGES and data:
            drop_privileges(thread.process.credentials, file.inode)
        done = file.write(data)
    except LinuxError as error:
        if error.errno == linux.EPIPE:
            signals.send_to_thread(thread, signals.SignalInfo(linux.SIGPIPE, linux.SI_USER))
        raise
    if done == len(data) or (done is not None and file.inode.mode & linux.S_IFMT in STORED):  # short: there is no space for the rest
        return done
    if file.controlled:
        return _write_to_terminal(thread, file, data, done or 0)
    if file.flags & linux.O_NONBLOCK:
        if done is None:
            raise LinuxError(linux.EAGAIN)
        return done
    return _write_later(thread, file, data, done or 0)


async def _write_to_terminal(thread: Thread, file: OpenFile, data: bytes, done: int) -> int:
    file.hold()
    try:
        while True:
            done += file.write_for(thread, data[done:]) or 0
            if done == len(data):
                break
            if file.nonblocking:
                raise LinuxError(linux.EAGAIN)
            await file.changed.wait()
    except (LinuxError, Interrupted):
        if not done:
            raise
    finally:
        file.release()
    return done


async def _write_later(thread: Thread, file: OpenFile, data: bytes, done: int) -> int:
    deadline = file.deadline(True)
    file.hold()
    try:
        while done < len(data):
            try:
                if not await file.changed.wait(deadline):
                    raise LinuxError(linux.EAGAIN)
                step = file.write(data[done:])
            except Interrupted:
                if done:
                    break
                raise
            except LinuxError as error:
                if error.errno == linux.EPIPE:
                    signals.send_to_thread(thread, signals.SignalInfo(linux.SIGPIPE, linux.SI_USER))
                if done:
                    break
                raise
            done += step or 0
    finally:
        file.release()
    return done


def limit_growth(thread: Thread, position: int, count: int) -> int:
    """How many of ``count`` bytes RLIMIT_FSIZE lets be written at ``position``. Raises EFBIG, with SIGXFSZ, where it is none."""
    limit = thread.process.limits.get(linux.RLIMIT_FSIZE)
    if limit is None or not count or position + count <= limit[0]:
        return count
    if position >= limit[0]:
        signals.send_to_thread(thread, signals.SignalInfo(linux.SIGXFSZ))
        raise LinuxError(linux.EFBIG)
    return limit[0] - position


def vector_at(thread: Thread, address: int, count: int) -> list[tuple[int, int]]:
    """An array of struct iovec. Raises Fault, EINVAL."""
    count = c_int(count)
    if not 0 <= count <= IOV_MAX:
        raise LinuxError(linux.EINVAL)
    words = thread.process.memory.read_words(address, 2 * count) if count else ()
    vector = list(zip(words[::2], words[1::2], strict=True))
    if sum(length for _, length in vector) >= 1 << 63:
        raise LinuxError(linux.EINVAL)
    return vector


def sys_readv(thread: Thread, fd: int, address: int, count: int) -> Result:
    file = thread.process.files[c_int(fd)]
    if not file.readable:
        raise LinuxError(linux.EBADF)
    vector = vector_at(thread, address, count)
    total = sum(length for _, length in vector)
    if total > STEP:
        if linux.S_IFMT & file.inode.mode in _WHOLE:
            return _read_in_steps(thread, file, vector)
        total = STEP
    data = file.read(total)
    if data is None and (data := file.read_for(thread, total)) is None:
        if file.nonblocking:
            raise LinuxError(linux.EAGAIN)
        return _read_later(thread, file, vector)
    return scatter(thread, vector, data)


def gather(thread: Thread, vector: list[tuple[int, int]]) -> bytes:
    """The bytes of the pieces of the program's memory, up to the first that cannot be read. Raises Fault if that is the first of all."""
    memory = thread.process.memory
    parts: list[bytes] = []
    for address, length in vector:
        if length:
            try:
                parts.append(memory.read(address, length))
            except Fault:
                if not parts:
                    raise
                break
    return b"".join(parts)


def sys_writev(thread: Thread, fd: int, address: int, count: int) -> Result:
    file = thread.process.files[c_int(fd)]
    if not file.writable:
        raise LinuxError(linux.EBADF)
    vector = vector_at(thread, address, count)
    if sum(length for _, length in vector) > STEP:
        return _write_in_steps(thread, file, vector)
    return write_bytes(thread, file, gather(thread, vector))


def sys_pread64(thread: Thread, fd: int, address: int, count: int, offset: int) -> Result:
    if c_long(offset) < 0 or c_long(offset + count) < 0:
        raise LinuxError(linux.EINVAL)
    file = thread.process.files[c_int(fd)]
    if not file.readable:
        raise LinuxError(linux.EBADF)
    if count > STEP:
        return _read_in_steps(thread, file, [(address, count)], offset)
    data = file.read_at(count, offset)
    if data:
        thread.process.memory.write(address, data)
    return len(data)


def sys_pwrite64(thread: Thread, fd: int, address: int, count: int, offset: int) -> Result:
    if c_long(offset) < 0 or c_long(offset + count) < 0:
        raise LinuxError(linux.EINVAL)
    file = thread.process.files[c_int(fd)]
    if not file.writable:
        raise LinuxError(linux.EBADF)
    return _write_at(thread, file, [(address, count)], offset)


def _write_at(thread: Thread, file: OpenFile, vector: list[tuple[int, int]], offset: int) -> int:
    done = 0
    if not any(length for _, length in vector):
        file.read_at(0, 0)  # ESPIPE, where there are no positions
        return 0
    if file.inode.mode & _PRIVILEGES:
        drop_privileges(thread.process.credentials, file.inode)
    most = MAX_TRANSFER
    if linux.RLIMIT_FSIZE in thread.process.limits and file.inode.is_regular:
        most = limit_growth(thread, file.inode.size if file.flags & linux.O_APPEND else offset, most)
    for address, length in pieces(vector, most):
        try:
            step = file.write_at(thread.process.memory.read(address, length), offset + done)
        except (LinuxError, Fault):
            if done:
                break
            raise
        done += step
        if step < length:
            break
    return done


def sys_preadv(thread: Thread, fd: int, address: int, count: int, offset: int) -> Result:
    file = thread.process.files[c_int(fd)]
    if not file.readable:
        raise LinuxError(linux.EBADF)
    if c_long(offset) < 0:
        raise LinuxError(linux.EINVAL)
    vector = vector_at(thread, address, count)
    total = sum(length for _, length in vector)
    if total > STEP:
        return _read_in_steps(thread, file, vector, offset)
    return scatter(thread, vector, file.read_at(total, offset))


def sys_pwritev(thread: Thread, fd: int, address: int, count: int, offset: int) -> Result:
    file = thread.process.files[c_int(fd)]
    if not file.writable:
        raise LinuxError(linux.EBADF)
    if c_long(offset) < 0:
        raise LinuxError(linux.EINVAL)
    return _write_at(thread, file, vector_at(thread, address, count), offset)


def sys_lseek(thread: Thread, fd: int, offset: int, whence: int) -> Result:
    process = thread.process
    fd = c_int(fd)
    files = process.files
    file = files[fd]
    if whence > linux.SEEK_HOLE:
        raise LinuxError(linux.EINVAL)
    position = file.seek(c_long(offset), whence)
    memory = process.memory
    unshared = file.references == files.references == memory.references == 1
    if unshared and file.lendable and process.system.emulation and fd < memory.space.offsets:
        file.lend(memory.space, fd)
    return position


def sys_close(thread: Thread, fd: int) -> Result:
    thread.process.files.close(c_int(fd))
    return 0


def sys_close_range(thread: Thread, first: int, last: int, flags: int) -> Result:
    if first > last:
        raise LinuxError(linux.EINVAL)
    files = thread.process.files
    for fd in [fd for fd in files.files if first <= fd <= last]:
        if flags & 4:
            files.close_on_exec.add(fd)
        else:
            sys_close(thread, fd)
    return 0


def sys_dup(thread: Thread, fd: int) -> Result:
    files = thread.process.files
    return files.install(files[c_int(fd)])


def sys_dup2(thread: Thread, old: int, new: int) -> Result:
    files = thread.process.files
    file = files[c_int(old)]
    return new if old == new else _dup_to(thread, file, c_int(new), False)


def sys_dup3(thread: Thread, old: int, new: int, flags: int) -> Result:
    file = thread.process.files[c_int(old)]
    if old == new or flags & ~linux.O_CLOEXEC:
        raise LinuxError(linux.EINVAL)
    return _dup_to(thread, file, c_int(new), bool(flags))


def _dup_to(thread: Thread, file: OpenFile, new: int, close_on_exec: bool) -> int:
    files = thread.process.files
    if not 0 <= new < files.limit:
        raise LinuxError(linux.EBADF)
    files.place(new, file, close_on_exec)
    return new


_ON_PATHS: Final = frozenset((linux.F_DUPFD, linux.F_DUPFD_CLOEXEC, linux.F_GETFD, linux.F_SETFD, linux.F_GETFL))
_SETTABLE: Final = linux.O_APPEND | linux.O_NONBLOCK | linux.O_DIRECT | linux.O_NOATIME


def sys_fcntl(thread: Thread, fd: int, command: int, argument: int) -> Result:
    fd = c_int(fd)
    files = thread.process.files
    file = files[fd]
    command = c_int(command)
    if file.flags & linux.O_PATH and command not in _ON_PATHS:
        raise LinuxError(linux.EBADF)
    if command in (linux.F_DUPFD, linux.F_DUPFD_CLOEXEC):
        if not 0 <= c_int(argument) < files.limit:
            raise LinuxError(linux.EINVAL)
        return files.install(file, command == linux.F_DUPFD_CLOEXEC, c_int(argument))
    if command == linux.F_GETFD:
        return linux.FD_CLOEXEC if fd in files.close_on_exec else 0
    if command == linux.F_SETFD:
        (files.close_on_exec.add if argument & linux.FD_CLOEXEC else files.close_on_exec.discard)(fd)
        return 0
    if command == linux.F_GETFL:
        return file.status_flags
    if command == linux.F_SETFL:
        if argument & ~file.flags & linux.O_NOATIME:
            require_owner(thread.process.credentials, file.inode)
        if (file.flags ^ argument) & linux.O_ASYNC and file.asynchronous:
            sigio.set_asynchronous(thread, file, fd, bool(argument & linux.O_ASYNC))
        file.flags = file.flags & ~_SETTABLE | argument & _SETTABLE
        return 0
    if command in RECORD_LOCKS:
        return record_lock(thread, file, command, argument)
    if command == linux.F_GETLEASE:
        return linux.F_UNLCK  # nobody can have one: F_SETLEASE fails, as on file systems whose files change elsewhere
    if command in (linux.F_GETPIPE_SZ, linux.F_SETPIPE_SZ):
        if not isinstance(file, PipeEnd):
            raise LinuxError(linux.EBADF)
        if command == linux.F_SETPIPE_SZ:
            size = 1 << max(12, (min(argument, 1 << 31) - 1).bit_length())
            if size > 1 << 20:
                raise LinuxError(linux.EPERM)
            if size < file.pipe.length:
                raise LinuxError(linux.EBUSY)
            file.pipe.capacity = size
        return file.pipe.capacity
    if command == linux.F_GET_SEALS:
        return memfd.seals_of(file).seals
    if command == linux.F_ADD_SEALS:
        memfd.add_seals(thread.process.system, file, argument & 0xFFFFFFFF)
        return 0
    if (result := sigio.fcntl(thread, file, fd, command, argument)) is not None:
        return result
    raise LinuxError(linux.EINVAL)


def sys_ioctl(thread: Thread, fd: int, request: int, argument: int) -> Result:
    fd = c_int(fd)
    files = thread.process.files
    file = files.usable(fd)
    request &= 0xFFFFFFFF
    memory = thread.process.memory
    if request == linux.FIONBIO:
        on = int.from_bytes(memory.read(argument, 4), "little")
        file.flags = file.flags & ~linux.O_NONBLOCK | (linux.O_NONBLOCK if on else 0)
        return 0
    if request == linux.FIOASYNC:
        if not file.asynchronous:
            raise LinuxError(linux.ENOTTY)
        sigio.set_asynchronous(thread, file, fd, any(memory.read(argument, 4)))
        return 0
    if request in (linux.FIOCLEX, linux.FIONCLEX):
        (files.close_on_exec.add if request == linux.FIOCLEX else files.close_on_exec.discard)(fd)
        return 0
    if request == linux.FIONREAD and isinstance(file, PipeEnd | RegularFile):
        count = file.pipe.length if isinstance(file, PipeEnd) else file.inode.size - file.position
        memory.write(argument, struct.pack("<I", count & 0xFFFFFFFF))  # as the host cuts it
        return 0
    return file.ioctl(thread, request, argument)


def sys_pipe(thread: Thread, address: int) -> Result:
    return sys_pipe2(thread, address, 0)


def sys_pipe2(thread: Thread, address: int, flags: int) -> Result:
    if flags & ~(linux.O_CLOEXEC | linux.O_NONBLOCK | linux.O_DIRECT):
        raise LinuxError(linux.EINVAL)
    process = thread.process
    system = process.system
    system.last_ino += 1
    who = process.credentials
    now = system.platform.realtime()
    reader, writer = make_pipe(system.last_ino, who.fsuid, who.fsgid, now, flags & linux.O_NONBLOCK)
    close_on_exec = bool(flags & linux.O_CLOEXEC)
    first = process.files.install(reader, close_on_exec)
    second = -1
    try:
        second = process.files.install(writer, close_on_exec)
        process.memory.write(address, struct.pack("<ii", first, second))
    except (LinuxError, Fault):
        process.files.close(first)
        if second >= 0:
            process.files.close(second)
        raise
    return 0


def sys_fsync(thread: Thread, fd: int) -> Result:
    thread.process.files.usable(c_int(fd)).sync()
    return 0


def sys_sync(thread: Thread) -> Result:
    for disk in thread.process.system.disks.values():
        with suppress(LinuxError):
            disk.flush()
    mounted = [thread.process.system.root.fs]
    while mounted:
        fs = mounted.pop()
        mounted += [directory.covered_by.fs for directory in fs.covered if isinstance(directory, Directory) and directory.covered_by]
        with suppress(LinuxError):  # it always succeeds
            fs.sync()
    return 0


def sys_ftruncate(thread: Thread, fd: int, size: int) -> Result:
    if c_long(size) < 0:
        raise LinuxError(linux.EINVAL)
    file = thread.process.files[c_int(fd)]
    if file.flags & linux.O_PATH:
        raise LinuxError(linux.EBADF)
    if not file.writable:
        raise LinuxError(linux.EINVAL)
    if size > file.inode.size:
        limit_growth(thread, size - 1, 1)
    drop_privileges(thread.process.credentials, file.inode)
    file.truncate(size)
    return 0


def sys_fallocate(thread: Thread, fd: int, mode: int, offset: int, length: int) -> Result:
    file = thread.process.files.usable(c_int(fd))
    if c_long(offset) < 0 or c_long(length) <= 0:
        raise LinuxError(linux.EINVAL)
    if mode & (linux.FALLOC_FL_PUNCH_HOLE | linux.FALLOC_FL_KEEP_SIZE) == linux.FALLOC_FL_PUNCH_HOLE:
        raise LinuxError(linux.EOPNOTSUPP)
    if not file.writable:
        raise LinuxError(linux.EBADF)
    if isinstance(file, PipeEnd):
        raise LinuxError(linux.ESPIPE)
    if isinstance(file, BlockFile):
        file.allocate(mode, offset, length)
        return 0
    if not file.inode.is_regular:
        raise LinuxError(linux.ENODEV)
    if not mode & linux.FALLOC_FL_KEEP_SIZE:
        limit_growth(thread, offset + length - 1, 1)
    file.inode.allocate(mode, offset, length, thread.process.system.platform.realtime())
    return 0


def sys_fadvise64(thread: Thread, fd: int, offset: int, length: int, advice: int) -> Result:
    if isinstance(thread.process.files.usable(c_int(fd)), PipeEnd):
        raise LinuxError(linux.ESPIPE)
    if c_long(length) < 0 or not 0 <= c_int(advice) <= 5:
        raise LinuxError(linux.EINVAL)
    return 0


def sys_getdents(thread: Thread, fd: int, address: int, size: int) -> Result:
    file = thread.process.files.usable(c_int(fd))
    if not isinstance(file, DirectoryFile):
        raise LinuxError(linux.ENOTDIR)
    data = file.read_entries(size & 0xFFFFFFFF, packed_old_entry)
    thread.process.memory.write(address, data)
    return len(data)


def sys_getdents64(thread: Thread, fd: int, address: int, size: int) -> Result:
    file = thread.process.files.usable(c_int(fd))
    if not isinstance(file, DirectoryFile):
        raise LinuxError(linux.ENOTDIR)
    data = file.read_entries(c_int(size))
    thread.process.memory.write(address, data)
    return len(data)
