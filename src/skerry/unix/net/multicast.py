"""Groups of hosts: who has joined which, and on what interface. Only lo has groups; nothing of them leaves the system.

Source: ip(7), ipv6(7); which errors there are is net/ipv4/igmp.c's.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from skerry.abi import linux, sockets
from skerry.unix.errors import LinuxError
from skerry.unix.net.addresses import MAPPED, is_any, is_loopback, is_mapped, is_multicast
from skerry.unix.net.interfaces import LOOPBACK, interfaces

if TYPE_CHECKING:
    from skerry.unix.net.network import Network

MOST: Final = 20  # net.ipv4.igmp_max_memberships
_IP: Final = sockets.IPPROTO_IP
_IP6: Final = sockets.IPPROTO_IPV6
_JOINS: Final = {  # option: whether it is joining, else leaving
    (_IP, sockets.IP_ADD_MEMBERSHIP): True,
    (_IP, sockets.IP_DROP_MEMBERSHIP): False,
    (_IP, sockets.MCAST_JOIN_GROUP): True,
    (_IP, sockets.MCAST_LEAVE_GROUP): False,
    (_IP6, sockets.IPV6_JOIN_GROUP): True,
    (_IP6, sockets.IPV6_LEAVE_GROUP): False,
    (_IP6, sockets.MCAST_JOIN_GROUP): True,
    (_IP6, sockets.MCAST_LEAVE_GROUP): False,
}

Group = tuple[bytes, int]  # host, number of the interface


class Memberships:
    """What one datagram socket has joined, and the interface that it sends to groups through."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self.groups: set[Group] = set()
        self.interface = {_IP: 0, _IP6: 0}  # numbers; 0: none was chosen
        self.address = bytes(4)  # of the first, as getsockopt says it

    def put(self, level: int, option: int, data: bytes) -> bool:
        """Set an option; False if it is not about groups.

        Raises:
            LinuxError: EINVAL, ENODEV (no such interface, or none leads there), EADDRNOTAVAIL, EADDRINUSE (joined already), ENOBUFS.
        """
        joins = _JOINS.get((level, option))
        if joins is not None:
            group = self._group(level, option, data)
            if joins:
                self._join(group, level)
            else:
                self._leave(group)
            return True
        if (level, option) == (_IP, sockets.IP_MULTICAST_IF):
            self._choose(data)
            return True
        if (level, option) == (_IP6, sockets.IPV6_MULTICAST_IF):
            if len(data) < 4:
                raise LinuxError(linux.EINVAL)
            self.interface[_IP6] = self._known(struct.unpack_from("<i", data)[0], linux.ENODEV)
            return True
        return False

    def get(self, level: int, option: int) -> bytes | None:
        """The value of an option; None if it is not about groups."""
        if (level, option) == (_IP, sockets.IP_MULTICAST_IF):
            return self.address
        if (level, option) == (_IP6, sockets.IPV6_MULTICAST_IF):
            return struct.pack("<i", self.interface[_IP6])
        return None

    def sends_to_loopback(self, source: bytes | None) -> bool:
        """Whether what is sent to an IPv4 group goes through lo: it was chosen, or the socket is bound to an address of it."""
        return self.interface[_IP] == LOOPBACK.number or (source is not None and is_loopback(source))

    def clear(self) -> None:
        """Leave everything."""
        for group in list(self.groups):
            self._leave(group)

    def _group(self, level: int, option: int, data: bytes) -> Group:
        if option in (sockets.MCAST_JOIN_GROUP, sockets.MCAST_LEAVE_GROUP):
            if len(data) < 136:  # struct group_req
                raise LinuxError(linux.EINVAL)
            number, family = struct.unpack_from("<I4xH", data)
            if family != (sockets.AF_INET if level == _IP else sockets.AF_INET6):
                raise LinuxError(linux.EADDRNOTAVAIL if level == _IP else linux.EINVAL)
            host = MAPPED + data[12:16] if level == _IP else data[16:32]
        elif level == _IP6:
            if len(data) < 20:
                raise LinuxError(linux.EINVAL)
            host, number = data[:16], struct.unpack_from("<i", data, 16)[0]
        else:
            if len(data) < 8:
                raise LinuxError(linux.EINVAL)
            host = MAPPED + data[:4]
            number = struct.unpack_from("<i", data, 8)[0] if len(data) >= 12 else 0
            if not number and data[4:8] != bytes(4):
                number = self._with_address(MAPPED + data[4:8])
                if is_multicast(host) and not number:
                    raise LinuxError(linux.ENODEV)
        if not is_multicast(host):
            raise LinuxError(linux.EINVAL)
        return host, self._known(number, linux.ENODEV)

    def _known(self, number: int, error: int) -> int:
        if number and all(each.number != number for each in interfaces(self._network)):
            raise LinuxError(error)
        return number

    def _with_address(self, host: bytes) -> int:
        """The number of the interface that has the address; 0: none has."""
        if is_loopback(host):
            return LOOPBACK.number
        found = interfaces(self._network)
        return next((each.number for each in found if any(host == own for own, _ in each.addresses)), 0)

    def _join(self, group: Group, level: int) -> None:
        if group[1] != LOOPBACK.number:
            raise LinuxError(linux.ENODEV)
        if group in self.groups:
            raise LinuxError(linux.EADDRINUSE)
        if level == _IP and sum(is_mapped(host) for host, _ in self.groups) >= MOST:
            raise LinuxError(linux.ENOBUFS)
        self.groups.add(group)
        self._network.groups[group] += 1

    def _leave(self, group: Group) -> None:
        if not group[1]:
            group = next((each for each in self.groups if each[0] == group[0]), group)
        if group not in self.groups:
            raise LinuxError(linux.EADDRNOTAVAIL)
        self.groups.remove(group)
        self._network.groups[group] -= 1
        if not self._network.groups[group]:
            del self._network.groups[group]

    def _choose(self, data: bytes) -> None:
        """IP_MULTICAST_IF: struct in_addr, ip_mreq or ip_mreqn."""
        if len(data) < 4:
            raise LinuxError(linux.EINVAL)
        address = data[4:8] if len(data) >= 8 else data[:4]
        number = struct.unpack_from("<i", data, 8)[0] if len(data) >= 12 else 0
        if number:
            self.interface[_IP] = self._known(number, linux.EADDRNOTAVAIL)
        elif is_any(MAPPED + address):
            self.interface[_IP] = 0
        else:
            number = self._with_address(MAPPED + address)
            if not number:
                raise LinuxError(linux.EADDRNOTAVAIL)
            self.interface[_IP] = number
        self.address = address
