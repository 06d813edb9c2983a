"""Remote calls, declared once as typed Python: what MIG is to Mach.

An interface is a Protocol whose methods are ``routine``s::

    class Clock(Protocol):
        @routine(5000)
        async def clock_get_time(self, zone: Int) -> Natural: ...

From it come the client's stub (``client``), the server's dispatch (``Dispatcher``) and a table of what there is (``routines``). Types say
what an argument is in Python and in the message; a method that returns a tuple has several results.

A request carries one typed item for each argument, in order, and no other. A reply has the request's id plus 100; its first item is the
kern_return_t (or a MIG_* code for what is no request), and the results follow if that is KERN_SUCCESS. A right that a handler has been
given is the handler's if it succeeds; if it raises CallError, what the message carried is destroyed, as mig servers do.

Source: what mig generates, Mach 3 Server Writer's Guide, chapter 3.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from inspect import signature
from typing import Annotated, Any, Final, Protocol, TypeVar, cast, get_args, get_origin, get_type_hints

from skerry.abi import mach, machmsg
from skerry.abi.machmsg import FormatError, Item, UserMessage

INLINE: Final = 64 << 10  # bytes
F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Word:
    """An integer: ``code`` is struct's."""

    code: str
    type_name: int
    bits: int

    def pack(self, value: int) -> Item:
        return Item(self.type_name, self.bits, 1, struct.pack(self.code, value))

    def unpack(self, item: Item) -> int:
        if item.number != 1 or item.bits != self.bits or item.is_rights or not isinstance(item.data, bytes):
            raise FormatError(mach.MIG_BAD_ARGUMENTS)
        value: int = struct.unpack(self.code, item.data)[0]
        return value


@dataclass(frozen=True, slots=True)
class Block:
    """Bytes, at most ``limit`` of them, more than INLINE out of line; text is UTF-8."""

    limit: int
    text: bool = False

    def pack(self, value: Any) -> Item:
        data = value.encode() if self.text else bytes(value)
        if len(data) > self.limit:
            raise ValueError(f"{len(data)} bytes, where at most {self.limit} may be")
        return Item(mach.MSG_TYPE_STRING if self.text else mach.MSG_TYPE_BYTE, 8, len(data), data, len(data) <= INLINE)

    def unpack(self, item: Item) -> Any:
        if item.bits != 8 or item.is_rights or not isinstance(item.data, bytes) or len(item.data) > self.limit:
            raise FormatError(mach.MIG_BAD_ARGUMENTS)
        if not self.text:
            return item.data
        try:
            return item.data.decode()
        except UnicodeDecodeError:
            raise FormatError(mach.MIG_BAD_ARGUMENTS) from None


@dataclass(frozen=True, slots=True)
class Words:
    """An array of 32-bit numbers."""

    def pack(self, value: Any) -> Item:
        return Item(mach.MSG_TYPE_INTEGER_32, 32, len(value), struct.pack(f"<{len(value)}I", *value))

    def unpack(self, item: Item) -> list[int]:
        if item.bits != 32 or item.is_rights or not isinstance(item.data, bytes):
            raise FormatError(mach.MIG_BAD_ARGUMENTS)
        return list(struct.unpack(f"<{item.number}I", item.data))


@dataclass(frozen=True, slots=True)
class Right:
    """A port right, a name in Python: sent by ``disposition``, received as what that becomes (None: any kind)."""

    disposition: int
    received: int | None

    def pack(self, value: int) -> Item:
        return machmsg.rights(self.disposition, value)

    def unpack(self, item: Item) -> int:
        if item.number != 1 or (self.received is not None and item.name != self.received):
            raise FormatError(mach.MIG_BAD_ARGUMENTS)
        return machmsg.names_in(item)[0]


