"""Typed messages as programs see them: the bytes, and a parsed form.

The bytes are a header of 24 bytes and a body. Where ``MSGH_BITS_COMPLEX`` is set the body is items: a type descriptor (4 bytes, or 12 in
the long form) and the data that it describes, inline, or out of line as an 8-byte address. A body without that bit is not looked at.
Data are little endian and padded to 4 bytes. Names of ports are 4 bytes.

``parse`` checks a hostile message once; what comes out of it can be relied on. A descriptor that is wrong ends the list of items and
is kept as ``defect``: the kernel has taken the rights before it by then, as mach_msg has it (the three outcomes of a failed send).

Source: Mach 3 Kernel Interfaces, mach_msg and appendix; <mach/message.h>. Addresses are 8 bytes here (see skerry.abi.mach).
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from skerry.abi import mach

PORT_TYPES: Final = range(mach.MSG_TYPE_MOVE_RECEIVE, mach.MSG_TYPE_MAKE_SEND_ONCE + 1)
PORT_NAME_BITS: Final = 32
_SHORT: Final = mach.SHORT_TYPE.unpack_from
_USED_BITS: Final = mach.MSGH_BITS_REMOTE_MASK | mach.MSGH_BITS_LOCAL_MASK | mach.MSGH_BITS_COMPLEX


class FormatError(Exception):
    """Bytes that are no message, or an item that is not what a stub expects; ``code`` is a mach_msg_return_t or a mig code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"{code:#x}")
        self.code = code


class Item(NamedTuple):
    """``number`` elements of ``bits`` bits each.

    Inline ``data`` are bytes; out of line they are an address, or bytes where a server in the kernel's address space sends or receives.
    """

    name: int  # MSG_TYPE_*
    bits: int
    number: int
    data: bytes | int
    inline: bool = True
    deallocate: bool = False

    @property
    def length(self) -> int:
        """In bytes."""
        return (self.number * self.bits + 7) // 8

    @property
    def is_rights(self) -> bool:
        return self.name in PORT_TYPES


class UserMessage(NamedTuple):
    """A message in the names of the task that sends or has received it.

    Received, ``local`` names the port that it came from and ``remote`` the reply right. ``body`` is what a simple message carries,
    ``items`` what a complex one does. ``size`` (bytes) is of the received message; where it was too large it is all that is there.
    """

    id: int
    remote: int = mach.MACH_PORT_NULL
    local: int = mach.MACH_PORT_NULL
    remote_type: int = 0  # disposition, MSG_TYPE_*
    local_type: int = 0
    items: tuple[Item, ...] | None = None
    body: bytes = b""
    sequence: int = 0
    size: int = 0
    defect: int = 0  # mach_msg_return_t of the first item that is none

    @property
    def is_complex(self) -> bool:
        return self.items is not None


def integers(*values: int) -> Item:
    """32-bit integers as one item."""
    return Item(mach.MSG_TYPE_INTEGER_32, 32, len(values), struct.pack(f"<{len(values)}i", *values))


def naturals(*values: int) -> Item:
    """64-bit words as one item."""
    return Item(mach.MSG_TYPE_INTEGER_64, 64, len(values), struct.pack(f"<{len(values)}Q", *values))


def rights(disposition: int, *names: int, inline: bool = True) -> Item:
    """Port rights as one item."""
    return Item(disposition, PORT_NAME_BITS, len(names), struct.pack(f"<{len(names)}I", *names), inline)


def names_in(item: Item) -> tuple[int, ...]:
    """The names of an item of port rights; raises FormatError if it has none, or if they lie out of line in an address space."""
    if not item.is_rights or not isinstance(item.data, bytes):
        raise FormatError(mach.MIG_TYPE_ERROR)
    return struct.unpack(f"<{item.number}I", item.data)


def pack(message: UserMessage) -> bytes:
    """The bytes of a message; out-of-line items must hold addresses."""
    body = message.body if message.items is None else b"".join(_pack_item(item) for item in message.items)
    bits = message.remote_type | message.local_type << 8 | (mach.MSGH_BITS_COMPLEX if message.items is not None else 0)
    size = mach.HEADER_SIZE + len(body)
    return mach.HEADER.pack(bits, size, message.remote, message.local, message.sequence, message.id & 0xFFFFFFFF) + body


def pack_items(items: tuple[Item, ...]) -> bytes:
    """Items as the body of a simple message, for stubs."""
    return b"".join(map(_pack_item, items))


