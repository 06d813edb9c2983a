"""Socket addresses: what struct sockaddr holds, and how it is written.

A local name is bytes: empty for none, NUL first for an abstract one, else a path. An internet endpoint's host is always 16 bytes, an IPv4
host being mapped (::ffff:a.b.c.d), so that a port's users can be compared whatever family they have.

Source: unix(7), ip(7), ipv6(7).
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from skerry.abi import linux, sockets
from skerry.unix.errors import LinuxError

LOCAL_SIZE: Final = 110  # sizeof(struct sockaddr_un)
INET_SIZE: Final = 16
INET6_SIZE: Final = 28
_INET6_SHORT: Final = 24  # without the scope, as RFC 2133 had it
MAPPED: Final = bytes(10) + b"\xff\xff"
ANY_4: Final = MAPPED + bytes(4)
ANY_6: Final = bytes(16)
LOOPBACK_4: Final = MAPPED + bytes((127, 0, 0, 1))
LOOPBACK_6: Final = bytes(15) + b"\1"


class Endpoint(NamedTuple):
    """A host (16 bytes) and a port."""

    host: bytes
    port: int


def family_of(data: bytes) -> int:
    """The family that an address names. Raises EINVAL where it is too short to name one."""
    if len(data) < 2:
        raise LinuxError(linux.EINVAL)
    return int.from_bytes(data[:2], "little")


def local_name(data: bytes) -> bytes:
    """The name in a struct sockaddr_un of this length. Raises EINVAL."""
    if not 2 < len(data) <= LOCAL_SIZE or family_of(data) != linux.AF_UNIX:
        raise LinuxError(linux.EINVAL)
    name = data[2:]
    return name if name[0] == 0 else name.split(b"\0", 1)[0]


def pack_local(name: bytes) -> bytes:
    """A struct sockaddr_un as long as the name needs."""
    ending = b"\0" if name and name[0] else b""
    return struct.pack("<H", linux.AF_UNIX) + name + ending


def endpoint(family: int, data: bytes) -> Endpoint:
    """What an address means to a socket of ``family``. Raises EINVAL (too short), EAFNOSUPPORT (another family)."""
    if family == sockets.AF_INET:
        if len(data) < INET_SIZE:
            raise LinuxError(linux.EINVAL)
        if family_of(data) != sockets.AF_INET:
            raise LinuxError(linux.EAFNOSUPPORT)
        return Endpoint(MAPPED + data[4:8], int.from_bytes(data[2:4], "big"))
    if len(data) < 2 or family_of(data) != sockets.AF_INET6:
        raise LinuxError(linux.EAFNOSUPPORT if len(data) >= 2 else linux.EINVAL)
    if len(data) < _INET6_SHORT:
        raise LinuxError(linux.EINVAL)
    return Endpoint(data[8:24], int.from_bytes(data[2:4], "big"))


def pack_endpoint(family: int, where: Endpoint | None) -> bytes:
    """A struct sockaddr_in or sockaddr_in6; None is the wildcard without a port."""
    host, port = where if where is not None else (ANY_4 if family == sockets.AF_INET else ANY_6, 0)
    if family == sockets.AF_INET:
        return struct.pack("<H", family) + port.to_bytes(2, "big") + host[12:] + bytes(8)
    return struct.pack("<H", family) + port.to_bytes(2, "big") + bytes(4) + host + bytes(4)


def is_mapped(host: bytes) -> bool:
    """Whether it is an IPv4 host."""
    return host[:12] == MAPPED


def is_any(host: bytes) -> bool:
    """Whether it is a wildcard."""
    return host in (ANY_4, ANY_6)


def is_loopback(host: bytes) -> bool:
    """Whether it is an address of lo: 127.0.0.0/8 or ::1."""
    return host == LOOPBACK_6 or (is_mapped(host) and host[12] == 127)


def is_multicast(host: bytes) -> bool:
    return 224 <= host[12] < 240 if is_mapped(host) else host[0] == 0xFF


def inside(host: bytes) -> bytes:
    """Where what is sent to ``host`` arrives: wildcards mean the system itself."""
    return LOOPBACK_4 if host == ANY_4 else LOOPBACK_6 if host == ANY_6 else host
