"""File handles: names of inodes that outlive the path. No file system here gives any, as overlayfs without an index gives none.

Source: open_by_handle_at(2).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.unix.capabilities import CAP_DAC_READ_SEARCH
from skerry.unix.errors import LinuxError
from skerry.unix.syscalls.paths import inode_at

if TYPE_CHECKING:
    from skerry.unix.process import Thread

MAX_HANDLE_SIZE: Final = 128
AT_HANDLE_FID: Final = 0x200


def _size(thread: Thread, handle: int) -> int:
    (size,) = struct.unpack("<I", thread.process.memory.read(handle, 4))
    return int(size)


def sys_name_to_handle_at(thread: Thread, directory: int, path: int, handle: int, mount: int, flags: int) -> int:
    if flags & ~(linux.AT_SYMLINK_FOLLOW | linux.AT_EMPTY_PATH | AT_HANDLE_FID):
        raise LinuxError(linux.EINVAL)
    follow = 0 if flags & linux.AT_SYMLINK_FOLLOW else linux.AT_SYMLINK_NOFOLLOW
    inode_at(thread, directory, path, follow | flags & linux.AT_EMPTY_PATH)
    if _size(thread, handle) > MAX_HANDLE_SIZE:
        raise LinuxError(linux.EINVAL)
    raise LinuxError(linux.EOPNOTSUPP)


def sys_open_by_handle_at(thread: Thread, mount: int, handle: int, flags: int) -> int:
    if not thread.process.credentials.has(CAP_DAC_READ_SEARCH):
        raise LinuxError(linux.EPERM)
    if not 0 < _size(thread, handle) <= MAX_HANDLE_SIZE:
        raise LinuxError(linux.EINVAL)
    raise LinuxError(linux.ESTALE)  # nobody was given one
