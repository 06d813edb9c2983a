"""A disk image of the host as a device: the bytes of one regular file, and nothing else of the host.

The size is what the file had when it was opened, in whole sectors, and never changes. While it is open the file is locked (flock(2)): by
one writer, or by any number of readers.

The contents are a memory object, which is read, written and mapped without the device. A flush takes as long as the host's disk does, and
so it is begun, and ends with an interrupt: nothing else waits for it. Every call raises OSError.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from skerry.machine import libc
from skerry.machine.hardware import HostEvent
from skerry.machine.memory import HostFile

if TYPE_CHECKING:
    from skerry.machine.hardware import Machine

SECTOR: Final = 512  # bytes
FLUSHES: Final = 4096  # that are begun and not taken
_KEEP: Final = 0x01  # FALLOC_FL_KEEP_SIZE
_PUNCH: Final = 0x02
_ZERO: Final = 0x10
_UNSUPPORTED: Final = (errno.EOPNOTSUPP, errno.ENOSYS)


class HostDisk:
    """The device. ``size`` is in bytes."""

    _descriptor = -1
    _event: HostEvent | None = None  # that a flush has ended

    def __init__(self, machine: Machine, path: bytes, writable: bool) -> None:
        """EINVAL: no regular file, or not even a sector long; EWOULDBLOCK: somebody else has it open so that both cannot be."""
        self._machine = machine
        self.writable = writable
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(place).st_mode):  # before it is opened: to open a device or a fifo may do something
                raise OSError(errno.EINVAL, "not a regular file")
            self._descriptor = os.open(b"/proc/self/fd/%d" % place, (os.O_RDWR if writable else os.O_RDONLY) | os.O_CLOEXEC)
        finally:
            os.close(place)
        fcntl.flock(self._descriptor, (fcntl.LOCK_EX if writable else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        self.size = os.fstat(self._descriptor).st_size & -SECTOR
        if not self.size:
            raise OSError(errno.EINVAL, "smaller than a sector")
        self._flushes: dict[int, Callable[[], None]] = {}  # begun
        self._under_way: list[int] = []
        self._ended: dict[int, int] = {}  # errno
        self._last_flush = 0

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Give the file back, for others to open. Mappings stay."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        if self._event is not None:
            os.close(self._event.descriptor)
            self._event = None

    def _require(self, offset: int, length: int) -> None:
        """EINVAL: some of the range lies outside; EROFS: nothing may be written."""
        if not 0 <= offset <= offset + length <= self.size:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        if not self.writable:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    def open(self) -> HostFile:
        """The contents, to be read, written and mapped, all in the host's page cache: who has them keeps within the size."""
        return HostFile(os.dup(self._descriptor))

    def discard(self, offset: int, length: int) -> None:
        """Nobody needs what is there: the host gets the room back, and zeros are read. EOPNOTSUPP: the host cannot do that."""
        self._require(offset, length)
        if length:
            libc.allocate(self._descriptor, _PUNCH | _KEEP, offset, length)

    def zero(self, offset: int, length: int) -> None:
        """Have the range hold zeros, and keep its room where the host can do that. EOPNOTSUPP: the host can have no holes either."""
        self._require(offset, length)
        if not length:
            return
        try:
            libc.allocate(self._descriptor, _ZERO | _KEEP, offset, length)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
            libc.allocate(self._descriptor, _PUNCH | _KEEP, offset, length)

    # Flushes: one host call for all that were begun while the one before was under way
    def begin_flush(self, done: Callable[[], None]) -> int:
        """Have all that was written reach the host's disk; ``done`` is called once when ``end_flush`` has the end. A number for it.

        EAGAIN: too many are begun.
        """
        if len(self._flushes) + len(self._ended) >= FLUSHES:
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        self._last_flush += 1
        self._flushes[self._last_flush] = done
        if not self._under_way:
            self._flush()
        return self._last_flush

    def end_flush(self, number: int) -> int:
        """An errno, or 0: how the flush ended; the number is free again. EAGAIN: it has not ended, or there is none."""
        try:
            return self._ended.pop(number)
        except KeyError:
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from None

    def _flush(self) -> None:
        from threading import Thread  # few runs need it

        if self._event is None:
            self._event = HostEvent(os.eventfd(0, os.EFD_CLOEXEC), self._flushed)
        self._under_way = list(self._flushes)
        outcome = self._outcome = [0]
        self._machine.watch(self._event)
        Thread(target=_synchronize, args=(os.dup(self._descriptor), os.dup(self._event.descriptor), outcome)).start()

    def _flushed(self) -> None:
        assert self._event is not None
        os.eventfd_read(self._event.descriptor)
        numbers, self._under_way = self._under_way, []
        done = [self._flushes.pop(number) for number in numbers]
        self._ended.update((number, self._outcome[0]) for number in numbers)
        if self._flushes:
            self._flush()
        for callback in done:
            callback()


def _synchronize(descriptor: int, event: int, outcome: list[int]) -> None:
    """fdatasync(2), in a thread of its own; both descriptors are its own."""
    try:
        os.fdatasync(descriptor)
    except OSError as error:
        outcome[0] = error.errno or errno.EIO
    os.eventfd_write(event, 1)
    os.close(descriptor)
    os.close(event)
