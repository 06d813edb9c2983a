"""C threads: many activities of a server on one kernel thread.

An *activity* is a coroutine that a server runs. It sleeps on :class:`WaitQueue` objects, on a deadline, or on both; whoever changes
what the queue stands for calls :meth:`WaitQueue.wake`, and the sleeper looks again. An interruption throws into the sleeper.

There is one place where an activity can sleep (``_sleep``) and one that runs it (:meth:`Loop.run_ready`).
Invariant: an activity is either running, in the ready queue, or asleep on its queues and timer; never two of these.

Source: Cooper and Draves, C Threads; Golub et al. 1990, section 4 (the server's threads).
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Iterable
from types import coroutine
from typing import Any

NEVER: int = 1 << 62  # a deadline, in nanoseconds, that does not come
FEW_TIMERS: int = 100  # cancelled ones that may stay


class Interrupted(Exception):
    """The sleep of an activity was broken off, by a signal for example."""


class WaitQueue:
    """Activities (and callbacks) that wait for one thing to change."""

    __slots__ = ("_waiters",)

    def __init__(self) -> None:
        self._waiters: list[_Waiter | Watch] = []

    def wake(self) -> None:
        """Make every sleeper look again."""
        if self._waiters:
            waiters, self._waiters = self._waiters, []
            for waiter in waiters:
                waiter.fire(self)

    def wake_some(self, count: int) -> int:
        """Wake at most ``count`` sleepers, longest waiting first; return how many it were."""
        woken = 0
        waiters, self._waiters = self._waiters, []
        while waiters and woken < count:
            if waiters.pop(0).fire(self):
                woken += 1
        self._waiters[:0] = waiters
        return woken

    async def wait(self, deadline: int = NEVER) -> bool:
        """Sleep until woken; False if ``deadline`` (ns, the loop's clock) came first.

        Raises:
            Interrupted: the activity was interrupted.
        """
        return await wait_any((self,), deadline)

    def __bool__(self) -> bool:
        return bool(self._waiters)


class Watch:
    """A callback that every wake of ``queue`` calls, until it is cancelled. It must not sleep.

    It runs within the wake: what the queue stands for may be about to change still, so it is to look later.
    """

    __slots__ = ("_callback", "_queue")

    def __init__(self, queue: WaitQueue, callback: Callable[[], None]) -> None:
        self._queue = queue
        self._callback: Callable[[], None] | None = callback
        queue._waiters.append(self)

    def fire(self, source: WaitQueue | None) -> bool:
        """Stay in the queue, which has dropped us; nobody was woken."""
        if self._callback is not None:
            self._queue._waiters.append(self)
            self._callback()
        return False

    def cancel(self) -> None:
        """Make wakes call it no more."""
        self._callback = None
        if self in self._queue._waiters:
            self._queue._waiters.remove(self)


class _Waiter:
    """One sleep: fires at most once, whichever queue or timer comes first."""

    __slots__ = ("activity", "queues", "timer")

    def __init__(self, activity: Activity, queues: Iterable[WaitQueue], timer: Timer | None) -> None:
        self.activity: Activity | None = activity
        self.queues = tuple(queues)
        self.timer = timer

    def fire(self, source: WaitQueue | None) -> bool:
        activity = self.activity
        if activity is None:
            return False
        self.detach(source)
        activity.loop.make_ready(activity, source is not None)
        return True

    def detach(self, source: WaitQueue | None = None) -> None:
        """Leave every queue but ``source``, which has dropped us already."""
        if self.activity is not None:
            self.activity.waiter = None
            self.activity = None
        for queue in self.queues:
            if queue is not source and self in queue._waiters:
                queue._waiters.remove(self)
        if self.timer is not None:
            self.timer.cancel()


@coroutine
def _sleep(request: tuple[tuple[WaitQueue, ...], int]) -> Generator[Any, Any, Any]:
    return (yield request)


async def wait_any(queues: Iterable[WaitQueue], deadline: int = NEVER) -> bool:
    """Sleep until one of ``queues`` is woken (True) or ``deadline`` comes (False).

    Raises:
        Interrupted: the activity was interrupted.
    """
    return bool(await _sleep((tuple(queues), deadline)))


async def sleep_until(deadline: int) -> None:
    """Sleep until ``deadline`` (ns, the loop's clock).

    Raises:
        Interrupted: the activity was interrupted.
    """
    await wait_any((), deadline)


class Timer:
    """A callback that is due at a time; ordered by it."""

    __slots__ = ("_loop", "callback", "due")

    def __init__(self, loop: Loop, due: int, callback: Callable[[], None]) -> None:
        self._loop = loop
        self.due = due
        self.callback: Callable[[], None] | None = callback  # None: cancelled, or called

    def cancel(self) -> None:
        """Make the timer do nothing when it is due."""
        if self.callback is not None:
            self.callback = None
            self._loop.timer_cancelled()

    def __lt__(self, other: Timer) -> bool:
        return self.due < other.due


class Activity:
    """A coroutine that the loop runs, and what happens when it ends."""

    __slots__ = ("broken_off", "coroutine", "done", "loop", "waiter")

    def __init__(self, loop: Loop, body: Coroutine[Any, Any, Any], done: Callable[[Any, BaseException | None], None]):
        self.loop = loop
        self.coroutine = body
        self.done = done
        self.waiter: _Waiter | None = None
        self.broken_off: BaseException | None = None  # an interruption that came while it was awake: its next sleep ends with it

    @property
    def asleep(self) -> bool:
        """Whether it waits for something."""
        return self.waiter is not None

    def interrupt(self, error: BaseException | None = None) -> bool:
        """Throw ``error`` (by default Interrupted) into a sleeping activity.

        False if it was not asleep: what woke it comes first, and the error waits for its next sleep.
        """
        if self.waiter is None:
            self.broken_off = error if error is not None else Interrupted()
            return False
        self.waiter.detach()
        self.loop.make_ready(self, error if error is not None else Interrupted())
        return True

    def cancel(self) -> None:
        """Drop an activity: its cleanup runs, its ``done`` does not. One that cancels itself is dropped when it next sleeps."""
        if self.waiter is not None:
            self.waiter.detach()
        self.done = _ignore
        if not getattr(self.coroutine, "cr_running", False):  # which typeshed does not know
            self.coroutine.close()


def _ignore(_result: Any, _error: BaseException | None) -> None:
    pass


class Loop:
    """Runs activities and timers of one server on one context."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self.clock = clock  # monotonic, in nanoseconds
        self._ready: deque[tuple[Activity, Any]] = deque()
        self._timers: list[Timer] = []
        self._cancelled = 0  # of these

    def start(
        self, body: Coroutine[Any, Any, Any], done: Callable[[Any, BaseException | None], None], interrupted: bool = False
    ) -> Activity | None:
        """Run ``body`` until it first sleeps; None if it ended before that. ``done(result, error)`` is called at its end.

        ``interrupted``: an interruption is there already, and its first sleep ends with it.
        """
        activity = Activity(self, body, done)
        if interrupted:
            activity.broken_off = Interrupted()
        return activity if self._step(activity, None) else None

    def make_ready(self, activity: Activity, value: Any) -> None:
        """Let ``activity`` go on with ``value`` (an exception is thrown) when the loop next runs."""
        self._ready.append((activity, value))

    def call_at(self, due: int, callback: Callable[[], None]) -> Timer:
        """Call ``callback`` at ``due`` (ns); at once if that has passed, however long ago."""
        timer = Timer(self, min(max(due, 0), NEVER), callback)
        heapq.heappush(self._timers, timer)
        return timer

    def timer_cancelled(self) -> None:
        """Forget cancelled timers when they are the most: a program can make and cancel far ones without end."""
        self._cancelled += 1
        if self._cancelled > FEW_TIMERS and 2 * self._cancelled > len(self._timers):
            self._timers = [timer for timer in self._timers if timer.callback is not None]
            heapq.heapify(self._timers)
            self._cancelled = 0

    def run_ready(self) -> None:
        """Run what is due now, and what is ready until nothing is.

        What becomes due meanwhile waits for the next time: who calls this hears of the world in between, however busy the timers are.
        """
        if self._timers:
            self._run_timers()
        while self._ready:
            for _ in range(len(self._ready)):
                activity, value = self._ready.popleft()
                self._step(activity, value)

    def next_deadline(self) -> int:
        """When :meth:`run_ready` must be called again, at the latest (ns; 0 for at once)."""
        if self._ready:
            return 0
        timers = self._timers
        while timers and timers[0].callback is None:
            heapq.heappop(timers)
            self._cancelled -= 1
        return timers[0].due if timers else NEVER

    def _run_timers(self) -> None:
        now = self.clock()
        while self._timers and self._timers[0].due <= now:
            timer = heapq.heappop(self._timers)
            callback, timer.callback = timer.callback, None
            if callback is not None:
                callback()
            else:
                self._cancelled -= 1

    def _step(self, activity: Activity, value: Any) -> bool:
        """Run until the next sleep or the end; whether there is more to come."""
        if activity.done is _ignore:
            return False
        try:
            if isinstance(value, BaseException):
                request = activity.coroutine.throw(value)
            else:
                request = activity.coroutine.send(value)
        except StopIteration as stop:
            activity.done(stop.value, None)
            return False
        except Exception as error:
            activity.done(None, error)
            return False
        if activity.done is _ignore:  # it has cancelled itself
            activity.coroutine.close()
            return False
        if activity.broken_off is not None:
            interruption, activity.broken_off = activity.broken_off, None
            self.make_ready(activity, interruption)
            return True
        queues, deadline = request
        waiter = _Waiter(activity, queues, None)
        activity.waiter = waiter
        for queue in queues:
            queue._waiters.append(waiter)
        if deadline < NEVER:
            waiter.timer = self.call_at(deadline, lambda: _expire(waiter))
        return True


def _expire(waiter: _Waiter) -> None:
    waiter.fire(None)
