"""A host descriptor as a byte stream: the terminal, pipe or file that the command was given."""

from __future__ import annotations

import fcntl
import os
import select
import stat
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from skerry.machine.hardware import HostEvent

if TYPE_CHECKING:
    from skerry.machine.hardware import Machine


PIPE_BUF: Final = select.PIPE_BUF  # what a pipe takes at once when it is writable


class Stream:
    """A descriptor that stays the caller's; its flags are not changed, so it is read and written only when that cannot block."""

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
        self._room = select.poll()
        self._room.register(descriptor, select.POLLOUT)
        self._writing: HostEvent | None = None

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
        if self.kind == stat.S_IFREG:
            return os.write(self._descriptor, data)
        done = 0
        view = memoryview(data)
        while self._room.poll(0):
            try:
                step = os.write(self._descriptor, view[done : done + PIPE_BUF])
            except BlockingIOError:
                break
            done += step
            if done == len(data) or step < PIPE_BUF:
                return done
        return done or None

    def writable(self) -> bool:
        """Whether write would take something: there is room, or nobody reads any more."""
        return bool(self._room.poll(0))

    def control(self, request: int, argument: bytes) -> bytes:
        """An ioctl with a buffer. Raises OSError."""
        return fcntl.ioctl(self._descriptor, request, argument)

    def seek(self, offset: int, whence: int) -> int:
        """The new position. Raises OSError."""
        return os.lseek(self._descriptor, offset, whence)

    def truncate(self, size: int) -> None:
        """Change the length of a regular file. Raises OSError."""
        os.ftruncate(self._descriptor, size)

    def subscribe(self, callback: Callable[[], None]) -> None:
        """Call once when it becomes readable."""
        self._machine.watch(HostEvent(self._descriptor, callback))

    def subscribe_writable(self, callback: Callable[[], None]) -> None:
        """Call once when it becomes writable."""
        if self._writing is None:  # reading is watched by the number; this is another
            self._writing = HostEvent(os.dup(self._descriptor), callback)
        self._writing.callback = callback
        self._machine.watch(self._writing, readable=False, writable=True)
