"""What each user may have at most of things that cost the system memory, whichever processes have them.

Source: inotify(7) and epoll(7), "/proc interfaces".
"""

from __future__ import annotations

from collections import Counter

from skerry.unix.errors import LinuxError


class Quota:
    """``limit`` things for each user; who wants more gets ``error``."""

    def __init__(self, limit: int, error: int) -> None:
        self.limit = limit
        self._error = error
        self._had: Counter[int] = Counter()

    def take(self, user: int) -> None:
        """One more for ``user`` (uid). Raises LinuxError."""
        if self._had[user] >= self.limit:
            raise LinuxError(self._error)
        self._had[user] += 1

    def give_back(self, user: int) -> None:
        """One fewer."""
        self._had[user] -= 1
        if not self._had[user]:
            del self._had[user]
