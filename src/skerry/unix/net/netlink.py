"""Route netlink: lists of the interfaces, addresses and routes, which getifaddrs and getaddrinfo ask for. Nothing can be changed.

Source: netlink(7), rtnetlink(7).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from skerry.abi import linux, sockets
from skerry.unix.errors import LinuxError
from skerry.unix.net.addresses import is_mapped
from skerry.unix.net.interfaces import LOOPBACK, Interface, interfaces
from skerry.unix.net.queue import OVERHEAD, PeerCredentials, Received, Segment
from skerry.unix.net.socket import READABLE, WRITABLE, Destination, Socket

if TYPE_CHECKING:
    from skerry.unix.files import OpenFile
    from skerry.unix.process import Process, System

_HEADER: Final = struct.Struct("<IHHII")  # struct nlmsghdr: length, type, flags, sequence number, port
NLMSG_ERROR: Final = 2
NLMSG_DONE: Final = 3
NLM_F_REQUEST: Final = 1
NLM_F_MULTI: Final = 2
NLM_F_ACK: Final = 4
NLM_F_DUMP: Final = 0x300
RTM_NEWLINK: Final = 16
RTM_GETLINK: Final = 18
RTM_NEWADDR: Final = 20
RTM_GETADDR: Final = 22
RTM_NEWROUTE: Final = 24
RTM_GETROUTE: Final = 26
_PERMANENT: Final = 0x80  # IFA_F_PERMANENT
_SCOPE_UNIVERSE: Final = 0  # RT_SCOPE_*
_SCOPE_LINK: Final = 253
_SCOPE_HOST: Final = 254
_TABLE_MAIN: Final = 254
_PROTOCOL_KERNEL: Final = 2
_UNICAST: Final = 1
_SIZE: Final = 12  # of a struct sockaddr_nl


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("<HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def _link(interface: Interface) -> bytes:
    """struct ifinfomsg and attributes (IFLA_*)."""
    body = struct.pack("<BxHiII", sockets.AF_UNSPEC, interface.hardware, interface.number, interface.flags | 0x10000, 0)
    body += _attribute(3, interface.name + b"\0") + _attribute(13, struct.pack("<I", interface.queue))
    body += _attribute(4, struct.pack("<I", interface.mtu))
    if interface is LOOPBACK:
        body += _attribute(1, bytes(6)) + _attribute(2, bytes(6))
    return body


def _asked(request: bytes, found: list[Interface]) -> list[Interface]:
    """The interface that a request names by its number, or by its name."""
    if len(request) < _HEADER.size + 16:
        return []
    index, at = struct.unpack_from("<i", request, _HEADER.size + 4)[0], _HEADER.size + 16
    name = b""
    while len(request) - at >= 4:
        length, kind = struct.unpack_from("<HH", request, at)
        if kind == 3 and length > 4:  # IFLA_IFNAME
            name = request[at + 4 : at + length].split(b"\0", 1)[0]
        at += max(4, (length + 3) & ~3)
    return [each for each in found if (each.number == index if index > 0 else each.name == name)]


def _addresses(family: int, found: list[Interface]) -> list[bytes]:
    """struct ifaddrmsg and attributes (IFA_*) of the addresses of a family, AF_UNSPEC meaning both, those of IPv4 first."""
    bodies: list[bytes] = []
    for of in (sockets.AF_INET, sockets.AF_INET6):
        if family not in (sockets.AF_UNSPEC, of):
            continue
        for interface in found:
            scope = _SCOPE_HOST if interface is LOOPBACK else _SCOPE_UNIVERSE
            for host, prefix in interface.addresses:
                if is_mapped(host) != (of == sockets.AF_INET):
                    continue
                body = struct.pack("<BBBBI", of, prefix, _PERMANENT, scope, interface.number)
                if of == sockets.AF_INET:
                    body += _attribute(1, host[12:]) + _attribute(2, host[12:]) + _attribute(3, interface.name + b"\0")
                else:
                    body += _attribute(1, host)
                bodies.append(body)
    return bodies


def _routes(family: int, found: list[Interface]) -> list[bytes]:
    """struct rtmsg and attributes (RTA_*): what leads to everything, if something does."""
    bodies: list[bytes] = []
    for interface in found:
        for host, _ in interface.addresses if interface is not LOOPBACK else ():
            of = sockets.AF_INET if is_mapped(host) else sockets.AF_INET6
            if family in (sockets.AF_UNSPEC, of):
                head = struct.pack("<BBBBBBBBI", of, 0, 0, 0, _TABLE_MAIN, _PROTOCOL_KERNEL, _SCOPE_LINK, _UNICAST, 0)
                source = host[12:] if of == sockets.AF_INET else host
                bodies.append(
                    head
                    + _attribute(15, _TABLE_MAIN.to_bytes(4, "little"))
                    + _attribute(4, struct.pack("<i", interface.number))
                    + _attribute(7, source)
                )
    return bodies


class NetlinkSocket(Socket):
    """A socket to the kernel's tables; every answer is in its queue when the request was sent."""

    family = sockets.AF_NETLINK

    def __init__(self, system: System, creator: Process, kind: int, flags: int) -> None:
        super().__init__(system, creator, kind, 0, flags)
        self._port = 0

    def bind(self, data: bytes) -> None:
        """Take a port, 0 for one of the kernel's choice. Raises EINVAL."""
        if len(data) < _SIZE or struct.unpack_from("<H", data)[0] != sockets.AF_NETLINK:
            raise LinuxError(linux.EINVAL)
        self._port = struct.unpack_from("<I", data, 4)[0] or self.creator.pid

    def local_address(self) -> bytes:
        return struct.pack("<HxxII", sockets.AF_NETLINK, self._port, 0)

    def peer_address(self) -> bytes:
        return struct.pack("<HxxII", sockets.AF_NETLINK, 0, 0)

    def disconnect(self) -> None:
        """It has no peer but the kernel."""

    def send(
        self, data: bytes, to: Destination | None, rights: tuple[OpenFile, ...] = (), credentials: PeerCredentials | None = None
    ) -> int | None:
        self._port = self._port or self.creator.pid
        at = 0
        while len(data) - at >= _HEADER.size:
            length, kind, flags, sequence, _ = _HEADER.unpack_from(data, at)
            if not _HEADER.size <= length <= len(data) - at:
                break
            if flags & NLM_F_REQUEST:
                self._answer(kind, flags, sequence, data[at : at + length])
            at += (length + 3) & ~3
        return len(data)

    def _answer(self, kind: int, flags: int, sequence: int, request: bytes) -> None:
        family = request[_HEADER.size] if len(request) > _HEADER.size else sockets.AF_UNSPEC
        known = interfaces(self.system.network)
        dump = flags & NLM_F_DUMP == NLM_F_DUMP
        found: list[tuple[int, bytes]] = []
        number = 0
        if kind == RTM_GETLINK:
            found = [(RTM_NEWLINK, _link(each)) for each in (known if dump else _asked(request, known))]
            number = 0 if found else -linux.ENODEV
        elif kind == RTM_GETADDR and dump:
            found = [(RTM_NEWADDR, body) for body in _addresses(family, known)]
        elif kind == RTM_GETROUTE and dump:
            found = [(RTM_NEWROUTE, body) for body in _routes(family, known)]
        else:
            number = -linux.EPERM if kind & 3 != 2 else -linux.EOPNOTSUPP
        if number:
            self._queue(self._message(NLMSG_ERROR, 0, sequence, struct.pack("<i", number) + request[: _HEADER.size]))
            return
        multiple = NLM_F_MULTI if dump else 0
        self._queue(b"".join(self._message(answer, multiple, sequence, body) for answer, body in found))
        if multiple:
            self._queue(self._message(NLMSG_DONE, NLM_F_MULTI, sequence, bytes(4)))

    def _message(self, kind: int, flags: int, sequence: int, body: bytes) -> bytes:
        return _HEADER.pack(_HEADER.size + len(body), kind, flags, sequence, self._port) + body + bytes(-len(body) % 4)

    def deliver(self, data: bytes) -> None:
        """A message of the kernel's own accord, if there is room for it."""
        self._queue(data)

    def _queue(self, data: bytes) -> None:
        if data and self.incoming.size + len(data) + OVERHEAD <= self.receive_buffer:
            self.incoming.append(Segment(data, self.peer_address(), (), (0, 0, 0)))
            self.changed.wake()

    def receive(self, count: int, peek: bool, waits: bool = True) -> Received | None:
        return self.incoming.record(count, peek) if self.incoming else None

    def poll(self) -> int:
        return WRITABLE | (READABLE if self.incoming else 0)

    def shut_down(self, bits: int) -> None:
        raise LinuxError(linux.EOPNOTSUPP)

    def close(self) -> None:
        self.incoming.clear()
