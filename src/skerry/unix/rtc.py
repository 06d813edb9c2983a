"""/dev/rtc0: the real-time clock as a device that programs read (hwclock), with an alarm and an interrupt each second.

The time is the host's, UTC, and cannot be set. Like a clock of hardware it is open once, and keeps its alarm while nobody has it open.

Source: rtc(4); drivers/rtc/dev.c and interface.c of Linux.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.unix.errors import LinuxError
from skerry.unix.files import OpenFile

if TYPE_CHECKING:
    from skerry.unix.inode import Inode
    from skerry.unix.process import Thread
    from skerry.unix.substrate import Clock

SECOND: Final = 1_000_000_000  # ns
_UPDATE: Final = 0x90  # RTC_UF | RTC_IRQF: what a read says of an interrupt
_ALARM: Final = 0xA0  # RTC_AF | RTC_IRQF
_TIME: Final = struct.Struct("<9i")  # struct rtc_time: second, minute, hour, day, month from 0, year from 1900, and three that nobody sets
_ALARM_HEAD: Final = struct.Struct("<BBxx")  # struct rtc_wkalrm: enabled, pending, then a struct rtc_time


def _pack(when: datetime) -> bytes:
    days = when.timetuple()
    return _TIME.pack(
        when.second, when.minute, when.hour, when.day, when.month - 1, when.year - 1900, (days.tm_wday + 1) % 7, days.tm_yday - 1, 0
    )


def _moment(nanoseconds: int) -> datetime:
    return datetime.fromtimestamp(nanoseconds // SECOND, UTC)


class RealTimeClock:
    """The clock of a system. ``open_clock`` opens the host's, when somebody needs it first."""

    def __init__(self, open_clock: Callable[[], Clock]) -> None:
        self._open_clock = open_clock
        self._clock: Clock | None = None
        self.file: ClockFile | None = None  # who has it open
        self.alarm = datetime(1970, 1, 1, tzinfo=UTC)
        self.enabled = False  # whether it rings
        self.pending = False  # whether it has rung since it was set
        self._set = 0  # the alarm that counts: what was set before rings for nobody

    def open(self, inode: Inode, flags: int) -> ClockFile:
        """Raises EBUSY: somebody has it open; EIO and the like: the host's clock is not to be had."""
        if self.file is not None:
            raise LinuxError(linux.EBUSY)
        self.host  # noqa: B018  # now, so that who opens it learns of its trouble
        self.file = ClockFile(inode, flags, self)
        return self.file

    @property
    def host(self) -> Clock:
        """Raises LinuxError."""
        if self._clock is None:
            self._clock = self._open_clock()
        return self._clock

    def now(self) -> datetime:
        return _moment(self.host.time())

    def set_alarm(self, when: datetime, enabled: bool) -> None:
        """It is to ring at ``when``. Raises ETIME: that is not to come."""
        if enabled and when <= self.now():
            raise LinuxError(linux.ETIME)
        self.alarm, self.pending = when, False
        self.enable(enabled)

    def enable(self, enabled: bool) -> None:
        """Whether it rings."""
        self._set += 1
        self.enabled = enabled
        if enabled:
            number = self._set
            self.host.alarm(int(self.alarm.timestamp()) * SECOND, lambda: self._ring(number))

    def _ring(self, number: int) -> None:
        if number == self._set:
            self.enabled, self.pending = False, True
            if self.file is not None:
                self.file.interrupt(_ALARM)


