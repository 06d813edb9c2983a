"""The memory-object protocol, call by call: a pager that does only what the test says, and programs that touch the memory."""

from __future__ import annotations

from typing import Any

import pytest
from tests.mach.guests import CODE, Guests
from tests.mach.paging import BASE, DELAY, LOAD, NO_CHANGE, NONE, PAGE, READ, RW, WRITE, Pager, Program, Said, fill, fills

from skerry.abi import mach
from skerry.abi import registers as reg
from skerry.abi.fault import Fault
from skerry.mach import right
from skerry.mach.calls import BY_NAME, Later
from skerry.mach.errors import KernError, KernReturn
from skerry.mach.right import RightKind
from skerry.mach.task import Task, task_create
from skerry.mach.vm_calls import OBJECTS

pytestmark = pytest.mark.machine
RETURN_NONE, DIRTY, ALL = mach.MEMORY_OBJECT_RETURN_NONE, mach.MEMORY_OBJECT_RETURN_DIRTY, mach.MEMORY_OBJECT_RETURN_ALL


@pytest.fixture
def pager(guests: Guests) -> Pager:
    return Pager(guests)


@pytest.fixture
def program(guests: Guests) -> Program:
    return Program(guests)


def request(pager: Pager) -> tuple[int, int, int]:
    """The next data_request: first page, pages, access."""
    said = pager.said()
    assert said.name == "data_request"
    offset, length, access = said.arguments
    assert isinstance(offset, int)
    assert isinstance(length, int)
    assert isinstance(access, int)
    return offset // PAGE, length // PAGE, access


def finished(guests: Guests, name: str, target: Task, *arguments: object) -> tuple[int, tuple[Any, ...]]:
    """A call that may wait, to its end."""
    code, values = guests.call(name, target, *arguments)
    got: list[tuple[int, tuple[Any, ...]]] = []
    if values and isinstance(values[0], Later):
        values[0].wait(BY_NAME[name], lambda code, values: got.append((code, values)))
        guests.run_until(lambda: bool(got))
        return got[0]
    return code, values


def test_nothing_is_requested_until_the_pager_is_ready(pager: Pager, program: Program) -> None:
    assert pager.map(program.task) == 0
    init = pager.said()
    assert init.name == "init"
    assert init.arguments[1] == PAGE
    program.begin_load(BASE)
    pager.guests.run_until(lambda: bool(pager.object.waits))
    assert pager.quiet()
    assert pager.call("ready", 0, DELAY) == 0
    first, count, access = request(pager)
    assert (first, access) == (0, READ)
    assert pager.supply(0, count - 1) == 0
    assert program.end() == fill(0)[0]


def test_a_run_that_was_supplied_faults_once(pager: Pager, program: Program) -> None:
    pager.start(program.task)
    program.begin_load(BASE)
    assert request(pager)[1] < 20
    pager.supply(0, 20)
    program.end()
    messages = pager.guests.kernel.messages
    for at in range(1, 21):
        assert program.load(BASE + at * PAGE + 7) == fill(at)[7]
    assert pager.guests.kernel.messages - messages == 20  # the system calls of the program alone


def test_requests_grow_with_who_goes_through_in_order(pager: Pager, program: Program) -> None:
    pager.start(program.task, 1000)
    at, counts = 0, []
    for _ in range(7):
        program.begin_load(BASE + at * PAGE)
        first, count, _ = request(pager)
        assert first == at
        pager.supply(first, first + count - 1)
        program.end()
        counts.append(count)
        at += count
    assert counts == [4, 8, 16, 32, 64, 64, 64]
    program.begin_load(BASE + 900 * PAGE)
    assert request(pager)[:2] == (900, 4)


def test_no_more_is_requested_than_is_mapped(pager: Pager, program: Program) -> None:
    pager.start(program.task, 10)
    program.begin_load(BASE + 8 * PAGE)
    assert request(pager)[:2] == (8, 2)


def test_two_tasks_see_each_others_writes_at_once(pager: Pager, program: Program, guests: Guests) -> None:
    other = Program(guests)
    pager.start(program.task)
    assert pager.map(other.task) == 0
    assert pager.quiet()  # one object, one init
    program.begin_load(BASE)
    request(pager)
    pager.supply(0, 3)
    program.end()
    assert other.load(BASE + 1) == fill(0)[1]
    program.store(BASE + 1, 77)
    assert other.load(BASE + 1) == 77
    other.store(BASE + PAGE, 78)
    assert program.load(BASE + PAGE) == 78
    assert pager.quiet()


