"""Memory of tasks: each vm_* call, what children inherit, and a model of random calls."""

from __future__ import annotations

import gc
import weakref
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from tests.mach.guests import Guests

from skerry.abi import mach
from skerry.abi.fault import Fault
from skerry.mach import vm_calls as vm
from skerry.mach.errors import KernError, KernReturn
from skerry.mach.kernel import Kernel
from skerry.mach.task import Task, task_create
from skerry.mach.vm import COPY_LIMIT, MemoryCopy
from skerry.machine import Machine, MemoryObject

pytestmark = pytest.mark.machine

PAGE = mach.PAGE_SIZE
BASE = 0x10000000
READ, WRITE, ALL, NONE = mach.VM_PROT_READ, mach.VM_PROT_WRITE, mach.VM_PROT_ALL, mach.VM_PROT_NONE
SHARE, COPY, NOT = mach.VM_INHERIT_SHARE, mach.VM_INHERIT_COPY, mach.VM_INHERIT_NONE


@pytest.fixture
def task(guests: Guests) -> Task:
    return guests.task()[0]


def child_of(task: Task, guests: Guests) -> Task:
    child, _ = task_create(task)
    guests.tasks.append(child)
    return child


def failure(call: object, *arguments: object) -> KernReturn:
    with pytest.raises(KernError) as caught:
        call(*arguments)  # type: ignore[operator]
    return caught.value.code


def test_allocated_memory_is_zero_and_holds_what_is_written(task: Task) -> None:
    address = vm.vm_allocate(task.map, 0, 3 * PAGE, True)
    assert vm.vm_read(task.map, address, 3 * PAGE) == bytes(3 * PAGE)
    vm.vm_write(task.map, address + 5, b"skerry")
    assert vm.vm_read(task.map, address + 4, 8) == b"\0skerry\0"


def test_ranges_are_rounded_to_pages(task: Task) -> None:
    assert vm.vm_allocate(task.map, BASE + 1, PAGE, False) == BASE
    assert vm.vm_region(task.map, BASE).size == 2 * PAGE


def test_allocating_nothing_gives_address_0(task: Task) -> None:
    assert vm.vm_allocate(task.map, BASE, 0, False) == 0
    assert failure(vm.vm_read, task.map, BASE, 1) is KernReturn.INVALID_ADDRESS


@pytest.mark.parametrize(
    ("address", "size", "anywhere", "code"),
    [
        (BASE, PAGE, False, KernReturn.NO_SPACE),
        (BASE - PAGE, 2 * PAGE, False, KernReturn.NO_SPACE),
        ((1 << 47) - PAGE, PAGE, False, KernReturn.INVALID_ADDRESS),
        (BASE, (1 << 64) - PAGE, False, KernReturn.INVALID_ADDRESS),
        (0, 1 << 60, True, KernReturn.NO_SPACE),
    ],
)
def test_refused_allocations_change_nothing(task: Task, address: int, size: int, anywhere: bool, code: KernReturn) -> None:
    vm.vm_allocate(task.map, BASE, PAGE, False)
    before = [(r.start, r.end) for r in task.map.regions]
    assert failure(vm.vm_allocate, task.map, address, size, anywhere) is code
    assert [(r.start, r.end) for r in task.map.regions] == before


def test_deallocation_skips_holes(task: Task) -> None:
    vm.vm_allocate(task.map, BASE, PAGE, False)
    vm.vm_deallocate(task.map, BASE - PAGE, 3 * PAGE)
    with pytest.raises(Fault):
        task.map.space.read(BASE, 1)


