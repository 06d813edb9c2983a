"""gsync: waits at a word of a task's memory, until somebody says that it has changed. What locks in shared memory are made of.

Who waits has checked the word in the same step, so a wake that follows a change finds it. A word is known by its task and address or, with
GSYNC_SHARED, by the memory object and the place in it, so tasks that share the memory meet there. The wait is the kernel's answer that is
put off: who gives it up destroys the port where it expects the answer, and is passed over.

Source: GNU Mach, include/mach/gnumach.defs (gsync_wait, gsync_wake, gsync_requeue) and tests/test-gsync.c.
"""

from __future__ import annotations

import struct
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from skerry.abi import mach
from skerry.mach.call import Later
from skerry.mach.errors import KernError, KernReturn
from skerry.mach.movable import is_own
from skerry.mach.processor import Waiter
from skerry.mach.vm_calls import vm_read, vm_write

if TYPE_CHECKING:
    from skerry.mach.task import Task

WORD: Final = 4  # bytes
WAITS: Final = 1024  # at words of one task: what one task can make the kernel hold
LONGEST: Final = 1 << 40  # ms
Key = tuple[Any, int]


class GsyncWait(Waiter):
    """One wait. It stands in the kernel's queue of its word, and in its task's list."""

    __slots__ = ("_later", "key", "task")

    def __init__(self, task: Task, key: Key, later: Later) -> None:
        super().__init__(task.processor, mach.KERN_INTERRUPTED)
        self.task = task
        self.key = key
        self._later = later

    @property
    def given_up(self) -> bool:
        """Whether nobody is there to get the answer."""
        return self._later.reply is not None and self._later.reply.dead

    def fail(self, code: int) -> None:
        later = self._later
        self.go(lambda: later.finish(code))

    def leave(self) -> None:
        super().leave()
        assert self.task.word_waits is not None
        del self.task.word_waits[self]
        queues = self.task.kernel.word_waits
        if not queues[self.key]:
            del queues[self.key]

    def move(self, key: Key) -> None:
        """Stand in another word's line, at its end."""
        queues = self.task.kernel.word_waits
        queues[self.key].remove(self)
        if not queues[self.key]:
            del queues[self.key]
        self.key = key
        self._queue = queues.setdefault(key, deque())
        self._queue.append(self)


def _key(task: Task, address: int, flags: int, access: int) -> Key:
    """What the word is known by. Raises INVALID_ADDRESS: it is no word, or may not be accessed so."""
    region = task.map.region_at(address)
    if address % WORD or region is None or access & ~region.protection:
        raise KernError(KernReturn.INVALID_ADDRESS)
    if flags & mach.GSYNC_SHARED:
        if region.pages is not None:
            return region.pages, region.offset + address - region.start
        if region.shared and region.object is not None and not is_own(region):
            return region.object, region.offset + address - region.start
    return task.map, address


def gsync_wait(task: Task, address: int, value: int, value2: int, milliseconds: int, flags: int) -> Later:
    """Wait at the word, if it is ``value`` (and with GSYNC_QUAD the next ``value2``); with GSYNC_TIMED so long at most.

    The answer is SUCCESS when it has been woken, or TIMEDOUT. Raises INVALID_ADDRESS, INVALID_ARGUMENT (another value), RESOURCE_SHORTAGE,
    and what vm_read does.
    """
    key = _key(task, address, flags, mach.VM_PROT_READ)
    expected = (value, value2) if flags & mach.GSYNC_QUAD else (value,)
    data = vm_read(task.map, address, WORD * len(expected))
    if struct.unpack(f"<{len(expected)}I", data) != expected:
        raise KernError(KernReturn.INVALID_ARGUMENT)
    if task.word_waits is None:
        task.word_waits = {}
    if len(task.word_waits) >= WAITS:
        for given_up in [wait for wait in task.word_waits if wait.given_up]:
            given_up.fail(mach.KERN_ABORTED)
        if len(task.word_waits) >= WAITS:
            raise KernError(KernReturn.RESOURCE_SHORTAGE)
    later = Later()
    wait = GsyncWait(task, key, later)
    task.word_waits[wait] = None
    timeout = min(milliseconds, LONGEST) if flags & mach.GSYNC_TIMED else None
    wait.wait_in(task.kernel.word_waits.setdefault(key, deque()), timeout, lambda: wait.fail(mach.KERN_TIMEDOUT))
    return later


def gsync_wake(task: Task, address: int, value: int, flags: int) -> None:
    """Wake who has waited longest at the word, or all (GSYNC_BROADCAST); with GSYNC_MUTATE the word becomes ``value`` before.

    That nobody waits is no error. Raises INVALID_ADDRESS, and what vm_write does.
    """
    mutate = flags & mach.GSYNC_MUTATE
    key = _key(task, address, flags, mach.VM_PROT_WRITE if mutate else mach.VM_PROT_READ)
    if mutate:
        vm_write(task.map, address, struct.pack("<I", value))
    for wait in _first(task, key, flags & mach.GSYNC_BROADCAST, 1):
        wait.fail(mach.KERN_SUCCESS)


def gsync_requeue(task: Task, source: int, target: int, wake_one: int, flags: int) -> None:
    """Have one who waits at the word ``source``, or all (GSYNC_BROADCAST), wait at ``target``; ``wake_one``: wake the first besides.

    Raises INVALID_ADDRESS.
    """
    key = _key(task, source, flags, mach.VM_PROT_READ)
    there = _key(task, target, flags, mach.VM_PROT_READ)
    for index, wait in enumerate(_first(task, key, flags & mach.GSYNC_BROADCAST, 1 + bool(wake_one))):
        if wake_one and index == 0:
            wait.fail(mach.KERN_SUCCESS)
        else:
            wait.move(there)


def _first(task: Task, key: Key, every: int, count: int) -> list[GsyncWait]:
    """The first ``count`` who wait there, or ``every`` one; those who have given up are not counted, and go."""
    waits: list[GsyncWait] = []
    for wait in list(task.kernel.word_waits.get(key, ())):
        if wait.given_up:
            wait.fail(mach.KERN_ABORTED)
        elif every or len(waits) < count:
            waits.append(wait)
    return waits
