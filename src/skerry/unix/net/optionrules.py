"""What a number that is set as a socket option must be, and what becomes of it.

Source: ip(7), ipv6(7), tcp(7), socket(7); the bounds are those of net/ipv4/ip_sockglue.c, net/ipv6/ipv6_sockglue.c, net/ipv4/tcp.c.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from skerry.abi import linux, sockets
from skerry.unix.errors import LinuxError

HOPS: Final = 64  # net.ipv4.ip_default_ttl
_SOL: Final = linux.SOL_SOCKET
_IP: Final = sockets.IPPROTO_IP
_IP6: Final = sockets.IPPROTO_IPV6
_TCP: Final = sockets.IPPROTO_TCP
_LARGEST: Final = (1 << 31) - 1

Rule = Callable[[int], int]


def switch(value: int) -> int:
    """On or off."""
    return int(bool(value))


def within(least: int, most: int, instead: dict[int, int] | None = None) -> Rule:
    """A number between two; ``instead``: what some others mean. Raises EINVAL."""

    def check(value: int) -> int:
        if instead is not None and value in instead:
            return instead[value]
        if not least <= value <= most:
            raise LinuxError(linux.EINVAL)
        return value

    return check


def _low_water(value: int) -> int:
    return (value if value > 0 else 1) if value >= 0 else _LARGEST


def _linger_after_end(value: int) -> int:
    return -1 if value < 0 else min(value, 120) or 60


RULES: Final[dict[tuple[int, int], Rule]] = {
    (_SOL, sockets.SO_RCVLOWAT): _low_water,
    (_SOL, sockets.SO_BUSY_POLL): within(0, _LARGEST),
    (_IP, sockets.IP_TOS): lambda value: value & 0xFF,
    (_IP, sockets.IP_TTL): within(1, 255, {-1: HOPS}),
    (_IP, sockets.IP_MINTTL): within(0, 255),
    (_IP, sockets.IP_MTU_DISCOVER): within(0, 5),
    (_IP, sockets.IP_MULTICAST_TTL): within(0, 255, {-1: 1}),
    (_IP, sockets.IP_MULTICAST_ALL): within(0, 1),
    **{
        (_IP, option): switch
        for option in (
            sockets.IP_PKTINFO,
            sockets.IP_RECVERR,
            sockets.IP_RECVTTL,
            sockets.IP_RECVTOS,
            sockets.IP_FREEBIND,
            sockets.IP_BIND_ADDRESS_NO_PORT,
            sockets.IP_MULTICAST_LOOP,
        )
    },
    (_IP6, sockets.IPV6_UNICAST_HOPS): within(0, 255, {-1: HOPS}),
    (_IP6, sockets.IPV6_MULTICAST_HOPS): within(0, 255, {-1: 1}),
    (_IP6, sockets.IPV6_MTU_DISCOVER): within(0, 5),
    (_IP6, sockets.IPV6_TCLASS): within(0, 255, {-1: 0}),
    (_IP6, sockets.IPV6_MULTICAST_LOOP): within(0, 1),
    (_IP6, sockets.IPV6_MULTICAST_ALL): within(0, 1),
    **{
        (_IP6, option): switch
        for option in (
            sockets.IPV6_V6ONLY,
            sockets.IPV6_RECVERR,
            sockets.IPV6_RECVPKTINFO,
            sockets.IPV6_RECVHOPLIMIT,
            sockets.IPV6_RECVTCLASS,
            sockets.IPV6_DONTFRAG,
        )
    },
    (_TCP, sockets.TCP_NODELAY): switch,
    (_TCP, sockets.TCP_CORK): switch,
    (_TCP, sockets.TCP_QUICKACK): lambda value: value & 1,
    (_TCP, sockets.TCP_MAXSEG): within(88, 32767, {0: 0}),
    (_TCP, sockets.TCP_KEEPIDLE): within(1, 32767),
    (_TCP, sockets.TCP_KEEPINTVL): within(1, 32767),
    (_TCP, sockets.TCP_KEEPCNT): within(1, 127),
    (_TCP, sockets.TCP_SYNCNT): within(1, 127),
    (_TCP, sockets.TCP_LINGER2): _linger_after_end,
    (_TCP, sockets.TCP_USER_TIMEOUT): within(0, _LARGEST),
    (_TCP, sockets.TCP_FASTOPEN): within(0, _LARGEST),
}
