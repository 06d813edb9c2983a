"""System calls that make, name, connect and end sockets.

Source: socket(2), bind(2), listen(2), accept(2), connect(2), getsockname(2), getpeername(2), getsockopt(2), shutdown(2).
"""

from __future__ import annotations

import struct
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final

from skerry.abi import linux, sockets
from skerry.abi.fault import Fault
from skerry.unix.arguments import c_int
from skerry.unix.errors import LinuxError
from skerry.unix.net import options
from skerry.unix.net.addresses import family_of, local_name
from skerry.unix.net.inet import InetSocket
from skerry.unix.net.local import LocalConnection, LocalDatagram, LocalSocket, credentials_of
from skerry.unix.net.netlink import NetlinkSocket
from skerry.unix.net.socket import Socket
from skerry.unix.net.tcp import TcpSocket
from skerry.unix.net.udp import UdpSocket
from skerry.unix.syscalls.paths import AT_FDCWD_WORD, existing, walk
from skerry.unix.vfs import require

if TYPE_CHECKING:
    from skerry.unix.inode import Inode
    from skerry.unix.process import Thread
    from skerry.unix.vfs import Name

Result = int | Coroutine[Any, Any, int]
ADDRESS_MAX: Final = 128  # sizeof(struct sockaddr_storage)
OPTION_MAX: Final = 4096
_FLAGS: Final = linux.SOCK_NONBLOCK | linux.SOCK_CLOEXEC
_INET: Final = (sockets.AF_INET, sockets.AF_INET6)


def socket_at(thread: Thread, fd: int) -> Socket:
    """The socket that a descriptor refers to. Raises EBADF, ENOTSOCK."""
    file = thread.process.files.usable(c_int(fd))
    if not isinstance(file, Socket):
        raise LinuxError(linux.ENOTSOCK)
    return file


def _split(kind: int) -> tuple[int, int]:
    """The type of a socket and the flags that came with it. Raises EINVAL."""
    flags = c_int(kind) & ~0xF
    if flags & ~_FLAGS:
        raise LinuxError(linux.EINVAL)
    return kind & 0xF, flags


def sys_socket(thread: Thread, family: int, kind: int, protocol: int) -> int:
    kind, flags = _split(kind)
    socket = _make(thread, c_int(family), kind, c_int(protocol), flags & linux.SOCK_NONBLOCK)
    return thread.process.files.install(socket, bool(flags & linux.SOCK_CLOEXEC))


def _make(thread: Thread, family: int, kind: int, protocol: int, flags: int) -> Socket:
    """Raises EAFNOSUPPORT, ESOCKTNOSUPPORT, EPROTONOSUPPORT, EPERM (raw sockets and packets), EACCES (ICMP)."""
    process = thread.process
    system = process.system
    if kind > 10:
        raise LinuxError(linux.EINVAL)
    if family == linux.AF_UNIX:
        if protocol not in (0, linux.AF_UNIX):
            raise LinuxError(linux.EPROTONOSUPPORT)
        if kind in (linux.SOCK_STREAM, linux.SOCK_SEQPACKET):
            return LocalConnection(system, process, kind, flags)
        if kind in (linux.SOCK_DGRAM, sockets.SOCK_RAW):
            return LocalDatagram(system, process, linux.SOCK_DGRAM, flags)
        raise LinuxError(linux.ESOCKTNOSUPPORT)
    if family in _INET:
        if kind == linux.SOCK_STREAM and protocol in (0, sockets.IPPROTO_TCP):
            return TcpSocket(system, process, flags, family)
        if kind == linux.SOCK_DGRAM and protocol in (0, sockets.IPPROTO_UDP):
            return UdpSocket(system, process, flags, family)
        if kind == linux.SOCK_DGRAM and protocol == sockets.IPPROTO_UDPLITE:
            return UdpSocket(system, process, flags, family, protocol)
        if kind == sockets.SOCK_PACKET:
            raise LinuxError(linux.EPERM)
        if kind == linux.SOCK_DGRAM and protocol == (sockets.IPPROTO_ICMP if family == sockets.AF_INET else sockets.IPPROTO_ICMPV6):
            raise LinuxError(linux.EACCES)
        if kind == sockets.SOCK_RAW:
            raise LinuxError(linux.EPERM if protocol else linux.EPROTONOSUPPORT)
        known = kind in (linux.SOCK_STREAM, linux.SOCK_DGRAM)
        raise LinuxError(linux.EPROTONOSUPPORT if known else linux.ESOCKTNOSUPPORT)
    if family == sockets.AF_NETLINK:
        if kind not in (sockets.SOCK_RAW, linux.SOCK_DGRAM):
            raise LinuxError(linux.ESOCKTNOSUPPORT)
        if protocol:
            raise LinuxError(linux.EPROTONOSUPPORT)
        return NetlinkSocket(system, process, kind, flags)
    raise LinuxError(linux.EPERM if family == sockets.AF_PACKET else linux.EAFNOSUPPORT)


