"""Event counters: a 64-bit number that writes add to and reads take.

Source: eventfd(2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.unix.anonymous import AnonymousFile
from skerry.unix.errors import LinuxError

if TYPE_CHECKING:
    from skerry.unix.process import Process

MAX: Final = (1 << 64) - 2
SIZE: Final = 8  # bytes of the counter


class EventFile(AnonymousFile):
    """A counter; as a semaphore, reads take 1."""

    def __init__(self, process: Process, count: int, flags: int) -> None:
        super().__init__(process, b"[eventfd]", flags & linux.EFD_NONBLOCK)
        self.count = count
        self._semaphore = bool(flags & linux.EFD_SEMAPHORE)

    def read(self, count: int) -> bytes | None:
        if count < SIZE:
            raise LinuxError(linux.EINVAL)
        if not self.count:
            return None
        taken = 1 if self._semaphore else self.count
        self.count -= taken
        self.changed.wake()
        return taken.to_bytes(SIZE, "little")

    def write(self, data: bytes) -> int | None:
        if len(data) != SIZE:
            raise LinuxError(linux.EINVAL)
        value = int.from_bytes(data, "little")
        if value > MAX:
            raise LinuxError(linux.EINVAL)
        if self.count + value > MAX:
            return None
        self.count += value
        self.changed.wake()
        return SIZE

    def poll(self) -> int:
        bits = linux.POLLIN if self.count else 0
        return bits | linux.POLLOUT if self.count < MAX else bits
