"""A task's memory: regions of pages, and the vm_* calls.

Invariants:
- Regions are sorted and without overlap; neighbours that continue each other are one.
- A region that children share (VM_INHERIT_SHARE) is mapped shared on the host; one that they copy is private there, or is given to the
  child as a copy; so a host fork is task_create.
- A region with ``pages`` shows the pages of a paged object: on the host it is all forbidden but what ``show`` has allowed (see ``paged``).
  It is mapped shared on the host, also where it is the task's own: what it copies is an object of its own.
- The list follows what the host's process maps. A server that maps much (Unix) only *notes* its changes; they are worked in when somebody
  looks (``regions``).

What the host does by itself costs nothing here: zero-filling, copy-on-write, pages of files.

Source: Mach 3 Kernel Interfaces, chapter 5; GNU Mach, vm/vm_user.c and vm/vm_map.c.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from skerry.abi import linux, mach
from skerry.abi.fault import Fault
from skerry.mach import movable
from skerry.mach.absent import Absent, PageWait
from skerry.mach.errors import KernError, KernReturn
from skerry.mach.internal_object import InternalObject
from skerry.mach.paged import Page, PagedObject
from skerry.machine import AddressSpace, HostFile, MemoryObject

if TYPE_CHECKING:
    from skerry.mach.kernel import Kernel

PAGE: Final = mach.PAGE_SIZE
LOWEST: Final = 0x10000  # no region below
CHUNK: Final = 1 << 20  # bytes moved at a time
COPY_LIMIT: Final = 1 << 32  # bytes that one copy may hold
NOTES: Final = 256  # changes noted before they are worked in


def page_down(address: int) -> int:
    return address & ~(PAGE - 1)


def page_up(address: int) -> int:
    return (address + PAGE - 1) & ~(PAGE - 1)


class Region:
    """Pages of one kind. ``shared``: writes go to ``object``; else they are the task's own."""

    __slots__ = ("end", "inheritance", "maximum", "object", "offset", "pages", "protection", "shared", "start")

    def __init__(
        self,
        start: int,
        end: int,
        protection: int,
        maximum: int,
        inheritance: int,
        shared: bool,
        backing: HostFile | None,
        offset: int,
        pages: PagedObject | None = None,
    ) -> None:
        self.start = start
        self.end = end
        self.protection = protection
        self.maximum = maximum
        self.inheritance = inheritance
        self.shared = shared
        self.object = backing
        self.offset = offset
        self.pages = pages  # whose memory ``object`` is

    def part(self, start: int, end: int) -> Region:
        """The same, from ``start`` to ``end``."""
        offset = self.offset + start - self.start if self.object is not None else 0
        return Region(start, end, self.protection, self.maximum, self.inheritance, self.shared, self.object, offset, self.pages)

    def page(self, address: int) -> int:
        """The number of the object's page at ``address``."""
        return (self.offset + address - self.start) // PAGE

    def continues(self, before: Region) -> bool:
        """Whether ``before`` and this are one region in two pieces."""
        return (
            before.end == self.start
            and before.protection == self.protection
            and before.maximum == self.maximum
            and before.inheritance == self.inheritance
            and before.shared == self.shared
            and before.object is self.object
            and (self.object is None or before.offset + before.end - before.start == self.offset)
        )


def _start_of(region: Region) -> int:
    return region.start


def _allows(page: Page | None, rights: int, region: Region) -> bool:
    return page is not None and page.rights & region.protection == rights


class MemoryCopy:
    """Out-of-line data on their way: pages that nobody writes any more."""

    def __init__(self, length: int, whole: MemoryObject | None = None, moved: bool = False) -> None:
        """``whole``: what holds them; None: a new object. ``moved``: it is the receiver's alone. Raises RESOURCE_SHORTAGE."""
        self.length = length
        self.moved = moved
        try:
            self.object = MemoryObject(page_up(length)) if whole is None else whole
        except OSError as error:
            raise KernError(KernReturn.RESOURCE_SHORTAGE) from error

    def contents(self) -> bytes:
        """The bytes."""
        return self.object.read(0, self.length)


