"""A tracer's reach into the memory of another process: also where the process itself may not read or write.

What is mapped private becomes the process's own when it is written, text and constants too. The pages are opened for the moment of the
access; the process's other threads can do no more meanwhile than they could with a mprotect of their own.

Source: ptrace(2), PTRACE_POKETEXT; proc(5), /proc/PID/mem.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from skerry.abi import linux
from skerry.abi.fault import Fault
from skerry.unix.memory import PAGE, page_up

if TYPE_CHECKING:
    from skerry.unix.memory import Memory


def look(memory: Memory, address: int, length: int) -> bytes:
    """Bytes of the process. Raises Fault where nothing is mapped."""
    try:
        return memory.read(address, length)
    except Fault:
        with _opened(memory, address, length, linux.PROT_READ):
            return memory.read(address, length)


def change(memory: Memory, address: int, data: bytes) -> None:
    """Write bytes of the process. Raises Fault where nothing is mapped, or where a file would be changed that was opened to be read."""
    try:
        memory.write(address, data)
    except Fault:
        with _opened(memory, address, len(data), linux.PROT_READ | linux.PROT_WRITE):
            memory.write(address, data)


@contextmanager
def _opened(memory: Memory, address: int, length: int, wanted: int) -> Iterator[None]:
    """Give ``wanted`` to pages that lack it. Raises Fault."""
    space = memory.space
    closed: list[tuple[int, int, int]] = []
    at, end = address & ~(PAGE - 1), page_up(address + length)
    while at < end:
        mapping = memory.find(at)
        if mapping is None or (wanted & linux.PROT_WRITE and mapping.shared and not mapping.may_write):
            raise Fault(at)
        stop = min(end, mapping.end)
        if wanted & ~mapping.protection:
            closed.append((at, stop - at, mapping.protection))
        at = stop
    for start, size, protection in closed:
        space.protect(start, size, protection | wanted)
    try:
        yield
    finally:
        for start, size, protection in closed:
            space.protect(start, size, protection)
