"""Block devices: disks as programs open them, /dev/NAME.

The server keeps nothing of their contents: reads, writes and mappings use the pages that the host has of the image, so all agree. They have
no partitions of their own: who reads a partition table uses the offsets in it.

Source: block/fops.c, block/ioctl.c and drivers/scsi/sd.c (EROFS of a disk that is protected) of Linux; lseek(2), open(2) for O_EXCL.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from skerry.abi import linux
from skerry.unix import answers, notify
from skerry.unix.answers import NotYet, Question
from skerry.unix.capabilities import CAP_SYS_ADMIN
from skerry.unix.errors import LinuxError
from skerry.unix.files import OpenFile

if TYPE_CHECKING:
    from skerry.unix.inode import Inode
    from skerry.unix.process import Thread
    from skerry.unix.substrate import Disk, MemoryObject

MAJOR: Final = 252  # of those for local use
NAME: Final = b"skerry"  # of the major number, in /proc/devices
MINORS: Final = 16  # from one disk to the next
SECTOR: Final = 512  # bytes
BLOCK: Final = 4096  # bytes that are best read and written
READ_AHEAD: Final = 256  # sectors
LARGEST: Final = 2560  # sectors of one transfer of the device
_ZERO_RANGE: Final = (linux.FALLOC_FL_ZERO_RANGE, linux.FALLOC_FL_ZERO_RANGE | linux.FALLOC_FL_KEEP_SIZE)
_PUNCH_HOLE: Final = linux.FALLOC_FL_PUNCH_HOLE | linux.FALLOC_FL_KEEP_SIZE


class BlockDevice:
    """A disk of the system."""

    def __init__(self, name: bytes, number: int, disk: Disk, owner: tuple[int, int]) -> None:
        """``number``: as st_rdev holds it; ``owner``: user and group of its node in /dev."""
        self.name = name
        self.number = number
        self.disk = disk
        self.owner = owner
        self.size = disk.size  # bytes
        self.read_only = not disk.writable
        self.exclusive: BlockFile | None = None  # who has it to himself (O_EXCL)
        self.reads = self.sectors_read = self.writes = self.sectors_written = 0

    @property
    def minor(self) -> int:
        return self.number & 0xFF

    def open(self, inode: Inode, flags: int) -> BlockFile:
        """An open file. Raises EROFS, EBUSY."""
        if self.read_only and flags & linux.O_ACCMODE != linux.O_RDONLY:
            raise LinuxError(linux.EROFS)
        file = BlockFile(inode, flags, self)
        inode.disk = self
        if flags & linux.O_EXCL:
            if self.exclusive is not None:
                raise LinuxError(linux.EBUSY)
            self.exclusive = file
        return file

    @cached_property
    def contents(self) -> MemoryObject:
        """What reads, writes and mappings use. Raises LinuxError."""
        return self.disk.contents()

    def read(self, offset: int, length: int) -> bytes:
        """Bytes; fewer at the end. Raises EIO: somebody has cut the host's file."""
        length = min(length, self.size - offset)
        if length <= 0:
            return b""
        data = self.contents.read(offset, length)
        if len(data) < length:
            raise LinuxError(linux.EIO)
        self.reads += 1
        self.sectors_read += _sectors(length)
        return data

    def write(self, offset: int, data: bytes) -> int:
        """How many bytes; fewer at the end. Raises EPERM, ENOSPC."""
        if self.read_only:
            raise LinuxError(linux.EPERM)
        if offset >= self.size:
            raise LinuxError(linux.ENOSPC)
        count = self.contents.write(offset, data[: self.size - offset])
        self.writes += 1
        self.sectors_written += _sectors(count)
        return count

    def flush(self) -> None:
        """Have all that was written reach the disk. Raises NotYet; EIO and the like."""
        if not self.disk.writable:
            return
        replay = answers.current()
        answer = replay.answer_to(self.disk, b"flush", ()) if replay is not None else None
        if answer is None:
            raise NotYet(Question(self.disk, b"flush", ()))
        if answer[0]:
            raise LinuxError(answer[0])

    def clear(self, offset: int, length: int, call: Callable[[int, int], None]) -> None:
        """Discard a range or have it hold zeros. Raises EINVAL (no or no whole sectors, or not on the disk), EPERM, EOPNOTSUPP."""
        if self.read_only:
            raise LinuxError(linux.EPERM)
        if not length or (offset | length) % SECTOR or offset + length > self.size:
            raise LinuxError(linux.EINVAL)
        call(offset, length)

    def statistics(self) -> str:
        """The numbers of /proc/diskstats and /sys/block/NAME/stat: what no disk here does, and what nobody measures, is 0."""
        return f"{self.reads} 0 {self.sectors_read} 0 {self.writes} 0 {self.sectors_written} 0 0 0 0 0 0 0 0 0 0"