def test_offsets_count(pager: Pager, program: Program, guests: Guests) -> None:
    other = Program(guests)
    pager.start(program.task)
    assert pager.map(other.task, 4, offset=10) == 0
    other.begin_load(BASE + PAGE)
    assert request(pager)[:2] == (11, 3)
    pager.supply(11, 13)
    assert other.end() == fill(11)[0]
    assert program.load(BASE + 11 * PAGE) == fill(11)[0]


@pytest.mark.parametrize("strategy", [DELAY, mach.MEMORY_OBJECT_COPY_NONE])
def test_a_copy_holds_what_was_there_when_it_was_made(pager: Pager, program: Program, guests: Guests, strategy: int) -> None:
    other = Program(guests)
    pager.start(program.task, 2, strategy=strategy)
    program.begin_load(BASE)
    request(pager)
    pager.supply(0, 1)
    program.end()
    program.store(BASE, 1)
    assert pager.map(other.task, 2, copy=True) == 0
    program.store(BASE, 2)
    program.store(BASE + PAGE, 2)
    assert other.load(BASE) == 1
    assert other.load(BASE + PAGE) == fill(1)[0]
    other.store(BASE, 3)
    assert program.load(BASE) == 2
    assert pager.quiet()


def test_a_copy_that_the_pager_makes(pager: Pager, program: Program, guests: Guests) -> None:
    other = Program(guests)
    pager.start(program.task, 8, strategy=mach.MEMORY_OBJECT_COPY_CALL)
    assert pager.map(other.task, 4, offset=2, copy=True) == 0
    said = pager.said()
    assert said.name == "copy"
    assert said.arguments[:2] == (2 * PAGE, 4 * PAGE)
    new = said.arguments[2]
    assert isinstance(new, int)
    assert pager.said(new).name == "init"
    pager.call("ready", 0, DELAY)
    other.begin_load(BASE + PAGE)
    assert pager.said(new).arguments[0] == PAGE  # the new object begins where the copy does
    pager.supply(1, 3)
    assert other.end() == fill(1)[0]


def test_a_child_gets_a_copy_or_shares(pager: Pager, program: Program, guests: Guests) -> None:
    pager.start(program.task, 4)
    program.begin_load(BASE)
    request(pager)
    pager.supply(0, 3)
    program.end()
    guests.call("vm_inherit", program.task, BASE + 2 * PAGE, PAGE, mach.VM_INHERIT_SHARE)
    guests.call("vm_inherit", program.task, BASE + 3 * PAGE, PAGE, mach.VM_INHERIT_NONE)
    child, _ = task_create(program.task)
    guests.tasks.append(child)
    for at in range(3):
        program.store(BASE + at * PAGE, 200 + at)
    vm = child.map
    arrived: list[int] = []
    assert all(vm.fault(BASE + at * PAGE, READ, arrived.append) for at in range(3))
    assert arrived == [0, 0, 0]
    assert [vm.space.read(BASE + at * PAGE, 1)[0] for at in range(3)] == [fill(0)[0], fill(1)[0], 202]
    assert not vm.fault(BASE + 3 * PAGE, READ, arrived.append)


def test_written_pages_come_back_in_runs_and_stay_or_go(pager: Pager, program: Program) -> None:
    pager.start(program.task)
    program.begin_load(BASE)
    request(pager)
    pager.supply(0, 20)
    program.end()
    for at in (3, 4, 5, 9):
        program.store(BASE + at * PAGE, at)
    reply = pager.server.new_port()
    assert pager.lock(0, 20, DIRTY, reply=reply) == 0
    for first, count in ((3, 3), (9, 1)):
        said = pager.said()
        assert said.name == "data_return"
        offset, data, dirty, kernel_copy = said.arguments
        assert (offset, dirty, kernel_copy) == (first * PAGE, 1, 1)
        assert isinstance(data, bytes)
        assert data == b"".join(bytes([at]) + fill(at)[1:] for at in range(first, first + count))
    assert pager.quiet()
    assert pager.said(reply) == Said("lock_completed", (0, 21 * PAGE))
    assert pager.lock(0, 20, DIRTY) == 0  # they are clean now
    assert pager.quiet()
    program.store(BASE + 4 * PAGE + 1, 5)  # and a write is seen again
    assert pager.lock(0, 20, DIRTY, flush=1) == 0
    assert pager.said().arguments[0] == 4 * PAGE
    assert not pager.object.pages
    program.begin_load(BASE + 4 * PAGE)
    assert request(pager)[0] == 4


