"""What TCP and UDP sockets share: being bound to an address of the system, and a port.

The system has the loopback's addresses, and where it may reach the host's network, the address that this gives it.

Source: ip(7), ipv6(7).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from skerry.abi import linux, sockets
from skerry.unix.errors import LinuxError
from skerry.unix.net.addresses import (
    ANY_4,
    ANY_6,
    LOOPBACK_4,
    LOOPBACK_6,
    Endpoint,
    family_of,
    is_any,
    is_loopback,
    is_mapped,
    is_multicast,
    pack_endpoint,
)
from skerry.unix.net.addresses import endpoint as parse
from skerry.unix.net.interfaces import LOOPBACK, interfaces
from skerry.unix.net.ports import PRIVILEGED, Ports
from skerry.unix.net.socket import Socket

if TYPE_CHECKING:
    from skerry.unix.process import Process, System

_ONLY_V6: Final = (sockets.IPPROTO_IPV6, sockets.IPV6_V6ONLY)


class InetSocket(Socket):
    """A socket of family AF_INET or AF_INET6."""

    def __init__(self, system: System, creator: Process, kind: int, protocol: int, flags: int, family: int = sockets.AF_INET) -> None:
        super().__init__(system, creator, kind, protocol, flags)
        self.family = family
        self.local: Endpoint | None = None
        self.remote: Endpoint | None = None
        self._automatic = False  # nobody asked for the port that it has

    @property
    def ports(self) -> Ports:
        """Those of its protocol."""
        raise NotImplementedError

    @property
    def only_v6(self) -> bool:
        """Whether it wants nothing to do with IPv4."""
        return bool(self.options.get(_ONLY_V6))

    def is_set(self, option: int) -> bool:
        """Whether a switch of level SOL_SOCKET is on."""
        return bool(self.options.get((linux.SOL_SOCKET, option)))

    def local_address(self) -> bytes:
        return pack_endpoint(self.family, self.local)

    def peer_address(self) -> bytes:
        if self.remote is None or not self.connected:
            raise LinuxError(linux.ENOTCONN)
        return pack_endpoint(self.family, self.remote)

    def where(self, data: bytes) -> Endpoint:
        """What an address means here. Raises EINVAL, EAFNOSUPPORT, ENETUNREACH (an IPv4 host where only IPv6 is wanted)."""
        place = parse(self.family, data)
        if self.only_v6 and is_mapped(place.host):
            raise LinuxError(linux.ENETUNREACH)
        return place

    def bind(self, data: bytes, process: Process) -> None:
        """bind(2). Raises EINVAL (bound already), EADDRNOTAVAIL (no address of this system), EACCES (a port below 1024), EADDRINUSE."""
        if self.family == sockets.AF_INET and len(data) >= 16 and family_of(data) == sockets.AF_UNSPEC and data[4:8] == bytes(4):
            data = pack_endpoint(sockets.AF_INET, Endpoint(ANY_4, int.from_bytes(data[2:4], "big")))
        place = parse(self.family, data)
        multicast = self.kind == linux.SOCK_DGRAM and is_multicast(place.host)
        own = self.system.network.is_own(place.host)
        if not (is_any(place.host) or own or multicast) or (self.only_v6 and is_mapped(place.host)):
            raise LinuxError(linux.EADDRNOTAVAIL)
        if 0 < place.port < PRIVILEGED and process.credentials.euid:
            raise LinuxError(linux.EACCES)
        if self.local is not None:
            raise LinuxError(linux.EINVAL)
        self.ports.bind(self, place)

    def bind_automatically(self) -> None:
        """Take any free port. Raises EAGAIN where there is none."""
        if self.local is None:
            try:
                self.ports.bind(self, Endpoint(ANY_4 if self.family == sockets.AF_INET else ANY_6, 0))
            except LinuxError:
                raise LinuxError(linux.EAGAIN) from None
            self._automatic = True

    def unbind(self) -> None:
        """Give up a port that nobody asked for."""
        if self._automatic:
            self.ports.remove(self)
            self.local = None
            self._automatic = False

    def come_from(self, host: bytes) -> Endpoint:
        """Where something that is sent to ``host`` comes from: the address that the socket is bound to, or that of lo."""
        assert self.local is not None
        if not is_any(self.local.host):
            return self.local
        if not is_loopback(host):
            return Endpoint(host, self.local.port)
        return Endpoint(LOOPBACK_4 if is_mapped(host) else LOOPBACK_6, self.local.port)

    def route(self, to: Endpoint) -> Endpoint:
        """Where what it sends to ``to`` arrives. Raises ENETUNREACH: also where the interface that it is bound to does not lead."""
        where = self.system.network.route(to)
        if self.interface and (self.interface == LOOPBACK.name) != is_loopback(where.host):
            raise LinuxError(linux.ENETUNREACH)
        return where

    def mtu(self) -> int:
        """Of the interface that leads to the peer."""
        assert self.remote is not None
        found = interfaces(self.system.network)
        mtu = found[0].mtu if is_loopback(self.remote.host) else found[-1].mtu
        return min(mtu, 0xFFFF) if is_mapped(self.remote.host) else mtu  # as long as a packet of IPv4 can be

    def set_outside(self, level: int, option: int, value: int) -> None:
        """An option was set: tell the host's end, if there is one. Raises LinuxError."""
