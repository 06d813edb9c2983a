"""The short way of a remote call between native tasks: send, and wait to receive, where a receiver is waiting.

It does what ``ipc.mach_msg`` does, in one step and without the objects in between, for the two messages that make up most of all traffic: a
simple request by a copied send right with a made send-once right for the answer, and the simple answer to such a right. The receiver
must be waiting in an exchange of its own, and nothing may be ready to go on; everything else goes the long way. A test has both ways do the
same random messages and compares what is left. What it saves: bench/messages.py.

The rights: a copied send right is used up as it arrives, so the destination's count does not change. The send-once right that is made has a
name in the receiver's space; the one that is moved loses its name, and is used up.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from skerry.abi import mach
from skerry.mach.ipc import ANY_SIZE, Continuation, MessageCall
from skerry.mach.message import OBSERVATION
from skerry.mach.port import Port, PortSet, Receiver
from skerry.mach.space import RECEIVE, SEND, SEND_ONCE

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
        self.is_open = True  # the short way; a test has everything go the long one
        self.short = 0  # calls that went the short way
        self._processor = task.processor
        self._space = task.space
        self._entries = task.space.entries
        self.channel = channel
        self._receiver = Waiting(self, task.processor)

    def begin(self, data: bytes, option: int, receive_size: int, receive_name: int, timeout: int, notify_name: int) -> None:
        """mach_msg (see ``ipc``); the call before is over."""
        self._receive_size = receive_size
        if option == SEND_AND_RECEIVE and self.is_open and self._perform(data, receive_name):
            self.short += 1
            return
        self.finished = False
        self._option = option
        self._receive_name = receive_name
        self._timeout = timeout
        self._notify = notify_name
        self.start(data)
        self._processor.run()

    def _wait_for_message(self, queue: Port | PortSet, limit: int) -> None:
        if self._option & CONDITIONS:
            super()._wait_for_message(queue, limit)
        else:
            self._wait(queue.receivers)

    def _perform(self, data: bytes, receive_name: int) -> bool:
        """Do it, if it can be done this way; else nothing has changed."""
        size = len(data)
        if size < _SIZE or self._processor.ready:
            return False
        bits, _, remote, local, _, number = _unpack(data)
        entries = self._entries
        target = entries.get(remote)
        inbox_entry = entries.get(receive_name)
        if target is None or inbox_entry is None:
            return False
        inbox = inbox_entry.object
        if isinstance(inbox, Port):
            if not inbox_entry.types & RECEIVE or inbox.port_set is not None or inbox.messages:
                return False
        elif not isinstance(inbox, PortSet) or inbox.ready:
            return False
        reply: Port | None = None
        if bits == REQUEST:
            source = inbox_entry if local == receive_name else entries.get(local)
            if not target.types & SEND or source is None or not source.types & RECEIVE:
                return False
            reply = source.port
        elif bits != REPLY or local or target.types != SEND_ONCE or target.request is not None:
            return False
        port = target.port
        receivers = port.receivers if port.port_set is None else port.port_set.receivers
        if not receivers:
            return False
        waiting = receivers[0]
        if not isinstance(waiting, Waiting):
            return False
        other = waiting.exchange
        space = other._space
        if size > other._receive_size or (reply is not None and len(space.entries) >= space.most):
            return False

        if OBSERVATION.observer is not None:
            OBSERVATION.observer.exchanged(self._caller, port, number, size)
        sequence = port.sequence
        port.sequence = (sequence + 1) & 0xFFFFFFFF
        receivers.popleft()
        waiting._queue = None
        waiting.finished = other.finished = True
        other._waiter = None
        self._option = SEND_AND_RECEIVE
        self._wait(inbox.receivers)
        if reply is not None:
            reply.send_onces += 1
            other.channel.deliver(data, RECEIVED_REQUEST, space.add(SEND_ONCE, reply, 0).name, space.named[port].name, sequence)
        else:
            self._space.forget(target)
            port.send_onces -= 1
            other.channel.deliver(data, RECEIVED_REPLY, mach.MACH_PORT_NULL, space.named[port].name, sequence)
        return True

    def _wait(self, queue: deque[Receiver]) -> None:
        self.finished = False
        receiver = self._receiver
        receiver.finished = False
        receiver._queue = queue
        queue.append(receiver)
        self._waiter = receiver
