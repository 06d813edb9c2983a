"""Signals to the command are signals to the program."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.machine import HostEvent, Machine
from skerry.unix import lifecycle, sessions, signals
from skerry.unix.process import INIT

if TYPE_CHECKING:
    from skerry.unix.process import System

PASSED_ON: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH)
ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # of them, those that end a system without a first program
TYPED: Final = (signal.SIGINT, signal.SIGQUIT, signal.SIGTSTP, signal.SIGWINCH)  # what the host's terminal sends


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


def deliver(system: System, number: int) -> None:
    """Let a signal to the command come inside: what is typed on the terminal to its foreground group, others to the first."""
    console, first = system.console, system.first
    if first is not None and first.pid == INIT:  # it runs nothing: the signal is for the system
        if number in ENDING:
            lifecycle.end_process(first, number)
        return
    group = console.foreground if console is not None and number in TYPED else 0
    if number == signal.SIGHUP and console is not None:
        sessions.hang_up(system, console)
    elif group or first is not None:
        sessions.signal_group(system, group or (first.pgid if first is not None else 0), number)


def stop_command() -> None:
    """Stop this process, as the terminal does; returns when it has been continued."""
    handler = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTSTP)
    signal.signal(signal.SIGTSTP, handler)


def stop_with(system: System, stop: Callable[[], None]) -> None:
    """Whenever the first process is stopped, ``stop`` the command, and go on when it is continued."""

    def go_on() -> None:
        first = system.first
        if first is not None:
            signals.send(first, signals.SignalInfo(linux.SIGCONT))

    def stopped() -> None:
        stop()
        if system.console is not None:
            system.console.look()
        system.loop.call_at(0, go_on)

    system.on_stop = stopped


def can_be_continued() -> bool:
    """Whether a shell watches over the command: job control (POSIX: its process group is not orphaned)."""
    parent = os.getppid()
    try:
        return os.getsid(parent) == os.getsid(0) and os.getpgid(parent) != os.getpgrp()
    except OSError:  # it is not to be looked at
        return False
