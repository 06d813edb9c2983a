"""One connection to a control socket, on the kernel's side: it takes requests and sends answers without ever blocking the kernel."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable
from typing import Any, Final

from skerry.control.lines import CHUNK, DESCRIPTORS, LONGEST_ANSWER, Lines, encode
from skerry.machine import HostEvent, Machine

PATIENCE: Final = 3  # seconds that the end of a system waits for who reads its last answer
Handler = Callable[["Connection", dict[str, Any]], None]


class Connection:
    """``received`` gets each request, ``closed`` is called once, when the other side has gone. ``full``: it may do more than look."""

    def __init__(self, machine: Machine, sock: socket.socket, received: Handler, closed: Callable[[Connection], None], full: bool) -> None:
        self.full = full
        self.open = True
        self.descriptors: list[int] = []  # that came, and that no request has taken yet
        self._machine = machine
        self._socket = sock
        self._received = received
        self._closed = closed
        self._lines = Lines()
        self._out = bytearray()
        sock.setblocking(False)
        self._event = HostEvent(sock.fileno(), self._ready)
        self._watch()

    def answer(self, request: dict[str, Any], result: Any) -> None:
        """The result of a request."""
        self.send({"id": request.get("id"), "result": result})

    def refuse(self, request: dict[str, Any], why: str, status: int = 1) -> None:
        """The request cannot be done."""
        self.send({"id": request.get("id"), "refused": why, "status": status})

    def send(self, message: dict[str, Any]) -> None:
        """Send, now or as soon as there is room."""
        if not self.open:
            return
        self._out += encode(message)
        self._flush()
        if len(self._out) > LONGEST_ANSWER:  # it asks, and does not read
            self.close()
        self._watch()

    def flush_last(self) -> None:
        """Send what is left, waiting a moment for who reads: the system ends."""
        if self.open and self._out:
            self._socket.settimeout(PATIENCE)
            with contextlib.suppress(OSError):
                self._socket.sendall(self._out)
        self.close()

    def close(self) -> None:
        """Give it up. Twice is harmless."""
        if not self.open:
            return
        self.open = False
        self._machine.unwatch(self._event)
        self._socket.close()
        for descriptor in self.descriptors:
            os.close(descriptor)
        self.descriptors.clear()
        self._closed(self)

    def _watch(self) -> None:
        if self.open:
            self._machine.watch(self._event, writable=bool(self._out))

    def _ready(self) -> None:
        if not self.open:
            return
        self._flush()
        try:
            data, descriptors, _, _ = socket.recv_fds(self._socket, CHUNK, DESCRIPTORS, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            self._watch()
            return
        except OSError:
            self.close()
            return
        self.descriptors += descriptors
        if not data:
            self.close()
            return
        try:
            messages = self._lines.feed(data)
        except ValueError:
            self.close()
            return
        self._watch()
        for message in messages:
            self._received(self, message)

    def _flush(self) -> None:
        try:
            while self._out:
                del self._out[: self._socket.send(self._out)]
        except BlockingIOError:
            pass
        except OSError:
            self._out.clear()  # who asked has gone: reading says so
