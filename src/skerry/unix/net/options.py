"""Socket options: what getsockopt says and what setsockopt takes.

Most are numbers that are kept and mean nothing where no packet exists; the table says what they are at first. The rest is below.

Source: socket(7), ip(7), ipv6(7), tcp(7).
"""

from __future__ import annotations

import struct
from typing import Final

from skerry.abi import linux, sockets
from skerry.unix.errors import LinuxError
from skerry.unix.net.inet import InetSocket
from skerry.unix.net.interfaces import MTU, NAME_SIZE, find, interfaces
from skerry.unix.net.local import LocalSocket
from skerry.unix.net.optionrules import RULES, switch
from skerry.unix.net.socket import BUFFER, Socket
from skerry.unix.net.udp import UdpSocket

_SOL: Final = linux.SOL_SOCKET
_IP: Final = sockets.IPPROTO_IP
_IP6: Final = sockets.IPPROTO_IPV6
_TCP: Final = sockets.IPPROTO_TCP
_LITE: Final = sockets.IPPROTO_UDPLITE
_TIMES: Final = frozenset((sockets.SO_RCVTIMEO, sockets.SO_SNDTIMEO, sockets.SO_RCVTIMEO_NEW, sockets.SO_SNDTIMEO_NEW))
_SECOND: Final = 1_000_000_000
_SMALLEST: Final = {linux.SO_SNDBUF: 4608, linux.SO_RCVBUF: 2304}
_SWITCHES: Final = frozenset(
    (
        linux.SO_REUSEADDR,
        linux.SO_REUSEPORT,
        linux.SO_KEEPALIVE,
        linux.SO_BROADCAST,
        linux.SO_PASSCRED,
        sockets.SO_DEBUG,
        sockets.SO_DONTROUTE,
        sockets.SO_OOBINLINE,
        sockets.SO_NO_CHECK,
        sockets.SO_TIMESTAMP,
        sockets.SO_TIMESTAMPNS,
        sockets.SO_PASSSEC,
    )
)
_OF_DATAGRAMS: Final = {
    sockets.IP_ADD_MEMBERSHIP: linux.EPROTO,
    sockets.IP_DROP_MEMBERSHIP: linux.EPROTO,
    sockets.IP_MULTICAST_IF: linux.EINVAL,
    sockets.IP_MULTICAST_TTL: linux.EINVAL,
}
_OTHERS_ALONE: Final = {  # options that mean nothing to these families, and say so
    linux.SO_PASSCRED: (sockets.AF_INET, sockets.AF_INET6),
    sockets.SO_PASSSEC: (sockets.AF_INET, sockets.AF_INET6),
    linux.SO_REUSEPORT: (linux.AF_UNIX,),
}
_UNCONNECTED_SEGMENT: Final = 536  # TCP_MSS_DEFAULT
_CONGESTION: Final = b"cubic"
_INFO_SIZE: Final = 104  # bytes of struct tcp_info that are told

_INITIAL: Final = {  # (level, option): the value while nobody has set another
    **{(_SOL, option): 0 for option in _SWITCHES},
    (_SOL, sockets.SO_PRIORITY): 0,
    (_SOL, sockets.SO_MARK): 0,
    (_SOL, sockets.SO_RCVLOWAT): 1,
    (_SOL, sockets.SO_BUSY_POLL): 0,
    (_SOL, sockets.SO_MAX_PACING_RATE): -1,
    (_IP, sockets.IP_TOS): 0,
    (_IP, sockets.IP_TTL): 64,
    (_IP, sockets.IP_PKTINFO): 0,
    (_IP, sockets.IP_MTU_DISCOVER): 1,
    (_IP, sockets.IP_RECVERR): 0,
    (_IP, sockets.IP_RECVTTL): 0,
    (_IP, sockets.IP_RECVTOS): 0,
    (_IP, sockets.IP_FREEBIND): 0,
    (_IP, sockets.IP_MINTTL): 0,
    (_IP, sockets.IP_BIND_ADDRESS_NO_PORT): 0,
    (_IP, sockets.IP_MULTICAST_TTL): 1,
    (_IP, sockets.IP_MULTICAST_LOOP): 1,
    (_IP, sockets.IP_MULTICAST_ALL): 1,
    (_IP6, sockets.IPV6_V6ONLY): 0,
    (_IP6, sockets.IPV6_UNICAST_HOPS): 64,
    (_IP6, sockets.IPV6_MULTICAST_HOPS): 1,
    (_IP6, sockets.IPV6_MULTICAST_LOOP): 1,
    (_IP6, sockets.IPV6_MULTICAST_ALL): 1,
    (_IP6, sockets.IPV6_MTU_DISCOVER): 1,
    (_IP6, sockets.IPV6_RECVERR): 0,
    (_IP6, sockets.IPV6_RECVPKTINFO): 0,
    (_IP6, sockets.IPV6_RECVHOPLIMIT): 0,
    (_IP6, sockets.IPV6_RECVTCLASS): 0,
    (_IP6, sockets.IPV6_DONTFRAG): 0,
    (_IP6, sockets.IPV6_TCLASS): 0,
    (_LITE, sockets.UDPLITE_SEND_CSCOV): 0,
    (_LITE, sockets.UDPLITE_RECV_CSCOV): 0,
    (_TCP, sockets.TCP_NODELAY): 0,
    (_TCP, sockets.TCP_MAXSEG): MTU - 40 - 12,
    (_TCP, sockets.TCP_CORK): 0,
    (_TCP, sockets.TCP_KEEPIDLE): 7200,
    (_TCP, sockets.TCP_KEEPINTVL): 75,
    (_TCP, sockets.TCP_KEEPCNT): 9,
    (_TCP, sockets.TCP_SYNCNT): 6,
    (_TCP, sockets.TCP_LINGER2): 60,
    (_TCP, sockets.TCP_DEFER_ACCEPT): 0,
    (_TCP, sockets.TCP_WINDOW_CLAMP): 0,
    (_TCP, sockets.TCP_QUICKACK): 1,
    (_TCP, sockets.TCP_USER_TIMEOUT): 0,
    (_TCP, sockets.TCP_FASTOPEN): 0,
    (_TCP, sockets.TCP_NOTSENT_LOWAT): 0,
}


