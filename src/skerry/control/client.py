"""Looking into the running systems of the same user, from another process."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from skerry.control.door import directory, is_private
from skerry.control.lines import CHUNK, LONGEST_ANSWER, Lines, encode
from skerry.options import UserError

PATIENCE: Final = 5.0  # seconds that a system may take to answer: it may be stopped


class Gone(Exception):
    """The system has ended."""


class Unanswered(Exception):
    """The system does not answer in time."""


class Client:
    """A connection to one system. A context manager."""

    def __init__(self, path: Path) -> None:
        """Raises OSError: nobody listens there."""
        self.pid = int(path.name)
        self.traced: list[dict[str, Any]] | None = None  # what a trace had when the system ended
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.settimeout(PATIENCE)
            self._socket.connect(str(path))
        except OSError:
            self._socket.close()
            raise
        self._lines = Lines(LONGEST_ANSWER)
        self._last = 0

    def ask(self, do: str, patience: float = PATIENCE, **arguments: Any) -> Any:
        """The result of a request. Raises Gone, Unanswered; UserError where it is refused."""
        self._last += 1
        try:
            self._socket.sendall(encode({"id": self._last, "do": do} | arguments))
        except OSError as error:
            raise Gone from error
        due = time.monotonic() + patience
        while True:
            for message in self._receive(due - time.monotonic()):
                if message.get("id") != self._last:
                    continue
                if "refused" in message:
                    raise UserError(message["refused"], 1)
                return message["result"]

    def wait(self, seconds: float) -> bool:
        """Let so many seconds pass; True if the system has ended meanwhile."""
        due = time.monotonic() + seconds
        while (left := due - time.monotonic()) > 0:
            try:
                self._receive(left)
            except Gone:
                return True
            except Unanswered:
                break
        return False

    def _receive(self, patience: float) -> list[dict[str, Any]]:
        self._socket.settimeout(max(patience, 0.001))
        try:
            data = self._socket.recv(CHUNK)
        except TimeoutError as error:
            raise Unanswered from error
        except OSError as error:
            raise Gone from error
        if not data:
            raise Gone
        messages = self._lines.feed(data)
        for message in messages:
            if "traced" in message:
                self.traced = message["traced"]
        return messages

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self._socket.close()


def running() -> list[Path]:
    """The sockets of the running systems, in the order of their numbers; those of systems that were killed are removed."""
    found: list[Path] = []
    for place in {directory(), Path(f"/tmp/skerry-{os.getuid()}")}:
        if not is_private(place):
            continue
        found += [path for path in place.iterdir() if path.name.isdigit() and not _is_stale(path)]
    return sorted(found, key=lambda path: int(path.name))


def _is_stale(path: Path) -> bool:
    """Whether the system is gone; then its socket is removed."""
    if Path(f"/proc/{path.name}").exists():
        return False
    with contextlib.suppress(OSError):
        path.unlink()
    return True


def connect(numbers: Sequence[int] = ()) -> Iterator[Client]:
    """A connection to each running system, or to those with these numbers, closed when the next is asked for. Raises UserError."""
    paths = running()
    known = {int(path.name) for path in paths}
    for number in numbers:
        if number not in known:
            raise UserError(f"no system {number}: skerry ps lists those that run", 1)
    for path in paths:
        if numbers and int(path.name) not in numbers:
            continue
        try:
            client = Client(path)
        except OSError:  # it has just ended, or its number is another's now
            continue
        with client:
            yield client


def the_one(number: int | None) -> Client:
    """A connection to the system ``number``, or to the only one that runs. Raises UserError."""
    paths = running()
    if number is None:
        if not paths:
            raise UserError("no system runs: start one with skerry run, in another terminal", 1)
        if len(paths) > 1:
            raise UserError(f"several systems run: give one of {', '.join(path.name for path in paths)}; skerry ps shows what they are", 1)
        number = int(paths[0].name)
    for path in paths:
        if int(path.name) == number:
            with contextlib.suppress(OSError):
                return Client(path)
    raise UserError(f"no system {number}: skerry ps lists those that run", 1)
