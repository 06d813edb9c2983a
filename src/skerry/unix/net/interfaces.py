"""The network interfaces: lo, and where the host's network can be reached, tun0. What the ioctls on a socket say of them.

tun0 has the addresses that the host sends from, and takes everything that is not for lo (netlink.py, /proc/net/route).

Source: netdevice(7).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from skerry.abi import linux, sockets
from skerry.unix.errors import LinuxError
from skerry.unix.net.addresses import LOOPBACK_4, LOOPBACK_6, is_mapped

if TYPE_CHECKING:
    from skerry.unix.net.network import Network
    from skerry.unix.process import Thread

NAME_SIZE: Final = 16  # IFNAMSIZ
_REQUEST_SIZE: Final = 40  # struct ifreq


class Interface(NamedTuple):
    """A network interface. ``flags`` are IFF_*; ``addresses``: hosts of 16 bytes, and how many bits are the network's."""

    name: bytes
    number: int  # ifindex
    hardware: int  # ARPHRD_*
    flags: int
    mtu: int
    queue: int  # packets
    addresses: tuple[tuple[bytes, int], ...]

    @property
    def host_4(self) -> bytes | None:
        """Its IPv4 address: 4 bytes."""
        return next((host[12:] for host, _ in self.addresses if is_mapped(host)), None)

    @property
    def mask_4(self) -> bytes:
        """The mask of that: 4 bytes."""
        prefix = next((prefix for host, prefix in self.addresses if is_mapped(host)), 0)
        return (0xFFFFFFFF << (32 - prefix) & 0xFFFFFFFF).to_bytes(4, "big")


LOOPBACK: Final = Interface(b"lo", 1, 772, 0x49, 65536, 1000, ((LOOPBACK_4, 8), (LOOPBACK_6, 128)))  # IFF_UP, _LOOPBACK, _RUNNING
MTU: Final = LOOPBACK.mtu


def interfaces(network: Network) -> list[Interface]:
    """All of them, in the order of their numbers."""
    if network.outside is None or not network.outside.addresses:
        return [LOOPBACK]
    own = tuple((host, 32 if is_mapped(host) else 128) for host in network.outside.addresses)
    return [LOOPBACK, Interface(b"tun0", 2, 65534, 0xD1, 1500, 500, own)]  # ARPHRD_NONE; IFF_UP, _POINTOPOINT, _RUNNING, _NOARP


def index_of(network: Network, host: bytes) -> int:
    """The number of the interface that has the address, or that leads there."""
    found = interfaces(network)
    return next((each.number for each in found if any(host == own for own, _ in each.addresses)), LOOPBACK.number)


def find(network: Network, name: bytes) -> Interface:
    """The interface of that name. Raises ENODEV."""
    for interface in interfaces(network):
        if interface.name == name:
            return interface
    raise LinuxError(linux.ENODEV)


def _address(host: bytes) -> bytes:
    return struct.pack("<HH", sockets.AF_INET, 0) + host + bytes(8)


def _own(interface: Interface) -> bytes:
    host = interface.host_4
    if host is None:
        raise LinuxError(linux.EADDRNOTAVAIL)
    return _address(host)


_ANSWERS: Final[dict[int, Callable[[Interface], bytes]]] = {
    sockets.SIOCGIFFLAGS: lambda interface: struct.pack("<H", interface.flags),
    sockets.SIOCGIFADDR: _own,
    sockets.SIOCGIFDSTADDR: _own,
    sockets.SIOCGIFBRDADDR: lambda interface: _address(bytes(4)),
    sockets.SIOCGIFNETMASK: lambda interface: _address(interface.mask_4),
    sockets.SIOCGIFMETRIC: lambda interface: bytes(4),
    sockets.SIOCGIFMTU: lambda interface: struct.pack("<i", interface.mtu),
    sockets.SIOCGIFHWADDR: lambda interface: struct.pack("<H", interface.hardware) + bytes(14),
    sockets.SIOCGIFINDEX: lambda interface: struct.pack("<i", interface.number),
    sockets.SIOCGIFTXQLEN: lambda interface: struct.pack("<i", interface.queue),
}


def ioctl(thread: Thread, request: int, argument: int) -> int:
    """A request about interfaces. Raises ENODEV (no such interface), ENOTTY (no such request), EADDRNOTAVAIL (it has no such address)."""
    memory = thread.process.memory
    network = thread.process.system.network
    if request == sockets.SIOCGIFCONF:
        size, buffer = struct.unpack("<i4xQ", memory.read(argument, 16))
        entries = [
            each.name.ljust(NAME_SIZE, b"\0") + _own(each).ljust(_REQUEST_SIZE - NAME_SIZE, b"\0")
            for each in interfaces(network)
            if each.host_4 is not None
        ]
        if buffer:
            entries = entries[: max(0, size) // _REQUEST_SIZE]
            memory.write(buffer, b"".join(entries))
        memory.write(argument, struct.pack("<i", _REQUEST_SIZE * len(entries)))
        return 0
    if request == sockets.SIOCGIFNAME:
        (index,) = struct.unpack("<i", memory.read(argument + NAME_SIZE, 4))
        for interface in interfaces(network):
            if interface.number == index:
                memory.write(argument, interface.name.ljust(NAME_SIZE, b"\0"))
                return 0
        raise LinuxError(linux.ENODEV)
    answer = _ANSWERS.get(request)
    if answer is None:
        raise LinuxError(linux.ENOTTY)
    interface = find(network, memory.read(argument, NAME_SIZE).split(b"\0", 1)[0])
    memory.write(argument + NAME_SIZE, answer(interface))
    return 0
