"""The system calls of timerfd."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.lib.coroutine import NEVER
from skerry.unix.anonymous import install
from skerry.unix.arguments import c_int
from skerry.unix.errors import LinuxError
from skerry.unix.timerfd import TimerFile

if TYPE_CHECKING:
    from skerry.unix.process import Thread

SECOND: Final = 1_000_000_000
WALL: Final = frozenset((linux.CLOCK_REALTIME, linux.CLOCK_REALTIME_ALARM))
_CLOCKS: Final = WALL | {linux.CLOCK_MONOTONIC, linux.CLOCK_BOOTTIME, linux.CLOCK_BOOTTIME_ALARM}


def read_itimerspec(thread: Thread, address: int) -> tuple[int, int]:
    """Value and interval of the struct itimerspec, in ns. Raises Fault, EINVAL."""
    a, b, c, d = struct.unpack("<4q", thread.process.memory.read(address, 32))
    if min(a, c) < 0 or not 0 <= b < SECOND or not 0 <= d < SECOND:
        raise LinuxError(linux.EINVAL)
    return min(c * SECOND + d, NEVER), min(a * SECOND + b, NEVER)


def write_itimerspec(thread: Thread, address: int, left: int, interval: int) -> None:
    """Raises Fault."""
    thread.process.memory.write(address, struct.pack("<4q", *divmod(interval, SECOND), *divmod(left, SECOND)))


def due_at(thread: Thread, value: int, absolute: bool, wall: bool) -> int:
    """When a timer that was set to ``value`` is due, on the monotonic clock; 0: never."""
    platform = thread.process.system.platform
    if not value:
        return 0
    if not absolute:
        value += platform.monotonic()
    elif wall:
        value += platform.monotonic() - platform.realtime()
    return max(1, min(value, NEVER))


def _timer(thread: Thread, fd: int) -> TimerFile:
    file = thread.process.files.usable(c_int(fd))
    if not isinstance(file, TimerFile):
        raise LinuxError(linux.EINVAL)
    return file


def sys_timerfd_create(thread: Thread, clock: int, flags: int) -> int:
    if flags & ~(linux.TFD_NONBLOCK | linux.TFD_CLOEXEC) or c_int(clock) not in _CLOCKS:
        raise LinuxError(linux.EINVAL)
    return install(thread.process, TimerFile(thread.process, c_int(clock) in WALL, flags), flags)


def sys_timerfd_settime(thread: Thread, fd: int, flags: int, new: int, old: int) -> int:
    value, interval = read_itimerspec(thread, new)
    if flags & ~(linux.TFD_TIMER_ABSTIME | linux.TFD_TIMER_CANCEL_ON_SET):
        raise LinuxError(linux.EINVAL)
    timer = _timer(thread, fd)
    before = timer.left(), timer.interval
    timer.set(due_at(thread, value, bool(flags & linux.TFD_TIMER_ABSTIME), timer.wall), interval)
    if old:
        write_itimerspec(thread, old, *before)
    return 0


def sys_timerfd_gettime(thread: Thread, fd: int, address: int) -> int:
    timer = _timer(thread, fd)
    left = timer.left()
    write_itimerspec(thread, address, left, timer.interval)
    return 0
