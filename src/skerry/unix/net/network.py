"""What the sockets of one system share: the abstract names, the ports of each protocol, and the ways out and in, if there are any."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING
from weakref import WeakSet

from skerry.abi import linux
from skerry.unix.errors import LinuxError
from skerry.unix.net.addresses import Endpoint, inside, is_loopback
from skerry.unix.net.flight import Flight
from skerry.unix.net.ports import Ports

if TYPE_CHECKING:
    from skerry.unix.net.inet import InetSocket
    from skerry.unix.net.local import LocalSocket
    from skerry.unix.net.outside import Outside
    from skerry.unix.net.publish import PublishedDatagrams, PublishedPort
    from skerry.unix.net.relay import OutsideEnd


class Network:
    """The network inside a system. Nothing leads out of it but ``outside``, and nothing into it but ``published``."""

    def __init__(self) -> None:
        self.local: dict[tuple[int, bytes], LocalSocket] = {}  # by kind and abstract name
        self.local_sockets: WeakSet[LocalSocket] = WeakSet()
        self.flight = Flight()
        self.tcp = Ports()
        self.udp = Ports()
        self.udplite = Ports()
        self.groups: Counter[tuple[bytes, int]] = Counter()  # joined on an interface: how many sockets did so
        self.outside: Outside | None = None
        self.published: list[PublishedPort] = []  # of TCP
        self.published_datagrams: list[PublishedDatagrams] = []
        self.ends: set[OutsideEnd] = set()  # of connections with the outside

    def is_own(self, host: bytes) -> bool:
        """Whether it is an address of this system: what is sent there is for a socket inside, if there is one."""
        return is_loopback(host) or (self.outside is not None and host in self.outside.addresses)

    def route(self, to: Endpoint) -> Endpoint:
        """Where what is sent to ``to`` arrives. Raises ENETUNREACH."""
        where = Endpoint(inside(to.host), to.port)
        if not self.is_own(where.host) and self.out(where) is None:
            raise LinuxError(linux.ENETUNREACH)
        return where

    def out(self, where: Endpoint) -> Outside | None:
        """The way out, if it leads there."""
        return self.outside if self.outside is not None and self.outside.reaches(where) else None

    def listeners_changed(self, socket: InetSocket) -> None:
        """A socket listens, or does no longer."""
        for port in self.published:
            port.look(socket)

    def close(self, deadline: int) -> None:
        """The system has ended: have sent what was written, until ``deadline`` (ns, monotonic)."""
        for port in self.published:
            port.close()
        for datagrams in self.published_datagrams:
            datagrams.close()
        self.published.clear()
        self.published_datagrams.clear()
        for end in list(self.ends):
            end.flush(deadline)
