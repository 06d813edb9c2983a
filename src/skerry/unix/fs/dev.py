"""The devices of /dev that programs read: null, zero, full, random, terminals, and links to the open files."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.unix.errors import LinuxError
from skerry.unix.files import OpenFile
from skerry.unix.fs.devpts import DevPts, add_devices
from skerry.unix.fs.tmpfs import Directory, MemoryFileSystem
from skerry.unix.inode import FileSystem, Inode

if TYPE_CHECKING:
    from skerry.unix.process import Thread
    from skerry.unix.substrate import Platform

_CHUNK: Final = 1 << 20


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
        return bytes(min(count, _CHUNK))


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
        return self._platform.random(min(count, _CHUNK))


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


def make_dev(platform: Platform, device: int, devpts: DevPts) -> Directory:
    """The root of /dev."""
    now = platform.realtime()
    fs = MemoryFileSystem(platform, device, "devtmpfs")
    root = Directory(fs, fs.next_ino(), linux.S_IFDIR | 0o755, 0, 0, now)

    def random(inode: Inode, flags: int) -> OpenFile:
        return RandomFile(inode, flags, platform)

    devices: tuple[tuple[bytes, int, int, Callable[[Inode, int], OpenFile]], ...] = (
        (b"null", 1, 3, lambda inode, flags: NullFile(inode, flags, b"/dev/null")),
        (b"zero", 1, 5, lambda inode, flags: ZeroFile(inode, flags, b"/dev/zero")),
        (b"full", 1, 7, lambda inode, flags: FullFile(inode, flags, b"/dev/full")),
        (b"random", 1, 8, random),
        (b"urandom", 1, 9, random),
    )
    for name, major, minor, opener in devices:
        root.children[name] = Device(fs, fs.next_ino(), device_number(major, minor), now, opener)
    for name, target in ((b"fd", b"fd"), (b"stdin", b"fd/0"), (b"stdout", b"fd/1"), (b"stderr", b"fd/2")):
        root.symlink(name, b"/proc/self/" + target, 0, 0, now)
    add_devices(root, devpts, now)
    for name in (b"shm", b"pts"):
        root.create(name, linux.S_IFDIR | (0o1777 if name == b"shm" else 0o755), 0, 0, now)
    return root
