"""System-call redirection: which port a task's system calls go to, by number.

A redirected call is a message to the port. With a co-located server waiting there the thread itself is handed over: it is its own message,
and nothing is allocated or copied. Any other receiver gets a typed message (id 2900): send rights to the task and to the thread, the
number, the six arguments. Its reply (id 3000), one 64-bit integer, is the result of the call.

A number that goes nowhere raises an exception. The traps of native tasks do not come here (:mod:`skerry.mach.native`).

Source: Mach 3 Kernel Interfaces, task_set_emulation; Golub et al. 1990, section 3.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from skerry.abi import mach, machmsg
from skerry.abi import registers as reg
from skerry.mach import exception, notify, right
from skerry.mach.kobject import ReplyPort
from skerry.mach.message import Data, Message, Rights
from skerry.mach.port import Port
from skerry.mach.release import destroy_message, release
from skerry.mach.right import RightKind

if TYPE_CHECKING:
    from skerry.mach.port import TrapReceiver
    from skerry.mach.thread import Thread

ARGUMENTS: Final = (reg.RDI, reg.RSI, reg.RDX, reg.R10, reg.R8, reg.R9)
CALL_SIZE: Final = mach.HEADER_SIZE + 12 + 4 + 7 * 8


class Emulation:
    """Sorted ranges (first, last, port), each with a send right; inherited by children."""

    def __init__(self) -> None:
        self.ranges: list[tuple[int, int, Port]] = []

    def set(self, first: int, last: int, port: Port | None) -> None:
        """Let a range go to ``port``, whose send right is taken over."""
        kept: list[tuple[int, int, Port]] = []
        dropped: list[right.Held] = []
        for start, end, old in self.ranges:
            pieces = [(start, min(end, first - 1)), (max(start, last + 1), end)]
            left = [(a, b, old) for a, b in pieces if a <= b] if start <= last and first <= end else [(start, end, old)]
            for _ in left[1:]:
                right.copy_send(old)
            if not left:
                dropped.append((RightKind.SEND, old))
            kept += left
        if port is not None:
            kept.append((first, last, port))
        self.ranges = sorted(kept, key=lambda entry: entry[0])
        release(*dropped)

    def inherit(self) -> Emulation:
        """A child's copy."""
        child = Emulation()
        child.ranges = [(first, last, right.copy_send(port)) for first, last, port in self.ranges]
        return child

    def release(self) -> list[right.Held]:
        """The rights, which are the caller's now."""
        ranges, self.ranges = self.ranges, []
        return [(RightKind.SEND, port) for _, _, port in ranges]

    def port_for(self, number: int) -> Port | None:
        """Where call ``number`` goes."""
        return next((port for first, last, port in self.ranges if first <= number <= last), None)

    def dispatcher(self) -> Callable[[Thread], None]:
        """What a thread that made a system call is given to."""
        if len(self.ranges) == 1 and self.ranges[0][:2] == (0, mach.SYSTEM_CALL_LAST):
            return self.ranges[0][2].send_system_call
        return self._by_number

    def _by_number(self, thread: Thread) -> None:
        port = self.port_for(thread.context.number)
        if port is None:
            exception.raise_exception(thread, mach.EXC_BAD_INSTRUCTION, thread.context.number, 0)
        else:
            port.send_system_call(thread)


def send_call(thread: Thread, port: Port) -> None:
    """The generic way: the call as a typed message."""
    if port.dead:
        exception.raise_exception(thread, mach.EXC_EMULATION, thread.context.number, 0)
        return
    reply = thread.redirection = ReplyPort(thread.task.processor, lambda message: _answered(thread, message))
    message = Message(mach.ID_SYSTEM_CALL, right.copy_send(port), RightKind.SEND, reply.port, RightKind.SEND_ONCE)
    message.items = [
        Rights(RightKind.SEND, [right.make_send(thread.task.port), right.make_send(thread.port)]),
        Data(mach.MSG_TYPE_INTEGER_64, 64, 7, struct.pack("<7Q", thread.context.number, *map(thread.get, ARGUMENTS))),
    ]
    message.size = CALL_SIZE
    message.thread = thread
    release(*notify.post(message))


def take_back(message: Message, server: TrapReceiver) -> None:
    """A call that is queued as a message goes to a co-located server after all."""
    reply = message.local.kernel_object if message.local is not None else None
    assert isinstance(reply, ReplyPort)
    thread: Thread = message.thread
    reply.cancel()
    thread.redirection = None
    destroy_message(message)
    server.system_call(thread)


def _answered(thread: Thread, message: Message) -> None:
    """The reply of a generic receiver, or word that there will be none."""
    thread.redirection = None
    if not thread.alive:
        return
    try:
        items = machmsg.parse_items(message.body) if message.items is None else ()
    except machmsg.FormatError:
        items = ()
    if message.id == mach.ID_SYSTEM_CALL + mach.REPLY_ID and items and items[0].length == 8:
        data = items[0].data
        assert isinstance(data, bytes)
        thread.set(reg.RAX, int.from_bytes(data, "little"))
        thread.resume()
    else:
        exception.raise_exception(thread, mach.EXC_EMULATION, thread.context.number, 0)
