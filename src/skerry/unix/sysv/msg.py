"""Message queues: messages with a type, taken in order or by type.

Source: msgget(2), msgop(2), msgctl(2).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from skerry.abi import linux, sysv
from skerry.lib.coroutine import WaitQueue
from skerry.unix.errors import LinuxError
from skerry.unix.sysv.identifiers import MOST, Identified, Table

if TYPE_CHECKING:
    from skerry.unix.process import Process

MESSAGE_MAX: Final = 8192  # bytes
QUEUE_BYTES: Final = 16384  # in a queue at first; only root may raise it
SECOND: Final = 1_000_000_000


class MessageQueue(Identified):
    """A queue."""

    def __init__(self, key: int, mode: int, creator: Process) -> None:
        super().__init__(key, mode, creator.credentials, creator.system.platform.realtime())
        self.messages: list[tuple[int, bytes]] = []
        self.length = 0  # bytes in all messages
        self.capacity = QUEUE_BYTES
        self.sent_at = self.received_at = 0  # ns since 1970
        self.sender = self.receiver = 0  # the last pids
        self.arrived = WaitQueue()
        self.left = WaitQueue()

    def describe(self) -> bytes:
        """struct msqid64_ds."""
        times = (self.sent_at // SECOND, self.received_at // SECOND, self.changed // SECOND)
        rest = struct.pack("<3q3Qii2Q", *times, self.length, len(self.messages), self.capacity, self.sender, self.receiver, 0, 0)
        return self.permissions() + rest

    def try_send(self, kind: int, text: bytes, process: Process) -> bool:
        """Whether there was room. Raises EIDRM."""
        if self.removed:
            raise LinuxError(linux.EIDRM)
        if self.length + len(text) > self.capacity or len(self.messages) >= self.capacity:
            return False
        self.messages.append((kind, text))
        self.length += len(text)
        self.sent_at, self.sender = process.system.platform.realtime(), process.pid
        self.arrived.wake()
        return True

    def _index(self, kind: int, flags: int) -> int | None:
        """Which message msgrcv means."""
        if kind == 0:
            return 0 if self.messages else None
        kinds = [message[0] for message in self.messages]
        if kind < 0:
            least = min((k for k in kinds if k <= -kind), default=None)
            return kinds.index(least) if least is not None else None
        return next((index for index, k in enumerate(kinds) if (k == kind) != bool(flags & sysv.MSG_EXCEPT)), None)

    def try_receive(self, kind: int, size: int, flags: int, process: Process) -> tuple[int, bytes] | None:
        """The message, cut to ``size`` bytes with MSG_NOERROR; None if there is none. Raises EIDRM, E2BIG."""
        if self.removed:
            raise LinuxError(linux.EIDRM)
        index = self._index(kind, flags)
        if index is None:
            return None
        found, text = self.messages[index]
        if len(text) > size and not flags & sysv.MSG_NOERROR:
            raise LinuxError(linux.E2BIG)
        del self.messages[index]
        self.length -= len(text)
        self.received_at, self.receiver = process.system.platform.realtime(), process.pid
        self.left.wake()
        return found, text[:size]


class MessageQueues(Table[MessageQueue]):
    """All queues of a system."""

    def facts(self, used: bool) -> bytes:
        """struct msginfo; ``used``: MSG_INFO's, where three fields say what there is."""
        queues = self.objects()
        if used:
            pool, headers, text = len(queues), sum(len(q.messages) for q in queues), sum(q.length for q in queues)
        else:
            pool, headers, text = MOST * QUEUE_BYTES >> 10, QUEUE_BYTES, QUEUE_BYTES
        return struct.pack("<7iH2x", pool, headers, MESSAGE_MAX, QUEUE_BYTES, MOST, 16, text, 0xFFFF)
