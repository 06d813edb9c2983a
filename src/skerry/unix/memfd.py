"""Files without a name in memory, and the seals that forbid to change them.

Source: memfd_create(2); fcntl(2), "File Sealing".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.unix.errors import LinuxError
from skerry.unix.fs.tmpfs import File
from skerry.unix.inode import Inode

if TYPE_CHECKING:
    from skerry.unix.files import OpenFile
    from skerry.unix.process import Process, System
    from skerry.unix.substrate import Buffer, MemoryObject

_NO_WRITES: Final = linux.F_SEAL_WRITE | linux.F_SEAL_FUTURE_WRITE
ALL_SEALS: Final = _NO_WRITES | linux.F_SEAL_SEAL | linux.F_SEAL_SHRINK | linux.F_SEAL_GROW


class MemoryFile(File):
    """A file that memfd_create made; whatever a seal forbids raises EPERM."""

    def __init__(self, creator: Process, sealable: bool) -> None:
        who, fs = creator.credentials, creator.system.shared_memory
        super().__init__(fs, fs.next_ino(), linux.S_IFREG | 0o777, who.fsuid, who.fsgid, fs.now())
        self.nlink = 0
        self.seals = 0 if sealable else linux.F_SEAL_SEAL

    def _check(self, size: int) -> None:
        if (size < self.size and self.seals & linux.F_SEAL_SHRINK) or (size > self.size and self.seals & linux.F_SEAL_GROW):
            raise LinuxError(linux.EPERM)

    def write_at(self, offset: int, data: Buffer, now: int) -> int:
        if self.seals & _NO_WRITES:
            raise LinuxError(linux.EPERM)
        self._check(max(self.size, offset + len(data)))
        return super().write_at(offset, data, now)

    def truncate(self, size: int, now: int) -> None:
        self._check(size)
        super().truncate(size, now)

    def allocate(self, mode: int, offset: int, length: int, now: int) -> None:
        if mode & linux.FALLOC_FL_PUNCH_HOLE and self.seals & _NO_WRITES:
            raise LinuxError(linux.EPERM)
        if not mode & linux.FALLOC_FL_KEEP_SIZE:
            self._check(max(self.size, offset + length))
        super().allocate(mode, offset, length, now)

    def writable_memory_object(self) -> MemoryObject:
        if self.seals & _NO_WRITES:
            raise LinuxError(linux.EPERM)
        return super().writable_memory_object()


def seals_of(file: OpenFile) -> MemoryFile:
    """The file that has seals. Raises EINVAL for one that cannot have any."""
    if not isinstance(file.inode, MemoryFile):
        raise LinuxError(linux.EINVAL)
    return file.inode


def add_seals(system: System, file: OpenFile, seals: int) -> None:
    """F_ADD_SEALS. Raises EINVAL, EPERM, and EBUSY where a mapping could be written that the seal forbids."""
    inode = seals_of(file)
    if not file.writable:
        raise LinuxError(linux.EPERM)
    if seals & ~ALL_SEALS:
        raise LinuxError(linux.EINVAL)
    if inode.seals & linux.F_SEAL_SEAL:
        raise LinuxError(linux.EPERM)
    if seals & linux.F_SEAL_WRITE and not inode.seals & linux.F_SEAL_WRITE and _is_mapped_writable(system, inode):
        raise LinuxError(linux.EBUSY)
    inode.seals |= seals


def _is_mapped_writable(system: System, inode: Inode) -> bool:
    living = (process for process in system.processes.values() if process.exit_status is None)
    return any(m.inode is inode and m.shared and m.may_write for process in living for m in process.memory.mappings())
