"""/proc/PID/mem, a process's memory as a file, and /proc/PID/syscall, what it waits in. For who may trace the process.

Source: proc(5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.abi import registers as reg
from skerry.abi.fault import Fault
from skerry.unix import ptrace_memory
from skerry.unix.errors import LinuxError
from skerry.unix.files import OpenFile
from skerry.unix.inode import Inode
from skerry.unix.memory import PAGE
from skerry.unix.syscalls.others import may_trace

if TYPE_CHECKING:
    from skerry.unix.fs.tmpfs import MemoryFileSystem
    from skerry.unix.process import Process, Thread

_ARGUMENTS: Final = (reg.RDI, reg.RSI, reg.RDX, reg.R10, reg.R8, reg.R9)
_STEP: Final = 1 << 20  # bytes of one call


class MemoryInode(Inode):
    """/proc/PID/mem."""

    def __init__(self, fs: MemoryFileSystem, process: Process) -> None:
        who = process.credentials
        super().__init__(fs, fs.next_ino(), linux.S_IFREG | 0o600, who.euid, who.egid, fs.now())
        self.process = process

    def open(self, thread: Thread, flags: int) -> OpenFile:
        """Raises EACCES for who may not trace the process."""
        if not may_trace(thread.process, self.process):
            raise LinuxError(linux.EACCES)
        return MemoryFile(self, flags)

    def truncate(self, size: int, now: int) -> None:
        pass


class MemoryFile(OpenFile):
    """The memory that the process had when the file was opened; empty once nobody uses it. Positions are addresses."""

    pollable = False

    def __init__(self, inode: MemoryInode, flags: int) -> None:
        super().__init__(inode, flags, b"")
        self._memory = inode.process.memory

    def read(self, count: int) -> bytes | None:
        data = self.read_at(count, self.position)
        self.position += len(data)
        return data

    def write(self, data: bytes) -> int | None:
        count = self.write_at(data, self.position)
        self.position += count
        return count

    def read_at(self, count: int, offset: int) -> bytes:
        """Up to where nothing is mapped. Raises EIO if that is at once."""
        if not self._memory.references:
            return b""
        count = min(count, _STEP)
        try:
            return ptrace_memory.look(self._memory, offset, count)
        except Fault:
            pass
        data = b""
        while len(data) < count:
            at = offset + len(data)
            try:
                data += ptrace_memory.look(self._memory, at, min(PAGE - at % PAGE, count - len(data)))
            except Fault:
                break
        if not data and count:
            raise LinuxError(linux.EIO)
        return data

    def write_at(self, data: bytes, offset: int) -> int:
        if not self._memory.references:
            return 0
        try:
            ptrace_memory.change(self._memory, offset, data)
        except Fault:
            raise LinuxError(linux.EIO) from None
        return len(data)

    def seek(self, offset: int, whence: int) -> int:
        """Every address is a position. Raises EINVAL for SEEK_END."""
        if whence == linux.SEEK_CUR:
            offset += self.position
        elif whence != linux.SEEK_SET:
            raise LinuxError(linux.EINVAL)
        self.position = offset & (1 << 64) - 1
        return self.position


def system_call(process: Process, thread: Thread | None) -> bytes:
    """/proc/PID/syscall: number, arguments, stack pointer and program counter of what the thread waits in."""
    target = thread or process.threads.get(process.pid)
    if target is None or not target.in_server or (target.activity is None and target.tracee is None and not process.stopped):
        return b"running\n"
    user = target.user
    place = f"0x{user.get(reg.RSP):x} 0x{user.get(reg.RIP):x}\n"
    if target.call < 0:
        return f"-1 {place}".encode()
    arguments = " ".join(f"0x{user.get(index):x}" for index in _ARGUMENTS)
    return f"{target.call} {arguments} {place}".encode()
