"""Small facts of the host: clocks, random numbers, memory, processor time."""

from __future__ import annotations

import os
import time
from pathlib import Path

monotonic = time.monotonic_ns
realtime = time.time_ns
random = os.urandom


def memory_bytes() -> tuple[int, int]:
    """Total and available memory."""
    fields = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return tuple(int(fields[name].split()[0]) << 10 for name in ("MemTotal", "MemAvailable"))  # type: ignore[return-value]


def cpu_time(pid: int) -> int:
    """Processor time that a host process has used (ns)."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0
    return (int(words[11]) + int(words[12])) * (1_000_000_000 // os.sysconf("SC_CLK_TCK"))
