"""mount(2) and umount(2), as far as one name space without binds goes: new file systems of the system's own, for who is root in a chroot.

What the system came with (its root, /proc, /dev, /tmp, what was bound) stays where it is: what lies beneath is not for programs.

Source: mount(2), umount(2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.unix.capabilities import CAP_SYS_ADMIN
from skerry.unix.errors import LinuxError
from skerry.unix.fs.dev import make_dev
from skerry.unix.fs.devpts import DevPts
from skerry.unix.fs.proc import Proc
from skerry.unix.fs.sys import make_sys
from skerry.unix.fs.tmpfs import Directory, MemoryFileSystem
from skerry.unix.syscalls.paths import AT_FDCWD_WORD, existing
from skerry.unix.vfs import mount

if TYPE_CHECKING:
    from skerry.unix.inode import FileSystem
    from skerry.unix.process import Process, System, Thread

MS_RDONLY: Final = 1
MS_REMOUNT: Final = 32
MS_BIND: Final = 4096
MS_MOVE: Final = 8192
MS_PROPAGATION: Final = 0x1E0000  # UNBINDABLE, PRIVATE, SLAVE, SHARED: there is one name space
MS_MGC_MSK: Final = 0xFFFF0000
MS_MGC_VAL: Final = 0xC0ED0000
MNT_DETACH: Final = 2
UMOUNT_NOFOLLOW: Final = 8
_UMOUNT_FLAGS: Final = 1 | MNT_DETACH | UMOUNT_NOFOLLOW  # and MNT_FORCE
LIMIT: Final = 1000  # mounts that programs may make
FIRST_DEVICE: Final = 256  # device numbers of what they mount


def sys_mount(thread: Thread, source: int, target: int, kind: int, flags: int, data: int) -> int:
    process = thread.process
    _require_privilege(process)
    memory = process.memory
    place = existing(thread, AT_FDCWD_WORD, memory.read_path(target))
    if flags & MS_MGC_MSK == MS_MGC_VAL:
        flags &= ~MS_MGC_MSK
    if flags & (MS_BIND | MS_MOVE) and not flags & MS_REMOUNT:
        raise LinuxError(linux.EPERM)
    if not isinstance(place, Directory):
        raise LinuxError(linux.ENOTDIR)
    below = _below(place)
    if flags & (MS_REMOUNT | MS_PROPAGATION):
        if below is None and place is not process.system.root:
            raise LinuxError(linux.EINVAL)
        if flags & MS_REMOUNT:
            _require_ours(process.system, place.fs)
            place.fs.read_only = bool(flags & MS_RDONLY)
        return 0
    if below is not None or place is process.system.root or place.nlink == 0:
        raise LinuxError(linux.EBUSY)
    if len(process.system.mounted) >= LIMIT:
        raise LinuxError(linux.ENOSPC)
    options = memory.read_path(data) if data else b""
    root = _new_root(process.system, memory.read_path(kind), options)
    root.fs.read_only = root.fs.read_only or bool(flags & MS_RDONLY)
    process.system.mounted.append(root.fs)
    process.system.names.forget()
    mount(place, root)
    return 0


def sys_umount2(thread: Thread, target: int, flags: int) -> int:
    process = thread.process
    _require_privilege(process)
    if flags & ~_UMOUNT_FLAGS:
        raise LinuxError(linux.EINVAL)
    place = existing(thread, AT_FDCWD_WORD, process.memory.read_path(target), not flags & UMOUNT_NOFOLLOW)
    below = _below(place) if isinstance(place, Directory) else None
    if below is None:
        raise LinuxError(linux.EPERM if place is process.system.root else linux.EINVAL)
    fs = place.fs
    _require_ours(process.system, fs)
    if fs.covered or (not flags & MNT_DETACH and any(_uses(other, fs) for other in process.system.processes.values())):
        raise LinuxError(linux.EBUSY)
    below.covered_by = None
    below.fs.covered.remove(below)
    process.system.mounted.remove(fs)
    process.system.names.forget()
    return 0


def _require_privilege(process: Process) -> None:
    if not process.credentials.has(CAP_SYS_ADMIN):
        raise LinuxError(linux.EPERM)


def _require_ours(system: System, fs: FileSystem) -> None:
    """Raises EPERM for what the system came with."""
    if fs not in system.mounted:
        raise LinuxError(linux.EPERM)


def _below(place: Directory) -> Directory | None:
    """The directory that ``place`` is mounted on; None if it is mounted on none."""
    for directory in place.parent.fs.covered:
        if isinstance(directory, Directory) and directory.covered_by is place:
            return directory
    return None


def _uses(process: Process, fs: FileSystem) -> bool:
    """Whether it stands there, or has something of it open."""
    if process.exit_status is not None:
        return False
    place = process.place
    return place.root.fs is fs or place.cwd.fs is fs or any(file.inode.fs is fs for file in process.files.files.values())


def _new_root(system: System, kind: bytes, options: bytes) -> Directory:
    """The root of a new file system. Raises ENODEV, EINVAL."""
    system.last_device = device = max(system.last_device + 1, FIRST_DEVICE)
    if kind == b"proc":
        return Proc(system, device).root()
    if kind == b"sysfs":
        return make_sys(system.platform, device, system.disks.values())
    if kind == b"devpts":
        return DevPts(system, device).root
    if kind == b"devtmpfs":
        return make_dev(system.platform, device, DevPts(system, device), system.disks.values())
    if kind != b"tmpfs":
        raise LinuxError(linux.ENODEV)
    wanted = dict(option.partition(b"=")[::2] for option in options.split(b",") if option)
    try:
        mode = int(wanted.get(b"mode", b"1777"), 8)
        uid, gid = (int(wanted.get(name, b"0")) for name in (b"uid", b"gid"))
    except ValueError:
        raise LinuxError(linux.EINVAL) from None
    fs = MemoryFileSystem(system.platform, device, storage=system.limits.storage)
    return Directory(fs, fs.next_ino(), linux.S_IFDIR | mode & 0o7777, uid & 0xFFFFFFFF, gid & 0xFFFFFFFF, fs.now())
