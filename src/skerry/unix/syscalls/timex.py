"""adjtimex and clock_adjtime: how the clock is disciplined can be looked at and not changed.

Source: adjtimex(2); kernel/time/ntp.c of Linux for a clock that nothing disciplines.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.unix.arguments import c_int
from skerry.unix.errors import LinuxError
from skerry.unix.syscalls.time import SECOND, read_clock

if TYPE_CHECKING:
    from skerry.unix.process import Thread

ADJ_OFFSET_SS_READ: Final = 0xA001  # the one mode that changes nothing
STA_UNSYNC: Final = 0x40
TIME_ERROR: Final = 5  # the result: the clock is not synchronised
MAXIMUM_ERROR: Final = 16_000_000  # microseconds
TIME_CONSTANT: Final = 2
PRECISION: Final = 1  # microseconds
TOLERANCE: Final = 32_768_000  # 500 parts in a million, 16 bits behind the point
TICK: Final = 10_000  # microseconds

_TIMEX: Final = struct.Struct("<I4x4qi4x8qi4x5qi44x")


def sys_adjtimex(thread: Thread, address: int) -> int:
    memory = thread.process.memory
    (modes,) = struct.unpack("<I", memory.read(address, _TIMEX.size)[:4])
    if modes not in (0, ADJ_OFFSET_SS_READ):
        raise LinuxError(linux.EPERM)
    seconds, nanoseconds = divmod(thread.process.system.platform.realtime(), SECOND)
    errors = (MAXIMUM_ERROR, MAXIMUM_ERROR)
    clock = (TIME_CONSTANT, PRECISION, TOLERANCE, seconds, nanoseconds // 1000, TICK)
    memory.write(address, _TIMEX.pack(modes, 0, 0, *errors, STA_UNSYNC, *clock, *bytes(9)))
    return TIME_ERROR


def sys_clock_adjtime(thread: Thread, clock: int, address: int) -> int:
    if c_int(clock) == linux.CLOCK_REALTIME:
        return sys_adjtimex(thread, address)
    thread.process.memory.read(address, _TIMEX.size)
    read_clock(thread, clock)
    raise LinuxError(linux.EOPNOTSUPP)
