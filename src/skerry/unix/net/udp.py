"""UDP, and UDP-Lite, between sockets of this system: a datagram is in the receiver's queue at once, or lost where that is full.

Source: udp(7), udplite(7), RFC 768, RFC 3542.
"""

from __future__ import annotations

import struct
from collections import deque
from typing import TYPE_CHECKING, Final

from skerry.abi import linux, sockets
from skerry.unix.errors import LinuxError
from skerry.unix.net.addresses import LOOPBACK_4, Endpoint, is_any, is_mapped, is_multicast, pack_endpoint
from skerry.unix.net.inet import InetSocket
from skerry.unix.net.interfaces import LOOPBACK, index_of
from skerry.unix.net.multicast import Memberships
from skerry.unix.net.queue import END, OVERHEAD, Packet, PeerCredentials, Received, Segment
from skerry.unix.net.socket import BAND_WRITABLE, READABLE, SHUT_BOTH, SHUT_READ, SHUT_WRITE, Destination

if TYPE_CHECKING:
    from skerry.unix.files import OpenFile
    from skerry.unix.net.outside import OutsideDatagrams
    from skerry.unix.net.ports import Ports
    from skerry.unix.process import Process, System

HOPS: Final = 64  # net.ipv4.ip_default_ttl
_IP: Final = sockets.IPPROTO_IP
_IP6: Final = sockets.IPPROTO_IPV6
_OVERRIDES: Final = {
    (_IP, sockets.IP_TTL): (_IP, sockets.IP_TTL),
    (_IP, sockets.IP_TOS): (_IP, sockets.IP_TOS),
    (_IP6, sockets.IPV6_HOPLIMIT): (_IP6, sockets.IPV6_UNICAST_HOPS),
    (_IP6, sockets.IPV6_TCLASS): (_IP6, sockets.IPV6_TCLASS),
}
_EXTENDED_ERROR: Final = struct.Struct("<IBBBxxxxxxxxx")  # struct sock_extended_err: errno, origin, type, code
MOST_ERRORS: Final = 64
SECOND: Final = 1_000_000_000  # ns
MAX_DATAGRAM: Final = 65507  # bytes: what an IPv4 packet holds beside its headers


