"""System calls that order when file contents reach the disk or come from it: syncfs, sync_file_range, readahead.

Files in memory have no disk, and what is written to a host file is the host's at once; so most of it is checks.

Source: syncfs(2), sync_file_range(2), readahead(2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.unix.arguments import c_int, c_long
from skerry.unix.errors import LinuxError
from skerry.unix.syscalls.descriptors import STORED

if TYPE_CHECKING:
    from skerry.unix.process import Thread

SYNC_FILE_RANGE_ALL: Final = 7
_RANGED: Final = (linux.S_IFREG, linux.S_IFBLK, linux.S_IFDIR, linux.S_IFLNK)


def sys_syncfs(thread: Thread, fd: int) -> int:
    thread.process.files.usable(c_int(fd)).inode.fs.sync()
    return 0


def sys_sync_file_range(thread: Thread, fd: int, offset: int, length: int, flags: int) -> int:
    file = thread.process.files.usable(c_int(fd))
    if flags & 0xFFFFFFFF & ~SYNC_FILE_RANGE_ALL or c_long(offset) < 0 or c_long(length) < 0 or c_long(offset + length) < 0:
        raise LinuxError(linux.EINVAL)
    if file.inode.mode & linux.S_IFMT not in _RANGED:
        raise LinuxError(linux.ESPIPE)
    if flags and file.inode.mode & linux.S_IFMT in STORED:
        file.sync()
    return 0


def sys_readahead(thread: Thread, fd: int, offset: int, count: int) -> int:
    file = thread.process.files.usable(c_int(fd))
    if not file.readable:
        raise LinuxError(linux.EBADF)
    if not file.inode.is_regular:
        raise LinuxError(linux.EINVAL)
    return 0
