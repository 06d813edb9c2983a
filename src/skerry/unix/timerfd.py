"""Timers that are files: a read says how often the timer has expired since the last one.

A timer rings once; how often it would have rung since is reckoned when somebody asks, and it is set again then. So an expired timer that
nobody reads costs nothing, whatever its interval.

Source: timerfd_create(2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skerry.abi import linux
from skerry.lib.coroutine import Timer
from skerry.unix.anonymous import AnonymousFile
from skerry.unix.errors import LinuxError

if TYPE_CHECKING:
    from skerry.unix.process import Process


class TimerFile(AnonymousFile):
    """A timer on a clock; times are ns, ``due`` on the monotonic clock."""

    def __init__(self, process: Process, wall: bool, flags: int) -> None:
        super().__init__(process, b"[timerfd]", flags & linux.TFD_NONBLOCK)
        self.wall = wall  # absolute times are of the realtime clock
        self.interval = 0
        self._due = 0  # of the next expiration that was not counted; 0: disarmed
        self._counted = 0  # expirations that were not read
        self._timer: Timer | None = None

    def set(self, due: int, interval: int) -> None:
        """First at ``due`` (0: never), then each ``interval`` (0: once)."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._counted = 0
        self._due, self.interval = due, interval
        if due:
            self._arm()

    def _arm(self) -> None:
        self._timer = self.system.loop.call_at(self._due, self.changed.wake)

    def _count(self) -> None:
        """Count what has expired, and set the timer again."""
        now = self.system.platform.monotonic()
        if not self._due or now < self._due:
            return
        if self.interval:
            expirations = (now - self._due) // self.interval + 1
            self._counted += expirations
            self._due += expirations * self.interval
            self._arm()
        else:
            self._counted += 1
            self._due = 0

    def left(self) -> int:
        """Time until the next expiration; 0: none."""
        self._count()
        return max(1, self._due - self.system.platform.monotonic()) if self._due else 0

    def read(self, count: int) -> bytes | None:
        if count < 8:
            raise LinuxError(linux.EINVAL)
        self._count()
        if not self._counted:
            return None
        counted, self._counted = self._counted, 0
        return counted.to_bytes(8, "little")

    def poll(self) -> int:
        expired = self._counted or (self._due and self._due <= self.system.platform.monotonic())
        return linux.POLLIN if expired else 0

    def close(self) -> None:
        self.set(0, 0)
