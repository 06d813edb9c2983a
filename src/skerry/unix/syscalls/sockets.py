"""System calls on sockets. There are connected pairs; no address family can be named yet.

Programs ask getpeername of their standard input to learn who started them: a descriptor that is no socket says so.
"""

from __future__ import annotations

import struct
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final

from skerry.abi import linux
from skerry.unix import signals
from skerry.unix.arguments import c_int
from skerry.unix.errors import LinuxError
from skerry.unix.socketpair import CAPACITY, Socket, make_pair
from skerry.unix.syscalls.descriptors import STEP, gather, scatter, vector_at
from skerry.unix.syscalls.paths import AT_FDCWD_WORD, existing

if TYPE_CHECKING:
    from skerry.unix.process import Thread

Result = int | Coroutine[Any, Any, int]
KINDS: Final = frozenset((linux.SOCK_STREAM, linux.SOCK_DGRAM, linux.SOCK_SEQPACKET))
UNNAMED: Final = struct.pack("<H", linux.AF_UNIX)  # the address of a socket that has none
SHUT_RDWR: Final = 2
_SETTABLE: Final = frozenset(
    (
        linux.SO_REUSEADDR,
        linux.SO_BROADCAST,
        linux.SO_SNDBUF,
        linux.SO_RCVBUF,
        linux.SO_KEEPALIVE,
        linux.SO_LINGER,
        linux.SO_REUSEPORT,
        linux.SO_PASSCRED,
    )
)


def _socket(thread: Thread, fd: int) -> Socket:
    """Raises EBADF, ENOTSOCK."""
    file = thread.process.files[c_int(fd)]
    if not isinstance(file, Socket):
        raise LinuxError(linux.ENOTSOCK)
    return file


def sys_socket(thread: Thread, family: int, kind: int, protocol: int) -> int:
    raise LinuxError(linux.EAFNOSUPPORT)


def sys_socketpair(thread: Thread, family: int, kind: int, protocol: int, address: int) -> int:
    if family != linux.AF_UNIX:
        raise LinuxError(linux.EAFNOSUPPORT)
    if protocol not in (0, linux.AF_UNIX):
        raise LinuxError(linux.EPROTONOSUPPORT)
    flags = kind & (linux.SOCK_NONBLOCK | linux.SOCK_CLOEXEC)
    kind &= ~flags
    if kind not in KINDS:
        raise LinuxError(linux.ESOCKTNOSUPPORT)
    process = thread.process
    system = process.system
    system.last_ino += 2
    inos = (system.last_ino - 1, system.last_ino)
    first, second = make_pair(inos, kind, flags & linux.SOCK_NONBLOCK, process, system.platform.realtime())
    close_on_exec = bool(flags & linux.SOCK_CLOEXEC)
    files = process.files
    one = files.install(first, close_on_exec)
    try:
        two = files.install(second, close_on_exec)
    except LinuxError:
        files.close(one)
        raise
    process.memory.write(address, struct.pack("<ii", one, two))
    return 0


def _send(thread: Thread, file: Socket, data: bytes, flags: int) -> Result:
    if flags & linux.MSG_OOB:
        raise LinuxError(linux.EOPNOTSUPP)
    done = _try_to_send(thread, file, data, flags)
    if done == len(data):
        return done
    if flags & linux.MSG_DONTWAIT or file.nonblocking:
        if done is None:
            raise LinuxError(linux.EAGAIN)
        return done
    return _send_later(thread, file, data, done or 0, flags)


def _try_to_send(thread: Thread, file: Socket, data: bytes, flags: int) -> int | None:
    try:
        return file.write(data)
    except LinuxError as error:
        if error.errno == linux.EPIPE and not flags & linux.MSG_NOSIGNAL:
            signals.send_to_thread(thread, signals.SignalInfo(linux.SIGPIPE, linux.SI_USER))
        raise


async def _send_later(thread: Thread, file: Socket, data: bytes, done: int, flags: int) -> int:
    file.hold()
    try:
        while done < len(data):
            peer = file.peer
            await file.changed.wait()
            if peer is not file.peer and done:
                break
            done += _try_to_send(thread, file, data[done:], flags) or 0
    finally:
        file.release()
    return done


def _receive(thread: Thread, file: Socket, vector: list[tuple[int, int]], flags: int) -> Result:
    """Raises EAGAIN; the record's own length with MSG_TRUNC."""
    if flags & linux.MSG_OOB:
        raise LinuxError(linux.EOPNOTSUPP)
    count = min(sum(length for _, length in vector), STEP)
    data, length = file.receive(count, bool(flags & linux.MSG_PEEK))
    if data is not None:
        scatter(thread, vector, data)
        return length if flags & linux.MSG_TRUNC else len(data)
    if flags & linux.MSG_DONTWAIT or file.nonblocking:
        raise LinuxError(linux.EAGAIN)
    return _receive_later(thread, file, vector, count, flags)


async def _receive_later(thread: Thread, file: Socket, vector: list[tuple[int, int]], count: int, flags: int) -> int:
    file.hold()
    try:
        while True:
            await file.changed.wait()
            data, length = file.receive(count, bool(flags & linux.MSG_PEEK))
            if data is not None:
                break
    finally:
        file.release()
    scatter(thread, vector, data)
    return length if flags & linux.MSG_TRUNC else len(data)


def _refuse_name(thread: Thread, file: Socket, address: int, size: int) -> None:
    """A message to somebody named: a stream has its peer, a seqpacket does not look. Raises EISCONN, EINVAL, ENOENT, ECONNREFUSED."""
    if file.kind == linux.SOCK_STREAM:
        raise LinuxError(linux.EISCONN)
    if file.kind == linux.SOCK_DGRAM:
        _look_for(thread, address, size)


