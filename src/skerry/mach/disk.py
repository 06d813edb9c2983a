"""A disk by message: records in a memory object or a host file of the machine's, which can be mapped as well.

Source: Mach 3 Kernel Interfaces, chapter 10; device_types.h (DEV_GET_SIZE, DEV_GET_RECORDS).
"""

from __future__ import annotations

from typing import Final

from skerry.abi import mach
from skerry.mach.device import Plain
from skerry.mach.errors import CallFailure
from skerry.machine import HostFile

RECORD: Final = mach.PAGE_SIZE


class Disk(Plain):
    """``records`` records. Reads and writes are of whole records, and end at the last."""

    def __init__(self, file: HostFile, records: int, record_size: int = RECORD, writable: bool = True) -> None:
        """``record_size``: bytes of each."""
        self.record_size = record_size
        self._file = file
        self._records = records
        self._writable = writable

    def open(self, mode: int) -> None:
        if mode & mach.D_WRITE and not self._writable:
            raise CallFailure(mach.D_READ_ONLY)

    def _room(self, record: int, count: int) -> int:
        """How many bytes of ``count`` there are from ``record`` on. Raises INVALID_RECORD, INVALID_SIZE."""
        if record > self._records:
            raise CallFailure(mach.D_INVALID_RECNUM)
        if count % self.record_size:
            raise CallFailure(mach.D_INVALID_SIZE)
        return min(count, (self._records - record) * self.record_size)

    def read(self, record: int, count: int) -> bytes:
        length = self._room(record, count)
        try:
            return self._file.read(record * self.record_size, length).ljust(length, b"\0")
        except OSError as error:
            raise CallFailure(mach.D_IO_ERROR) from error

    def write(self, record: int, data: bytes) -> int:
        length = self._room(record, len(data))
        try:
            return self._file.write(record * self.record_size, memoryview(data)[:length])
        except OSError as error:
            raise CallFailure(mach.D_IO_ERROR) from error

    def memory(self) -> tuple[HostFile, int]:
        return self._file, self._records * self.record_size

    def get_status(self, flavor: int) -> list[int]:
        if flavor == mach.DEV_GET_SIZE:
            return [self._records * self.record_size, self.record_size]
        if flavor == mach.DEV_GET_RECORDS:
            return [self._records, self.record_size]
        return super().get_status(flavor)
