"""A host descriptor as a byte stream: the terminal, pipe or file that the command was given."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import select
import signal
import stat
import termios
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from skerry.machine.hardware import HostEvent

if TYPE_CHECKING:
    from skerry.machine.hardware import Machine


PIPE_BUF: Final = select.PIPE_BUF  # what a pipe takes at once when it is writable
WAITERS: Final = 1024  # at a time
_CONTROLS: Final = {  # what may be asked of the terminal, and the size of its buffer; None: it takes a number. Never what types into it.
    termios.TCGETS: 36,
    termios.TCSETS: 36,
    0x5405: 18,  # TCGETA, TCSETA
    0x5406: 18,
    0x802C542A: 44,  # TCGETS2, TCSETS2
    0x402C542B: 44,
    termios.TIOCGWINSZ: 8,
    termios.TIOCSWINSZ: 8,
    termios.FIONREAD: 4,
    termios.TIOCOUTQ: 4,
    termios.TCFLSH: None,
    termios.TCXONC: None,
}


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
        self._readers: list[Callable[[], None]] = []
        self._writers: list[Callable[[], None]] = []

    def readable(self) -> bool:
        """Whether read would not block: there is data, or the end."""
        return bool(self._poll.poll(0))

    def read(self, count: int) -> bytes | None:
        """Bytes; b"" at the end; None where it would block. Raises OSError."""
        if self.is_terminal and os.tcgetpgrp(self._descriptor) != os.getpgrp():
            os.kill(0, signal.SIGTTIN)  # what the host does to who reads in the background; a read that is continued would block
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

    def control(self, request: int, argument: bytes | int) -> bytes:
        """An ioctl of a terminal, with a buffer of the size that it has, or a number. Raises OSError (ENOTTY: it may not be asked)."""
        size = len(argument) if isinstance(argument, bytes) else None
        if request not in _CONTROLS or _CONTROLS[request] != size:  # a number in place of a buffer would be an address here
            raise OSError(errno.ENOTTY, os.strerror(errno.ENOTTY))
        result = fcntl.ioctl(self._descriptor, request, argument)
        return result if isinstance(result, bytes) else b""

    def seek(self, offset: int, whence: int) -> int:
        """The new position. Raises OSError."""
        return os.lseek(self._descriptor, offset, whence)

    def truncate(self, size: int) -> None:
        """Change the length of a regular file. Raises OSError."""
        os.ftruncate(self._descriptor, size)

    def subscribe(self, callback: Callable[[], None]) -> None:
        """Call once when it becomes readable. ENOBUFS: too many wait."""
        self._require_room(self._readers)
        self._readers.append(callback)
        if len(self._readers) == 1:
            self._machine.watch(HostEvent(self._descriptor, self._call_readers))

    @staticmethod
    def _require_room(waiters: list[Callable[[], None]]) -> None:
        if len(waiters) >= WAITERS:
            raise OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS))

    def _call_readers(self) -> None:
        readers, self._readers = self._readers, []
        for callback in readers:
            callback()

    def subscribe_writable(self, callback: Callable[[], None]) -> None:
        """Call once when it becomes writable. ENOBUFS: too many wait."""
        self._require_room(self._writers)
        self._writers.append(callback)
        if len(self._writers) == 1:
            if self._writing is None:  # reading is watched by the number; this is another
                self._writing = HostEvent(os.dup(self._descriptor), self._call_writers)
            self._machine.watch(self._writing, readable=False, writable=True)

    def _call_writers(self) -> None:
        writers, self._writers = self._writers, []
        for callback in writers:
            callback()


class GivenStream(Stream):
    """A descriptor that is the stream's own until it is closed, and never a terminal: who gave it controls the terminal."""

    def __init__(self, machine: Machine, descriptor: int) -> None:
        """The descriptor is taken over. Raises OSError."""
        super().__init__(machine, descriptor)
        self.is_terminal = False
        self._closed = False

    def close(self) -> None:
        """Give the descriptor up. Who still uses the stream gets EIO."""
        if self._closed:
            return
        self._closed = True
        if self._readers:
            self._machine.unwatch(HostEvent(self._descriptor, self._call_readers))
        if self._writing is not None:
            if self._writers:
                self._machine.unwatch(self._writing)
            os.close(self._writing.descriptor)
            self._writing = None
        os.close(self._descriptor)
        self._call_readers()
        self._call_writers()

    def _require_open(self) -> None:
        if self._closed:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def readable(self) -> bool:
        return self._closed or super().readable()

    def writable(self) -> bool:
        return self._closed or super().writable()

    def read(self, count: int) -> bytes | None:
        self._require_open()
        return super().read(count)

    def write(self, data: bytes) -> int | None:
        self._require_open()
        return super().write(data)

    def control(self, request: int, argument: bytes | int) -> bytes:
        self._require_open()
        return super().control(request, argument)

    def seek(self, offset: int, whence: int) -> int:
        self._require_open()
        return super().seek(offset, whence)

    def truncate(self, size: int) -> None:
        self._require_open()
        super().truncate(size)

    def subscribe(self, callback: Callable[[], None]) -> None:
        if self._closed:
            callback()
        else:
            super().subscribe(callback)

    def subscribe_writable(self, callback: Callable[[], None]) -> None:
        if self._closed:
            callback()
        else:
            super().subscribe_writable(callback)


class TerminalModes:
    """While it is entered, whatever becomes of the modes of the terminals among the standard streams: in the end they are as before."""

    def __enter__(self) -> None:
        self._saved = [(descriptor, termios.tcgetattr(descriptor)) for descriptor in range(3) if os.isatty(descriptor)]

    def __exit__(self, *error: object) -> None:
        for descriptor, modes in self._saved:
            with contextlib.suppress(OSError, termios.error):  # it was hung up
                if termios.tcgetattr(descriptor) != modes and os.tcgetpgrp(descriptor) == os.getpgrp():
                    termios.tcsetattr(descriptor, termios.TCSANOW, modes)  # what is shown may be stopped for ever
