"""Signals to the command are signals to the program."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.machine import HostEvent, Machine
from skerry.unix import signals

if TYPE_CHECKING:
    from skerry.unix.process import System

PASSED_ON: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH)


class SignalRelay:
    """While it is entered, signals to the command go to the first process and the terminal's foreground group."""

    def __init__(self, machine: Machine, system: System) -> None:
        self._machine = machine
        self._system = system
        self._caught: list[int] = []

    def __enter__(self) -> None:
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._old = {number: signal.signal(number, self._catch) for number in PASSED_ON}
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
        group = self._system.terminal.foreground
        first = self._system.first
        for number in caught:
            for process in list(self._system.processes.values()):
                if process is first or (group and process.pgid == group) or (not group and first and process.pgid == first.pgid):
                    signals.send(process, signals.SignalInfo(number, linux.SI_USER))
