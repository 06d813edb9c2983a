"""Random programs, a pager that answers as it likes, and a model of what must come of it: contents, dirty pages, locks."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from tests.mach.guests import Guests
from tests.mach.paging import BASE, NO_CHANGE, PAGE, READ, WRITE, Pager, Program

from skerry.abi import mach
from skerry.abi.fault import Fault
from skerry.mach.errors import KernReturn
from skerry.machine import Machine

pytestmark = pytest.mark.machine
PAGES = 12
AT = st.integers(0, PAGES - 1)
LOCK = st.sampled_from([0, 0, WRITE, READ | WRITE])
RETURN = st.sampled_from([mach.MEMORY_OBJECT_RETURN_NONE, mach.MEMORY_OBJECT_RETURN_DIRTY, mach.MEMORY_OBJECT_RETURN_ALL])
ANSWER = st.sampled_from(["supply", "supply", "supply", "locked", "precious", "one by one", "backwards", "unavailable", "error", "flush"])


class Paging(RuleBasedStateMachine):
    """Two programs share the object, a third has a copy of it. A page holds one byte, again and again."""

    def __init__(self, machine: Machine) -> None:
        super().__init__()
        self.guests = Guests(machine)
        self.pager = Pager(self.guests)
        self.programs = [Program(self.guests) for _ in range(3)]
        self.pager.start(self.programs[0].task, PAGES)
        assert self.pager.map(self.programs[1].task, PAGES) == 0
        assert self.pager.map(self.programs[2].task, PAGES, copy=True) == 0
        self.stored = [at + 1 for at in range(PAGES)]  # what the pager has
        self.there: dict[int, int] = {}  # page: what it holds in memory
        self.dirty: set[int] = set()
        self.precious: set[int] = set()
        self.locks: dict[int, int] = {}
        self.copied: dict[int, int] = {}  # what the copy holds, where it is not what the object held first
        self.original = list(self.stored)

    def teardown(self) -> None:
        self.guests.end()

    # The pager
    def supply(self, first: int, last: int, lock: int = 0, precious: bool = False) -> None:
        data = b"".join(bytes([self.stored[at]]) * PAGE for at in range(first, last + 1))
        assert self.pager.supply(first, last, lock, int(precious), data=data) == 0
        for at in range(first, last + 1):
            if at not in self.there:
                self.there[at], self.locks[at] = self.stored[at], lock
                if precious:
                    self.precious.add(at)

    def request_lock(self, first: int, last: int, should_return: int, flush: bool, lock: int) -> None:
        assert self.pager.lock(first, last, should_return, int(flush), lock) == 0
        for at in range(first, last + 1):
            returned = (should_return and at in self.dirty) or (should_return == mach.MEMORY_OBJECT_RETURN_ALL and at in self.precious)
            if returned:
                self.dirty.discard(at)
            if flush:
                self.there.pop(at, None)
                self.dirty.discard(at)
                self.precious.discard(at)
                self.locks.pop(at, None)
            elif at in self.there and lock != NO_CHANGE:
                self.locks[at] = lock

    def answer(self, how: str) -> None:
        """One message of the kernel's."""
        said = self.pager.said()
        if said.name == "data_return":
            offset, data, _, _ = said.arguments
            assert isinstance(offset, int)
            assert isinstance(data, bytes)
            for at in range(len(data) // PAGE):
                page = data[at * PAGE : (at + 1) * PAGE]
                self.stored[offset // PAGE + at] = page[0]
                assert page == page[:1] * PAGE
            return
        first, count = said.arguments[0] // PAGE, said.arguments[1] // PAGE  # type: ignore[operator]
        last = first + count - 1
        if how == "error":
            assert self.pager.call("data_error", first * PAGE, count * PAGE, 0) == 0
        elif said.name == "data_unlock":
            if how == "flush":
                self.request_lock(first, last, mach.MEMORY_OBJECT_RETURN_DIRTY, True, NO_CHANGE)
            else:
                self.request_lock(first, last, 0, False, 0)
        elif how == "one by one":
            for at in range(first, last + 1):
                self.supply(at, at)
        elif how == "backwards":
            for at in range(last, first - 1, -1):
                self.supply(at, at)
        elif how == "unavailable" and all(self.stored[at] == 0 for at in range(first, last + 1)):
            assert self.pager.call("data_unavailable", first * PAGE, count * PAGE) == 0
            for at in range(first, last + 1):
                if at not in self.there:
                    self.there[at], self.locks[at] = 0, 0
        else:
            self.supply(first, last, WRITE if how == "locked" else 0, how == "precious")

    def pump(self, program: Program, answers: list[str]) -> bool:
        """Let the pager answer until the program is done; False: it got an exception. Past the list of answers the pager is good."""
        exceptions = self.guests.server.space.lookup(program.exceptions).port
        queue = self.pager.port
        while not program.done:
            self.guests.run_until(lambda: program.done or bool(exceptions.messages) or bool(queue.messages))
            if exceptions.messages:
                assert program.exception()[1] in (KernReturn.MEMORY_ERROR, KernReturn.MEMORY_FAILURE)
                return False
            if queue.messages:
                self.answer(answers.pop(0) if answers else "supply")
        return True

    @rule(which=st.integers(0, 1), at=AT, answers=st.lists(ANSWER, max_size=4))
    def load(self, which: int, at: int, answers: list[str]) -> None:
        program = self.programs[which]
        program.begin_load(BASE + at * PAGE + 17)
        if self.pump(program, answers):
            assert program.end() == self.there[at]
            assert not self.locks[at] & READ

    @rule(which=st.integers(0, 1), at=AT, value=st.integers(0, 255), answers=st.lists(ANSWER, max_size=4))
    def store(self, which: int, at: int, value: int, answers: list[str]) -> None:
        """All bytes of the page, the first by the program, the others by vm_write."""
        program = self.programs[which]
        program.begin_store(BASE + at * PAGE, value)
        if self.pump(program, answers):
            program.end()
            assert not self.locks[at] & WRITE
            assert self.guests.call("vm_write", program.task, BASE + at * PAGE, bytes([value]) * PAGE)[0] == 0
            self.there[at] = value
            opened = {page for page, state in self.pager.object.pages.items() if state.dirty}
            assert self.dirty | {at} <= opened
            assert all(at < page < at + 16 and not self.locks[page] & WRITE for page in opened - self.dirty - {at})
            self.dirty = opened  # whoever writes in order gets the next pages, too

    @rule(at=AT, answers=st.lists(ANSWER, max_size=4))
    def load_of_the_copy(self, at: int, answers: list[str]) -> None:
        program = self.programs[2]
        program.begin_load(BASE + at * PAGE + 99)
        if self.pump(program, answers):
            assert program.end() == self.copied.get(at, self.original[at])

    @rule(at=AT, value=st.integers(0, 255), answers=st.lists(ANSWER, max_size=4))
    def store_to_the_copy(self, at: int, value: int, answers: list[str]) -> None:
        program = self.programs[2]
        program.begin_store(BASE + at * PAGE + 99, value)
        if self.pump(program, answers):
            program.end()
            self.copied[at] = value

    @rule(first=AT, count=st.integers(1, 5), lock=LOCK)
    def supply_unasked(self, first: int, count: int, lock: int) -> None:
        self.drain()
        self.supply(first, min(first + count, PAGES) - 1, lock)

    @rule(first=AT, count=st.integers(1, PAGES), should_return=RETURN, flush=st.booleans(), lock=st.sampled_from([NO_CHANGE, 0, 2, 3]))
    def lock_request(self, first: int, count: int, should_return: int, flush: bool, lock: int) -> None:
        if flush and not should_return:
            should_return = mach.MEMORY_OBJECT_RETURN_DIRTY  # a pager that loses what was written changes what a copy sees
        self.request_lock(first, min(first + count, PAGES) - 1, should_return, flush, lock)
        self.drain()

    @rule()
    def map_once_more(self) -> None:
        task = self.programs[1].task
        assert self.guests.call("vm_deallocate", task, BASE, PAGES * PAGE)[0] == 0
        assert self.pager.map(task, PAGES) == 0

    def drain(self) -> None:
        """What the kernel has returned."""
        self.guests.kernel.processor.run()
        while self.pager.port.messages:
            self.answer("supply")

    @invariant()
    def the_kernel_knows_what_the_model_knows(self) -> None:
        pages = self.pager.object.pages
        assert {at: page.lock for at, page in pages.items()} == self.locks
        assert {at for at, page in pages.items() if page.dirty} == self.dirty
        assert {at for at, page in pages.items() if page.precious} == self.precious
        assert all(page.writable == page.dirty or not page.writable for page in pages.values())

    @invariant()
    def nothing_is_shown_that_may_not_be(self) -> None:
        for program in self.programs[:2]:
            for at in range(PAGES):
                try:
                    (seen,) = program.task.map.space.read(BASE + at * PAGE, 1)
                except Fault:
                    continue
                assert not self.locks[at] & READ
                assert seen == self.there[at]

    @invariant()
    def pages_are_counted(self) -> None:
        objects = {id(region.pages): region.pages for program in self.programs for region in program.task.map.regions if region.pages}
        assert self.guests.kernel.resident.count == sum(len(pages.pages) for pages in objects.values())


def test_random_paging(machine: Machine) -> None:
    run_state_machine_as_test(
        lambda: Paging(machine),
        settings=settings(max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)),
    )
