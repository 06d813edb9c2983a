"""System calls on attributes: stat and its kin, modes, owners, times."""

from __future__ import annotations

import struct
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final

from skerry.abi import linux
from skerry.unix.arguments import c_int
from skerry.unix.capabilities import CAP_CHOWN, CAP_FOWNER, CAP_FSETID
from skerry.unix.errors import LinuxError
from skerry.unix.inode import Inode
from skerry.unix.syscalls.paths import AT_FDCWD_WORD, inode_at
from skerry.unix.vfs import require, without_privileges

if TYPE_CHECKING:
    from skerry.unix.process import Thread

Result = int | Coroutine[Any, Any, int]
SECOND: Final = 1_000_000_000
_STAT: Final = struct.Struct("<QQQIIIiQqqqqQqQqQ24x").pack
_STATX: Final = struct.Struct("<IIQIIIHxxQQQQ" + "qIi" * 4 + "IIII14Q")
STATX_BASIC: Final = 0x7FF
STATX_BTIME: Final = 0x800
STATX_ATTR_MOUNT_ROOT: Final = 0x2000
_STATX_SYNC: Final = 0x6000  # AT_STATX_FORCE_SYNC, AT_STATX_DONT_SYNC
_STATX_RESERVED: Final = 0x80000000
_STAT_FLAGS: Final = linux.AT_SYMLINK_NOFOLLOW | linux.AT_NO_AUTOMOUNT | linux.AT_EMPTY_PATH


def pack_stat(inode: Inode) -> bytes:
    """struct stat, 144 bytes."""
    inode.refresh()
    return _STAT(
        inode.fs.device,
        inode.ino,
        inode.nlink,
        inode.mode,
        inode.uid,
        inode.gid,
        0,
        inode.rdev,
        inode.size,
        4096,
        inode.blocks,
        (atime := inode.atime) // SECOND,
        atime % SECOND,
        (mtime := inode.mtime) // SECOND,
        mtime % SECOND,
        (ctime := inode.ctime) // SECOND,
        ctime % SECOND,
    )


def sys_stat(thread: Thread, address: int, buffer: int) -> Result:
    return sys_newfstatat(thread, AT_FDCWD_WORD, address, buffer, 0)


def sys_lstat(thread: Thread, address: int, buffer: int) -> Result:
    return sys_newfstatat(thread, AT_FDCWD_WORD, address, buffer, linux.AT_SYMLINK_NOFOLLOW)


def sys_fstat(thread: Thread, fd: int, buffer: int) -> Result:
    process = thread.process
    process.memory.write(buffer, pack_stat(process.files[c_int(fd)].inode))
    return 0


def sys_newfstatat(thread: Thread, directory: int, address: int, buffer: int, flags: int) -> Result:
    if flags & ~_STAT_FLAGS:
        raise LinuxError(linux.EINVAL)
    thread.process.memory.write(buffer, pack_stat(inode_at(thread, directory, address, flags)))
    return 0


def sys_statx(thread: Thread, directory: int, address: int, flags: int, mask: int, buffer: int) -> Result:
    if flags & ~(_STAT_FLAGS | _STATX_SYNC) or flags & _STATX_SYNC == _STATX_SYNC or mask & _STATX_RESERVED:
        raise LinuxError(linux.EINVAL)
    inode = inode_at(thread, directory, address, flags)
    inode.refresh()
    times: list[int] = []
    for time in (inode.atime, inode.birth, inode.ctime, inode.mtime):
        times += (*divmod(time, SECOND), 0)
    rdev, device = inode.rdev, inode.fs.device
    packed = _STATX.pack(
        STATX_BASIC | (STATX_BTIME if inode.birth else 0),
        4096,
        STATX_ATTR_MOUNT_ROOT if inode.is_mount_root else 0,
        inode.nlink,
        inode.uid,
        inode.gid,
        inode.mode,
        inode.ino,
        inode.size,
        inode.blocks,
        STATX_ATTR_MOUNT_ROOT,
        *times,
        rdev >> 8 & 0xFFF,
        rdev & 0xFF | rdev >> 12 & ~0xFF,
        device >> 8 & 0xFFF,
        device & 0xFF,
        *[0] * 14,
    )
    thread.process.memory.write(buffer, packed)
    return 0


def _change_mode(thread: Thread, inode: Inode, mode: int) -> int:
    who = thread.process.credentials
    if inode.fs.read_only:
        raise LinuxError(linux.EROFS)
    if who.fsuid != inode.uid and not who.has(CAP_FOWNER):
        raise LinuxError(linux.EPERM)
    mode &= 0o7777
    if not who.in_group(inode.gid) and not who.has(CAP_FSETID):
        mode &= ~linux.S_ISGID
    system = thread.process.system
    system.names.forget()
    inode.set_attributes(system.platform.realtime(), mode=mode)
    return 0


def sys_chmod(thread: Thread, address: int, mode: int) -> Result:
    return _change_mode(thread, inode_at(thread, AT_FDCWD_WORD, address, 0), mode)


