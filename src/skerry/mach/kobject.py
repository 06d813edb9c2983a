"""Ports that stand for objects of the kernel: a message to one is a call on the object, a message to a reply port is an answer.

The kernel acts on such a message when the operation that sent it is over.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from skerry.mach import right
from skerry.mach.port import Port
from skerry.mach.release import destroy_message, release
from skerry.mach.right import RightKind

if TYPE_CHECKING:
    from skerry.mach.message import Message
    from skerry.mach.processor import Processor


class Kernel(Protocol):
    """What serves calls on objects."""

    processor: Processor

    def serve(self, target: object, message: Message) -> None:
        """Do what the message asks of ``target``, and answer it."""


class ObjectPort:
    """The receiving end of a task's, thread's or host's port."""

    __slots__ = ("_kernel", "target")

    def __init__(self, kernel: Kernel, target: object) -> None:
        self._kernel = kernel
        self.target = target

    def receive(self, message: Message) -> None:
        self._kernel.processor.make_ready(lambda: self._kernel.serve(self.target, message))


def new_object_port(kernel: Kernel, target: object) -> Port:
    """The port of an object; the kernel has its receive right."""
    return Port(ObjectPort(kernel, target))


class ReplyPort:
    """Where the kernel gets one answer: the message, or word that the right to answer was given up (NOTIFY_SEND_ONCE)."""

    __slots__ = ("_answered", "_processor", "port")

    def __init__(self, processor: Processor, answered: Callable[[Message], None]) -> None:
        self._processor = processor
        self._answered: Callable[[Message], None] | None = answered
        self.port = right.make_send_once(Port(self))

    def cancel(self) -> None:
        """No answer is wanted any more."""
        self._answered = None

    def receive(self, message: Message) -> None:
        self._processor.make_ready(lambda: self._act(message))

    def _act(self, message: Message) -> None:
        answered, self._answered = self._answered, None
        if answered is not None:
            answered(message)
        destroy_message(message)
        release((RightKind.RECEIVE, self.port))
