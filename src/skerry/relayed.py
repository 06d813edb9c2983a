"""What becomes inside of a signal to the command, and of a stop of the first process outside. The other half is ``relay``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.unix import lifecycle, sessions, signals
from skerry.unix.process import INIT

if TYPE_CHECKING:
    from skerry.unix.process import System

ENDING: Final = (linux.SIGINT, linux.SIGTERM, linux.SIGHUP)  # those that end a system without a first program
TYPED: Final = (linux.SIGINT, linux.SIGQUIT, linux.SIGTSTP, linux.SIGWINCH)  # what the host's terminal sends


def deliver(system: System, number: int) -> None:
    """Let a signal to the command come inside: what is typed on the terminal to its foreground group, others to the first."""
    console, first = system.console, system.first
    if first is not None and first.pid == INIT:  # it runs nothing: the signal is for the system
        if number in ENDING:
            lifecycle.end_process(first, number)
        return
    group = console.foreground if console is not None and number in TYPED else 0
    if number == linux.SIGHUP and console is not None:
        sessions.hang_up(system, console)
    elif group or first is not None:
        sessions.signal_group(system, group or (first.pgid if first is not None else 0), number)


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
