"""POSIX timers of a process: they send a signal when they expire.

A timer that expires again before its signal was taken sends no second one: the expirations are counted when the signal is taken, and the
timer is set again then. So a timer costs no more than the signals that its program takes, whatever its interval.

Source: timer_create(2), timer_settime(2), timer_getoverrun(2); POSIX.1-2017 timer_settime().
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.lib.coroutine import Timer
from skerry.unix import accounting, signals
from skerry.unix.accounting import ProcessorTimer

if TYPE_CHECKING:
    from skerry.unix.process import Process, Thread

DELAYTIMER_MAX: Final = 0x7FFFFFFF
PATIENCE: Final = 10_000_000  # ns: how often to look whether a signal that nobody took is gone


class TimerSignal(signals.SignalInfo):
    """What an expired timer sends: how often it has expired is known when the signal is taken."""

    __slots__ = ("_timer",)

    def __init__(self, timer: ProcessTimer) -> None:
        super().__init__(timer.signo, linux.SI_TIMER)
        self._timer = timer

    def pack(self) -> bytes:
        self._timer.taken(self)
        return super().pack()


class ProcessTimer:
    """A timer of ``process``; ``signo`` 0: it tells nobody. ``thread``: who alone is to get the signal.

    Times are ns on the timer's clock: the monotonic one, or the process's processor time.
    """

    def __init__(self, process: Process, number: int, clock: int, signo: int, value: int, thread: Thread | None) -> None:
        self.signo = signo
        self.wall = clock in (linux.CLOCK_REALTIME, linux.CLOCK_REALTIME_ALARM, linux.CLOCK_TAI)
        self.interval = 0
        self.overrun = 0  # of the last signal that was taken
        self._process = process
        self._number = number
        self._value = value
        self._thread = thread
        self.counts_processor_time = clock < 0 or clock in (linux.CLOCK_PROCESS_CPUTIME_ID, linux.CLOCK_THREAD_CPUTIME_ID)
        self._due = 0  # of the expiration that was not signalled or not taken; 0: disarmed
        self._signal: TimerSignal | None = None  # sent, and not seen to be taken
        self._timer: Timer | ProcessorTimer | None = None

    def now(self) -> int:
        process = self._process
        return accounting.used(process) if self.counts_processor_time else process.system.platform.monotonic()

    def set(self, due: int, interval: int) -> None:
        """First at ``due`` (0: never), then each ``interval`` (0: once)."""
        self.cancel()
        self._due, self.interval = due, interval
        if due and self.signo:
            self._arm(due)

    def cancel(self) -> None:
        """Expire no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._signal = None
        self._due = 0

    def _arm(self, due: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self.counts_processor_time:
            self._timer = ProcessorTimer(self._process, due, self._expire)
        else:
            self._timer = self._process.system.loop.call_at(due, self._expire)

    def _is_pending(self) -> bool:
        signal = self._signal
        queue = self._process.pending if self._thread is None else self._thread.pending
        return signal is not None and any(info is signal for info in queue)

    def _expire(self) -> None:
        self._timer = None
        process = self._process
        if process.exit_status is not None:
            return
        if not self._is_pending():
            self._signal = signal = TimerSignal(self)
            if self._thread is None:
                signals.send(process, signal)
            else:
                signals.send_to_thread(self._thread, signal)
            if not self._is_pending():  # it is ignored
                self._signal = None
                self._forward()
        if self.interval and self._timer is None:
            self._arm(max(self._due, self.now()) + max(self.interval, PATIENCE))

    def _forward(self) -> int:
        """Go on to the next expiration that lies ahead; how many lie behind, beyond the first."""
        if not self.interval:
            self._due = 0
            return 0
        extra = max(0, (self.now() - self._due) // self.interval)
        self._due += (extra + 1) * self.interval
        return extra

    def taken(self, signal: TimerSignal) -> None:
        """The signal goes to the program."""
        if signal is self._signal:
            self._signal = None
            self.overrun = min(self._forward(), DELAYTIMER_MAX)
            signal.rest = struct.pack("<iiQ", self._number, self.overrun, self._value)
            if self._due:
                self._arm(self._due)
        elif not signal.rest:  # the timer was set again, or deleted, since
            signal.rest = struct.pack("<iiQ", self._number, 0, self._value)

    def left(self) -> int:
        """Time until the next expiration; 0: none."""
        if not self._due:
            return 0
        left = self._due - self.now()
        if left <= 0 and self.interval:
            return self.interval - -left % self.interval
        return max(left, 0 if self._signal is not None or not self.signo else 1)
