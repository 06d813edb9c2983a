"""MIN and TIME: when a read of a terminal that edits no lines is over.

Source: termios(3), "Canonical and noncanonical mode".
"""

from __future__ import annotations

from typing import Final

from skerry.abi import termios as t
from skerry.lib.coroutine import Loop, Timer, WaitQueue

TENTH: Final = 100_000_000  # ns


class ReadTimer:
    """The timer of the reads of one open file; ``changed`` is woken when it runs out."""

    def __init__(self, loop: Loop, changed: WaitQueue) -> None:
        self._loop = loop
        self._changed = changed
        self._timer: Timer | None = None
        self._seen = 0  # bytes that there were when it was set
        self._expired = False

    def is_over(self, available: int, count: int, characters: bytes) -> bool:
        """Whether a read of ``count`` bytes ends now that ``available`` are there; else it is to be asked again after ``changed``."""
        least, tenths = min(characters[t.VMIN], count), characters[t.VTIME]
        if available >= max(least, 1) or (not least and not tenths) or self._expired:
            self._reset()
            return True
        if tenths and (available or not least) and (self._timer is None or available != self._seen):
            self._reset()
            self._seen = available
            self._timer = self._loop.call_at(self._loop.clock() + tenths * TENTH, self._expire)
        return False

    def _reset(self) -> None:
        self._expired = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        self._timer = None
        if self._changed:  # who was interrupted waits no more
            self._expired = True
            self._changed.wake()