def test_protection_stays_below_the_maximum(task: Task) -> None:
    vm.vm_allocate(task.map, BASE, 3 * PAGE, False)
    vm.vm_write(task.map, BASE, b"x")
    vm.vm_protect(task.map, BASE + PAGE, PAGE, True, READ)
    assert failure(vm.vm_protect, task.map, BASE, 3 * PAGE, False, READ | WRITE) is KernReturn.PROTECTION_FAILURE
    assert failure(vm.vm_write, task.map, BASE + PAGE, b"x") is KernReturn.PROTECTION_FAILURE
    assert failure(vm.vm_protect, task.map, BASE + PAGE, PAGE, True, ALL) is KernReturn.PROTECTION_FAILURE  # never widened
    info = vm.vm_region(task.map, BASE + PAGE)
    assert (info.address, info.size, info.protection, info.max_protection) == (BASE + PAGE, PAGE, READ, READ)
    with pytest.raises(Fault):
        task.map.space.write(BASE + PAGE, b"x")


def test_protecting_a_hole_changes_nothing(task: Task) -> None:
    vm.vm_allocate(task.map, BASE, PAGE, False)
    assert failure(vm.vm_protect, task.map, BASE, 2 * PAGE, False, READ) is KernReturn.INVALID_ADDRESS
    vm.vm_write(task.map, BASE, b"still writable")


def test_unreadable_memory_is_refused(task: Task) -> None:
    vm.vm_allocate(task.map, BASE, 2 * PAGE, False)
    vm.vm_protect(task.map, BASE + PAGE, PAGE, False, NONE)
    assert failure(vm.vm_read, task.map, BASE, 2 * PAGE) is KernReturn.PROTECTION_FAILURE
    assert failure(vm.vm_copy, task.map, BASE + PAGE, PAGE, BASE) is KernReturn.PROTECTION_FAILURE


@pytest.mark.parametrize(("source", "target"), [(0, 1000), (1000, 0), (0, PAGE * 2)])
def test_copies_may_overlap(task: Task, source: int, target: int) -> None:
    vm.vm_allocate(task.map, BASE, 4 * PAGE, False)
    data = bytes(range(256)) * 24
    vm.vm_write(task.map, BASE + source, data)
    vm.vm_copy(task.map, BASE + source, len(data), BASE + target)
    assert vm.vm_read(task.map, BASE + target, len(data)) == data