class UdpSocket(InetSocket):
    """A socket for datagrams; ``remote`` is the one that it is connected to."""

    def __init__(self, system: System, creator: Process, flags: int, family: int, protocol: int = sockets.IPPROTO_UDP) -> None:
        super().__init__(system, creator, linux.SOCK_DGRAM, protocol, flags, family)
        self.overrides: dict[tuple[int, int], int] = {}  # (level, option): what control messages say of the datagram that is sent
        self._bound_host: bytes | None = None  # what it was bound to before it was connected
        self._errors: deque[tuple[bytes, Endpoint]] = deque()  # IP_RECVERR: what was refused, and where
        self.memberships = Memberships(system.network)
        self._outside: dict[bool, OutsideDatagrams] = {}  # its ports outside, by whether they are of IPv4

    @property
    def ports(self) -> Ports:
        network = self.system.network
        return network.udp if self.protocol == sockets.IPPROTO_UDP else network.udplite

    @property
    def connected(self) -> bool:
        return self.remote is not None

    def connect(self, to: Endpoint, waits: bool) -> bool:
        """Send to ``to`` from now on, and take from nobody else. Raises ENETUNREACH, EAGAIN."""
        group = self._is_group(to.host)
        where = to if group else self.route(to)
        self.bind_automatically()
        self._leave()
        out = self._way_out(where) if not group else None
        source = out.connect(where) if out is not None else None
        assert self.local is not None
        if is_any(self.local.host):
            self._bound_host = self.local.host
            self.local = Endpoint(source, self.local.port) if source is not None else self.come_from(LOOPBACK_4 if group else where.host)
        self.remote = where
        return True

    def _way_out(self, where: Endpoint) -> OutsideDatagrams | None:
        """Through the host's network, if it leads there and nobody inside is meant."""
        network = self.system.network
        out = network.out(where)
        if out is None or (network.is_own(where.host) and self.ports.find(where, lambda user: 1) is not None):
            return None
        if self.protocol != sockets.IPPROTO_UDP:
            raise LinuxError(linux.ENETUNREACH)
        way = self._outside.get(is_mapped(where.host))
        if way is None:
            way = self._outside[is_mapped(where.host)] = out.datagrams(self, where.host)
        return way

    def _leave(self) -> None:
        """Give up what it has outside."""
        for way in self._outside.values():
            way.close()
        self._outside.clear()

    def set_outside(self, level: int, option: int, value: int) -> None:
        for way in self._outside.values():
            way.set_option(level, option, value)

    def disconnect(self) -> None:
        if self.remote is not None:
            self._leave()
        self.remote = None
        self.unbind()
        if self._bound_host is not None and self.local is not None:
            self.local = Endpoint(self._bound_host, self.local.port)

    def send(
        self, data: bytes, to: Destination | None, rights: tuple[OpenFile, ...] = (), credentials: PeerCredentials | None = None
    ) -> int | None:
        where = self.remote if to is None else to
        if where is None:
            raise LinuxError(linux.EDESTADDRREQ)
        assert isinstance(where, Endpoint)
        if len(data) > MAX_DATAGRAM:
            raise LinuxError(linux.EMSGSIZE)
        if self.shut & SHUT_WRITE:
            raise LinuxError(linux.EPIPE)
        if not where.port:
            raise LinuxError(linux.EINVAL)
        self.raise_error()
        if self._is_group(where.host):
            self.bind_automatically()
            self._send_to_group(data, where)
            return len(data)
        where = self.route(where)
        self.bind_automatically()
        out = self._way_out(where)
        if out is not None:
            return out.send(data, None if where == self.remote else where)
        host = where.host
        source = self.come_from(host)

        def accepts(user: InetSocket) -> int:
            return 1 if user.remote is None else 2 if user.remote == source else 0

        receiver = self.ports.find(Endpoint(host, where.port), accepts)
        if receiver is None:
            told = self.options.get((_IP, sockets.IP_RECVERR) if is_mapped(host) else (_IP6, sockets.IPV6_RECVERR))
            if told and len(self._errors) < MOST_ERRORS:
                self._errors.append((data, where))
            if told or self.remote is not None:
                self.fail(linux.ECONNREFUSED)
        else:
            self._deliver(receiver, data, source, host)
        return len(data)

    def _deliver(self, receiver: InetSocket, data: bytes, source: Endpoint, host: bytes) -> None:
        """Put a datagram that was sent to ``host`` into the receiver's queue, if it has room."""
        if receiver.incoming.size + len(data) + OVERHEAD <= receiver.receive_buffer:
            segment = Segment(data, pack_endpoint(receiver.family, source), (), None)
            packet = self._packet(host)
            if receiver.is_set(sockets.SO_TIMESTAMP) or receiver.is_set(sockets.SO_TIMESTAMPNS):
                packet = packet._replace(time=self.system.platform.realtime())
            segment.packet = packet
            receiver.incoming.append(segment)
            receiver.changed.wake()

    def _is_group(self, host: bytes) -> bool:
        """Whether it is a group that is reached through lo. Raises ENETUNREACH (another group)."""
        if not is_multicast(host):
            return False
        if is_mapped(host) and self.memberships.sends_to_loopback(self.local.host if self.local is not None else None):
            return True
        raise LinuxError(linux.ENETUNREACH)

    def _send_to_group(self, data: bytes, where: Endpoint) -> None:
        group = (where.host, LOOPBACK.number)
        if group not in self.system.network.groups:
            return
        source = self.come_from(LOOPBACK_4)
        for user in self.ports.group(where):
            everything = user.options.get((_IP, sockets.IP_MULTICAST_ALL), 1)
            joined = isinstance(user, UdpSocket) and group in user.memberships.groups
            if (joined or everything) and user.remote in (None, source):
                self._deliver(user, data, source, where.host)

    def override(self, level: int, kind: int, contents: bytes) -> None:
        """A control message about the datagram that is sent next. Raises EINVAL."""
        option = _OVERRIDES.get((level, kind))
        if option is None:
            return
        if len(contents) != 4:
            raise LinuxError(linux.EINVAL)
        (value,) = struct.unpack("<i", contents)
        if not -1 <= value <= 0xFF:
            raise LinuxError(linux.EINVAL)
        if value >= 0:
            self.overrides[option] = value

    def _packet(self, host: bytes) -> Packet:
        option = {**self.options, **self.overrides}.get
        if is_mapped(host):
            return Packet(host, option((_IP, sockets.IP_TTL), HOPS), option((_IP, sockets.IP_TOS), 0))
        return Packet(host, option((_IP6, sockets.IPV6_UNICAST_HOPS), HOPS), option((_IP6, sockets.IPV6_TCLASS), 0))

    def control(self, packet: Packet) -> list[tuple[int, int, bytes]]:
        """Level, type and contents of the control messages that options of this socket ask for."""
        found: list[tuple[int, int, bytes]] = []
        option = self.options.get
        host, hops, traffic_class, time = packet
        if self.is_set(sockets.SO_TIMESTAMPNS):
            found.append((linux.SOL_SOCKET, sockets.SO_TIMESTAMPNS, struct.pack("<qq", *divmod(time or self._now(), SECOND))))
        elif self.is_set(sockets.SO_TIMESTAMP):
            seconds, rest = divmod(time or self._now(), SECOND)
            found.append((linux.SOL_SOCKET, sockets.SO_TIMESTAMP, struct.pack("<qq", seconds, rest // 1000)))
        index = index_of(self.system.network, host)
        if self.family == sockets.AF_INET6:
            if option((_IP6, sockets.IPV6_RECVPKTINFO)):
                found.append((_IP6, sockets.IPV6_PKTINFO, host + struct.pack("<i", index)))
            if option((_IP6, sockets.IPV6_RECVHOPLIMIT)):
                found.append((_IP6, sockets.IPV6_HOPLIMIT, struct.pack("<i", hops)))
            if option((_IP6, sockets.IPV6_RECVTCLASS)):
                found.append((_IP6, sockets.IPV6_TCLASS, struct.pack("<i", traffic_class)))
            return found
        if option((_IP, sockets.IP_PKTINFO)):
            found.append((_IP, sockets.IP_PKTINFO, struct.pack("<i", index) + host[12:] * 2))
        if option((_IP, sockets.IP_RECVTTL)):
            found.append((_IP, sockets.IP_TTL, struct.pack("<i", hops)))
        if option((_IP, sockets.IP_RECVTOS)):
            found.append((_IP, sockets.IP_TOS, struct.pack("<B", traffic_class & 0xFF)))
        return found

    def _now(self) -> int:
        return self.system.platform.realtime()

    def receive_error(self, count: int) -> Received | None:
        """MSG_ERRQUEUE: what could not be sent, where it was to go, and why (struct sock_extended_err); None if all could."""
        if not self._errors:
            return None
        data, where = self._errors.popleft()
        self.error = linux.ECONNREFUSED if self._errors else 0
        if is_mapped(where.host):
            what = _EXTENDED_ERROR.pack(linux.ECONNREFUSED, 2, 3, 3)  # SO_EE_ORIGIN_ICMP: destination and port unreachable
            level, kind, family = _IP, sockets.IP_RECVERR, sockets.AF_INET
        else:
            what = _EXTENDED_ERROR.pack(linux.ECONNREFUSED, 3, 1, 4)  # SO_EE_ORIGIN_ICMP6
            level, kind, family = _IP6, sockets.IPV6_RECVERR, sockets.AF_INET6
        contents = what + pack_endpoint(family, Endpoint(where.host, 0))
        return Received(data[:count], len(data), pack_endpoint(self.family, where), messages=((level, kind, contents),))

    def receive(self, count: int, peek: bool, waits: bool = True) -> Received | None:
        self.raise_error()
        if self.incoming:
            return self.incoming.record(count, peek)
        return END if waits and self.shut & SHUT_READ else None

    def poll(self) -> int:
        bits = BAND_WRITABLE | (linux.POLLERR if self.error or self._errors else 0)
        if self.shut == SHUT_BOTH:
            bits |= linux.POLLHUP
        if self.shut & SHUT_READ:
            bits |= READABLE | linux.POLLRDHUP
        if self.incoming:
            bits |= READABLE
        return bits

    def shut_down(self, bits: int) -> None:
        self.shut |= bits
        self.changed.wake()
        if self.remote is None:
            raise LinuxError(linux.ENOTCONN)  # and yet it is done, as in Linux

    def close(self) -> None:
        self._leave()
        self.memberships.clear()
        self.ports.remove(self)
        self.incoming.clear()
