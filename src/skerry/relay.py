"""Signals to the command are signals to the program: how they come in. What becomes of them inside: ``relayed``."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Final

from skerry.machine import HostEvent, Machine

PASSED_ON: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH)


class SignalRelay:
    """While it is entered, signals to the command are handed to ``deliver``, with their numbers."""

    def __init__(self, machine: Machine, has_terminal: bool, deliver: Callable[[int], None]) -> None:
        self._machine = machine
        self._has_terminal = has_terminal
        self._deliver = deliver
        self._caught: list[int] = []

    def __enter__(self) -> None:
        numbers = (*PASSED_ON, signal.SIGTSTP) if self._has_terminal else PASSED_ON
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._old = {number: signal.signal(number, self._catch) for number in numbers}
        self._old_wakeup = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        self._event = HostEvent(self._reader, self._pass_on)
        self._machine.watch(self._event)

    def __exit__(self, *error: object) -> None:
        self._machine.unwatch(self._event)
        signal.set_wakeup_fd(self._old_wakeup)
        for number, handler in self._old.items():
            signal.signal(number, handler)
        os.close(self._reader)
        os.close(self._writer)

    def _catch(self, number: int, frame: object) -> None:
        self._caught.append(number)

    def _pass_on(self) -> None:
        os.read(self._reader, 4096)
        caught, self._caught = self._caught, []
        self._machine.watch(self._event)
        for number in caught:
            self._deliver(number)


def stop_command() -> None:
    """Stop this process, as the terminal does; returns when it has been continued."""
    handler = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTSTP)
    signal.signal(signal.SIGTSTP, handler)


def can_be_continued() -> bool:
    """Whether a shell watches over the command: job control (POSIX: its process group is not orphaned)."""
    parent = os.getppid()
    try:
        return os.getsid(parent) == os.getsid(0) and os.getpgid(parent) != os.getpgrp()
    except OSError:  # it is not to be looked at
        return False
