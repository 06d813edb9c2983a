"""UDP between sockets of this system: a datagram is in the receiver's queue at once, or lost where that is full.

Source: udp(7), RFC 768.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from skerry.abi import linux, sockets
from skerry.unix.errors import LinuxError
from skerry.unix.net.addresses import Endpoint, is_any, pack_endpoint, route
from skerry.unix.net.inet import InetSocket
from skerry.unix.net.queue import END, OVERHEAD, PeerCredentials, Received, Segment
from skerry.unix.net.socket import READABLE, SHUT_BOTH, SHUT_READ, SHUT_WRITE, WRITABLE, Destination

if TYPE_CHECKING:
    from skerry.unix.files import OpenFile
    from skerry.unix.net.ports import Ports
    from skerry.unix.process import Process, System

MAX_DATAGRAM: Final = 65507  # bytes: what an IPv4 packet holds beside its headers


class UdpSocket(InetSocket):
    """A socket for datagrams; ``remote`` is the one that it is connected to."""

    def __init__(self, system: System, creator: Process, flags: int, family: int) -> None:
        super().__init__(system, creator, linux.SOCK_DGRAM, sockets.IPPROTO_UDP, flags, family)
        self._bound_host: bytes | None = None  # what it was bound to before it was connected

    @property
    def ports(self) -> Ports:
        return self.system.network.udp

    @property
    def connected(self) -> bool:
        return self.remote is not None

    def connect(self, to: Endpoint, waits: bool) -> bool:
        """Send to ``to`` from now on, and take from nobody else. Raises ENETUNREACH, EAGAIN."""
        host = route(to.host)
        self.bind_automatically()
        assert self.local is not None
        if is_any(self.local.host):
            self._bound_host = self.local.host
            self.local = self.come_from(host)
        self.remote = Endpoint(host, to.port)
        return True

    def disconnect(self) -> None:
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
        host = route(where.host)
        self.bind_automatically()
        source = self.come_from(host)

        def accepts(user: InetSocket) -> int:
            return 1 if user.remote is None else 2 if user.remote == source else 0

        receiver = self.ports.find(Endpoint(host, where.port), accepts)
        if receiver is None:
            if self.remote is not None:
                self.fail(linux.ECONNREFUSED)
        elif receiver.incoming.size + len(data) + OVERHEAD <= receiver.receive_buffer:
            receiver.incoming.append(Segment(data, pack_endpoint(receiver.family, source), (), None))
            receiver.changed.wake()
        return len(data)

    def receive(self, count: int, peek: bool, waits: bool = True) -> Received | None:
        self.raise_error()
        if self.incoming:
            return self.incoming.record(count, peek)
        return END if waits and self.shut & SHUT_READ else None

    def poll(self) -> int:
        bits = WRITABLE | (linux.POLLERR if self.error else 0)
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
        self.ports.remove(self)
        self.incoming.clear()
