"""For the scripts that print what calls on sockets answer: names of errors, pairs of sockets, what poll says."""

from __future__ import annotations

import array
import errno
import fcntl
import select
import socket
from collections.abc import Callable
from typing import Any

SIOCATMARK = 0x8905
FIONREAD = 0x541B
SIOCOUTQ = 0x5411


def show(what: str, call: Callable[[], Any]) -> Any:
    """Print what a call gives, or the name of its error."""
    try:
        result = call()
    except TimeoutError:
        result = "timeout"
    except OSError as error:
        result = errno.errorcode.get(error.errno or 0, error)
    print(what, result, flush=True)
    return result


def connected() -> tuple[socket.socket, socket.socket]:
    """Two ends of a TCP connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        return client, server.accept()[0]


def number(sock: socket.socket, request: int) -> int:
    """What an ioctl writes."""
    found = array.array("i", [7])
    fcntl.ioctl(sock, request, found)
    return found[0]


def events(sock: socket.socket) -> str:
    """What poll says of it now."""
    poll = select.poll()
    poll.register(sock, 0x1FFF | select.POLLRDHUP)
    return " ".join(hex(bits) for _, bits in poll.poll(0))
