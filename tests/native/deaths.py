"""Native tasks that die of a call."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import suppress

from skerry.mach.native import NativeTask

Fate = Callable[[NativeTask], str]  # of a task that makes a call: "", or what is lost of it ("request", "answer") as it dies


def kill(task: NativeTask) -> None:
    """As somebody outside would."""
    with suppress(ProcessLookupError):
        signal.pidfd_send_signal(task.process.pidfd, signal.SIGKILL)


def last_calls(name: str, longest: int, lost: str, lives: list[int], first: int = 1) -> Fate:
    """Of the tasks of that name, one after the other, every second dies of one call later than the one before it, from ``first`` on.

    The others die of their call number ``longest``. ``lives``: how many calls each has made.
    """
    tasks: dict[NativeTask, int] = {}

    def fate(task: NativeTask) -> str:
        if task.name != name:
            return ""
        if task not in tasks:
            tasks[task] = len(lives)
            lives.append(0)
        lives[tasks[task]] += 1
        return lost if lives[tasks[task]] == (len(lives) // 2 + first if len(lives) % 2 else longest) else ""

    return fate
