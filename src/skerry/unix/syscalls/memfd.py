"""memfd_create."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.unix.errors import LinuxError
from skerry.unix.files import RegularFile
from skerry.unix.memfd import MemoryFile

if TYPE_CHECKING:
    from skerry.unix.process import Thread

NAME_MAX: Final = 249


def sys_memfd_create(thread: Thread, name: int, flags: int) -> int:
    process = thread.process
    flags &= 0xFFFFFFFF
    if flags & ~(linux.MFD_CLOEXEC | linux.MFD_ALLOW_SEALING):
        raise LinuxError(linux.EINVAL)
    text = process.memory.read_string(name, NAME_MAX + 1)
    if text is None:
        raise LinuxError(linux.EINVAL)
    inode = MemoryFile(process, bool(flags & linux.MFD_ALLOW_SEALING))
    file = RegularFile(inode, linux.O_RDWR, b"/memfd:" + text)
    return process.files.install(file, bool(flags & linux.MFD_CLOEXEC))
