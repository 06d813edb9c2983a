"""Notifications: messages of the kernel about rights, each to a send-once right, which it uses up.

Every function returns the rights that are left to be released because the notification could not be delivered.

Source: Mach 3 Kernel Interfaces, do_mach_notify_* (port_deleted, msg_accepted, port_destroyed, no_senders, send_once, dead_name).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from skerry.abi import mach, machmsg
from skerry.mach import message as messages
from skerry.mach import right

if TYPE_CHECKING:
    from skerry.mach.port import Port
    from skerry.mach.space import Entry


def dead_name(waiting: Port, name: int) -> list[right.Held]:
    """``name`` has become a dead name; it has one more user reference, which is the notification's."""
    return post(_about_name(mach.NOTIFY_DEAD_NAME, waiting, name))


def port_deleted(waiting: Port, name: int) -> list[right.Held]:
    """``name``, for which a dead-name notification had been requested, is no name any more."""
    return post(_about_name(mach.NOTIFY_PORT_DELETED, waiting, name))


def message_accepted(entry: Entry) -> list[right.Held]:
    """The message that MACH_SEND_NOTIFY forced into a queue has left it."""
    waiting, entry.accepted = entry.accepted, None
    return [] if waiting is None else post(_about_name(mach.NOTIFY_MSG_ACCEPTED, waiting, entry.name))


def no_senders(waiting: Port, make_sends: int) -> list[right.Held]:
    """A port has no send rights; ``make_sends`` were made, so a race with new ones can be seen."""
    number = machmsg.Item(mach.MSG_TYPE_INTEGER_32, 32, 1, struct.pack("<I", make_sends))
    return post(messages.simple(mach.NOTIFY_NO_SENDERS, waiting, right.RightKind.SEND_ONCE, number))


def send_once(port: Port) -> list[right.Held]:
    """A send-once right was given up unused: this is the message that it sends."""
    return post(messages.simple(mach.NOTIFY_SEND_ONCE, port, right.RightKind.SEND_ONCE))


def port_was_destroyed(waiting: Port, port: Port) -> list[right.Held]:
    """The receive right of ``port`` would have been destroyed; it is handed over instead."""
    message = messages.Message(mach.NOTIFY_PORT_DESTROYED, waiting, right.RightKind.SEND_ONCE)
    message.items = [messages.Rights(right.RightKind.RECEIVE, [port])]
    message.size = mach.HEADER_SIZE + 8
    return post(message)


def _about_name(id: int, waiting: Port, name: int) -> messages.Message:
    item = machmsg.Item(mach.MSG_TYPE_PORT_NAME, 32, 1, struct.pack("<I", name))
    return messages.simple(id, waiting, right.RightKind.SEND_ONCE, item)


def post(message: messages.Message) -> list[right.Held]:
    """Send for the kernel: it never waits. What cannot be delivered is given back, to be released."""
    port = message.remote
    if port.dead:
        return message.rights()
    for kind, carried in message.body_rights():
        if kind is right.RightKind.RECEIVE:
            if right.leads_to(carried, port):
                port.send_onces -= 1  # the right that carries it is used up
                return message.rights()
            carried.destination = port
    port.deliver(message)
    return []