def test_what_is_flushed_without_return_is_lost(pager: Pager, program: Program) -> None:
    pager.start(program.task)
    program.begin_store(BASE, 9)
    assert request(pager)[2] == RW
    pager.supply(0, 3)
    program.end()
    assert pager.lock(0, 0, RETURN_NONE, flush=1) == 0
    assert pager.quiet()
    program.begin_load(BASE)
    assert request(pager)[:2] == (0, 1)
    pager.supply(0, 0)
    assert program.end() == fill(0)[0]


def test_precious_pages_come_back_unwritten(pager: Pager, program: Program) -> None:
    pager.start(program.task)
    program.begin_load(BASE)
    request(pager)
    pager.supply(0, 1, precious=1)
    pager.supply(2, 3)
    program.end()
    assert pager.lock(0, 3, DIRTY) == 0
    assert pager.quiet()
    assert pager.lock(0, 3, ALL, flush=1) == 0
    said = pager.said()
    assert said.name == "data_return"
    assert said.arguments == (0, fills(0, 1), 0, 0)
    assert pager.quiet()


def test_locked_pages_are_asked_to_be_unlocked(pager: Pager, program: Program) -> None:
    pager.start(program.task)
    program.begin_load(BASE)
    request(pager)
    pager.supply(0, 3, lock=WRITE)
    assert program.end() == fill(0)[0]
    program.begin_store(BASE, 8)
    assert pager.said() == Said("data_unlock", (0, PAGE, RW))
    pager.guests.kernel.processor.run()
    assert not program.done
    assert pager.lock(0, 0, lock=NONE) == 0
    program.end()
    assert program.load(BASE) == 8
    assert pager.lock(0, 3, lock=mach.VM_PROT_ALL) == 0  # locks replace each other
    program.begin_load(BASE + PAGE)
    assert pager.said() == Said("data_unlock", (PAGE, PAGE, READ))
    assert pager.lock(0, 3, lock=WRITE) == 0
    assert program.end() == fill(1)[0]


def test_unavailable_pages_are_zeros(pager: Pager, program: Program) -> None:
    pager.start(program.task)
    program.begin_load(BASE + PAGE)
    first, count, _ = request(pager)
    assert pager.call("data_unavailable", first * PAGE, count * PAGE) == 0
    assert program.end() == 0
    assert sorted(pager.object.pages) == list(range(first, first + count))


def test_an_error_is_an_exception_and_the_next_touch_asks_again(pager: Pager, program: Program) -> None:
    pager.start(program.task)
    program.begin_load(BASE)
    _, count, _ = request(pager)
    assert pager.call("data_error", 0, count * PAGE, 5) == 0
    assert program.exception() == (mach.EXC_BAD_ACCESS, KernReturn.MEMORY_ERROR, BASE)
    program.begin_load(BASE)
    assert request(pager)[0] == 0


def test_a_pager_that_dies_is_an_exception(pager: Pager, program: Program, guests: Guests) -> None:
    pager.start(program.task)
    program.begin_load(BASE)
    request(pager)
    pager.supply(0, 0)
    program.end()
    program.begin_load(BASE + 30 * PAGE)
    request(pager)
    pager.server.space.destroy(pager.server.space.lookup(pager.name))
    assert program.exception() == (mach.EXC_BAD_ACCESS, KernReturn.MEMORY_FAILURE, BASE + 30 * PAGE)
    assert program.load(BASE) == fill(0)[0]  # what is there stays
    program.begin_load(BASE + 40 * PAGE)
    assert program.exception()[1] == KernReturn.MEMORY_FAILURE


