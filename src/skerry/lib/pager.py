"""What a pager links: the memory-object protocol over a service.

A pager serves *memory objects*: each has a port of its own, whose send rights are what tasks map (vm_map). A :class:`Backing` says what an
object holds; ``PagerService`` speaks with the kernel::

    class Zeros(Backing):
        async def read(self, offset: int, length: int) -> bytes: ...

    pager = PagerService(service)
    port = pager.new_object(Zeros())

The kernel's requests of one object are served in the order in which they came, one after the other, so that what it returns is kept before
it is asked for again; objects do not wait for each other.

Source: Mach 3 Kernel Interfaces, chapter 4; Mach 3 Server Writer's Guide.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final

from skerry.abi import mach
from skerry.abi.machmsg import UserMessage
from skerry.abi.memory_object import MemoryControlPort, MemoryObjectPort, MemoryReplyPort
from skerry.lib.service import Service
from skerry.lib.stubs import Dispatcher, finish, request, routines

MOST_REFERENCES: Final = 1000
WHOLE: Final = 1 << 62  # bytes: as a length, to the end of any object
_HAS_SENDERS: Final = 6  # in the results of mach_port_get_receive_status
_CONTROL: Final = {row.name: row for row in routines(MemoryControlPort)}


class PageError(Exception):
    """The pages cannot be had: who touches them gets KERN_MEMORY_ERROR."""


class Backing:
    """What a memory object holds. Offsets and lengths are bytes, whole pages."""

    may_cache = False
    copy_strategy = mach.MEMORY_OBJECT_COPY_DELAY
    precious = False  # what is read comes back even if nobody wrote to it: it is kept nowhere else
    lock = mach.VM_PROT_NONE  # what is forbidden until ``unlock`` allows it

    async def read(self, offset: int, length: int) -> bytes | None:
        """The contents; zeros are added to what is shorter, None is zeros. Raises PageError."""
        raise NotImplementedError

    async def write(self, offset: int, data: bytes, dirty: bool) -> None:
        """The kernel gives pages back; not ``dirty``, they were precious."""

    async def unlock(self, offset: int, length: int, access: int) -> int | None:
        """Somebody wants ``access`` to what is locked: the new lock, or None to refuse. Raises PageError: he gets KERN_MEMORY_ERROR."""
        return mach.VM_PROT_NONE

    async def copied(self, offset: int, length: int) -> Backing:
        """What holds a copy of the range from now on (MEMORY_OBJECT_COPY_CALL), from offset 0."""
        raise NotImplementedError

    async def closed(self) -> None:
        """Nobody has it mapped any more, and all has come back."""

    async def unused(self) -> None:
        """Nobody can map it any more (after ``PagerService.die_unused``)."""


class MemoryControl:
    """Calls on an object's control port. They have no answer: the kernel tells a reply port, where one is given."""

    def __init__(self, post: Callable[[UserMessage], None], port: int) -> None:
        """``post``: how they are sent (``Service.post``, or ``NativeTask.send``)."""
        self._post = post
        self.port = port

    def _send(self, name: str, *arguments: Any) -> None:
        self._post(request(_CONTROL[name], self.port, arguments))

    def ready(self, may_cache: bool, copy_strategy: int) -> None:
        self._send("memory_object_ready", int(may_cache), copy_strategy)

    def change_attributes(self, may_cache: bool, copy_strategy: int, reply: int = mach.MACH_PORT_NULL) -> None:
        self._send("memory_object_change_attributes", int(may_cache), copy_strategy, reply)

    def supply(self, offset: int, data: bytes, lock: int = 0, precious: bool = False, reply: int = mach.MACH_PORT_NULL) -> None:
        """memory_object_data_supply."""
        self._send("memory_object_data_supply", offset, data, lock, int(precious), reply)

    def unavailable(self, offset: int, length: int) -> None:
        self._send("memory_object_data_unavailable", offset, length)

    def error(self, offset: int, length: int, reason: int = mach.KERN_MEMORY_ERROR) -> None:
        self._send("memory_object_data_error", offset, length, reason)

    def lock_request(
        self,
        offset: int = 0,
        length: int = WHOLE,
        should_return: int = mach.MEMORY_OBJECT_RETURN_NONE,
        flush: bool = False,
        lock: int = mach.VM_PROT_NO_CHANGE,
        reply: int = mach.MACH_PORT_NULL,
    ) -> None:
        """memory_object_lock_request."""
        self._send("memory_object_lock_request", offset, length, should_return, int(flush), lock, reply)

    def destroy(self, reason: int = mach.KERN_MEMORY_FAILURE) -> None:
        self._send("memory_object_destroy", reason)