def size_of(message: UserMessage) -> int:
    """Bytes of the packed message."""
    if message.items is None:
        return mach.HEADER_SIZE + len(message.body)
    return mach.HEADER_SIZE + sum(_item_size(item) for item in message.items)


def parse(data: bytes) -> UserMessage:
    """The message in ``data``. Raises FormatError: SEND_MSG_TOO_SMALL for less than a header. The header's size field is not trusted."""
    if len(data) < mach.HEADER_SIZE:
        raise FormatError(mach.MACH_SEND_MSG_TOO_SMALL)
    bits, _size, remote, local, sequence, number = mach.HEADER.unpack_from(data)
    bits &= _USED_BITS
    remote_type, local_type = bits & 0xFF, bits >> 8 & 0xFF
    if not bits & mach.MSGH_BITS_COMPLEX:
        return UserMessage(number, remote, local, remote_type, local_type, None, data[mach.HEADER_SIZE :], sequence, len(data))
    items, defect = _parse_items(data, mach.HEADER_SIZE)
    return UserMessage(number, remote, local, remote_type, local_type, items, b"", sequence, len(data), defect)


def parse_items(body: bytes) -> tuple[Item, ...]:
    """The items of a simple message's body, for stubs. Raises FormatError(MIG_TYPE_ERROR)."""
    items, defect = _parse_items(body, 0)
    if defect:
        raise FormatError(mach.MIG_TYPE_ERROR)
    return items


def _descriptor(item: Item) -> bytes:
    flags = (mach.TYPE_INLINE if item.inline else 0) | (mach.TYPE_DEALLOCATE if item.deallocate else 0)
    if item.number < 1 << 12 and item.bits < 1 << 8 and item.name < 1 << 8:
        return mach.SHORT_TYPE.pack(item.name | item.bits << 8 | item.number << 16 | flags)
    return mach.LONG_TYPE.pack(flags | mach.TYPE_LONGFORM, item.name, item.bits, item.number)


def _pack_item(item: Item) -> bytes:
    name, bits, number, data, inline, _deallocate = item
    if not inline:
        assert isinstance(data, int)
        return _descriptor(item) + mach.POINTER.pack(data)
    assert isinstance(data, bytes)
    size = _padded((number * bits + 7) // 8)
    if len(data) != size:
        data = data.ljust(size, b"\0")
    if number < 1 << 12 and bits < 1 << 8 and name < 1 << 8:
        return mach.SHORT_TYPE.pack(name | bits << 8 | number << 16 | mach.TYPE_INLINE) + data
    return _descriptor(item) + data


def _item_size(item: Item) -> int:
    return len(_descriptor(item)) + (_padded(item.length) if item.inline else mach.POINTER.size)


def _padded(length: int) -> int:
    return (length + 3) & ~3


def _parse_items(data: bytes, offset: int) -> tuple[tuple[Item, ...], int]:
    """Items, and the code of what ended them (0: the end of the message)."""
    items: list[Item] = []
    end = len(data)
    try:
        while offset < end:
            (flags,) = _SHORT(data, offset)
            if flags & mach.TYPE_LONGFORM:
                flags, name, bits, number = mach.LONG_TYPE.unpack_from(data, offset)
                offset += mach.LONG_TYPE.size
                wrong = flags & 0x0FFFFFFF
            else:
                name, bits, number = flags & 0xFF, flags >> 8 & 0xFF, flags >> 16 & 0xFFF
                offset += mach.SHORT_TYPE.size
                wrong = 0
            inline, deallocate = bool(flags & mach.TYPE_INLINE), bool(flags & mach.TYPE_DEALLOCATE)
            if wrong or flags & mach.TYPE_UNUSED or (inline and deallocate) or (bits != PORT_NAME_BITS and name in PORT_TYPES):
                return tuple(items), mach.MACH_SEND_INVALID_TYPE
            if inline:
                length = (number * bits + 7) // 8
                if length > end - offset:
                    return tuple(items), mach.MACH_SEND_MSG_TOO_SMALL
                items.append(Item(name, bits, number, data[offset : offset + length]))
                offset += _padded(length)
            else:
                (address,) = mach.POINTER.unpack_from(data, offset)
                offset += mach.POINTER.size
                items.append(Item(name, bits, number, address, False, deallocate))
    except struct.error:  # the descriptor or address runs over the end
        return tuple(items), mach.MACH_SEND_MSG_TOO_SMALL
    return tuple(items), 0