def test_destroy_returns_the_ports_and_ends_it(pager: Pager, program: Program) -> None:
    pager.start(program.task)
    program.begin_load(BASE)
    request(pager)
    assert pager.call("destroy", 0) == 0
    assert program.exception()[1] == KernReturn.MEMORY_FAILURE
    assert pager.said().name == "terminate"
    assert pager.port.memory_object is None


def test_a_pager_that_is_too_slow_is_an_exception(pager: Pager, program: Program, guests: Guests) -> None:
    guests.kernel.pager_limit = 1
    pager.start(program.task)
    program.begin_load(BASE)
    request(pager)
    guests.machine.wait(guests.machine.monotonic() + 2_000_000)
    assert program.exception()[:2] == (mach.EXC_BAD_ACCESS, KernReturn.MEMORY_ERROR)
    guests.kernel.pager_limit = 10_000
    program.begin_load(BASE)
    assert request(pager)[0] == 0  # asked anew


def test_the_end_returns_what_was_written_and_both_ports(pager: Pager, program: Program, guests: Guests) -> None:
    pager.start(program.task)
    program.begin_store(BASE, 5)
    request(pager)
    pager.supply(0, 3)
    program.end()
    assert guests.call("vm_deallocate", program.task, BASE, 64 * PAGE)[0] == 0
    returned = pager.said()
    assert returned.name == "data_return"
    assert returned.arguments[1] == b"\x05" + fill(0)[1:]
    end = pager.said()
    assert end.name == "terminate"
    control, name = end.arguments
    types = guests.server.space.entries
    assert types[control].types & types[name].types & mach.MACH_PORT_TYPE_RECEIVE  # type: ignore[index]
    assert guests.kernel.resident.count == 0
    assert pager.map(program.task) == 0  # it can be mapped again
    assert pager.said().name == "init"


def test_part_of_a_mapping_keeps_the_object(pager: Pager, program: Program, guests: Guests) -> None:
    pager.start(program.task)
    assert guests.call("vm_deallocate", program.task, BASE + PAGE, 62 * PAGE)[0] == 0
    assert pager.quiet()
    program.begin_load(BASE + 63 * PAGE)
    assert request(pager)[:2] == (63, 1)
    program.task.terminate()
    assert pager.said().name == "terminate"


def test_an_object_that_may_be_cached_stays(pager: Pager, program: Program, guests: Guests) -> None:
    pager.start(program.task, may_cache=1)
    program.begin_load(BASE)
    request(pager)
    pager.supply(0, 3)
    program.end()
    guests.call("vm_deallocate", program.task, BASE, 64 * PAGE)
    assert pager.quiet()
    assert pager.map(program.task) == 0
    assert program.load(BASE + PAGE) == fill(1)[0]
    assert pager.quiet()
    guests.call("vm_deallocate", program.task, BASE, 64 * PAGE)
    reply = pager.server.new_port()
    assert pager.call("change_attributes", 0, DELAY, reply) == 0
    assert pager.said(reply) == Said("change_completed", (0, DELAY))
    assert pager.said().name == "terminate"


def test_attributes(pager: Pager, program: Program) -> None:
    assert pager.map(program.task) == 0
    pager.said()
    assert pager.call("get_attributes") == 0
    assert [int.from_bytes(item.data, "little") for item in pager.results] == [0, 0, 0]  # type: ignore[arg-type]
    assert pager.call("set_attributes", 1, 1, DELAY) == 0
    assert pager.call("get_attributes") == 0
    assert [int.from_bytes(item.data, "little") for item in pager.results] == [1, 1, DELAY]  # type: ignore[arg-type]
    assert pager.call("ready", 0, 4) == KernReturn.INVALID_ARGUMENT


