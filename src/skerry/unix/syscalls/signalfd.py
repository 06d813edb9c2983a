"""The system calls of signalfd."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skerry.abi import linux
from skerry.unix import signals
from skerry.unix.anonymous import install
from skerry.unix.arguments import c_int
from skerry.unix.errors import LinuxError
from skerry.unix.signalfd import SignalFile
from skerry.unix.syscalls.poll import MASK_SIZE

if TYPE_CHECKING:
    from skerry.unix.process import Thread


def sys_signalfd(thread: Thread, fd: int, mask: int, size: int) -> int:
    return sys_signalfd4(thread, fd, mask, size, 0)


def sys_signalfd4(thread: Thread, fd: int, address: int, size: int, flags: int) -> int:
    if size != MASK_SIZE:
        raise LinuxError(linux.EINVAL)
    mask = thread.process.memory.read_words(address, 1)[0] & ~signals.UNBLOCKABLE
    if flags & ~(linux.O_CLOEXEC | linux.O_NONBLOCK):
        raise LinuxError(linux.EINVAL)
    if c_int(fd) == -1:
        return install(thread.process, SignalFile(thread, mask, flags), flags)
    file = thread.process.files.usable(c_int(fd))
    if not isinstance(file, SignalFile):
        raise LinuxError(linux.EINVAL)
    file.set_mask(mask)
    return c_int(fd)
