#!/usr/bin/env python3
"""Urgent data of TCP: the mark, the byte in and out of band, what poll says, SIGURG."""

import fcntl
import os
import pathlib
import signal
import socket
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "programs"))
from shown import FIONREAD, SIOCATMARK, SIOCOUTQ, connected, events, number, show

OOB = socket.MSG_OOB
signals = []
signal.signal(signal.SIGURG, lambda *_: signals.append("SIGURG"))


def receive(sock, count=20, flags=0):
    return lambda: sock.recv(count, flags | socket.MSG_DONTWAIT)


def send(sender, *pieces):
    """Send all, and wait until it has arrived; what ends with an exclamation mark is urgent."""
    for piece in pieces:
        sender.send(piece, OOB if piece[-1:] == b"!" else 0)
    while number(sender, SIOCOUTQ):
        pass


def state(sock):
    print(len(signals), events(sock), number(sock, SIOCATMARK), number(sock, FIONREAD))


for inline in (0, 1):
    print("inline", inline)
    signals.clear()
    one, two = connected()
    two.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, inline)
    fcntl.fcntl(two, fcntl.F_SETOWN, os.getpid())
    show("nothing", receive(two, 1, OOB))
    send(one, b"abc", b"xy!", b"def")
    state(two)
    show("peek", receive(two, flags=socket.MSG_PEEK))
    show("two", receive(two, 2))
    state(two)
    show("to the mark", receive(two))
    state(two)
    show("peek beyond", receive(two, flags=socket.MSG_PEEK))
    show("peek out of band", receive(two, 5, OOB | socket.MSG_PEEK))
    show("out of band", receive(two, 5, OOB))
    show("again", receive(two, 5, OOB))
    state(two)
    show("behind", receive(two))
    state(two)
    show("end", receive(two))

    print("passed without being taken")
    send(one, b"abcd", b"e!", b"fghi")
    show("before", receive(two))
    show("behind", receive(two))
    show("late", receive(two, 5, OOB))
    state(two)

    print("read whole")
    send(one, b"abcd", b"e!", b"fghi")
    two.settimeout(30)
    show("all", lambda sock=two: sock.recv(5, socket.MSG_WAITALL))
    state(two)
    show("rest", lambda sock=two: sock.recv(4, socket.MSG_WAITALL))
    state(two)
    one.close()
    two.close()
