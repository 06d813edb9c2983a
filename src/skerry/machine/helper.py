"""A helper: a host process with the user's own files and network, which answers messages on a socket. For work that may block.

It is no part of the system that programs see, and no wall stands around it: it runs trusted code alone. It dies with the kernel.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from skerry.machine.hardware import HostEvent, Machine, MachineError

MESSAGE_MOST: Final = 128 << 10  # bytes
_START: Final = "import sys; sys.path[:] = {path!r}; from {module} import main; main({descriptor}, {kernel}, *{arguments!r})"
_DESCRIPTOR: Final = 3


class Helper:
    """A helper process. Messages are whole: one that is sent is one that is received."""

    def __init__(self, module: str, arguments: tuple[str | int, ...]) -> None:
        """Start ``module``'s ``main(descriptor, pid of the kernel, *arguments)``. Raises OSError."""
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (self._socket, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * MESSAGE_MOST)
        path = [str(Path(__file__).parents[2]), *(entry for entry in sys.path if entry)]
        program = _START.format(path=path, module=module, descriptor=_DESCRIPTOR, kernel=os.getpid(), arguments=arguments)
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDWR, 0),
            (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_RDWR, 0),
            (os.POSIX_SPAWN_DUP2, theirs.fileno(), _DESCRIPTOR),
        ]
        try:
            self._pid = os.posix_spawn(sys.executable, [sys.executable, "-c", program], os.environ, file_actions=actions)
        except OSError:
            self._socket.close()
            raise
        finally:
            theirs.close()
        self._event: HostEvent | None = None
        self._machine: Machine | None = None

    def first_message(self, seconds: float) -> bytes | None:
        """Wait for the first message; b"" if the helper has died, None if there was none in time."""
        self._socket.settimeout(seconds)
        try:
            return self._socket.recv(MESSAGE_MOST)
        except TimeoutError:
            return None
        except OSError:
            return b""

    def watch(self, machine: Machine, received: Callable[[bytes], None]) -> None:
        """Hand every message to ``received``; b"", once, when the helper has died."""
        self._socket.setblocking(False)
        self._machine = machine

        def arrived() -> None:
            try:
                message = self._socket.recv(MESSAGE_MOST)
            except BlockingIOError:
                message = None
            except OSError:
                message = b""
            if message != b"" and self._event is not None:
                machine.watch(self._event)
            if message is not None:
                received(message)

        self._event = HostEvent(self._socket.fileno(), arrived)
        machine.watch(self._event)

    def send(self, message: bytes) -> None:
        """Send; there is room for a few. Raises OSError."""
        self._socket.send(message)

    def close(self, seconds: float = 0.0) -> None:
        """End it: let it finish what it does for ``seconds`` at most. Twice is harmless."""
        if self._event is not None and self._machine is not None:
            with contextlib.suppress(OSError, ValueError):  # it is not watched at the moment
                self._machine.unwatch(self._event)
            self._event = None
        if not self._pid:
            return
        self._socket.close()
        with contextlib.suppress(OSError):
            descriptor = os.pidfd_open(self._pid)
            try:
                if seconds:
                    select.select([descriptor], [], [], seconds)
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            finally:
                os.close(descriptor)
        with contextlib.suppress(ChildProcessError):  # the machine may have reaped it
            os.waitpid(self._pid, 0)
        self._pid = 0


def serve(descriptor: int, kernel: int, greeting: bytes, answer: Callable[[bytes], bytes]) -> None:
    """In the helper: greet, then answer each message, until the kernel closes. Raises MachineError where the kernel is gone."""
    with socket.socket(fileno=descriptor) as kernel_end:
        if os.getppid() != kernel:
            raise MachineError("the kernel is gone")
        kernel_end.send(greeting)
        while True:
            message = kernel_end.recv(MESSAGE_MOST)
            if not message:
                return
            kernel_end.send(answer(message))


def settle(kernel: int) -> None:
    """In the helper, first of all: die with the kernel, hear no key that is typed to the command, run on any processor."""
    from skerry.machine import _channel

    os.setsid()
    with contextlib.suppress(OSError):
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
    if not _channel.follow(kernel):
        os._exit(0)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
