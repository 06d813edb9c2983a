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


def processor_facts() -> str:
    """The lines of /proc/cpuinfo that are the same for every processor."""
    own = ("processor", "physical id", "siblings", "core id", "cpu cores", "apicid", "initial apicid", "cpu MHz")
    first = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
    return "".join(f"{line}\n" for line in first.splitlines() if line.split("\t")[0] not in own)


def resident(pid: int) -> int:
    """Bytes of memory that a host process has in use; 0 if there is none."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def cpu_time(pid: int) -> int:
    """Processor time that a host process has used (ns); 0 if there is none."""
    try:
        return time.clock_gettime_ns(~pid << 3 | 2)  # its clock: clock_getcpuclockid(3)
    except OSError:
        return 0
