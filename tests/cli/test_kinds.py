"""How arguments are written, without a program."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from skerry.abi import linux
from skerry.abi.fault import Fault
from skerry.unix.strace import events, names, structures
from skerry.unix.strace.kinds import After, Bytes, Flags, Items, Moment, Named, Strings, Text, flags, pointed, quoted, signal_set
from skerry.unix.strace.structures import INT, OPEN_FLAGS

BASE = 0x1000


class Bytes4K:
    """A program's memory: what was given at BASE, and nothing else."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def read(self, address: int, length: int) -> bytes:
        if address < BASE or address + length > BASE + len(self.data):
            raise Fault(address)
        return self.data[address - BASE : address - BASE + length]

    def read_string(self, address: int, limit: int) -> bytes | None:
        if not BASE <= address < BASE + len(self.data):
            raise Fault(address)
        text, nul, _ = self.data[address - BASE :].partition(b"\0")
        if not nul:
            raise Fault(address)
        return text if len(text) < limit else None


def moment(data: bytes = b"", *words: int, result: int = 0) -> Moment:
    memory: Any = Bytes4K(data)
    return Moment(memory, (words + (0,) * 6)[:6], 0, result)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b'a\nb\t"\\', r'"a\nb\t\"\\"'),
        (b"\0001", r'"\0001"'),
        (b"\0a\x7f8", r'"\0a\1778"'),
        (b"\xff\x019", r'"\377\19"'),
    ],
)
def test_bytes_are_quoted_with_the_shortest_escape_that_is_clear(data: bytes, text: str) -> None:
    assert quoted(data) == text


def test_string_is_cut_after_32_bytes() -> None:
    assert Text().text(moment(b"x" * 32 + b"\0"), BASE) == '"' + "x" * 32 + '"'
    assert Text().text(moment(b"x" * 33 + b"\0"), BASE) == '"' + "x" * 32 + '"...'


def test_address_that_cannot_be_read_is_a_number() -> None:
    assert Text().text(moment(), 0x55) == "0x55"
    assert Bytes(1).text(moment(b"", 0, 10), BASE) == "0x1000"
    assert structures.TIMESPEC.text(moment(b"short"), BASE) == "0x1000"
    assert Items(4, "I", INT, count=0).text(moment(b"", 3), 0x55) == "0x55"
    assert Strings().text(moment(), 0) == "NULL"


def test_flags_are_named_in_order_and_the_rest_is_a_number() -> None:
    assert flags(0x3, names.PROTECTION) == "PROT_READ|PROT_WRITE"
    assert flags(0x101, names.PROTECTION) == "PROT_READ|0x100"
    assert flags(0x100, names.PROTECTION) == "0x100 /* PROT_??? */"
    assert Flags(names.PROTECTION, "PROT_NONE").text(moment(), 0) == "PROT_NONE"
    assert Named(names.WHENCE).text(moment(), 9) == "0x9 /* SEEK_??? */"


def test_flag_that_contains_another_stands_for_both() -> None:
    assert OPEN_FLAGS.text(moment(), linux.O_RDWR | linux.O_SYNC) == "O_RDWR|O_SYNC"
    assert OPEN_FLAGS.text(moment(), linux.O_RDWR | linux.O_DSYNC) == "O_RDWR|O_DSYNC"
    assert OPEN_FLAGS.text(moment(), linux.O_RDWR | linux.O_TMPFILE) == "O_RDWR|O_TMPFILE"


def test_what_the_kernel_did_not_write_is_an_address() -> None:
    kind = After(pointed("i", INT))
    assert kind.text(moment(struct.pack("<i", -7)), BASE) == "[-7]"
    assert kind.text(moment(struct.pack("<i", -7), result=-linux.EFAULT), BASE) == "0x1000"


def test_signal_set_is_inverted_when_that_is_shorter() -> None:
    everything = (1 << 64) - 1
    assert signal_set(0) == "[]"
    assert signal_set(1 << 1 | 1 << 16 | 1 << 39) == "[INT CHLD RT_8]"
    assert signal_set(everything & ~(1 << 8)) == "~[KILL]"


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (3 << 8, "WIFEXITED(s) && WEXITSTATUS(s) == 3"),
        (9, "WIFSIGNALED(s) && WTERMSIG(s) == SIGKILL"),
        (0x8B, "WIFSIGNALED(s) && WTERMSIG(s) == SIGSEGV && WCOREDUMP(s)"),
        (19 << 8 | 0x7F, "WIFSTOPPED(s) && WSTOPSIG(s) == SIGSTOP"),
        (0xFFFF, "WIFCONTINUED(s)"),
    ],
)
def test_wait_status_is_written_in_its_macros(status: int, text: str) -> None:
    assert events.wait_status(status) == text


def test_long_array_is_cut_after_32_elements() -> None:
    data = struct.pack("<40I", *range(40))
    text = Items(4, "I", INT, count=0).text(moment(data, 40), BASE)
    assert text.startswith("[0, 1, ")
    assert text.endswith("31, ...]")
