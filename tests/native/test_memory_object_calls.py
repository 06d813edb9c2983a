"""Every call and message of the memory-object protocol, made and received by a native task that is pager and client at once.

It begins a vm_read or vm_write of its own memory without waiting for the answer, and does what a pager does; then the answer is there.
``SCENARIOS`` says which interfaces of the chapter each is for, and the test that the kernel was asked for, or has sent, each.

Source: Mach 3 Kernel Interfaces, chapter 5; kernel-to-pager messages: memory_object.defs.
"""

from __future__ import annotations

import pytest
from tests.native.natives import Natives
from tests.native.scenarios import HELPERS, PRIV, indented

from skerry.mach.interfaces import INTERFACES, Form

pytestmark = pytest.mark.machine

PAGER = """
from skerry.abi.memory_object import DefaultPagerPort, MemoryControlPort, MemoryObjectPort, MemoryReplyPort
from skerry.lib.stubs import request, results, routines
R, W, RW, NO_CHANGE = 1, 2, 3, mach.VM_PROT_NO_CHANGE
RETURN_NONE, RETURN_DIRTY, RETURN_ALL = 0, 1, 2
NONE_, CALL_, DELAY, TEMPORARY = 0, 1, 2, 3
UPCALLS = {row.id: row for of in (MemoryObjectPort, MemoryReplyPort, DefaultPagerPort) for row in routines(of)}
CALLS = {row.name: row for of in (TaskPort, HostPrivPort) for row in routines(of)}
seen = set()
def fill(at, count=1, mark=b"page"):
    return b"".join((b"%s %07d" % (mark, page) * 342)[:PAGE].ljust(PAGE, b".") for page in range(at, at + count))
class Pending:
    "A call that is under way."
    def __init__(self, target, name, *arguments):
        self.row, self.reply = CALLS[name], task.reply_port()
        message = request(self.row, target, arguments)
        task.send(UserMessage(message.id, target, self.reply, COPY, ONCE, message.items, message.body))
    @property
    def waits(self):
        return status(self.reply)[4] == 0
    @property
    def result(self):
        "What it came to, or the code."
        assert not self.waits
        try:
            return results(self.row, task.inline(got(self.reply)))
        except CallError as error:
            return error.code
def reading(at, size=8):
    return Pending(task.self_port, "vm_read", at, size)
def writing(at, data):
    return Pending(task.self_port, "vm_write", at, data)
def said(port):
    "The kernel's next message: its name without memory_object_, and its arguments but for the control port."
    message = task.inline(got(port))
    row = UPCALLS[message.id]
    seen.add(row.name)
    items = message.items or machmsg.parse_items(message.body)
    arguments = [form.unpack(item) for form, item in zip(row.arguments, items, strict=True)]
    return row.name.removeprefix("memory_object_"), *arguments
class Object:
    "A memory object of ours, mapped by ourselves."
    def __init__(self, pages=16, ready=True, may_cache=0, strategy=DELAY, **more):
        self.port = with_send()
        self.at = self.map(pages, **more)
        name, control, self.name, page = said(self.port)
        assert (name, page) == ("init", PAGE)
        self.control = Calls(MemoryControlPort, task, control)
        if ready:
            self.control.memory_object_ready(may_cache, strategy)
    def map(self, pages=16, offset=0, copy=0, protection=3, inheritance=1):
        return me.vm_map(0, pages * PAGE, 0, 1, self.port, offset * PAGE, copy, protection, 7, inheritance)
    def asked(self):
        "The next data_request: first page, pages, access."
        name, control, offset, length, access = said(self.port)
        assert name == "data_request" and control == self.control.port, name
        return offset // PAGE, length // PAGE, access
    def supply(self, first, count=1, lock=0, precious=0, reply=0, mark=b"page"):
        self.control.memory_object_data_supply(first * PAGE, fill(first, count, mark), lock, precious, reply)
    def lock(self, first, count, should_return=0, flush=0, lock=NO_CHANGE, reply=0):
        self.control.memory_object_lock_request(first * PAGE, count * PAGE, should_return, flush, lock, reply)
    def returned(self):
        "The next data_return: first page, data, dirty, kernel copy."
        name, control, offset, data, dirty, kernel_copy = said(self.port)
        assert name == "data_return", name
        return offset // PAGE, data, dirty, kernel_copy
    @property
    def quiet(self):
        return status(self.port)[4] == 0
    def read(self, page, size=8):
        "What a page that is there holds."
        call = reading(self.at + page * PAGE, size)
        assert not call.waits, "it asks its pager"
        return call.result
"""
SCENARIOS = {
    "memory_object_init memory_object_ready memory_object_data_request memory_object_data_supply": """
memory = Object(ready=False)
call = reading(memory.at + 3 * PAGE)
assert memory.quiet and call.waits  # nothing is asked before it is ready
assert memory.control.memory_object_get_attributes() == (0, 0, 0)
memory.control.memory_object_ready(0, DELAY)
first, count, access = memory.asked()
assert first == 3 and count >= 1 and access & R and call.waits
memory.supply(3)
assert call.result == fill(3)[:8] and memory.quiet
second = memory.map(offset=0)
third = memory.map(4, offset=2)
assert me.vm_region(second)[6:] == (memory.name, 0) and me.vm_region(third)[6:] == (memory.name, 2 * PAGE)
assert memory.quiet and bytes(channel.memory(second + 3 * PAGE, 8)) == fill(3)[:8]  # one object, one init
assert code(memory.control.memory_object_ready, 0, 4) == mach.KERN_INVALID_ARGUMENT
""",
    "memory_object_supply_completed": """
memory, reply = Object(), task.reply_port()
memory.supply(2, 2, reply=reply)
assert said(reply) == ("supply_completed", memory.control.port, 2 * PAGE, 2 * PAGE, 0, 0)
memory.supply(1, 4, reply=reply, mark=b"more")  # unasked for; what is there stays
assert said(reply) == ("supply_completed", memory.control.port, PAGE, 4 * PAGE, mach.KERN_MEMORY_PRESENT, 2 * PAGE)
assert [memory.read(page, 4) for page in range(1, 5)] == [b"more", b"page", b"page", b"more"] and memory.quiet
supply = memory.control.memory_object_data_supply
for offset, data, lock in ((1, bytes(PAGE), 0), (0, bytes(PAGE - 1), 0), (0, b"", 0), (0, bytes(PAGE), 8), (1 << 63, bytes(PAGE), 0)):
    assert code(supply, offset, data, lock, 0, reply) == mach.KERN_INVALID_ARGUMENT, (offset, lock)
    assert told(reply, mach.NOTIFY_SEND_ONCE)
""",
    "memory_object_set_attributes memory_object_data_provided": """
memory = Object(ready=False)
memory.control.memory_object_set_attributes(0, 1, TEMPORARY)
assert memory.control.memory_object_get_attributes() == (0, 1, TEMPORARY)
call = reading(memory.at)
assert memory.quiet
memory.control.memory_object_set_attributes(1, 0, DELAY)
memory.asked()
memory.control.memory_object_data_provided(0, fill(0), W)
assert call.result == fill(0)[:8]
write = writing(memory.at, b"x")
assert said(memory.port)[0] == "data_unlock" and write.waits  # the lock value counts
memory.lock(0, 1, lock=0)
assert write.result is None
""",
    "memory_object_change_attributes memory_object_change_completed memory_object_get_attributes": """
memory, reply = Object(), task.reply_port()
memory.control.memory_object_change_attributes(1, TEMPORARY, reply)
assert said(reply) == ("change_completed", memory.control.port, 1, TEMPORARY)
assert memory.control.memory_object_get_attributes() == (1, 1, TEMPORARY)
memory.control.memory_object_change_attributes(0, NONE_, 0)
assert memory.control.memory_object_get_attributes() == (1, 0, NONE_)
assert code(memory.control.memory_object_change_attributes, 0, 9, reply) == mach.KERN_INVALID_ARGUMENT
assert told(reply, mach.NOTIFY_SEND_ONCE)
""",
    "memory_object_data_unavailable": """
memory = Object()
call = reading(memory.at)
first, count, _ = memory.asked()
memory.control.memory_object_data_unavailable(0, count * PAGE)
assert call.result == bytes(8) and memory.read(count - 1) == bytes(8)
memory.control.memory_object_data_unavailable(10 * PAGE, PAGE)  # which nobody asked for
call = reading(memory.at + 10 * PAGE)
assert memory.asked()[0] == 10
memory.supply(10)
assert call.result == fill(10)[:8]
assert code(memory.control.memory_object_data_unavailable, 0, 1) == mach.KERN_INVALID_ARGUMENT
""",
    "memory_object_data_error": """
memory = Object()
call = reading(memory.at)
first, count, _ = memory.asked()
memory.control.memory_object_data_error(0, count * PAGE, 5)
assert call.result == mach.KERN_MEMORY_ERROR
call = reading(memory.at)  # the next touch asks anew
assert memory.asked()[0] == 0
memory.supply(0, count)
assert call.result == fill(0)[:8]
""",
    "memory_object_data_unlock": """
memory = Object()
memory.supply(0, 4, lock=W)
assert memory.read(0) == fill(0)[:8]
write = writing(memory.at, b"new")
name, control, offset, length, access = said(memory.port)
assert (name, offset, length) == ("data_unlock", 0, PAGE) and access & W and write.waits
memory.lock(0, 1, lock=R | W)  # locks override, they do not add: now reading is forbidden, too
call = reading(memory.at)
assert write.waits and call.waits
while not memory.quiet:
    assert said(memory.port)[0] == "data_unlock"
memory.lock(0, 1, lock=W)
assert call.result == fill(0)[:8] and write.waits
memory.lock(0, 1, lock=0)
assert write.result is None and memory.read(0, 4) == b"new" + fill(0)[3:4]
write = writing(memory.at + PAGE, b"never")
assert said(memory.port)[0] == "data_unlock"
memory.control.memory_object_data_error(PAGE, PAGE, 5)
assert write.result == mach.KERN_MEMORY_ERROR and memory.read(1) == fill(1)[:8]
""",
    "memory_object_lock_request memory_object_lock_completed memory_object_data_return": """
memory, reply = Object(), task.reply_port()
memory.supply(0, 4)
memory.supply(4, 2, precious=1)
for page in (1, 4):
    assert writing(memory.at + page * PAGE, b"dirt").result is None
dirt = lambda page: b"dirt" + fill(page)[4:]
# none: nothing comes back, and what stays is as it was
memory.lock(0, 6, RETURN_NONE, reply=reply)
assert said(reply) == ("lock_completed", memory.control.port, 0, 6 * PAGE) and memory.quiet
# dirty, kept: it is clean from then on
memory.lock(0, 6, RETURN_DIRTY, reply=reply)
assert [memory.returned() for _ in range(2)] == [(1, dirt(1), 1, 1), (4, dirt(4), 1, 1)]
assert said(reply)[0] == "lock_completed" and memory.quiet
memory.lock(0, 6, RETURN_DIRTY)
assert memory.quiet and memory.read(1) == dirt(1)[:8]
# all: precious ones come, too, and stay precious
for _ in range(2):
    memory.lock(0, 6, RETURN_ALL)
    assert memory.returned() == (4, dirt(4) + fill(5), 0, 1) and memory.quiet
# dirty, flushed: it is there no more
assert writing(memory.at + 2 * PAGE, b"dirt").result is None
memory.lock(0, 6, RETURN_DIRTY, flush=1)
assert memory.returned() == (2, dirt(2), 1, 0) and memory.quiet
call = reading(memory.at + 2 * PAGE)
assert memory.asked()[0] == 2
memory.supply(2, 1, mark=b"anew")
assert call.result == fill(2, 1, b"anew")[:8]
# none, flushed: what was written is lost
assert writing(memory.at + 2 * PAGE, b"lost").result is None
memory.lock(2, 1, RETURN_NONE, flush=1, reply=reply)
assert said(reply)[0] == "lock_completed" and memory.quiet
call = reading(memory.at + 2 * PAGE)
memory.asked()
memory.supply(2)
assert call.result == fill(2)[:8]
for wrong in ((0, 1, 0, 0, 0), (1, PAGE, 0, 0, 0), (0, PAGE, 3, 0, 0), (0, PAGE, 0, 0, 16)):
    assert code(memory.control.memory_object_lock_request, *wrong, reply) == mach.KERN_INVALID_ARGUMENT, wrong
    assert told(reply, mach.NOTIFY_SEND_ONCE)
""",
    "memory_object_terminate": """
memory = Object()
memory.supply(0, 4)
assert writing(memory.at, b"dirt").result is None
me.vm_deallocate(memory.at, 8 * PAGE)
assert memory.quiet  # part of it is mapped
me.vm_deallocate(memory.at + 8 * PAGE, 8 * PAGE)
assert memory.returned()[:1] == (0,)
name, control, its_name = said(memory.port)
assert (name, control, its_name) == ("terminate", memory.control.port, memory.name)
assert kind_of(control) == kind_of(its_name) == mach.MACH_PORT_TYPE_SEND | mach.MACH_PORT_TYPE_RECEIVE  # ours now
again = memory.map()
assert said(memory.port)[0] == "init"  # another object of the same port
me.vm_deallocate(again, 16 * PAGE)
""",
    "memory_object_destroy": """
memory = Object()
memory.supply(0, 1)
call = reading(memory.at + 5 * PAGE)
memory.asked()
memory.control.memory_object_destroy(5)
assert call.result == mach.KERN_MEMORY_FAILURE
assert said(memory.port)[0] == "terminate"
assert memory.read(0) == fill(0)[:8]  # what is there stays
assert reading(memory.at + PAGE).result == mach.KERN_MEMORY_FAILURE and memory.quiet
""",
    "memory_object_copy": """
memory = Object(strategy=CALL_)
copy = memory.map(4, offset=2, copy=1)
name, control, offset, length, new = said(memory.port)
assert (name, offset, length) == ("copy", 2 * PAGE, 4 * PAGE) and kind_of(new) & mach.MACH_PORT_TYPE_RECEIVE
name, new_control, _, _ = said(new)
assert name == "init" and new_control != control
new_control = Calls(MemoryControlPort, task, new_control)
new_control.memory_object_ready(0, DELAY)
call = reading(copy + PAGE)
assert said(new)[0] == "data_request" and memory.quiet
new_control.memory_object_data_supply(PAGE, fill(3), 0, 0, 0)
assert call.result == fill(3)[:8]
""",
    "what is unavailable of a copy is the original's": """
memory = Object(strategy=CALL_)
memory.supply(2, 1, mark=b"orig")
copy = memory.map(4, offset=2, copy=1)
new = said(memory.port)[-1]
control = Calls(MemoryControlPort, task, said(new)[1])
control.memory_object_ready(0, DELAY)
call = reading(copy, 2 * PAGE)
_, _, offset, length, _ = said(new)
control.memory_object_data_unavailable(offset, length)
assert memory.asked()[0] == 3 and call.waits  # what the original has not either is asked for there
memory.supply(3, 3, mark=b"orig")
assert call.result == fill(2, 2, b"orig")
me.vm_write(copy, b"copy")
assert memory.read(2, 4) == b"orig" and memory.quiet
call = reading(copy + 2 * PAGE)
while status(new)[4]:
    _, _, offset, length, _ = said(new)
    control.memory_object_data_unavailable(offset, length)
assert call.result == fill(4, 1, b"orig")[:8]
""",
    "what is unavailable of a copy is zeros when the original is gone": """
memory = Object(strategy=CALL_)
memory.supply(0, 4)
copy = memory.map(4, copy=1)
new = said(memory.port)[-1]
control = Calls(MemoryControlPort, task, said(new)[1])
control.memory_object_ready(0, DELAY)
me.vm_deallocate(memory.at, 16 * PAGE)
assert said(memory.port)[0] == "terminate"
call = reading(copy)
_, _, offset, length, _ = said(new)
control.memory_object_data_unavailable(offset, length)
assert call.result == bytes(8)
""",
    "each copy strategy": """
for strategy in (NONE_, DELAY, TEMPORARY):
    memory = Object(4, strategy=strategy)
    memory.supply(0, 4)
    assert writing(memory.at, b"first").result is None
    copy = memory.map(4, copy=1)
    assert writing(memory.at, b"second").result is None and writing(memory.at + PAGE, b"second").result is None
    assert me.vm_read(copy, 5) == b"first" and me.vm_read(copy + PAGE, 8) == fill(1)[:8]
    me.vm_write(copy, b"third")
    assert memory.read(0, 6) == b"second" and memory.quiet
    me.vm_deallocate(copy, 4 * PAGE)
    me.vm_deallocate(memory.at, 4 * PAGE)
""",
    "wiring waits for the pager": """
memory = Object()
call = Pending(PRIV, "vm_wire", task.self_port, memory.at, 4 * PAGE, RW)
first, count, access = memory.asked()
assert first == 0 and count >= 4 and access & W and call.waits
memory.supply(0, count)
assert call.result is None and memory.quiet and bytes(channel.memory(memory.at + 3 * PAGE, 8)) == fill(3)[:8]
call = Pending(PRIV, "vm_wire", task.self_port, memory.at + 12 * PAGE, PAGE, R)
memory.asked()
memory.control.memory_object_data_error(12 * PAGE, 4 * PAGE, 5)
assert call.result == mach.KERN_MEMORY_ERROR
""",
    "an object that may be cached stays": """
memory = Object(may_cache=1)
memory.supply(0, 2)
me.vm_deallocate(memory.at, 16 * PAGE)
assert memory.quiet
memory.at = memory.map()
assert memory.read(1) == fill(1)[:8] and memory.quiet
me.vm_deallocate(memory.at, 16 * PAGE)
memory.control.memory_object_change_attributes(0, DELAY, 0)
assert said(memory.port)[0] == "terminate"
""",
    "a pager that dies": """
memory = Object()
memory.supply(0, 1)
call = reading(memory.at + 5 * PAGE)
memory.asked()
me.mach_port_mod_refs(memory.port, RECEIVE, -1)
assert call.result == mach.KERN_MEMORY_FAILURE and memory.read(0) == fill(0)[:8]
""",
    "vm_set_default_memory_manager memory_object_create memory_object_data_initialize": """
manager, other = with_send(), with_send()
priv = Calls(HostPrivPort, task, PRIV)
assert priv.vm_set_default_memory_manager(0) == 0
assert priv.vm_set_default_memory_manager(other) == 0
assert priv.vm_set_default_memory_manager(manager) == other and priv.vm_set_default_memory_manager(0) == manager
assert code(priv.vm_set_default_memory_manager, task.self_port) == mach.KERN_INVALID_ARGUMENT
memory = Object(64)
copy = memory.map(64, copy=1)  # internal memory, which is the default pager's under the test's limit of 32 pages
for page in range(64):
    if page % 4 == 0:
        memory.supply(page, 4)
    me.vm_write(copy + page * PAGE, b"copy %03d" % page)
name, new, size, control, its_name, page_size = said(manager)
assert (name, size, page_size) == ("create", 64 * PAGE, PAGE) and kind_of(new) & mach.MACH_PORT_TYPE_RECEIVE
kept, requests = {}, []
def keep():
    while status(new)[4]:
        name, control, offset, what, *_ = said(new)
        if name == "data_request":
            requests.append((control, offset, what))
            continue
        assert name in ("data_initialize", "data_return"), name
        for at in range(len(what) // PAGE):
            kept[offset // PAGE + at] = what[at * PAGE : (at + 1) * PAGE]
keep()
assert len(kept) >= 16 and all(data[:8] == b"copy %03d" % page for page, data in kept.items()), sorted(kept)
page = min(kept)
call = reading(copy + page * PAGE)
keep()
((control, offset, length),) = requests
assert offset == page * PAGE and call.waits
pager = Calls(MemoryControlPort, task, control)
pager.memory_object_data_supply(offset, b"".join(kept.get(offset // PAGE + at, bytes(PAGE)) for at in range(length // PAGE)), 0, 0, 0)
assert call.result == b"copy %03d" % page
""",
}
END = """
assert set(arguments) <= seen, seen
"""
ELSEWHERE = {
    "memory_object_data_write": "never sent",
    "default_pager_info": "tests/native/test_default_pager.py",
    "default_pager_object_create": "tests/native/test_default_pager.py",
}


@pytest.mark.parametrize("names", SCENARIOS)
def test_pager_and_kernel(natives: Natives, names: str) -> None:
    asked: set[int] = set()
    serve = natives.kernel.serve
    natives.kernel.serve = lambda target, message: (asked.add(message.id), serve(target, message))[1]  # type: ignore[method-assign]
    if "create" in names:
        natives.kernel.resident.limit = 32
    rows = {row.name: row for row in INTERFACES}
    calls = [rows[name] for name in names.split() if name in rows]
    upcalls = [row.name for row in calls if row.form is Form.UPCALL]
    task = natives.start(HELPERS + indented(PAGER + SCENARIOS[names] + END), *upcalls)
    natives.give_send(task, natives.kernel.host.priv_port, PRIV)
    natives.succeeds(task)
    assert {row.id for row in calls if row.form is Form.REQUEST} <= asked
    assert task.space.entries == {}
    assert natives.kernel.resident.count == 0


def test_every_call_has_a_scenario() -> None:
    covered = {name for names in SCENARIOS for name in names.split()} & {row.name for row in INTERFACES}
    assert covered | set(ELSEWHERE) == {row.name for row in INTERFACES if row.chapter == "memory-objects"}