class VmMap:
    """The regions of one address space."""

    moves = False  # whether what is allocated can be moved to other tasks (``movable``)
    size_limit = mach.NO_SIZE_LIMIT  # bytes that may be mapped, without what nobody may ever access
    size_maximum = mach.NO_SIZE_LIMIT  # bytes that ``size_limit`` may be set to without privilege

    def __init__(self, space: AddressSpace, lowest: int = LOWEST) -> None:
        """``lowest``: no region is placed below."""
        self.space = space
        self.lowest = lowest
        self._regions: list[Region] = []
        self.managed = False  # whether there is, or was, a region with pages
        self.pageable: Kernel | None = None  # whose default pager pages what vm_allocate gives; None: it stays in the host's memory
        self._notes: list[tuple[Any, ...]] = []  # of map: start, length, protection, shared, object, offset; of the others: their arguments

    # What a co-located server does to it, and only notes
    def map_noted(self, address: int, length: int, protection: int, shared: bool, backing: HostFile | None, offset: int) -> None:
        """AddressSpace.map, with inheritance share if ``shared`` and else copy."""
        self.space.map(address, length, protection, shared, backing, offset)
        self._note((address, length, protection, shared, backing, offset))

    def unmap_noted(self, address: int, length: int) -> None:
        """AddressSpace.unmap."""
        self.space.unmap(address, length)
        self._note((address, length))

    def protect_noted(self, address: int, length: int, protection: int) -> None:
        """AddressSpace.protect."""
        if self.managed:
            self._work_in()
            self._protect(address, address + length, protection, None)
            return
        self.space.protect(address, length, protection)
        self._note((address, length, protection))

    def move_noted(self, address: int, length: int, new_address: int, new_length: int) -> None:
        """AddressSpace.move."""
        if self.managed and any(piece.pages is not None for piece in self.parts(address, address + length)):
            self._move_pages(address, length, new_address, new_length)
            return
        self.space.move(address, length, new_address, new_length)
        self._note((address, length, new_address, new_length))

    def advise_noted(self, address: int, length: int, advice: int) -> None:
        """AddressSpace.advise. Pages that are the task's own and not needed any more (MADV_DONTNEED) are the host's zero memory again."""
        if not self.managed:
            self.space.advise(address, length, advice)
            return
        for piece in self.parts(address, address + length):
            if piece.pages is None:
                self.space.advise(piece.start, piece.end - piece.start, advice)
            elif advice == linux.MADV_DONTNEED and not piece.shared:
                self.map_noted(piece.start, piece.end - piece.start, piece.protection, False, None, 0)

    def clear(self) -> None:
        """Unmap everything."""
        self.space.clear()
        self.forget()

    def forget(self) -> None:
        """What was mapped is gone."""
        regions, self._regions, self._notes = self._regions, [], []
        if self.managed:
            self._left(regions)

    def _note(self, note: tuple[Any, ...]) -> None:
        self._notes.append(note)
        if len(self._notes) > NOTES or self.managed:
            self._work_in()

    def _work_in(self) -> None:
        notes, self._notes = self._notes, []
        for start, length, *rest in notes:
            pieces = self._cut(start, start + length)
            if len(rest) == 4:
                protection, shared, backing, offset = rest
                inheritance = mach.VM_INHERIT_SHARE if shared else mach.VM_INHERIT_COPY
                region = Region(start, start + length, protection, mach.VM_PROT_ALL, inheritance, bool(shared), backing, offset)
                self._insert(region)
            elif len(rest) == 1:
                for piece in pieces:
                    piece.protection = rest[0]
                    self._insert(piece)
            elif rest and pieces:
                self._move(pieces, start, *rest)
            if self.managed:
                self._left(pieces)

    def _move_pages(self, address: int, length: int, new_address: int, new_length: int) -> None:
        """Move pieces of several kinds, each as it can be; what is added is zero memory."""
        pieces = self._cut(address, address + min(length, new_length)) if new_address != address else []
        displaced = self._cut(new_address, new_address + new_length) if pieces else []
        for piece in pieces:
            size, target = piece.end - piece.start, piece.start + new_address - address
            if piece.pages is None:
                self.space.move(piece.start, size, target, size)
            else:
                self.space.map(target, size, mach.VM_PROT_NONE, True, piece.object, piece.offset)
                self.space.unmap(piece.start, size)
            moved = piece.part(piece.start, piece.end)
            moved.start, moved.end = target, target + size
            self._insert(moved)
        self._left(displaced)
        last = self.region_at(new_address + min(length, new_length) - 1)
        if new_length > length and last is not None:
            self.map_noted(new_address + length, new_length - length, last.protection, False, None, 0)
        elif new_length < length:
            self.unmap_noted(address + new_length, length - new_length)

    def _move(self, pieces: list[Region], start: int, new_start: int, new_length: int) -> None:
        self._cut(new_start, new_start + new_length)
        for piece in pieces:
            moved = piece.part(piece.start, piece.end)
            moved.start += new_start - start
            moved.end = min(moved.end + new_start - start, new_start + new_length)
            if piece is pieces[-1]:
                moved.end = new_start + new_length
            if moved.start < moved.end:
                self._insert(moved)

    @property
    def regions(self) -> list[Region]:
        """What is mapped, sorted by address."""
        if self._notes:
            self._work_in()
        return self._regions

    # The list
    def _cut(self, start: int, end: int) -> list[Region]:
        """Take [start, end) out of the list; what was there, in order."""
        regions = self._regions
        first = bisect_right(regions, start, key=_start_of)
        if first and regions[first - 1].end > start:
            first -= 1
        last = first
        removed: list[Region] = []
        kept: list[Region] = []
        while last < len(regions) and regions[last].start < end:
            region = regions[last]
            if region.start < start:
                kept.append(region.part(region.start, start))
            removed.append(region.part(max(start, region.start), min(end, region.end)))
            if region.end > end:
                kept.append(region.part(end, region.end))
            last += 1
        regions[first:last] = kept
        return removed

    def _insert(self, region: Region) -> None:
        """Put a region where nothing is."""
        regions = self._regions
        index = bisect_right(regions, region.start, key=_start_of)
        if index < len(regions) and regions[index].continues(region):
            region.end = regions.pop(index).end
        if index and region.continues(regions[index - 1]):
            regions[index - 1].end = region.end
        else:
            regions.insert(index, region)

    def covering(self, start: int, end: int) -> list[Region]:
        """The regions that make up [start, end); raises INVALID_ADDRESS if there is a hole."""
        found = []
        regions = self.regions
        index = max(bisect_right(regions, start, key=_start_of) - 1, 0)
        at = start
        while at < end:
            if index >= len(regions) or not regions[index].start <= at < regions[index].end:
                raise KernError(KernReturn.INVALID_ADDRESS)
            found.append(regions[index])
            at = regions[index].end
            index += 1
        return found

    def find_space(self, size: int, mask: int = 0) -> int:
        """The lowest address with ``size`` free bytes and none of the bits of ``mask`` (low bits, all of them); raises NO_SPACE."""
        at = (self.lowest + mask) & ~mask
        for region in self.regions:
            if region.start - at >= size:
                return at
            at = max(at, (region.end + mask) & ~mask)
        if self.space.limit - at < size:
            raise KernError(KernReturn.NO_SPACE)
        return at

    def whole_pages(self, address: int, size: int) -> tuple[int, int]:
        """The pages that the range touches; raises INVALID_ADDRESS if it leaves the program's part of the space."""
        if size < 0 or address < 0 or address + size > self.space.limit:
            raise KernError(KernReturn.INVALID_ADDRESS)
        return page_down(address), page_up(address + size)

    @property
    def size(self) -> int:
        """Bytes that are mapped, without what nobody may ever access (whose maximum is VM_PROT_NONE)."""
        return sum(region.end - region.start for region in self.regions if region.maximum)

    # Changes
    def enter(self, region: Region) -> None:
        """Map a region where nothing is. Raises RESOURCE_SHORTAGE, NO_SPACE (beyond ``size_limit``)."""
        size = region.end - region.start
        if self.size_limit != mach.NO_SIZE_LIMIT and region.maximum and self.size + size > self.size_limit:
            raise KernError(KernReturn.NO_SPACE)
        self._work_in()
        start, end, protection, shared = region.start, region.end, region.protection, region.shared
        if region.pages is not None:
            self.managed = True
            region.pages.attach(self, region.offset + size)
            protection, shared = mach.VM_PROT_NONE, True
        backing, offset = region.object, region.offset
        self._insert(region)
        try:
            self.change(self.space.map, start, size, protection, shared, backing, offset)
            self.flush()
        except KernError:
            self._left(self._cut(start, end))
            raise

    def replace(self, region: Region) -> None:
        """Map a region in place of what is there. Raises RESOURCE_SHORTAGE, TERMINATED: nothing has changed."""
        self._work_in()
        pieces = self._cut(region.start, region.end)
        try:
            self.enter(region)
        except KernError:
            for piece in pieces:
                self._insert(piece)
            raise
        self._left(pieces)

    def remove(self, start: int, end: int) -> None:
        """Unmap whole pages; holes are skipped."""
        self._work_in()
        pieces = self._cut(start, end)
        if pieces:
            self.change(self.space.unmap, start, end - start)
            self.flush()
            if self.managed:
                self._left(pieces)

    def set_protection(self, start: int, end: int, protection: int, maximum: int | None) -> None:
        """Whole pages, all mapped; ``maximum`` (if given) replaces their maximum. Raises PROTECTION_FAILURE."""
        if maximum is None and any(protection & ~region.maximum for region in self.covering(start, end)):
            raise KernError(KernReturn.PROTECTION_FAILURE)
        self._work_in()
        self._protect(start, end, protection, maximum)
        self.flush()

    def _protect(self, start: int, end: int, protection: int, maximum: int | None) -> None:
        for piece in self._cut(start, end):
            if maximum is not None:
                piece.maximum &= maximum
            piece.protection = protection if maximum is None else piece.protection & maximum
            shown = piece.protection if piece.pages is None else mach.VM_PROT_NONE  # pages show themselves when they are touched
            self.change(self.space.protect, piece.start, piece.end - piece.start, shown)
            self._insert(piece)

    def set_inheritance(self, start: int, end: int, inheritance: int) -> None:
        """Whole pages. What children are to share becomes an object now; another thread should not write to it meanwhile.

        Raises RESOURCE_SHORTAGE.
        """
        copies: dict[int, MemoryCopy] = {}
        if inheritance == mach.VM_INHERIT_SHARE:
            copies = {piece.start: self._snapshot(piece) for piece in self.parts(start, end) if not piece.shared and piece.pages is None}
        self._work_in()
        for piece in self._cut(start, end):
            piece.inheritance = inheritance
            piece.shared = piece.shared or (piece.pages is not None and inheritance == mach.VM_INHERIT_SHARE)
            copy = copies.get(piece.start)
            if copy is not None:
                piece.object, piece.offset, piece.shared = copy.object, 0, True
                self.change(self.space.map, piece.start, piece.end - piece.start, piece.protection, True, copy.object, 0)
            self._insert(piece)
        self.flush()

    def parts(self, start: int, end: int) -> list[Region]:
        """What is mapped in [start, end), in order."""
        return [r.part(max(start, r.start), min(end, r.end)) for r in self.regions if r.start < end and start < r.end]

    def _snapshot(self, piece: Region) -> MemoryCopy:
        """A copy of whole pages, whatever their protection."""
        size = piece.end - piece.start
        readable = piece.protection & mach.VM_PROT_READ
        if not readable:
            self.change(self.space.protect, piece.start, size, mach.VM_PROT_READ)
        copy = self._copy_out_of(piece.start, size)
        if not readable:
            self.change(self.space.protect, piece.start, size, piece.protection)
        return copy

    def _copy_out_of(self, address: int, length: int) -> MemoryCopy:
        if length > COPY_LIMIT:
            raise KernError(KernReturn.RESOURCE_SHORTAGE)
        copy = MemoryCopy(length)
        for offset in range(0, length, CHUNK):
            data = self.space.read(address + offset, min(CHUNK, length - offset))
            if data.count(0) != len(data):
                copy.object.write(offset, data)
        return copy

    def freeze(self, region: Region) -> None:
        """Have a region's own object written no more: from now on the host copies the pages that are written. Raises RESOURCE_SHORTAGE."""
        self.change(self.space.map, region.start, region.end - region.start, region.protection, False, region.object, region.offset)
        region.shared = False
        self.flush()

    def flush(self) -> None:
        """Have the queued changes made. Raises RESOURCE_SHORTAGE, TERMINATED (the space is gone)."""
        self.change(self.space.flush)

    def change(self, change: Callable[..., None], *arguments: Any) -> None:
        """Queue a change of the space, or have the queued ones made. Raises RESOURCE_SHORTAGE, TERMINATED (the space is gone)."""
        try:
            change(*arguments)
        except OSError as error:
            raise KernError(KernReturn.RESOURCE_SHORTAGE if self.space.host.alive else KernReturn.TERMINATED) from error

    # Pages that come and go
    def _left(self, pieces: list[Region]) -> None:
        """Regions were taken out of the list: whose pages are shown nowhere else here, does not show them any more."""
        gone = {piece.pages: None for piece in pieces if piece.pages is not None}
        for pages in gone:
            if not any(region.pages is pages for region in self._regions):
                pages.detach(self)
        for piece in pieces:
            if piece.pages is not None and not piece.pages.closed:
                piece.pages.not_shown(piece.page(piece.start), piece.page(piece.end) - 1)

    def fault(self, address: int, access: int, arrived: Callable[[int], None]) -> PageWait | bool:
        """Have the page there that a thread touched, and show it; ``arrived`` is called with a kern_return_t, at once or later.

        The wait, if it is later. False (and no call): it is no page that comes, or ``access`` (VM_PROT_*) is forbidden here.
        """
        region = self.region_at(address)
        if region is None or region.pages is None or access & ~region.protection:
            return False
        page = region.page(address)
        try:
            wait = region.pages.demand(page, page, access, region.page(region.end), lambda code: self._arrived(address, code, arrived))
        except KernError as error:
            arrived(error.code)
            return True
        if wait is not None:
            return wait
        self._arrived(address, mach.KERN_SUCCESS, arrived)
        return True

    def _arrived(self, address: int, code: int, arrived: Callable[[int], None]) -> None:
        region = self.region_at(address)
        if code == mach.KERN_SUCCESS and region is not None and region.pages is not None:
            try:
                self._show(region, page_down(address))
            except KernError as error:
                code = error.code
        arrived(code)

    @property
    def objects(self) -> set[PagedObject]:
        """Whose pages are shown."""
        return {region.pages for region in self.regions if region.pages is not None} if self.managed else set()

    def region_at(self, address: int) -> Region | None:
        """The region that holds it."""
        regions = self.regions
        index = bisect_right(regions, address, key=_start_of) - 1
        return regions[index] if index >= 0 and address < regions[index].end else None

    def _show(self, region: Region, address: int) -> None:
        """Allow what the page at ``address`` allows, with the next that came with it and allow the same. If it is gone it faults again."""
        assert region.pages is not None
        known = region.pages.pages
        page = known.get(region.page(address))
        if page is None:
            return
        rights = page.rights & region.protection
        at, end = region.page(address) + 1, address + PAGE
        while at <= page.last and end < region.end and _allows(known.get(at), rights, region):
            at += 1
            end += PAGE
        try:
            self.change(self.space.protect, address, end - address, rights)
            self.flush()
        except KernError as error:
            if error.code is not KernReturn.RESOURCE_SHORTAGE:
                raise
            self._hide(region.start, region.end)  # too many mappings of the host: one for all that is hidden
            self.change(self.space.protect, address, PAGE, rights)
            self.flush()

    def hide(self, pages: PagedObject, first: int, end: int) -> None:
        """Forbid what is shown of ``pages`` from byte ``first`` to ``end`` of the object."""
        for region in self.regions:
            if region.pages is pages:
                start = max(region.start, region.start + first - region.offset)
                stop = min(region.end, region.start + end - region.offset)
                if start < stop:
                    self._hide(start, stop)

    def _hide(self, start: int, end: int) -> None:
        if not self.space.host.alive:
            return
        try:
            self.change(self.space.protect, start, end - start, mach.VM_PROT_NONE)
            self.flush()
        except KernError as error:
            region = self.region_at(start)
            if error.code is KernReturn.TERMINATED or region is None:
                return
            with suppress(KernError):  # what needs no new mapping fails only where the process has ended, and that is not known yet
                self.change(self.space.protect, region.start, region.end - region.start, mach.VM_PROT_NONE)
                self.flush()

    def _paged(self, start: int, end: int) -> Iterator[tuple[Region, PagedObject]]:
        for piece in self.parts(page_down(start), page_up(end)):
            if piece.pages is not None:
                yield piece, piece.pages

    def bring_in(self, address: int, length: int, access: int) -> None:
        """Have pages there, and shown, that the kernel is about to touch.

        Raises Absent: they are not there yet, and nothing was changed; MEMORY_FAILURE: they never will be.
        """
        if not self.managed or length == 0:
            return
        pieces = list(self._paged(address, address + length))
        for piece, pages in pieces:
            first, end = piece.page(piece.start), piece.page(piece.end)
            if not pages.is_in(first, end - 1, access):
                if pages.failure is not None:
                    raise KernError(pages.failure)
                raise Absent(pages, first, end - 1, access, end)
        for piece, pages in pieces:
            first, end = piece.page(piece.start), piece.page(piece.end)
            pages.open(first, end - 1, access)
            for start, last in list(pages.runs(first, end - 1, lambda page: page.rights)):
                rights = pages.pages[start].rights & piece.protection
                at = piece.start + (start - first) * PAGE
                self.change(self.space.protect, at, (last + 1 - start) * PAGE, rights)
        self.flush()

    # Out-of-line data
    def readable(self, address: int, length: int) -> None:
        """Raises INVALID_ADDRESS, PROTECTION_FAILURE."""
        self._allows(address, length, mach.VM_PROT_READ)

    def writable(self, address: int, length: int) -> None:
        """Raises INVALID_ADDRESS, PROTECTION_FAILURE."""
        self._allows(address, length, mach.VM_PROT_WRITE)

    def _allows(self, address: int, length: int, protection: int) -> None:
        start, end = self.whole_pages(address, length)
        if not all(region.protection & protection for region in self.covering(start, end)):
            raise KernError(KernReturn.PROTECTION_FAILURE)

    def copyin(self, address: int, length: int, destroy: bool) -> MemoryCopy | bytes:
        """What the range holds now, less than a page of it as bytes; ``destroy`` takes its pages out of the map.

        Raises INVALID_ADDRESS, PROTECTION_FAILURE, MEMORY_ERROR, RESOURCE_SHORTAGE, and Absent (see ``bring_in``).
        """
        self.readable(address, length)
        if length > COPY_LIMIT:
            raise KernError(KernReturn.RESOURCE_SHORTAGE)
        self.bring_in(address, length, mach.VM_PROT_READ)
        try:
            taken = movable.take(self, address, length, destroy) if self.moves and length >= PAGE else None
            if taken is not None:
                return MemoryCopy(length, *taken)
            copy = self._copy_out_of(address, length) if length >= PAGE else self.space.read(address, length)
        except Fault as fault:
            raise KernError(KernReturn.MEMORY_ERROR) from fault
        if destroy:
            self.remove(page_down(address), page_up(address + length))
        return copy

    def copyout(self, copy: MemoryCopy | bytes, length: int) -> int:
        """New private memory that holds ``copy``; its address. Raises NO_SPACE, RESOURCE_SHORTAGE, TERMINATED."""
        size = page_up(length)
        start = self.find_space(size)
        backing = copy.object if isinstance(copy, MemoryCopy) else None
        own = self.moves and isinstance(copy, MemoryCopy) and copy.moved
        self.enter(Region(start, start + size, mach.VM_PROT_DEFAULT, mach.VM_PROT_ALL, mach.VM_INHERIT_COPY, own, backing, 0))
        if isinstance(copy, bytes):
            try:
                self.space.write(start, copy)
            except Fault as fault:  # its process has ended meanwhile
                raise KernError(KernReturn.TERMINATED) from fault
        return start

    # Children
    def fork(self, child: AddressSpace) -> VmMap:
        """The map of a child whose space is a host fork of this one: what is not to be inherited is taken out."""
        inherited = VmMap(child)
        inherited.pageable = self.pageable
        if not self.managed and all(self._inherits_as_mapped(region) for region in self._regions):
            inherited._regions = [region.part(region.start, region.end) for region in self._regions]
            inherited._notes = list(self._notes)
            return inherited
        copies: dict[PagedObject, InternalObject] = {}
        for region in self.regions:
            piece = region.part(region.start, region.end)
            if piece.inheritance == mach.VM_INHERIT_NONE:
                inherited.change(child.unmap, piece.start, piece.end - piece.start)
                continue
            if piece.pages is not None:
                inherited._inherit_pages(piece, copies)
            elif not self._inherits_as_mapped(piece):
                copy = self._snapshot(piece)
                piece.object, piece.offset, piece.shared = copy.object, 0, False
                inherited.change(child.map, piece.start, piece.end - piece.start, piece.protection, False, copy.object, 0)
            inherited._insert(piece)
        inherited.flush()
        return inherited

    def _inherit_pages(self, piece: Region, copies: dict[PagedObject, InternalObject]) -> None:
        """Show the same pages, or those of a copy: one of each object."""
        assert piece.pages is not None
        size = piece.end - piece.start
        if piece.inheritance != mach.VM_INHERIT_SHARE:
            if piece.pages not in copies:
                copies[piece.pages] = InternalObject(piece.pages.kernel, piece.pages)
                copies[piece.pages].shown_once = piece.pages.shown_once
            piece.pages = copies[piece.pages]
            piece.object, piece.shared = piece.pages.memory, False
            self.change(self.space.map, piece.start, size, mach.VM_PROT_NONE, True, piece.object, piece.offset)
        self.managed = True
        piece.pages.attach(self, piece.offset + size)

    @staticmethod
    def _inherits_as_mapped(region: Region) -> bool:
        return region.inheritance == (mach.VM_INHERIT_SHARE if region.shared else mach.VM_INHERIT_COPY)