class MemoryObject:
    """One object of a pager, as the kernel's messages see it."""

    def __init__(self, pager: PagerService, port: int, backing: Backing) -> None:
        self._pager = pager
        self.port = port
        self.backing = backing
        self.control: MemoryControl | None = None  # while the kernel has it
        self._queue: deque[Coroutine[Any, Any, None]] = deque()
        self._references = 0
        self._working = False
        self._goes_unused = False
        self._dispatch = Dispatcher(MemoryObjectPort, self)

    async def answer(self, message: UserMessage) -> tuple[int, UserMessage]:
        """What the kernel sends."""
        if message.id == mach.NOTIFY_NO_SENDERS:
            self._look_for_senders()
            return mach.KERN_SUCCESS, message
        return await self._dispatch.answer(message)

    def watch_senders(self) -> None:
        """Have the object go when it has no senders: word of that comes to its own port."""
        self._goes_unused = True
        finish(self._pager.service.kernel.mach_port_request_notification(self.port, mach.NOTIFY_NO_SENDERS, 1, self.port))

    def _look_for_senders(self) -> None:
        if not self._goes_unused or self.port not in self._pager.objects:
            return
        if finish(self._pager.service.kernel.mach_port_get_receive_status(self.port))[_HAS_SENDERS]:
            self.watch_senders()  # there are new ones, or somebody has forged the word
        else:
            self._enqueue(self._go())

    async def _go(self) -> None:
        await self.backing.unused()
        self._pager.remove_object(self.port)

    def _enqueue(self, work: Coroutine[Any, Any, None]) -> None:
        self._queue.append(work)
        if not self._working:
            self._working = True
            self._pager.service.start(self._work())

    async def _work(self) -> None:
        while self._queue:
            await self._queue.popleft()
        self._working = False

    def _used(self, control: int) -> MemoryControl:
        """The control port. Each message brings a reference to it; they are given up many at a time."""
        if self.control is None or self.control.port != control:
            self.control = MemoryControl(self._pager.service.post, control)
            self._references = 0
        self._references += 1
        if self._references > MOST_REFERENCES:
            drop, self._references = self._references - 1, 1
            finish(self._pager.service.kernel.mach_port_mod_refs(control, mach.MACH_PORT_RIGHT_SEND, -drop))
        return self.control

    # memory_object_*, from the kernel
    async def memory_object_init(self, control: int, name: int, page_size: int) -> None:
        self._pager.service.deallocate(name)
        self._used(control).ready(self.backing.may_cache, self.backing.copy_strategy)

    async def memory_object_data_request(self, control: int, offset: int, length: int, access: int) -> None:
        self._enqueue(self._supply(self._used(control), offset, length, access))

    async def _supply(self, control: MemoryControl, offset: int, length: int, access: int) -> None:
        backing = self.backing
        try:
            data = await backing.read(offset, length)
        except PageError:
            control.error(offset, length)
            return
        if data is None:
            control.unavailable(offset, length)
        else:
            control.supply(offset, data.ljust(length, b"\0"), backing.lock, backing.precious)

    async def memory_object_data_unlock(self, control: int, offset: int, length: int, access: int) -> None:
        self._enqueue(self._unlock(self._used(control), offset, length, access))

    async def _unlock(self, control: MemoryControl, offset: int, length: int, access: int) -> None:
        try:
            lock = await self.backing.unlock(offset, length, access)
        except PageError:
            lock = None
        if lock is None:
            control.error(offset, length, mach.KERN_PROTECTION_FAILURE)
        else:
            control.lock_request(offset, length, lock=lock)

    async def memory_object_data_return(self, control: int, offset: int, data: bytes, dirty: int, kernel_copy: int) -> None:
        self._used(control)
        self._enqueue(self.backing.write(offset, data, bool(dirty)))

    async def memory_object_data_initialize(self, control: int, offset: int, data: bytes) -> None:
        self._used(control)
        self._enqueue(self.backing.write(offset, data, True))

    async def memory_object_copy(self, control: int, offset: int, length: int, new: int) -> None:
        self._used(control)
        self._enqueue(self._copy(offset, length, new))

    async def _copy(self, offset: int, length: int, new: int) -> None:
        self._pager.serve_object(new, await self.backing.copied(offset, length))

    async def memory_object_terminate(self, control: int, name: int) -> None:
        """Both ports are ours now: they die."""
        for port in (control, name):
            self._pager.service.drop_receive(port)
        if self.control is not None:  # a dead name by now
            drop = mach.MACH_PORT_RIGHT_DEAD_NAME, -self._references
            finish(self._pager.service.kernel.mach_port_mod_refs(self.control.port, *drop))
            self.control = None
        self._enqueue(self.backing.closed())


class PagerService:
    """The memory objects of one pager."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.objects: dict[int, MemoryObject] = {}

    def new_object(self, backing: Backing) -> int:
        """A port whose send rights can be mapped: the name of its receive right."""
        port = self.service.new_port()
        self.serve_object(port, backing)
        return port

    def serve_object(self, port: int, backing: Backing) -> MemoryObject:
        """Be the pager of what comes to ``port``, a receive right of ours."""
        memory_object = self.objects[port] = MemoryObject(self, port, backing)
        self.service.serve(port, memory_object.answer)
        return memory_object

    def die_unused(self, port: int) -> None:
        """Have the object go when nobody has a right to its port any more: neither a task nor the kernel."""
        self.objects[port].watch_senders()

    def remove_object(self, port: int) -> None:
        """The port dies: who has it mapped gets KERN_MEMORY_FAILURE where pages are missing."""
        del self.objects[port]
        self.service.drop_receive(port)


__all__ = ["WHOLE", "Backing", "MemoryControl", "MemoryObject", "MemoryReplyPort", "PageError", "PagerService"]
