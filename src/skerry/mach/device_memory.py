"""Memory of a device, as device_map gives it and vm_map maps it: the pages that the device itself reads and writes.

The kernel is its own device pager: the pages are the host's, so no memory_object message is ever sent for them. What a mapping may do is
what device_map was asked for; a copy (vm_map with ``copy``) is made at once.

Source: Mach 3 Kernel Interfaces, device_map; device/dev_pager.c of GNU Mach.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from skerry.abi import mach
from skerry.mach import vm_calls as vm
from skerry.mach.errors import KernError, KernReturn
from skerry.mach.kobject import ObjectPort, ReplyPort, new_object_port
from skerry.mach.release import release
from skerry.mach.right import RightKind
from skerry.mach.vm import COPY_LIMIT, page_up
from skerry.machine import HostFile, MemoryObject

if TYPE_CHECKING:
    from skerry.mach.kernel import Kernel
    from skerry.mach.port import Port
    from skerry.mach.task import Task

STEP: Final = 1 << 20  # bytes copied at a time


class DeviceMemory:
    """``size`` bytes of a device's memory from ``offset`` on, which may be mapped with ``protection`` at most."""

    def __init__(self, memory: HostFile, offset: int, size: int, protection: int) -> None:
        self.memory = memory
        self.offset = offset
        self.size = size
        self.protection = protection

    def new_port(self, kernel: Kernel) -> Port:
        """The port that stands for it until nobody has a right to it; mappings stay."""
        port = new_object_port(kernel, self)
        port.no_senders = ReplyPort(kernel.processor, lambda _message: release((RightKind.RECEIVE, port))).port
        return port

    def map(
        self,
        task: Task,
        address: int,
        size: int,
        mask: int,
        anywhere: bool,
        offset: int,
        copy: bool,
        protection: int,
        maximum: int,
        inheritance: int,
    ) -> int:
        """vm_map: where it is. The maximum is lowered to what the device was asked for, if it is no copy.

        Raises as vm_map; INVALID_ARGUMENT: more than there is; PROTECTION_FAILURE: more than may be done with it.
        """
        if offset < 0 or offset % mach.PAGE_SIZE or offset + size > page_up(self.size):
            raise KernError(KernReturn.INVALID_ARGUMENT)
        if not copy:
            if protection & ~self.protection:
                raise KernError(KernReturn.PROTECTION_FAILURE)
            maximum &= self.protection
            start = self.offset + offset
            return vm.vm_map(task.map, address, size, anywhere, self.memory, start, False, protection, maximum, inheritance, mask)
        if not self.protection & mach.VM_PROT_READ:
            raise KernError(KernReturn.PROTECTION_FAILURE)
        contents = self._copy(offset, size) if size else None
        return vm.vm_map(task.map, address, size, anywhere, contents, 0, True, protection, maximum, inheritance, mask)

    def _copy(self, offset: int, size: int) -> MemoryObject:
        """What a range holds now. Raises RESOURCE_SHORTAGE, MEMORY_ERROR."""
        if size > COPY_LIMIT:
            raise KernError(KernReturn.RESOURCE_SHORTAGE)
        try:
            copy = MemoryObject(page_up(size))
        except OSError as error:
            raise KernError(KernReturn.RESOURCE_SHORTAGE) from error
        length = min(size, self.size - offset)
        try:
            for at in range(0, length, STEP):
                copy.write(at, self.memory.read(self.offset + offset + at, min(STEP, length - at)))
        except OSError as error:
            raise KernError(KernReturn.MEMORY_ERROR) from error
        return copy


def device_memory(port: Port) -> DeviceMemory | None:
    """What ``port`` stands for, if it is that."""
    target = port.kernel_object.target if isinstance(port.kernel_object, ObjectPort) else None
    return target if isinstance(target, DeviceMemory) else None
