"""The system calls of inotify."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skerry.abi import linux
from skerry.unix import notify
from skerry.unix.anonymous import install
from skerry.unix.arguments import c_int
from skerry.unix.errors import LinuxError
from skerry.unix.fs.tmpfs import Directory
from skerry.unix.inotify import EVENTS, FLAGS, IN_DONT_FOLLOW, IN_MASK_ADD, IN_MASK_CREATE, IN_ONLYDIR, Inotify
from skerry.unix.syscalls.paths import AT_FDCWD_WORD, existing
from skerry.unix.vfs import require

if TYPE_CHECKING:
    from skerry.unix.process import Thread


def sys_inotify_init(thread: Thread) -> int:
    return sys_inotify_init1(thread, 0)


def sys_inotify_init1(thread: Thread, flags: int) -> int:
    if flags & ~(linux.O_CLOEXEC | linux.O_NONBLOCK):
        raise LinuxError(linux.EINVAL)
    return install(thread.process, Inotify(thread.process, flags), flags)


def sys_inotify_add_watch(thread: Thread, fd: int, address: int, mask: int) -> int:
    mask &= 0xFFFFFFFF
    process = thread.process
    if not mask & (EVENTS | FLAGS) or not mask & EVENTS:
        raise LinuxError(linux.EINVAL)
    file = process.files.usable(c_int(fd))
    if (mask & IN_MASK_ADD and mask & IN_MASK_CREATE) or not isinstance(file, Inotify):
        raise LinuxError(linux.EINVAL)
    inode = existing(thread, AT_FDCWD_WORD, process.memory.read_path(address), not mask & IN_DONT_FOLLOW)
    if mask & IN_ONLYDIR and not inode.is_directory:
        raise LinuxError(linux.ENOTDIR)
    require(process.credentials, inode, linux.R_OK)
    number = file.add(inode, mask)
    if isinstance(inode, Directory):
        notify.adopt_entries(inode)
    return number


def sys_inotify_rm_watch(thread: Thread, fd: int, number: int) -> int:
    file = thread.process.files.usable(c_int(fd))
    if not isinstance(file, Inotify):
        raise LinuxError(linux.EINVAL)
    file.remove(c_int(number))
    return 0
