"""The default pager: keeps memory that has no pager of its own on a paging device.

It serves what the kernel pages out of internal memory (memory_object_create, data_initialize), and objects that a task asks for
(default_pager_object_create). A page that was never written is zeros and takes no room. When the device is full the object whose page does
not fit is given up: its pages that are in memory stay, the others are KERN_MEMORY_FAILURE for who touches them.

The device's pages are mapped (device_map): a page that comes or goes costs no message but those of the kernel.

Source: Mach 3 Kernel Interfaces, chapter 4 (memory_object_create, memory_object_data_initialize, default_pager_info); ids:
default_pager.defs.
"""

from __future__ import annotations

from typing import Final, Protocol

from skerry.abi import mach
from skerry.abi.kernel_calls import DevicePort
from skerry.abi.machmsg import UserMessage
from skerry.abi.memory_object import DefaultPagerPort
from skerry.abi.routine import MakeSend, Natural, routine
from skerry.lib.channel import Channel
from skerry.lib.pager import Backing, MemoryObject, PageError, PagerService
from skerry.lib.service import Service
from skerry.lib.stubs import CallError, Dispatcher, client, finish

PAGE: Final = mach.PAGE_SIZE
READ_AND_WRITE: Final = mach.VM_PROT_READ | mach.VM_PROT_WRITE


class DefaultPagerService(Protocol):
    """What tasks ask of the default pager."""

    @routine(2275)
    async def default_pager_object_create(self, size: Natural) -> MakeSend:
        """A memory object of zeros, to be mapped. Raises CallError: RESOURCE_SHORTAGE (larger than the device)."""

    @routine(2276)
    async def default_pager_info(self) -> tuple[Natural, Natural, Natural]:
        """Bytes of the paging device, bytes of them that are free, bytes of a page."""


class PagingSpace:
    """The pages of the paging device, by number. ``memory`` is where the device is mapped."""

    def __init__(self, memory: memoryview) -> None:
        self.memory = memory
        self.total = len(memory) // PAGE
        self._fresh = 0  # no page from here on was ever used
        self._freed: list[int] = []

    @property
    def free(self) -> int:
        """Pages."""
        return self.total - self._fresh + len(self._freed)

    def allocate(self, count: int) -> list[int]:
        """Pages, in a row where it can be. Raises PageError: there are not so many."""
        if count > self.free:
            raise PageError("the paging device is full")
        fresh = min(count, self.total - self._fresh)
        pages = list(range(self._fresh, self._fresh + fresh))
        self._fresh += fresh
        return pages + [self._freed.pop() for _ in range(count - fresh)]

    def release(self, pages: list[int]) -> None:
        """They are free."""
        self._freed += pages


class Anonymous(Backing):
    """Memory that is zeros until it is written."""

    def __init__(self, space: PagingSpace) -> None:
        self.object: MemoryObject | None = None
        self._space = space
        self._slots: dict[int, int] = {}  # page of the object: page of the device

    async def read(self, offset: int, length: int) -> bytes | None:
        first, last = offset // PAGE, (offset + length) // PAGE
        if not any(at in self._slots for at in range(first, last)):
            return None
        return b"".join(
            self._on_device(self._slots[start], end - start) if start in self._slots else bytes((end - start) * PAGE)
            for start, end in self._runs(first, last)
        )

    def _on_device(self, slot: int, count: int) -> memoryview:
        return self._space.memory[slot * PAGE : (slot + count) * PAGE]

    def _runs(self, first: int, last: int) -> list[tuple[int, int]]:
        """Pages ``first`` to before ``last``, as runs that are in a row on the device, or on it not at all."""
        runs = []
        at = first
        while at < last:
            start, slot = at, self._slots.get(at)
            at += 1
            while at < last and self._slots.get(at) == (None if slot is None else slot + at - start):
                at += 1
            runs.append((start, at))
        return runs

    async def write(self, offset: int, data: bytes, dirty: bool) -> None:
        first, count = offset // PAGE, len(data) // PAGE
        new = [at for at in range(first, first + count) if at not in self._slots]
        try:
            self._slots.update(zip(new, self._space.allocate(len(new)), strict=True))
        except PageError:
            if self.object is not None and self.object.control is not None:
                self.object.control.destroy(mach.KERN_RESOURCE_SHORTAGE)
            return
        for start, end in self._runs(first, first + count):
            self._on_device(self._slots[start], end - start)[:] = data[(start - first) * PAGE : (end - first) * PAGE]

    async def unused(self) -> None:
        self._space.release(list(self._slots.values()))
        self._slots.clear()


class DefaultPager:
    """Both interfaces."""

    def __init__(self, service: Service, space: PagingSpace) -> None:
        self._pager = PagerService(service)
        self._space = space
        self._calls = Dispatcher(DefaultPagerService, self)
        self._requests = Dispatcher(DefaultPagerPort, self)
        self._kernel_ids = (mach.ID_MEMORY_OBJECT_CREATE,)

    async def answer(self, message: UserMessage) -> tuple[int, UserMessage]:
        """What comes to the default pager's port."""
        calls = self._requests if message.id in self._kernel_ids else self._calls
        return await calls.answer(message)

    def _serve(self, port: int) -> None:
        backing = Anonymous(self._space)
        backing.object = self._pager.serve_object(port, backing)

    async def default_pager_object_create(self, size: int) -> int:
        if size > self._space.total * PAGE:
            raise CallError(mach.KERN_RESOURCE_SHORTAGE)
        port = self._pager.service.new_port()
        self._serve(port)
        self._pager.die_unused(port)
        return port

    async def default_pager_info(self) -> tuple[int, int, int]:
        return self._space.total * PAGE, self._space.free * PAGE, PAGE

    async def memory_object_create(self, memory_object: int, size: int, control: int, name: int, page_size: int) -> None:
        for port in (control, name):
            self._pager.service.deallocate(port)
        self._serve(memory_object)
        self._pager.die_unused(memory_object)


def main(channel: Channel, port: int, device: int) -> None:
    """The server's program. ``port``: the name of its receive right; ``device``: an open device's, to be read and written."""
    service = Service(channel)
    pager = DefaultPager(service, PagingSpace(_mapped(service, device)))
    service.serve(port, pager.answer)
    service.run()


def _mapped(service: Service, device: int) -> memoryview:
    """The pages of the device. Raises CallError, ValueError."""
    disk = client(DevicePort, service.task, device)
    records, record_size = finish(disk.device_get_status(mach.DEV_GET_RECORDS))[:2]
    if record_size != PAGE:
        raise ValueError(f"a paging device has records of {PAGE} bytes, not {record_size}")
    memory = finish(disk.device_map(READ_AND_WRITE, 0, records * PAGE, 0))
    whole = finish(service.kernel.vm_map(0, records * PAGE, 0, 1, memory, 0, 0, READ_AND_WRITE, READ_AND_WRITE, mach.VM_INHERIT_NONE))
    return service.task.channel.memory(whole, records * PAGE)
