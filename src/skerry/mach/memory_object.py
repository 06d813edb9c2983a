"""Memory objects that a pager manages: the protocol between the kernel and whoever receives at the object's port.

A port that is mapped (vm_map) stands for a memory object. The kernel tells its pager so (memory_object_init), with two ports of its own:
the control port, at which the pager makes the calls below, and the name port, which says nothing but which object it is. Nothing is asked
for until the pager says that it is ready. When the last mapping is gone, and the object is not to be cached, what was written goes back and
memory_object_terminate gives the pager both ports.

A pager is never waited for: what needs pages waits (``paged``), at most ``Kernel.pager_limit`` for each request.

Source: Mach 3 Kernel Interfaces, chapter 4; memory_object.defs.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

from skerry.abi import mach
from skerry.mach import notify, right
from skerry.mach.errors import KernError, KernReturn
from skerry.mach.kobject import new_object_port
from skerry.mach.message import Data, Item, Memory, Message, Rights
from skerry.mach.paged import LARGEST, PAGE, Page, PagedObject, Request
from skerry.mach.port import Port
from skerry.mach.release import release
from skerry.mach.right import RightKind

if TYPE_CHECKING:
    from skerry.mach.kernel import Kernel
    from skerry.mach.vm import MemoryCopy, VmMap

Held = tuple[RightKind, Port] | None
BACKLOG: Final = 1024  # messages of a pager's port, from which on nothing is asked of it
COPY_STRATEGIES: Final = range(mach.MEMORY_OBJECT_COPY_NONE, mach.MEMORY_OBJECT_COPY_TEMPORARY + 1)
RETURNS: Final = range(mach.MEMORY_OBJECT_RETURN_NONE, mach.MEMORY_OBJECT_RETURN_ALL + 1)
NO_CHANGE: Final = mach.VM_PROT_NO_CHANGE


class NameObject:
    """What a memory object's name port stands for: nothing can be called."""


def naturals(*values: int) -> list[Item]:
    return [Data(mach.MSG_TYPE_INTEGER_64, 64, 1, struct.pack("<Q", value)) for value in values]


def numbers(*values: int) -> list[Item]:
    return [Data(mach.MSG_TYPE_INTEGER_32, 32, 1, struct.pack("<i", value)) for value in values]


