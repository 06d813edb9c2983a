"""Small facts of the host: clocks, random numbers, memory, processor time."""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import time
from pathlib import Path
from typing import Final

from skerry.machine import libc

monotonic = time.monotonic_ns
realtime = time.time_ns
random = os.urandom
error_text = os.strerror  # what an errno means


def memory_bytes() -> tuple[int, int]:
    """Total and available memory."""
    fields = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return tuple(int(fields[name].split()[0]) << 10 for name in ("MemTotal", "MemAvailable"))  # type: ignore[return-value]


def processor_facts() -> str:
    """The lines of /proc/cpuinfo that are the same for every processor."""
    own = ("processor", "physical id", "siblings", "core id", "cpu cores", "apicid", "initial apicid", "cpu MHz")
    first = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
    return "".join(f"{line}\n" for line in first.splitlines() if line.split("\t")[0] not in own)


def processor_caches() -> list[tuple[int, str, str, int, int, int, bool]]:
    """The caches of a processor, nearest first; empty if the host does not tell.

    Each is its level, type (Data, Instruction, Unified), size as the host writes it (``48K``), bytes in a line, sets, ways, and whether
    other cores share it. Source: Documentation/ABI/testing/sysfs-devices-system-cpu.
    """
    first = Path("/sys/devices/system/cpu/cpu0")
    found = []
    try:
        core = (first / "topology/thread_siblings_list").read_text()
        for index in range(len(list(first.glob("cache/index[0-9]*")))):
            place = first / f"cache/index{index}"
            texts = [(place / name).read_text().strip() for name in ("level", "type", "size")]
            numbers = [int((place / name).read_text()) for name in ("coherency_line_size", "number_of_sets", "ways_of_associativity")]
            shared = (place / "shared_cpu_list").read_text() != core
            found.append((int(texts[0]), texts[1], texts[2], numbers[0], numbers[1], numbers[2], shared))
    except (OSError, ValueError):  # machines of which the host knows less
        return []
    return found


def resident(pid: int) -> int:
    """Bytes of memory that a host process has in use; 0 if there is none."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def usage(pid: int) -> tuple[int, int, int, int, int]:
    """What a host process has used: ticks in itself and in the kernel, small and large page faults, bytes in use. Zeros: no process."""
    try:
        descriptor = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
    except OSError:
        return 0, 0, 0, 0, 0
    try:
        fields = os.read(descriptor, 1024).rpartition(b") ")[2].split()
    except ProcessLookupError:  # it died meanwhile
        return 0, 0, 0, 0, 0
    finally:
        os.close(descriptor)
    return int(fields[11]), int(fields[12]), int(fields[7]), int(fields[9]), int(fields[21]) * os.sysconf("SC_PAGE_SIZE")


def private_bytes(pid: int) -> int:
    """Bytes of memory that a host process has in use and that are no file's; 0 if there is none. What fork left shared counts in both."""
    try:
        _size, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
    except OSError:
        return 0
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")


def own_bytes() -> int:
    """Bytes of private memory that this process has in use."""
    return private_bytes(os.getpid())


def trim() -> None:
    """Give the host back the memory that this process has and does not use: takes as long as there are many objects."""
    gc.collect()
    libc.trim()


def proportional_bytes(pid: int) -> tuple[int, int]:
    """Bytes of private and of shared memory that a host process has in use, each page divided among those who map it. Zeros: no process."""
    try:
        rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    except PermissionError:  # the host does not let us look so closely
        return private_bytes(pid), 0
    except OSError:
        return 0, 0
    fields = dict(row.split(":") for row in rows)
    private, shared = (int(fields.get(name, "0 kB").split()[0]) << 10 for name in ("Pss_Anon", "Pss_Shmem"))
    return private, shared


def processor_time() -> int:
    """Processor time that this process and the children it has waited for have used (ns)."""
    used = os.times()
    return time.process_time_ns() + int((used.children_user + used.children_system) * 1e9)


def pause(nanoseconds: int) -> None:
    """Do nothing for so long."""
    time.sleep(nanoseconds / 1e9)


def cpu_time(pid: int) -> int:
    """Processor time that a host process has used (ns); 0 if there is none."""
    try:
        return time.clock_gettime_ns(~pid << 3 | 2)  # its clock: clock_getcpuclockid(3)
    except OSError:
        return 0


