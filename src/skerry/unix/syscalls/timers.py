"""The system calls of POSIX timers."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.unix import signals
from skerry.unix.arguments import c_int
from skerry.unix.errors import LinuxError
from skerry.unix.syscalls.time import read_clock
from skerry.unix.syscalls.timerfd import due_at, read_itimerspec, write_itimerspec
from skerry.unix.timers import ProcessTimer

if TYPE_CHECKING:
    from skerry.unix.process import Thread

SIGEV_SIGNAL: Final = 0
SIGEV_NONE: Final = 1
SIGEV_THREAD: Final = 2
SIGEV_THREAD_ID: Final = 4
_WITHOUT_TIMERS: Final = frozenset((linux.CLOCK_MONOTONIC_RAW, linux.CLOCK_MONOTONIC_COARSE, linux.CLOCK_REALTIME_COARSE))
_ALARMS: Final = frozenset((linux.CLOCK_REALTIME_ALARM, linux.CLOCK_BOOTTIME_ALARM))


def sys_timer_create(thread: Thread, clock: int, event: int, address: int) -> int:
    process = thread.process
    clock = c_int(clock)
    if clock not in _ALARMS:
        read_clock(thread, clock)
    if clock in _WITHOUT_TIMERS:
        raise LinuxError(linux.EOPNOTSUPP)
    if len(process.timers) >= signals.QUEUE_LIMIT:
        raise LinuxError(linux.EAGAIN)
    number = process.last_timer + 1
    value, signo, target = number, linux.SIGALRM, None
    if event:
        value, signo, target = _notification(thread, event)
    process.memory.write(address, struct.pack("<i", number))
    process.last_timer = number
    process.timers[number] = ProcessTimer(process, number, clock, signo, value, target)
    return 0


def _notification(thread: Thread, address: int) -> tuple[int, int, Thread | None]:
    """Value, signal (0: none) and thread of the struct sigevent. Raises Fault, EINVAL."""
    value, signo, notify, tid = struct.unpack("<Qiii", thread.process.memory.read(address, 20))
    if notify == SIGEV_NONE:
        return value, 0, None
    if notify not in (SIGEV_SIGNAL, SIGEV_THREAD, SIGEV_THREAD_ID) or not 0 < signo <= signals.LAST:
        raise LinuxError(linux.EINVAL)
    if notify != SIGEV_THREAD_ID:
        return value, signo, None
    target = thread.process.threads.get(tid)
    if target is None:
        raise LinuxError(linux.EINVAL)
    return value, signo, target


def _timer(thread: Thread, number: int) -> ProcessTimer:
    timer = thread.process.timers.get(c_int(number))
    if timer is None:
        raise LinuxError(linux.EINVAL)
    return timer


def sys_timer_settime(thread: Thread, number: int, flags: int, new: int, old: int) -> int:
    if not new:
        raise LinuxError(linux.EINVAL)
    value, interval = read_itimerspec(thread, new)
    timer = _timer(thread, number)
    before = timer.left(), timer.interval
    absolute = bool(flags & linux.TIMER_ABSTIME)
    if timer.counts_processor_time and value:
        due = value if absolute else value + timer.now()
    else:
        due = due_at(thread, value, absolute, timer.wall)
    timer.set(due, interval)
    if old:
        write_itimerspec(thread, old, *before)
    return 0


def sys_timer_gettime(thread: Thread, number: int, address: int) -> int:
    timer = _timer(thread, number)
    write_itimerspec(thread, address, timer.left(), timer.interval)
    return 0


def sys_timer_getoverrun(thread: Thread, number: int) -> int:
    return _timer(thread, number).overrun


def sys_timer_delete(thread: Thread, number: int) -> int:
    _timer(thread, number).cancel()
    del thread.process.timers[c_int(number)]
    return 0
