"""The host's real-time clock as a device: it tells the time, and rings. It cannot be set.

Every call raises OSError.
"""

from __future__ import annotations

import contextlib
import errno
import heapq
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from skerry.machine import libc
from skerry.machine.hardware import HostEvent

if TYPE_CHECKING:
    from skerry.machine.hardware import Machine

ALARMS: Final = 64  # that are set


class HostClock:
    """The device. Times are nanoseconds since 1970 (UTC)."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._event: HostEvent | None = None  # the host's timer
        self._alarms: list[tuple[int, int, Callable[[], None]]] = []  # a heap: when, in which order they were set, whom to call
        self._last = 0

    def __del__(self) -> None:
        if self._event is not None:
            os.close(self._event.descriptor)

    def time(self) -> int:
        """What time it is."""
        return time.time_ns()

    def alarm(self, due: int, ring: Callable[[], None]) -> None:
        """Call ``ring`` once, when it is ``due``, also if somebody sets the host's clock meanwhile. ENOBUFS: too many are set."""
        if len(self._alarms) >= ALARMS:
            raise OSError(errno.ENOBUFS, os.strerror(errno.ENOBUFS))
        if self._event is None:
            self._event = HostEvent(libc.make_timer(), self._expired)
        self._last += 1
        heapq.heappush(self._alarms, (due, self._last, ring))
        libc.set_timer(self._event.descriptor, max(1, self._alarms[0][0]))
        if len(self._alarms) == 1:
            self._machine.watch(self._event)

    def _expired(self) -> None:
        assert self._event is not None
        with contextlib.suppress(BlockingIOError):
            os.read(self._event.descriptor, 8)
        now = self.time()
        rung = []
        while self._alarms and self._alarms[0][0] <= now:
            rung.append(heapq.heappop(self._alarms)[2])
        if self._alarms:
            libc.set_timer(self._event.descriptor, max(1, self._alarms[0][0]))
            self._machine.watch(self._event)
        for ring in rung:
            ring()
