"""Ports and port sets: queues of messages that the kernel keeps, and the counts of the rights to them.

Invariants:
- ``sends`` counts the send rights: one for each name space that names any, one for each in a message, one for each that the kernel
  holds. ``send_onces`` counts likewise. There is one receive right: in ``receiver``'s name space, in a message (``destination``
  says whither), or the kernel's own.
- A port has either messages or waiting receivers, never both. In a set, receivers wait at the set; the set's ``ready`` holds the
  members that have messages, each once, and takes them in turn, so that none starves.
- Only ``limit`` messages are queued by way of send rights; more senders wait in order. A send-once right ignores the limit.
- A dead port has no messages, no waiters and no names.

Source: Mach 3 Kernel Interfaces, chapters 2 and 3; for redirected traps, Draves 1991.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from skerry.abi import mach
from skerry.mach.message import OBSERVATION
from skerry.mach.processor import Processor, Waiter

if TYPE_CHECKING:
    from skerry.mach.message import Message
    from skerry.mach.space import Entry, Space
    from skerry.mach.task import Task
    from skerry.mach.thread import Thread


class Receiver(Waiter):
    """A receive that waits; it is continued with a code, the message and its sequence number."""

    __slots__ = ("_continuation", "limit")

    def __init__(self, processor: Processor, limit: int, continuation: Callable[[int, Message | None, int], None]) -> None:
        super().__init__(processor, mach.MACH_RCV_INTERRUPTED)
        self.limit = limit  # bytes of the largest message that it takes
        self._continuation = continuation

    def fail(self, code: int) -> None:
        self.complete(code, None, 0)

    def complete(self, code: int, message: Message | None, number: int) -> None:
        """``number``: the sequence number of the message, or the size of one that is too large."""
        continuation = self._continuation
        self.go(lambda: continuation(code, message, number))


class Sender(Waiter):
    """A send that waits for room; it is continued with a code."""

    __slots__ = ("_continuation", "message")

    def __init__(self, processor: Processor, message: Message, continuation: Callable[[int], None]) -> None:
        super().__init__(processor, mach.MACH_SEND_INTERRUPTED)
        self.message = message
        self._continuation = continuation

    def fail(self, code: int) -> None:
        continuation = self._continuation
        self.go(lambda: continuation(code))


class KernelObject(Protocol):
    """What a port stands for whose receive right is the kernel's."""

    def receive(self, message: Message) -> None:
        """Make it ready to be acted upon, when the operation under way is over; the message is the object's from now on."""


class TrapReceiver(Protocol):
    """A server in the kernel's address space that takes traps without a message in between: the thread itself is handed over."""

    def system_call(self, thread: Thread) -> None: ...
    def exception(self, thread: Thread, code: int) -> None:
        """``code``: of the exception; of a bad access a kern_return_t."""

    def interruption(self, thread: Thread) -> None: ...
    def death(self, task: Task) -> None:
        """The host process of a task is gone."""


class MemoryObject(Protocol):
    """Memory that a pager manages."""

    def port_died(self) -> None:
        """Its port has no receiver any more."""


