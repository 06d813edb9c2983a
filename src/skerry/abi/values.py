"""Values in the data of a kernel trap: numbers, bytes, text, None, sequences and dictionaries of these, and what stands for objects.

Each value is a tag and what it says, little endian:

    i f     64 bits, signed; a double
    b s     a length (32 bits) and bytes; the same for text, UTF-8
    n       None
    t l d   a count (32 bits) and so many values, as a tuple or a list; or so many pairs of values
    v w     the same for integers alone, without tags: a count (32 bits) and so many of 64 bits, as a tuple or a list
    o       an object: its port's name (32 bits), and a value that describes it
    c       a callback: a number (64 bits) that its caller knows it by

Reading is safe for bytes from anybody.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Final

DEPTH: Final = 16  # of sequences in sequences
_INTEGER: Final = struct.Struct("<q")
_DOUBLE: Final = struct.Struct("<d")
_NUMBER: Final = struct.Struct("<Q")
_COUNT: Final = struct.Struct("<I")
_INTEGERS: Final = {int}  # and not bool


class ValueFormatError(Exception):
    """The bytes are no values, or a value has no form here."""


NameOf = Callable[[Any], tuple[int, Any]]  # an object's port name and description
ObjectOf = Callable[[int, Any], Any]  # the object of these
NumberOf = Callable[[Any], int]  # a callback's number
CallbackOf = Callable[[int], Any]


def pack(*values: Any, name_of: NameOf | None = None, number_of: NumberOf | None = None) -> bytes:
    """The values as bytes. Raises ValueFormatError."""
    parts: list[bytes] = []
    for value in values:
        _pack(value, parts, name_of, number_of)
    return b"".join(parts)


def _pack(value: Any, parts: list[bytes], name_of: NameOf | None, number_of: NumberOf | None) -> None:
    kind = value.__class__
    if kind is int or kind is bool:
        try:
            parts.append(b"i" + _INTEGER.pack(value))
        except struct.error:
            raise ValueFormatError(f"{value} does not fit in 64 bits") from None
    elif kind is bytes or kind is bytearray or kind is memoryview:
        parts.append(b"b" + _COUNT.pack(len(value)))
        parts.append(value)
    elif value is None:
        parts.append(b"n")
    elif kind is str:
        encoded = value.encode()
        parts.append(b"s" + _COUNT.pack(len(encoded)) + encoded)
    elif kind is float:
        parts.append(b"f" + _DOUBLE.pack(value))
    elif kind is dict:
        parts.append(b"d" + _COUNT.pack(len(value)))
        for pair in value.items():
            for part in pair:
                _pack(part, parts, name_of, number_of)
    elif isinstance(value, (tuple, list)):
        if set(map(type, value)) == _INTEGERS:
            parts.append((b"v" if isinstance(value, tuple) else b"w") + _COUNT.pack(len(value)) + _integers(value))
            return
        parts.append((b"t" if isinstance(value, tuple) else b"l") + _COUNT.pack(len(value)))
        for part in value:
            _pack(part, parts, name_of, number_of)
    elif number_of is not None and callable(value):
        parts.append(b"c" + _NUMBER.pack(number_of(value)))
    elif name_of is not None:
        name, description = name_of(value)
        parts.append(b"o" + _COUNT.pack(name))
        _pack(description, parts, None, None)
    else:
        raise ValueFormatError(f"{kind.__name__} has no form here")


def _integers(values: tuple[int, ...] | list[int]) -> bytes:
    try:
        return struct.pack(f"<{len(values)}q", *values)
    except struct.error:
        raise ValueFormatError("an integer does not fit in 64 bits") from None


def unpack(data: bytes, object_of: ObjectOf | None = None, callback_of: CallbackOf | None = None) -> list[Any]:
    """All the values in ``data``. Raises ValueFormatError."""
    reader = _Reader(data, object_of, callback_of)
    values: list[Any] = []
    try:
        while reader.at < len(data):
            values.append(reader.value(0))
    except (struct.error, IndexError):
        raise ValueFormatError("it ends too early") from None
    return values


class _Reader:
    """Where reading has come to."""

    def __init__(self, data: bytes, object_of: ObjectOf | None, callback_of: CallbackOf | None) -> None:
        self.at = 0
        self._data = data
        self._object_of = object_of
        self._callback_of = callback_of

    def value(self, depth: int) -> Any:
        tag = self._data[self.at]
        self.at += 1
        if tag == 0x69:
            return self._word(_INTEGER)
        if tag == 0x62:
            length = self._word(_COUNT)
            end = self.at + length
            if end > len(self._data):
                raise IndexError
            found = self._data[self.at : end]
            self.at = end
            return found
        if tag == 0x6E:
            return None
        if tag == 0x73:
            length = self._word(_COUNT)
            self.at += length
            if self.at > len(self._data):
                raise IndexError
            return self._data[self.at - length : self.at].decode(errors="replace")
        if tag == 0x66:
            (double,) = _DOUBLE.unpack_from(self._data, self.at)
            self.at += _DOUBLE.size
            return double
        if tag == 0x64:
            return self._dictionary(depth)
        if tag in (0x74, 0x6C):
            count = self._word(_COUNT)
            if depth == DEPTH or count > len(self._data):
                raise ValueFormatError("too deep, or too long")
            values = [self.value(depth + 1) for _ in range(count)]
            return tuple(values) if tag == 0x74 else values
        if tag in (0x76, 0x77):
            count = self._word(_COUNT)
            if depth == DEPTH or count > len(self._data):
                raise ValueFormatError("too deep, or too long")
            numbers = struct.unpack_from(f"<{count}q", self._data, self.at)
            self.at += 8 * count
            return numbers if tag == 0x76 else list(numbers)
        if tag == 0x6F and self._object_of is not None:
            name = self._word(_COUNT)
            return self._object_of(name, self.value(depth + 1))
        if tag == 0x63 and self._callback_of is not None:
            return self._callback_of(self._word(_NUMBER))
        raise ValueFormatError(f"no value begins with {tag:#x}")

    def _dictionary(self, depth: int) -> dict[Any, Any]:
        count = self._word(_COUNT)
        if depth == DEPTH or count > len(self._data):
            raise ValueFormatError("too deep, or too long")
        found: dict[Any, Any] = {}
        for _ in range(count):
            key = self.value(depth + 1)
            if not isinstance(key, (bytes, str, int)):
                raise ValueFormatError("no key of a dictionary")
            found[key] = self.value(depth + 1)
        return found

    def _word(self, form: struct.Struct) -> int:
        (number,) = form.unpack_from(self._data, self.at)
        self.at += form.size
        return int(number)
