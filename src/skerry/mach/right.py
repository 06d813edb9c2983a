"""Rights outside of any name space: making, copying and releasing them, and the death of ports.

What is released here was counted on its port (``port.sends`` and so on). Releases cascade (a dead port's messages carry rights, whose
release kills ports): they are worked off from a list, so no chain of messages makes the kernel recurse.

Source: Mach 3 Kernel Interfaces, chapter 3; notifications: chapter 3, do_mach_notify_*.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final

from skerry.abi import mach

if TYPE_CHECKING:
    from skerry.mach.message import Message
    from skerry.mach.port import Port


class RightKind(IntEnum):
    """mach_port_right_t."""

    SEND = mach.MACH_PORT_RIGHT_SEND
    RECEIVE = mach.MACH_PORT_RIGHT_RECEIVE
    SEND_ONCE = mach.MACH_PORT_RIGHT_SEND_ONCE
    PORT_SET = mach.MACH_PORT_RIGHT_PORT_SET
    DEAD_NAME = mach.MACH_PORT_RIGHT_DEAD_NAME

    @property
    def type(self) -> int:
        """mach_port_type_t bit."""
        return 1 << (16 + self)


CARRIED: Final = {  # what a disposition becomes on the way
    mach.MSG_TYPE_MOVE_RECEIVE: RightKind.RECEIVE,
    mach.MSG_TYPE_MOVE_SEND: RightKind.SEND,
    mach.MSG_TYPE_COPY_SEND: RightKind.SEND,
    mach.MSG_TYPE_MAKE_SEND: RightKind.SEND,
    mach.MSG_TYPE_MOVE_SEND_ONCE: RightKind.SEND_ONCE,
    mach.MSG_TYPE_MAKE_SEND_ONCE: RightKind.SEND_ONCE,
}
RECEIVED: Final = {  # what the receiver reads of it
    RightKind.RECEIVE: mach.MSG_TYPE_PORT_RECEIVE,
    RightKind.SEND: mach.MSG_TYPE_PORT_SEND,
    RightKind.SEND_ONCE: mach.MSG_TYPE_PORT_SEND_ONCE,
}

Held = tuple[RightKind, "Port"]


def make_send(port: Port) -> Port:
    """A new send right; it counts as made. A dead port gives a dead right."""
    if not port.dead:
        port.sends += 1
        port.make_sends += 1
    return port


def copy_send(port: Port) -> Port:
    """One more send right of one that the caller holds."""
    if not port.dead:
        port.sends += 1
    return port


def make_send_once(port: Port) -> Port:
    """A new send-once right."""
    if not port.dead:
        port.send_onces += 1
    return port


def release(*held: Held) -> None:
    """Give up rights: a receive right's port dies, an unused send-once right tells its receiver, a last send right may do so."""
    doomed = list(held)
    while doomed:
        kind, port = doomed.pop()
        if port.dead:
            continue
        if kind is RightKind.SEND:
            doomed += drop_send(port)
        elif kind is RightKind.SEND_ONCE:
            doomed += notify.send_once(port)
        else:
            doomed += _destroy(port)


def drop_send(port: Port) -> list[Held]:
    """Take one off the send rights; the notification that no sender is left may leave rights to be released."""
    port.sends -= 1
    if port.sends == 0 and port.no_senders is not None:
        waiting, port.no_senders = port.no_senders, None
        return notify.no_senders(waiting, port.make_sends)
    return []


def destroy_message(message: Message) -> None:
    """Release everything in a message, the destination's right included; a send-once right that carried it is used up by that."""
    release(*undelivered(message))


def undelivered(message: Message) -> list[Held]:
    """What a message that nobody receives leaves to be released."""
    held = message.rights()
    if message.accepted is not None:
        held += notify.message_accepted(message.accepted)
    port = message.remote
    if not port.dead:
        if message.remote_kind is RightKind.SEND_ONCE:
            port.send_onces -= 1
        else:
            held.append((RightKind.SEND, port))
    return held


def _destroy(port: Port) -> list[Held]:
    """The receive right is given up: somebody asked for it, or the port dies. What is left to release."""
    port.leave_set()
    port.receiver = None
    port.destination = None
    if port.port_destroyed is not None:
        waiting, port.port_destroyed = port.port_destroyed, None
        move_receive(port)
        return notify.port_was_destroyed(waiting, port)
    port.dead = True
    port.traps = None
    port.fail_receivers(mach.MACH_RCV_PORT_DIED)
    left: list[Held] = []
    if port.no_senders is not None:
        left.append((RightKind.SEND_ONCE, port.no_senders))
        port.no_senders = None
    for message in port.messages:
        left += undelivered(message)
    port.messages.clear()
    while port.blocked:  # as if their messages had been sent and had died with the port
        sender = port.blocked[0]
        left += undelivered(sender.message)
        sender.fail(mach.MACH_MSG_SUCCESS)
    for entry in list(port.entries):
        waiting_too = entry.die()
        if waiting_too is not None:
            left += notify.dead_name(waiting_too, entry.name)
    return left


def move_receive(port: Port) -> None:
    """The receive right leaves its name space: what counts from its last move starts anew."""
    port.leave_set()
    port.fail_receivers(mach.MACH_RCV_PORT_DIED)
    port.receiver = None
    port.destination = None
    port.make_sends = 0
    port.sequence = 0


def leads_to(port: Port, destination: Port) -> bool:
    """Whether a message to ``destination`` that carries ``port``'s receive right would lie, at last, in ``port``'s own queue."""
    step: Port | None = destination
    while step is not None:
        if step is port:
            return True
        step = step.destination
    return False


from skerry.mach import notify  # noqa: E402  # notifications are messages, and messages carry rights
