"""Futexes: sleeping on a word of memory.

A private futex is named by its memory and address; one in a shared mapping of a file or of shared memory by the inode and offset behind it.

Source: futex(2).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.lib.coroutine import NEVER, WaitQueue, wait_any
from skerry.unix.errors import LinuxError

if TYPE_CHECKING:
    from skerry.unix.futex_pi import Waiter
    from skerry.unix.memory import Memory
    from skerry.unix.process import Thread

ANY: Final = 0xFFFFFFFF

Key = tuple[object, int]


class Sleeper:
    """Who waits, for which bits, and on which word (requeue moves it)."""

    __slots__ = ("bits", "key", "queue", "woken")

    def __init__(self, key: Key, bits: int) -> None:
        self.key = key
        self.bits = bits
        self.queue = WaitQueue()
        self.woken = False


def key_of(memory: Memory, address: int, private: bool) -> Key:
    """The futex at ``address``. Raises EINVAL."""
    if address & 3:
        raise LinuxError(linux.EINVAL)
    if not private:
        mapping = memory.find(address)
        if mapping is not None and mapping.shared:
            return (mapping.inode or mapping.identity, mapping.offset + address - mapping.start)
    return (memory, address)


def word(memory: Memory, address: int) -> int:
    """The word itself. Raises Fault."""
    return int.from_bytes(memory.read(address, 4), "little")


class Futexes:
    """Who sleeps on which futex, in one system."""

    def __init__(self) -> None:
        self._sleepers: dict[Key, list[Sleeper]] = {}  # longest waiting first; no empty lists
        self.owners: dict[Key, list[Waiter]] = {}  # who waits to own a word (futex_pi), likewise

    async def wait(self, key: Key, bits: int, deadline: int) -> int:
        """Sleep until woken; the caller has compared the word. Raises ETIMEDOUT, Interrupted."""
        sleeper = Sleeper(key, bits)
        self._sleepers.setdefault(key, []).append(sleeper)
        try:
            await wait_any((sleeper.queue,), deadline)
        finally:
            if not sleeper.woken:
                self._forget(sleeper)
        if not sleeper.woken:
            raise LinuxError(linux.ETIMEDOUT)
        return 0

    async def wait_many(self, keys: list[Key], deadline: int) -> int:
        """Sleep until one of several is woken; its index. The caller has compared the words. Raises ETIMEDOUT, Interrupted."""
        sleepers = [Sleeper(key, ANY) for key in keys]
        for sleeper in sleepers:
            self._sleepers.setdefault(sleeper.key, []).append(sleeper)
        try:
            await wait_any([sleeper.queue for sleeper in sleepers], deadline)
        finally:
            for sleeper in sleepers:
                if not sleeper.woken:
                    self._forget(sleeper)
        for index, sleeper in enumerate(sleepers):
            if sleeper.woken:
                return index
        raise LinuxError(linux.ETIMEDOUT)

    def _forget(self, sleeper: Sleeper) -> None:
        sleepers = self._sleepers[sleeper.key]
        sleepers.remove(sleeper)
        if not sleepers:
            del self._sleepers[sleeper.key]

    def wake_key(self, key: Key, count: int, bits: int = ANY) -> int:
        """Wake at most ``count`` that wait for one of ``bits``; how many it were."""
        sleepers = self._sleepers.get(key)
        if sleepers is None:
            return 0
        woken = [s for s in sleepers if s.bits & bits][:count]
        for sleeper in woken:
            sleeper.woken = True
            self._forget(sleeper)
            sleeper.queue.wake()
        return len(woken)

    def wake(self, memory: Memory, address: int, count: int) -> int:
        """Wake those that wait at ``address``, private or shared."""
        woken = self.wake_key((memory, address), count)
        if not woken:
            woken = self.wake_key(key_of(memory, address, False), count)
        return woken

    def requeue(self, key: Key, target: Key, wake_count: int, move_count: int) -> int:
        """Wake some, let others wait on ``target``; how many were woken or moved."""
        done = self.wake_key(key, wake_count)
        for sleeper in self._sleepers.get(key, [])[:move_count]:
            self._forget(sleeper)
            sleeper.key = target
            self._sleepers.setdefault(target, []).append(sleeper)
            done += 1
        return done


def deadline_of(thread: Thread, timeout: int, absolute: bool, realtime: bool) -> int:
    """The loop's deadline for the timespec at ``timeout`` (0: none). Raises Fault, EINVAL."""
    if not timeout:
        return NEVER
    seconds, nanoseconds = struct.unpack("<qq", thread.process.memory.read(timeout, 16))
    if seconds < 0 or not 0 <= nanoseconds < 1_000_000_000:
        raise LinuxError(linux.EINVAL)
    due = int(seconds * 1_000_000_000 + nanoseconds)
    platform = thread.process.system.platform
    if not absolute:
        return min(platform.monotonic() + due, NEVER)
    if realtime:
        due += platform.monotonic() - platform.realtime()
    return min(due, NEVER)
