#!/usr/bin/env python3
"""Datagrams that are refused (IP_RECVERR), and what comes beside the data: times, credentials, names taken for them."""

import pathlib
import select
import socket
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "programs"))
from shown import events, show

MSG_ERRQUEUE = 0x2000
IP_RECVERR, IPV6_RECVERR = 11, 25


def wait_for_error(sock):
    poll = select.poll()
    poll.register(sock, 0)
    poll.poll()
    print(events(sock))


def message(sock, flags=0, size=100):
    def receive():
        data, control, flags_, source = sock.recvmsg(size, 500, flags | socket.MSG_DONTWAIT)
        return data, control, hex(flags_), source and source[0]

    return receive


for family, host, level, option in (
    (socket.AF_INET, "127.0.0.1", socket.IPPROTO_IP, IP_RECVERR),
    (socket.AF_INET6, "::1", socket.IPPROTO_IPV6, IPV6_RECVERR),
):
    with socket.socket(family, socket.SOCK_DGRAM) as free:
        free.bind((host, 0))
        nobody = free.getsockname()
    for connected in (False, True):
        for asked in (0, 1):
            print(host, connected, asked)
            with socket.socket(family, socket.SOCK_DGRAM) as sender:
                sender.setsockopt(level, option, asked)
                if connected:
                    sender.connect(nobody)
                show("nothing yet", message(sender, MSG_ERRQUEUE))
                for take in ("receive", "queue", "option"):
                    sent = show("send", lambda take=take, sender=sender: sender.sendto(take.encode(), nobody))
                    if sent == len(take) and (connected or asked):
                        wait_for_error(sender)
                    if take == "receive":
                        show("receive", message(sender))
                    if take == "option":
                        show("option", lambda sender=sender: sender.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
                    print(events(sender))
                    for _ in range(2):
                        show("queue", message(sender, MSG_ERRQUEUE, 4))
                    print(events(sender))

print("times")
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
    sock.bind(("127.0.0.1", 0))
    for option in (29, 35):  # SO_TIMESTAMP, SO_TIMESTAMPNS
        sock.setsockopt(socket.SOL_SOCKET, option, 1)
        sock.sendto(b"x", sock.getsockname())
        _, control, _, _ = sock.recvmsg(10, 100)
        print([(level, kind, len(contents), struct.unpack("qq", contents)[0] > 1_600_000_000) for level, kind, contents in control])
        sock.setsockopt(socket.SOL_SOCKET, option, 0)

print("names")
for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
    one, two = socket.socketpair(socket.AF_UNIX, kind)
    two.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    two.send(b"x")
    source = one.recvmsg(10)[3]
    print(kind, len(source or b""), len(two.getsockname()))
    print(events(one), events(two))
