"""Waiting, in an activity, for a call that ends by a continuation: how a co-located server's coroutine sends and receives messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from skerry.lib.coroutine import Interrupted, WaitQueue


class Interruptible(Protocol):
    """A call that is under way, such as mach_msg's."""

    def interrupt(self) -> bool:
        """Have it end soon, with a code that says so; False if it has ended."""


async def completion(start: Callable[[Callable[..., None]], Interruptible]) -> tuple[Any, ...]:
    """Make the call ``start(continuation)`` and sleep until it ends; what the continuation was called with.

    An interruption of the activity interrupts the call. Nothing is raised for it: the call says itself how it ended, and what it had got by
    then (a message with rights in it) is not lost.
    """
    results: list[tuple[Any, ...]] = []
    queue = WaitQueue()

    def ended(*values: Any) -> None:
        results.append(values)
        queue.wake()

    call = start(ended)
    while not results:
        try:
            await queue.wait()
        except Interrupted:
            call.interrupt()
    return results[0]
