"""The system calls of eventfd."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skerry.abi import linux
from skerry.unix.anonymous import install
from skerry.unix.errors import LinuxError
from skerry.unix.eventfd import EventFile

if TYPE_CHECKING:
    from skerry.unix.process import Thread


def sys_eventfd(thread: Thread, count: int) -> int:
    return sys_eventfd2(thread, count, 0)


def sys_eventfd2(thread: Thread, count: int, flags: int) -> int:
    if flags & ~(linux.EFD_SEMAPHORE | linux.EFD_NONBLOCK | linux.EFD_CLOEXEC):
        raise LinuxError(linux.EINVAL)
    return install(thread.process, EventFile(thread.process, count & 0xFFFFFFFF, flags), flags)
