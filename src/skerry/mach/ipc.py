"""mach_msg: send, receive, or both, with timeouts.

A call that must wait leaves nothing but a :class:`MessageCall` behind: it goes on by continuations, and the kernel keeps no stack for it.

Source: Mach 3 Kernel Interfaces, mach_msg; the order of its checks: GNU Mach, ipc/ipc_mqueue.c and ipc/mach_msg.c.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from skerry.abi import mach, machmsg
from skerry.abi.machmsg import UserMessage
from skerry.mach import notify, right, transfer
from skerry.mach.absent import Absent
from skerry.mach.errors import MessageError
from skerry.mach.message import OBSERVATION, Message
from skerry.mach.port import Port, PortSet, Receiver, Sender
from skerry.mach.processor import Waiter
from skerry.mach.release import destroy_message, release
from skerry.mach.right import RightKind
from skerry.mach.space import PORT_SET, RECEIVE, Entry, Space
from skerry.mach.transfer import Caller

Continuation = Callable[[int, UserMessage | None], None]
ANY_SIZE: Final = 1 << 62


def mach_msg(
    caller: Caller,
    message: UserMessage | bytes | None,
    option: int,
    continuation: Continuation,
    *,
    receive_size: int = ANY_SIZE,
    receive_name: int = mach.MACH_PORT_NULL,
    timeout: int = 0,
    notify_name: int = mach.MACH_PORT_NULL,
) -> MessageCall:
    """Send ``message``, then receive from ``receive_name``, as ``option`` (MACH_SEND_*, MACH_RCV_* bits) says.

    Args:
        continuation: called once with a mach_msg_return_t and, where there is one, a message: what was received; the header of what was
            too large; what could not be sent and is given back (TIMED_OUT, INTERRUPTED, and the errors of MACH_SEND_NOTIFY).
        receive_size: bytes of the receiver's buffer.
        timeout: in milliseconds, for each half whose option asks for one; 0 does not wait.
        notify_name: a receive right of the caller, for MACH_SEND_NOTIFY, MACH_SEND_CANCEL and MACH_RCV_NOTIFY.

    Errors go to the continuation; nothing is raised.
    """
    call = MessageCall(caller, option, continuation, receive_size, receive_name, timeout, notify_name)
    call.start(message)
    caller.processor.run()
    return call


class MessageCall:
    """One mach_msg that is under way. It waits in at most one place at a time."""

    def __init__(
        self, caller: Caller, option: int, continuation: Continuation, receive_size: int, receive_name: int, timeout: int, notify_name: int
    ) -> None:
        self._caller = caller
        self._option = option
        self._continuation = continuation
        self._receive_size = receive_size
        self._receive_name = receive_name
        self._timeout = timeout
        self._notify = notify_name
        self._waiter: Waiter | None = None
        self.finished = False

    def interrupt(self) -> bool:
        """thread_abort: end it with SEND_INTERRUPTED or RCV_INTERRUPTED; False if it does not wait."""
        return self._waiter is not None and self._waiter.interrupt()

    def start(self, message: UserMessage | bytes | None) -> None:
        if not self._option & mach.MACH_SEND_MSG:
            self._sent(mach.MACH_MSG_SUCCESS)
            return
        try:
            if message is None:
                raise MessageError(mach.MACH_SEND_INVALID_DATA)
            if isinstance(message, bytes) and len(message) > mach.MESSAGE_SIZE_MAX:
                raise MessageError(mach.MACH_SEND_NO_BUFFER)
            user = machmsg.parse(message) if isinstance(message, bytes) else message
            if user.items is not None:
                transfer.bring_in(self._caller, user)
            cancel = self._notify if self._option & mach.MACH_SEND_CANCEL else mach.MACH_PORT_NULL
            self._send(transfer.copyin(self._caller, user, cancel))
        except (MessageError, machmsg.FormatError) as error:
            self._finish(error.code, None)
        except Absent as absent:
            self._waiter = absent.wait(lambda code: self._memory_came(message, code))

    def _memory_came(self, message: UserMessage | bytes | None, code: int) -> None:
        """What the message takes along is there, or does not come."""
        self._waiter = None
        if code == mach.KERN_SUCCESS:
            self.start(message)
        else:
            self._finish(mach.MACH_SEND_INTERRUPTED if code == mach.KERN_ABORTED else mach.MACH_SEND_INVALID_MEMORY, None)

    def _finish(self, code: int, message: UserMessage | None) -> None:
        self.finished = True
        self._caller.processor.make_ready(lambda: self._continuation(code, message))

    # Sending
    def _send(self, message: Message) -> None:
        if OBSERVATION.observer is not None:
            OBSERVATION.observer.sent(self._caller, message)
        port = message.remote
        if port.dead or message.circular:  # a circle that could never be received again is not made
            destroy_message(message)
            self._sent(mach.MACH_MSG_SUCCESS)
        elif has_room(port, message):
            port.deliver(message)
            self._sent(mach.MACH_MSG_SUCCESS)
        else:
            self._wait_for_room(port, message)

    def _wait_for_room(self, port: Port, message: Message) -> None:
        timeout: int | None = None
        if self._option & (mach.MACH_SEND_TIMEOUT | mach.MACH_SEND_NOTIFY):
            timeout = self._timeout if self._option & mach.MACH_SEND_TIMEOUT else 0
        if timeout == 0:
            self._no_room(message)
            return
        sender = Sender(self._caller.processor, message, lambda code: self._woken(code, message))
        self._waiter = sender
        sender.wait_in(port.blocked, timeout, lambda: sender.fail(mach.MACH_SEND_TIMED_OUT))

    def _woken(self, code: int, message: Message) -> None:
        """The wait for room is over: the message is in the queue (or died with it), or it could not be sent."""
        self._waiter = None
        if code == mach.MACH_MSG_SUCCESS:
            self._sent(code)
        elif code == mach.MACH_SEND_TIMED_OUT:
            self._no_room(message)
        else:
            self._give_back(code, message)

    def _no_room(self, message: Message) -> None:
        if not self._option & mach.MACH_SEND_NOTIFY:
            self._give_back(mach.MACH_SEND_TIMED_OUT, message)
            return
        try:
            message.accepted = _request_accepted(self._caller.space, message.remote, self._notify)
        except MessageError as error:
            self._give_back(error.code, message)
            return
        if message.remote.dead:
            destroy_message(message)
        else:
            message.remote.deliver(message)
        self._finish(mach.MACH_SEND_WILL_NOTIFY, None)

    def _give_back(self, code: int, message: Message) -> None:
        bits, user = transfer.copyout_pseudo(self._caller, message)
        self._finish(code | bits, user)

    # Receiving
    def _sent(self, code: int) -> None:
        if not self._option & mach.MACH_RCV_MSG:
            self._finish(code, None)
            return
        try:
            queue = _receive_queue(self._caller.space, self._receive_name)
        except MessageError as error:
            self._finish(error.code, None)
            return
        limit = self._receive_size if self._option & mach.MACH_RCV_LARGE else ANY_SIZE
        port = queue if isinstance(queue, Port) else queue.ready[0] if queue.ready else None
        if port is not None and port.messages:
            size = port.messages[0].size
            if size > limit:
                self._received(mach.MACH_RCV_TOO_LARGE, None, size)
            else:
                self._received(mach.MACH_MSG_SUCCESS, port.take(), port.next_sequence())
            return
        self._wait_for_message(queue, limit)

    def _wait_for_message(self, queue: Port | PortSet, limit: int) -> None:
        timeout = self._timeout if self._option & mach.MACH_RCV_TIMEOUT else None
        if timeout == 0:
            self._finish(mach.MACH_RCV_TIMED_OUT, None)
            return
        receiver = Receiver(self._caller.processor, limit, self._received)
        self._waiter = receiver
        receiver.wait_in(queue.receivers, timeout, lambda: receiver.fail(mach.MACH_RCV_TIMED_OUT))

    def _received(self, code: int, message: Message | None, number: int) -> None:
        """``number``: the message's sequence number, or the size of one that stays where it is."""
        self._waiter = None
        if message is None:
            self._finish(code, UserMessage(0, size=number) if code == mach.MACH_RCV_TOO_LARGE else None)
            return
        if OBSERVATION.observer is not None:
            OBSERVATION.observer.received(self._caller, message)
        if message.accepted is not None:
            release(*notify.message_accepted(message.accepted))
            message.accepted = None
        if message.size > self._receive_size:
            self._finish(mach.MACH_RCV_TOO_LARGE, transfer.copyout_header(self._caller, message, number))
            return
        asked = self._notify if self._option & mach.MACH_RCV_NOTIFY else mach.MACH_PORT_NULL
        self._finish(*transfer.copyout(self._caller, message, number, asked))


