"""The kernel's calls as a native task makes them: messages to the port of the object, here mostly to the task's own.

A test compares this with the kernel's table (``skerry.mach.calls``), which has more calls.

Source: Mach 3 Kernel Interfaces, chapters 3, 6 and 7.
"""

from __future__ import annotations

from typing import Protocol

from skerry.abi import mach
from skerry.lib.stubs import AnyRight, CopySend, Data, Int, MakeSend, MakeSendOnce, MoveSend, Name, Natural, Numbers, routine


class TaskPort(Protocol):
    """Calls on a task. Each raises CallError with the kern_return_t of the manual."""

    @routine(mach.ID_TASK_TERMINATE)
    async def task_terminate(self) -> None: ...

    @routine(mach.ID_TASK_GET_SPECIAL_PORT)
    async def task_get_special_port(self, which: Int) -> MoveSend: ...

    @routine(mach.ID_TASK_SET_SPECIAL_PORT)
    async def task_set_special_port(self, which: Int, port: CopySend) -> None: ...

    @routine(mach.ID_VM_ALLOCATE)
    async def vm_allocate(self, address: Natural, size: Natural, anywhere: Int) -> Natural: ...

    @routine(mach.ID_VM_DEALLOCATE)
    async def vm_deallocate(self, address: Natural, size: Natural) -> None: ...

    @routine(mach.ID_VM_PROTECT)
    async def vm_protect(self, address: Natural, size: Natural, set_maximum: Int, protection: Int) -> None: ...

    @routine(mach.ID_VM_READ)
    async def vm_read(self, address: Natural, size: Natural) -> Data: ...

    @routine(mach.ID_VM_WRITE)
    async def vm_write(self, address: Natural, data: Data) -> None: ...

    @routine(mach.ID_MACH_PORT_NAMES)
    async def mach_port_names(self) -> tuple[Numbers, Numbers]: ...

    @routine(mach.ID_MACH_PORT_GET_SET_STATUS)
    async def mach_port_get_set_status(self, name: Name) -> Numbers: ...

    @routine(mach.ID_MACH_PORT_TYPE)
    async def mach_port_type(self, name: Name) -> Name: ...

    @routine(mach.ID_MACH_PORT_RENAME)
    async def mach_port_rename(self, old: Name, new: Name) -> None: ...

    @routine(mach.ID_MACH_PORT_ALLOCATE_NAME)
    async def mach_port_allocate_name(self, right: Int, name: Name) -> None: ...

    @routine(mach.ID_MACH_PORT_ALLOCATE)
    async def mach_port_allocate(self, right: Int) -> Name: ...

    @routine(mach.ID_MACH_PORT_DESTROY)
    async def mach_port_destroy(self, name: Name) -> None: ...

    @routine(mach.ID_MACH_PORT_DEALLOCATE)
    async def mach_port_deallocate(self, name: Name) -> None: ...

    @routine(mach.ID_MACH_PORT_GET_REFS)
    async def mach_port_get_refs(self, name: Name, right: Int) -> Name: ...

    @routine(mach.ID_MACH_PORT_MOD_REFS)
    async def mach_port_mod_refs(self, name: Name, right: Int, delta: Int) -> None: ...

    @routine(mach.ID_MACH_PORT_SET_QLIMIT)
    async def mach_port_set_qlimit(self, name: Name, limit: Int) -> None: ...

    @routine(mach.ID_MACH_PORT_SET_MSCOUNT)
    async def mach_port_set_mscount(self, name: Name, count: Name) -> None: ...

    @routine(mach.ID_MACH_PORT_SET_SEQNO)
    async def mach_port_set_seqno(self, name: Name, number: Name) -> None: ...

    @routine(mach.ID_MACH_PORT_MOVE_MEMBER)
    async def mach_port_move_member(self, member: Name, after: Name) -> None: ...

    @routine(mach.ID_MACH_PORT_REQUEST_NOTIFICATION)
    async def mach_port_request_notification(self, name: Name, variant: Int, sync: Name, notify: MakeSendOnce) -> AnyRight: ...

    @routine(mach.ID_MACH_PORT_INSERT_RIGHT)
    async def mach_port_insert_right(self, name: Name, right: MakeSend) -> None: ...

    @routine(mach.ID_MACH_PORT_EXTRACT_RIGHT)
    async def mach_port_extract_right(self, name: Name, disposition: Int) -> AnyRight: ...

    @routine(mach.ID_MACH_PORT_GET_RECEIVE_STATUS)
    async def mach_port_get_receive_status(self, name: Name) -> tuple[Name, Name, Name, Name, Name, Name, Name, Name, Name]: ...
