"""The host's network as a device: TCP and UDP sockets of the host that never block.

Nothing else of the host's sockets can be reached through it: no local or abstract name, no netlink, no raw packet. Where a connection or a
datagram may go is decided here (:meth:`HostNetwork.reaches`), whatever the caller asks for. A host is 16 bytes, an IPv4 one mapped
(::ffff:a.b.c.d). Every call raises OSError with the host's errno; a call that would block returns None.

Source: socket(7), ip(7), tcp(7), udp(7).
"""

from __future__ import annotations

import errno
import fcntl
import ipaddress
import os
import select
import socket
import struct
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Final

from skerry.machine.hardware import HostEvent

if TYPE_CHECKING:
    from skerry.machine.hardware import Machine

Address = tuple[bytes, int]  # host and port
_MAPPED: Final = bytes(10) + b"\xff\xff"
_DOMAIN: Final = 53  # port of a name server
_BACKLOG: Final = 128
_SIOCATMARK: Final = 0x8905
_LONGEST: Final = 60_000  # ms that may be waited for
_KNOWN: Final = 4096  # of those who sent to a published port
_FORWARDED: Final = frozenset(  # options that mean something to the host's end of a connection, as level and number
    (
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
        (socket.SOL_SOCKET, socket.SO_BROADCAST),
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
        (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
        (socket.IPPROTO_IP, socket.IP_TOS),
        (socket.IPPROTO_IP, socket.IP_TTL),
        (socket.IPPROTO_IPV6, socket.IPV6_TCLASS),
        (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS),
    )
)
_ELSEWHERE: Final = (("198.51.100.1", socket.AF_INET), ("2001:db8::1", socket.AF_INET6))  # RFC 5737, RFC 3849: nobody has them


class Reach(Enum):
    """How far a program may get through the device."""

    NOTHING = "nothing"  # only what was published
    NETWORK = "network"  # everything but the host's loopback
    LOOPBACK = "loopback"  # that too


def pack_host(text: str) -> bytes:
    """The 16 bytes of an address in text. Raises ValueError."""
    host = ipaddress.ip_address(text.partition("%")[0])
    return _MAPPED + host.packed if host.version == 4 else host.packed


def _text(host: bytes) -> str:
    return str(ipaddress.IPv4Address(host[12:]) if host[:12] == _MAPPED else ipaddress.IPv6Address(host))


def _pack(name: tuple[str, int]) -> Address:
    return pack_host(name[0]), name[1]


def _make(host: bytes, kind: int) -> socket.socket:
    made = socket.socket(socket.AF_INET if host[:12] == _MAPPED else socket.AF_INET6, kind | socket.SOCK_NONBLOCK)
    if kind == socket.SOCK_STREAM:
        _set_up(made)
    return made


def _set_up(made: socket.socket) -> None:
    """What is sent goes at once, as the system inside has gathered it already; urgent bytes come in their place."""
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)


