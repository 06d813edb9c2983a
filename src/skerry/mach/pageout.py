"""Which pages of memory objects stay in memory: under a limit, the one that has been there longest goes first.

Pages that somebody waits for stay. A page that was not written is dropped, one that was is returned to its pager. What comes back is the
newest again: first in, first out, as the host tells nothing of mere reads.

Source: Mach 3 Kernel Interfaces, chapter 4 (the kernel's pageout daemon).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from skerry.mach.paged import PagedObject

LOOK: Final = 16  # pages that are looked at for one that has come, at most: where few can go, each would cost a look at all


class Resident:
    """The pages of all memory objects, in the order in which they came.

    ``limit``: how many may stay; None: all. ``out``: how many the default pager has been given, and ``room`` how many it may have.
    """

    def __init__(self) -> None:
        self.limit: int | None = None
        self.out = 0
        self.room: int | None = None
        self._pages: dict[tuple[PagedObject, int], None] = {}
        self._balancing = False

    @property
    def count(self) -> int:
        """Pages that are there."""
        return len(self._pages)

    def add(self, pages: PagedObject, first: int, last: int) -> None:
        """They have come."""
        for at in range(first, last + 1):
            self._pages[pages, at] = None

    def remove(self, pages: PagedObject, first: int, last: int) -> None:
        """They are there no more."""
        for at in range(first, last + 1):
            self._pages.pop((pages, at), None)

    def forget(self, pages: PagedObject) -> None:
        """The object is gone."""
        for at in pages.pages:
            self._pages.pop((pages, at), None)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Nothing goes meanwhile: an operation is to find all its pages there. The next page that comes makes up for it."""
        before, self._balancing = self._balancing, True
        try:
            yield
        finally:
            self._balancing = before

    def fitting(self, count: int) -> int:
        """Of ``count`` pages that the default pager has not been given, how many it may be given."""
        return count if self.room is None else max(0, min(count, self.room - self.out))

    def balance(self, pages: PagedObject | None = None, first: int = 0, last: int = 0) -> None:
        """Let pages go until the limit is kept, or none may go.

        Those of ``pages`` that have just come stay, for who waited for them; then the LOOK oldest for each are looked at.
        """
        if self.limit is None or len(self._pages) <= self.limit or self._balancing:
            return
        self._balancing = True
        left = len(self._pages) if pages is None else min(len(self._pages), LOOK * (last + 1 - first))  # to be looked at
        while len(self._pages) > self.limit and left > 0:
            oldest, at = next(iter(self._pages))
            end = self._run(oldest, at, min(left, len(self._pages) - self.limit))
            if not (oldest is pages and at <= last and first <= end) and not any(wait.touches(at, end) for wait in oldest.waits):
                oldest.page_out(at, end)
            for index in range(at, end + 1):  # what could not go is looked at last the next time
                if self._pages.pop((oldest, index), True) is None:
                    self._pages[oldest, index] = None
            left -= end + 1 - at
        self._balancing = False

    def _run(self, pages: PagedObject, first: int, most: int) -> int:
        """The last page of a run of one object from ``first`` on, of at most ``most`` pages."""
        last = first
        while last + 1 < first + most and (pages, last + 1) in self._pages:
            last += 1
        return last
