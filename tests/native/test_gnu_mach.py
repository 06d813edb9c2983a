"""The checks that GNU Mach's own tests make, with the same meaning, and its calls that the manual of Mach 3 does not have.

Each of GNU Mach's modules is a task that the boot loader starts; here it is a native task. What is not below stands in ``ELSEWHERE``.

Source: GNU Mach, tests/test-*.c.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.native.natives import Natives
from tests.native.scenarios import INBOX, peers, perform, start

from skerry.mach.device import Null
from skerry.mach.gsync import WAITS
from skerry.mach.interfaces import EXTRAS

pytestmark = pytest.mark.machine

ELSEWHERE = {  # module of GNU Mach: what checks the same
    "mach_port": "test_kernel_calls.py",
    "machmsg": "test_message_semantics.py",  # and below
    "syscalls": "test_ruled_programs.py",
    "task": "test_ruled_programs.py",
    "threads": "test_ruled_programs.py",
    "thread-state": "test_ruled_programs.py",
    "thread-state-fp": "test_ruled_programs.py",
}
GSYNC = """
SHARED, QUAD, TIMED, BROADCAST, MUTATE = 1, 2, 4, 8, 16
page = me.vm_allocate(0, PAGE, 1)
memory = channel.memory(page, PAGE)
def set_word(value, at=0):
    memory[at : at + 4] = value.to_bytes(4, "little")
def get_word(at=0):
    return int.from_bytes(memory[at : at + 4], "little")
def wait(value, value2=0, milliseconds=1, flags=TIMED, at=0):
    return code(me.gsync_wait, page + at, value, value2, milliseconds, flags)
def wake(value=0, flags=0, at=0):
    return code(me.gsync_wake, page + at, value, flags)
from skerry.lib.stubs import request, results, routines
CALLS = {row.name: row for row in routines(TaskPort)}
class Waiting:
    "A wait that another thread would be in: its answer comes to a port of its own."
    def __init__(self, value, at=0, flags=0, milliseconds=0, target=task.self_port):
        self.row, self.reply = CALLS["gsync_wait"], task.reply_port()
        message = request(self.row, target, (page + at, value, 0, milliseconds, flags))
        task.send(UserMessage(message.id, target, self.reply, COPY, ONCE, None, message.body))
    @property
    def done(self):
        return status(self.reply)[4] == 1
    @property
    def result(self):
        return code(results, self.row, got(self.reply))
"""
MODULES = {
    "hello": """
console = Calls(DevicePort, task, Calls(DeviceMasterPort, task, MASTER).device_open(mach.D_WRITE, "console"))
assert console.device_write(0, 0, b"hello from a task\\n") == 18
""",
    "mach_host": """
for port in (task.host_self(), PRIV):
    host = Calls(HostPort, task, port)
    assert host.host_kernel_version()
    most, available, memory, kind, subtype = host.host_info(mach.HOST_BASIC_INFO)
    assert 0 < available <= most and memory > 1 << 20
    assert len(host.host_info(mach.HOST_PROCESSOR_SLOTS)) == available
    timeout, quantum = host.host_info(mach.HOST_SCHED_INFO)
    assert timeout > 0 and quantum > 0
    assert len(host.host_info(mach.HOST_LOAD_INFO)) == 6
    seconds, microseconds = host.host_get_time()
    seconds64, nanoseconds = host.host_get_time64()
    assert 0 <= seconds64 - seconds <= 60 and microseconds < 1_000_000 and nanoseconds < 1_000_000_000
    first, second = host.host_get_uptime64(), host.host_get_uptime64()
    assert [0, 0] < first <= second and second[0] < 3600
sets = Calls(HostPort, task, task.host_self()).host_processor_sets()
assert sets == [Calls(HostPort, task, task.host_self()).processor_set_default()]  # and more: test_kernel_calls.py
""",
    "gsync: one thread": GSYNC
    + """
assert wait(0) == mach.KERN_TIMEDOUT
set_word(1)
assert wait(0) == mach.KERN_INVALID_ARGUMENT and wait(1) == mach.KERN_TIMEDOUT
set_word(2, 4)
assert wait(99, 88, flags=TIMED | QUAD) == wait(1, 88, flags=TIMED | QUAD) == mach.KERN_INVALID_ARGUMENT
assert wait(1, 2, flags=TIMED | QUAD) == mach.KERN_TIMEDOUT
assert wake() == 0 and wait(1) == mach.KERN_TIMEDOUT  # a wake is not kept
assert wake(flags=BROADCAST) == 0 and wait(1) == mach.KERN_TIMEDOUT
assert wake(2, MUTATE) == 0 and get_word() == 2
assert wake() == wake() == 0
start = channel.clock()
assert wait(2, milliseconds=30) == mach.KERN_TIMEDOUT and channel.clock() - start >= 30_000_000
assert wait(2, milliseconds=0) == mach.KERN_TIMEDOUT
for at in (1, 2, PAGE, -4):
    assert wait(0, at=at) == wake(at=at) == code(me.gsync_requeue, page + at, page, 0, 0) == mach.KERN_INVALID_ADDRESS, at
    assert code(me.gsync_requeue, page, page + at, 0, 0) == mach.KERN_INVALID_ADDRESS