def test_supply_completed_says_what_was_there(pager: Pager, program: Program) -> None:
    pager.start(program.task)
    reply = pager.server.new_port()
    assert pager.supply(2, 3, reply=reply) == 0
    assert pager.said(reply) == Said("supply_completed", (2 * PAGE, 2 * PAGE, 0, 0))
    assert pager.supply(0, 4, reply=reply, data=bytes(5 * PAGE)) == 0
    assert pager.said(reply) == Said("supply_completed", (0, 5 * PAGE, KernReturn.MEMORY_PRESENT, 2 * PAGE))
    assert program.load(BASE + 2 * PAGE) == fill(2)[0]
    assert program.load(BASE + PAGE) == 0


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("data_supply", (1, bytes(PAGE), 0, 0, 0)),
        ("data_supply", (0, bytes(PAGE - 1), 0, 0, 0)),
        ("data_supply", (0, b"", 0, 0, 0)),
        ("data_supply", (0, bytes(PAGE), 8, 0, 0)),
        ("data_supply", ((1 << 64) - PAGE, bytes(PAGE), 0, 0, 0)),
        ("data_provided", (5, bytes(PAGE), 0)),
        ("data_unavailable", (1, PAGE)),
        ("data_unavailable", (0, PAGE + 1)),
        ("data_error", (1, PAGE, 0)),
        ("lock_request", (1, PAGE, 0, 0, 0, 0)),
        ("lock_request", (0, 1 << 63, 0, 0, 0, 0)),
        ("lock_request", (0, PAGE, 3, 0, 0, 0)),
        ("lock_request", (0, PAGE, 0, 0, 16, 0)),
        ("set_attributes", (1, 0, -1)),
        ("change_attributes", (0, 9, 0)),
    ],
)
def test_nonsense_is_refused_and_changes_nothing(pager: Pager, program: Program, name: str, arguments: tuple[object, ...]) -> None:
    pager.start(program.task)
    assert pager.call(name, *arguments) == KernReturn.INVALID_ARGUMENT
    assert not pager.object.pages
    assert pager.object.ready
    assert pager.quiet()


def test_pages_beyond_what_is_mapped_are_not_kept(pager: Pager, program: Program) -> None:
    pager.start(program.task, 4)
    assert pager.supply(2, 1000) == 0
    assert sorted(pager.object.pages) == [2, 3]
    assert pager.call("data_unavailable", 0, 1 << 61) == 0  # nobody asked
    assert sorted(pager.object.pages) == [2, 3]


def test_vm_calls_wait_for_the_pager(pager: Pager, program: Program, guests: Guests) -> None:
    pager.start(program.task, 100)
    code, (later,) = guests.call("vm_read", program.task, BASE + 10, 6 * PAGE)
    first, count, access = request(pager)
    assert (first, access) == (0, READ)
    assert count == 7
    got: list[tuple[int, tuple[Any, ...]]] = []
    later.wait(BY_NAME["vm_read"], lambda code, values: got.append((code, values)))
    pager.supply(0, 3)
    assert not got
    pager.supply(4, 6)
    code, (copy,) = got[0]
    assert code == 0
    assert copy.contents() == fills(0, 6)[10 : 10 + 6 * PAGE]
    assert guests.call("vm_write", program.task, BASE + PAGE - 1, b"xy")[0] == 0
    assert program.load(BASE + PAGE) == ord("y")
    assert guests.call("vm_copy", program.task, BASE, PAGE, BASE + 3 * PAGE)[0] == 0
    assert program.load(BASE + 4 * PAGE - 1) == ord("x")
    pager.lock(0, 99, DIRTY)
    assert [pager.said().arguments[0] for _ in range(2)] == [0, 3 * PAGE]


def test_a_vm_call_on_memory_whose_pager_fails_has_its_code(pager: Pager, program: Program, guests: Guests) -> None:
    pager.start(program.task)
    _, (later,) = guests.call("vm_write", program.task, BASE, b"x")
    got: list[int] = []
    later.wait(BY_NAME["vm_write"], lambda code, _values: got.append(code))
    request(pager)
    pager.call("data_error", 0, PAGE, 0)
    assert got == [KernReturn.MEMORY_ERROR]
    pager.call("destroy", 0)
    assert guests.call("vm_read", program.task, BASE, 1)[0] == KernReturn.MEMORY_FAILURE


def test_protection_of_the_mapping_holds(pager: Pager, program: Program, guests: Guests) -> None:
    assert pager.map(program.task, protection=READ) == 0
    pager.said()
    pager.call("ready", 0, DELAY)
    program.begin_store(BASE, 1)
    assert program.exception()[:2] == (mach.EXC_BAD_ACCESS, KernReturn.PROTECTION_FAILURE)
    assert pager.quiet()
    program.begin_load(BASE)
    request(pager)
    pager.supply(0, 3)
    program.end()
    guests.call("vm_protect", program.task, BASE, PAGE, 0, RW)
    program.store(BASE, 1)
    guests.call("vm_protect", program.task, BASE, PAGE, 0, NONE)
    program.begin_load(BASE)
    assert program.exception()[1] == KernReturn.PROTECTION_FAILURE


