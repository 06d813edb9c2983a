"""System calls that send and receive on sockets.

Source: send(2), recv(2), sendmmsg(2), recvmmsg(2), unix(7).
"""

from __future__ import annotations

import struct
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from skerry.abi import linux, sockets
from skerry.abi.fault import Fault
from skerry.lib.coroutine import Interrupted
from skerry.unix import signals
from skerry.unix.arguments import c_int
from skerry.unix.capabilities import CAP_SYS_ADMIN, CAP_SYS_RESOURCE
from skerry.unix.errors import LinuxError
from skerry.unix.files import OpenFile
from skerry.unix.futex import deadline_of
from skerry.unix.net.control import ControlBuffer, messages
from skerry.unix.net.flight import MOST
from skerry.unix.net.inet import InetSocket
from skerry.unix.net.local import LocalConnection, LocalDatagram, LocalSocket
from skerry.unix.net.queue import PeerCredentials, Received
from skerry.unix.net.socket import Destination, Socket
from skerry.unix.net.tcp import TcpSocket
from skerry.unix.net.udp import UdpSocket
from skerry.unix.syscalls.descriptors import IOV_MAX, STEP, gather, pieces, scatter, vector_at
from skerry.unix.syscalls.sockets import local_socket, read_address, socket_at, write_address

if TYPE_CHECKING:
    from skerry.unix.process import Thread

Result = int | Coroutine[Any, Any, int]
CONTROL_MAX: Final = 1 << 17  # bytes of control data that one message can have
HEADER: Final = 64  # sizeof(struct mmsghdr); its msg_len lies behind the struct msghdr
LENGTH_AT: Final = 56
VECTOR_MAX: Final = 1024


class Message(NamedTuple):
    """What a call sends."""

    data: bytes
    to: Destination | None
    rights: tuple[OpenFile, ...]
    credentials: PeerCredentials


class Target(NamedTuple):
    """Where a call puts what it receives: pieces of memory, and a struct msghdr (0: none) or an address and its size."""

    vector: list[tuple[int, int]]
    header: int = 0
    name: int = 0
    name_size: int = 0
    control: int = 0
    control_size: int = 0


def _own_credentials(thread: Thread) -> PeerCredentials:
    who = thread.process.credentials
    return (thread.process.pid, who.uid, who.gid)


def _destination(thread: Thread, socket: Socket, data: bytes) -> Destination | None:
    """Who a message is for, if that is not the peer. Raises EISCONN, EOPNOTSUPP, and what the address is wrong with."""
    if not data or isinstance(socket, TcpSocket):
        return None
    if isinstance(socket, LocalConnection):
        if socket.kind == linux.SOCK_SEQPACKET:
            return None
        raise LinuxError(linux.EISCONN if socket.connected else linux.EOPNOTSUPP)
    if isinstance(socket, LocalDatagram):
        return local_socket(thread, socket.kind, data)
    return socket.where(data) if isinstance(socket, InetSocket) else None


# Sending


def _send(thread: Thread, socket: Socket, message: Message, flags: int) -> Result:
    if flags & linux.MSG_OOB and not isinstance(socket, TcpSocket):
        raise LinuxError(linux.EOPNOTSUPP)
    done = _try_to_send(thread, socket, message, flags)
    if done == len(message.data):
        return done
    if flags & linux.MSG_DONTWAIT or socket.nonblocking:
        if done is None:
            raise LinuxError(linux.EAGAIN)
        return done
    return _send_later(thread, socket, message, done or 0, flags)


def _try_to_send(thread: Thread, socket: Socket, message: Message, flags: int) -> int | None:
    socket.last_sender = message.credentials
    try:
        if flags & linux.MSG_OOB and isinstance(socket, TcpSocket):
            return socket.send_urgent(message.data)
        return socket.send(*message)
    except LinuxError as error:
        if error.errno == linux.EPIPE and socket.kind != linux.SOCK_DGRAM and not flags & linux.MSG_NOSIGNAL:
            signals.send_to_thread(thread, signals.SignalInfo(linux.SIGPIPE, linux.SI_USER))
        raise


async def _send_in_steps(thread: Thread, socket: Socket, message: Message, vector: list[tuple[int, int]], flags: int) -> int:
    """Send more than STEP bytes of a stream; what else the message carries goes with the first."""
    done = 0
    for address, length in pieces(vector):
        try:
            data = thread.process.memory.read(address, length)
            result = _send(thread, socket, message._replace(data=data, rights=() if done else message.rights), flags)
            step = result if isinstance(result, int) else await result
        except (LinuxError, Fault, Interrupted):
            if done:
                break
            raise
        done += step
        if step < length:
            break
    return done


