"""How remote calls are declared: methods of a Protocol, whose types say what an argument is in Python and in a message.

An interface is a Protocol whose methods are ``routine``s::

    class Clock(Protocol):
        @routine(5000)
        async def clock_get_time(self, zone: Int) -> Natural: ...

The client's stubs and a server's dispatch (``skerry.lib.stubs``), the kernel's dispatch (``skerry.mach.call``), the support table and the C
header (``cheader``) all come from the declaration.

Source: what mig reads, Mach 3 Server Writer's Guide, chapter 3.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from inspect import signature
from typing import Annotated, Any, Final, TypeVar, get_args, get_origin, get_type_hints

from skerry.abi import mach, machmsg
from skerry.abi.machmsg import FormatError, Item

INLINE: Final = 64 << 10  # bytes
F = TypeVar("F", bound=Callable[..., Any])


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
    pages: bool = False  # the kernel takes the memory as it is

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
    """An array of unsigned numbers, of 32 bits (``code`` I) or 64 (Q)."""

    code: str = "I"

    @property
    def bits(self) -> int:
        return 64 if self.code == "Q" else 32

    def pack(self, value: Any) -> Item:
        name = mach.MSG_TYPE_INTEGER_64 if self.code == "Q" else mach.MSG_TYPE_INTEGER_32
        return Item(name, self.bits, len(value), struct.pack(f"<{len(value)}{self.code}", *value))

    def unpack(self, item: Item) -> list[int]:
        if item.bits != self.bits or item.is_rights or not isinstance(item.data, bytes):
            raise FormatError(mach.MIG_BAD_ARGUMENTS)
        return list(struct.unpack(f"<{item.number}{self.code}", item.data))


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


@dataclass(frozen=True, slots=True)
class RightArray:
    """Rights of one kind, names in Python, at most ``limit``."""

    disposition: int
    received: int
    limit: int = 1 << 16

    def pack(self, value: Any) -> Item:
        return machmsg.rights(self.disposition, *value)

    def unpack(self, item: Item) -> list[int]:
        if item.name != self.received or item.number > self.limit:
            raise FormatError(mach.MIG_BAD_ARGUMENTS)
        return list(machmsg.names_in(item))


Type = Word | Block | Words | Right | RightArray
Int = Annotated[int, Word("<i", mach.MSG_TYPE_INTEGER_32, 32)]
Name = Annotated[int, Word("<I", mach.MSG_TYPE_INTEGER_32, 32)]  # a name of a right, or a count
Natural = Annotated[int, Word("<Q", mach.MSG_TYPE_INTEGER_64, 64)]
Data = Annotated[bytes, Block(64 << 20)]
Pages = Annotated[bytes, Block(1 << 32, pages=True)]
Text128 = Annotated[str, Block(128, text=True)]
Text80 = Annotated[str, Block(80, text=True)]
Numbers = Annotated[list[int], Words()]
Naturals = Annotated[list[int], Words("Q")]
CopySend = Annotated[int, Right(mach.MSG_TYPE_COPY_SEND, mach.MSG_TYPE_PORT_SEND)]
MakeSend = Annotated[int, Right(mach.MSG_TYPE_MAKE_SEND, mach.MSG_TYPE_PORT_SEND)]
MoveSend = Annotated[int, Right(mach.MSG_TYPE_MOVE_SEND, mach.MSG_TYPE_PORT_SEND)]
MakeSendOnce = Annotated[int, Right(mach.MSG_TYPE_MAKE_SEND_ONCE, mach.MSG_TYPE_PORT_SEND_ONCE)]
MoveReceive = Annotated[int, Right(mach.MSG_TYPE_MOVE_RECEIVE, mach.MSG_TYPE_PORT_RECEIVE)]
AnyRight = Annotated[int, Right(mach.MSG_TYPE_MOVE_SEND, None)]
Ports = Annotated[list[int], RightArray(mach.MSG_TYPE_COPY_SEND, mach.MSG_TYPE_PORT_SEND)]
CODE: Final = Word("<i", mach.MSG_TYPE_INTEGER_32, 32)


@dataclass(frozen=True, slots=True)
class Routine:
    """A row of the table."""

    name: str
    id: int
    arguments: tuple[Type, ...]
    results: tuple[Type, ...]
    names: tuple[str, ...]  # of the arguments
    document: str


def routine(id: int) -> Callable[[F], F]:
    """Declare a method of an interface a remote call with that message id."""

    def declare(method: F) -> F:
        method.__dict__["routine_id"] = id
        return method

    return declare


def routines(interface: type) -> tuple[Routine, ...]:
    """The remote calls that an interface declares, by id. To find that out takes some ms, once."""
    return _routines(interface)


@cache
def _routines(interface: Any) -> tuple[Routine, ...]:
    found = [_routine(method) for method in vars(interface).values() if hasattr(method, "routine_id")]
    return tuple(sorted(found, key=lambda row: row.id))


def _routine(method: Any) -> Routine:
    hints = get_type_hints(method, include_extras=True)
    names = tuple(signature(method).parameters)[1:]
    arguments = tuple(_type(hints[name]) for name in names)
    result = hints["return"]
    if result is type(None):
        results: tuple[Type, ...] = ()
    elif get_origin(result) is tuple:
        results = tuple(_type(part) for part in get_args(result))
    else:
        results = (_type(result),)
    return Routine(method.__name__, method.routine_id, arguments, results, names, method.__doc__ or "")


def _type(hint: Any) -> Type:
    for extra in getattr(hint, "__metadata__", ()):
        if isinstance(extra, Type):
            return extra
    raise TypeError(f"{hint} says nothing about the form in a message: use a type of skerry.abi.routine")
