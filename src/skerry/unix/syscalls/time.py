"""System calls on clocks and sleeping."""

from __future__ import annotations

import struct
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final

from skerry.abi import linux
from skerry.lib.coroutine import Interrupted, sleep_until
from skerry.unix import accounting
from skerry.unix.arguments import c_int
from skerry.unix.errors import LinuxError
from skerry.unix.futex import deadline_of

if TYPE_CHECKING:
    from skerry.unix.process import Thread

Result = int | Coroutine[Any, Any, int]
SECOND: Final = 1_000_000_000
_WALL: Final = frozenset((linux.CLOCK_REALTIME, linux.CLOCK_REALTIME_COARSE, linux.CLOCK_TAI))
_MONOTONIC: Final = frozenset((linux.CLOCK_MONOTONIC, linux.CLOCK_MONOTONIC_COARSE, linux.CLOCK_MONOTONIC_RAW, linux.CLOCK_BOOTTIME))


def read_clock(thread: Thread, clock: int) -> int:
    """Nanoseconds. Raises EINVAL."""
    clock = c_int(clock)
    platform = thread.process.system.platform
    if clock in _WALL:
        return platform.realtime()
    if clock in _MONOTONIC:
        return platform.monotonic()
    if clock == linux.CLOCK_PROCESS_CPUTIME_ID:
        return accounting.used(thread.process)
    if clock == linux.CLOCK_THREAD_CPUTIME_ID:
        return accounting.thread_usage(thread).time
    if clock < 0:  # clock_getcpuclockid, pthread_getcpuclockid
        number, of_thread = ~(clock >> 3), clock & 4
        if of_thread:
            other = thread.process.threads.get(number or thread.tid)
            if other is not None:
                return accounting.thread_usage(other).time
        for process in thread.process.system.processes.values():
            if not of_thread and (not number or number in process.threads):
                return accounting.used(process if number else thread.process)
    raise LinuxError(linux.EINVAL)


def sys_clock_gettime(thread: Thread, clock: int, address: int) -> Result:
    thread.process.memory.write(address, struct.pack("<qq", *divmod(read_clock(thread, clock), SECOND)))
    return 0


def sys_clock_getres(thread: Thread, clock: int, address: int) -> Result:
    read_clock(thread, clock)
    if address:
        coarse = clock in (linux.CLOCK_REALTIME_COARSE, linux.CLOCK_MONOTONIC_COARSE)
        thread.process.memory.write(address, struct.pack("<qq", 0, 4_000_000 if coarse else 1))
    return 0


def sys_gettimeofday(thread: Thread, address: int, zone: int) -> Result:
    if address:
        seconds, nanoseconds = divmod(thread.process.system.platform.realtime(), SECOND)
        thread.process.memory.write(address, struct.pack("<qq", seconds, nanoseconds // 1000))
    if zone:
        thread.process.memory.write(zone, bytes(8))
    return 0


def sys_time(thread: Thread, address: int) -> Result:
    seconds = thread.process.system.platform.realtime() // SECOND
    if address:
        thread.process.memory.write(address, struct.pack("<q", seconds))
    return seconds


def sys_nanosleep(thread: Thread, wanted: int, left: int) -> Result:
    return _sleep(thread, _until(thread, wanted, False, False), left)


def _until(thread: Thread, wanted: int, absolute: bool, wall: bool) -> int:
    """The deadline, which stays when a call that a tracer broke off is made again."""
    kept, thread.kept_deadline = thread.kept_deadline, 0
    return kept or deadline_of(thread, wanted, absolute, wall)


def sys_clock_nanosleep(thread: Thread, clock: int, flags: int, wanted: int, left: int) -> Result:
    if c_int(clock) not in _WALL and c_int(clock) not in _MONOTONIC:
        raise LinuxError(linux.EINVAL)
    absolute = bool(flags & linux.TIMER_ABSTIME)
    return _sleep(thread, _until(thread, wanted, absolute, c_int(clock) in _WALL), 0 if absolute else left)


async def _sleep(thread: Thread, deadline: int, left: int) -> int:
    try:
        await sleep_until(deadline)
    except Interrupted:
        if thread.tracee is not None:
            thread.kept_deadline = deadline
        if left:
            rest = max(0, deadline - thread.process.system.platform.monotonic())
            thread.process.memory.write(left, struct.pack("<qq", *divmod(rest, SECOND)))
        raise
    return 0


def sys_times(thread: Thread, address: int) -> Result:
    platform = thread.process.system.platform
    if address:
        ticks = []
        for used in (accounting.usage(thread.process), thread.process.children_usage):
            ticks += [(used.time - used.system) // accounting.TICK, used.system // accounting.TICK]
        thread.process.memory.write(address, struct.pack("<4q", *ticks))
    return platform.monotonic() // 10_000_000