async def _send_later(thread: Thread, socket: Socket, message: Message, done: int, flags: int) -> int:
    deadline = socket.deadline(True)
    socket.hold()
    for file in message.rights:
        file.hold()
    try:
        while done < len(message.data) or not done:
            rest = message._replace(data=message.data[done:], rights=() if done else message.rights)
            try:
                if not await socket.changed.wait(deadline):
                    raise LinuxError(linux.EAGAIN)
                step = _try_to_send(thread, socket, rest, flags)
            except (LinuxError, Interrupted):
                if done:
                    break
                raise
            if step is not None:
                done += step
                if not message.data:
                    break
    finally:
        for file in message.rights:
            file.release()
        socket.release()
    return done


def sys_sendto(thread: Thread, fd: int, address: int, count: int, flags: int, target: int, size: int) -> Result:
    socket = socket_at(thread, fd)
    if isinstance(socket, UdpSocket):
        socket.overrides = {}
    to = _destination(thread, socket, read_address(thread, target, size)) if target else None
    credentials = _own_credentials(thread)
    if count > STEP and socket.kind == linux.SOCK_STREAM:
        return _send_in_steps(thread, socket, Message(b"", to, (), credentials), [(address, count)], flags)
    return _send(thread, socket, Message(thread.process.memory.read(address, min(count, STEP)), to, (), credentials), flags)


def sys_sendmsg(thread: Thread, fd: int, header: int, flags: int) -> Result:
    return _send_message(thread, socket_at(thread, fd), header, flags)


def _send_message(thread: Thread, socket: Socket, header: int, flags: int) -> Result:
    memory = thread.process.memory
    name, name_size, vector, count, control, control_size, _ = memory.read_words(header, 7)
    rights, credentials = _control(thread, socket, memory.read(control, _control_length(control_size)) if control_size else b"")
    to = _destination(thread, socket, read_address(thread, name, min(name_size & 0xFFFFFFFF, 128))) if name else None
    ranges = _vector(thread, vector, count)
    message = Message(b"", to, rights, credentials)
    if sum(length for _, length in ranges) > STEP and socket.kind == linux.SOCK_STREAM:
        return _send_in_steps(thread, socket, message, ranges, flags)
    return _send(thread, socket, message._replace(data=gather(thread, _cut(ranges))), flags)


def _vector(thread: Thread, address: int, count: int) -> list[tuple[int, int]]:
    """The pieces of a message. Raises EMSGSIZE (too many), Fault."""
    if count > IOV_MAX:
        raise LinuxError(linux.EMSGSIZE)
    return vector_at(thread, address, count)


def _control_length(size: int) -> int:
    if size > CONTROL_MAX:
        raise LinuxError(linux.ENOBUFS)
    return size