assert wait(0, flags=TIMED | QUAD, at=PAGE - 4) == mach.KERN_INVALID_ADDRESS
me.vm_protect(page, PAGE, 0, mach.VM_PROT_READ)
assert wake(5, MUTATE) == mach.KERN_INVALID_ADDRESS and get_word() == 2 and wait(2) == mach.KERN_TIMEDOUT
me.vm_deallocate(page, PAGE)
""",
    "gsync: several threads": GSYNC
    + """
set_word(10)
first, second, third, elsewhere = Waiting(10), Waiting(10), Waiting(10), Waiting(0, at=8)
assert not first.done
assert wake(11, MUTATE) == 0 and get_word() == 11
assert first.done and first.result == 0 and not second.done  # in order, one at a time
assert wake(flags=BROADCAST) == 0 and second.result == third.result == 0 and not elsewhere.done
first, second, third = Waiting(11), Waiting(11), Waiting(11)
me.gsync_requeue(page, page + 8, 1, 0)  # wakes the first, moves the second
assert first.result == 0 and not second.done
wake(at=8), wake(at=8)
assert elsewhere.result == 0 and second.result == 0 and not third.done
first = Waiting(11)
me.gsync_requeue(page, page + 8, 0, BROADCAST)
assert wake(flags=BROADCAST) == 0 and not third.done and not first.done
assert wake(flags=BROADCAST, at=8) == 0 and third.result == first.result == 0
late = Waiting(11, flags=TIMED, milliseconds=1)
me.gsync_requeue(page, page + 8, 0, 0)
assert task.receive(late.reply).id == 4304 and empty(late.reply)
given_up, patient = Waiting(11), Waiting(11)
me.mach_port_destroy(given_up.reply)
wake()
assert patient.result == 0  # the wake is not lost to who does not wait any more
me.vm_deallocate(page, PAGE)
""",
    "gsync: only so many": GSYNC
    + f"""
waits = [Waiting(0) for _ in range({WAITS})]
assert wait(0) == mach.KERN_RESOURCE_SHORTAGE
me.mach_port_destroy(waits[0].reply)
assert wait(0) == mach.KERN_TIMEDOUT  # who has given up makes room
wake(flags=BROADCAST)
assert all(each.result == 0 for each in waits[1:])
me.vm_deallocate(page, PAGE)
""",
    "gsync: memory of two tasks": GSYNC
    + """
child = Calls(TaskPort, task, me.task_create(0))
for inheritance, place in ((mach.VM_INHERIT_SHARE, 0x700000), (mach.VM_INHERIT_COPY, 0x800000)):
    child.vm_allocate(place, PAGE, 0)
    child.vm_inherit(place, PAGE, inheritance)
grandchild = Calls(TaskPort, task, child.task_create(1))
def waits(target, place, flags):
    waiting = Waiting(0, place - page, flags, 0, target.port)
    assert not waiting.done
    return waiting
one = waits(child, 0x700000, SHARED)
grandchild.gsync_wake(0x700000, 0, 0)
assert not one.done  # known by task and address
grandchild.gsync_wake(0x700000, 7, SHARED | MUTATE)
assert one.result == 0 and child.vm_read(0x700000, 4) == (7).to_bytes(4, "little")
copied = waits(child, 0x800000, SHARED)
grandchild.gsync_wake(0x800000, 0, SHARED | BROADCAST)
assert not copied.done  # a copy is another word
child.task_terminate()
assert copied.result == mach.KERN_TERMINATED
grandchild.task_terminate()
me.vm_deallocate(page, PAGE)
""",
    "syscalls: traps that are none": """
for number in (0, 1, -1, -9, -16, -1000, 77):
    assert channel.trap(number) == channel.trap(number, b"data") == mach.KERN_INVALID_ARGUMENT, number
""",
    "vm: wire": """
priv = Calls(HostPrivPort, task, PRIV)
address = me.vm_allocate(0, 64 * PAGE, 1)
me.vm_protect(address, PAGE, 0, mach.VM_PROT_NONE)
priv.vm_wire_all(task.self_port, mach.VM_WIRE_CURRENT | mach.VM_WIRE_FUTURE)
priv.vm_wire_all(task.self_port, mach.VM_WIRE_NONE)
assert code(priv.vm_wire_all, task.self_port, 4) == mach.KERN_INVALID_ARGUMENT
assert code(priv.vm_wire_all, PRIV, 1) == mach.KERN_INVALID_TASK
assert code(Calls(HostPrivPort, task, task.host_self()).vm_wire_all, task.self_port, 1) == mach.MIG_BAD_ID
me.vm_deallocate(address, 64 * PAGE)
""",
    "vm: the time device": """