def thread_usage(pid: int, tid: int) -> tuple[int, int, int, int, int]:
    """What one thread of a host process has used: processor time (ns), ticks in itself and in the kernel, small and large page faults.

    Zeros: there is none.
    """
    try:
        fields = Path(f"/proc/{pid}/task/{tid}/stat").read_bytes().rpartition(b") ")[2].split()
    except OSError:
        return 0, 0, 0, 0, 0
    user, system, small, large = (int(fields[index]) for index in (11, 12, 7, 9))
    try:
        time_used = int(Path(f"/proc/{pid}/task/{tid}/schedstat").read_bytes().split()[0])
    except (OSError, IndexError):  # a host without CONFIG_SCHED_INFO
        time_used = (user + system) * 10_000_000
    return time_used, user, system, small, large


def load_averages() -> tuple[float, float, float]:
    """Runnable threads of the host, averaged over 1, 5 and 15 minutes. Zeros where the host does not tell."""
    try:
        return os.getloadavg()
    except OSError:
        return 0.0, 0.0, 0.0


def memory_events() -> dict[str, int]:
    """The host's page counts and paging events since it started, by their names in /proc/vmstat."""
    return {name: int(value) for name, value in (line.split() for line in Path("/proc/vmstat").read_text().splitlines())}


def set_nice(pid: int, nice: int) -> bool:
    """Give a host process a nice value; whether the host allows it."""
    try:
        os.setpriority(os.PRIO_PROCESS, pid, nice)
    except (PermissionError, ProcessLookupError):
        return False
    return True


def bind(pid: int, processors: list[int]) -> bool:
    """Let a host process run on these processors alone; whether the host allows it."""
    try:
        os.sched_setaffinity(pid, processors)
    except OSError:
        return False
    return True


def outer_numbers(pid: int) -> dict[int, int]:
    """The numbers of a host process's threads, by those that they have in the process's own namespace; empty if there is none."""
    found: dict[int, int] = {}
    with contextlib.suppress(OSError):
        for entry in Path(f"/proc/{pid}/task").iterdir():
            line = next(line for line in (entry / "status").read_text().splitlines() if line.startswith("NSpid:"))
            found[int(line.split()[-1])] = int(entry.name)
    return found


def inner_number(pidfd: int) -> int:
    """The number that the host process of a pidfd has in its own namespace. Raises OSError."""
    for line in Path(f"/proc/self/fdinfo/{pidfd}").read_text().splitlines():  # /proc/PID/status says it too, and takes 0.14 ms
        if line.startswith("NSpid:"):
            return int(line.split()[-1])
    raise OSError("the host does not tell the numbers of processes in namespaces")


def process_state(pid: int) -> str:
    """The letter of a host process's state (proc(5)); empty if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][:1]
    except OSError:
        return ""


_PRIVATE_PAGES: Final = bytes(bool(flags & 0xC0 and not flags & 0x20) for flags in range(256))  # present or swapped, and not a file's


def has_private_pages(pid: int, address: int, length: int) -> bool:
    """Whether a process has pages of its own in place of a memory object's, in whole pages of a private mapping. Raises OSError."""
    found = private_pages(pid, address, length)
    return len(found) != length // 4096 or b"\1" in found


def private_pages(pid: int, address: int, length: int) -> bytes:
    """A byte for each page: 1 if it is the process's own, and in memory or swapped; fewer at the end of the space. Raises OSError.

    Source: Documentation/admin-guide/mm/pagemap.rst.
    """
    descriptor = os.open(f"/proc/{pid}/pagemap", os.O_RDONLY)
    try:
        entries = os.pread(descriptor, length // 4096 * 8, address // 4096 * 8)
    finally:
        os.close(descriptor)
    return entries[7::8].translate(_PRIVATE_PAGES)


def own_usage() -> dict[str, float]:
    """What the kernel's process has used (getrusage)."""
    return _usage_of(resource.RUSAGE_SELF)


def programs_usage() -> dict[str, float]:
    """What the host processes that have ended have used."""
    return _usage_of(resource.RUSAGE_CHILDREN)


def _usage_of(who: int) -> dict[str, float]:
    used = resource.getrusage(who)
    return {name: getattr(used, name) for name in ("ru_utime", "ru_stime", "ru_minflt", "ru_majflt", "ru_maxrss")}