def _has_level(socket: Socket, level: int) -> bool:
    """Whether the options of ``level`` mean something to the socket."""
    if level == _SOL:
        return True
    if not isinstance(socket, InetSocket):
        return False
    return level == _IP or level == socket.protocol or (level == _IP6 and socket.family == sockets.AF_INET6)


def get(socket: Socket, level: int, option: int) -> bytes:
    """The value of an option, as getsockopt writes it. Raises EOPNOTSUPP (no such level), ENOPROTOOPT, ENOTCONN."""
    if not _has_level(socket, level):
        raise LinuxError(linux.EOPNOTSUPP if socket.family in (linux.AF_UNIX, sockets.AF_INET) else linux.ENOPROTOOPT)
    if level == _SOL:
        data = _get_general(socket, option)
        if data is not None:
            return data
    if level == _TCP and option == sockets.TCP_CONGESTION:
        return _CONGESTION.ljust(16, b"\0")
    if level == _TCP and option == sockets.TCP_INFO:
        state = sockets.TCP_LISTEN if socket.listening else sockets.TCP_ESTABLISHED if socket.connected else sockets.TCP_CLOSE
        return bytes((state,)).ljust(_INFO_SIZE, b"\0")
    if isinstance(socket, UdpSocket) and (data := socket.memberships.get(level, option)) is not None:
        return data
    if (level, option) in ((_IP, sockets.IP_MTU), (_IP6, sockets.IPV6_MTU)):
        if not isinstance(socket, InetSocket) or not socket.connected:
            raise LinuxError(linux.ENOTCONN)
        return struct.pack("<i", socket.mtu())
    if (level, option) == (_TCP, sockets.TCP_MAXSEG) and not socket.connected and not socket.options.get((level, option)):
        return struct.pack("<i", _UNCONNECTED_SEGMENT)
    initial = _INITIAL.get((level, option))
    if initial is None:
        raise LinuxError(linux.ENOPROTOOPT)
    return struct.pack("<i", socket.options.get((level, option), initial))


