"""Memory that the host keeps for a task, taken over by the kernel: from then on the default pager pages it.

A program's private memory is the host's business and costs the kernel nothing, but the host lets none of it go. When the room is wanted the
kernel takes some over: what is there becomes the pages of internal objects, which are forbidden on the host until they are touched again.
The task may run meanwhile: while pages are copied they can be read, and who writes one faults until it is a page of the object.

Source: Mach 3 Kernel Interfaces, chapter 4 (internal objects, the default pager).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from skerry.abi import mach
from skerry.abi.fault import Fault
from skerry.mach.absent import Absent
from skerry.mach.errors import KernError, KernReturn
from skerry.mach.internal_object import InternalObject
from skerry.mach.vm import CHUNK, PAGE, Region, VmMap

if TYPE_CHECKING:
    from collections.abc import Callable

    from skerry.mach.kernel import Kernel

LARGEST: Final = 16 << 20  # bytes of one object: what a task frees of an object's memory stays on the paging device until all of it is free
OBJECTS: Final = 512  # that one task may have: each is a descriptor of the kernel's
STEP: Final = 1024  # pages that are on their way to the default pager at a time
PATIENCE: Final = 10_000_000_000  # ns that the default pager may take


def take_over(vm: VmMap, kernel: Kernel, start: int, end: int) -> int:
    """Have the private memory of no file in [start, end), whole pages, paged from now on; how many bytes of it were in memory.

    Raises RESOURCE_SHORTAGE, TERMINATED.
    """
    taken = 0
    for region in vm.parts(start, end):
        if region.object is None and not region.shared and region.inheritance == mach.VM_INHERIT_COPY:
            for at in range(region.start, region.end, LARGEST):
                if len(vm.objects) >= OBJECTS:
                    return taken
                taken += _take_over(vm, kernel, region.part(at, min(at + LARGEST, region.end)))
    return taken


def _take_over(vm: VmMap, kernel: Kernel, region: Region) -> int:
    size = region.end - region.start
    pages = InternalObject(kernel)
    pages.shown_once = True
    pages.attach(vm, size)
    try:
        vm.change(vm.space.protect, region.start, size, mach.VM_PROT_READ)
        vm.flush()
        with kernel.resident.held():
            _copy(vm, region.start, size, pages)
        paged = Region(region.start, region.end, region.protection, region.maximum, region.inheritance, False, pages.memory, 0, pages)
        vm.replace(paged)
    except KernError:
        pages.detach(vm)
        vm.change(vm.space.protect, region.start, size, region.protection)
        raise
    return len(pages.pages) * PAGE


def _copy(vm: VmMap, start: int, size: int, pages: InternalObject) -> None:
    """Give ``pages`` what the task has in memory there. Raises KernError."""
    try:
        for first, length in vm.space.present(start, size):
            for at in range(first, first + length, CHUNK):
                pages.supply((at - start) // PAGE, vm.space.read(at, min(CHUNK, first + length - at)))
    except (OSError, Fault) as error:  # it has ended
        raise KernError(KernReturn.TERMINATED) from error
    for page in pages.pages.values():  # they are nowhere else
        page.dirty = page.writable = True


def keep(kernel: Kernel, pages: int) -> None:
    """Have at most so many pages of memory objects in memory from now on; what is too much goes out before this returns, if it can go."""
    resident = kernel.resident
    while resident.count > pages:
        before = resident.count
        resident.limit = max(pages, before - STEP)
        resident.balance()
        _wait(kernel, lambda: kernel.default_pager is None or kernel.default_pager.waits)
        if resident.count >= before:
            break
    resident.limit = pages


def fault(vm: VmMap, kernel: Kernel, address: int, access: int) -> int:
    """Have the page there, and shown, that a thread touched: SUCCESS, or why not (INVALID_ADDRESS: it is none that comes)."""
    codes: list[int] = []
    if not vm.fault(address, access, codes.append):
        return KernReturn.INVALID_ADDRESS
    _wait(kernel, lambda: bool(codes))
    code = codes[0] if codes else KernReturn.MEMORY_ERROR
    return KernReturn.SUCCESS if code == KernReturn.ABORTED else code


def bring_in(vm: VmMap, kernel: Kernel, address: int, length: int, access: int) -> bool:
    """The same for pages that a server is about to touch: at most a few hundred, so that they can be there together."""
    while True:
        try:
            vm.bring_in(address, length, access)
        except Absent as absent:
            codes: list[int] = []
            absent.wait(codes.append)
            if not _wait(kernel, lambda codes=codes: bool(codes)) or codes[0] != mach.KERN_SUCCESS:  # type: ignore[misc]
                return False
        except KernError:
            return False
        else:
            return True


def _wait(kernel: Kernel, done: Callable[[], bool]) -> bool:
    kernel.processor.run()
    if kernel.default_pager is not None:
        kernel.wait_for(kernel.default_pager, done, PATIENCE)
    return done()