def sys_socketpair(thread: Thread, family: int, kind: int, protocol: int, address: int) -> int:
    kind, flags = _split(kind)
    if family in _INET:
        raise LinuxError(linux.EOPNOTSUPP)
    process = thread.process
    one, two = (_make(thread, c_int(family), kind, c_int(protocol), flags & linux.SOCK_NONBLOCK) for _ in range(2))
    if not isinstance(one, LocalSocket) or not isinstance(two, LocalSocket):
        raise LinuxError(linux.EOPNOTSUPP)
    one.join(two)
    one.peer_credentials = two.peer_credentials = credentials_of(process)
    close_on_exec = bool(flags & linux.SOCK_CLOEXEC)
    files = process.files
    first = files.install(one, close_on_exec)
    second = -1
    try:
        second = files.install(two, close_on_exec)
        process.memory.write(address, struct.pack("<ii", first, second))
    except (LinuxError, Fault):
        files.close(first)
        if second >= 0:
            files.close(second)
        raise
    return 0


def read_address(thread: Thread, address: int, size: int) -> bytes:
    """A struct sockaddr. Raises EINVAL, Fault."""
    size = c_int(size)
    if not 0 <= size <= ADDRESS_MAX:
        raise LinuxError(linux.EINVAL)
    return thread.process.memory.read(address, size) if size else b""


def write_address(thread: Thread, data: bytes, address: int, size: int) -> None:
    """Write a struct sockaddr, cut to the size that stands at ``size``, and how long it is. Raises EINVAL, Fault."""
    memory = thread.process.memory
    (room,) = struct.unpack("<i", memory.read(size, 4))
    if room < 0:
        raise LinuxError(linux.EINVAL)
    if data[:room]:
        memory.write(address, data[:room])
    memory.write(size, struct.pack("<I", len(data)))


def sys_bind(thread: Thread, fd: int, address: int, size: int) -> int:
    socket = socket_at(thread, fd)
    data = read_address(thread, address, size)
    if isinstance(socket, LocalSocket):
        _bind_local(thread, socket, data)
    elif isinstance(socket, InetSocket):
        socket.bind(data, thread.process)
    elif isinstance(socket, NetlinkSocket):
        socket.bind(data)
    return 0


def _bind_local(thread: Thread, socket: LocalSocket, data: bytes) -> None:
    """Raises EINVAL, EADDRINUSE, and what making a file does."""
    if len(data) == 2 and family_of(data) == linux.AF_UNIX:
        if not socket.name:
            socket.bind_automatically()
        return
    name = local_name(data)
    place = walk(thread, AT_FDCWD_WORD, name, False) if name[0] else None
    if place is not None and place.inode is not None:
        raise LinuxError(linux.EADDRINUSE)
    if socket.name:
        raise LinuxError(linux.EINVAL)
    socket.bind(name, _make_name(thread, place) if place is not None else None)


def _make_name(thread: Thread, name: Name) -> Inode:
    """A socket in a file system. Raises EACCES, EROFS."""
    process = thread.process
    directory = name.directory
    who = process.credentials
    require(who, directory, linux.W_OK | linux.X_OK)
    if directory.fs.read_only:
        raise LinuxError(linux.EROFS)
    process.system.names.forget()
    mode = linux.S_IFSOCK | 0o777 & ~process.place.umask
    return directory.create(name.name, mode, who.fsuid, who.fsgid, process.system.platform.realtime())


def local_socket(thread: Thread, kind: int, data: bytes) -> LocalSocket:
    """Who has the name in a struct sockaddr_un. Raises EINVAL, ENOENT, EACCES, ECONNREFUSED."""
    name = local_name(data)
    if not name[0]:
        found = thread.process.system.network.local.get((kind, name))
    else:
        inode = existing(thread, AT_FDCWD_WORD, name)
        require(thread.process.credentials, inode, linux.W_OK)
        found = inode.socket
    if found is None:
        raise LinuxError(linux.ECONNREFUSED)
    return found