class Port:
    """A queue with one receiver."""

    __slots__ = (
        "blocked",
        "dead",
        "destination",
        "entries",
        "kernel_object",
        "limit",
        "make_sends",
        "memory_object",
        "messages",
        "no_senders",
        "port_destroyed",
        "port_set",
        "receiver",
        "receivers",
        "ring",
        "send_onces",
        "sends",
        "sequence",
        "traps",
    )

    def __init__(self, kernel_object: KernelObject | None = None) -> None:
        self.dead = False
        self.kernel_object = kernel_object  # what the port stands for, where the kernel is the receiver
        self.receiver: Space | None = None
        self.destination: Port | None = None  # where the message goes that carries the receive right
        self.entries: dict[Entry, None] = {}  # every name of it, in every space
        self.sends = 0
        self.send_onces = 0
        self.make_sends = 0  # send rights made since the receive right last moved
        self.sequence = 0  # messages received since then
        self.limit = mach.MACH_PORT_QLIMIT_DEFAULT
        self.messages: deque[Message] = deque()
        self.blocked: deque[Sender] = deque()
        self.receivers: deque[Receiver] = deque()
        self.port_set: PortSet | None = None
        self.no_senders: Port | None = None  # send-once rights that notifications go to
        self.port_destroyed: Port | None = None
        self.traps: TrapReceiver | None = None
        self.ring: Callable[[], None] | None = None  # called when a message is queued: its receiver waits for something else besides
        self.memory_object: MemoryObject | None = None  # that the kernel has of it: who receives here is its pager

    # Redirected traps: the path of every system call
    def send_system_call(self, thread: Thread) -> None:
        """Hand the thread to the waiting server; without one it becomes a message."""
        traps = self.traps
        if traps is not None:
            self.sequence += 1
            traps.system_call(thread)
        else:
            thread.send_call(self)

    def receive_traps(self, server: TrapReceiver) -> None:
        """Have ``server`` take traps by hand-over from now on; threads whose traps are queued come first."""
        self.traps = server
        waiting = [message for message in self.messages if message.thread is not None]
        for message in waiting:
            self.messages.remove(message)
            self.sequence += 1
            message.thread.take_back(message, server)

    # The queue
    @property
    def is_full(self) -> bool:
        return len(self.messages) >= self.limit

    def deliver(self, message: Message) -> None:
        """Hand the message to a receiver that waits, or queue it. The port is alive."""
        if OBSERVATION.observer is not None:
            OBSERVATION.observer.delivered(self, message)
        if self.kernel_object is not None:
            self.kernel_object.receive(message)
            return
        receivers = self.receivers if self.port_set is None else self.port_set.receivers
        while receivers:
            receiver = receivers[0]
            if message.size <= receiver.limit:
                receiver.complete(mach.MACH_MSG_SUCCESS, message, self.next_sequence())
                return
            receiver.complete(mach.MACH_RCV_TOO_LARGE, None, message.size)
        self.messages.append(message)
        if self.port_set is not None and len(self.messages) == 1:
            self.port_set.ready.append(self)
        if self.ring is not None:
            self.ring()

    def take(self) -> Message:
        """Take the first message; the first sender that waits may send."""
        message = self.messages.popleft()
        if self.port_set is not None:
            self.port_set.ready.remove(self)
            if self.messages:
                self.port_set.ready.append(self)
        self.admit()
        return message

    def admit(self) -> None:
        """Let senders go on, in order, as far as there is room."""
        while self.blocked and not self.is_full:
            sender = self.blocked[0]
            sender.fail(mach.MACH_MSG_SUCCESS)
            self.deliver(sender.message)

    def next_sequence(self) -> int:
        """The number of the message that is received now."""
        number = self.sequence
        self.sequence = (number + 1) & 0xFFFFFFFF
        return number

    def fail_receivers(self, code: int) -> None:
        """End every waiting receive."""
        while self.receivers:
            self.receivers[0].fail(code)

    # Sets
    def join(self, port_set: PortSet) -> None:
        """Enter a set: who waits at the port itself is told that it changed."""
        self.fail_receivers(mach.MACH_RCV_PORT_CHANGED)
        self.port_set = port_set
        port_set.members[self] = None
        messages, self.messages = self.messages, deque()
        while messages:
            self.deliver(messages.popleft())

    def leave_set(self) -> None:
        """Be in no set."""
        port_set = self.port_set
        if port_set is not None:
            self.port_set = None
            del port_set.members[self]
            if self.messages:
                port_set.ready.remove(self)


class PortSet:
    """Receive rights that one receive serves."""

    __slots__ = ("members", "ready", "receivers")

    def __init__(self) -> None:
        self.members: dict[Port, None] = {}
        self.ready: deque[Port] = deque()
        self.receivers: deque[Receiver] = deque()

    def destroy(self) -> None:
        """The members stay, alone; who waits learns that the set died."""
        for port in list(self.members):
            port.leave_set()
        while self.receivers:
            self.receivers[0].fail(mach.MACH_RCV_PORT_DIED)


DEAD: Final = Port()
DEAD.dead = True
"""Stands for MACH_PORT_DEAD in messages."""
