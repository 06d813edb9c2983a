#!/usr/bin/env python3
"""Which values socket options take, and what they are then."""

import pathlib
import socket
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "programs"))
from shown import show

KINDS = {
    "tcp": (socket.AF_INET, socket.SOCK_STREAM),
    "tcp6": (socket.AF_INET6, socket.SOCK_STREAM),
    "udp": (socket.AF_INET, socket.SOCK_DGRAM),
    "udp6": (socket.AF_INET6, socket.SOCK_DGRAM),
    "local": (socket.AF_UNIX, socket.SOCK_STREAM),
}
IP_OPTIONS = (2, 8, 10, 11, 12, 13, 24)  # TTL, PKTINFO, MTU_DISCOVER, RECVERR, RECVTTL, RECVTOS, BIND_ADDRESS_NO_PORT
IP6_OPTIONS = (16, 23, 25, 26, 49, 51, 66)  # UNICAST_HOPS, MTU_DISCOVER, RECVERR, V6ONLY, RECVPKTINFO, RECVHOPLIMIT, RECVTCLASS
TCP_OPTIONS = (1, 4, 5, 6, 7, 8, 18)  # NODELAY, KEEPIDLE, KEEPINTVL, KEEPCNT, SYNCNT, LINGER2, USER_TIMEOUT
GENERAL = (2, 3, 4, 6, 9, 10, 16, 30, 31, 38, 39)
VALUES = (b"", b"\1", *(struct.pack("i", value) for value in (0, 1, 2, 5, 6, 255, 256, 300, -1, -2, 1 << 20)))

for name, kind in KINDS.items():
    levels = [(socket.SOL_SOCKET, [option for option in GENERAL if option != 16])]
    if name != "local":
        levels.append((socket.IPPROTO_IP, IP_OPTIONS))
    if name.endswith("6"):
        levels.append((socket.IPPROTO_IPV6, IP6_OPTIONS))
    if name.startswith("tcp"):
        levels.append((socket.IPPROTO_TCP, TCP_OPTIONS))
    for level, options in levels:
        for option in options:
            for value in VALUES:
                with socket.socket(*kind) as sock:
                    show(f"{name} {level} {option} {value}", lambda: sock.setsockopt(level, option, value))
                    show("is", lambda: sock.getsockopt(level, option, 4))
    with socket.socket(*kind) as sock:
        show("no level", lambda: sock.getsockopt(99, 1))
        show("no option", lambda: sock.getsockopt(socket.SOL_SOCKET, 999))

print("interfaces")
for device in (b"lo", b"lo\0more", b"nosuch", b"", b"longer than a name can be"):
    with socket.socket() as sock:
        show(f"{device}", lambda: sock.setsockopt(socket.SOL_SOCKET, 25, device))
        show("is", lambda: (sock.getsockopt(socket.SOL_SOCKET, 25, 16), sock.getsockopt(socket.SOL_SOCKET, 62)))
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
    receiver.bind(("127.0.0.1", 0))
    sock.setsockopt(socket.SOL_SOCKET, 25, b"lo")
    show("through lo", lambda: sock.sendto(b"x", receiver.getsockname()))
    show("path", lambda: sock.getsockopt(socket.IPPROTO_IP, 14))
    sock.connect(receiver.getsockname())
    show("path", lambda: sock.getsockopt(socket.IPPROTO_IP, 14))