def _look_for(thread: Thread, address: int, size: int) -> None:
    """Nobody listens under any name yet. Raises EINVAL, ENOENT, ECONNREFUSED."""
    data = thread.process.memory.read(address, min(size, 110))
    if len(data) < 2 or data[:2] != UNNAMED:
        raise LinuxError(linux.EINVAL)
    path = data[2:].split(b"\0", 1)[0]
    if path:
        existing(thread, AT_FDCWD_WORD, path)
    raise LinuxError(linux.ECONNREFUSED)


def sys_sendto(thread: Thread, fd: int, address: int, count: int, flags: int, target: int, size: int) -> Result:
    file = _socket(thread, fd)
    if target and size:
        _refuse_name(thread, file, target, size)
    return _send(thread, file, thread.process.memory.read(address, min(count, STEP)), flags)


def sys_recvfrom(thread: Thread, fd: int, address: int, count: int, flags: int, source: int, size: int) -> Result:
    file = _socket(thread, fd)
    if source and size:
        thread.process.memory.write(size, struct.pack("<i", 0))
    return _receive(thread, file, [(address, count)], flags)


def sys_sendmsg(thread: Thread, fd: int, header: int, flags: int) -> Result:
    file = _socket(thread, fd)
    name, name_size, vector, count, _control, control_size, _ = thread.process.memory.read_words(header, 7)
    if name and name_size & 0xFFFFFFFF:
        _refuse_name(thread, file, name, name_size & 0xFFFFFFFF)
    if control_size:
        raise LinuxError(linux.EOPNOTSUPP)
    return _send(thread, file, gather(thread, vector_at(thread, vector, count)), flags)


def sys_recvmsg(thread: Thread, fd: int, header: int, flags: int) -> Result:
    file = _socket(thread, fd)
    memory = thread.process.memory
    _name, _, vector, count, _control, _, _ = memory.read_words(header, 7)
    pieces = vector_at(thread, vector, count)
    memory.write(header + 8, struct.pack("<I", 0))  # no name
    memory.write(header + 40, struct.pack("<Qi", 0, 0))  # no control data, no flags
    return _receive(thread, file, pieces, flags)


def sys_shutdown(thread: Thread, fd: int, how: int) -> int:
    file = _socket(thread, fd)
    if how > SHUT_RDWR:
        raise LinuxError(linux.EINVAL)
    file.shut_down(how != 1, how != 0)
    return 0


def _write_address(thread: Thread, address: int, size: int) -> int:
    memory = thread.process.memory
    (room,) = struct.unpack("<i", memory.read(size, 4))
    if room < 0:
        raise LinuxError(linux.EINVAL)
    memory.write(address, UNNAMED[:room])
    memory.write(size, struct.pack("<i", len(UNNAMED)))
    return 0


def sys_getsockname(thread: Thread, fd: int, address: int, size: int) -> int:
    _socket(thread, fd)
    return _write_address(thread, address, size)


def sys_getpeername(thread: Thread, fd: int, address: int, size: int) -> int:
    if _socket(thread, fd).peer is None:
        raise LinuxError(linux.ENOTCONN)
    return _write_address(thread, address, size)


def sys_getsockopt(thread: Thread, fd: int, level: int, option: int, address: int, size: int) -> int:
    file = _socket(thread, fd)
    if level != linux.SOL_SOCKET:
        raise LinuxError(linux.EOPNOTSUPP)
    peer = file.peer
    values = {
        linux.SO_TYPE: file.kind,
        linux.SO_DOMAIN: linux.AF_UNIX,
        linux.SO_SNDBUF: CAPACITY,
        linux.SO_RCVBUF: CAPACITY,
        linux.SO_ERROR: 0,
        linux.SO_PROTOCOL: 0,
        linux.SO_ACCEPTCONN: 0,
    }
    if option == linux.SO_PEERCRED:
        data = struct.pack("<iII", *(peer.credentials if peer is not None else file.credentials))
    elif option in values or option in _SETTABLE:
        data = struct.pack("<i", values.get(option, 0))
    else:
        raise LinuxError(linux.ENOPROTOOPT)
    memory = thread.process.memory
    (room,) = struct.unpack("<i", memory.read(size, 4))
    if room < 0:
        raise LinuxError(linux.EINVAL)
    memory.write(address, data[:room])
    memory.write(size, struct.pack("<i", min(room, len(data))))
    return 0


def sys_setsockopt(thread: Thread, fd: int, level: int, option: int, address: int, size: int) -> int:
    _socket(thread, fd)
    if level != linux.SOL_SOCKET:
        raise LinuxError(linux.EOPNOTSUPP)
    if option not in _SETTABLE:
        raise LinuxError(linux.ENOPROTOOPT)
    thread.process.memory.read(address, min(size, 4))
    return 0


def sys_connect(thread: Thread, fd: int, address: int, size: int) -> int:
    _socket(thread, fd)
    _look_for(thread, address, size)
    return 0


def sys_bind(thread: Thread, fd: int) -> int:
    _socket(thread, fd)
    raise LinuxError(linux.EOPNOTSUPP)


def sys_accept(thread: Thread, fd: int) -> int:
    """accept and listen: a connected socket is not listened at."""
    raise LinuxError(linux.EOPNOTSUPP if _socket(thread, fd).kind == linux.SOCK_DGRAM else linux.EINVAL)
