"""Byte-range locks of one file.

An owner's locks do not overlap, and neighbours of one kind are one lock; locking a range replaces what the owner held of it. Owners are
descriptor tables (fcntl: all threads of a process) or open files (flock, and fcntl's open file description locks).

Source: fcntl(2), advisory record locking.
"""

from __future__ import annotations

from typing import Final

from skerry.lib.coroutine import WaitQueue

END: Final = 1 << 63  # of a lock to the end of the file, however it grows


class LockOwner:
    """Who can hold locks; ``awaited`` are the owners that it sleeps for, one for each of its threads that wait."""

    def __init__(self) -> None:
        self.awaited: list[LockOwner] = []

    def waits_for(self, other: LockOwner) -> bool:
        """Whether this can go on only after ``other`` did something."""
        seen: set[LockOwner] = set()
        waiting = [self]
        while waiting:
            owner = waiting.pop()
            if owner is other:
                return True
            if owner not in seen:
                seen.add(owner)
                waiting.extend(owner.awaited)
        return False


class Lock:
    """A held range, [start, end) bytes, taken by process ``pid`` (-1: by no process in particular)."""

    __slots__ = ("end", "exclusive", "owner", "pid", "start")

    def __init__(self, owner: LockOwner, pid: int, start: int, end: int, exclusive: bool) -> None:
        self.owner = owner
        self.pid = pid
        self.start = start
        self.end = end
        self.exclusive = exclusive


class FileLocks:
    """All locks of one file."""

    def __init__(self) -> None:
        self.held: list[Lock] = []
        self.changed = WaitQueue()

    def conflict(self, owner: LockOwner, start: int, end: int, exclusive: bool) -> Lock | None:
        """The first lock of somebody else that is in the way."""
        found = [
            lock
            for lock in self.held
            if lock.owner is not owner and lock.start < end and start < lock.end and (exclusive or lock.exclusive)
        ]
        return min(found, key=lambda lock: lock.start, default=None)

    def lock(self, owner: LockOwner, pid: int, start: int, end: int, exclusive: bool) -> None:
        """Hold a range, in place of what the owner held of it; the caller has looked for conflicts."""
        self.unlock(owner, start, end)
        kept: list[Lock] = []
        for lock in self.held:
            if lock.owner is owner and lock.exclusive == exclusive and lock.start <= end and start <= lock.end:
                start, end = min(start, lock.start), max(end, lock.end)
            else:
                kept.append(lock)
        self.held = [*kept, Lock(owner, pid, start, end, exclusive)]

    def unlock(self, owner: LockOwner, start: int, end: int) -> None:
        """Let a range go; a lock that reaches beyond it is cut or split."""
        kept: list[Lock] = []
        for lock in self.held:
            if lock.owner is not owner or lock.end <= start or end <= lock.start:
                kept.append(lock)
                continue
            if lock.start < start:
                kept.append(Lock(owner, lock.pid, lock.start, start, lock.exclusive))
            if end < lock.end:
                kept.append(Lock(owner, lock.pid, end, lock.end, lock.exclusive))
        self.held = kept
        self.changed.wake()

    def release(self, owner: LockOwner) -> None:
        """Let everything of ``owner`` go."""
        if self.held:
            self.unlock(owner, 0, END)
