"""Byte-range locks of one file.

An owner's locks do not overlap; locking a range replaces what the owner held of it. Owners are processes (fcntl) or open files (flock).

Source: fcntl(2), advisory record locking.
"""

from __future__ import annotations

from typing import Final

from skerry.lib.coroutine import WaitQueue

END: Final = 1 << 63  # of a lock to the end of the file, however it grows


class Lock:
    """A held range, [start, end) bytes."""

    __slots__ = ("end", "exclusive", "owner", "start")

    def __init__(self, owner: object, start: int, end: int, exclusive: bool) -> None:
        self.owner = owner
        self.start = start
        self.end = end
        self.exclusive = exclusive


class FileLocks:
    """All locks of one file."""

    def __init__(self) -> None:
        self.held: list[Lock] = []
        self.changed = WaitQueue()

    def conflict(self, owner: object, start: int, end: int, exclusive: bool) -> Lock | None:
        """A lock of somebody else that is in the way."""
        for lock in self.held:
            if lock.owner is not owner and lock.start < end and start < lock.end and (exclusive or lock.exclusive):
                return lock
        return None

    def lock(self, owner: object, start: int, end: int, exclusive: bool) -> None:
        """Hold a range, in place of what the owner held of it; the caller has looked for conflicts."""
        self.unlock(owner, start, end)
        self.held.append(Lock(owner, start, end, exclusive))

    def unlock(self, owner: object, start: int, end: int) -> None:
        """Let a range go; a lock that reaches beyond it is cut or split."""
        kept: list[Lock] = []
        for lock in self.held:
            if lock.owner is not owner or lock.end <= start or end <= lock.start:
                kept.append(lock)
                continue
            if lock.start < start:
                kept.append(Lock(owner, lock.start, start, lock.exclusive))
            if end < lock.end:
                kept.append(Lock(owner, end, lock.end, lock.exclusive))
        self.held = kept
        self.changed.wake()

    def release(self, owner: object) -> None:
        """Let everything of ``owner`` go."""
        if self.held:
            self.unlock(owner, 0, END)
