"""The memory-object protocol, declared once: what pagers make of the kernel, and the kernel of pagers.

The kernel's dispatch (``skerry.mach.calls_memory``) and the pagers' (``skerry.lib.pager``) come from here. Requests of the kernel to a
pager have no reply: what a pager has to say are calls of its own on the control port. What each means stands in
``docs/reference/mach/external-pagers.md``.

Source: Mach 3 Kernel Interfaces, chapter 4; ids: mach.defs, memory_object.defs, memory_object_default.defs. Offsets and lengths have 64
bits, as addresses do here.
"""

from __future__ import annotations

from typing import Annotated, Protocol

from skerry.abi import mach
from skerry.abi.routine import Int, MoveReceive, Natural, Pages, Right, routine

ReplyTo = Annotated[int, Right(mach.MSG_TYPE_MAKE_SEND_ONCE, None)]  # a receive right of the caller's, or MACH_PORT_NULL
Control = Annotated[int, Right(mach.MSG_TYPE_MAKE_SEND, mach.MSG_TYPE_PORT_SEND)]  # as a pager receives the kernel's ports


class MemoryControlPort(Protocol):
    """Calls of a pager on a memory object's control port."""

    @routine(mach.ID_MEMORY_OBJECT_DATA_PROVIDED)
    async def memory_object_data_provided(self, offset: Natural, data: Pages, lock_value: Int) -> None: ...

    @routine(mach.ID_MEMORY_OBJECT_DATA_UNAVAILABLE)
    async def memory_object_data_unavailable(self, offset: Natural, size: Natural) -> None: ...

    @routine(mach.ID_MEMORY_OBJECT_GET_ATTRIBUTES)
    async def memory_object_get_attributes(self) -> tuple[Int, Int, Int]: ...

    @routine(mach.ID_MEMORY_OBJECT_LOCK_REQUEST)
    async def memory_object_lock_request(
        self, offset: Natural, size: Natural, should_return: Int, should_flush: Int, lock_value: Int, reply: ReplyTo
    ) -> None: ...

    @routine(mach.ID_MEMORY_OBJECT_DATA_ERROR)
    async def memory_object_data_error(self, offset: Natural, size: Natural, reason: Int) -> None: ...

    @routine(mach.ID_MEMORY_OBJECT_SET_ATTRIBUTES)
    async def memory_object_set_attributes(self, ready: Int, may_cache: Int, copy_strategy: Int) -> None: ...

    @routine(mach.ID_MEMORY_OBJECT_DESTROY)
    async def memory_object_destroy(self, reason: Int) -> None: ...

    @routine(mach.ID_MEMORY_OBJECT_DATA_SUPPLY)
    async def memory_object_data_supply(self, offset: Natural, data: Pages, lock_value: Int, precious: Int, reply: ReplyTo) -> None: ...

    @routine(mach.ID_MEMORY_OBJECT_READY)
    async def memory_object_ready(self, may_cache: Int, copy_strategy: Int) -> None: ...

    @routine(mach.ID_MEMORY_OBJECT_CHANGE_ATTRIBUTES)
    async def memory_object_change_attributes(self, may_cache: Int, copy_strategy: Int, reply: ReplyTo) -> None: ...


class MemoryObjectPort(Protocol):
    """What the kernel sends to a memory object's port. Rights to the control port are send rights, one with each message."""

    @routine(mach.ID_MEMORY_OBJECT_INIT)
    async def memory_object_init(self, control: Control, name: Control, page_size: Natural) -> None: ...

    @routine(mach.ID_MEMORY_OBJECT_TERMINATE)
    async def memory_object_terminate(self, control: MoveReceive, name: MoveReceive) -> None: ...

    @routine(mach.ID_MEMORY_OBJECT_COPY)
    async def memory_object_copy(self, control: Control, offset: Natural, length: Natural, new: MoveReceive) -> None: ...

    @routine(mach.ID_MEMORY_OBJECT_DATA_REQUEST)
    async def memory_object_data_request(self, control: Control, offset: Natural, length: Natural, access: Int) -> None: ...

    @routine(mach.ID_MEMORY_OBJECT_DATA_UNLOCK)
    async def memory_object_data_unlock(self, control: Control, offset: Natural, length: Natural, access: Int) -> None: ...

    @routine(mach.ID_MEMORY_OBJECT_DATA_RETURN)
    async def memory_object_data_return(self, control: Control, offset: Natural, data: Pages, dirty: Int, kernel_copy: Int) -> None: ...

    @routine(mach.ID_MEMORY_OBJECT_DATA_INITIALIZE)
    async def memory_object_data_initialize(self, control: Control, offset: Natural, data: Pages) -> None: ...


class MemoryReplyPort(Protocol):
    """What the kernel sends to the reply right of a call of a pager."""

    @routine(mach.ID_MEMORY_OBJECT_LOCK_COMPLETED)
    async def memory_object_lock_completed(self, control: Control, offset: Natural, length: Natural) -> None: ...

    @routine(mach.ID_MEMORY_OBJECT_SUPPLY_COMPLETED)
    async def memory_object_supply_completed(
        self, control: Control, offset: Natural, length: Natural, result: Int, error_offset: Natural
    ) -> None: ...

    @routine(mach.ID_MEMORY_OBJECT_CHANGE_COMPLETED)
    async def memory_object_change_completed(self, control: Control, may_cache: Int, copy_strategy: Int) -> None: ...


class DefaultPagerPort(Protocol):
    """What the kernel sends to the default pager: a new object for internal memory, whose first pages follow as data_initialize."""

    @routine(mach.ID_MEMORY_OBJECT_CREATE)
    async def memory_object_create(
        self, memory_object: MoveReceive, size: Natural, control: Control, name: Control, page_size: Natural
    ) -> None: ...
