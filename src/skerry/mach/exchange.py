"""The short way of a remote call between native tasks: send, and wait to receive, where a receiver is waiting.

It does what ``ipc.mach_msg`` does, in one step and without the objects in between, for the two messages that make up most of all traffic: a
simple request by a copied send right with a made send-once right for the answer, and the simple answer to such a right. The receiver
must be waiting in an exchange of its own, and nothing may be ready to go on; everything else goes the long way. A test has both ways do the
same random messages and compares what is left. What it saves: bench/messages.py.

The rights: a copied send right is used up as it arrives, so the destination's count does not change. The send-once right that is made has a
name in the receiver's space; the one that is moved loses its name, and is used up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from skerry.abi import mach
from skerry.mach.ipc import ANY_SIZE, Continuation, MessageCall
from skerry.mach.port import Port, PortSet, Receiver
from skerry.mach.space import MAX_NAMES, PORT_SET, RECEIVE, SEND, SEND_ONCE

if TYPE_CHECKING:
    from skerry.mach.processor import Processor
    from skerry.mach.task import Task

SEND_AND_RECEIVE: Final = mach.MACH_SEND_MSG | mach.MACH_RCV_MSG
CONDITIONS: Final = mach.MACH_RCV_TIMEOUT | mach.MACH_RCV_LARGE | mach.MACH_RCV_NOTIFY
REQUEST: Final = mach.MSG_TYPE_COPY_SEND | mach.MSG_TYPE_MAKE_SEND_ONCE << 8
REPLY: Final = mach.MSG_TYPE_MOVE_SEND_ONCE
RECEIVED_REQUEST: Final = mach.MSG_TYPE_PORT_SEND_ONCE | mach.MSG_TYPE_PORT_SEND << 8
RECEIVED_REPLY: Final = mach.MSG_TYPE_PORT_SEND_ONCE << 8
_unpack: Final = mach.HEADER.unpack_from
_pack: Final = mach.HEADER.pack
_SIZE: Final = mach.HEADER_SIZE


class Waiting(Receiver):
    """A receive without conditions: any size, no timeout, no notification. Used again and again."""

    __slots__ = ("exchange",)

    def __init__(self, exchange: Exchange, processor: Processor) -> None:
        super().__init__(processor, ANY_SIZE, exchange._received)
        self.exchange = exchange


class Exchange(MessageCall):
    """Every mach_msg of one task, one after the other."""

    def __init__(self, task: Task, channel: Any, ended: Continuation) -> None:
        """``channel``: answered with a code and bytes; ``ended``: the continuation of the long way."""
        super().__init__(task, 0, ended, 0, mach.MACH_PORT_NULL, 0, mach.MACH_PORT_NULL)
        self.finished = True
        self._task = task
        self.channel = channel
        self._receiver = Waiting(self, task.processor)

    def begin(self, data: bytes, option: int, receive_size: int, receive_name: int, timeout: int, notify_name: int) -> None:
        """mach_msg (see ``ipc``); the call before is over."""
        self._receive_size = receive_size
        if option == SEND_AND_RECEIVE and self.perform(data, receive_size, receive_name):
            return
        self.finished = False
        self._option = option
        self._receive_name = receive_name
        self._timeout = timeout
        self._notify = notify_name
        self.start(data)
        self._task.processor.run()

    def _wait_for_message(self, queue: Port | PortSet, limit: int) -> None:
        if self._option & CONDITIONS:
            super()._wait_for_message(queue, limit)
        else:
            self._wait(queue)

    def perform(self, data: bytes, receive_size: int, receive_name: int) -> bool:
        """Do it, if it can be done this way; else nothing has changed."""
        size = len(data)
        if size < _SIZE or not self._task.processor.is_idle:
            return False
        bits, _, remote, local, _, number = _unpack(data)
        entries = self._task.space.entries
        target = entries.get(remote)
        inbox_entry = entries.get(receive_name)
        if target is None or inbox_entry is None:
            return False
        inbox: Any = inbox_entry.object
        if inbox_entry.types & RECEIVE:
            if inbox.port_set is not None or inbox.messages:
                return False
        elif not inbox_entry.types & PORT_SET or inbox.ready:
            return False
        reply: Any = None
        if bits == REQUEST:
            source = entries.get(local)
            if not target.types & SEND or source is None or not source.types & RECEIVE:
                return False
            reply = source.object
        elif bits != REPLY or local or target.types != SEND_ONCE or target.request is not None:
            return False
        port: Port = target.object  # type: ignore[assignment]
        receivers = port.receivers if port.port_set is None else port.port_set.receivers
        if not receivers:
            return False
        waiting: Any = receivers[0]
        if waiting.__class__ is not Waiting:
            return False
        other: Exchange = waiting.exchange
        space = other._task.space
        if size > other._receive_size or (reply is not None and len(space.entries) >= MAX_NAMES):
            return False

        sequence = port.sequence
        port.sequence = (sequence + 1) & 0xFFFFFFFF
        if reply is not None:
            reply.send_onces += 1
            header = _pack(RECEIVED_REQUEST, size, space.add(SEND_ONCE, reply, 0).name, space.named[port].name, sequence, number)
        else:
            self._task.space.forget(target)
            port.send_onces -= 1
            header = _pack(RECEIVED_REPLY, size, mach.MACH_PORT_NULL, space.named[port].name, sequence, number)
        receivers.popleft()
        waiting._queue = None
        waiting.finished = True
        other._waiter = None
        other.finished = True
        self._option = SEND_AND_RECEIVE
        self._wait(inbox)
        other.channel.answer(mach.MACH_MSG_SUCCESS, header + data[_SIZE:])
        return True

    def _wait(self, queue: Port | PortSet) -> None:
        self.finished = False
        receiver = self._receiver
        receiver.finished = False
        receiver._queue = queue.receivers
        queue.receivers.append(receiver)
        self._waiter = receiver
