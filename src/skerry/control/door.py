"""The control socket of a running system: named after its process in a directory that only its user enters.

It costs a few system calls at the start and the end, and nothing in between: everything else is imported when somebody connects.
"""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from skerry.machine import HostEvent, Machine

if TYPE_CHECKING:
    from collections.abc import Callable

    from skerry.control.attendant import Attendant
    from skerry.control.recording import Recording
    from skerry.mach.kernel import Kernel
    from skerry.options import Options

    AskUnix = Callable[[bytes, tuple[Any, ...], Callable[[Any], None]], None]


class Control(Protocol):
    """Who has the full control of a system from its start."""

    def begin(self, attendant: Attendant) -> None:
        """The system can be asked."""

    def end(self) -> None:
        """It has ended."""


def directory() -> Path:
    """Where the control sockets of this user's systems are: $XDG_RUNTIME_DIR/skerry, else /tmp/skerry-UID."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime.startswith("/") and os.path.isdir(runtime) and os.stat(runtime).st_uid == os.getuid():
        return Path(runtime) / "skerry"
    return Path(f"/tmp/skerry-{os.getuid()}")


def is_private(place: Path) -> bool:
    """Whether only this user can put sockets into the directory."""
    try:
        status = os.stat(place, follow_symlinks=False)
    except OSError:
        return False
    return status.st_uid == os.getuid() and status.st_mode & 0o40077 == 0o40000


class Door:
    """While it is entered, the system can be looked into. Where the host does not allow a socket, it cannot, and runs all the same."""

    def __init__(self, machine: Machine, kernel: Kernel, options: Options, ask_unix: AskUnix, control: Control | None = None) -> None:
        """``ask_unix`` asks the Unix server's desk. ``control``: who has the full control from the start."""
        self._machine = machine
        self._kernel = kernel
        self._options = options
        self._ask_unix = ask_unix
        self._control = control
        self._began = machine.monotonic()
        self.attendant: Attendant | None = None
        self._path: Path | None = None
        self._recording: Recording | None = None

    def __enter__(self) -> Door:
        self._listen()
        if self._options.trace:
            self._record()
        if self._control is not None:
            self._control.begin(self.open())
        return self

    def _record(self) -> None:
        """Trace from now on, to a file. Raises UserError."""
        from skerry.control.recording import Recording

        self._recording = Recording(self._options.trace, self._kernel, self._ask_unix)

    def _listen(self) -> None:
        place = directory()
        with contextlib.suppress(OSError):
            place.mkdir(mode=0o700, exist_ok=True)
        if not is_private(place):
            return
        path = place / str(os.getpid())
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        try:
            with contextlib.suppress(FileNotFoundError):
                path.unlink()  # of a process that had this number
            listener.bind(str(path))
            listener.listen(8)
        except OSError:
            listener.close()
            return
        self._path, self._listener = path, listener
        self._event = HostEvent(listener.fileno(), self._knocked)
        self._machine.watch(self._event)

    def _knocked(self) -> None:
        with contextlib.suppress(OSError):  # it has gone again
            connected, _ = self._listener.accept()
            self.open().admit(connected, False)
        self._machine.watch(self._event)

    def open(self) -> Attendant:
        """Who answers."""
        if self.attendant is None:
            from skerry.control.attendant import Attendant

            self.attendant = Attendant(self._machine, self._kernel, self._options, self._ask_unix, self._began)
        return self.attendant

    def __exit__(self, *error: object) -> None:
        if self._recording is not None:
            self._recording.close()
        if self._control is not None:
            self._control.end()
        if self.attendant is not None:
            self.attendant.close()
        if self._path is not None:
            self._machine.unwatch(self._event)
            self._listener.close()
            with contextlib.suppress(OSError):
                self._path.unlink()
