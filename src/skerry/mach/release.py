"""Giving up rights, and the death of ports.

Releases cascade: a dead port's messages carry rights, whose release kills ports, and every death is told to who asked. They are worked off
from a list, so no chain of messages makes the kernel recurse.

Source: Mach 3 Kernel Interfaces, chapter 3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skerry.abi import mach
from skerry.mach import notify
from skerry.mach.right import Held, RightKind, move_receive

if TYPE_CHECKING:
    from skerry.mach.message import Message
    from skerry.mach.port import Port


def release(*held: Held) -> None:
    """Give up rights: a receive right's port dies, an unused send-once right tells its receiver, a last send right may do so."""
    doomed = list(held)
    while doomed:
        kind, port = doomed.pop()
        if port.dead:
            continue
        if kind is RightKind.SEND:
            doomed += _drop_send(port)
        elif kind is RightKind.SEND_ONCE:
            doomed += notify.send_once(port)
        else:
            doomed += _destroy(port)


def _drop_send(port: Port) -> list[Held]:
    """Take one off the send rights; the notification that no sender is left may leave rights to be released."""
    port.sends -= 1
    if port.sends == 0 and port.no_senders is not None:
        waiting, port.no_senders = port.no_senders, None
        return notify.no_senders(waiting, port.make_sends)
    return []


def destroy_message(message: Message) -> None:
    """Release everything in a message, the destination's right included; a send-once right that carried it is used up by that."""
    release(*_undelivered(message))


def _undelivered(message: Message) -> list[Held]:
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
    if port.memory_object is not None:
        port.memory_object.port_died()
    port.fail_receivers(mach.MACH_RCV_PORT_DIED)
    left: list[Held] = []
    if port.no_senders is not None:
        left.append((RightKind.SEND_ONCE, port.no_senders))
        port.no_senders = None
    for message in port.messages:
        left += _undelivered(message)
    port.messages.clear()
    while port.blocked:  # as if their messages had been sent and had died with the port
        sender = port.blocked[0]
        left += _undelivered(sender.message)
        sender.fail(mach.MACH_MSG_SUCCESS)
    for entry in list(port.entries):
        waiting_too = entry.die()
        if waiting_too is not None:
            left += notify.dead_name(waiting_too, entry.name)
    return left