def _sectors(length: int) -> int:
    return (length + SECTOR - 1) // SECTOR


class BlockFile(OpenFile):
    """An open block device."""

    pollable = False
    mappable = True

    def __init__(self, inode: Inode, flags: int, device: BlockDevice) -> None:
        super().__init__(inode, flags, b"")
        self.device = device

    def close(self) -> None:
        if self.device.exclusive is self:
            self.device.exclusive = None

    def _require_whole(self, offset: int, length: int) -> None:
        """Raises EINVAL: past the cache only whole sectors go."""
        if self.flags & linux.O_DIRECT and (offset | length) % SECTOR:
            raise LinuxError(linux.EINVAL)

    def read(self, count: int) -> bytes | None:
        data = self.read_at(count, self.position)
        self.position += len(data)
        return data

    def write(self, data: bytes) -> int | None:
        start = self.position
        count = self.write_at(data, start)
        self.position = start + count
        return count

    def read_at(self, count: int, offset: int) -> bytes:
        self._require_whole(offset, count)
        data = self.device.read(offset, count)
        if self.inode.watched is not None and data:
            notify.tell(self.inode, notify.IN_ACCESS)
        return data

    def write_at(self, data: bytes, offset: int) -> int:
        if not data:
            return 0
        self._require_whole(offset, len(data))
        count = self.device.write(offset, data)
        if self.flags & linux.O_DSYNC:
            self.sync()  # where it must be waited for, the same is written again: it is what is there
        if self.inode.watched is not None and count:
            notify.tell(self.inode, notify.IN_MODIFY)
        return count

    def seek(self, offset: int, whence: int) -> int:
        size = self.device.size
        if whence == linux.SEEK_CUR:
            offset += self.position
        elif whence == linux.SEEK_END:
            offset += size
        elif whence != linux.SEEK_SET:
            raise LinuxError(linux.EINVAL)
        if not 0 <= offset <= size:
            raise LinuxError(linux.EINVAL)
        self.position = offset
        return offset

    def sync(self) -> None:
        self.device.flush()

    def allocate(self, mode: int, offset: int, length: int) -> None:
        """fallocate(2). Raises EINVAL, EOPNOTSUPP, EPERM."""
        size = self.device.size
        if offset >= size or (offset + length > size and not mode & linux.FALLOC_FL_KEEP_SIZE):
            raise LinuxError(linux.EINVAL)
        length = min(length, size - offset)
        if (offset | length) % SECTOR:
            raise LinuxError(linux.EINVAL)
        if mode in _ZERO_RANGE:
            self.device.clear(offset, length, self.device.disk.zero)
        elif mode == _PUNCH_HOLE:
            self.device.clear(offset, length, self.device.disk.discard)
        else:
            raise LinuxError(linux.EOPNOTSUPP)

    def memory_object(self) -> MemoryObject:
        return self.device.contents

    # Control
    def ioctl(self, thread: Thread, request: int, argument: int) -> int:
        fact = _FACTS.get(request)
        if fact is not None:
            layout, value = fact
            thread.process.memory.write(argument, struct.pack(layout, value(self.device)))
            return 0
        action = _ACTIONS.get(request)
        if action is None:
            raise LinuxError(linux.ENOTTY)
        action(self, thread, argument)
        return 0

    def _clear(self, thread: Thread, argument: int, call: Callable[[int, int], None]) -> None:
        if not self.writable:
            raise LinuxError(linux.EBADF)
        offset, length = thread.process.memory.read_words(argument, 2)
        self.device.clear(offset, length, call)

    def discard(self, thread: Thread, argument: int) -> None:
        """BLKDISCARD: two words, offset and length in bytes."""
        self._clear(thread, argument, self.device.disk.discard)

    def zero(self, thread: Thread, argument: int) -> None:
        """BLKZEROOUT: the same."""
        self._clear(thread, argument, self.device.disk.zero)

    def refuse(self, thread: Thread, argument: int) -> None:
        """BLKSECDISCARD: no disk here can erase what nobody can read again."""
        raise LinuxError(linux.EOPNOTSUPP)

    def flush(self, thread: Thread, argument: int) -> None:
        """BLKFLSBUF."""
        _require_admin(thread)
        self.device.flush()

    def set_read_only(self, thread: Thread, argument: int) -> None:
        """BLKROSET: what was given read-only stays so."""
        _require_admin(thread)
        on = any(thread.process.memory.read(argument, 4))
        if not on and not self.device.disk.writable:
            raise LinuxError(linux.EACCES)
        self.device.read_only = on

    def read_partitions(self, thread: Thread, argument: int) -> None:
        """BLKRRPART, BLKPG: there are none."""
        _require_admin(thread)
        raise LinuxError(linux.EINVAL)

    def accept(self, thread: Thread, argument: int) -> None:
        """BLKBSZSET, BLKRASET, BLKFRASET: how the host's cache works is the host's."""
        _require_admin(thread)


