"""Processor time: what processes used, and the limits and timers on it.

What a process uses is what the host process that runs it uses: the Unix server's work for it is not counted. How its time divides into
user and system time is known in ticks only. What children used counts once they were waited for.

Source: getrusage(2), setrlimit(2) RLIMIT_CPU, setitimer(2).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.lib.coroutine import Timer
from skerry.unix import signals
from skerry.unix.usage import Usage

if TYPE_CHECKING:
    from skerry.unix.process import Process, Thread

SECOND: Final = 1_000_000_000
TICK: Final = 10_000_000  # ns: how exact limits and timers are


def used(process: Process) -> int:
    """Nanoseconds that the process has used itself."""
    return process.memory.space.cpu_time() if process.exit_status is None else process.usage.time


def usage(process: Process) -> Usage:
    """What the process has used itself, up to now."""
    return _look(process) if process.exit_status is None else process.usage


def _look(process: Process) -> Usage:
    space = process.memory.space
    time = space.cpu_time()
    user, system, small, large, size = space.usage()
    return Usage(time, time * system // (user + system) if system else 0, small, large, size)


def thread_usage(thread: Thread) -> Usage:
    """What one thread of a process has used."""
    process = thread.process
    if len(process.threads) <= 1 and not process.memory.space.contexts > 1:  # it is the whole process, and that is quicker told
        return usage(process)
    time, user, system, small, large = thread.user.usage()
    return Usage(time, time * system // (user + system) if system else 0, small, large, usage(process).peak)


def end(process: Process) -> None:
    """The process dies: keep what it used; called while its memory lives."""
    if process.memory.references == 1:
        process.usage = _look(process)


def waited_for(child: Process) -> None:
    """The parent has waited: what the child and its children used is the parent's children's."""
    if child.parent is not None:
        child.parent.children_usage.add(with_children(child))


def with_children(child: Process) -> Usage:
    """What a dead child has used, and its own children that it waited for: what wait4 says."""
    total = Usage()
    total.add(child.usage)
    total.add(child.children_usage)
    return total


class ProcessorTimer:
    """Calls ``ring`` when ``process`` has used ``due`` ns of processor time, unless it was cancelled or the process is dead."""

    def __init__(self, process: Process, due: int, ring: Callable[[], None]) -> None:
        self.due = due
        self._process = process
        self._ring = ring
        self._timer = self._next_look()

    def cancel(self) -> None:
        self._timer.cancel()

    def _next_look(self) -> Timer:
        """No earlier than all its threads together can have used what is left."""
        process = self._process
        left = self.due - used(process)
        pause = max(left // max(len(process.threads), 1), TICK) if left > 0 else 0
        return process.system.loop.call_at(process.system.platform.monotonic() + pause, self._look)

    def _look(self) -> None:
        process = self._process
        if process.exit_status is not None:
            return
        if used(process) >= self.due:
            self._ring()
        else:
            self._timer = self._next_look()


def limit(process: Process) -> None:
    """Have RLIMIT_CPU obeyed as it is now: SIGXCPU at the soft limit and each second after it, SIGKILL at the hard one."""
    if process.limit_timer is not None:
        process.limit_timer.cancel()
        process.limit_timer = None
    soft, hard = process.limits.get(linux.RLIMIT_CPU, (linux.RLIM_INFINITY, linux.RLIM_INFINITY))
    if soft == linux.RLIM_INFINITY:
        return
    soft, hard = max(1, soft), max(1, hard)

    def ring() -> None:
        seconds = used(process) // SECOND
        if seconds >= hard:
            signals.send(process, signals.SignalInfo(linux.SIGKILL))
            return
        signals.send(process, signals.SignalInfo(linux.SIGXCPU))
        process.limit_timer = ProcessorTimer(process, (seconds + 1) * SECOND, ring)

    process.limit_timer = ProcessorTimer(process, soft * SECOND, ring)


class IntervalTimer:
    """ITIMER_VIRTUAL or ITIMER_PROF of a process: sends ``signo`` when ``value`` ns more are used, and each ``interval`` ns after."""

    def __init__(self, process: Process, signo: int, value: int, interval: int) -> None:
        self.interval = interval
        self._process = process
        self._signo = signo
        self._timer: ProcessorTimer | None = ProcessorTimer(process, used(process) + value, self._ring)

    def left(self) -> int:
        """Nanoseconds until the signal; 0 if there will be none."""
        return max(1000, self._timer.due - used(self._process)) if self._timer is not None else 0

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self) -> None:
        signals.send(self._process, signals.SignalInfo(self._signo))
        due = used(self._process) + self.interval
        self._timer = ProcessorTimer(self._process, due, self._ring) if self.interval else None
