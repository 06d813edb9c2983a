"""Memory that is moved or lent between tasks without being copied: what makes out-of-line data cheap.

What a native task allocates is an object of its own (:class:`OwnMemory`), which it alone maps, and shared as the host sees it. Sent with
``deallocate`` the object leaves the sender's map and is mapped in the receiver's: it has moved. Sent without, it is *frozen*: from then on
sender and receiver map it privately, so the host copies the pages that either writes, and nobody writes the object any more.

Only whole objects go this way; a part of one, or a frozen one of which the sender has written a page since, is copied. Page tables are
filled as pages are touched. Tasks cannot keep a mapping that the kernel takes away: their filter refuses mremap in the kernel's range.

Source: Mach 3 Kernel Interfaces, mach_msg (out-of-line data); Young 1989 on copy-on-write between tasks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from skerry.abi import mach
from skerry.machine import MemoryObject

if TYPE_CHECKING:
    from skerry.mach.vm import Region, VmMap

OBJECTS: Final = 256  # of one task: each is a descriptor of the kernel's. Further memory is the host's anonymous memory
BYTES: Final = 4 << 30  # in those objects


class OwnMemory(MemoryObject):
    """Zero memory that one task has allocated, or frozen memory that several map privately."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.length = size


def is_own(region: Region) -> bool:
    """Whether the region is one task's own, although the host maps it shared."""
    return isinstance(region.object, OwnMemory)


def allocate(vm: VmMap, size: int) -> OwnMemory | None:
    """An object for memory that is being allocated; None: there are enough, or the host gives no more descriptors."""
    own = [region.object for region in vm.regions if isinstance(region.object, OwnMemory)]
    if len(own) >= OBJECTS or sum(each.length for each in own) + size > BYTES:
        return None
    try:
        return OwnMemory(size)
    except OSError:
        return None


def take(vm: VmMap, address: int, length: int, destroy: bool) -> tuple[OwnMemory, bool] | None:
    """The object that holds the range, taken out of the map if ``destroy``; and whether it is the receiver's alone.

    None: it must be copied. The bytes between the end of the range and that of its last page are not given away. Raises KernError.
    """
    end = address + length
    last = -(-end // mach.PAGE_SIZE) * mach.PAGE_SIZE
    (region, *others) = vm.covering(address & -mach.PAGE_SIZE, last)
    whole = region.object
    if others or not isinstance(whole, OwnMemory) or (region.start, region.end) != (address, last) or whole.length != last - address:
        return None
    if destroy and region.shared:
        vm.remove(address, last)
        if last > end:
            whole.write(length, bytes(last - end))
        return whole, True
    if last > end and any(vm.space.read(end, last - end)):
        return None
    if region.shared:
        vm.freeze(region)
    elif vm.space.has_written(address, last - address):
        return None
    if destroy:
        vm.remove(address, last)
    return whole, False