class ClockFile(OpenFile):
    """The open clock. A read takes the interrupts since the last one: how many, and of which kinds."""

    def __init__(self, inode: Inode, flags: int, clock: RealTimeClock) -> None:
        super().__init__(inode, flags, b"/dev/rtc0")
        self._clock = clock
        self._count = 0
        self._kinds = 0
        self._updates = False  # whether each second is an interrupt
        self._ticking = False  # whether one is on its way

    def close(self) -> None:
        self._clock.file = None
        self._updates = False

    def interrupt(self, kind: int) -> None:
        """One has come."""
        self._count += 1
        self._kinds |= kind
        self.changed.wake()

    def read(self, count: int) -> bytes | None:
        if count < 4 or 4 < count < 8:
            raise LinuxError(linux.EINVAL)
        if not self._count:
            return None
        data = (self._count << 8 | self._kinds) & 0xFFFFFFFF
        self._count = self._kinds = 0
        return data.to_bytes(4 if count == 4 else 8, "little")

    def write(self, data: bytes) -> int | None:
        raise LinuxError(linux.EINVAL)

    def poll(self) -> int:
        return linux.POLLIN if self._count else 0

    # Control
    def ioctl(self, thread: Thread, request: int, argument: int) -> int:
        action = _ACTIONS.get(request)
        if action is None:
            raise LinuxError(linux.ENOTTY)
        action(self, thread, argument)
        return 0

    def read_time(self, thread: Thread, argument: int) -> None:
        thread.process.memory.write(argument, _pack(self._clock.now()))

    def set_time(self, thread: Thread, argument: int) -> None:
        """The host's clock is nobody's here."""
        raise LinuxError(linux.EACCES)

    def read_daily_alarm(self, thread: Thread, argument: int) -> None:
        thread.process.memory.write(argument, _pack(self._clock.alarm))

    def set_daily_alarm(self, thread: Thread, argument: int) -> None:
        """RTC_ALM_SET: within a day; it does not ring until that is asked for."""
        second, minute, hour, *_ = _TIME.unpack(thread.process.memory.read(argument, _TIME.size))
        now = self._clock.now()
        try:
            when = now.replace(hour=hour, minute=minute, second=second)
        except ValueError as error:
            raise LinuxError(linux.EINVAL) from error
        self._clock.set_alarm(when if when > now else when + timedelta(days=1), False)

    def read_alarm(self, thread: Thread, argument: int) -> None:
        head = _ALARM_HEAD.pack(self._clock.enabled, self._clock.pending)
        thread.process.memory.write(argument, head + _pack(self._clock.alarm))

    def set_alarm(self, thread: Thread, argument: int) -> None:
        data = thread.process.memory.read(argument, _ALARM_HEAD.size + _TIME.size)
        enabled, _ = _ALARM_HEAD.unpack_from(data)
        second, minute, hour, day, month, year, *_ = _TIME.unpack_from(data, _ALARM_HEAD.size)
        try:
            when = datetime(year + 1900, month + 1, day, hour, minute, second, tzinfo=UTC)
        except ValueError as error:
            raise LinuxError(linux.EINVAL) from error
        self._clock.set_alarm(when, bool(enabled))

    def alarm_on(self, thread: Thread, argument: int) -> None:
        if not self._clock.enabled:
            self._clock.enable(True)

    def alarm_off(self, thread: Thread, argument: int) -> None:
        self._clock.enable(False)

    def updates_on(self, thread: Thread, argument: int) -> None:
        self._updates = True
        if not self._ticking:
            self._tick()

    def updates_off(self, thread: Thread, argument: int) -> None:
        self._updates = False

    def _tick(self) -> None:
        host = self._clock.host
        self._ticking = True
        host.alarm((host.time() // SECOND + 1) * SECOND, self._updated)

    def _updated(self) -> None:
        self._ticking = False
        if self._updates:
            self._tick()
            self.interrupt(_UPDATE)


_ACTIONS: Final[dict[int, Callable[[ClockFile, Thread, int], None]]] = {
    linux.RTC_RD_TIME: ClockFile.read_time,
    linux.RTC_SET_TIME: ClockFile.set_time,
    linux.RTC_ALM_READ: ClockFile.read_daily_alarm,
    linux.RTC_ALM_SET: ClockFile.set_daily_alarm,
    linux.RTC_WKALM_RD: ClockFile.read_alarm,
    linux.RTC_WKALM_SET: ClockFile.set_alarm,
    linux.RTC_AIE_ON: ClockFile.alarm_on,
    linux.RTC_AIE_OFF: ClockFile.alarm_off,
    linux.RTC_UIE_ON: ClockFile.updates_on,
    linux.RTC_UIE_OFF: ClockFile.updates_off,
}