Type = Word | Block | Words | Right
Int = Annotated[int, Word("<i", mach.MSG_TYPE_INTEGER_32, 32)]
Name = Annotated[int, Word("<I", mach.MSG_TYPE_INTEGER_32, 32)]  # a name of a right, or a count
Natural = Annotated[int, Word("<Q", mach.MSG_TYPE_INTEGER_64, 64)]
Data = Annotated[bytes, Block(64 << 20)]
Text80 = Annotated[str, Block(80, text=True)]
Numbers = Annotated[list[int], Words()]
CopySend = Annotated[int, Right(mach.MSG_TYPE_COPY_SEND, mach.MSG_TYPE_PORT_SEND)]
MakeSend = Annotated[int, Right(mach.MSG_TYPE_MAKE_SEND, mach.MSG_TYPE_PORT_SEND)]
MoveSend = Annotated[int, Right(mach.MSG_TYPE_MOVE_SEND, mach.MSG_TYPE_PORT_SEND)]
MakeSendOnce = Annotated[int, Right(mach.MSG_TYPE_MAKE_SEND_ONCE, mach.MSG_TYPE_PORT_SEND_ONCE)]
MoveReceive = Annotated[int, Right(mach.MSG_TYPE_MOVE_RECEIVE, mach.MSG_TYPE_PORT_RECEIVE)]
AnyRight = Annotated[int, Right(mach.MSG_TYPE_MOVE_SEND, None)]
_CODE: Final = Word("<i", mach.MSG_TYPE_INTEGER_32, 32)


class CallError(Exception):
    """A remote call ended with ``code``: a kern_return_t, a MIG_* code, or one of the server's own."""

    def __init__(self, code: int) -> None:
        super().__init__(f"remote call: {code}")
        self.code = code


@dataclass(frozen=True, slots=True)
class Routine:
    """A row of the table."""

    name: str
    id: int
    arguments: tuple[Type, ...]
    results: tuple[Type, ...]
    document: str


def routine(id: int) -> Callable[[F], F]:
    """Declare a method of an interface a remote call with that message id."""

    def declare(method: F) -> F:
        method.__dict__["routine_id"] = id
        return method

    return declare


def routines(interface: type) -> tuple[Routine, ...]:
    """The remote calls that an interface declares, by id."""
    found = [_routine(method) for method in vars(interface).values() if hasattr(method, "routine_id")]
    return tuple(sorted(found, key=lambda row: row.id))


def _routine(method: Any) -> Routine:
    hints = get_type_hints(method, include_extras=True)
    arguments = tuple(_type(hints[name]) for name in list(signature(method).parameters)[1:])
    result = hints["return"]
    if result is type(None):
        results: tuple[Type, ...] = ()
    elif get_origin(result) is tuple:
        results = tuple(_type(part) for part in get_args(result))
    else:
        results = (_type(result),)
    return Routine(method.__name__, method.routine_id, arguments, results, method.__doc__ or "")


def _type(hint: Any) -> Type:
    for extra in getattr(hint, "__metadata__", ()):
        if isinstance(extra, Type):
            return extra
    raise TypeError(f"{hint} says nothing about the form in a message: use a type of skerry.lib.stubs")


# Messages
def _message(id: int, remote: int, remote_type: int, items: list[Item]) -> UserMessage:
    if any(item.is_rights or not item.inline for item in items):
        return UserMessage(id, remote, 0, remote_type, 0, tuple(items))
    return UserMessage(id, remote, 0, remote_type, 0, None, machmsg.pack_items(tuple(items)))


def _items(message: UserMessage) -> tuple[Item, ...]:
    return machmsg.parse_items(message.body) if message.items is None else message.items


def request(row: Routine, port: int, arguments: tuple[Any, ...]) -> UserMessage:
    """What a client sends; it has no reply right yet. ``port``: a send right, which stays the client's."""
    items = [kind.pack(value) for kind, value in zip(row.arguments, arguments, strict=True)]
    return _message(row.id, port, mach.MSG_TYPE_COPY_SEND, items)


def results(row: Routine, answer: UserMessage) -> Any:
    """What the call returns. Raises CallError: the server's code, or MIG_* for what is no answer to this call."""
    try:
        code_item, *items = _items(answer)
        code = _CODE.unpack(code_item)
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
    return _message(request.id + mach.REPLY_ID, request.remote, request.remote_type, [_CODE.pack(code), *items])


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
