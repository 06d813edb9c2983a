"""Locked memory, as it counts against RLIMIT_MEMLOCK. Nothing is ever swapped, so that locking does nothing else.

Source: mlock(2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.unix.errors import LinuxError

if TYPE_CHECKING:
    from skerry.unix.memory import Memory

MOST: Final = 4096  # ranges of a process


class Locked:
    """The ranges of a process's memory that are locked: sorted, without overlap. Not inherited, and gone after exec."""

    def __init__(self) -> None:
        self._ranges: list[tuple[int, int]] = []

    def add(self, start: int, end: int) -> None:
        """Lock [start, end). Raises ENOMEM for too many ranges."""
        self.remove(start, end)
        if len(self._ranges) >= MOST:
            raise LinuxError(linux.ENOMEM)
        self._ranges.append((start, end))
        self._ranges.sort()

    def remove(self, start: int, end: int) -> None:
        """Unlock [start, end)."""
        kept = []
        for first, last in self._ranges:
            kept += [(a, b) for a, b in ((first, min(last, start)), (max(first, end), last)) if a < b]
        self._ranges = kept

    def clear(self) -> None:
        """Unlock everything."""
        self._ranges = []

    def within(self, start: int, end: int) -> int:
        """How many bytes of [start, end) are locked."""
        return sum(max(0, min(last, end) - max(first, start)) for first, last in self._ranges)

    def bytes(self, memory: Memory) -> int:
        """How many are locked and still mapped."""
        if not self._ranges:
            return 0
        mappings = memory.mappings()
        return sum(max(0, min(m.end, end) - max(m.start, start)) for start, end in self._ranges for m in mappings)
