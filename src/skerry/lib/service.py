"""The receive loop of a server: one context, a coroutine for every request, one mach_msg at a time.

All that a service waits for comes through one port set: requests, the answers to calls that its coroutines make, and notifications. A
reply to a send-once right goes out with the next receive, in one call. A handler that must wait awaits; the others are served meanwhile.

Source: Cooper and Draves, C Threads; Mach 3 Server Writer's Guide (mach_msg_server).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

from skerry.abi import mach, machmsg
from skerry.abi.machmsg import FormatError, UserMessage
from skerry.lib.channel import EXTRA, Channel, MessageFailure, NativeTask, with_reply
from skerry.lib.coroutine import NEVER, Loop, WaitQueue
from skerry.lib.stubs import CallError, finish

DAMAGED: Final = (mach.MACH_RCV_BODY_ERROR, mach.MACH_RCV_HEADER_ERROR, mach.MACH_RCV_TOO_LARGE)  # a sender's fault, or want of room
MOVED: Final = (mach.MSG_TYPE_MOVE_SEND, mach.MSG_TYPE_MOVE_SEND_ONCE, mach.MSG_TYPE_MOVE_RECEIVE)
MILLISECOND: Final = 1_000_000  # ns
Answer = Callable[[UserMessage], Awaitable[tuple[int, UserMessage]]]


class Service:
    """A native task that serves. It is the transport of its own calls, too (``rpc``)."""

    def __init__(self, channel: Channel) -> None:
        self.task = NativeTask(channel)
        self.loop = Loop(channel.clock)
        self.kernel = self.task.kernel  # calls of it never sleep
        self.port_set: int = finish(self.kernel.mach_port_allocate(mach.MACH_PORT_RIGHT_PORT_SET))
        self.stopped = False
        self._handlers: dict[int, Answer] = {}  # by the name of the port that a request came to
        self._waiting: dict[int, _Answer] = {}  # by the name of the reply port
        self._idle_replies: list[int] = []
        self._notified: dict[int, list[Callable[[], None]]] = {}  # by the name that may die
        self._returning: dict[int, Callable[[], None]] = {}  # by the name that may come back
        self._notify_port = self.new_port()
        self._outgoing: UserMessage | None = None

    def new_port(self) -> int:
        """A receive right in the port set. Raises CallError."""
        name: int = finish(self.kernel.mach_port_allocate(mach.MACH_PORT_RIGHT_RECEIVE))
        finish(self.kernel.mach_port_move_member(name, self.port_set))
        return name

    def serve(self, port: int, answer: Answer) -> None:
        """Answer what comes to ``port``, a receive right of ours, by ``answer`` (``Dispatcher.answer``). Raises CallError."""
        finish(self.kernel.mach_port_move_member(port, self.port_set))
        self._handlers[port] = answer

    def start(self, body: Coroutine[Any, Any, Any]) -> None:
        """Run a coroutine beside the requests. An error in it ends the service."""
        self.loop.start(body, _ended)

    def on_death(self, name: int, callback: Callable[[], None]) -> None:
        """Call ``callback`` when ``name`` becomes a dead name; the user reference of the notification is given up. Raises CallError.

        Several callbacks for one name are called in turn.
        """
        known = self._notified.get(name)
        if known is not None:
            known.append(callback)
            return
        self._notified[name] = [callback]
        try:
            finish(self.kernel.mach_port_request_notification(name, mach.NOTIFY_DEAD_NAME, 1, self._notify_port))
        except CallError:
            del self._notified[name]
            raise

    def on_return(self, name: int, callback: Callable[[], None]) -> None:
        """Have the receive right ``name``, to which we keep a send right, come back when who gets it from us loses it.

        ``callback`` is called then, once. Raises CallError.
        """
        self._returning[name] = callback
        finish(self.kernel.mach_port_request_notification(name, mach.NOTIFY_PORT_DESTROYED, 0, self._notify_port))

    def deallocate(self, name: int) -> None:
        """Give up one user reference; a name that is gone is nothing."""
        try:
            finish(self.kernel.mach_port_deallocate(name))
        except CallError as error:
            if error.code not in (mach.KERN_INVALID_NAME, mach.KERN_INVALID_RIGHT):
                raise

    def drop_receive(self, name: int) -> None:
        """Give up a receive right: its port dies. Raises CallError."""
        self._handlers.pop(name, None)
        finish(self.kernel.mach_port_mod_refs(name, mach.MACH_PORT_RIGHT_RECEIVE, -1))

    def destroy(self, message: UserMessage) -> None:
        """Give up the rights that a received message carried in its body (mach_msg_destroy)."""
        for item in message.items or ():
            if item.is_rights:
                for name in machmsg.names_in(item):
                    if name in (mach.MACH_PORT_NULL, mach.MACH_PORT_DEAD):
                        continue
                    if item.name == mach.MSG_TYPE_PORT_RECEIVE:
                        self.drop_receive(name)
                    else:
                        self.deallocate(name)

    def run(self) -> None:
        """Serve until ``stopped``."""
        while True:
            self.loop.run_ready()
            if self.stopped:
                return
            message = self._next()
            if message is not None:
                self._take(message)

    # Calls of our coroutines
    async def rpc(self, request: UserMessage) -> UserMessage:
        """Send ``request`` and wait for the answer while others are served. Raises MessageFailure, Interrupted."""
        reply = self._idle_replies.pop() if self._idle_replies else self.new_port()
        answer = self._waiting[reply] = _Answer()
        try:
            self.task.send(with_reply(request, reply))
        except MessageFailure:
            del self._waiting[reply]
            self._idle_replies.append(reply)
            raise
        while answer.message is None:
            await answer.arrived.wait()
        return answer.message

    def post(self, message: UserMessage) -> None:
        """Send to where sending never waits, such as a port of the kernel's, with the next receive: one call for both.

        What is posted arrives in the order of posting. The destination is a copied send right; if it is dead the message is lost.
        """
        before, self._outgoing = self._outgoing, message
        if before is not None:
            try:
                self.task.send(before)
            except MessageFailure as failure:
                self._not_sent(before, failure)

    # The loop
    def _next(self) -> UserMessage | None:
        deadline = self.loop.next_deadline()
        timeout = None if deadline >= NEVER else max(0, (deadline - self.loop.clock() + MILLISECOND - 1) // MILLISECOND)
        outgoing, self._outgoing = self._outgoing, None
        try:
            if outgoing is None:
                return self.task.receive(self.port_set, timeout)
            return self.task.send_and_receive(outgoing, self.port_set, timeout)
        except MessageFailure as failure:
            if outgoing is not None and failure.code == mach.MACH_SEND_INVALID_DEST:
                self._not_sent(outgoing, failure)
                return None
            if failure.code & ~EXTRA not in DAMAGED:
                raise
            return failure.message if failure.code & ~EXTRA == mach.MACH_RCV_BODY_ERROR else None

    def _take(self, message: UserMessage) -> None:
        message = self.task.inline(message)
        answer = self._waiting.pop(message.local, None)
        if answer is not None:
            answer.message = message
            answer.arrived.wake()
            self._idle_replies.append(message.local)
        elif message.local == self._notify_port:
            self._notification(message)
        else:
            self.start(self._serve(message))

    async def _serve(self, message: UserMessage) -> None:
        handler = self._handlers.get(message.local)
        if handler is None:
            self.destroy(message)
            return
        code, reply = await handler(message)
        if code != mach.KERN_SUCCESS:
            self.destroy(message)
        if reply.remote in (mach.MACH_PORT_NULL, mach.MACH_PORT_DEAD):
            return
        if reply.remote_type == mach.MSG_TYPE_PORT_SEND_ONCE and self._outgoing is None:
            self._outgoing = reply
            return
        try:
            self.task.send(reply, timeout=0)  # who does not take answers gets none
        except MessageFailure:
            self._client_died(reply)

    def _not_sent(self, message: UserMessage, failure: MessageFailure) -> None:
        if failure.code != mach.MACH_SEND_INVALID_DEST:
            raise failure
        if message.remote_type != mach.MSG_TYPE_COPY_SEND:
            self._client_died(message)

    def _client_died(self, reply: UserMessage) -> None:
        """The reply is still ours, with the rights that it was to move."""
        self.deallocate(reply.remote)
        moved = tuple(item for item in reply.items or () if item.name in MOVED)
        self.destroy(UserMessage(reply.id, items=moved))

    def _notification(self, message: UserMessage) -> None:
        if message.id == mach.NOTIFY_PORT_DESTROYED and message.items:
            (name,) = machmsg.names_in(message.items[0])
            self._returning.pop(name, _nothing)()
            return
        if message.id not in (mach.NOTIFY_DEAD_NAME, mach.NOTIFY_PORT_DELETED):
            return
        try:
            (item,) = machmsg.parse_items(message.body)
        except (FormatError, ValueError):
            return
        if not isinstance(item.data, bytes) or item.number != 1:
            return
        name = int.from_bytes(item.data, "little")
        callbacks = self._notified.pop(name, [])
        if message.id == mach.NOTIFY_DEAD_NAME:
            self.deallocate(name)
            for callback in callbacks:
                callback()


class _Answer:
    """What a coroutine waits for."""

    __slots__ = ("arrived", "message")

    def __init__(self) -> None:
        self.arrived = WaitQueue()
        self.message: UserMessage | None = None


def _nothing() -> None:
    pass


def _ended(_result: Any, error: BaseException | None) -> None:
    if error is not None:
        raise error