class ManagedObject(PagedObject):
    """A memory object with a pager. ``control`` and ``name`` are the kernel's ports for it."""

    def __init__(self, kernel: Kernel, pager: Port | None) -> None:
        """``pager``: a send right that is the object's from now on. Raises RESOURCE_SHORTAGE."""
        super().__init__(kernel)
        self.control = new_object_port(kernel, self)
        self.name = new_object_port(kernel, NameObject())
        self._ports = [self.control, self.name]  # whose receive rights are the kernel's
        self.pager = pager
        self.ready = False
        self.may_cache = False
        self.copy_strategy = mach.MEMORY_OBJECT_COPY_NONE
        self.original: tuple[ManagedObject, int] | None = None  # that its pager made it a copy of, and where in it the copy begins (pages)
        self._deferred: list[Request] = []  # until the pager is ready
        if pager is not None:
            pager.memory_object = self

    @property
    def alive(self) -> bool:
        """Whether a pager manages it."""
        return self.pager is not None and self.failure is None

    def attach(self, vm: VmMap, end: int) -> None:
        self.kernel.take_cached(self)
        super().attach(vm, end)

    def abandon(self) -> None:
        """It was never mapped, and its pager never heard of it: ``pager`` stays the caller's."""
        if self.pager is not None:
            self.pager.memory_object = None
            self.pager = None
        self.close()

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._release_ports()

    def _release_ports(self) -> None:
        ports, self._ports = self._ports, []
        release(*((RightKind.RECEIVE, port) for port in ports))

    @property
    def takes_messages(self) -> bool:
        """Whether its pager lives, and reads what it is sent."""
        return self.pager is not None and not self.pager.dead and len(self.pager.messages) < BACKLOG

    # The kernel's messages
    def _send(self, id: int, *items: Item, pager: Port | None = None, kind: RightKind = RightKind.SEND) -> None:
        """To the pager, or where ``pager`` (a right that is used up) says. The kernel does not wait: its messages exceed queues."""
        if pager is None:
            assert self.pager is not None
            pager = right.copy_send(self.pager)
        message = Message(id, pager, kind)
        message.items = list(items)
        message.size = mach.HEADER_SIZE + 16 * len(items)
        release(*notify.post(message))

    def _control(self) -> Item:
        return Rights(RightKind.SEND, [right.make_send(self.control)])

    def initialize(self) -> None:
        """memory_object_init: the first mapping."""
        name = Rights(RightKind.SEND, [right.make_send(self.name)])
        self._send(mach.ID_MEMORY_OBJECT_INIT, self._control(), name, *naturals(PAGE))

    def fetch(self, request: Request) -> None:
        """memory_object_data_request, when the pager is ready."""
        if not self.ready:
            self._deferred.append(request)
            return
        self._request(mach.ID_MEMORY_OBJECT_DATA_REQUEST, request)

    def fetch_rights(self, request: Request) -> None:
        """memory_object_data_unlock."""
        self._request(mach.ID_MEMORY_OBJECT_DATA_UNLOCK, request)

    def _request(self, id: int, request: Request) -> None:
        if not self.takes_messages:
            self.fail_waits(request.first, request.last, mach.KERN_MEMORY_ERROR)
            return
        length = (request.last + 1 - request.first) * PAGE
        self._send(id, self._control(), *naturals(request.first * PAGE, length), *numbers(request.access))

    def return_pages(self, first: int, last: int, dirty: bool, kernel_copy: bool, id: int = mach.ID_MEMORY_OBJECT_DATA_RETURN) -> None:
        """memory_object_data_return: what the pages hold; they must be hidden."""
        length = (last + 1 - first) * PAGE
        data: bytes | MemoryCopy = self.contents(first, last) if length <= PAGE else self._copied(first, length)
        items = [self._control(), *naturals(first * PAGE), Memory(mach.MSG_TYPE_BYTE, 8, length, data)]
        if id == mach.ID_MEMORY_OBJECT_DATA_RETURN:
            items += numbers(dirty, kernel_copy)
        self._send(id, *items)

    def _copied(self, first: int, length: int) -> MemoryCopy:
        from skerry.mach.vm import MemoryCopy  # which needs paged objects for its regions

        copy = MemoryCopy(length)
        copy.object.copy_from(self.memory, first * PAGE, 0, length)
        return copy

    def called_copy(self, offset: int, size: int) -> ManagedObject:
        """memory_object_copy: the pager makes the copy, and pages it. Bytes, whole pages. Raises RESOURCE_SHORTAGE."""
        port = Port()
        copy = ManagedObject(self.kernel, right.make_send(port))
        copy.original = self, offset // PAGE
        new = Rights(RightKind.RECEIVE, [port])
        self._send(mach.ID_MEMORY_OBJECT_COPY, self._control(), *naturals(offset, size), new)
        copy.initialize()
        return copy

    def supply_unavailable(self, at: int) -> None:
        """Its pager does not have the page: it is what the original of a copy holds, while that is mapped, and else zeros."""
        if self.original is None or self.original[0].closed:
            self.supply_zeros(at, at)
            return
        source, there = self.original[0], self.original[1] + at
        if source.is_in(there, there, mach.VM_PROT_READ):
            self.supply(at, source.contents(there, there))
        elif source.failure is not None:
            self.fail_waits(at, at, source.failure)
        else:
            source.demand(there, there, mach.VM_PROT_READ, there + 1, lambda code: self._original_came(at, code))

    def _original_came(self, at: int, code: int) -> None:
        if code != mach.KERN_SUCCESS:
            self.fail_waits(at, at, code)
        elif not self.closed and at not in self.pages:
            self.supply_unavailable(at)

    # The end
    def unused(self) -> None:
        """Keep it, if it may be cached; else terminate it."""
        if self.may_cache and self.alive:
            self.kernel.cache(self)
        else:
            self.terminate()

    def terminate(self) -> None:
        """memory_object_terminate, after what was written has gone back."""
        if self.pager is not None:
            if self.alive and not self.pager.dead:
                self.clean(0, LARGEST // PAGE, mach.MEMORY_OBJECT_RETURN_ALL, True)
            self._leave_pager()
        self.close()

    def _leave_pager(self) -> None:
        """Give it what was the kernel's: with the last message it gets both ports and the right to its own."""
        pager, self.pager = self.pager, None
        assert pager is not None
        pager.memory_object = None
        self._deferred.clear()
        ports, self._ports = self._ports, []
        for port in ports:
            port.kernel_object = None
            right.move_receive(port)
        items = [Rights(RightKind.RECEIVE, [port]) for port in ports]
        self._send(mach.ID_MEMORY_OBJECT_TERMINATE, *items, pager=pager)

    def port_died(self) -> None:
        """Nobody receives at its port any more. What follows is done when the operation under way is over."""
        self.kernel.processor.make_ready(self._pager_died)

    def _pager_died(self) -> None:
        pager, self.pager = self.pager, None
        if pager is None:
            return
        self._deferred.clear()
        self.give_up(KernReturn.MEMORY_FAILURE)
        self._release_ports()
        self.look_for_use()

    def page_out(self, first: int, last: int) -> None:
        """The kernel wants the memory. A pager that takes nothing in gets nothing more."""
        if self.alive and self.takes_messages:
            self.clean(first, last, mach.MEMORY_OBJECT_RETURN_ALL, True)

    def clean(self, first: int, last: int, should_return: int, flush: bool) -> None:
        """Return pages (RETURN_DIRTY, RETURN_ALL: precious ones too), and drop all if ``flush``."""
        chosen = list(self.runs(first, last, lambda page: _to_return(page, should_return)))
        for start, end in chosen:
            what = _to_return(self.pages[start], should_return)
            if flush or what:
                self.hide(start, end)
            if what:
                for at in range(start, end + 1):
                    self.pages[at].dirty = self.pages[at].writable = False
                self.returned(start, end, what == DIRTY, not flush)
            if flush:
                self.drop(start, end)
        if flush:
            for at in self._known(self.asked, first, last):
                if self.asked[at].unlocks:
                    del self.asked[at]
            self.changed(first, last)

    def returned(self, first: int, last: int, dirty: bool, kernel_copy: bool) -> None:
        """How pages go back."""
        self.return_pages(first, last, dirty, kernel_copy)


def find_object(kernel: Kernel, port: Port) -> tuple[ManagedObject, bool]:
    """The memory object of a port, and whether it is new: ``port``, a send right, is then the object's. Raises INVALID_ARGUMENT."""
    if port.dead or port.kernel_object is not None:
        raise KernError(KernReturn.INVALID_ARGUMENT)
    known = port.memory_object
    if isinstance(known, ManagedObject):
        return known, False
    return ManagedObject(kernel, port), True


DIRTY: Final = 2
PRECIOUS: Final = 1


def _to_return(page: Page, should_return: int) -> int:
    if should_return != mach.MEMORY_OBJECT_RETURN_NONE and page.dirty:
        return DIRTY
    return PRECIOUS if should_return == mach.MEMORY_OBJECT_RETURN_ALL and page.precious else 0


# The pager's calls
def _require_pager(target: ManagedObject, reply: Held = None) -> None:
    """Raises TERMINATED, and INVALID_CAPABILITY for a reply right that sends nothing."""
    if not target.alive:
        raise KernError(KernReturn.TERMINATED)
    if reply is not None and reply[0] not in (RightKind.SEND, RightKind.SEND_ONCE):
        raise KernError(KernReturn.INVALID_CAPABILITY)


def _range(offset: int, size: int) -> tuple[int, int]:
    """First and last page of whole pages. Raises INVALID_ARGUMENT."""
    if offset % PAGE or size % PAGE or offset + size > LARGEST:
        raise KernError(KernReturn.INVALID_ARGUMENT)
    return offset // PAGE, (offset + size) // PAGE - 1


def memory_object_set_attributes(target: ManagedObject, ready: int, may_cache: int, copy_strategy: int) -> None:
    """Say how the object is to be treated and, with ``ready``, that requests may come. Raises INVALID_ARGUMENT, TERMINATED."""
    _require_pager(target)
    if copy_strategy not in COPY_STRATEGIES:
        raise KernError(KernReturn.INVALID_ARGUMENT)
    target.may_cache, target.copy_strategy = bool(may_cache), copy_strategy
    target.ready = target.ready or bool(ready)
    if target.ready:
        deferred, target._deferred = target._deferred, []
        for request in deferred:
            if target.asked.get(request.first) is request:
                target.fetch(request)
    if not target.may_cache:
        target.kernel.uncache(target)


def memory_object_ready(target: ManagedObject, may_cache: int, copy_strategy: int) -> None:
    """As memory_object_set_attributes with ``ready``."""
    memory_object_set_attributes(target, 1, may_cache, copy_strategy)


def memory_object_change_attributes(target: ManagedObject, may_cache: int, copy_strategy: int, reply: Held) -> None:
    """As memory_object_set_attributes; memory_object_change_completed goes to ``reply``, which is taken over."""
    _require_pager(target, reply)
    memory_object_set_attributes(target, 0, may_cache, copy_strategy)
    _answer(target, mach.ID_MEMORY_OBJECT_CHANGE_COMPLETED, reply, *numbers(may_cache, copy_strategy))


def memory_object_get_attributes(target: ManagedObject) -> tuple[int, int, int]:
    """Ready, may_cache, copy strategy. Raises TERMINATED."""
    _require_pager(target)
    return int(target.ready), int(target.may_cache), target.copy_strategy


def _answer(target: ManagedObject, id: int, reply: Held, *items: Item) -> None:
    if reply is not None:
        kind, port = reply
        target._send(id, target._control(), *items, pager=port, kind=kind)


def memory_object_data_supply(target: ManagedObject, offset: int, data: Any, lock: int, precious: int, reply: Held) -> None:
    """Pages for the object, asked for or not; those that are there stay as they are.

    Args:
        data: whole pages (bytes, or a vm.MemoryCopy).
        lock: VM_PROT_* that is forbidden.
        precious: whether they are to come back even if nobody writes to them.
        reply: gets memory_object_supply_completed, with KERN_SUCCESS or, and the offset of the first such page, KERN_MEMORY_PRESENT.

    Raises INVALID_ARGUMENT (no whole pages, a lock that is none), RESOURCE_SHORTAGE, TERMINATED.
    """
    _require_pager(target, reply)
    length = len(data) if isinstance(data, bytes) else data.length
    first, _ = _range(offset, length)
    if lock & ~mach.VM_PROT_ALL or length == 0:
        raise KernError(KernReturn.INVALID_ARGUMENT)
    there = target.supply(first, data, lock, bool(precious))
    code = mach.KERN_SUCCESS if there is None else mach.KERN_MEMORY_PRESENT
    where = naturals(0 if there is None else there * PAGE)
    _answer(target, mach.ID_MEMORY_OBJECT_SUPPLY_COMPLETED, reply, *naturals(offset, length), *numbers(code), *where)


def memory_object_data_provided(target: ManagedObject, offset: int, data: Any, lock: int) -> None:
    """The older form of memory_object_data_supply."""
    memory_object_data_supply(target, offset, data, lock, 0, None)


def memory_object_data_unavailable(target: ManagedObject, offset: int, size: int) -> None:
    """The pages that were asked for there hold zeros, or what the original of a copy holds. Raises INVALID_ARGUMENT, TERMINATED."""
    _require_pager(target)
    first, last = _range(offset, size)
    for at in target._known(target.asked, first, last):
        if at not in target.pages:
            target.supply_unavailable(at)


def memory_object_data_error(target: ManagedObject, offset: int, size: int, _reason: int) -> None:
    """Who waits for pages there gets KERN_MEMORY_ERROR; who comes later asks anew. Raises INVALID_ARGUMENT, TERMINATED."""
    _require_pager(target)
    target.fail_waits(*_range(offset, size), mach.KERN_MEMORY_ERROR)


def memory_object_lock_request(
    target: ManagedObject, offset: int, size: int, should_return: int, should_flush: int, lock: int, reply: Held
) -> None:
    """Return pages, flush them, and set what is forbidden with those that stay (VM_PROT_NO_CHANGE: as before), in this order.

    memory_object_lock_completed goes to ``reply`` when all has gone back. Raises INVALID_ARGUMENT, TERMINATED.
    """
    _require_pager(target, reply)
    first, last = _range(offset, size)
    if should_return not in RETURNS or (lock != NO_CHANGE and lock & ~mach.VM_PROT_ALL):
        raise KernError(KernReturn.INVALID_ARGUMENT)
    target.clean(first, last, should_return, bool(should_flush))
    if lock != NO_CHANGE and not should_flush:
        target.set_lock(first, last, lock)
        target.changed(first, last)
    _answer(target, mach.ID_MEMORY_OBJECT_LOCK_COMPLETED, reply, *naturals(offset, size))


def memory_object_destroy(target: ManagedObject, _reason: int) -> None:
    """Nothing is asked or returned any more; memory_object_terminate follows. Pages that are there stay. Raises TERMINATED."""
    _require_pager(target)
    target.give_up(KernReturn.MEMORY_FAILURE)
    target._leave_pager()
    target.look_for_use()
