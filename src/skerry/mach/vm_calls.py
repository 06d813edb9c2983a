"""The vm_* calls on a task's map.

Addresses and sizes are bytes; a range means the pages that it touches. Every call raises KernError and changes nothing when it does.
Those that touch what memory holds raise Absent, too, where a pager must bring it first: make the call again when it has come.

Source: Mach 3 Kernel Interfaces, chapter 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from skerry.abi import mach
from skerry.abi.fault import Fault
from skerry.mach import movable
from skerry.mach.absent import Absent
from skerry.mach.errors import KernError, KernReturn
from skerry.mach.internal_object import InternalObject
from skerry.mach.memory_object import ManagedObject
from skerry.mach.paged import LARGEST, PagedObject
from skerry.mach.vm import CHUNK, COPY_LIMIT, Region, VmMap, page_up
from skerry.machine import HostFile

LAZY: Final = (mach.MEMORY_OBJECT_COPY_DELAY, mach.MEMORY_OBJECT_COPY_TEMPORARY)
OBJECTS: Final = 256  # memory objects that one task may have mapped: each is a descriptor of the kernel's
INHERITANCES: Final = (mach.VM_INHERIT_SHARE, mach.VM_INHERIT_COPY, mach.VM_INHERIT_NONE)


@dataclass(frozen=True, slots=True)
class RegionInfo:
    """What vm_region answers."""

    address: int
    size: int
    protection: int
    max_protection: int
    inheritance: int
    shared: bool
    object: ManagedObject | None  # the memory object, if a pager manages it
    offset: int


def vm_allocate(vm: VmMap, address: int, size: int, anywhere: bool) -> int:
    """Zero-filled memory, read and write, at ``address`` or ``anywhere``; where it is.

    Raises NO_SPACE (something is there), INVALID_ADDRESS, RESOURCE_SHORTAGE. A size of 0 allocates nothing at address 0.
    """
    return vm_map(vm, address, size, anywhere, None, 0, False, mach.VM_PROT_DEFAULT, mach.VM_PROT_ALL, mach.VM_INHERIT_COPY)


def vm_map(
    vm: VmMap,
    address: int,
    size: int,
    anywhere: bool,
    memory_object: HostFile | PagedObject | None,
    offset: int,
    copy: bool,
    protection: int,
    max_protection: int,
    inheritance: int,
    mask: int = 0,
) -> int:
    """Map ``memory_object`` from ``offset`` (None: zero memory), copy-on-write if ``copy``; where it is.

    ``mask``: bits that the address must not have. Raises INVALID_ARGUMENT (protection above the maximum, inheritance, offset not at a page,
    or beyond the largest), NO_SPACE, INVALID_ADDRESS, RESOURCE_SHORTAGE.
    """
    pages = memory_object if isinstance(memory_object, PagedObject) else None
    if pages is not None and (offset < 0 or offset + page_up(size) > LARGEST):
        raise KernError(KernReturn.INVALID_ARGUMENT)
    if inheritance not in INHERITANCES or protection & ~max_protection or max_protection & ~mach.VM_PROT_ALL or offset % mach.PAGE_SIZE:
        raise KernError(KernReturn.INVALID_ARGUMENT)
    if size == 0:
        return 0
    if anywhere:
        if not 0 < size <= vm.space.limit:
            raise KernError(KernReturn.NO_SPACE)
        start = vm.find_space(page_up(size), mask)
        end = start + page_up(size)
    else:
        start, end = vm.whole_pages(address, size)
        if start & mask or any(region.start < end and start < region.end for region in vm.regions):
            raise KernError(KernReturn.NO_SPACE)
    shared = memory_object is not None and not copy
    full = len(vm.objects) >= OBJECTS
    if pages is not None and full and (copy or pages not in vm.objects):
        raise KernError(KernReturn.RESOURCE_SHORTAGE)
    if memory_object is None and vm.pageable is not None and not full:
        pages = InternalObject(vm.pageable)
    elif pages is not None and copy:
        pages, offset = copy_of(pages, offset, page_up(size))
    backing = pages.memory if pages is not None else memory_object
    assert not isinstance(backing, PagedObject)
    if backing is None and vm.moves:
        backing = movable.allocate(vm, end - start)
        shared = backing is not None
    vm.enter(Region(start, end, protection, max_protection, mach.VM_INHERIT_COPY, shared, backing, offset, pages))
    vm.set_inheritance(start, end, inheritance)
    return start


def copy_of(pages: PagedObject, offset: int, size: int) -> tuple[PagedObject, int]:
    """What holds what ``pages`` hold now, as their pager wants it (copy strategy), and where in it. Raises RESOURCE_SHORTAGE, Absent."""
    if not isinstance(pages, ManagedObject) or not pages.ready or pages.copy_strategy in LAZY:
        return InternalObject(pages.kernel, pages), offset
    if pages.copy_strategy == mach.MEMORY_OBJECT_COPY_CALL and pages.alive:
        return pages.called_copy(offset, size), 0
    first, end = offset // mach.PAGE_SIZE, (offset + size) // mach.PAGE_SIZE
    if not pages.is_in(first, end - 1, mach.VM_PROT_READ):
        if pages.failure is not None:
            raise KernError(pages.failure)
        raise Absent(pages, first, end - 1, mach.VM_PROT_READ, end)
    copy = InternalObject(pages.kernel, pages)
    copy.extent = end
    copy.supply_from(pages.memory, first, end - 1)
    return copy, offset


def vm_deallocate(vm: VmMap, address: int, size: int) -> None:
    """Take memory away; what is not there is no error. Raises INVALID_ADDRESS (outside of the task's part of the space)."""
    if size:
        vm.remove(*vm.whole_pages(address, size))


def vm_protect(vm: VmMap, address: int, size: int, set_maximum: bool, protection: int) -> None:
    """Set the protection, or with ``set_maximum`` lower the maximum (and the protection with it).

    Raises INVALID_ADDRESS (a hole), PROTECTION_FAILURE (above the maximum), INVALID_ARGUMENT.
    """
    if protection & ~mach.VM_PROT_ALL:
        raise KernError(KernReturn.INVALID_ARGUMENT)
    if size == 0:
        return
    start, end = vm.whole_pages(address, size)
    regions = vm.covering(start, end)
    if set_maximum and any(protection & ~region.maximum for region in regions):
        raise KernError(KernReturn.PROTECTION_FAILURE)
    vm.set_protection(start, end, protection, protection if set_maximum else None)


def vm_inherit(vm: VmMap, address: int, size: int, inheritance: int) -> None:
    """What children get of the range: VM_INHERIT_SHARE, _COPY or _NONE. Holes are skipped. Raises INVALID_ADDRESS, INVALID_ARGUMENT."""
    if inheritance not in INHERITANCES:
        raise KernError(KernReturn.INVALID_ARGUMENT)
    if size:
        vm.set_inheritance(*vm.whole_pages(address, size), inheritance)


def vm_read(vm: VmMap, address: int, size: int) -> bytes:
    """What the range holds. Raises INVALID_ADDRESS, PROTECTION_FAILURE, MEMORY_ERROR, RESOURCE_SHORTAGE (more than COPY_LIMIT)."""
    copy = vm.copyin(address, size, False)
    return copy if isinstance(copy, bytes) else copy.contents()


def vm_write(vm: VmMap, address: int, data: bytes) -> None:
    """Write to the range. Raises INVALID_ADDRESS, PROTECTION_FAILURE, MEMORY_ERROR."""
    vm.writable(address, len(data))
    vm.bring_in(address, len(data), mach.VM_PROT_WRITE)
    try:
        vm.space.write(address, data)
    except Fault as fault:
        raise KernError(KernReturn.MEMORY_ERROR) from fault


def vm_copy(vm: VmMap, source: int, size: int, target: int) -> None:
    """Copy within the task, as if by vm_read and vm_write; the ranges may overlap. Errors as theirs."""
    if size > COPY_LIMIT:
        raise KernError(KernReturn.RESOURCE_SHORTAGE)
    vm.readable(source, size)
    vm.writable(target, size)
    vm.bring_in(source, size, mach.VM_PROT_READ)
    vm.bring_in(target, size, mach.VM_PROT_WRITE)
    offsets = range(0, size, CHUNK)
    try:
        for offset in offsets if target <= source else reversed(offsets):
            vm.space.write(target + offset, vm.space.read(source + offset, min(CHUNK, size - offset)))
    except Fault as fault:
        raise KernError(KernReturn.MEMORY_ERROR) from fault


def vm_region(vm: VmMap, address: int) -> RegionInfo:
    """The region that holds ``address``, or the next one above. Raises NO_SPACE if there is none."""
    for region in vm.regions:
        if region.end > address:
            return RegionInfo(
                region.start,
                region.end - region.start,
                region.protection,
                region.maximum,
                region.inheritance,
                region.shared and not movable.is_own(region),
                region.pages if isinstance(region.pages, ManagedObject) else None,
                region.offset,
            )
    raise KernError(KernReturn.NO_SPACE)


def vm_wire(vm: VmMap, address: int, size: int, access: int) -> None:
    """Bring the pages in, so that accesses do not fault; VM_PROT_NONE: they may go out again.

    The host may page them out all the same. Raises INVALID_ADDRESS (a hole), PROTECTION_FAILURE (above the protection), MEMORY_ERROR, and
    Absent (see ``VmMap.bring_in``).
    """
    if size == 0:
        return
    start, end = vm.whole_pages(address, size)
    if any(access & ~region.protection for region in vm.covering(start, end)):
        raise KernError(KernReturn.PROTECTION_FAILURE)
    if access:
        vm.bring_in(start, end - start, access)
    try:
        for at in range(start, end, CHUNK) if access & mach.VM_PROT_READ else ():
            vm.space.read(at, min(CHUNK, end - at))
    except Fault as fault:
        raise KernError(KernReturn.MEMORY_ERROR) from fault


def vm_wire_all(vm: VmMap, flags: int) -> None:
    """vm_wire of all that is mapped (VM_WIRE_CURRENT), each region as it may be accessed. New mappings (VM_WIRE_FUTURE) are not wired.

    Raises INVALID_ARGUMENT (no such flag), MEMORY_ERROR, and Absent.
    """
    if flags & ~(mach.VM_WIRE_CURRENT | mach.VM_WIRE_FUTURE):
        raise KernError(KernReturn.INVALID_ARGUMENT)
    if flags & mach.VM_WIRE_CURRENT:
        for region in list(vm.regions):
            vm_wire(vm, region.start, region.end - region.start, region.protection)


def vm_set_size_limit(vm: VmMap, current: int, maximum: int, privileged: bool) -> None:
    """Limit the bytes that may be mapped to ``current``, and without privilege to ``maximum`` for ever. What is mapped stays.

    Raises INVALID_ARGUMENT (``current`` above ``maximum``), NO_ACCESS (``maximum`` raised by who is not ``privileged``).
    """
    if current > maximum:
        raise KernError(KernReturn.INVALID_ARGUMENT)
    if maximum > vm.size_maximum and not privileged:
        raise KernError(KernReturn.NO_ACCESS)
    vm.size_limit, vm.size_maximum = current, maximum