def test_large_overlapping_copy_moves_each_byte_once(task: Task) -> None:
    size = 3 << 20
    vm.vm_allocate(task.map, BASE, 2 * size, False)
    data = b"".join(n.to_bytes(4, "little") for n in range(size // 4))
    vm.vm_write(task.map, BASE, data)
    vm.vm_copy(task.map, BASE, size, BASE + PAGE)
    assert vm.vm_read(task.map, BASE + PAGE, size) == data


def test_region_is_the_next_one_above(task: Task) -> None:
    vm.vm_allocate(task.map, BASE, PAGE, False)
    assert vm.vm_region(task.map, BASE - 10 * PAGE).address == BASE
    assert failure(vm.vm_region, task.map, BASE + PAGE) is KernReturn.NO_SPACE


def test_neighbours_of_one_kind_are_one_region(task: Task) -> None:
    for page in (0, 2, 1):
        vm.vm_allocate(task.map, BASE + page * PAGE, PAGE, False)
    assert vm.vm_region(task.map, BASE).size == 3 * PAGE


def test_memory_object_is_shared_or_copied(task: Task) -> None:
    backing = MemoryObject(2 * PAGE)
    backing.write(PAGE, b"object")
    shared = vm.vm_map(task.map, 0, PAGE, True, backing, PAGE, False, READ | WRITE, ALL, SHARE)
    private = vm.vm_map(task.map, 0, PAGE, True, backing, PAGE, True, READ | WRITE, ALL, COPY)
    vm.vm_write(task.map, private, b"MINE")
    assert backing.read(PAGE, 6) == b"object"
    vm.vm_write(task.map, shared, b"OURS")
    assert backing.read(PAGE, 6) == b"OURSct"
    assert vm.vm_read(task.map, private, 6) == b"MINEct"


@pytest.mark.parametrize(
    ("protection", "maximum", "inheritance", "offset"), [(ALL, READ, COPY, 0), (READ, ALL, 7, 0), (READ, 8, COPY, 0), (READ, ALL, COPY, 5)]
)
def test_map_checks_its_arguments(task: Task, protection: int, maximum: int, inheritance: int, offset: int) -> None:
    arguments = (task.map, BASE, PAGE, False, None, offset, False, protection, maximum, inheritance)
    assert failure(vm.vm_map, *arguments) is KernReturn.INVALID_ARGUMENT


def test_children_share_copy_or_lack_memory(task: Task, guests: Guests) -> None:
    for page, inheritance in enumerate((SHARE, COPY, NOT)):
        vm.vm_allocate(task.map, BASE + page * PAGE, PAGE, False)
        vm.vm_write(task.map, BASE + page * PAGE, b"before")
        vm.vm_inherit(task.map, BASE + page * PAGE, PAGE, inheritance)
    child = child_of(task, guests)
    vm.vm_write(task.map, BASE, b"parent")
    vm.vm_write(task.map, BASE + PAGE, b"parent")
    assert vm.vm_read(child.map, BASE, 6) == b"parent"
    assert vm.vm_read(child.map, BASE + PAGE, 6) == b"before"
    assert failure(vm.vm_read, child.map, BASE + 2 * PAGE, 6) is KernReturn.INVALID_ADDRESS
    vm.vm_write(child.map, BASE, b"child!")
    vm.vm_write(child.map, BASE + PAGE, b"child!")
    assert vm.vm_read(task.map, BASE, 12) == b"child!" + bytes(6)
    assert vm.vm_read(task.map, BASE + PAGE, 6) == b"parent"
    with pytest.raises(Fault):
        child.map.space.read(BASE + 2 * PAGE, 1)


def test_shared_memory_that_is_to_be_copied_is_copied(task: Task, guests: Guests) -> None:
    vm.vm_allocate(task.map, BASE, PAGE, False)
    vm.vm_inherit(task.map, BASE, PAGE, SHARE)
    vm.vm_write(task.map, BASE, b"before")
    vm.vm_inherit(task.map, BASE, PAGE, COPY)
    vm.vm_protect(task.map, BASE, PAGE, False, NONE)
    child = child_of(task, guests)
    vm.vm_protect(task.map, BASE, PAGE, False, READ | WRITE)
    vm.vm_write(task.map, BASE, b"after!")
    assert vm.vm_region(child.map, BASE).protection == NONE
    vm.vm_protect(child.map, BASE, PAGE, False, READ)
    assert vm.vm_read(child.map, BASE, 6) == b"before"


def test_more_than_one_copy_may_hold_is_refused_and_changes_nothing(task: Task) -> None:
    size = COPY_LIMIT + PAGE
    vm.vm_allocate(task.map, BASE, size, False)
    before = [(r.start, r.end, r.inheritance, r.shared) for r in task.map.regions]
    for call in (
        lambda: vm.vm_read(task.map, BASE, size),
        lambda: vm.vm_copy(task.map, BASE, size, BASE),
        lambda: vm.vm_inherit(task.map, BASE, size, SHARE),
        lambda: task.map.copyin(BASE, size, True),
    ):
        assert failure(call) is KernReturn.RESOURCE_SHORTAGE
    assert [(r.start, r.end, r.inheritance, r.shared) for r in task.map.regions] == before


def test_out_of_line_data_is_a_copy_and_deallocate_moves(task: Task, guests: Guests) -> None:
    other = guests.task()[0]
    vm.vm_allocate(task.map, BASE, 4 * PAGE, False)
    vm.vm_write(task.map, BASE + 100, b"payload")
    copy = task.map.copyin(BASE + 100, 2 * PAGE, False)
    moved = task.map.copyin(BASE + 3 * PAGE, PAGE, True)
    vm.vm_write(task.map, BASE + 100, b"changed")
    address = other.map.copyout(copy, 2 * PAGE)
    assert vm.vm_read(other.map, address, 7) == b"payload"
    vm.vm_write(other.map, address, b"theirs!")
    assert isinstance(copy, MemoryCopy)
    assert isinstance(moved, MemoryCopy)
    assert copy.contents()[:7] == b"payload"
    assert vm.vm_region(task.map, BASE).size == 3 * PAGE
    assert moved.contents() == bytes(PAGE)


def test_what_a_server_only_notes_is_what_regions_say(task: Task) -> None:
    """More changes than are kept as notes."""
    task.map.map_noted(BASE, 400 * PAGE, READ, False, None, 0)
    for page in range(0, 400, 2):
        task.map.protect_noted(BASE + page * PAGE, PAGE, READ | WRITE)
    for page in range(200, 400):
        task.map.unmap_noted(BASE + page * PAGE, PAGE)
    task.map.move_noted(BASE, 2 * PAGE, BASE + 300 * PAGE, 2 * PAGE)
    regions = [(r.start, r.protection) for r in task.map.regions if r.start >= BASE]
    assert regions[0] == (BASE + 2 * PAGE, READ | WRITE)
    assert len(regions) == 200
    assert regions[-2:] == [(BASE + 300 * PAGE, READ | WRITE), (BASE + 301 * PAGE, READ)]
    task.map.space.write(BASE + 300 * PAGE, b"x")


PAGES = 8
page = st.integers(0, PAGES - 1)
count = st.integers(1, 3)
protection = st.sampled_from((NONE, READ, READ | WRITE, ALL))


class Memory(RuleBasedStateMachine):
    """Two tasks, one the other's child; a page of the model is [protection, maximum, inheritance, cell], and cells may be shared."""

    machine: Machine

    def __init__(self) -> None:
        super().__init__()
        self.kernel = Kernel(self.machine)
        self.tasks = [self.kernel.first_task(None)[0]]
        self.models: list[dict[int, list[object]]] = [{}]
        self.written = 0
        vm.vm_allocate(self.tasks[0].map, BASE, 6 * PAGE, False)
        self.models[0].update({n: [READ | WRITE, ALL, COPY, [0]] for n in range(6)})

    def pick(self, who: int) -> tuple[Task, dict[int, list[object]]]:
        return self.tasks[who % len(self.tasks)], self.models[who % len(self.tasks)]

    @rule(who=page, at=page, pages=count)
    def allocate(self, who: int, at: int, pages: int) -> None:
        task, model = self.pick(who)
        span = range(at, at + pages)
        if any(n in model for n in span):
            assert failure(vm.vm_allocate, task.map, BASE + at * PAGE, pages * PAGE, False) is KernReturn.NO_SPACE
            return
        vm.vm_allocate(task.map, BASE + at * PAGE, pages * PAGE, False)
        for n in span:
            model[n] = [READ | WRITE, ALL, COPY, [0]]

    @rule(who=page, at=page, pages=count)
    def deallocate(self, who: int, at: int, pages: int) -> None:
        task, model = self.pick(who)
        vm.vm_deallocate(task.map, BASE + at * PAGE, pages * PAGE)
        for n in range(at, at + pages):
            model.pop(n, None)

    @rule(who=page, at=page, pages=count, new=protection, maximum=st.booleans())
    def protect(self, who: int, at: int, pages: int, new: int, maximum: bool) -> None:
        task, model = self.pick(who)
        span = range(at, at + pages)
        arguments = (task.map, BASE + at * PAGE, pages * PAGE, maximum, new)
        if any(n not in model for n in span):
            assert failure(vm.vm_protect, *arguments) is KernReturn.INVALID_ADDRESS
        elif any(new & ~model[n][1] for n in span):  # type: ignore[operator]
            assert failure(vm.vm_protect, *arguments) is KernReturn.PROTECTION_FAILURE
        else:
            vm.vm_protect(*arguments)
            for n in span:
                if maximum:
                    model[n][1] = new
                    model[n][0] &= new  # type: ignore[operator]
                else:
                    model[n][0] = new

    @rule(who=page, at=page, pages=count, new=st.sampled_from((SHARE, COPY, NOT)))
    def inherit(self, who: int, at: int, pages: int, new: int) -> None:
        task, model = self.pick(who)
        vm.vm_inherit(task.map, BASE + at * PAGE, pages * PAGE, new)
        for n in range(at, at + pages):
            if n in model:
                model[n][2] = new

    @rule(who=page, at=page)
    def write(self, who: int, at: int) -> None:
        task, model = self.pick(who)
        self.written = self.written % 255 + 1
        data = bytes([self.written])
        if at not in model:
            assert failure(vm.vm_write, task.map, BASE + at * PAGE, data) is KernReturn.INVALID_ADDRESS
        elif not model[at][0] & WRITE:  # type: ignore[operator]
            assert failure(vm.vm_write, task.map, BASE + at * PAGE, data) is KernReturn.PROTECTION_FAILURE
        else:
            vm.vm_write(task.map, BASE + at * PAGE, data)
            model[at][3][0] = self.written  # type: ignore[index]

    @rule(who=page, at=page, pages=count, to=page)
    def message(self, who: int, at: int, pages: int, to: int) -> None:
        """Out-of-line data from one task to the other."""
        task, model = self.pick(who)
        if any(n not in model or not model[n][0] & READ for n in range(at, at + pages)):  # type: ignore[operator]
            return
        copy = task.map.copyin(BASE + at * PAGE, pages * PAGE, False)
        target, _ = self.pick(to)
        address = target.map.copyout(copy, pages * PAGE)
        for n in range(pages):
            assert vm.vm_read(target.map, address + n * PAGE, 1)[0] == model[at + n][3][0]  # type: ignore[index]
        vm.vm_deallocate(target.map, address, pages * PAGE)

    @rule(who=page, at=page, before=st.sampled_from((SHARE, COPY)), new=st.sampled_from((SHARE, COPY, NOT)))
    def inherit_and_create(self, who: int, at: int, before: int, new: int) -> None:
        self.inherit(who, at, 1, before)
        self.inherit(who, at, 1, new)
        self.create(who)

    @rule(who=page)
    def create(self, who: int) -> None:
        task, model = self.pick(who)
        child, _ = task_create(task)
        copied: dict[int, list[object]] = {}
        for n, (now, maximum, inheritance, cell) in model.items():
            if inheritance != NOT:
                copied[n] = [now, maximum, inheritance, cell if inheritance == SHARE else list(cell)]  # type: ignore[call-overload]
        self.tasks.append(child)
        self.models.append(copied)
        if len(self.tasks) > 2:
            self.tasks.pop(0).terminate()
            self.models.pop(0)

    @invariant()
    def memory_and_regions_are_as_the_model_says(self) -> None:
        for task, model in zip(self.tasks, self.models, strict=True):
            regions = task.map.regions
            assert all(a.end <= b.start and not b.continues(a) for a, b in pairwise(regions))
            for n in range(PAGES + 3):
                address = BASE + n * PAGE
                region = next((r for r in regions if r.start <= address < r.end), None)
                if n not in model:
                    assert region is None
                else:
                    assert region is not None
                    assert [region.protection, region.maximum, region.inheritance] == model[n][:3]
                if region is not None and region.protection & READ:
                    assert task.map.space.read(address, 1)[0] == model[n][3][0]  # type: ignore[index]
                else:
                    with pytest.raises(Fault):
                        task.map.space.read(address, 1)

    def teardown(self) -> None:
        for task in self.tasks:
            task.terminate()


@pytest.mark.slow
def test_random_calls_leave_memory_as_the_model_says(machine: Machine) -> None:
    class Here(Memory):
        pass

    Here.machine = machine
    many = settings(max_examples=200, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(Here, settings=many)


def test_task_that_ends_is_freed_at_once(guests: Guests) -> None:
    """No cycle of references keeps it: a system that forks all the time would grow until the garbage collector came."""
    task = guests.task()[0]
    guests.tasks.remove(task)
    gc.disable()
    try:
        seen = weakref.ref(task.map)
        task.terminate()
        del task
        assert seen() is None
    finally:
        gc.enable()
