#!/usr/bin/env python3
"""Who may have a port: SO_REUSEADDR, SO_REUSEPORT, and connections that were closed (TIME_WAIT)."""

import pathlib
import socket
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "programs"))
from shown import show

REUSE = (socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
SHARE = (socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
RESET = (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def make(*options, family=socket.AF_INET, kind=socket.SOCK_STREAM):
    made = socket.socket(family, kind)
    for option in options:
        made.setsockopt(*option)
    return made


def bind(port, *options, host="127.0.0.1", listen=False, **kind):
    with make(*options, **kind) as made:
        made.bind((host, port))
        if listen:
            made.listen(1)
    return "bound"


def closed(how, *options):
    """The port of a listener that is closed, and whose one connection was ended like this; and what is left of that."""
    with make(*options) as server:
        server.bind(("127.0.0.1", 0))
        server.listen(5)
        port = server.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        end, _ = server.accept()
    if how in ("server first", "server alone"):
        end.close()
        client.recv(1)
    elif how == "client first":
        client.close()
        end.recv(1)
        end.close()
    elif how == "reset":
        end.setsockopt(*RESET)
        end.close()
    elif how == "unread":
        client.send(b"x")
        end.recv(1, socket.MSG_PEEK)
        end.close()
    elif how == "server says so first":
        end.shutdown(socket.SHUT_WR)
        client.recv(1)
        client.shutdown(socket.SHUT_WR)
        end.recv(1)
        end.close()
    elif how == "client says so first":
        client.shutdown(socket.SHUT_WR)
        end.recv(1)
        end.shutdown(socket.SHUT_WR)
        client.recv(1)
        end.close()
    if how not in ("open", "server alone"):
        client.close()
    return port, (client, end)


WAYS = ("server first", "server alone", "client first", "open", "reset", "unread", "server says so first", "client says so first")
for way in WAYS:
    for options in ((), (REUSE,), (SHARE,)):
        port, left = closed(way, *options)
        print(way, options)
        show("plain", lambda port=port: bind(port))
        show("wildcard", lambda port=port: bind(port, host="0.0.0.0"))
        show("other host", lambda port=port: bind(port, host="127.0.0.2"))
        show("reuse", lambda port=port: bind(port, REUSE))
        show("reuse and listen", lambda port=port: bind(port, REUSE, listen=True))
        show("share", lambda port=port: bind(port, SHARE))
        show("IPv6", lambda port=port: bind(port, host="::", family=socket.AF_INET6))
        show("UDP", lambda port=port: bind(port, kind=socket.SOCK_DGRAM))
        for each in left:
            each.close()

print("listeners")
one, two, three = make(REUSE), make(REUSE), make(REUSE)
one.bind(("127.0.0.1", 0))
port = one.getsockname()[1]
show("two", lambda: two.bind(("127.0.0.1", port)))
show("one listens", lambda: one.listen(1))
show("two listens", lambda: two.listen(1))
show("three", lambda: three.bind(("127.0.0.1", port)))
one.close()
show("two listens", lambda: two.listen(1))
for host in ("::", "::1"):
    for only in (0, 1):
        with make((socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only), family=socket.AF_INET6) as server:
            server.bind((host, 0))
            server.listen(1)
            port = server.getsockname()[1]
            print(host, only)
            show("IPv4", lambda port=port: bind(port))
            show("IPv4 wildcard", lambda port=port: bind(port, host="0.0.0.0"))
            show("IPv4 reuse", lambda port=port: bind(port, REUSE))
