"""Memory objects: memory that can be mapped in many address spaces and read and written by its owner."""

from __future__ import annotations

import os


class HostFile:
    """An open host file as a memory object: mapped straight from the host's page cache. Owns its descriptor."""

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
