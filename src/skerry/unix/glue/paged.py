"""A program's memory of which some is on the paging device: what the host refuses is tried again piece by piece, each brought in before.

Used in a run that pages (``--swap``); in others a program's memory is the host's, and what the host refuses is a fault.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from skerry.abi import linux, mach
from skerry.abi.fault import Fault
from skerry.unix.substrate import Buffer

PAGE: Final = 4096
PIECE: Final = 64 * PAGE  # bytes that are brought in at a time


def signal_of(result: int, signo: int, code: int) -> tuple[int, int]:
    """The signal of a bad access, and its code: SIGBUS where there was memory that cannot be had any more.

    ``result``: a kern_return_t; ``signo`` and ``code``: what the host says, to which the page was just not there.
    """
    lost = signo == linux.SIGSEGV and result not in (mach.KERN_INVALID_ADDRESS, mach.KERN_PROTECTION_FAILURE)
    return (linux.SIGBUS, linux.BUS_ADRERR) if lost else (signo, code)


class Bytes(Protocol):
    """How the host reads and writes memory."""

    def read(self, address: int, length: int, /) -> bytes: ...
    def read_into(self, address: int, buffer: bytearray | memoryview, /) -> None: ...
    def write(self, address: int, buffer: Buffer, /) -> None: ...
    def read_string(self, address: int, limit: int, /) -> bytes | None: ...


class PagedBytes:
    """The same over ``host``. ``bring_in(address, length, write)`` has pages there; False: they cannot be had."""

    def __init__(self, host: Bytes, bring_in: Callable[[int, int, bool], bool]) -> None:
        self._host = host
        self._bring_in = bring_in

    def read(self, address: int, length: int, /) -> bytes:
        try:
            return self._host.read(address, length)
        except Fault:
            buffer = bytearray(length)
            self._in_pieces(self._host.read_into, address, memoryview(buffer), False)
            return bytes(buffer)

    def read_into(self, address: int, buffer: bytearray | memoryview, /) -> None:
        try:
            self._host.read_into(address, buffer)
        except Fault:
            self._in_pieces(self._host.read_into, address, memoryview(buffer).cast("B"), False)

    def write(self, address: int, buffer: Buffer, /) -> None:
        try:
            self._host.write(address, buffer)
        except Fault:
            self._in_pieces(self._host.write, address, memoryview(buffer).cast("B"), True)

    def read_string(self, address: int, limit: int, /) -> bytes | None:
        try:
            return self._host.read_string(address, limit)
        except Fault:
            string = b""
            while len(string) < limit:
                at = address + len(string)
                part = self.read(at, min(limit - len(string), PAGE - at % PAGE))
                end = part.find(0)
                if end >= 0:
                    return string + part[:end]
                string += part
            return None

    def _in_pieces(self, access: Callable[[int, Any], None], address: int, view: memoryview, write: bool) -> None:
        at = 0
        while at < len(view):
            count = min(len(view) - at, PIECE - (address + at) % PIECE)
            part = view[at : at + count]
            try:
                access(address + at, part)
            except Fault:
                if not self._bring_in(address + at, count, write):
                    raise
                access(address + at, part)
            at += count
