"""Ports: queues of messages that the kernel keeps.

A receiver that waits with a *continuation* gets a message by a call, without the queue: Mach's hand-off. Else messages wait in order.

Source: Draves et al., Using Continuations to Implement Thread Management and Communication in Operating Systems (1991).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

Message = TypeVar("Message")


class Port(Generic[Message]):
    """A queue with one receiver."""

    def __init__(self) -> None:
        self.sequence = 0  # messages received so far
        self._queue: deque[Message] = deque()
        self._continuation: Callable[[Message], None] | None = None

    def send(self, message: Message) -> None:
        """Hand the message to the waiting receiver, or queue it."""
        continuation = self._continuation
        if continuation is None:
            self._queue.append(message)
            return
        self.sequence += 1
        continuation(message)

    def receive_with(self, continuation: Callable[[Message], None]) -> None:
        """Wait for messages: ``continuation`` is called with each, those that are queued first."""
        self._continuation = continuation
        while self._queue:
            self.sequence += 1
            continuation(self._queue.popleft())
