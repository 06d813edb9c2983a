"""Memory objects: memory that can be mapped in many address spaces and read and written by its owner."""

from __future__ import annotations

import errno
import os
from typing import Final

from skerry.machine import libc

_PUNCH_HOLE: Final = 3  # FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE


class HostFile:
    """An open host file as a memory object: mapped straight from the host's page cache. Owns its descriptor."""

    descriptor = -1  # none yet

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    @property
    def size(self) -> int:
        """In bytes."""
        return os.fstat(self.descriptor).st_size

    def read(self, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes at ``offset``; fewer at the end. Raises OSError."""
        return os.pread(self.descriptor, length, offset)

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> int:
        """Write at ``offset``, growing the object; the count may be short. Raises OSError."""
        return os.pwrite(self.descriptor, data, offset)

    def resize(self, size: int) -> None:
        """Cut, or grow with zeros. Raises OSError."""
        os.ftruncate(self.descriptor, size)

    def append(self, data: bytes | bytearray | memoryview) -> tuple[int, int]:
        """Write at the end, wherever that is by now; the count, and the position after it. Raises OSError."""
        count = os.pwritev(self.descriptor, (data,), -1, os.RWF_APPEND)
        return count, os.lseek(self.descriptor, 0, os.SEEK_CUR)

    def seek(self, offset: int, whence: int) -> int:
        """SEEK_DATA or SEEK_HOLE from ``offset`` on. Raises OSError (ENXIO past the end)."""
        return os.lseek(self.descriptor, offset, whence)

    def allocate(self, mode: int, offset: int, length: int) -> None:
        """fallocate(2). Raises OSError."""
        libc.allocate(self.descriptor, mode, offset, length)

    @property
    def blocks(self) -> int:
        """Storage in units of 512 bytes."""
        return os.fstat(self.descriptor).st_blocks

    def discard(self, offset: int, length: int) -> None:
        """Give back the storage of the range, which is zero from now on, in mappings, too. Raises OSError."""
        libc.allocate(self.descriptor, _PUNCH_HOLE, offset, length)

    def copy_from(self, source: HostFile, source_offset: int, offset: int, length: int) -> None:
        """What ``source`` holds there, by as few host calls as the host needs. Raises OSError (ENODATA: the source is shorter)."""
        while length:
            count = os.copy_file_range(source.descriptor, self.descriptor, length, source_offset, offset)
            if count == 0:
                raise OSError(errno.ENODATA, os.strerror(errno.ENODATA))
            source_offset, offset, length = source_offset + count, offset + count, length - count

    def sync(self) -> None:
        """Have the contents reach the disk. Raises OSError."""
        os.fsync(self.descriptor)

    def close(self) -> None:
        """Give the descriptor back; mappings stay. Closing twice is harmless."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def __del__(self) -> None:
        self.close()


class MemoryObject(HostFile):
    """Zero memory of ``size`` bytes. It lives as long as the object or a mapping of it does, and leaves no file behind."""

    def __init__(self, size: int) -> None:
        super().__init__(os.memfd_create("skerry-memory", os.MFD_CLOEXEC))
        os.ftruncate(self.descriptor, size)
