"""Shared memory segments: files without names that are mapped shared. Who has one attached is what the mappings say.

Source: shmget(2), shmat(2), shmctl(2).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from skerry.abi import linux, sysv
from skerry.unix.errors import LinuxError
from skerry.unix.fs.tmpfs import File
from skerry.unix.sysv.identifiers import MOST, Identified, Table

if TYPE_CHECKING:
    from skerry.unix.memory import Memory
    from skerry.unix.process import Process, System

LARGEST: Final = 1 << 40  # bytes of a segment
SECOND: Final = 1_000_000_000


class SegmentFile(File):
    """The contents of a segment."""


class Segment(Identified):
    """A segment of ``size`` bytes."""

    def __init__(self, key: int, mode: int, size: int, creator: Process) -> None:
        fs = creator.system.shared_memory
        who = creator.credentials
        super().__init__(key, mode, who, fs.now())
        self.size = size
        self.file = SegmentFile(fs, fs.next_ino(), linux.S_IFREG | mode & 0o777, who.euid, who.egid, fs.now())
        self.file.memory_object()
        self.file.truncate((size + 4095) & ~4095, fs.now())
        self.creator = creator.pid
        self.last = 0  # pid that attached or detached last
        self.attached_at = self.detached_at = 0  # ns since 1970
        self.name = b"/SYSV%08x" % (key & 0xFFFFFFFF)

    def attachments(self, system: System) -> int:
        """How often it is attached."""
        memories = {id(process.memory): process.memory for process in system.processes.values() if process.exit_status is None}
        return sum(len(attached_at(memory, self.file)) for memory in memories.values())

    def describe(self, system: System) -> bytes:
        """struct shmid64_ds."""
        times = (self.attached_at // SECOND, self.detached_at // SECOND, self.changed // SECOND)
        rest = struct.pack("<Q3qiiQQQ", self.size, *times, self.creator, self.last, self.attachments(system), 0, 0)
        return self.permissions() + rest


def attached_at(memory: Memory, file: File) -> set[int]:
    """The addresses where a segment's contents are attached."""
    return {mapping.start - mapping.offset for mapping in memory.mappings() if mapping.inode is file}


class Segments(Table[Segment]):
    """All segments of a system."""

    def sweep(self, system: System) -> None:
        """Forget those that were removed while they were attached, and are not attached any more."""
        for segment in self.objects():
            if segment.mode & sysv.SHM_DEST and not segment.attachments(system):
                self.remove(segment)

    def destroy(self, segment: Segment, system: System) -> None:
        """IPC_RMID: it goes with its last attachment."""
        segment.mode |= sysv.SHM_DEST
        self.forget_key(segment)
        segment.key = sysv.IPC_PRIVATE
        self.sweep(system)

    def totals(self, system: System) -> bytes:
        """struct shm_info."""
        objects = self.objects()
        pages = sum(segment.file.size >> 12 for segment in objects)
        return struct.pack("<i4x5Q", len(objects), pages, sum(segment.file.blocks >> 3 for segment in objects), 0, 0, 0)


def limits() -> bytes:
    """struct shminfo64."""
    return struct.pack("<9Q", LARGEST, 1, MOST, MOST, LARGEST >> 12, 0, 0, 0, 0)


def check_size(size: int) -> None:
    """Raises EINVAL for a size that no new segment can have."""
    if not 0 < size <= LARGEST:
        raise LinuxError(linux.EINVAL)