@pytest.mark.parametrize("which", ["dead", "kernel's", "receive"])
def test_what_is_no_memory_object_cannot_be_mapped(pager: Pager, program: Program, guests: Guests, which: str) -> None:
    kind, port = RightKind.SEND, right.make_send(pager.port)
    code = KernReturn.INVALID_ARGUMENT
    if which == "dead":
        guests.server.space.destroy(guests.server.space.lookup(pager.name))
    elif which == "kernel's":
        port = right.make_send(program.task.port)
    else:
        kind, code = RightKind.SEND_ONCE, KernReturn.INVALID_CAPABILITY
    arguments = (BASE, PAGE, 0, 0, (kind, port), 0, 0, RW, RW, 1)
    assert guests.call("vm_map", program.task, *arguments)[0] == code
    assert port.memory_object is None


@pytest.mark.parametrize(("offset", "size", "code"), [(1, PAGE, 4), (1 << 63, PAGE, 4), ((1 << 62) - PAGE, 2 * PAGE, 4), (0, 0, 0)])
def test_a_mapping_that_fails_leaves_no_object(pager: Pager, program: Program, guests: Guests, offset: int, size: int, code: int) -> None:
    held = (RightKind.SEND, right.make_send(pager.port))
    assert guests.call("vm_map", program.task, 0, size, 0, 1, held, offset, 0, RW, RW, 1)[0] == code
    assert pager.port.memory_object is None
    assert pager.port.sends == 0
    assert pager.quiet()


def test_addresses_obey_the_mask(pager: Pager, program: Program, guests: Guests) -> None:
    held = (RightKind.SEND, right.make_send(pager.port))
    code, (address,) = guests.call("vm_map", program.task, 0, PAGE, (1 << 21) - 1, 1, held, 0, 0, RW, RW, 1)
    assert code == 0
    assert isinstance(address, int)
    assert address % (1 << 21) == 0
    held = (RightKind.SEND, right.make_send(pager.port))
    assert guests.call("vm_map", program.task, BASE + PAGE, PAGE, (1 << 21) - 1, 0, held, 0, 0, RW, RW, 1)[0] == KernReturn.NO_SPACE


def test_calls_after_the_end_are_refused(pager: Pager, program: Program) -> None:
    pager.start(program.task)
    target = pager.object
    target.give_up(KernReturn.MEMORY_FAILURE)
    assert pager.call("data_supply", 0, bytes(PAGE), 0, 0, 0) == KernReturn.TERMINATED
    assert pager.call("get_attributes") == KernReturn.TERMINATED
    assert pager.lock(0, 1, lock=NO_CHANGE) == KernReturn.TERMINATED


def test_a_server_has_a_page_come_that_it_could_not_touch(pager: Pager, program: Program) -> None:
    pager.start(program.task)
    came: list[bool] = []
    memory = program.task.map.space
    with pytest.raises(Fault) as fault:
        memory.read(BASE + 5, 10)
    assert program.thread.page_in(fault.value.args[0], came.append)
    first, count, access = request(pager)
    assert (first, access) == (0, READ)
    pager.supply(0, count - 1)
    assert came == [True]
    assert memory.read(BASE + 5, 10) == fill(0)[5:15]
    with pytest.raises(Fault) as fault:
        memory.write(BASE + 5, b"x")
    assert program.thread.page_in(fault.value.args[0], came.append)
    assert came == [True, True]
    memory.write(BASE + 5, b"x")
    assert program.load(BASE + 5) == ord("x")
    assert program.thread.page_in(BASE + 50 * PAGE, came.append)
    assert request(pager)[0] == 50
    pager.call("data_error", 50 * PAGE, PAGE, 0)
    assert came == [True, True, False]
    assert not program.thread.page_in(BASE + 64 * PAGE, came.append)
    assert not program.thread.page_in(CODE + 0x10000, came.append)


