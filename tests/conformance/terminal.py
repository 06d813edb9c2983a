"""A program in a terminal of the host, and somebody who types what it waits for."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from sidebyside import ENVIRONMENT

LIMIT = 20  # seconds to wait for a text
OWN = {"TERM": "xterm", "PS1": "$ ", "HOME": "/nowhere", "LESSHISTFILE": "-", "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
Step = tuple[str, bytes]  # what is waited for, as a regular expression over what has come since the last step; what is typed then


def in_skerry(command: Sequence[str], *binds: Path) -> list[str]:
    """The command line that runs it inside."""
    shown = [option for directory in binds for option in ("--bind", str(directory))]
    return [sys.executable, "-m", "skerry", "run", "--env", "PS1", "--env", "LESSHISTFILE", *shown, "--", *command]


class Session:
    """A command on a new terminal. A context manager: what is left of it ends with it."""

    def __init__(self, command: Sequence[str]) -> None:
        self.shown = ""
        self.pid, self.terminal = pty.fork()
        if not self.pid:
            os.chdir("/")
            os.execvpe(command[0], list(command), {**ENVIRONMENT, **OWN})

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *error: object) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.terminal)

    def wait_for(self, pattern: str) -> None:
        """Read until what came since the last call matches."""
        came = ""
        deadline = time.monotonic() + LIMIT
        while not re.search(pattern, came):
            assert select.select([self.terminal], [], [], deadline - time.monotonic())[0], (
                f"{pattern!r} did not come: {self.shown + came!r}"
            )
            try:
                came += os.read(self.terminal, 65536).decode(errors="backslashreplace")
            except OSError:
                raise AssertionError(f"it ended before {pattern!r} came: {self.shown + came!r}") from None
        self.shown += came

    def type(self, keys: bytes) -> None:
        """Type them."""
        os.write(self.terminal, keys)

    def end(self) -> int:
        """Read to the end; its exit status as a shell gives it."""
        while True:
            assert select.select([self.terminal], [], [], LIMIT)[0], f"it did not end: {self.shown!r}"
            try:
                self.shown += os.read(self.terminal, 65536).decode(errors="backslashreplace")
            except OSError:  # EIO: nobody has the terminal open any more
                break
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        self.pid = 0
        return status if status >= 0 else 128 - status


def play(command: Sequence[str], steps: Sequence[Step]) -> tuple[str, int]:
    """What is shown, without numbers of processes, and the exit status."""
    with Session(command) as session:
        for pattern, keys in steps:
            session.wait_for(pattern)
            session.type(keys)
        status = session.end()
    return re.sub(r"^(\[\d\]) \d+", r"\1 PID", session.shown, flags=re.MULTILINE), status
