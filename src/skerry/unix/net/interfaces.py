"""The network interfaces: lo, and no other. What the ioctls on a socket say of it.

Source: netdevice(7).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from skerry.abi import linux, sockets
from skerry.unix.errors import LinuxError

if TYPE_CHECKING:
    from skerry.unix.process import Thread

NAME: Final = b"lo"
INDEX: Final = 1
MTU: Final = 65536
QUEUE: Final = 1000  # packets
HARDWARE: Final = 772  # ARPHRD_LOOPBACK
FLAGS: Final = 0x49  # IFF_UP, IFF_LOOPBACK, IFF_RUNNING
_NAME_SIZE: Final = 16
_REQUEST_SIZE: Final = 40  # struct ifreq


def _address(*host: int) -> bytes:
    return struct.pack("<HH", sockets.AF_INET, 0) + bytes(host) + bytes(8)


_ANSWERS: Final = {
    sockets.SIOCGIFFLAGS: struct.pack("<H", FLAGS),
    sockets.SIOCGIFADDR: _address(127, 0, 0, 1),
    sockets.SIOCGIFDSTADDR: _address(127, 0, 0, 1),
    sockets.SIOCGIFBRDADDR: _address(0, 0, 0, 0),
    sockets.SIOCGIFNETMASK: _address(255, 0, 0, 0),
    sockets.SIOCGIFMETRIC: bytes(4),
    sockets.SIOCGIFMTU: struct.pack("<i", MTU),
    sockets.SIOCGIFHWADDR: struct.pack("<H", HARDWARE) + bytes(14),
    sockets.SIOCGIFINDEX: struct.pack("<i", INDEX),
    sockets.SIOCGIFTXQLEN: struct.pack("<i", QUEUE),
}


def ioctl(thread: Thread, request: int, argument: int) -> int:
    """A request about interfaces. Raises ENODEV (no such interface), ENOTTY (no such request)."""
    memory = thread.process.memory
    if request == sockets.SIOCGIFCONF:
        size, buffer = struct.unpack("<i4xQ", memory.read(argument, 16))
        entry = NAME.ljust(_NAME_SIZE, b"\0") + _ANSWERS[sockets.SIOCGIFADDR].ljust(_REQUEST_SIZE - _NAME_SIZE, b"\0")
        if buffer:
            entry = entry if size >= _REQUEST_SIZE else b""
            memory.write(buffer, entry)
        memory.write(argument, struct.pack("<i", len(entry)))
        return 0
    if request == sockets.SIOCGIFNAME:
        (index,) = struct.unpack("<i", memory.read(argument + _NAME_SIZE, 4))
        if index != INDEX:
            raise LinuxError(linux.ENODEV)
        memory.write(argument, NAME.ljust(_NAME_SIZE, b"\0"))
        return 0
    answer = _ANSWERS.get(request)
    if answer is None:
        raise LinuxError(linux.ENOTTY)
    if memory.read(argument, _NAME_SIZE).split(b"\0", 1)[0] != NAME:
        raise LinuxError(linux.ENODEV)
    memory.write(argument + _NAME_SIZE, answer)
    return 0
