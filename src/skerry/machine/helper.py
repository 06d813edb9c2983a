"""A helper: a host process with the user's own files and network, which answers messages on a socket. For work that may block.

It is no part of the system that programs see, and no wall stands around it: it runs trusted code alone. It dies with the kernel.

Messages are whole. The first to the helper holds its arguments (JSON), which no other user of the host can read there. All that it sends
begins with a byte that says what it is: GREETING, then an ANSWER to each message; WORKING as often as it likes; TROUBLE, with words for the
user, in place of the greeting or while it finishes.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from skerry.machine.hardware import HostEvent, Machine, MachineError

MESSAGE_MOST: Final = 128 << 10  # bytes
MEMORY: Final = 4 << 30  # bytes of address space that a helper may have
GREETING: Final = b"+"
ANSWER: Final = b"="
WORKING: Final = b"."
TROUBLE: Final = b"!"
_START: Final = "import sys; sys.path[:] = {path!r}; from {module} import main; main({descriptor}, {kernel})"
_DESCRIPTOR: Final = 3


class Helper:
    """A helper process, as the kernel has it."""

    def __init__(self, module: str, arguments: tuple[str | int, ...]) -> None:
        """Start ``module``'s ``main(descriptor, pid of the kernel)``, which makes a ``Connection``. Raises OSError."""
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (self._socket, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * MESSAGE_MOST)
        path = [str(Path(__file__).parents[2]), *(entry for entry in sys.path if entry)]
        program = _START.format(path=path, module=module, descriptor=_DESCRIPTOR, kernel=os.getpid())
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDWR, 0),
            (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_RDWR, 0),
            (os.POSIX_SPAWN_DUP2, theirs.fileno(), _DESCRIPTOR),
        ]
        try:
            self._socket.send(json.dumps(arguments).encode())
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

    def last_messages(self, seconds: float) -> Iterator[bytes | None]:
        """Let it finish what it does, and wait for it; what it says. None, at last: it has been silent for ``seconds``."""
        self._unwatch()
        self._socket.settimeout(seconds)
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
        while message := self.first_message(seconds):
            yield message
        if message is None:
            yield None

    def close(self) -> None:
        """End it. Twice is harmless."""
        self._unwatch()
        if not self._pid:
            return
        self._socket.close()
        with contextlib.suppress(OSError):
            descriptor = os.pidfd_open(self._pid)
            try:
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            finally:
                os.close(descriptor)
        with contextlib.suppress(ChildProcessError):  # the machine may have reaped it
            os.waitpid(self._pid, 0)
        self._pid = 0

    def _unwatch(self) -> None:
        if self._event is not None and self._machine is not None:
            with contextlib.suppress(OSError, ValueError):  # it is not watched at the moment
                self._machine.unwatch(self._event)
            self._event = None


class Connection:
    """The kernel, as a helper has it. A context manager: leaving it ends the connection."""

    def __init__(self, descriptor: int, kernel: int) -> None:
        """``kernel``: its pid. Raises MachineError where it is gone."""
        self._socket = socket.socket(fileno=descriptor)
        if os.getppid() != kernel:
            raise MachineError("the kernel is gone")
        self.arguments: list[Any] = json.loads(self._socket.recv(MESSAGE_MOST))

    def say(self, kind: bytes, words: bytes = b"") -> None:
        """Send a message. Raises OSError: the kernel is gone."""
        self._socket.send(kind + words)

    def serve(self, answer: Callable[[bytes], bytes]) -> None:
        """Greet, and answer each message, until the kernel wants no more. Raises OSError: it is gone."""
        self.say(GREETING)
        while message := self._socket.recv(MESSAGE_MOST):
            self.say(ANSWER, answer(message))

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *error: object) -> None:
        self._socket.close()


def settle(kernel: int) -> None:
    """In the helper, first of all: die with the kernel, hear no key that is typed to the command, run on any processor, have bounds."""
    from skerry.machine import _channel

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    os.setsid()
    with contextlib.suppress(OSError):
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
    if not _channel.follow(kernel):
        os._exit(0)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
