"""A message inside the kernel: the rights that it carries are counted on their ports, and its memory is a copy of its own.

Invariant: every right in a message (the destination's, the reply's, those of the body) is owned by the message alone. Whoever takes a
message apart either gives each right to a name space or releases it (``right.release``).

Source: Mach 3 Kernel Interfaces, mach_msg.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from skerry.abi import mach, machmsg
from skerry.mach.right import RightKind

if TYPE_CHECKING:
    from skerry.mach.port import Port
    from skerry.mach.space import Entry


@dataclass(slots=True)
class Data:
    """Inline data: ``number`` elements of ``bits`` bits."""

    name: int
    bits: int
    number: int
    data: bytes


@dataclass(slots=True)
class Rights:
    """Port rights of one kind; None is MACH_PORT_NULL, and port.DEAD is MACH_PORT_DEAD."""

    kind: RightKind
    ports: list[Port | None]
    inline: bool = True


@dataclass(slots=True)
class Memory:
    """Out-of-line data; ``copy`` is what the memory held when it was sent (``vm.MemoryCopy``, or bytes)."""

    name: int
    bits: int
    number: int
    copy: Any


Item = Data | Rights | Memory


class Message:
    """``remote`` is the destination, sent to by a right of ``remote_kind``; ``local`` the reply right."""

    __slots__ = ("accepted", "body", "circular", "id", "items", "local", "local_kind", "remote", "remote_kind", "size", "thread")

    def __init__(
        self, id: int, remote: Port, remote_kind: RightKind, local: Port | None = None, local_kind: RightKind | None = None
    ) -> None:
        self.id = id
        self.remote = remote
        self.remote_kind = remote_kind
        self.local = local
        self.local_kind = local_kind
        self.items: list[Item] | None = None  # None: a simple message
        self.body = b""
        self.size = mach.HEADER_SIZE  # of the bytes that the sender gave
        self.circular = False  # carries a receive right towards that very right
        self.accepted: Entry | None = None  # whose MACH_SEND_NOTIFY waits until the message is taken
        self.thread: Any = None  # the thread that trapped, where the kernel sent this for it

    def body_rights(self) -> Iterator[tuple[RightKind, Port]]:
        """The rights in the body."""
        for item in self.items or ():
            if isinstance(item, Rights):
                for port in item.ports:
                    if port is not None:
                        yield item.kind, port

    def rights(self) -> list[tuple[RightKind, Port]]:
        """Every right in the message but the destination's."""
        found = list(self.body_rights())
        if self.local is not None and self.local_kind is not None:
            found.append((self.local_kind, self.local))
        return found


def simple(id: int, remote: Port, remote_kind: RightKind, *items: machmsg.Item) -> Message:
    """A message of the kernel that carries data alone."""
    message = Message(id, remote, remote_kind)
    message.body = machmsg.pack_items(items)
    message.size = mach.HEADER_SIZE + len(message.body)
    return message


class Observer(Protocol):
    """Who is told of every message, while somebody traces them. Where no task sends or receives, it is the kernel: None."""

    def sent(self, sender: object, message: Message) -> None:
        """Before it is queued or handed over."""

    def delivered(self, port: Port, message: Message) -> None:
        """It comes to its port; what the kernel sends is seen here first."""

    def received(self, receiver: object, message: Message) -> None:
        """Before its rights are the receiver's."""

    def exchanged(self, sender: object, port: Port, id: int, size: int) -> None:
        """Sent and received in one step (``exchange``); ``size`` in bytes."""

    def trapped(self, task: object, number: int, serve: Callable[[], tuple[int, bytes]]) -> tuple[int, bytes]:
        """A trap of a task that serves programs (``abi.traps``): the answer that ``serve`` gives."""


class Observation:
    """Where the observer stands; None: nobody looks."""

    observer: Observer | None

    def __init__(self) -> None:
        self.observer = None


OBSERVATION: Final = Observation()
"""Of this process, which has one kernel."""
