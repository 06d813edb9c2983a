"""A host descriptor as a byte stream: the terminal, pipe or file that the command was given."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import stat
from collections.abc import Callable
from typing import TYPE_CHECKING

from skerry.machine.hardware import HostEvent

if TYPE_CHECKING:
    from skerry.machine.hardware import Machine


class Stream:
    """A descriptor that stays the caller's; its flags are not changed, so reads are made only when they cannot block."""

    def __init__(self, machine: Machine, descriptor: int) -> None:
        self._machine = machine
        self._descriptor = descriptor
        status = os.fstat(descriptor)
        self.mode = status.st_mode
        self.kind = stat.S_IFMT(status.st_mode)
        self.rdev = status.st_rdev
        self.is_terminal = os.isatty(descriptor)
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)

    def readable(self) -> bool:
        """Whether read would not block: there is data, or the end."""
        return bool(self._poll.poll(0))

    def read(self, count: int) -> bytes | None:
        """Bytes; b"" at the end; None where it would block. Raises OSError."""
        if not self.readable():
            return None
        return os.read(self._descriptor, count)

    def write(self, data: bytes) -> int | None:
        """How much was written; None where it would block. Raises OSError."""
        try:
            return os.write(self._descriptor, data)
        except OSError as error:
            if error.errno == errno.EAGAIN:
                select.select((), (self._descriptor,), (), 0.05)
                return None
            raise

    def control(self, request: int, argument: bytes) -> bytes:
        """An ioctl with a buffer. Raises OSError."""
        return fcntl.ioctl(self._descriptor, request, argument)

    def seek(self, offset: int, whence: int) -> int:
        """The new position. Raises OSError."""
        return os.lseek(self._descriptor, offset, whence)

    def subscribe(self, callback: Callable[[], None]) -> None:
        """Call once when it becomes readable."""
        self._machine.watch(HostEvent(self._descriptor, callback))
