"""Who waits for pages that are not there (``paged``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from skerry.abi import mach
from skerry.mach.errors import KernError
from skerry.mach.processor import Waiter

if TYPE_CHECKING:
    from skerry.mach.kernel import Kernel
    from skerry.mach.paged import PagedObject

MILLISECOND: Final = 1_000_000  # ns
Arrived = Callable[[int], None]


class PageWait(Waiter):
    """Somebody who waits for pages ``first`` to ``last``; pages from ``end`` on are not asked for. Continued with a kern_return_t."""

    __slots__ = ("_arrived", "access", "due", "end", "first", "last", "progress")

    def __init__(self, kernel: Kernel, first: int, last: int, access: int, end: int, arrived: Arrived) -> None:
        super().__init__(kernel.processor, mach.KERN_ABORTED)
        self.first = first
        self.last = last
        self.access = access
        self.end = end
        self.progress = first
        self.due = kernel.processor.clock() + kernel.pager_limit * MILLISECOND
        self._arrived = arrived

    def fail(self, code: int) -> None:
        arrived = self._arrived
        self.go(lambda: arrived(code))

    def touches(self, first: int, last: int) -> bool:
        return self.first <= last and first <= self.last


class Absent(Exception):
    """Pages that an operation of the kernel needs are not there. No error: nothing was changed, and who gets it waits and tries again."""

    def __init__(self, pages: PagedObject, first: int, last: int, access: int, end: int) -> None:
        super().__init__(f"pages {first} to {last}")
        self._what = (first, last, access, end)
        self._pages = pages

    def wait(self, arrived: Arrived) -> PageWait | None:
        """Have them come; ``arrived`` is called with a kern_return_t, later. None: it cannot be interrupted."""
        pages = self._pages
        try:
            wait = pages.demand(*self._what, arrived)
        except KernError as error:
            code = error.code
            pages.kernel.processor.make_ready(lambda: arrived(code))
            return None
        if wait is None:
            pages.kernel.processor.make_ready(lambda: arrived(mach.KERN_SUCCESS))
        return wait