def test_a_chain_of_children_is_as_long_as_they_live(pager: Pager, program: Program, guests: Guests) -> None:
    """Each child writes a page, has a child and ends; what each wrote is what the last one sees."""
    pager.start(program.task, 50)
    program.begin_load(BASE)
    request(pager)
    pager.supply(0, 49)
    program.end()
    task = program.task
    for generation in range(40):
        child, _ = task_create(task)
        guests.tasks.append(child)
        assert finished(guests, "vm_write", child, BASE + generation * PAGE, bytes([generation]))[0] == 0
        if task is not program.task:
            task.terminate()
            guests.kernel.processor.run()
        task = child
    code, (copy,) = finished(guests, "vm_read", task, BASE, 50 * PAGE)
    assert code == 0
    assert copy.contents()[: 40 * PAGE : PAGE] == bytes(range(40))
    assert copy.contents()[40 * PAGE :] == fills(40, 49)
    (object_of_last,) = task.map.objects
    assert object_of_last.depth == 1
    assert pager.object.copies == [object_of_last]
    assert finished(guests, "vm_read", program.task, BASE, PAGE)[1][0].contents() == fill(0)


def test_a_chain_of_living_children_has_an_end(pager: Pager, program: Program, guests: Guests) -> None:
    pager.start(program.task, 4)
    task = program.task
    for _ in range(32):
        task, _ = task_create(task)
        guests.tasks.append(task)
    assert guests.call("task_create", task, 1)[0] == KernReturn.RESOURCE_SHORTAGE
    arrived: list[int] = []
    assert task.map.fault(BASE, READ, arrived.append)
    request(pager)
    pager.supply(0, 3)
    assert arrived == [0]
    assert task.map.space.read(BASE, 5) == fill(0)[:5]


def test_a_task_has_only_so_many_objects(program: Program, guests: Guests) -> None:
    pager = Pager(guests)
    pager.start(program.task, 1)
    for at in range(1, OBJECTS):
        assert pager.map(program.task, 1, address=BASE + at * PAGE, copy=True) == 0
    assert pager.map(program.task, 1, address=BASE + OBJECTS * PAGE, copy=True) == KernReturn.RESOURCE_SHORTAGE
    assert pager.map(program.task, 1, address=BASE + OBJECTS * PAGE) == 0
    assert Pager(guests).map(program.task, 1, address=BASE - PAGE) == KernReturn.RESOURCE_SHORTAGE


def test_too_many_mappings_of_the_host_begin_anew(pager: Pager, program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """The host refuses to show a page: what is shown of the region is hidden, and the page is shown."""
    pager.start(program.task)
    program.begin_load(BASE)
    request(pager)
    pager.supply(0, 3)
    program.end()
    vm = program.task.map
    real = vm.change
    refused: list[int] = []

    def change(call: Any, *arguments: Any) -> None:
        if arguments and arguments[-1] != NONE and not refused:
            refused.append(arguments[0])
            raise KernError(KernReturn.RESOURCE_SHORTAGE)
        real(call, *arguments)

    monkeypatch.setattr(vm, "change", change)
    pager.supply(8, 8)
    assert program.load(BASE + 8 * PAGE) == fill(8)[0]
    assert refused == [BASE + 8 * PAGE]
    with pytest.raises(Fault):
        vm.space.read(BASE, 1)
    assert program.load(BASE) == fill(0)[0]


def test_a_thread_that_waits_for_a_page_can_be_aborted(pager: Pager, program: Program, guests: Guests) -> None:
    """The manual's way to have it run something else: suspend, abort, set its state, resume."""
    pager.start(program.task)
    program.begin_load(BASE)
    request(pager)
    thread = program.thread
    for call in ("thread_suspend", "thread_abort"):
        assert guests.call(call, thread)[0] == 0
    assert not pager.object.waits
    thread.set(reg.RDI, CODE)
    assert guests.call("thread_resume", thread)[0] == 0
    assert program.end() == LOAD[0]
    program.begin_load(BASE)  # and one that goes on as it was waits again
    guests.run_until(lambda: bool(pager.object.waits))
    assert guests.call("thread_abort", thread)[0] == 0
    guests.run_until(lambda: bool(pager.object.waits))
    pager.supply(0, 3)
    assert program.end() == fill(0)[0]
