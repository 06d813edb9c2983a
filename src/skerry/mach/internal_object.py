"""Memory without a pager of its own: copies of paged memory, and memory that the default pager takes when the kernel wants the room.

An internal object starts with nothing. A page of it is what its ``source`` held when the object was made, or zeros; once it has been paged
out it is what the default pager was given. The default pager learns of the object (memory_object_create) when its first page goes.

Source: Mach 3 Kernel Interfaces, memory_object_create, memory_object_data_initialize; vm_object.c of GNU Mach (shadow objects).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from skerry.abi import mach
from skerry.mach import right
from skerry.mach.errors import KernError, KernReturn
from skerry.mach.memory_object import BACKLOG, ManagedObject, naturals
from skerry.mach.message import Rights
from skerry.mach.paged import LARGEST, PAGE, PagedObject, Request
from skerry.mach.port import Port
from skerry.mach.right import RightKind

if TYPE_CHECKING:
    from skerry.mach.kernel import Kernel

DEEPEST: Final = 32


class InternalObject(ManagedObject):
    """A page is looked for with the default pager, then with ``source`` (None: zeros), at the same offset."""

    def __init__(self, kernel: Kernel, source: PagedObject | None = None) -> None:
        """Raises RESOURCE_SHORTAGE, also for a copy of a copy of a copy, DEEPEST times."""
        if source is not None:
            self.depth = source.depth + 1
            if self.depth > DEEPEST:
                raise KernError(KernReturn.RESOURCE_SHORTAGE)
        super().__init__(kernel, None)
        self.ready = True
        self.copy_strategy = mach.MEMORY_OBJECT_COPY_DELAY
        self.source = source
        self._out: set[int] = set()  # pages that the default pager has
        if source is not None:
            source.add_copy(self)

    def holds(self, at: int) -> bool:
        return at in self._out

    def not_shown(self, first: int, last: int) -> None:
        if self.shown_once and len(self.maps) == 1 and not self.copies:
            self.drop(first, last)
            self._forget_out(first, last)

    def _forget_out(self, first: int, last: int) -> None:
        """What the default pager has of the range is not needed any more."""
        before = len(self._out)
        if last - first < before:
            self._out.difference_update(range(first, last + 1))
        else:
            self._out = {at for at in self._out if not first <= at <= last}
        self.kernel.resident.out -= before - len(self._out)

    def fetch(self, request: Request) -> None:
        """From where each page is; one request may become several."""
        for at in range(request.first, request.last + 1):
            if self.asked.get(at) is request:  # else a page before has brought it, or it was given up
                self._fetch_from(at, request)

    def _fetch_from(self, first: int, request: Request) -> None:
        last = first
        out = first in self._out
        while last < request.last and (last + 1 in self._out) == out:
            last += 1
        part = Request(first, last, request.access, False)
        for at in range(first, last + 1):
            self.asked[at] = part
        if out:
            super().fetch(part)
        elif self.source is None:
            self.supply_zeros(first, last)
        else:
            self._copy(part)

    def _copy(self, request: Request) -> None:
        source = self.source
        assert source is not None
        first, last = request.first, request.last

        def arrived(code: int) -> None:
            if self.closed:
                return
            if code != mach.KERN_SUCCESS:
                self.fail_waits(first, last, code)
            elif not source.is_in(first, last, mach.VM_PROT_READ):  # gone again
                self.fetch(request)
            else:
                self.supply_from(source.memory, first, last)

        if source.failure is not None and not source.is_in(first, last, mach.VM_PROT_READ):
            self.fail_waits(first, last, source.failure)
        elif source.demand(first, last, mach.VM_PROT_READ, last + 1, arrived) is None:
            self.supply_from(source.memory, first, last)

    # Paging out
    def page_out(self, first: int, last: int) -> None:
        """To the default pager, if there is one, as far as it has room; memory that was never written is copied or zeroed again."""
        there = self._known(self.pages, first, last)
        if self.source is not None:  # which may hold something else by now
            for at in there:
                self.pages[at].dirty = self.pages[at].dirty or at not in self._out
        new = [at for at in there if at not in self._out and self.pages[at].dirty]
        stay = new[self.kernel.resident.fitting(len(new)) :]
        if len(stay) == len(there) or not self._has_pager():
            return
        start = first
        for at in [*stay, last + 1]:
            if start < at:
                self.clean(start, at - 1, mach.MEMORY_OBJECT_RETURN_DIRTY, True)
            start = at + 1

    def _has_pager(self) -> bool:
        """Whether there is one that takes messages; the default pager becomes the object's."""
        if self.pager is None:
            manager = self.kernel.default_manager
            if manager is None or manager.dead or len(manager.messages) >= BACKLOG or self.failure is not None:
                return False
            self._create(manager)
        return self.alive and self.takes_messages

    def returned(self, first: int, last: int, dirty: bool, kernel_copy: bool) -> None:
        """What it has not seen yet goes as memory_object_data_initialize."""
        start = first
        while start <= last:
            end = start
            seen = start in self._out
            while end < last and (end + 1 in self._out) == seen:
                end += 1
            id = mach.ID_MEMORY_OBJECT_DATA_RETURN if seen else mach.ID_MEMORY_OBJECT_DATA_INITIALIZE
            self.return_pages(start, end, dirty, kernel_copy, id)
            if not seen:
                self._out.update(range(start, end + 1))
                self.kernel.resident.out += end + 1 - start
            start = end + 1

    def _create(self, manager: Port) -> None:
        """memory_object_create: the default pager receives at a new port from now on."""
        self.pager = right.make_send(Port())
        self.pager.memory_object = self
        new = Rights(RightKind.RECEIVE, [self.pager])
        name = Rights(RightKind.SEND, [right.make_send(self.name)])
        size = naturals(self.extent * PAGE)
        self._send(mach.ID_MEMORY_OBJECT_CREATE, new, *size, self._control(), name, *naturals(PAGE), pager=right.copy_send(manager))

    # The end
    def collapse(self) -> None:
        """A chain of copies is as long as there are tasks that have one: what ended in between leaves its pages to the next."""
        (copy,) = self.copies
        if self.pager is not None or self.waits or not isinstance(copy, InternalObject):
            return
        with self.kernel.resident.held():
            for at in list(self.pages):
                if at not in copy.pages and not copy.holds(at):
                    copy.supply_from(self.memory, at, at)
        for at, page in copy.pages.items():
            page.dirty = page.dirty or not copy.holds(at)  # they may be nowhere else now
        self.copies.clear()
        copy.source, copy.depth = self.source, self.depth
        if self.source is not None:
            self.source.copies[self.source.copies.index(self)] = copy
            self.source = None
        self.close()

    def terminate(self) -> None:
        """Nothing goes back: nobody will read it."""
        if self.pager is not None:
            self._leave_pager()
        self.close()

    def close(self) -> None:
        if self.closed:
            return
        super().close()
        self._forget_out(0, LARGEST)
        if self.source is not None:
            self.source.remove_copy(self)
