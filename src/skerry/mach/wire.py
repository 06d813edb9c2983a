"""Kernel calls by message: the request's items become the arguments of a row of ``calls.TABLE``, the results become the reply's.

A request carries one item for each argument, in order, and no other. A reply has the request's id plus 100; its first item is the
kern_return_t (or a MIG_* code for what is no request), and the results follow if that is KERN_SUCCESS.

Source: what mig generates, Mach 3 Server Writer's Guide, chapter 3.
"""

from __future__ import annotations

import struct
from typing import Any, Final

from skerry.abi import mach, machmsg
from skerry.mach import notify, right
from skerry.mach.call import BYTES, INLINE, INT, MEMORY, NAME, NAMES, NATURAL, NATURALS, RIGHT, SENDS, Call, Kind, Later, perform
from skerry.mach.calls import BY_ID
from skerry.mach.errors import KernReturn
from skerry.mach.message import Data, Item, Memory, Message, Rights
from skerry.mach.port import Port
from skerry.mach.release import destroy_message, release
from skerry.mach.right import RightKind


def serve(target: object, message: Message) -> None:
    """Do what a message to an object's port asks, and reply to where it says."""
    reply, reply_kind = message.local, message.local_kind
    message.local = None
    call = BY_ID.get(message.id)
    results: list[Item] = []
    if call is None or not isinstance(target, call.target):
        code: int = mach.MIG_BAD_ID
    else:
        try:
            arguments = _arguments(call, message)
        except machmsg.FormatError as error:
            code = error.code
        else:
            code, values = perform(call, target, arguments)
            if values and isinstance(values[0], Later):
                destroy_message(message)
                values[0].reply = reply
                values[0].wait(call, lambda code, values: _answer(call, message.id, reply, reply_kind, code, values))
                return
            if code == KernReturn.SUCCESS:
                results = [_packed(kind, value) for kind, value in zip(call.results, values, strict=True)]
    destroy_message(message)  # and what rights the call did not take over
    _send_back(message.id, reply, reply_kind, code, results)


def _answer(call: Call, id: int, reply: Port | None, kind: RightKind | None, code: int, values: tuple[Any, ...]) -> None:
    """What a call that waited has come to."""
    results = [] if code else [_packed(of, value) for of, value in zip(call.results, values, strict=True)]
    _send_back(id, reply, kind, code, results)


def _send_back(id: int, reply: Port | None, reply_kind: RightKind | None, code: int, results: list[Item]) -> None:
    if reply is not None and reply_kind in (RightKind.SEND, RightKind.SEND_ONCE):
        _reply(id + mach.REPLY_ID, reply, reply_kind, code, results)
    elif results:
        release(*(held for item in results if isinstance(item, Rights) for held in _held(item)))


def _reply(id: int, port: Port, kind: RightKind, code: int, results: list[Item]) -> None:
    message = Message(id, port, kind)
    answer = machmsg.integers(code)
    if all(isinstance(item, Data) for item in results):
        plain = [machmsg.Item(item.name, item.bits, item.number, item.data) for item in results if isinstance(item, Data)]
        message.body = machmsg.pack_items((answer, *plain))
        message.size = mach.HEADER_SIZE + len(message.body)
    else:
        assert isinstance(answer.data, bytes)
        message.items = [Data(answer.name, answer.bits, answer.number, answer.data), *results]
        message.size = mach.HEADER_SIZE + sum(_size(item) for item in message.items)
    release(*notify.post(message))


def _size(item: Item) -> int:
    if isinstance(item, Data):
        return 12 + len(item.data) + 3
    return 12 + 4 * len(item.ports) if isinstance(item, Rights) and item.inline else 12 + mach.POINTER.size


def _held(item: Rights) -> list[right.Held]:
    return [(item.kind, port) for port in item.ports if port is not None]


def _arguments(call: Call, message: Message) -> tuple[Any, ...]:
    """The arguments in a request; its rights are taken out of it. Raises FormatError: MIG_BAD_ARGUMENTS."""
    items: list[Item] = []
    if message.items is None:
        for item in machmsg.parse_items(message.body):
            if not isinstance(item.data, bytes):  # only a complex message carries memory
                raise machmsg.FormatError(mach.MIG_BAD_ARGUMENTS)
            items.append(Data(item.name, item.bits, item.number, item.data))
    else:
        items = message.items
    if len(items) != len(call.arguments):
        raise machmsg.FormatError(mach.MIG_BAD_ARGUMENTS)
    for kind, given in zip(call.arguments, items, strict=True):
        _check(kind, given)
    values = tuple(_value(kind, given) for kind, given in zip(call.arguments, items, strict=True))
    message.items = None
    return values


WORDS: Final = {INT: ("<i", 4), NAME: ("<I", 4), NATURAL: ("<Q", 8)}
_UNSIGNED: Final = {4: "I", 8: "Q"}


def _check(kind: Kind, item: Item) -> None:
    if kind is RIGHT:
        fits = isinstance(item, Rights) and len(item.ports) == 1
    elif kind is SENDS:
        fits = isinstance(item, Rights) and item.kind is RightKind.SEND and all(port is not None for port in item.ports)
    elif kind is INLINE:
        fits = isinstance(item, Data) and item.bits == 8
    elif kind in (BYTES, MEMORY, NAMES, NATURALS):
        fits = isinstance(item, (Data, Memory))
    else:
        fits = isinstance(item, Data) and item.number == 1 and kind in WORDS and len(item.data) == WORDS[kind][1]
    if not fits:
        raise machmsg.FormatError(mach.MIG_BAD_ARGUMENTS)


def _value(kind: Kind, item: Item) -> Any:
    if isinstance(item, Rights):
        if kind is SENDS:
            return list(item.ports)
        return None if item.ports[0] is None else (item.kind, item.ports[0])
    if isinstance(item, Memory):
        if kind is MEMORY:
            return item.copy
        return item.copy if isinstance(item.copy, bytes) else item.copy.contents()
    return struct.unpack(WORDS[kind][0], item.data)[0] if kind in WORDS else item.data


def _packed(kind: Kind, value: Any) -> Item:
    if kind is RIGHT:
        return Rights(value[0] if value is not None else RightKind.SEND, [value[1] if value is not None else None])
    if kind is SENDS:
        return Rights(RightKind.SEND, list(value), len(value) == 1)
    if kind is INLINE:
        return Data(mach.MSG_TYPE_CHAR, 8, len(value), value)
    if kind in (BYTES, MEMORY):
        return Memory(mach.MSG_TYPE_BYTE, 8, len(value) if isinstance(value, bytes) else value.length, value)
    if kind is NATURALS:
        return Data(mach.MSG_TYPE_INTEGER_64, 64, len(value), _words(8, *value))
    if kind is NAMES:
        return Memory(mach.MSG_TYPE_INTEGER_32, 32, len(value), _words(4, *value))
    _, size = WORDS[kind]
    name = mach.MSG_TYPE_INTEGER_64 if size == 8 else mach.MSG_TYPE_INTEGER_32
    return Data(name, 8 * size, 1, _words(size, value))


def _words(size: int, *values: int) -> bytes:
    """Numbers of ``size`` bytes each. What does not fit loses its high bits, as in C: tasks can bring about times that do not."""
    mask = (1 << 8 * size) - 1
    return struct.pack(f"<{len(values)}{_UNSIGNED[size]}", *(value & mask for value in values))