class HostNetwork:
    """The device. ``servers``: name servers of the host on its loopback, which may be asked wherever the network may be reached."""

    def __init__(self, machine: Machine, reach: Reach, servers: frozenset[bytes] = frozenset()) -> None:
        self._machine = machine
        self._reach = reach
        self._servers = servers

    def reaches(self, host: bytes, port: int) -> bool:
        """Whether something may be sent there."""
        if self._reach is Reach.NOTHING:
            return False
        address = ipaddress.ip_address(host[12:] if host[:12] == _MAPPED else host)
        if address.is_unspecified or address.is_multicast:
            return False
        if address.is_loopback:
            return self._reach is Reach.LOOPBACK or (port == _DOMAIN and host in self._servers)
        return True

    def addresses(self) -> list[bytes]:
        """The host's addresses that what is sent far away comes from: at most one of each family."""
        found = []
        for far, family in _ELSEWHERE:
            try:
                with socket.socket(family, socket.SOCK_DGRAM) as probe:
                    probe.connect((far, 9))  # of a datagram socket: nothing is sent
                    found.append(pack_host(probe.getsockname()[0]))
            except OSError:  # the host has no such route
                continue
        return found if self._reach is not Reach.NOTHING else []

    def connect(self, host: bytes, port: int) -> HostSocket:
        """Begin a TCP connection; the socket becomes writable when it is made, or has failed."""
        self._allow(host, port)
        made = HostSocket(self._machine, _make(host, socket.SOCK_STREAM))
        made._begin((host, port))
        return made

    def datagrams(self, host: bytes) -> HostDatagrams:
        """A UDP socket that can send to hosts of the same family as ``host``."""
        return HostDatagrams(self._machine, _make(host, socket.SOCK_DGRAM), self._allow)

    def listener(self, host: bytes, port: int) -> HostListener:
        """A TCP port of the host; it refuses connections until it is opened. EADDRINUSE, EADDRNOTAVAIL, EACCES."""
        if not port:  # one that the host chose is lost whenever the listener is shut: only one that was asked for is kept
            with _bound(_make(host, socket.SOCK_STREAM), host, 0) as chosen:
                port = chosen.getsockname()[1]
        made = _make(host, socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of an earlier run may still be in TIME_WAIT
        return HostListener(self._machine, _bound(made, host, port))

    def published_datagrams(self, host: bytes, port: int) -> HostDatagrams:
        """A UDP port of the host, which can answer whoever sent to it. EADDRINUSE, EADDRNOTAVAIL, EACCES."""
        return HostDatagrams(self._machine, _bound(_make(host, socket.SOCK_DGRAM), host, port), None)

    def _allow(self, host: bytes, port: int) -> None:
        if not self.reaches(host, port):
            raise OSError(errno.ENETUNREACH, "not to be reached")


def _bound(made: socket.socket, host: bytes, port: int) -> socket.socket:
    try:
        if made.family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind((_text(host), port))
    except OSError:
        made.close()
        raise
    return made


class _Watched:
    """A socket of the host, and one event for what its owner waits for."""

    def __init__(self, machine: Machine, made: socket.socket) -> None:
        self._machine = machine
        self._socket = made
        self._event = HostEvent(made.fileno(), self._happened)
        self._callback: Callable[[], None] | None = None

    def watch(self, readable: bool, writable: bool, callback: Callable[[], None]) -> None:
        """Call once when it becomes one of the two; this takes the place of an earlier call, and with neither, nothing is waited for.

        EBADF: it is closed, and its number may be another's.
        """
        if self._socket.fileno() < 0:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        if not readable and not writable:
            if self._callback is not None:
                self._machine.unwatch(self._event)
                self._callback = None
            return
        self._callback = callback
        self._machine.watch(self._event, readable, writable)

    def _happened(self) -> None:
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()

    def local(self) -> Address:
        """What it is bound to."""
        return _pack(self._socket.getsockname())

    def set_option(self, level: int, option: int, value: int) -> None:
        """Set an option, if it is one that means something out there."""
        if (level, option) in _FORWARDED:
            self._socket.setsockopt(level, option, value)

    def close(self) -> None:
        """The end."""
        if self._socket.fileno() >= 0:
            self.watch(False, False, _nothing)
            self._socket.close()


def _nothing() -> None:
    pass


class HostSocket(_Watched):
    """A TCP connection of the host."""

    def _begin(self, to: Address) -> None:
        """Connect; how it went is ``error`` when it becomes writable. Only the network does this, which knows where it may lead."""
        try:
            self._socket.connect((_text(to[0]), to[1]))
        except BlockingIOError:
            pass
        except OSError:
            self.close()
            raise

    def error(self) -> int:
        """The pending error, which is reported once; 0 for none."""
        return self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

    def peer(self) -> Address:
        """The other end."""
        return _pack(self._socket.getpeername())

    def send(self, data: bytes, urgent: bool) -> int | None:
        """How much was sent; ``urgent``: the last byte is (MSG_OOB)."""
        try:
            return self._socket.send(data, socket.MSG_OOB if urgent else 0)
        except BlockingIOError:
            return None

    def receive(self, count: int) -> bytes | None:
        """Bytes; b"" at the end."""
        try:
            return self._socket.recv(count)
        except BlockingIOError:
            return None

    def at_mark(self) -> bool:
        """Whether the next byte is urgent; ``receive`` stops before it."""
        return fcntl.ioctl(self._socket, _SIOCATMARK, bytes(4)) != bytes(4)

    def finish(self) -> None:
        """Nothing more will be sent."""
        self._socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Break the connection off."""
        if self._socket.fileno() >= 0:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def wait_writable(self, milliseconds: int) -> bool:
        """Wait until something can be sent; whether it can. Used when the system has ended."""
        poll = select.poll()
        poll.register(self._socket, select.POLLOUT)
        return bool(poll.poll(max(0, min(milliseconds, _LONGEST))))


class HostListener(_Watched):
    """A TCP port of the host. While it is not open, the host refuses connections, and yet nobody else gets the port."""

    def open(self) -> None:
        """Take connections. EADDRINUSE."""
        self._socket.listen(_BACKLOG)

    def shut(self) -> None:
        """Refuse them again; those that were not accepted are reset."""
        self._socket.shutdown(socket.SHUT_RD)

    def accept(self) -> HostSocket | None:
        """The next connection."""
        try:
            made, _ = self._socket.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return None
        made.setblocking(False)
        _set_up(made)
        return HostSocket(self._machine, made)


class HostDatagrams(_Watched):
    """A UDP socket of the host. ``allow`` refuses where it may not send; None: it sends to those that it has heard of."""

    def __init__(self, machine: Machine, made: socket.socket, allow: Callable[[bytes, int], None] | None) -> None:
        super().__init__(machine, made)
        self._allow = self._require_known if allow is None else allow
        self._known: dict[Address, None] | None = {} if allow is None else None  # the one that was heard longest ago first

    def connect(self, host: bytes, port: int) -> None:
        """Send there, and hear of nobody else."""
        self._allow(host, port)
        self._socket.connect((_text(host), port))

    def send(self, data: bytes, to: Address | None) -> int | None:
        """Send to ``to``, or to where it is connected. EMSGSIZE, ECONNREFUSED, ENETUNREACH."""
        try:
            if to is None:
                return self._socket.send(data)
            self._allow(*to)
            return self._socket.sendto(data, (_text(to[0]), to[1]))
        except BlockingIOError:
            return None

    def receive(self, count: int) -> tuple[bytes, bytes, int] | None:
        """A datagram, and the host and port that it came from. ECONNREFUSED."""
        try:
            data, name = self._socket.recvfrom(count)
        except BlockingIOError:
            return None
        sender = _pack(name[:2])
        if self._known is not None:
            self._known.pop(sender, None)
            self._known[sender] = None
            if len(self._known) > _KNOWN:
                del self._known[next(iter(self._known))]
        return (data, *sender)

    def _require_known(self, host: bytes, port: int) -> None:
        if self._known is None or (host, port) not in self._known:
            raise OSError(errno.ENETUNREACH, "nothing has come from there")
