"""Files that have no place in any file system: what epoll_create, eventfd and the like make."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.unix.errors import LinuxError
from skerry.unix.files import OpenFile
from skerry.unix.inode import FileSystem, Inode

if TYPE_CHECKING:
    from skerry.unix.process import Process

ANONYMOUS_FILE_SYSTEM: Final = FileSystem("anon_inodefs", 15, 0x09041934)


class AnonymousFile(OpenFile):
    """An open file that was made by a call of its own; ``kind`` is how /proc/PID/fd names it."""

    def __init__(self, process: Process, kind: bytes, flags: int) -> None:
        system = process.system
        system.last_ino += 1
        inode = Inode(ANONYMOUS_FILE_SYSTEM, system.last_ino, 0o600, 0, 0, system.platform.realtime())
        super().__init__(inode, linux.O_RDWR | flags, b"anon_inode:" + kind)
        self.system = system


def install(process: Process, file: AnonymousFile, flags: int) -> int:
    """A descriptor for it; ``flags`` may hold O_CLOEXEC. Raises EMFILE."""
    try:
        return process.files.install(file, bool(flags & linux.O_CLOEXEC))
    except LinuxError:
        file.close()
        raise
