"""A pager that does only what a test says, and guest code that touches the memory."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from tests.mach.guests import CODE, Guests

from skerry.abi import mach, machmsg
from skerry.abi import registers as reg
from skerry.abi.machmsg import UserMessage
from skerry.abi.memory_object import DefaultPagerPort, MemoryControlPort, MemoryObjectPort, MemoryReplyPort
from skerry.abi.routine import routines
from skerry.mach import right
from skerry.mach.memory_object import ManagedObject
from skerry.mach.port import Port
from skerry.mach.right import RightKind
from skerry.mach.task import Task
from skerry.mach.thread import Thread

PAGE = mach.PAGE_SIZE
BASE = 0x10000000
READ, WRITE, RW, NONE = mach.VM_PROT_READ, mach.VM_PROT_WRITE, mach.VM_PROT_DEFAULT, mach.VM_PROT_NONE
FROM_KERNEL = {row.id: row for of in (MemoryObjectPort, MemoryReplyPort, DefaultPagerPort) for row in routines(of)}
TO_KERNEL = {row.name: row for row in routines(MemoryControlPort)}
DELAY = mach.MEMORY_OBJECT_COPY_DELAY
NO_CHANGE = mach.VM_PROT_NO_CHANGE
# mov al, [rdi]; mov [rdi], sil; each followed by a system call
LOAD = b"\x8a\x07\x0f\x05"
STORE = b"\x40\x88\x37\x0f\x05"


def fill(at: int) -> bytes:
    """What page ``at`` holds."""
    return b"page %06d " % at * 341 + b"...."[: PAGE - 12 * 341]


def fills(first: int, last: int) -> bytes:
    return b"".join(fill(at) for at in range(first, last + 1))


@dataclass(frozen=True)
class Said:
    """A message of the kernel: the call's name without ``memory_object_``, and its arguments."""

    name: str
    arguments: tuple[object, ...]


class Pager:
    """Receives at one memory object's port."""

    def __init__(self, guests: Guests) -> None:
        self.guests = guests
        self.server = guests.server
        self.name = self.server.new_port()
        self.control = 0

    @property
    def port(self) -> Port:
        return self.server.space.lookup(self.name).port

    @property
    def object(self) -> ManagedObject:
        """What the kernel has of it."""
        found = self.port.memory_object
        assert isinstance(found, ManagedObject)
        return found

    def map(self, task: Task, pages: int = 64, offset: int = 0, address: int = BASE, copy: bool = False, protection: int = RW) -> int:
        """vm_map; the code."""
        held = (RightKind.SEND, right.make_send(self.port))
        arguments = (address, pages * PAGE, 0, 0, held, offset * PAGE, int(copy), protection, mach.VM_PROT_ALL, mach.VM_INHERIT_COPY)
        return self.guests.call("vm_map", task, *arguments)[0]

    def start(self, task: Task, pages: int = 64, **options: int) -> None:
        """Map it, and be ready."""
        assert self.map(task, pages) == 0
        assert self.said().name == "init"
        assert self.call("ready", options.get("may_cache", 0), options.get("strategy", DELAY)) == 0

    def quiet(self, name: int | None = None) -> bool:
        """Whether the kernel has said nothing more."""
        self.guests.kernel.processor.run()
        return not self.server.space.lookup(name or self.name).port.messages

    def said(self, name: int | None = None) -> Said:
        """The next message of the kernel; the control port is what it names first."""
        message = self.server.receive(name or self.name)
        row = FROM_KERNEL[message.id]
        assert message.items is not None
        arguments = [form.unpack(item) for form, item in zip(row.arguments, message.items, strict=True)]
        if row.name not in ("memory_object_create", "memory_object_terminate"):
            self.control = arguments.pop(0)
        return Said(row.name.removeprefix("memory_object_"), tuple(arguments))

    def call(self, name: str, *arguments: object) -> int:
        """A call on the control port; its code."""
        row = TO_KERNEL["memory_object_" + name]
        items = tuple(form.pack(value) for form, value in zip(row.arguments, arguments, strict=True))
        reply = self.server.new_port()
        request = UserMessage(row.id, self.control, reply, mach.MSG_TYPE_COPY_SEND, mach.MSG_TYPE_MAKE_SEND_ONCE, items)
        assert self.server.msg(request, mach.MACH_SEND_MSG).code == 0
        answer = self.server.receive(reply)
        first, *self.results = machmsg.parse_items(answer.body) if answer.items is None else answer.items
        assert isinstance(first.data, bytes)
        return int.from_bytes(first.data, "little", signed=True)

    def supply(self, first: int, last: int, lock: int = 0, precious: int = 0, reply: int = 0, data: bytes | None = None) -> int:
        return self.call("data_supply", first * PAGE, fills(first, last) if data is None else data, lock, precious, reply)

    def lock(self, first: int, last: int, should_return: int = 0, flush: int = 0, lock: int = NO_CHANGE, reply: int = 0) -> int:
        return self.call("lock_request", first * PAGE, (last + 1 - first) * PAGE, should_return, flush, lock, reply)


class Program:
    """Guest code of one task, which loads and stores single bytes."""

    def __init__(self, guests: Guests) -> None:
        self.guests = guests
        self.task, self.thread = guests.task()
        self.traps = 0
        vm = self.task.map
        vm.space.write(CODE, LOAD)
        vm.space.write(CODE + 0x100, STORE)
        self.thread.task.redirect = self._trapped
        self.exceptions = guests.server.new_port()
        held = guests.server.send_right(self.exceptions)
        guests.call("task_set_special_port", self.task, mach.TASK_EXCEPTION_PORT, held)

    def _trapped(self, _thread: Thread) -> None:
        self.traps += 1

    def begin(self, code: int, address: int, value: int = 0) -> None:
        thread = self.thread
        thread.set(reg.RIP, code)
        thread.set(reg.RDI, address)
        thread.set(reg.RSI, value)
        thread.set(reg.EFLAGS, 0x202)
        self.before = self.traps
        thread.resume()

    def begin_load(self, address: int) -> None:
        self.begin(CODE, address)

    def begin_store(self, address: int, value: int) -> None:
        self.begin(CODE + 0x100, address, value)

    def end(self) -> int:
        """Wait until it is done; the byte that was loaded."""
        self.guests.run_until(lambda: self.traps > self.before)
        return self.thread.get(reg.RAX) & 0xFF

    @property
    def done(self) -> bool:
        return self.traps > self.before

    def load(self, address: int) -> int:
        self.begin_load(address)
        return self.end()

    def store(self, address: int, value: int) -> None:
        self.begin_store(address, value)
        self.end()

    def exception(self) -> tuple[int, ...]:
        """The exception that it gets: type, code, subcode. It stays where it is."""
        message = self.guests.server.receive(self.exceptions)
        assert message.items is not None
        data = message.items[1].data
        assert isinstance(data, bytes)
        return struct.unpack("<3Q", data)
