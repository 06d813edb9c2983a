"""Signals that are read from a file.

A read takes what is pending for the thread that reads, and is in the file's mask. Whether the file is readable is said of the thread that
made it or read from it last: polling does not tell who asks.

Source: signalfd(2).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.lib.coroutine import Watch
from skerry.unix import signals
from skerry.unix.anonymous import AnonymousFile
from skerry.unix.errors import LinuxError

if TYPE_CHECKING:
    from skerry.unix.process import Process, Thread

SIZE: Final = 128  # bytes of a struct signalfd_siginfo
_POLL_CODES: Final = range(1, 7)  # POLL_IN to POLL_HUP, of SIGIO
_FAULTS: Final = frozenset((linux.SIGSEGV, linux.SIGBUS, linux.SIGILL, linux.SIGFPE, linux.SIGTRAP))


class SignalFile(AnonymousFile):
    """The signals of ``mask``."""

    def __init__(self, thread: Thread, mask: int, flags: int) -> None:
        super().__init__(thread.process, b"[signalfd]", flags & linux.O_NONBLOCK)
        self.mask = mask
        self._thread = thread
        self._watches: dict[Process, Watch] = {}
        self._follow(thread)

    def set_mask(self, mask: int) -> None:
        self.mask = mask
        self.changed.wake()

    def _follow(self, thread: Thread) -> None:
        """Be woken for the signals of the thread's process too."""
        self._thread = thread
        process = thread.process
        if process not in self._watches:
            for dead in [other for other in self._watches if other.exit_status is not None]:
                self._watches.pop(dead).cancel()
            self._watches[process] = Watch(process.signal_sent, self.changed.wake)

    def read(self, count: int) -> bytes | None:
        if count < SIZE:
            raise LinuxError(linux.EINVAL)
        return None

    def read_for(self, thread: Thread, count: int) -> bytes | None:
        self._follow(thread)
        taken: list[bytes] = []
        while len(taken) < count // SIZE and (info := signals.take(thread, ~self.mask)) is not None:
            taken.append(describe(info))
        return b"".join(taken) or None

    def poll(self) -> int:
        thread = self._thread
        pending = (*thread.pending, *thread.process.pending)
        return linux.POLLIN if any(self.mask >> (info.signo - 1) & 1 for info in pending) else 0

    def close(self) -> None:
        for watch in self._watches.values():
            watch.cancel()


def describe(info: signals.SignalInfo) -> bytes:
    """struct signalfd_siginfo."""
    data = info.pack()
    pid = uid = descriptor = timer = band = overrun = status = number = pointer = user = system = address = 0
    if info.code == linux.SI_TIMER:
        timer, overrun, number = struct.unpack_from("<iIi", data, 16)
        (pointer,) = struct.unpack_from("<Q", data, 24)
    elif info.signo == linux.SIGCHLD and 0 < info.code <= linux.CLD_CONTINUED:
        pid, uid, status, user, system = struct.unpack_from("<iIi4xQQ", data, 16)
    elif info.signo == linux.SIGIO and info.code in _POLL_CODES:
        band, descriptor = struct.unpack_from("<Qi", data, 16)
    elif info.signo in _FAULTS and 0 < info.code < linux.SI_KERNEL:
        (address,) = struct.unpack_from("<Q", data, 16)
    elif info.code in (linux.SI_USER, linux.SI_TKILL, linux.SI_KERNEL):
        pid, uid = struct.unpack_from("<iI", data, 16)
    else:
        pid, uid, number = struct.unpack_from("<iIi", data, 16)
        (pointer,) = struct.unpack_from("<Q", data, 24)
    head = struct.pack(
        "<IiiIIiIIIIiiQQQQ",
        info.signo,
        0,
        info.code,
        pid & 0xFFFFFFFF,
        uid,
        descriptor,
        timer & 0xFFFFFFFF,
        band & 0xFFFFFFFF,
        overrun,
        0,
        status,
        number,
        pointer,
        user,
        system,
        address,
    )
    return head.ljust(SIZE, b"\0")