def sys_fchmod(thread: Thread, fd: int, mode: int) -> Result:
    return _change_mode(thread, thread.process.files.usable(c_int(fd)).inode, mode)


def sys_fchmodat(thread: Thread, directory: int, address: int, mode: int) -> Result:
    return _change_mode(thread, inode_at(thread, directory, address, 0), mode)


def _change_owner(thread: Thread, inode: Inode, uid: int, gid: int) -> int:
    who = thread.process.credentials
    new_uid, new_gid = c_int(uid), c_int(gid)
    if inode.fs.read_only:
        raise LinuxError(linux.EROFS)
    own = who.fsuid == inode.uid
    if not who.has(CAP_CHOWN) and (
        (new_uid != -1 and not (own and new_uid == inode.uid))
        or (new_gid != -1 and not (own and (new_gid == inode.gid or who.in_group(new_gid))))
    ):
        raise LinuxError(linux.EPERM)
    mode = inode.mode if inode.is_directory else without_privileges(who, inode)
    thread.process.system.names.forget()
    inode.set_attributes(
        thread.process.system.platform.realtime(),
        mode=mode,
        uid=None if new_uid == -1 else uid & 0xFFFFFFFF,
        gid=None if new_gid == -1 else gid & 0xFFFFFFFF,
    )
    return 0


def sys_chown(thread: Thread, address: int, uid: int, gid: int) -> Result:
    return _change_owner(thread, inode_at(thread, AT_FDCWD_WORD, address, 0), uid, gid)


def sys_lchown(thread: Thread, address: int, uid: int, gid: int) -> Result:
    return _change_owner(thread, inode_at(thread, AT_FDCWD_WORD, address, linux.AT_SYMLINK_NOFOLLOW), uid, gid)


def sys_fchown(thread: Thread, fd: int, uid: int, gid: int) -> Result:
    return _change_owner(thread, thread.process.files.usable(c_int(fd)).inode, uid, gid)


def sys_fchownat(thread: Thread, directory: int, address: int, uid: int, gid: int, flags: int) -> Result:
    if flags & ~(linux.AT_SYMLINK_NOFOLLOW | linux.AT_EMPTY_PATH):
        raise LinuxError(linux.EINVAL)
    return _change_owner(thread, inode_at(thread, directory, address, flags), uid, gid)


def _change_times(thread: Thread, inode: Inode, times: tuple[int, int] | None) -> int:
    """``times``: access and modification, -1 to leave one; None: now."""
    now = thread.process.system.platform.realtime()
    who = thread.process.credentials
    if times == (-1, -1):
        return 0
    if inode.fs.read_only:
        raise LinuxError(linux.EROFS)
    if who.fsuid != inode.uid and not who.has(CAP_FOWNER):
        if times is not None:
            raise LinuxError(linux.EPERM)
        require(who, inode, linux.W_OK)
    access, modification = times if times is not None else (now, now)
    inode.set_attributes(now, atime=None if access == -1 else access, mtime=None if modification == -1 else modification)
    return 0


def sys_utimensat(thread: Thread, directory: int, address: int, times: int, flags: int) -> Result:
    process = thread.process
    if flags & ~(linux.AT_SYMLINK_NOFOLLOW | linux.AT_EMPTY_PATH):
        raise LinuxError(linux.EINVAL)
    inode = inode_at(thread, directory, address, flags) if address else process.files.usable(c_int(directory)).inode
    if not times:
        return _change_times(thread, inode, None)
    words = struct.unpack("<4q", process.memory.read(times, 32))
    now = process.system.platform.realtime()
    chosen: list[int] = []
    for seconds, nanoseconds in (words[:2], words[2:]):
        if nanoseconds == linux.UTIME_NOW:
            chosen.append(now)
        elif nanoseconds == linux.UTIME_OMIT:
            chosen.append(-1)
        elif 0 <= nanoseconds < SECOND:
            chosen.append(seconds * SECOND + nanoseconds)
        else:
            raise LinuxError(linux.EINVAL)
    return _change_times(thread, inode, None if words[1] == words[3] == linux.UTIME_NOW else (chosen[0], chosen[1]))


def sys_utimes(thread: Thread, address: int, times: int) -> Result:
    return sys_futimesat(thread, AT_FDCWD_WORD, address, times)


def sys_futimesat(thread: Thread, directory: int, address: int, times: int) -> Result:
    inode = inode_at(thread, directory, address, 0)
    if not times:
        return _change_times(thread, inode, None)
    a, b, c, d = struct.unpack("<4q", thread.process.memory.read(times, 32))
    if not (0 <= b < 1_000_000 and 0 <= d < 1_000_000):
        raise LinuxError(linux.EINVAL)
    return _change_times(thread, inode, (a * SECOND + b * 1000, c * SECOND + d * 1000))


def sys_utime(thread: Thread, address: int, times: int) -> Result:
    inode = inode_at(thread, AT_FDCWD_WORD, address, 0)
    if not times:
        return _change_times(thread, inode, None)
    access, modification = struct.unpack("<2q", thread.process.memory.read(times, 16))
    return _change_times(thread, inode, (access * SECOND, modification * SECOND))