def _cut(vector: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same pieces, of STEP bytes in all."""
    left = STEP
    cut: list[tuple[int, int]] = []
    for address, length in vector:
        cut.append((address, min(length, left)))
        left -= cut[-1][1]
    return cut


def _control(thread: Thread, socket: Socket, data: bytes) -> tuple[tuple[OpenFile, ...], PeerCredentials]:
    """The files and the credentials that control data names. Raises EINVAL, EBADF, EPERM (credentials of others), ESRCH."""
    rights: list[OpenFile] = []
    credentials = _own_credentials(thread)
    if isinstance(socket, UdpSocket):
        socket.overrides = {}
        for level, kind, contents in messages(data):
            socket.override(level, kind, contents)
    elif data and isinstance(socket, LocalSocket):
        for level, kind, contents in messages(data):
            if level != linux.SOL_SOCKET:
                continue
            if kind == sockets.SCM_RIGHTS:
                numbers = struct.unpack_from(f"<{len(contents) // 4}i", contents)
                rights += [thread.process.files[fd] for fd in numbers]
                if len(rights) > sockets.SCM_MAX_FD:
                    raise LinuxError(linux.EINVAL)
                _require_few(thread)
            elif kind == sockets.SCM_CREDENTIALS and len(contents) == 12:
                credentials = _claimed(thread, *struct.unpack("<iII", contents))
            else:
                raise LinuxError(linux.EINVAL)
    return tuple(rights), credentials


def _require_few(thread: Thread) -> None:
    """Raises ETOOMANYREFS where more files are in messages than a process may have open."""
    process = thread.process
    privileged = process.credentials.has(CAP_SYS_RESOURCE) or process.credentials.has(CAP_SYS_ADMIN)
    if process.system.network.flight.count > (MOST if privileged else process.files.limit):
        raise LinuxError(linux.ETOOMANYREFS)


def _claimed(thread: Thread, pid: int, uid: int, gid: int) -> PeerCredentials:
    """Credentials that a program says it has. Raises EPERM, ESRCH."""
    process = thread.process
    who = process.credentials
    if who.euid:
        if pid != process.pid or uid not in (who.uid, who.euid, who.suid) or gid not in (who.gid, who.egid, who.sgid):
            raise LinuxError(linux.EPERM)
    elif pid != process.pid and pid not in process.system.processes:
        raise LinuxError(linux.ESRCH)
    return (pid, uid, gid)


def sys_sendmmsg(thread: Thread, fd: int, headers: int, count: int, flags: int) -> Result:
    return _send_many(thread, socket_at(thread, fd), headers, min(count & 0xFFFFFFFF, VECTOR_MAX), flags)


async def _send_many(thread: Thread, socket: Socket, headers: int, count: int, flags: int) -> int:
    for index in range(count):
        header = headers + index * HEADER
        try:
            result = _send_message(thread, socket, header, flags)
            length = result if isinstance(result, int) else await result
            thread.process.memory.write(header + LENGTH_AT, struct.pack("<I", length))
        except (LinuxError, Fault, Interrupted):
            if index:
                return index
            raise
    return count


# Receiving


def _wants_all(socket: Socket, flags: int) -> bool:
    return flags & (linux.MSG_WAITALL | linux.MSG_PEEK) == linux.MSG_WAITALL and socket.kind == linux.SOCK_STREAM


def _receive(thread: Thread, socket: Socket, target: Target, flags: int) -> Result:
    """Raises EAGAIN, EOPNOTSUPP, EINVAL (no urgent data)."""
    if flags & linux.MSG_OOB and not isinstance(socket, UdpSocket):  # which has no such thing, and does not say so
        if isinstance(socket, TcpSocket):
            return _deliver(thread, socket, target, flags, socket.receive_urgent(bool(flags & linux.MSG_PEEK)))
        raise LinuxError(linux.EINVAL if socket.kind == linux.SOCK_STREAM else linux.EOPNOTSUPP)
    if flags & sockets.MSG_ERRQUEUE and isinstance(socket, InetSocket):
        received = socket.receive_error(min(sum(length for _, length in target.vector), STEP)) if isinstance(socket, UdpSocket) else None
        if received is None:
            raise LinuxError(linux.EAGAIN)
        return _deliver(thread, socket, target, flags, received)
    waits = not (flags & linux.MSG_DONTWAIT or socket.nonblocking)
    wants_all = waits and _wants_all(socket, flags)
    count = sum([length for _, length in target.vector])
    if count > STEP:
        if wants_all:
            return _receive_in_steps(thread, socket, target, flags)
        count = STEP
    received = socket.receive(count, bool(flags & linux.MSG_PEEK), waits)
    if received is None:
        if not waits:
            raise LinuxError(linux.EAGAIN)
        return _receive_later(thread, socket, target, count, flags)
    if wants_all and 0 < len(received.data) < count:
        return _receive_all(thread, socket, target, count, flags, received)
    return _deliver(thread, socket, target, flags, received)


async def _receive_in_steps(thread: Thread, socket: Socket, target: Target, flags: int) -> int:
    """MSG_WAITALL for more than STEP bytes."""
    done = 0
    for piece in pieces(target.vector):
        try:
            result = _receive(thread, socket, target._replace(vector=[piece]), flags)
            step = result if isinstance(result, int) else await result
        except (LinuxError, Fault, Interrupted):
            if done:
                break
            raise
        done += step
        if step < piece[1]:
            break
    return done


async def _receive_later(thread: Thread, socket: Socket, target: Target, count: int, flags: int) -> int:
    deadline = socket.deadline(False)
    socket.hold()
    try:
        while True:
            if not await socket.changed.wait(deadline):
                raise LinuxError(linux.EAGAIN)
            received = socket.receive(count, bool(flags & linux.MSG_PEEK))
            if received is not None:
                break
    finally:
        socket.release()
    if _wants_all(socket, flags) and 0 < len(received.data) < count:
        return await _receive_all(thread, socket, target, count, flags, received)
    return _deliver(thread, socket, target, flags, received)


async def _receive_all(thread: Thread, socket: Socket, target: Target, count: int, flags: int, received: Received) -> int:
    """MSG_WAITALL: go on until all has come, the end, an error, or a signal."""
    deadline = socket.deadline(False)
    socket.hold()
    try:
        while len(received.data) < count and not received.rights and not socket.at_mark:
            try:
                more = socket.receive(count - len(received.data), False)
                if more is None:
                    if not await socket.changed.wait(deadline):
                        break
                    continue
            except (LinuxError, Interrupted):
                break
            if not more.data:
                break
            data = received.data + more.data
            received = received._replace(data=data, length=len(data), rights=more.rights)
    finally:
        socket.release()
    return _deliver(thread, socket, target, flags, received)


def _deliver(thread: Thread, socket: Socket, target: Target, flags: int, received: Received) -> int:
    """Write what was received where the program wants it. Raises Fault."""
    rights = received.rights
    try:
        scatter(thread, target.vector, received.data)
        cut = linux.MSG_TRUNC if received.length > len(received.data) else 0
        if target.header:
            control = ControlBuffer(target.control_size if target.control else 0)
            _put_control(thread, socket, control, flags, received)
            _write_header(
                thread,
                target,
                received,
                control,
                cut | flags & (linux.MSG_CMSG_CLOEXEC | (sockets.MSG_ERRQUEUE if received.messages else 0)),
            )
        elif target.name:
            write_address(thread, received.source, target.name, target.name_size)
    finally:
        for file in rights:
            file.release()
    return received.length if flags & linux.MSG_TRUNC else len(received.data)


def _put_control(thread: Thread, socket: Socket, control: ControlBuffer, flags: int, received: Received) -> None:
    if socket.passes_credentials and received.credentials is not None:
        control.put(linux.SOL_SOCKET, sockets.SCM_CREDENTIALS, struct.pack("<iII", *received.credentials))
    if received.packet is not None and isinstance(socket, UdpSocket):
        for level, kind, contents in socket.control(received.packet):
            control.put(level, kind, contents)
    for level, kind, contents in received.messages:
        control.put(level, kind, contents)
    if not received.rights:
        return
    numbers: list[int] = []
    files = thread.process.files
    for file in received.rights[: control.left // 4]:
        try:
            numbers.append(files.install(file, bool(flags & linux.MSG_CMSG_CLOEXEC)))
        except LinuxError:
            break
    if numbers:
        control.put(linux.SOL_SOCKET, sockets.SCM_RIGHTS, struct.pack(f"<{len(numbers)}i", *numbers))
    if len(numbers) < len(received.rights):
        control.truncated = True


def _write_header(thread: Thread, target: Target, received: Received, control: ControlBuffer, flags: int) -> None:
    memory = thread.process.memory
    if target.name and received.source:
        memory.write(target.name, received.source[: target.name_size])
    memory.write(target.header + 8, struct.pack("<I", len(received.source)))
    if control.data:
        memory.write(target.control, control.data)
    flags |= linux.MSG_CTRUNC if control.truncated else 0
    memory.write(target.header + 40, struct.pack("<Qi", len(control.data), flags))


def sys_recvfrom(thread: Thread, fd: int, address: int, count: int, flags: int, source: int, size: int) -> Result:
    return _receive(thread, socket_at(thread, fd), Target([(address, count)], 0, source, size), flags)


def sys_recvmsg(thread: Thread, fd: int, header: int, flags: int) -> Result:
    return _receive_message(thread, socket_at(thread, fd), header, flags)


def _receive_message(thread: Thread, socket: Socket, header: int, flags: int) -> Result:
    name, name_size, vector, count, control, control_size, _ = thread.process.memory.read_words(header, 7)
    if name and c_int(name_size) < 0:
        raise LinuxError(linux.EINVAL)
    pieces = _vector(thread, vector, count)
    return _receive(thread, socket, Target(pieces, header, name, name_size & 0xFFFFFFFF, control, control_size), flags)


def sys_recvmmsg(thread: Thread, fd: int, headers: int, count: int, flags: int, timeout: int) -> Result:
    socket = socket_at(thread, fd)
    deadline = deadline_of(thread, timeout, False, False)
    return _receive_many(thread, socket, headers, min(count & 0xFFFFFFFF, VECTOR_MAX), flags, deadline)


async def _receive_many(thread: Thread, socket: Socket, headers: int, count: int, flags: int, deadline: int) -> int:
    """The deadline is looked at after each message, as in Linux (recvmmsg(2), BUGS)."""
    clock = thread.process.system.platform.monotonic
    for index in range(count):
        header = headers + index * HEADER
        dont_wait = linux.MSG_DONTWAIT if index and flags & sockets.MSG_WAITFORONE else 0
        try:
            result = _receive_message(thread, socket, header, (flags | dont_wait) & ~sockets.MSG_WAITFORONE)
            length = result if isinstance(result, int) else await result
            thread.process.memory.write(header + LENGTH_AT, struct.pack("<I", length))
        except (LinuxError, Fault, Interrupted):
            if index:
                return index
            raise
        if clock() >= deadline:
            return index + 1
    return count
