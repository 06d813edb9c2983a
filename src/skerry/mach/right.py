"""Rights outside of any name space: their kinds, and how they are made and copied. ``release`` gives them up.

Every right is counted on its port (``port.sends`` and so on).

Source: Mach 3 Kernel Interfaces, chapter 3.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final

from skerry.abi import mach

if TYPE_CHECKING:
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
        port.make_sends = (port.make_sends + 1) & 0xFFFFFFFF
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