def sys_listen(thread: Thread, fd: int, backlog: int) -> int:
    socket_at(thread, fd).listen(c_int(backlog), thread.process)
    return 0


def sys_accept(thread: Thread, fd: int, address: int, size: int) -> Result:
    return sys_accept4(thread, fd, address, size, 0)


def sys_accept4(thread: Thread, fd: int, address: int, size: int, flags: int) -> Result:
    if flags & ~_FLAGS:
        raise LinuxError(linux.EINVAL)
    socket = socket_at(thread, fd)
    connection = socket.accept()
    if connection is not None:
        return _accepted(thread, connection, address, size, flags)
    if socket.nonblocking:
        raise LinuxError(linux.EAGAIN)
    return _accept_later(thread, socket, address, size, flags)


async def _accept_later(thread: Thread, socket: Socket, address: int, size: int, flags: int) -> int:
    deadline = socket.deadline(False)
    socket.hold()
    try:
        while (connection := socket.accept()) is None:
            if not await socket.changed.wait(deadline):
                raise LinuxError(linux.EAGAIN)
    finally:
        socket.release()
    return _accepted(thread, connection, address, size, flags)


def _accepted(thread: Thread, connection: Socket, address: int, size: int, flags: int) -> int:
    """A descriptor of the connection; where that cannot be given, the connection is lost."""
    connection.flags |= flags & linux.SOCK_NONBLOCK
    connection.hold()
    try:
        if address:
            write_address(thread, connection.peer_address() if connection.connected else b"", address, size)
        return thread.process.files.install(connection, bool(flags & linux.SOCK_CLOEXEC))
    finally:
        connection.release()


def sys_connect(thread: Thread, fd: int, address: int, size: int) -> Result:
    socket = socket_at(thread, fd)
    data = read_address(thread, address, size)
    if family_of(data) == sockets.AF_UNSPEC and not isinstance(socket, LocalConnection):
        socket.disconnect()
        return 0
    if _connect(thread, socket, data):
        return 0
    if socket.nonblocking:
        raise LinuxError(linux.EAGAIN)
    return _connect_later(thread, socket, data)


def _connect(thread: Thread, socket: Socket, data: bytes) -> bool:
    """Whether it is done; if not, ``socket.changed`` is woken when it may be."""
    if isinstance(socket, LocalConnection | LocalDatagram):
        return socket.connect(local_socket(thread, socket.kind, data), thread.process)
    if isinstance(socket, TcpSocket | UdpSocket):
        return socket.connect(socket.where(data), not socket.nonblocking)
    return True


async def _connect_later(thread: Thread, socket: Socket, data: bytes) -> int:
    deadline = socket.deadline(True)
    socket.hold()
    try:
        while True:
            if not await socket.changed.wait(deadline):
                raise LinuxError(linux.EINPROGRESS if isinstance(socket, InetSocket) else linux.EAGAIN)
            if _connect(thread, socket, data):
                return 0
    finally:
        socket.release()


def sys_shutdown(thread: Thread, fd: int, how: int) -> int:
    socket = socket_at(thread, fd)
    how = c_int(how)
    if how not in (sockets.SHUT_RD, sockets.SHUT_WR, sockets.SHUT_RDWR):
        raise LinuxError(linux.EINVAL)
    socket.shut_down(how + 1)
    return 0


def sys_getsockname(thread: Thread, fd: int, address: int, size: int) -> int:
    write_address(thread, socket_at(thread, fd).local_address(), address, size)
    return 0


def sys_getpeername(thread: Thread, fd: int, address: int, size: int) -> int:
    write_address(thread, socket_at(thread, fd).peer_address(), address, size)
    return 0


def sys_getsockopt(thread: Thread, fd: int, level: int, option: int, address: int, size: int) -> int:
    socket = socket_at(thread, fd)
    memory = thread.process.memory
    (room,) = struct.unpack("<i", memory.read(size, 4))
    if room < 0:
        raise LinuxError(linux.EINVAL)
    data = options.get(socket, c_int(level), c_int(option))[:room]
    if data:
        memory.write(address, data)
    memory.write(size, struct.pack("<i", len(data)))
    return 0


def sys_setsockopt(thread: Thread, fd: int, level: int, option: int, address: int, size: int) -> int:
    socket = socket_at(thread, fd)
    if c_int(size) < 0:
        raise LinuxError(linux.EINVAL)
    options.put(socket, c_int(level), c_int(option), thread.process.memory.read(address, min(size & 0xFFFFFFFF, OPTION_MAX)))
    return 0
