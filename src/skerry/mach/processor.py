"""What is ready to go on, and what is due: the kernel's one place that continues somebody.

Nothing in the kernel runs a waiter in the middle of an operation. An operation makes it ready; it continues when the operation is over, in
the order in which waiters became ready. So the kernel keeps no stacks and its operations are atomic.

Source: Draves et al., Using Continuations to Implement Thread Management and Communication in Operating Systems (1991).
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from typing import Any, Final

NEVER: Final = 1 << 62  # a deadline in ns that does not come


class Timer:
    """A callback that is due at a time (ns)."""

    __slots__ = ("callback", "due")

    def __init__(self, due: int, callback: Callable[[], None]) -> None:
        self.due = due
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Make it do nothing when it is due."""
        self.callback = None

    def __lt__(self, other: Timer) -> bool:
        return self.due < other.due


def _nothing() -> None:
    pass


class Processor:
    """Continuations that are ready, and the timer queue. ``clock`` gives monotonic nanoseconds.

    While ``timers`` is empty there is nothing to do here: the kernel's loop looks at nothing else.
    """

    def __init__(self, clock: Callable[[], int]) -> None:
        self.clock = clock
        self.timers: list[Timer] = []
        self.ready: deque[Callable[[], None]] = deque()  # what waits to be continued
        self._running = False

    def make_ready(self, continuation: Callable[[], None]) -> None:
        """Continue it when the operation that is under way is over."""
        if not self.ready and not self._running:
            heapq.heappush(self.timers, Timer(0, _nothing))  # so that who looks for timers alone comes here
        self.ready.append(continuation)

    def call_after(self, milliseconds: int, callback: Callable[[], None]) -> Timer:
        """Call ``callback`` in that time."""
        timer = Timer(self.clock() + milliseconds * 1_000_000, callback)
        heapq.heappush(self.timers, timer)
        return timer

    def run(self) -> None:
        """Continue what is ready and what is due. Called from a continuation it does nothing: the outer call goes on."""
        if self._running:
            return
        self._running = True
        try:
            while True:
                if self.timers:
                    self._run_timers()
                if not self.ready:
                    return
                self.ready.popleft()()
        finally:
            self._running = False

    def next_deadline(self) -> int:
        """When ``run`` must be called, at the latest (ns)."""
        if self.ready:
            return 0
        timers = self.timers
        while timers and timers[0].callback is None:
            heapq.heappop(timers)
        return timers[0].due if timers else NEVER

    def _run_timers(self) -> None:
        now = self.clock()
        while self.timers and self.timers[0].due <= now:
            callback = heapq.heappop(self.timers).callback
            if callback is not None:
                callback()


class Waiter:
    """Somebody who waits; ``finish`` continues it, once, with a code. Kept in a queue until then."""

    __slots__ = ("_interrupted", "_processor", "_queue", "_timer", "finished")

    def __init__(self, processor: Processor, interrupted: int) -> None:
        self.finished = False
        self._processor = processor
        self._interrupted = interrupted  # the code that an interruption gives
        self._timer: Timer | None = None
        self._queue: deque[Any] | None = None

    def wait_in(self, queue: deque[Any], timeout: int | None, timed_out: Callable[[], None]) -> None:
        """Stand in line; ``timed_out`` is called after ``timeout`` ms (None: never)."""
        queue.append(self)
        self._queue = queue
        if timeout is not None:
            self._timer = self._processor.call_after(timeout, timed_out)

    def interrupt(self) -> bool:
        """thread_abort: break off the wait; False if it was over."""
        if self.finished:
            return False
        self.fail(self._interrupted)
        return True

    def fail(self, code: int) -> None:
        """The wait ended without what was waited for."""
        raise NotImplementedError

    def leave(self) -> None:
        """Be in no queue and under no timer."""
        self.finished = True
        if self._queue is not None:
            self._queue.remove(self)
            self._queue = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def go(self, continuation: Callable[[], None]) -> None:
        """Leave, and continue."""
        self.leave()
        self._processor.make_ready(continuation)
