"""The rows of what a memory object's control port understands, and the calls of other ports that take memory objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from skerry.abi.memory_object import MemoryControlPort
from skerry.mach import memory_object as objects
from skerry.mach import right
from skerry.mach import vm_calls as vm
from skerry.mach.call import HeldOrNone, Rows, as_send, send_right
from skerry.mach.device_memory import device_memory
from skerry.mach.errors import KernError
from skerry.mach.memory_host import vm_set_default_memory_manager
from skerry.mach.memory_object import ManagedObject, find_object
from skerry.mach.release import release

if TYPE_CHECKING:
    from skerry.mach.host import HostPriv
    from skerry.mach.task import Task

CONTROL: Final = Rows(MemoryControlPort, ManagedObject)
for _name in (
    "memory_object_data_provided",
    "memory_object_data_unavailable",
    "memory_object_get_attributes",
    "memory_object_lock_request",
    "memory_object_data_error",
    "memory_object_set_attributes",
    "memory_object_destroy",
    "memory_object_data_supply",
    "memory_object_ready",
    "memory_object_change_attributes",
):
    CONTROL.bind(_name, getattr(objects, _name))


def map_object(
    task: Task,
    address: int,
    size: int,
    mask: int,
    anywhere: int,
    held: HeldOrNone,
    offset: int,
    copy: int,
    protection: int,
    maximum: int,
    inheritance: int,
) -> int:
    """vm_map. The right to the memory object is used up; its pager hears of the first mapping (memory_object_init)."""
    port = send_right(held)
    if port is None:
        return vm.vm_map(task.map, address, size, bool(anywhere), None, 0, False, protection, maximum, inheritance, mask)
    shown = device_memory(port)
    if shown is not None:
        start = shown.map(task, address, size, mask, bool(anywhere), offset, bool(copy), protection, maximum, inheritance)
        release((right.RightKind.SEND, port))
        return start
    memory_object, new = find_object(task.kernel, port)
    try:
        start = vm.vm_map(
            task.map, address, size, bool(anywhere), memory_object, offset, bool(copy), protection, maximum, inheritance, mask
        )
    except KernError:
        if new:
            memory_object.abandon()
        raise
    if new and size:
        memory_object.initialize()
        return start
    if new:
        memory_object.abandon()
    release((right.RightKind.SEND, port))
    return start


def set_default_manager(target: HostPriv, held: HeldOrNone) -> HeldOrNone:
    """vm_set_default_memory_manager."""
    return as_send(vm_set_default_memory_manager(target.host.kernel, send_right(held)))
