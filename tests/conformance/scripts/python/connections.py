#!/usr/bin/env python3
"""The states of a TCP connection: what each call answers in each, and what poll says."""

import pathlib
import select
import socket
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "programs"))
from shown import connected, events, show

NOSIGNAL, DONTWAIT = socket.MSG_NOSIGNAL, socket.MSG_DONTWAIT
ABORT = struct.pack("ii", 1, 0)


def until(sock, bits):
    """Wait until poll says one of ``bits``."""
    poll = select.poll()
    poll.register(sock, bits)
    poll.poll()


def error_of(sock):
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)


def everything(sock, state):
    print(state, events(sock))
    show("receive", lambda: sock.recv(10, DONTWAIT))
    show("send", lambda: sock.send(b"x", DONTWAIT | NOSIGNAL))
    show("peer", lambda: bool(sock.getpeername()))
    print(error_of(sock), events(sock))
    show("shutdown", lambda: sock.shutdown(socket.SHUT_RDWR))
    print(events(sock))
    show("connect", lambda: sock.connect(("127.0.0.1", 1)))
    show("listen", lambda: sock.listen(1))
    show("accept", lambda: (sock.setblocking(False), sock.accept())[1])


everything(socket.socket(), "closed")
sock = socket.socket()
sock.bind(("127.0.0.1", 0))
everything(sock, "bound")

sock = socket.create_server(("127.0.0.1", 0))
print("listening", events(sock))
show("connect", lambda: sock.connect(("127.0.0.1", 1)))
show("receive", lambda: sock.recv(1))
show("bind", lambda: sock.bind(("127.0.0.1", 0)))
show("shutdown", lambda: sock.shutdown(socket.SHUT_RD))
print(events(sock))
show("listen", lambda: sock.listen(1))

one, two = connected()
show("connect", lambda: one.connect(two.getsockname()))
show("bind", lambda: one.bind(("127.0.0.1", 0)))
everything(one, "connected")
everything(two, "the other shut both directions down")

one, two = connected()
two.shutdown(socket.SHUT_WR)
until(one, select.POLLIN)
everything(one, "the other shut writing down")

one, two = connected()
one.shutdown(socket.SHUT_WR)
until(two, select.POLLIN)
print("half closed", events(one), events(two))
show("send", lambda: one.send(b"x", NOSIGNAL))
show("send", lambda: two.send(b"abc"))
show("receive", lambda: one.recv(10))
two.close()
until(one, select.POLLIN)
print("both closed", events(one))
show("receive", lambda: one.recv(10))
show("shutdown", lambda: one.shutdown(socket.SHUT_WR))
show("peer", lambda: one.getpeername())
print(events(one), error_of(one))

one, two = connected()
one.shutdown(socket.SHUT_RD)
print("does not read", events(one), events(two))
show("send", lambda: two.send(b"abc"))
show("receive", lambda: one.recv(10))
show("receive", lambda: one.recv(10))

one, two = connected()
two.send(b"left")
until(one, select.POLLIN)
one.close()
until(two, select.POLLERR)
print("closed before it was read", events(two))
show("send", lambda: two.send(b"x", NOSIGNAL))
show("receive", lambda: two.recv(1))
show("receive", lambda: two.recv(1))
print(events(two), error_of(two))

one, two = connected()
two.send(b"data")
two.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
two.close()
until(one, select.POLLERR)
print("aborted", events(one))
for count in (2, 10, 10):
    show("receive", lambda count=count: one.recv(count))
print(events(one), error_of(one))
show("send", lambda: one.send(b"x", NOSIGNAL))
show("peer", lambda: one.getpeername())
show("connect", lambda: one.connect(("127.0.0.1", 1)))

one, two = connected()
one.close()
until(two, select.POLLIN)
show("send to who is gone", lambda: two.send(b"1", NOSIGNAL))
until(two, select.POLLERR)
print(events(two))
show("send", lambda: two.send(b"2", NOSIGNAL))
show("send", lambda: two.send(b"3", NOSIGNAL))
show("receive", lambda: two.recv(1))
print(events(two), error_of(two))