def _get_general(socket: Socket, option: int) -> bytes | None:
    """Options of level SOL_SOCKET that are no mere numbers."""
    numbers = {
        linux.SO_TYPE: socket.kind,
        linux.SO_DOMAIN: socket.family,
        linux.SO_PROTOCOL: socket.protocol,
        linux.SO_ACCEPTCONN: int(socket.listening),
        linux.SO_SNDBUF: socket.send_buffer,
        linux.SO_RCVBUF: socket.receive_buffer,
        sockets.SO_SNDLOWAT: 1,
        sockets.SO_INCOMING_CPU: -1,
    }
    if option in numbers:
        return struct.pack("<i", numbers[option])
    if option in _OTHERS_ALONE and socket.family in _OTHERS_ALONE[option]:
        raise LinuxError(linux.EOPNOTSUPP)
    if option == sockets.SO_COOKIE:
        return struct.pack("<Q", socket.inode.ino)
    if option == sockets.SO_PEERNAME:
        return socket.peer_address()
    if option == sockets.SO_BINDTODEVICE:
        return socket.interface + b"\0" if socket.interface else b""
    if option == sockets.SO_BINDTOIFINDEX:
        return struct.pack("<i", find(socket.system.network, socket.interface).number if socket.interface else 0)
    if option == linux.SO_ERROR:
        return struct.pack("<i", socket.take_error())
    if option == linux.SO_LINGER:
        return struct.pack("<ii", *socket.linger)
    if option in _TIMES:
        timeout = socket.receive_timeout if option in (sockets.SO_RCVTIMEO, sockets.SO_RCVTIMEO_NEW) else socket.send_timeout
        return struct.pack("<qq", timeout // _SECOND, timeout % _SECOND // 1000)
    if option == linux.SO_PEERCRED:
        return struct.pack("<iII", *(socket.peer_credentials if isinstance(socket, LocalSocket) else (0, 0xFFFFFFFF, 0xFFFFFFFF)))
    return None


def put(socket: Socket, level: int, option: int, data: bytes) -> None:
    """Set an option. Raises EOPNOTSUPP, ENOPROTOOPT, EINVAL (too short), EDOM (a time that is none), ENODEV (multicast), EPERM."""
    if not _has_level(socket, level):
        raise LinuxError(linux.EOPNOTSUPP if not isinstance(socket, InetSocket) else linux.ENOPROTOOPT)
    if level == _TCP and option == sockets.TCP_CONGESTION:
        if data.split(b"\0", 1)[0] not in (_CONGESTION, b"reno"):
            raise LinuxError(linux.ENOENT)
        return
    if isinstance(socket, UdpSocket) and socket.memberships.put(level, option, data):
        return
    if level == _IP and socket.kind == linux.SOCK_STREAM and option in _OF_DATAGRAMS:
        raise LinuxError(_OF_DATAGRAMS[option])
    if level == _SOL and option == sockets.SO_BINDTODEVICE:
        name = data[:NAME_SIZE].split(b"\0", 1)[0]
        socket.interface = find(socket.system.network, name).name if name else b""
        return
    if level == _IP and len(data) < 4 and (level, option) in _INITIAL:
        data = data[:1].ljust(4, b"\0")  # ip(7): a byte will do
    if len(data) < 4:
        raise LinuxError(linux.EINVAL)
    (value,) = struct.unpack_from("<i", data)
    if level == _SOL and _put_general(socket, option, value, data):
        return
    if (level, option) not in _INITIAL:
        raise LinuxError(linux.ENOPROTOOPT)
    if (level, option) == (_IP6, sockets.IPV6_V6ONLY) and isinstance(socket, InetSocket) and socket.local is not None:
        raise LinuxError(linux.EINVAL)
    rule = switch if level == _SOL and option in _SWITCHES else RULES.get((level, option))
    socket.options[level, option] = value if rule is None else rule(value)
    if isinstance(socket, InetSocket):
        socket.set_outside(level, option, socket.options[level, option])


def _put_general(socket: Socket, option: int, value: int, data: bytes) -> bool:
    """Set an option of level SOL_SOCKET that is no mere number; whether it is one."""
    if option in _OTHERS_ALONE and socket.family in _OTHERS_ALONE[option] and (value or option != linux.SO_REUSEPORT):
        raise LinuxError(linux.EOPNOTSUPP)
    if option == sockets.SO_BINDTOIFINDEX:
        found = [each for each in interfaces(socket.system.network) if each.number == value]
        if value and not found:
            raise LinuxError(linux.ENODEV)
        socket.interface = found[0].name if found else b""
        return True
    if option in (linux.SO_TYPE, linux.SO_PROTOCOL, linux.SO_DOMAIN, linux.SO_ERROR, linux.SO_ACCEPTCONN, linux.SO_PEERCRED):
        raise LinuxError(linux.ENOPROTOOPT)
    if option in _SMALLEST:
        size = max(_SMALLEST[option], 2 * min(value & 0xFFFFFFFF, BUFFER))
        if option == linux.SO_SNDBUF:
            socket.send_buffer = size
        else:
            socket.receive_buffer = size
        return True
    if option == linux.SO_LINGER:
        if len(data) < 8:
            raise LinuxError(linux.EINVAL)
        socket.linger = (int(bool(value)), struct.unpack_from("<i", data, 4)[0] if value else socket.linger[1])
        return True
    if option in _TIMES:
        if len(data) < 16:
            raise LinuxError(linux.EINVAL)
        seconds, microseconds = struct.unpack_from("<qq", data)
        if not 0 <= microseconds < 1_000_000:
            raise LinuxError(linux.EDOM)
        timeout = max(0, seconds * _SECOND + microseconds * 1000)
        if option in (sockets.SO_RCVTIMEO, sockets.SO_RCVTIMEO_NEW):
            socket.receive_timeout = timeout
        else:
            socket.send_timeout = timeout
        return True
    if option == linux.SO_PASSCRED:
        socket.passes_credentials = bool(value)
    return False
