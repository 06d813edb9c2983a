"""Semaphore sets: operations on several at once, all or none, and what is undone when a process ends.

Source: semget(2), semop(2), semctl(2).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from skerry.abi import linux, sysv
from skerry.lib.coroutine import NEVER, WaitQueue
from skerry.unix.errors import LinuxError
from skerry.unix.sysv.identifiers import MOST, Identified, Table

if TYPE_CHECKING:
    from skerry.unix.process import Process

VALUE_MAX: Final = 32767
SET_MAX: Final = 32000  # semaphores in a set
ALL_MAX: Final = 1_000_000  # and in all sets
OPERATIONS_MAX: Final = 500
SECOND: Final = 1_000_000_000


class Operation(NamedTuple):
    """struct sembuf."""

    number: int
    change: int
    flags: int


class SemaphoreSet(Identified):
    """``count`` semaphores."""

    def __init__(self, key: int, mode: int, count: int, creator: Process) -> None:
        now = creator.system.platform.realtime()
        super().__init__(key, mode, creator.credentials, now)
        self.values = [0] * count
        self.pids = [0] * count  # who changed each last
        self.operated_at = 0  # ns since 1970
        self.queue = WaitQueue()
        self.waiting: list[Operation] = []  # what each sleeper waits for

    def describe(self) -> bytes:
        """struct semid64_ds."""
        rest = (self.operated_at // SECOND, 0, self.changed // SECOND, 0, len(self.values), 0, 0)
        return self.permissions() + struct.pack("<7q", *rest)

    def waiters(self, number: int, for_zero: bool) -> int:
        """GETZCNT, GETNCNT."""
        return sum(op.number == number and (op.change == 0) == for_zero for op in self.waiting)

    def try_all(self, operations: list[Operation], pid: int) -> Operation | None:
        """Do all of them, or none: then the first that must wait. Raises ERANGE."""
        values = dict[int, int]()
        for op in operations:
            value = values.get(op.number, self.values[op.number])
            if (op.change == 0 and value) or value + op.change < 0:
                return op
            if value + op.change > VALUE_MAX:
                raise LinuxError(linux.ERANGE)
            values[op.number] = value + op.change
        for number, value in values.items():
            self.values[number], self.pids[number] = value, pid
        if any(op.change for op in operations):
            self.queue.wake()
        return None

    def set_values(self, first: int, values: list[int], pid: int, now: int) -> None:
        """SETVAL, SETALL: what was to be undone on them is forgotten by the caller. Raises ERANGE."""
        if any(not 0 <= value <= VALUE_MAX for value in values):
            raise LinuxError(linux.ERANGE)
        for number, value in enumerate(values, first):
            self.values[number], self.pids[number] = value, pid
        self.changed = now
        self.queue.wake()


class Undo:
    """What a process's end adds to semaphores (SEM_UNDO)."""

    def __init__(self) -> None:
        self._changes: dict[tuple[SemaphoreSet, int], int] = {}

    def note(self, target: SemaphoreSet, operations: list[Operation]) -> None:
        """The operations were done."""
        for op in operations:
            if op.flags & sysv.SEM_UNDO and op.change:
                place = (target, op.number)
                self._changes[place] = self._changes.get(place, 0) - op.change

    def forget(self, target: SemaphoreSet, numbers: range) -> None:
        """The values were set anew."""
        for number in numbers:
            self._changes.pop((target, number), None)

    def apply(self, pid: int) -> None:
        """The process has ended."""
        for (target, number), change in self._changes.items():
            if not target.removed:
                target.values[number] = min(max(0, target.values[number] + change), VALUE_MAX)
                target.pids[number] = pid
                target.queue.wake()
        self._changes.clear()


async def operate_later(target: SemaphoreSet, operations: list[Operation], process: Process, deadline: int) -> None:
    """Do the operations as soon as all can be done. Raises EAGAIN at ``deadline``, EIDRM, ERANGE, Interrupted."""
    while True:
        if target.removed:
            raise LinuxError(linux.EIDRM)
        blocked = target.try_all(operations, process.pid)
        if blocked is None:
            return
        if blocked.flags & sysv.IPC_NOWAIT:
            raise LinuxError(linux.EAGAIN)
        target.waiting.append(blocked)
        try:
            if not await target.queue.wait(deadline) and deadline < NEVER:
                raise LinuxError(linux.EAGAIN)
        finally:
            target.waiting.remove(blocked)


class SemaphoreSets(Table[SemaphoreSet]):
    """All sets of a system."""

    def require_room(self, count: int) -> None:
        """Raises ENOSPC where ``count`` more semaphores would be too many."""
        if self.total() + count > ALL_MAX:
            raise LinuxError(linux.ENOSPC)

    def total(self) -> int:
        return sum(len(target.values) for target in self.objects())

    def facts(self, used: bool) -> bytes:
        """struct seminfo; ``used``: SEM_INFO's, where two fields say how many sets and semaphores there are."""
        sets, semaphores = (len(self.objects()), self.total()) if used else (20, VALUE_MAX)
        return struct.pack("<10i", ALL_MAX, MOST, ALL_MAX, ALL_MAX, SET_MAX, OPERATIONS_MAX, OPERATIONS_MAX, sets, VALUE_MAX, semaphores)
