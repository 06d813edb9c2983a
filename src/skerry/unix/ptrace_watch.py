"""The debug registers of a traced thread, as a tracer sees them: breakpoints and write watchpoints.

The machine's own are not ours. A thread for which one is enabled is stepped, and after each instruction is looked whether it stands at a
breakpoint's address or has changed what is watched. So a write that changes nothing goes unseen, and reading cannot be watched: that is
refused. It costs a trap an instruction, which is what a debugger's software watchpoint costs too, several times over.

Source: Intel SDM volume 3, 18.2; arch/x86/kernel/ptrace.c (ptrace_set_debugreg) of Linux.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.abi import registers as reg
from skerry.abi.fault import Fault
from skerry.unix.errors import LinuxError

if TYPE_CHECKING:
    from skerry.unix.process import Thread

_EXECUTE: Final = 0
_WRITE: Final = 1
_LENGTHS: Final = (1, 2, 8, 4)
STEP: Final = 0x4000  # of DR6: a single step


class DebugRegisters:
    """DR0 to DR3, DR6 and DR7."""

    def __init__(self) -> None:
        self.addresses = [0, 0, 0, 0]
        self.status = 0  # DR6
        self.control = 0  # DR7
        self._seen: dict[int, bytes] = {}  # register number: what stood there

    def get(self, number: int) -> int:
        """DR4 and DR5 do not exist: 0."""
        if number < 4:
            return self.addresses[number]
        return self.status if number == 6 else self.control if number == 7 else 0

    def set(self, thread: Thread, number: int, value: int) -> None:
        """Raises EINVAL for what cannot be watched, EIO for a register that does not exist."""
        if number < 4:
            if value >= thread.process.memory.space.limit:
                raise LinuxError(linux.EINVAL)
            self.addresses[number] = value
        elif number == 6:
            self.status = value
        elif number == 7:
            for index in range(4):
                if self._enabled(value, index) and self._kind(value, index) not in (_EXECUTE, _WRITE):
                    raise LinuxError(linux.EINVAL)
            self.control = value & 0xFFFFFFFF
        else:
            raise LinuxError(linux.EIO)
        self._seen.clear()

    @property
    def active(self) -> bool:
        """Whether something is watched."""
        return bool(self.control & 0xFF)

    @staticmethod
    def _enabled(control: int, index: int) -> bool:
        return bool(control >> (2 * index) & 3)

    @staticmethod
    def _kind(control: int, index: int) -> int:
        return control >> (16 + 4 * index) & 3

    def look(self, thread: Thread) -> None:
        """Remember what stands where it is watched: the thread is about to run."""
        for index in range(4):
            if self._enabled(self.control, index) and self._kind(self.control, index) == _WRITE:
                self._seen[index] = self._contents(thread, index)

    def hit(self, thread: Thread) -> bool:
        """Whether the instruction that the thread has just carried out ends at a breakpoint or changed something; DR6 says which."""
        hits = 0
        for index in range(4):
            if not self._enabled(self.control, index):
                continue
            if self._kind(self.control, index) == _EXECUTE:
                hits |= (thread.user.get(reg.RIP) == self.addresses[index]) << index
            elif index in self._seen and self._contents(thread, index) != self._seen[index]:
                hits |= 1 << index
        if hits:
            self.status = self.status & ~0xF | hits
        return bool(hits)

    def _contents(self, thread: Thread, index: int) -> bytes:
        length = _LENGTHS[self.control >> (18 + 4 * index) & 3]
        try:
            return thread.process.memory.read(self.addresses[index] & ~(length - 1), length)
        except Fault:
            return b""
