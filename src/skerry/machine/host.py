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
    """Processor time that a host process has used (ns); 0 if there is none."""
    try:
        return time.clock_gettime_ns(~pid << 3 | 2)  # its clock: clock_getcpuclockid(3)
    except OSError:
        return 0