import struct
time = Calls(DevicePort, task, Calls(DeviceMasterPort, task, MASTER).device_open(mach.D_READ, "time"))
mapped = me.vm_map(0, PAGE, 0, 1, time.device_map(1, 0, PAGE, 0), 0, 0, 1, 1, mach.VM_INHERIT_NONE)
shown = channel.memory(mapped, PAGE)
def consistent():
    while True:
        seconds, microseconds = struct.unpack("<2q", shown[:16])
        if seconds == struct.unpack("<q", shown[16:24])[0]:
            return seconds, microseconds
def read():
    seconds, microseconds, check = struct.unpack("<3q", time.device_read(0, 0, 24))
    assert seconds == check
    return seconds, microseconds
for now in (consistent, read):
    first = last = now()
    while last == first or last[1] // 20_000 == first[1] // 20_000:
        seconds, microseconds = this = now()
        assert this >= last and seconds > 1_600_000_000 and 0 <= microseconds < 1_000_000
        last = this
ahead = Calls(HostPrivPort, task, PRIV)
seconds, microseconds = read()
ahead.host_set_time(seconds + 1000, microseconds)
while consistent() < (seconds + 1000, microseconds):
    pass
ahead.host_set_time(seconds, microseconds)
assert code(time.device_map, 3, 0, PAGE, 0) == mach.D_READ_ONLY or code(time.device_map, 3, 0, PAGE, 0) == mach.D_INVALID_OPERATION
assert code(me.vm_protect, mapped, PAGE, 0, 3) == mach.KERN_PROTECTION_FAILURE
assert code(Calls(DeviceMasterPort, task, MASTER).device_open, mach.D_WRITE, "time") == mach.D_READ_ONLY
""",
    "vm: size limits": """
MEGA = 1 << 20
host, priv = Calls(HostPort, task, task.host_self()), Calls(HostPort, task, PRIV)
assert me.vm_get_size_limit() == (mach.NO_SIZE_LIMIT, mach.NO_SIZE_LIMIT)
host.vm_set_size_limit(task.self_port, 8 * MEGA, 32 * MEGA)
assert me.vm_get_size_limit() == (8 * MEGA, 32 * MEGA)
assert code(host.vm_set_size_limit, task.self_port, 8 * MEGA, 64 * MEGA) == mach.KERN_NO_ACCESS
assert code(host.vm_set_size_limit, task.self_port, 9 * MEGA, 8 * MEGA) == mach.KERN_INVALID_ARGUMENT
assert code(host.vm_set_size_limit, PRIV, MEGA, MEGA) == mach.KERN_INVALID_TASK
me.vm_deallocate(me.vm_allocate(0, MEGA, 1), MEGA)
assert code(me.vm_allocate, 0, 16 * MEGA, 1) == mach.KERN_NO_SPACE
priv.vm_set_size_limit(task.self_port, 40 * MEGA, 64 * MEGA)
assert me.vm_get_size_limit() == (40 * MEGA, 64 * MEGA)
me.vm_deallocate(me.vm_allocate(0, 16 * MEGA, 1), 16 * MEGA)
# memory that nobody may ever access is not counted
hidden = me.vm_map(0, 96 * MEGA, 0, 1, 0, 0, 1, 0, 0, mach.VM_INHERIT_COPY)
me.vm_deallocate(me.vm_allocate(0, 32 * MEGA, 1), 32 * MEGA)
me.vm_deallocate(hidden, 96 * MEGA)
# what is demoted to it does not count any more
large = me.vm_allocate(0, 32 * MEGA, 1)
assert code(me.vm_allocate, 0, 9 * MEGA, 1) == mach.KERN_NO_SPACE
me.vm_protect(large, 32 * MEGA, 0, mach.VM_PROT_NONE)
assert code(me.vm_allocate, 0, 9 * MEGA, 1) == mach.KERN_NO_SPACE  # it could come back
me.vm_protect(large, 32 * MEGA, 1, mach.VM_PROT_NONE)
small = me.vm_allocate(0, 9 * MEGA, 1)
assert code(me.vm_allocate, 0, 32 * MEGA, 1) == mach.KERN_NO_SPACE
for whole, protection in ((1, mach.VM_PROT_ALL), (0, mach.VM_PROT_READ)):  # a maximum never grows
    assert code(me.vm_protect, large, 32 * MEGA, whole, protection) == mach.KERN_PROTECTION_FAILURE
