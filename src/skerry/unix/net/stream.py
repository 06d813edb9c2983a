"""Sockets with connections: listening, the queue of connections that nobody has accepted yet, and the bytes or records of an end.

An end is closed, listening, connecting or connected. ``peer`` is the other end, None once that was closed. Both ends are objects of this
system: what one sends is in the queue of the other at once.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.unix.errors import LinuxError
from skerry.unix.net.queue import Received
from skerry.unix.net.socket import Socket

if TYPE_CHECKING:
    from typing import Self

    from skerry.unix.process import Process, System

SOMAXCONN: Final = 4096  # net.core.somaxconn


class State:
    """Of an end of a connection. Not an Enum: each call on a socket looks members up, four times as slow there (Python 3.11)."""

    CLOSED: Final = "closed"
    LISTENING: Final = "listening"
    CONNECTING: Final = "connecting"
    CONNECTED: Final = "connected"


class ConnectionSocket(Socket):
    """A socket of a kind that makes connections."""

    def __init__(self, system: System, creator: Process, kind: int, protocol: int, flags: int) -> None:
        super().__init__(system, creator, kind, protocol, flags)
        self.state: str = State.CLOSED
        self.peer: Self | None = None
        self.pending: deque[Self] = deque()  # connections to a listening socket that were not accepted
        self.backlog = 0
        self.callers: set[Socket] = set()  # who waits for room in ``pending``

    @property
    def listening(self) -> bool:
        return self.state is State.LISTENING

    @property
    def connected(self) -> bool:
        return self.state is State.CONNECTED

    @property
    def is_full(self) -> bool:
        """Whether no further connection may wait to be accepted: Linux lets one more wait than was asked for."""
        return len(self.pending) > self.backlog

    def set_backlog(self, backlog: int) -> None:
        """How many connections may wait; a negative number is as large as an unsigned one is."""
        self.backlog = SOMAXCONN if not 0 <= backlog < SOMAXCONN else backlog

    def offer(self, connection: Self) -> None:
        """A connection for ``accept`` to return."""
        self.pending.append(connection)
        self.changed.wake()

    def accept(self) -> Socket | None:
        if not self.listening:
            raise LinuxError(linux.EINVAL)
        if not self.pending:
            return None
        connection = self.pending.popleft()
        self.wake_callers()
        return connection

    def wake_callers(self) -> None:
        """Those who wait for a place in the queue of connections look again."""
        callers, self.callers = self.callers, set()
        for caller in callers:
            caller.changed.wake()

    def take_in(self, count: int, peek: bool) -> Received:
        """What has come, which there is."""
        if self.kind == linux.SOCK_STREAM:
            return self.incoming.stream(count, peek, self.passes_credentials)
        return self.incoming.record(count, peek)

    def unsent(self) -> int:
        return self.peer.incoming.length if self.peer is not None else 0
