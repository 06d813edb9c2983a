"""Asynchronous input and output as the kernel offers it (io_setup and its kin; what libaio calls).

A request is carried out when it is submitted, as Linux does with files that are not opened O_DIRECT; its event waits to be fetched.

Source: io_submit(2), io_getevents(2); include/uapi/linux/aio_abi.h.
"""

from __future__ import annotations

import struct
from collections import deque
from typing import Final, NamedTuple

from skerry.lib.coroutine import WaitQueue

EVENT: Final = struct.Struct("<QQqq")  # struct io_event: data, obj, res, res2
_IOCB: Final = struct.Struct("<QIIHhIQQqQII")
IOCB_SIZE: Final = _IOCB.size

IOCB_CMD_PREAD: Final = 0
IOCB_CMD_PWRITE: Final = 1
IOCB_CMD_FSYNC: Final = 2
IOCB_CMD_FDSYNC: Final = 3
IOCB_CMD_PREADV: Final = 7
IOCB_CMD_PWRITEV: Final = 8
IOCB_FLAG_RESFD: Final = 1
IOCB_FLAG_IOPRIO: Final = 2
MAX_REQUESTS: Final = 65536  # /proc/sys/fs/aio-max-nr


class Request(NamedTuple):
    """struct iocb."""

    data: int
    key: int
    rw_flags: int
    opcode: int
    priority: int
    fd: int
    buffer: int
    length: int
    offset: int
    reserved: int
    flags: int
    eventfd: int

    @classmethod
    def unpack(cls, data: bytes) -> Request:
        return cls(*_IOCB.unpack(data))


class Context:
    """What io_setup makes: events of requests that are done, oldest first."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.events: deque[bytes] = deque()
        self.arrived = WaitQueue()  # also woken when the context is destroyed
        self.destroyed = False

    @property
    def room(self) -> int:
        """How many requests may be submitted before events are fetched."""
        return self.capacity - len(self.events)

    def complete(self, data: int, request: int, result: int) -> None:
        """The request at address ``request`` is done: a count, or a negative error number."""
        self.events.append(EVENT.pack(data, request, result, 0))
        self.arrived.wake()

    def take(self, count: int) -> bytes:
        """Up to ``count`` events, one behind the other."""
        return b"".join(self.events.popleft() for _ in range(min(count, len(self.events))))