assert me.vm_region(large)[2:4] == (0, 0)
me.vm_deallocate(large, 32 * MEGA)
# data out of line count where they land
port = with_send()
priv.vm_set_size_limit(task.self_port, 9 * MEGA, 64 * MEGA)
assert post(port, COPY, 0, 0, 0, machmsg.Item(9, 8, 9 * MEGA, small, False), machmsg.integers(1))[0] == 0
assert poll(port)[0] == mach.MACH_RCV_BODY_ERROR | mach.MACH_MSG_VM_SPACE
assert post(port, COPY, 0, 0, 0, machmsg.Item(9, 8, 9 * MEGA, small, False, True))[0] == 0  # moved, it makes its own room
moved = got(port).items[0].data
child = Calls(TaskPort, task, me.task_create(0))
assert child.vm_get_size_limit() == (9 * MEGA, 64 * MEGA)
assert code(child.vm_allocate, 0, 10 * MEGA, 1) == mach.KERN_NO_SPACE
child.task_terminate()
me.vm_deallocate(moved, 9 * MEGA)
""",
}


class Console(Null):
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, _record: int, data: bytes) -> int:
        self.written += data
        return len(data)


@pytest.mark.parametrize("module", MODULES)
def test_module(natives: Natives, module: str) -> None:
    console = Console()
    natives.kernel.host.devices.register("console", console)
    task = perform(natives, MODULES[module])
    assert natives.kernel.word_waits == {}
    assert not task.word_waits
    if module == "hello":
        assert console.written == b"hello from a task\n"


MESSAGES = """
carried = [with_send() for _ in range(3)]
string = machmsg.Item(mach.MSG_TYPE_STRING, 8, 9, b"a string\\0"),
two = machmsg.Item(mach.MSG_TYPE_STRING, 8, 9, b"a string\\0"), machmsg.Item(mach.MSG_TYPE_CHAR, 8, 5, b"12345")
array = machmsg.rights(COPY, *carried, inline=False),
nothing = machmsg.Item(9, 8, 0, 0, False),
"""
ECHO = f"""
while True:
    request = task.inline(task.receive({INBOX}))
    names = (COPY if item.is_rights else item.name for item in request.items)
    items = tuple(machmsg.Item(name, of.bits, of.number, of.data, of.inline) for name, of in zip(names, request.items))
    task.send(UserMessage(request.id + 100, request.remote, 0, MOVE_ONCE, 0, items))
    for item in items:
        for name in machmsg.names_in(item) if item.is_rights else ():
            me.mach_port_deallocate(name)
"""


def test_messages_to_an_echo(natives: Natives) -> None:
    """machmsg: each message goes to the echo and comes back, as one call and as two; then as an RPC, three times."""
    client = (
        MESSAGES
        + """
for items in (string, two, array, nothing):
    for at_once in (True, False):
        sent = UserMessage(50, PEER, task.reply_name, COPY, ONCE, tuple(map(task._out_of_line, items)))
        if at_once:
            result, answer = msg(sent, mach.MACH_SEND_MSG | mach.MACH_RCV_MSG, task.reply_name)
            assert result == 0
        else:
            assert msg(sent, mach.MACH_SEND_MSG) == (0, None)
            answer = task.receive(task.reply_name)
        assert (answer.id, answer.local) == (150, task.reply_name) and answer.size == len(machmsg.pack(answer))
        answer = task.inline(answer)
        assert [(item.number, item.data) for item in answer.items] == [(item.number, item.data or b"") for item in items]
for _ in range(3):
    assert finish(task.rpc(UserMessage(7, PEER, remote_type=COPY, items=two))).items == two
assert [refs(name) for name in carried] == [1 + 2] * 3  # of both ways that the array came back
"""
    )
    _, (_, second) = peers(natives, ECHO, client)
    natives.succeeds(second)


def test_wait_for_a_word_ends_with_the_task(natives: Natives) -> None:
    """The waiter is killed, and then whose word it was: nothing of it is left."""
    waiter = start(natives, "page = me.vm_allocate(0, PAGE, 1)\nme.gsync_wait(page, 0, 0, 0, 0)")
    natives.run_until(lambda: natives.kernel.word_waits)
    waiter.terminate()
    natives.kernel.processor.run()
    assert natives.kernel.word_waits == {}
    assert waiter.space.entries == {}


def test_every_module_of_gnu_mach_is_checked() -> None:
    known = {name.partition(":")[0] for name in MODULES} | set(ELSEWHERE)
    listed = "hello mach_host mach_port machmsg syscalls task threads thread-state thread-state-fp gsync vm"
    assert known == set(listed.split())
    assert all((Path(__file__).parent / file).exists() for file in ELSEWHERE.values())


def test_every_extra_call_has_a_check() -> None:
    text = "".join(MODULES.values())
    assert {row.name for row in EXTRAS} <= set(re.findall(r"\b(?:gsync|vm|host)_\w+", text))
