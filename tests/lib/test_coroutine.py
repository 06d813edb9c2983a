"""C threads: sleeping, waking, deadlines, interruption."""

from __future__ import annotations

from typing import Any

from skerry.lib.coroutine import NEVER, Interrupted, Loop, WaitQueue, Watch, sleep_until, wait_any


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


def outcome(log: list[Any]) -> Any:
    return lambda result, error: log.append(error if error is not None else result)


def test_sleeper_goes_on_when_woken_and_says_so() -> None:
    loop, queue, log = Loop(Clock()), WaitQueue(), []
    activity = loop.start(queue.wait(), outcome(log))
    assert activity is not None
    assert activity.asleep
    queue.wake()
    loop.run_ready()
    assert log == [True]
    assert not queue


def test_deadline_ends_a_sleep_and_leaves_the_queue() -> None:
    clock, queue, log = Clock(), WaitQueue(), []
    loop = Loop(clock)
    loop.start(queue.wait(100), outcome(log))
    assert loop.next_deadline() == 100
    clock.now = 99
    loop.run_ready()
    assert log == []
    clock.now = 100
    loop.run_ready()
    assert log == [False]
    assert not queue


def test_first_of_several_queues_wakes_once() -> None:
    loop, first, second, log = Loop(Clock()), WaitQueue(), WaitQueue(), []
    loop.start(wait_any((first, second)), outcome(log))
    first.wake()
    second.wake()
    loop.run_ready()
    assert log == [True]


def test_interruption_is_thrown_into_the_sleep() -> None:
    loop, queue, log = Loop(Clock()), WaitQueue(), []

    async def body() -> str:
        try:
            await queue.wait()
        except Interrupted:
            return "interrupted"
        return "woken"

    activity = loop.start(body(), outcome(log))
    assert activity is not None
    assert activity.interrupt()
    assert not activity.interrupt()
    loop.run_ready()
    assert log == ["interrupted"]
    assert not queue


def test_wake_some_takes_the_longest_waiting_first() -> None:
    loop, queue, log = Loop(Clock()), WaitQueue(), []

    async def body(name: str) -> str:
        await queue.wait()
        return name

    for name in "abc":
        loop.start(body(name), outcome(log))
    assert queue.wake_some(2) == 2
    loop.run_ready()
    assert log == ["a", "b"]


def test_activity_that_never_sleeps_ends_at_once() -> None:
    loop, log = Loop(Clock()), []

    async def body() -> int:
        return 5

    assert loop.start(body(), outcome(log)) is None
    assert log == [5]


def test_cancelled_activity_cleans_up_and_says_nothing() -> None:
    clock, log, cleaned = Clock(), [], []
    loop = Loop(clock)

    async def body() -> None:
        try:
            await sleep_until(10)
        finally:
            cleaned.append(1)

    activity = loop.start(body(), outcome(log))
    assert activity is not None
    activity.cancel()
    clock.now = 20
    loop.run_ready()
    assert (cleaned, log) == ([1], [])


def test_interruption_of_one_who_was_woken_waits_for_the_next_sleep() -> None:
    loop, queue, log = Loop(Clock()), WaitQueue(), []

    async def body() -> None:
        log.append(await queue.wait())
        await queue.wait()

    activity = loop.start(body(), outcome(log))
    assert activity is not None
    queue.wake()
    assert not activity.interrupt()
    loop.run_ready()
    assert log[0] is True
    assert isinstance(log[1], Interrupted)


def test_interruption_before_the_start_ends_the_first_sleep() -> None:
    loop, queue, log = Loop(Clock()), WaitQueue(), []
    activity = loop.start(queue.wait(), outcome(log), interrupted=True)
    assert activity is not None
    loop.run_ready()
    assert isinstance(log[0], Interrupted)
    assert not queue


def test_cancelled_timers_are_forgotten() -> None:
    clock, rung = Clock(), []
    loop = Loop(clock)
    kept = [loop.call_at(10**9 + n, lambda n=n: rung.append(n)) for n in range(3)]
    for _ in range(10_000):
        loop.call_at(10**15, lambda: rung.append(-1)).cancel()
    assert len(loop._timers) < 1000
    kept[0].cancel()
    kept[0].cancel()
    clock.now = 10**16
    loop.run_ready()
    kept[1].cancel()
    assert rung == [1, 2]
    assert loop.next_deadline() == NEVER


def test_watch_hears_every_wake_until_it_is_cancelled() -> None:
    queue, heard = WaitQueue(), []
    watch = Watch(queue, lambda: heard.append(len(heard)))
    queue.wake()
    assert queue.wake_some(1) == 0
    watch.cancel()
    queue.wake()
    assert heard == [0, 1]
    assert not queue


def test_timers_that_are_due_again_and_again_let_the_loop_go() -> None:
    """Seen to fail: a driver whose client took no messages tried again for each, and never received another."""
    clock, rounds = Clock(), []
    loop = Loop(clock)

    async def busy() -> None:
        while len(rounds) < 50:
            rounds.append(clock.now)
            clock.now += 10  # longer than the sleep
            await sleep_until(clock.now - 5)

    loop.start(busy(), outcome([]))
    loop.run_ready()
    assert len(rounds) == 2
    assert loop.next_deadline() <= clock.now
    for _ in range(60):
        loop.run_ready()
    assert len(rounds) == 50


def test_what_was_due_before_time_began_is_due_at_once() -> None:
    """Seen to fail: a wait until 1970 on a clock of its own, in the time of the machine."""
    called: list[str] = []
    loop = Loop(lambda: 5)
    loop.call_at(-(1 << 70), lambda: called.append("long ago"))
    assert loop.next_deadline() == 0
    loop.run_ready()
    assert called == ["long ago"]
