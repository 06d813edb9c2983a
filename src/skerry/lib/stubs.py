"""Remote calls, declared once as typed Python: what MIG is to Mach.

An interface is a Protocol whose methods are ``routine``s::

    class Clock(Protocol):
        @routine(5000)
        async def clock_get_time(self, zone: Int) -> Natural: ...

The types are those of ``skerry.abi.routine``, and may be imported from here. From the declaration come the client's stub (``client``), the
server's dispatch (``Dispatcher``) and a table of what there is (``routines``). A method that returns a tuple has several results.

A request carries one typed item for each argument, in order, and no other. A reply has the request's id plus 100; its first item is the
kern_return_t (or a MIG_* code for what is no request), and the results follow if that is KERN_SUCCESS. A right that a handler has been
given is the handler's if it succeeds; if it raises CallError, what the message carried is destroyed, as mig servers do.

Source: what mig generates, Mach 3 Server Writer's Guide, chapter 3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar, cast

from skerry.abi import mach, machmsg
from skerry.abi.machmsg import FormatError, Item, UserMessage
from skerry.abi.routine import (
    CODE,
    INLINE,
    AnyRight,
    Block,
    CopySend,
    Data,
    Int,
    MakeSend,
    MakeSendOnce,
    MoveReceive,
    MoveSend,
    Name,
    Natural,
    Naturals,
    Numbers,
    Pages,
    Ports,
    Right,
    RightArray,
    Routine,
    Text80,
    Text128,
    Type,
    Word,
    Words,
    routine,
    routines,
)

__all__ = [
    "CODE",
    "INLINE",
    "AnyRight",
    "Block",
    "CallError",
    "CopySend",
    "Data",
    "Dispatcher",
    "Int",
    "MakeSend",
    "MakeSendOnce",
    "MoveReceive",
    "MoveSend",
    "Name",
    "Natural",
    "Naturals",
    "Numbers",
    "Pages",
    "Ports",
    "Right",
    "RightArray",
    "Routine",
    "Text80",
    "Text128",
    "Transport",
    "Type",
    "Word",
    "Words",
    "client",
    "finish",
    "reply",
    "request",
    "results",
    "routine",
    "routines",
]

T = TypeVar("T")


class CallError(Exception):
    """A remote call ended with ``code``: a kern_return_t, a MIG_* code, or one of the server's own."""

    def __init__(self, code: int) -> None:
        super().__init__(f"remote call: {code}")
        self.code = code


# Messages
def _message(id: int, remote: int, remote_type: int, items: list[Item]) -> UserMessage:
    for item in items:
        if not item.inline or item.name in machmsg.PORT_TYPES:
            return UserMessage(id, remote, 0, remote_type, 0, tuple(items))
    return UserMessage(id, remote, 0, remote_type, 0, None, machmsg.pack_items(tuple(items)))


def _items(message: UserMessage) -> tuple[Item, ...]:
    return machmsg.parse_items(message.body) if message.items is None else message.items


def request(row: Routine, port: int, arguments: tuple[Any, ...]) -> UserMessage:
    """What a client sends; it has no reply right yet. ``port``: a send right, which stays the client's."""
    items = [kind.pack(value) for kind, value in zip(row.arguments, arguments, strict=True)]
    return _message(row.id, port, mach.MSG_TYPE_COPY_SEND, items)


def results(row: Routine, answer: UserMessage) -> Any:
    """What the call returns. Raises CallError: the server's code, or MIG_* for what is no answer to this call.

    MIG_SERVER_DIED: nobody will answer, as the right to do so was given up; whether the call was carried out is not known.
    """
    if answer.id == mach.NOTIFY_SEND_ONCE:
        raise CallError(mach.MIG_SERVER_DIED)
    try:
        code_item, *items = _items(answer)
        code = CODE.unpack(code_item)
        if answer.id != row.id + mach.REPLY_ID or (code == 0 and len(items) != len(row.results)):
            raise FormatError(mach.MIG_TYPE_ERROR)
        if code:
            raise CallError(code)
        values = tuple(kind.unpack(item) for kind, item in zip(row.results, items, strict=True))
    except (FormatError, ValueError) as error:
        raise CallError(mach.MIG_TYPE_ERROR) from error
    return None if not values else values[0] if len(values) == 1 else values


def reply(request: UserMessage, code: int, items: list[Item]) -> UserMessage:
    """The answer to a received request."""
    return _message(request.id + mach.REPLY_ID, request.remote, request.remote_type, [CODE.pack(code), *items])


# The client
class Transport(Protocol):
    """How requests go out and answers come back: a task that waits, or a service's coroutine."""

    async def rpc(self, request: UserMessage) -> UserMessage:
        """The answer to ``request``. Raises MessageFailure."""


class _Stub:
    """Has a method for each routine of the interface."""


def client(interface: type[T], transport: Transport, port: int) -> T:
    """The interface's calls, made to ``port`` (a name of a send right). Each raises CallError, and MessageFailure of the transport."""
    stub = _Stub()
    for row in routines(interface):
        setattr(stub, row.name, _client_call(row, transport, port))
    return cast(T, stub)


def _client_call(row: Routine, transport: Transport, port: int) -> Callable[..., Any]:
    async def call(*arguments: Any) -> Any:
        return results(row, await transport.rpc(request(row, port, arguments)))

    return call


def finish(call: Any) -> Any:
    """The result of a coroutine that never sleeps: how a program without a loop makes a call."""
    try:
        call.send(None)
    except StopIteration as stop:
        return stop.value
    raise RuntimeError("the call sleeps: await it in a service")


# The server
class Dispatcher:
    """Finds the method of ``implementation`` that a request asks for, calls it and packs its results."""

    def __init__(self, interface: type[T], implementation: T) -> None:
        self._rows = {row.id: (row, getattr(implementation, row.name)) for row in routines(interface)}

    async def answer(self, message: UserMessage) -> tuple[int, UserMessage]:
        """The code and the reply to a request. Unless the code is KERN_SUCCESS, the rights that it carried are the caller's to destroy."""
        code, items = await self._perform(message)
        return code, reply(message, code, items)

    async def _perform(self, message: UserMessage) -> tuple[int, list[Item]]:
        found = self._rows.get(message.id)
        if found is None:
            return mach.MIG_BAD_ID, []
        row, method = found
        try:
            items = _items(message)
            if len(items) != len(row.arguments):
                raise FormatError(mach.MIG_BAD_ARGUMENTS)
            arguments = [kind.unpack(item) for kind, item in zip(row.arguments, items, strict=True)]
            value = await method(*arguments)
        except (FormatError, CallError) as error:
            return error.code, []
        values = () if not row.results else (value,) if len(row.results) == 1 else value
        return mach.KERN_SUCCESS, [kind.pack(value) for kind, value in zip(row.results, values, strict=True)]
