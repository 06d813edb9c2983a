"""The host as an object: its name port, which everybody gets (mach_host_self), its privileged port, and its processors, sets and devices.

The time of this system is the host's plus an offset; ``adjust_time`` works the offset in at 5 ms a second. The Unix server's clocks are the
host's, whatever is set here.

Source: Mach 3 Kernel Interfaces, chapter 8; GNU Mach, kern/host.c and kern/mach_clock.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from skerry.abi import mach
from skerry.mach.device import DeviceMaster
from skerry.mach.errors import KernError, KernReturn
from skerry.mach.kobject import new_object_port
from skerry.mach.port import Port
from skerry.mach.processor_set import HostProcessor, ProcessorSet
from skerry.machine import host as machine_host

if TYPE_CHECKING:
    from skerry.mach.kernel import Kernel

VERSION: Final = b"Skerry: Mach 3 on x86-64"
SECOND: Final = 1_000_000_000  # ns
SLEW: Final = 200  # an adjustment of 1 takes 200 of time
MIN_TIMEOUT: Final = 1  # ms
MIN_QUANTUM: Final = 1


class HostPriv:
    """The host, for those who may change it."""

    def __init__(self, host: Host) -> None:
        self.host = host


class Host:
    """One kernel's host."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.port: Port = new_object_port(kernel, self)
        self.priv_port: Port = new_object_port(kernel, HostPriv(self))
        self.default_set = ProcessorSet(self)
        self.sets = [self.default_set]
        self.processors = [HostProcessor(self, slot, number) for slot, number in enumerate(kernel.machine.processor_numbers)]
        self.default_set.processors += self.processors
        self.devices = DeviceMaster(kernel)
        self.boot_info = b""  # what the system was started with, as text
        self._offset = 0  # ns
        self._started = kernel.processor.clock()
        self._adjustment = 0  # ns, not yet worked in
        self._adjusted_at = 0

    @property
    def host(self) -> Host:
        return self

    # Time
    def time(self) -> int:
        """This system's time, ns since 1970."""
        self._work_in_adjustment()
        return machine_host.realtime() + self._offset

    def uptime(self) -> int:
        """ns since this system began."""
        return self.kernel.processor.clock() - self._started

    def _work_in_adjustment(self) -> None:
        now = self.kernel.processor.clock()
        possible = (now - self._adjusted_at) // SLEW
        self._adjusted_at = now
        step = max(-possible, min(possible, self._adjustment))
        self._offset += step
        self._adjustment -= step

    def set_time(self, nanoseconds: int) -> None:
        """From now on it is ``nanoseconds`` since 1970; an adjustment under way ends."""
        self._offset = nanoseconds - machine_host.realtime()
        self._adjustment = 0

    def adjust_time(self, nanoseconds: int) -> int:
        """Advance (or set back) the time gradually by so much; what was left of the adjustment before."""
        self._work_in_adjustment()
        left, self._adjustment = self._adjustment, nanoseconds
        return left


def host_get_time(host: Host) -> tuple[int, int]:
    """Seconds since 1970 and microseconds."""
    seconds, rest = divmod(host.time(), SECOND)
    return seconds, rest // 1000


def _nanoseconds(seconds: int, microseconds: int) -> int:
    if not -1_000_000 < microseconds < 1_000_000:
        raise KernError(KernReturn.INVALID_VALUE)
    return seconds * SECOND + microseconds * 1000


def host_set_time(host: Host, seconds: int, microseconds: int) -> None:
    """Set this system's time. Raises INVALID_VALUE."""
    if seconds < 0 or microseconds < 0:
        raise KernError(KernReturn.INVALID_VALUE)
    host.set_time(_nanoseconds(seconds, microseconds))


def host_adjust_time(host: Host, seconds: int, microseconds: int) -> tuple[int, int]:
    """Have the time change gradually; what was left of the change before. Raises INVALID_VALUE."""
    left = host.adjust_time(_nanoseconds(seconds, microseconds))
    sign = -1 if left < 0 else 1
    whole, rest = divmod(abs(left), SECOND)
    return sign * whole, sign * (rest // 1000)


def host_info(host: Host, flavor: int) -> list[int]:
    """HOST_BASIC_INFO, HOST_PROCESSOR_SLOTS, HOST_SCHED_INFO or HOST_LOAD_INFO. Raises INVALID_ARGUMENT."""
    count = len(host.processors)
    if flavor == mach.HOST_BASIC_INFO:
        return [count, count, machine_host.memory_bytes()[0], mach.CPU_TYPE_X86_64, 0]
    if flavor == mach.HOST_PROCESSOR_SLOTS:
        return [processor.slot for processor in host.processors]
    if flavor == mach.HOST_SCHED_INFO:
        return [MIN_TIMEOUT, MIN_QUANTUM]
    if flavor == mach.HOST_LOAD_INFO:
        loads = machine_host.load_averages()
        return [int(load * mach.LOAD_SCALE) for load in loads] + [mach_factor(load, count) for load in loads]
    raise KernError(KernReturn.INVALID_ARGUMENT)


def mach_factor(load: float, processors: int) -> int:
    """How much of the processors a new thread could have, times LOAD_SCALE (GNU Mach, kern/mach_factor.c)."""
    if load > processors - 1:
        return int(processors * mach.LOAD_SCALE / (load + 1))
    return int((processors - load) * mach.LOAD_SCALE)


def host_reboot(host: Host) -> None:
    """End this system, whatever the options: what started it may start it again."""
    host.kernel.halted = True


def vm_statistics() -> list[int]:
    """Of the host, in pages: page size, free, active, inactive, wired, zero fills, reactivations, pageins, pageouts, faults, copy faults,
    look-ups, hits.

    What the host does not count (zero fills, copy faults, cache look-ups and hits) is 0.
    """
    events = machine_host.memory_events()
    active = events.get("nr_active_anon", 0) + events.get("nr_active_file", 0)
    inactive = events.get("nr_inactive_anon", 0) + events.get("nr_inactive_file", 0)
    counts = [events.get(name, 0) for name in ("pgactivate", "pswpin", "pswpout", "pgfault")]
    wired = events.get("nr_unevictable", 0)
    return [mach.PAGE_SIZE, events.get("nr_free_pages", 0), active, inactive, wired, 0, *counts, 0, 0, 0]
