"""The devices of /dev: null, zero, full, random, terminals, disks, and links to the open files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.unix.errors import LinuxError
from skerry.unix.files import OpenFile
from skerry.unix.fs.devpts import DevPts, add_devices
from skerry.unix.fs.tmpfs import Directory, MemoryFileSystem
from skerry.unix.inode import FileSystem, Inode

if TYPE_CHECKING:
    from skerry.unix.disk import BlockDevice
    from skerry.unix.process import System, Thread
    from skerry.unix.substrate import Clock, Platform


RTC_MAJOR: Final = 250


class NullFile(OpenFile):
    """Swallows writes; nothing to read."""

    pollable = False

    def read(self, count: int) -> bytes | None:
        return b""

    def write(self, data: bytes) -> int | None:
        return len(data)

    def read_at(self, count: int, offset: int) -> bytes:
        return self.read(count) or b""

    def write_at(self, data: bytes, offset: int) -> int:
        return self.write(data) or 0

    def seek(self, offset: int, whence: int) -> int:
        return 0


class ZeroFile(NullFile):
    """Endless zeros."""

    mappable = zero_memory = True

    def read(self, count: int) -> bytes | None:
        return bytes(count)


class FullFile(ZeroFile):
    """Endless zeros, and no room."""

    mappable = zero_memory = False

    def write(self, data: bytes) -> int | None:
        raise LinuxError(linux.ENOSPC)


class RandomFile(NullFile):
    """The host's random numbers."""

    def __init__(self, inode: Inode, flags: int, platform: Platform) -> None:
        super().__init__(inode, flags, b"")
        self._platform = platform

    def read(self, count: int) -> bytes | None:
        return self._platform.random(count)


class Device(Inode):
    """A character device; ``opener`` makes its open files."""

    def __init__(self, fs: FileSystem, ino: int, rdev: int, now: int, opener: Callable[[Inode, int], OpenFile]) -> None:
        super().__init__(fs, ino, linux.S_IFCHR | 0o666, 0, 0, now)
        self.rdev = rdev
        self._opener = opener

    def open(self, thread: Thread, flags: int) -> OpenFile:
        return self._opener(self, flags)


def device_number(major: int, minor: int) -> int:
    """As st_rdev holds it (makedev)."""
    return (minor & 0xFF) | (major << 8) | ((minor & ~0xFF) << 12)


_NAMES: Final = {
    device_number(1, minor): name for minor, name in ((3, b"null"), (5, b"zero"), (7, b"full"), (8, b"random"), (9, b"urandom"))
}


def _open_memory(platform: Platform, number: int, inode: Inode, flags: int) -> OpenFile:
    """A memory device (mem(4)), by its number. Raises ENXIO for any other."""
    name = _NAMES.get(number)
    if name is None:
        raise LinuxError(linux.ENXIO)
    path = b"/dev/" + name
    if name == b"null":
        return NullFile(inode, flags, path)
    if name == b"zero":
        return ZeroFile(inode, flags, path)
    if name == b"full":
        return FullFile(inode, flags, path)
    return RandomFile(inode, flags, platform)


def _open_clock(open_clock: Callable[[], Clock], system: System, inode: Inode, flags: int) -> OpenFile:
    if system.clock is None:
        from skerry.unix.rtc import RealTimeClock  # few runs need it

        system.clock = RealTimeClock(open_clock)
    return system.clock.open(inode, flags)


def add_clock(root: Directory, system: System, open_clock: Callable[[], Clock]) -> None:
    """/dev/rtc0, and /dev/rtc for it. ``open_clock`` opens the host's clock when somebody needs it first; it raises LinuxError."""
    now = system.platform.realtime()
    opener = partial(_open_clock, open_clock, system)
    device = Device(root.fs, root.fs.next_ino(), device_number(RTC_MAJOR, 0), now, opener)
    device.mode = linux.S_IFCHR | 0o600
    root.children[b"rtc0"] = device
    root.symlink(b"rtc", b"rtc0", 0, 0, now)


def open_device(inode: Inode, thread: Thread, flags: int) -> OpenFile:
    """A disk, or a device that somebody made (mknod). Raises ENXIO."""
    kind = inode.mode & linux.S_IFMT
    if kind == linux.S_IFBLK:
        disk = thread.process.system.disks.get(inode.rdev)
        if disk is None:
            raise LinuxError(linux.ENXIO)
        return disk.open(inode, flags)
    if kind != linux.S_IFCHR:
        raise LinuxError(linux.ENXIO)
    return _open_memory(thread.process.system.platform, inode.rdev, inode, flags)


def make_dev(platform: Platform, device: int, devpts: DevPts, disks: Iterable[BlockDevice]) -> Directory:
    """The root of /dev."""
    now = platform.realtime()
    fs = MemoryFileSystem(platform, device, "devtmpfs")
    root = Directory(fs, fs.next_ino(), linux.S_IFDIR | 0o755, 0, 0, now)

    for number, name in _NAMES.items():
        root.children[name] = Device(fs, fs.next_ino(), number, now, partial(_open_memory, platform, number))
    for name, target in ((b"fd", b"fd"), (b"stdin", b"fd/0"), (b"stdout", b"fd/1"), (b"stderr", b"fd/2")):
        root.symlink(name, b"/proc/self/" + target, 0, 0, now)
    add_devices(root, devpts, now)
    for disk in disks:
        root.create(disk.name, linux.S_IFBLK | 0o660, *disk.owner, now, disk.number)
    for name in (b"shm", b"pts"):
        root.create(name, linux.S_IFDIR | (0o1777 if name == b"shm" else 0o755), 0, 0, now)
    return root
