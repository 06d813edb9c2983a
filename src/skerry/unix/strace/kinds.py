"""Kinds of arguments: how a word of a register, or what it points at, is written.

Nothing here fails: an address that cannot be read is written as a number, as strace does.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from skerry.abi.fault import Fault
from skerry.unix.arguments import c_int, c_long
from skerry.unix.errors import LinuxError
from skerry.unix.strace.names import signal_name

if TYPE_CHECKING:
    from skerry.unix.memory import Memory

STRING_LIMIT: Final = 32  # bytes of a string that are shown
ITEM_LIMIT: Final = 32  # elements of an array that are shown
PATH_LIMIT: Final = 4096
_ESCAPES: Final = {7: "\\7", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}


@dataclass(slots=True)
class Moment:
    """A call at its beginning or at its end: its six argument registers, and ``result``, which is 0 until it is known."""

    memory: Memory
    words: tuple[int, ...]
    stack: int  # stack pointer
    result: int = 0


class Kind(Protocol):
    """How an argument is written."""

    def text(self, moment: Moment, word: int) -> str | None:
        """The argument ``word``; None if this call has no such argument."""


def pointer(word: int) -> str:
    """An address."""
    return f"{word:#x}" if word else "NULL"


def quoted(data: bytes, cut: bool = False) -> str:
    """A C string literal, octal escapes as short as can be; ``cut`` marks that there was more."""
    parts = []
    for place, byte in enumerate(data):
        if byte in _ESCAPES:
            parts.append(_ESCAPES[byte])
        elif 32 <= byte < 127:
            parts.append(chr(byte))
        else:
            digit_follows = place + 1 < len(data) and 48 <= data[place + 1] < 56
            parts.append(f"\\{byte:03o}" if digit_follows else f"\\{byte:o}")
    return '"' + "".join(parts) + ('"...' if cut else '"')


def flags(word: int, names: Mapping[str, int], zero: str = "0") -> str:
    """``A|B|0x40``: the names of bits, in the order of ``names``."""
    parts = []
    rest = word
    for name, bits in names.items():
        if rest & bits == bits:
            parts.append(name)
            rest &= ~bits
    if rest:
        parts.append(f"{rest:#x}" if parts else f"{rest:#x} /* {_family(names)} */")
    return "|".join(parts) or zero


def _family(names: Mapping[str, int] | Mapping[int, str]) -> str:
    """``MAP_???``: what an unknown one is called."""
    first = next((name for name in (*names.keys(), *names.values()) if isinstance(name, str)), "")
    return first.partition("_")[0] + "_???"


def signal_set(mask: int) -> str:
    """``[INT CHLD]``, or ``~[…]`` of those that are not in it where these are fewer."""
    inverted = mask.bit_count() > 42
    shown = ~mask & (1 << 64) - 1 if inverted else mask
    words = [signal_name(n + 1) for n in range(64) if shown >> n & 1]
    return ("~[" if inverted else "[") + " ".join(word.removeprefix("SIG") for word in words) + "]"


@dataclass(frozen=True, slots=True)
class Number:
    """A number in a format; ``signed`` is the bits of a signed one, 0 for an unsigned one."""

    format: str = "d"
    signed: int = 0
    special: Mapping[int, str] = field(default_factory=dict)

    def text(self, moment: Moment, word: int) -> str:
        value = c_int(word) if self.signed == 32 else c_long(word) if self.signed == 64 else word
        return self.special.get(value) or format(value, self.format)


@dataclass(frozen=True, slots=True)
class Named:
    """One of an enumeration."""

    names: Mapping[int, str]
    mask: int = 0xFFFFFFFF

    def text(self, moment: Moment, word: int) -> str:
        value = word & self.mask
        return self.names.get(value) or self.names.get(c_int(word)) or f"{value:#x} /* {_family(self.names)} */"


@dataclass(frozen=True, slots=True)
class Flags:
    """Names of bits."""

    names: Mapping[str, int]
    zero: str = "0"

    def text(self, moment: Moment, word: int) -> str:
        return flags(word & 0xFFFFFFFF, self.names, self.zero)


@dataclass(frozen=True, slots=True)
class Typed:
    """One of an enumeration in some bits, and flags in the others."""

    mask: int
    types: Mapping[int, str]
    bits: Mapping[str, int]

    def text(self, moment: Moment, word: int) -> str:
        kind, rest = word & self.mask, word & 0xFFFFFFFF & ~self.mask
        name = self.types.get(kind, f"{kind:#x}")
        return f"{name}|{flags(rest, self.bits)}" if rest else name


@dataclass(frozen=True, slots=True)
class Custom:
    """Written by a function."""

    function: Callable[[Moment, int], str | None]

    def text(self, moment: Moment, word: int) -> str | None:
        try:
            return self.function(moment, word)
        except Fault:
            return pointer(word)


@dataclass(frozen=True, slots=True)
class Labelled:
    """``name=value``."""

    name: str
    kind: Kind

    def text(self, moment: Moment, word: int) -> str | None:
        value = self.kind.text(moment, word)
        return None if value is None else f"{self.name}={value}"


@dataclass(frozen=True, slots=True)
class By:
    """What it is depends on another argument."""

    index: int
    cases: Mapping[int, Kind | None]
    otherwise: Kind | None
    mask: int = 0xFFFFFFFF

    def text(self, moment: Moment, word: int) -> str | None:
        kind = self.cases.get(moment.words[self.index] & self.mask, self.otherwise)
        return None if kind is None else kind.text(moment, word)


@dataclass(frozen=True, slots=True)
class After:
    """Written by the kernel: known when the call has succeeded, else the address."""

    kind: Kind

    def text(self, moment: Moment, word: int) -> str | None:
        if moment.result < 0 or not word:
            return pointer(word)
        return self.kind.text(moment, word)


@dataclass(frozen=True, slots=True)
class Ending:
    """Written at the end of the call, whatever came of it."""

    kind: Kind

    def text(self, moment: Moment, word: int) -> str | None:
        return self.kind.text(moment, word)


@dataclass(frozen=True, slots=True)
class Changed:
    """Read and written: written at the beginning, and `` => …`` at the end if it has changed; ``later`` writes that otherwise."""

    kind: Kind
    later: Kind | None = None

    def text(self, moment: Moment, word: int) -> str | None:
        return self.kind.text(moment, word)

    def change(self, moment: Moment, word: int, before: str) -> str:
        """What the end adds to ``before``."""
        now = (self.later or self.kind).text(moment, word)
        return "" if now is None or now == before else f" => {now}"


@dataclass(frozen=True, slots=True)
class Text:
    """A string that ends with NUL; ``limit`` bytes of it are shown."""

    limit: int = STRING_LIMIT

    def text(self, moment: Moment, word: int) -> str:
        if not word:
            return "NULL"
        try:
            data = moment.memory.read_string(word, PATH_LIMIT)
            if data is None:
                data = moment.memory.read(word, min(self.limit + 1, PATH_LIMIT))
        except Fault:
            return pointer(word)
        return quoted(data[: self.limit], len(data) > self.limit)


@dataclass(frozen=True, slots=True)
class Bytes:
    """As many bytes as argument ``length`` says; -1: as the result says."""

    length: int = -1
    hexadecimal: bool = False

    def text(self, moment: Moment, word: int) -> str:
        length = moment.result if self.length < 0 else moment.words[self.length]
        return buffer(moment, word, length, self.hexadecimal)


def buffer(moment: Moment, address: int, length: int, hexadecimal: bool = False) -> str:
    """``length`` bytes at ``address``, cut where strace cuts."""
    if not address:
        return "NULL"
    try:
        data = moment.memory.read(address, min(length, STRING_LIMIT)) if length else b""
    except Fault:
        return pointer(address)
    if hexadecimal:
        return '"' + "".join(f"\\x{byte:02x}" for byte in data) + ('"...' if length > STRING_LIMIT else '"')
    return quoted(data, length > STRING_LIMIT)


@dataclass(frozen=True, slots=True)
class Strings:
    """An array of strings, as exec takes it; ``counted``: only how many there are."""

    counted: bool = False

    def text(self, moment: Moment, word: int) -> str:
        if not word:
            return "NULL"
        try:
            strings = moment.memory.read_strings(word, 1 << 22)
        except (Fault, LinuxError):
            return pointer(word)
        if self.counted:
            return f"{word:#x} /* {len(strings)} var{'' if len(strings) == 1 else 's'} */"
        parts = [quoted(s[:STRING_LIMIT], len(s) > STRING_LIMIT) for s in strings[:ITEM_LIMIT]]
        return "[" + ", ".join(parts) + (", ...]" if len(strings) > ITEM_LIMIT else "]")


@dataclass(frozen=True, slots=True)
class Field:
    """A part of a record at ``offset``; without a ``code`` (of struct) the kind is given its address. ``shown`` may leave it out."""

    name: str
    offset: int
    code: str
    kind: Kind
    shown: Callable[[bytes], bool] | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """A pointer to a structure of ``size`` bytes; ``more``: there are fields that are not shown."""

    size: int
    fields: tuple[Field, ...]
    more: bool = False

    def text(self, moment: Moment, word: int) -> str:
        if not word:
            return "NULL"
        try:
            data = moment.memory.read(word, self.size)
        except Fault:
            return pointer(word)
        parts = []
        for part in self.fields:
            if part.shown is None or part.shown(data):
                value = struct.unpack_from("<" + part.code, data, part.offset)[0] if part.code else word + part.offset
                text = part.kind.text(moment, value)
                parts.append(f"{part.name}={text}" if part.name else text or "")
        return "{" + ", ".join(parts) + (", ...}" if self.more else "}")


@dataclass(frozen=True, slots=True)
class Items:
    """An array of words or records; ``count`` is an argument's index, or -1 for the result, or ``fixed`` says it."""

    size: int
    code: str  # "": records, whose kind is given their address
    kind: Kind
    count: int = -1
    fixed: int = 0

    def text(self, moment: Moment, word: int) -> str:
        if not word:
            return "NULL"
        count = self.fixed or (moment.result if self.count < 0 else moment.words[self.count] & 0xFFFFFFFF)
        shown = min(count, ITEM_LIMIT)
        try:
            data = moment.memory.read(word, shown * self.size) if shown else b""
        except Fault:
            return pointer(word)
        parts = []
        for place in range(0, shown * self.size, self.size):
            value = struct.unpack_from("<" + self.code, data, place)[0] if self.code else word + place
            parts.append(self.kind.text(moment, value) or "")
        return "[" + ", ".join(parts) + (", ...]" if count > shown else "]")


def pointed(code: str, kind: Kind) -> Items:
    """``[5]``: a pointer to one word."""
    return Items(struct.calcsize("<" + code), code, kind, fixed=1)
