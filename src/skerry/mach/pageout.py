"""Which pages of memory objects stay in memory: under a limit, the one that has been there longest goes first.

Pages that somebody waits for stay. A page that was not written is dropped, one that was is returned to its pager. What comes back is the
newest again: first in, first out, as the host tells nothing of mere reads.

Source: Mach 3 Kernel Interfaces, chapter 4 (the kernel's pageout daemon).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skerry.mach.paged import PagedObject


class Resident:
    """The pages of all memory objects, in the order in which they came. ``limit``: how many may stay; None: all."""

    def __init__(self) -> None:
        self.limit: int | None = None
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

    def balance(self) -> None:
        """Let pages go until the limit is kept, or none may go."""
        if self.limit is None or len(self._pages) <= self.limit or self._balancing:
            return
        self._balancing = True
        try:
            for pages, at in list(self._pages):
                if len(self._pages) <= self.limit:
                    return
                if (pages, at) in self._pages:
                    self._let_go(pages, at, len(self._pages) - self.limit)
        finally:
            self._balancing = False

    def _let_go(self, pages: PagedObject, first: int, most: int) -> None:
        """A run of one object from ``first`` on."""
        last = first
        while last - first + 1 < most and (pages, last + 1) in self._pages:
            last += 1
        for wait in pages.waits:
            if wait.touches(first, last):
                last = wait.first - 1
        if first <= last:
            pages.page_out(first, last)
