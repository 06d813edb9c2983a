"""Pages that come and go: an object whose memory is partly there, and who waits for the rest.

Invariants:
- ``pages`` holds the pages that are there. What is mapped of the object in any address space is only pages that are there, with no right
  that their lock forbids, and writable only if they are ``writable``; everything else of a mapping is forbidden on the host: it faults.
- A page that was written since it came is ``dirty`` and had been made ``writable`` before: a write to a clean page faults.
- ``asked`` holds what was requested and has not come, each page under its request.
- Copies (``copies``) hold what the object held when they were made: before a page of it is made writable, they get it.

The contents of a page that is there are in ``memory``, at the page's own offset; one page of host memory serves all spaces.

Source: Mach 3 Kernel Interfaces, chapter 4; Rashid et al., Machine-Independent Virtual Memory Management (1987).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from skerry.abi import mach
from skerry.mach.absent import MILLISECOND, Arrived, PageWait
from skerry.mach.errors import KernError, KernReturn
from skerry.machine import HostFile, MemoryObject

if TYPE_CHECKING:
    from skerry.mach.kernel import Kernel
    from skerry.mach.vm import MemoryCopy, VmMap

PAGE: Final = mach.PAGE_SIZE
LARGEST: Final = 1 << 62  # bytes of an object
CLUSTER: Final = 64  # pages of one request, at most
FIRST_CLUSTER: Final = 4  # pages asked for at a fault that continues no other
WRITE_AHEAD: Final = 16  # pages that one write opens, at most
READ: Final = mach.VM_PROT_READ
WRITE: Final = mach.VM_PROT_WRITE


class Page:
    """One that is there. ``lock``: VM_PROT_* that its pager forbids; ``last``: of the pages that came with it."""

    __slots__ = ("dirty", "last", "lock", "precious", "writable")

    def __init__(self, lock: int, precious: bool, last: int) -> None:
        self.lock = lock
        self.precious = precious
        self.last = last
        self.dirty = False
        self.writable = False

    @property
    def rights(self) -> int:
        """What mappings may do with it at most."""
        return mach.VM_PROT_ALL & ~self.lock & ~(0 if self.writable else WRITE)


class Request:
    """Pages ``first`` to ``last`` that were asked for, for ``access``; ``unlocks``: they are there, and locked."""

    __slots__ = ("access", "first", "last", "unlocks")

    def __init__(self, first: int, last: int, access: int, unlocks: bool) -> None:
        self.first = first
        self.last = last
        self.access = access
        self.unlocks = unlocks


class PagedObject:
    """The pages; ``fetch`` and ``fetch_rights`` of a subclass have them come."""

    depth = 0  # how many objects a page may have to be fetched through
    shown_once = False  # whether each page is mapped at one place of a task at most

    def __init__(self, kernel: Kernel) -> None:
        """Raises RESOURCE_SHORTAGE."""
        self.kernel = kernel
        try:
            self.memory = MemoryObject(LARGEST)
        except OSError as error:
            raise KernError(KernReturn.RESOURCE_SHORTAGE) from error
        self.pages: dict[int, Page] = {}
        self.asked: dict[int, Request] = {}
        self.waits: deque[PageWait] = deque()
        self.maps: dict[VmMap, None] = {}  # that have a region of it
        self.copies: list[PagedObject] = []
        self.extent = 0  # pages that any map has had mapped: supplied beyond, nothing is kept
        self.failure: KernReturn | None = None  # what waits for pages that are not there ends with: nobody brings them any more
        self.closed = False
        self._watched = False
        self._next_write = -1  # the page at which a sequence of writes would go on
        self._written = 1  # pages that were opened for it at once
        self._next = -1  # the page at which a sequence of requests would go on
        self._cluster = FIRST_CLUSTER

    # What a subclass does
    def fetch(self, request: Request) -> None:
        """Have pages come that are not there: ``supply`` or ``fail_request`` answers."""
        raise NotImplementedError

    def fetch_rights(self, request: Request) -> None:
        """Have the lock of pages changed that are there."""
        raise NotImplementedError

    def page_out(self, first: int, last: int) -> None:
        """Let pages that are there go, where they are not lost."""
        raise NotImplementedError

    def unused(self) -> None:
        """The last mapping or copy is gone."""
        raise NotImplementedError

    # Who needs pages
    def is_in(self, first: int, last: int, access: int) -> bool:
        """Whether the pages are there and not locked against ``access``."""
        return self._missing(first, last, access) is None

    def _missing(self, first: int, last: int, access: int) -> int | None:
        pages = self.pages
        for at in range(first, last + 1):
            page = pages.get(at)
            if page is None or page.lock & access:
                return at
        return None

    def demand(self, first: int, last: int, access: int, end: int, arrived: Arrived) -> PageWait | None:
        """Have the pages there for ``access``; None if they are (and ``arrived`` is not called).

        Else ``arrived`` is called with KERN_SUCCESS, when they had come at that moment, or with what went wrong. Raises MEMORY_FAILURE:
        nobody brings them.
        """
        if self.is_in(first, last, access):
            self._open(first, last, access, end)
            return None
        if self.failure is not None:
            raise KernError(self.failure)
        wait = PageWait(self.kernel, first, last, access, end, arrived)
        wait.wait_in(self.waits, None, lambda: None)
        self._advance(wait)
        if self.waits and not self._watched:
            self._watched = True
            self.kernel.processor.call_after(self.kernel.pager_limit, self._watch)
        return wait

    def _watch(self) -> None:
        """Have who waits too long fail. One timer of an object, and none while nobody waits: the kernel looks at timers at each trap."""
        now = self.kernel.processor.clock()
        for wait in list(self.waits):
            if wait.due <= now and not wait.finished:
                self._too_late(wait)
        self._watched = bool(self.waits)
        if self.waits:
            due = min(wait.due for wait in self.waits)
            self.kernel.processor.call_after(max(0, due - now) // MILLISECOND + 1, self._watch)

    def _advance(self, wait: PageWait) -> None:
        """Let it go on, or ask for what it lacks."""
        at = self._missing(wait.progress, wait.last, wait.access)
        if at is None:  # pages that were there may have gone since
            at = self._missing(wait.first, wait.progress, wait.access)
            wait.progress = wait.first
        if at is None:
            self._open(wait.first, wait.last, wait.access, wait.end)
            wait.fail(mach.KERN_SUCCESS)
            return
        if at > wait.progress:  # the limit is one of each request
            wait.progress = at
            wait.due = self.kernel.processor.clock() + self.kernel.pager_limit * MILLISECOND
        self._ask(at, wait)

    def _ask(self, at: int, wait: PageWait) -> None:
        page, request = self.pages.get(at), self.asked.get(at)
        access = wait.access | READ
        if request is not None and (page is None or (request.unlocks and not page.lock & access & ~request.access)):
            return  # it is under way
        if self.failure is not None:
            wait.fail(self.failure)
            return
        last = self._end_of_run(at, wait, page is not None)
        request = Request(at, last, access, page is not None)
        for index in range(at, last + 1):
            self.asked[index] = request
        if page is None:
            self.fetch(request)
        else:
            self.fetch_rights(request)

    def _end_of_run(self, at: int, wait: PageWait, unlocks: bool) -> int:
        """How far one request goes: as far as is needed, and ahead of who goes through the object in order."""
        last = wait.last
        if not unlocks:
            self._cluster = min(2 * self._cluster, CLUSTER) if at == self._next else FIRST_CLUSTER
            last = max(last, at + self._cluster - 1)
        last = min(last, at + CLUSTER - 1, wait.end - 1)
        at += 1
        while at <= last and at not in self.asked:
            page = self.pages.get(at)
            if page is not None if not unlocks else page is None or not page.lock & wait.access:
                break
            at += 1
        if not unlocks:
            self._next = at
        return at - 1

    def _too_late(self, wait: PageWait) -> None:
        """The pager takes longer than the kernel's limit: what it was asked will be asked anew."""
        for request in {self.asked[at] for at in range(wait.first, wait.last + 1) if at in self.asked}:
            self.forget(request.first, request.last)
        wait.fail(mach.KERN_MEMORY_ERROR)

    def forget(self, first: int, last: int) -> None:
        """The pages are not under way any more."""
        for at in self._known(self.asked, first, last):
            del self.asked[at]

    @staticmethod
    def _known(known: dict[int, Page] | dict[int, Request], first: int, last: int) -> list[int]:
        """Those of ``known`` in the range, in order."""
        if last - first < len(known):
            return [at for at in range(first, last + 1) if at in known]
        return sorted(at for at in known if first <= at <= last)

    def fail_waits(self, first: int, last: int, code: int) -> None:
        """Who waits for any of the pages learns that they do not come."""
        self.forget(first, last)
        for wait in list(self.waits):
            if wait.touches(first, last):
                wait.fail(code)

    def give_up(self, code: KernReturn) -> None:
        """Nobody brings pages any more: those that are there stay."""
        self.failure = code
        self.fail_waits(0, LARGEST // PAGE, code)

    def changed(self, first: int, last: int) -> None:
        """Pages have come, or their locks have changed: who waits for them looks again."""
        for wait in list(self.waits):
            if not wait.finished and wait.touches(first, last):
                self._advance(wait)

    # Pages that are there
    def runs(self, first: int, last: int, kind: Callable[[Page], object]) -> Iterator[tuple[int, int]]:
        """The pages of a range that are there, as runs whose pages are of one ``kind``: first and last."""
        start = previous = -2
        of: object = None
        for at in self._known(self.pages, first, last):
            this = kind(self.pages[at])
            if at != previous + 1 or this != of:
                if start >= 0:
                    yield start, previous
                start, of = at, this
            previous = at
        if start >= 0:
            yield start, previous

    def supply(self, first: int, data: bytes | MemoryCopy, lock: int = 0, precious: bool = False) -> int | None:
        """Pages have come: those that are there already stay as they are. The first of these, or None. Raises RESOURCE_SHORTAGE."""
        length = len(data) if isinstance(data, bytes) else data.length
        return self._fill(first, first + length // PAGE - 1, lock, precious, data, first)

    def supply_from(self, source: HostFile, first: int, last: int) -> None:
        """Pages as ``source`` has them, at the same offsets. Raises RESOURCE_SHORTAGE."""
        self._fill(first, last, 0, False, source, 0)

    def supply_zeros(self, first: int, last: int) -> None:
        """Pages of zeros."""
        self._fill(first, last, 0, False, None, 0)

    def _fill(
        self, first: int, last: int, lock: int, precious: bool, source: bytes | MemoryCopy | HostFile | None, source_first: int
    ) -> int | None:
        there = None
        last = min(last, self.extent - 1)
        at = first
        while at <= last:
            if at in self.pages:
                there = at if there is None else there
                at += 1
                continue
            start = at
            while at <= last and at not in self.pages:
                at += 1
            if source is not None:
                self._write(source, (start - source_first) * PAGE, start * PAGE, (at - start) * PAGE)
            for index in range(start, at):
                self.pages[index] = Page(lock, precious, at - 1)
            self.kernel.resident.add(self, start, at - 1)
        self.forget(first, last)
        self.changed(first, last)
        self.kernel.resident.balance(self, first, last)
        return there

    def _write(self, source: bytes | MemoryCopy | HostFile, source_offset: int, offset: int, length: int) -> None:
        try:
            if isinstance(source, bytes):
                self.memory.write(offset, memoryview(source)[source_offset : source_offset + length])
            else:
                backing = source if isinstance(source, HostFile) else source.object
                self.memory.copy_from(backing, source_offset, offset, length)
        except OSError as error:
            raise KernError(KernReturn.RESOURCE_SHORTAGE) from error

    def _open(self, first: int, last: int, access: int, end: int) -> None:
        """``open``, and ahead of who writes page after page: a fault for each would cost more than the unwritten pages that come back."""
        if access & WRITE and first == last:
            self._written = min(2 * self._written, WRITE_AHEAD) if first == self._next_write else 1
            while last + 1 < min(first + self._written, end) and self.is_in(last + 1, last + 1, WRITE):
                last += 1
            self._next_write = last + 1
        self.open(first, last, access)

    def open(self, first: int, last: int, access: int) -> None:
        """Pages that are there are about to be accessed: those to be written are dirty from now on, and copies have them as they were."""
        if not access & WRITE:
            return
        with self.kernel.resident.held():
            for at in range(first, last + 1):
                page = self.pages[at]
                if not page.writable:
                    for copy in self.copies:
                        if at not in copy.pages and not copy.holds(at):
                            copy.supply_from(self.memory, at, at)
                    page.writable = page.dirty = True

    def holds(self, at: int) -> bool:
        """Whether the page is this object's own although it is not there."""
        return False

    def hide(self, first: int, last: int) -> None:
        """Let every access fault again."""
        for vm in list(self.maps):
            vm.hide(self, first * PAGE, (last + 1) * PAGE)

    def set_lock(self, first: int, last: int, lock: int) -> None:
        """What is forbidden from now on."""
        self.hide(first, last)
        for at in self._known(self.pages, first, last):
            self.pages[at].lock = lock
        for at in self._known(self.asked, first, last):
            if self.asked[at].unlocks:
                del self.asked[at]

    def drop(self, first: int, last: int) -> None:
        """The pages are there no more; what they held is lost."""
        self.hide(first, last)
        for start, end in list(self.runs(first, last, bool)):
            self.memory.discard(start * PAGE, (end + 1 - start) * PAGE)
            self.kernel.resident.remove(self, start, end)
            for at in range(start, end + 1):
                del self.pages[at]

    def contents(self, first: int, last: int) -> bytes:
        """What pages hold that are there."""
        return self.memory.read(first * PAGE, (last + 1 - first) * PAGE)

    # Maps and copies
    def attach(self, vm: VmMap, end: int) -> None:
        """``vm`` has a region of it, which ends at the byte ``end``."""
        self.maps[vm] = None
        self.extent = max(self.extent, end // PAGE)

    def detach(self, vm: VmMap) -> None:
        """``vm`` has none any more."""
        self.maps.pop(vm, None)
        self.look_for_use()

    def not_shown(self, first: int, last: int) -> None:
        """A task has unmapped pages. Where nobody else can map them they are of no use any more."""

    def look_for_use(self) -> None:
        if not self.maps and not self.copies:
            self.unused()
        elif not self.maps and len(self.copies) == 1:
            self.collapse()

    def collapse(self) -> None:
        """Nobody needs it but one copy: where it can be, the copy takes over what it holds."""

    def add_copy(self, copy: PagedObject) -> None:
        """``copy`` is to hold what this holds now."""
        self.hide(0, self.extent)
        for page in self.pages.values():
            page.writable = False
        self.copies.append(copy)

    def remove_copy(self, copy: PagedObject) -> None:
        self.copies.remove(copy)
        self.look_for_use()

    def close(self) -> None:
        """No page is there any more, and the memory is given back. Nothing has it mapped."""
        self.closed = True
        self.give_up(KernReturn.MEMORY_FAILURE)
        self.kernel.resident.forget(self)
        self.pages.clear()
        self.memory.close()
