"""What processes use of the machine, as getrusage, wait4 and times say it.

Source: getrusage(2).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

SECOND: Final = 1_000_000_000


@dataclass(slots=True)
class Usage:
    """What was used: processor time and the part of it in the kernel (ns), page faults, and the most memory at a time (bytes)."""

    time: int = 0
    system: int = 0
    small_faults: int = 0
    large_faults: int = 0
    peak: int = 0

    def add(self, other: Usage) -> None:
        """Children, or a child's children, count too."""
        self.time += other.time
        self.system += other.system
        self.small_faults += other.small_faults
        self.large_faults += other.large_faults
        self.peak = max(self.peak, other.peak)

    def pack(self) -> bytes:
        """struct rusage; what it does not know is zero."""
        times = (part for ns in (self.time - self.system, self.system) for part in (ns // SECOND, ns % SECOND // 1000))
        faults = (self.small_faults, self.large_faults)
        return struct.pack("<4q4q2q", *times, self.peak >> 10, 0, 0, 0, *faults).ljust(144, b"\0")