def has_room(port: Port, message: Message) -> bool:
    """Whether the message may be queued now. Where senders wait the port is full; a send-once right never waits."""
    return message.remote_kind is RightKind.SEND_ONCE or port.kernel_object is not None or not port.is_full


def _request_accepted(space: Space, port: Port, notify_name: int) -> Entry:
    """Note that the caller wants to know when its message is taken. Raises INVALID_NOTIFY, NOTIFY_IN_PROGRESS."""
    asked = space.entries.get(notify_name)
    if asked is None or not asked.types & RECEIVE:
        raise MessageError(mach.MACH_SEND_INVALID_NOTIFY)
    entry = space.named.get(port)
    if entry is None:  # the right went with the message: the notification will name nothing
        entry = Entry(space, mach.MACH_PORT_NULL, 0, None, 0)
    elif entry.accepted is not None:
        raise MessageError(mach.MACH_SEND_NOTIFY_IN_PROGRESS)
    entry.accepted = right.make_send_once(asked.port)
    return entry


def _receive_queue(space: Space, name: int) -> Port | PortSet:
    entry = space.entries.get(name)
    if entry is None or not entry.types & (RECEIVE | PORT_SET):
        raise MessageError(mach.MACH_RCV_INVALID_NAME)
    if entry.types & PORT_SET:
        return entry.port_set
    if entry.port.port_set is not None:
        raise MessageError(mach.MACH_RCV_IN_SET)
    return entry.port