def _require_admin(thread: Thread) -> None:
    if not thread.process.credentials.has(CAP_SYS_ADMIN):
        raise LinuxError(linux.EACCES)


_FACTS: Final[dict[int, tuple[str, Callable[[BlockDevice], Any]]]] = {
    linux.BLKROGET: ("<i", lambda device: device.read_only),
    linux.BLKGETSIZE: ("<Q", lambda device: device.size // SECTOR),
    linux.BLKGETSIZE64: ("<Q", lambda device: device.size),
    linux.BLKSSZGET: ("<i", lambda device: SECTOR),
    linux.BLKPBSZGET: ("<I", lambda device: SECTOR),
    linux.BLKBSZGET: ("<i", lambda device: BLOCK),
    linux.BLKIOMIN: ("<I", lambda device: SECTOR),
    linux.BLKIOOPT: ("<I", lambda device: 0),
    linux.BLKALIGNOFF: ("<i", lambda device: 0),
    linux.BLKSECTGET: ("<H", lambda device: LARGEST),
    linux.BLKROTATIONAL: ("<H", lambda device: 0),
    linux.BLKDISCARDZEROES: ("<I", lambda device: 0),
    linux.BLKRAGET: ("<Q", lambda device: READ_AHEAD),
    linux.BLKFRAGET: ("<Q", lambda device: READ_AHEAD),
    linux.BLKGETDISKSEQ: ("<Q", lambda device: device.minor // MINORS + 1),
    linux.BLKGETZONESZ: ("<I", lambda device: 0),
    linux.BLKGETNRZONES: ("<I", lambda device: 0),
}
_ACTIONS: Final[dict[int, Callable[[BlockFile, Thread, int], None]]] = {
    linux.BLKDISCARD: BlockFile.discard,
    linux.BLKZEROOUT: BlockFile.zero,
    linux.BLKSECDISCARD: BlockFile.refuse,
    linux.BLKFLSBUF: BlockFile.flush,
    linux.BLKROSET: BlockFile.set_read_only,
    linux.BLKRRPART: BlockFile.read_partitions,
    linux.BLKPG: BlockFile.read_partitions,
    linux.BLKBSZSET: BlockFile.accept,
    linux.BLKRASET: BlockFile.accept,
    linux.BLKFRASET: BlockFile.accept,
}
