"""Limits on a whole run, on a fake machine: who is refused, who is killed, who must wait."""

from __future__ import annotations

import pytest
from fakes import PAGE, Program, Unix

from skerry.abi import linux
from skerry.unix.limits import OWN, MemoryLimit, ProcessorLimit, TaskLimit, TimeLimit
from skerry.unix.storage import KNOWN, NODE, Storage

MEGABYTE = 1 << 20
WRITE = linux.PROT_READ | linux.PROT_WRITE
PRIVATE = linux.MAP_PRIVATE | linux.MAP_ANONYMOUS


class Limited:
    """A system with a memory limit of 8 MiB, and what it said."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.unix = Unix()
        self.program = self.unix.program()
        self.storage = Storage(8 * MEGABYTE, lambda: self.said.append("full"))
        self.limit = MemoryLimit(8 * MEGABYTE, self.storage, self.said.append)
        self.program.thread.process.memory.run_limit = self.limit
        self.limit.watch(self.unix.system)


@pytest.fixture
def limited() -> Limited:
    return Limited()


def grow(program: Program, size: int) -> int:
    return program.call("mmap", 0, size, WRITE, PRIVATE, (1 << 64) - 1, 0)


def test_a_mapping_that_is_too_much_is_refused_and_a_smaller_one_is_not(limited: Limited) -> None:
    assert grow(limited.program, 9 * MEGABYTE) == -linux.ENOMEM
    assert limited.said == ["a mapping was refused (ENOMEM)"]
    assert grow(limited.program, 4 * MEGABYTE) > 0
    assert grow(limited.program, 4 * MEGABYTE) == -linux.ENOMEM


def test_memory_that_was_given_back_can_be_had_again(limited: Limited) -> None:
    address = grow(limited.program, 6 * MEGABYTE)
    assert grow(limited.program, 6 * MEGABYTE) == -linux.ENOMEM
    assert limited.program.call("munmap", address, 6 * MEGABYTE) == 0
    assert grow(limited.program, 6 * MEGABYTE) > 0


def test_the_limit_holds_for_all_processes_together(limited: Limited) -> None:
    other = limited.unix.program()
    other.thread.process.memory.run_limit = limited.limit
    address = grow(limited.program, 5 * MEGABYTE)
    assert grow(other, 3 * MEGABYTE) == -linux.ENOMEM
    assert limited.program.call("munmap", address, 5 * MEGABYTE) == 0
    assert grow(other, 3 * MEGABYTE) > 0


def test_the_biggest_process_is_killed_when_memory_was_taken_without_a_call(limited: Limited) -> None:
    child = limited.program.fork()
    for number in range(9 * MEGABYTE // PAGE):
        child.thread.process.memory.space.pages[number + (1 << 20)] = limited.program.thread.process.memory.space.pages[16]  # type: ignore[attr-defined]
    limited.unix.sleep(2_000_000_000)
    assert child.thread.process.exit_status == linux.SIGKILL
    assert limited.program.thread.process.exit_status is None
    assert limited.said == [f"process {child.thread.process.pid} () was killed (SIGKILL)"]


def test_files_leave_room_for_processes(limited: Limited) -> None:
    limited.unix.sleep(2_000_000_000)
    assert limited.storage.left() <= 6 * MEGABYTE - MEGABYTE  # a quarter, and what the program has in use


def test_storage_counts_what_is_there_and_forgets_what_is_gone() -> None:
    class Contents:
        stored = 3000

    storage = Storage(10_000, lambda: None)
    kept, gone = Contents(), Contents()
    storage.add_file(kept)
    storage.add_file(gone)
    assert storage.reserve(5000) == 5000  # it is never written: what counts is what is stored
    assert storage.reserve(6000) == 4000
    del gone
    assert storage.reserve(8000) == 7000
    assert storage.used() == 3000


def test_inodes_cost_something() -> None:
    unix = Unix()
    unix.root.fs.storage = Storage(10 * NODE, lambda: None)
    program = unix.program()
    made = 0
    while (result := program.call("mkdir", b"/d%d" % made, 0o755)) == 0:
        made += 1
    assert (made, result) == (10, -linux.ENOSPC)


def test_tasks_are_refused_at_their_limit_zombies_included() -> None:
    unix = Unix()
    said: list[str] = []
    unix.system.limits.tasks = TaskLimit(2, said.append)
    program = unix.program()
    child = program.fork()
    child.start("exit_group", 0)
    assert program.call("fork") == -linux.EAGAIN
    assert said == ["a new process or thread was refused (EAGAIN)"]
    assert program.call("wait4", -1, 0, 0, 0) > 0
    assert program.call("fork") > 0


def test_all_die_when_the_time_is_up() -> None:
    unix = Unix()
    said: list[str] = []
    program = unix.program()
    child = program.fork()
    TimeLimit(1_000_000_000, said.append).watch(unix.system)
    unix.sleep(999_999_999)
    assert program.thread.process.exit_status is None
    unix.sleep(1)
    assert (program.thread.process.exit_status, child.thread.process.exit_status) == (linux.SIGKILL, linux.SIGKILL)
    assert len(said) == 1


@pytest.mark.parametrize(("limit", "used", "paused"), [(0.5, 50, 50), (0.5, 25, 0), (2.0, 50, 0), (0.25, 50, 100)])
def test_who_uses_too_much_processor_time_stands_still(limit: float, used: int, paused: int) -> None:
    """In 50 ms, ``used`` ms were used: for ``paused`` ms nothing runs."""
    unix = Unix()
    program = unix.program()
    ProcessorLimit(limit).watch(unix.system)
    program.thread.process.memory.space.used_time = used * 1_000_000  # type: ignore[attr-defined]
    unix.sleep(50_000_000)
    assert unix.platform.passed == (50 + paused) * 1_000_000


def test_what_the_system_keeps_for_programs_counts_and_who_it_is_kept_for_is_killed(limited: Limited) -> None:
    unix, other = limited.unix, limited.unix.program()
    assert grow(other, 1 * MEGABYTE) > 0
    ends = limited.program.room(8)
    for _ in range(40):
        assert limited.program.call("pipe", ends) == 0
        write = int.from_bytes(limited.program.peek(ends + 4, 4), "little")
        assert limited.program.call("write", write, limited.program.poke(bytes(60_000)), 60_000) == 60_000
    unix.platform.own += OWN + 5 * MEGABYTE
    unix.sleep(2_000_000_000)
    assert not limited.said
    unix.platform.own += 3 * MEGABYTE
    unix.platform.unused = 3 * MEGABYTE  # given back before anybody is killed
    unix.sleep(2_000_000_000)
    assert not limited.said
    unix.platform.own += 3 * MEGABYTE
    limited.storage.looked_at = 3 * MEGABYTE // KNOWN + 1  # it is for them that it has more
    unix.sleep(2_000_000_000)
    assert not limited.said
    limited.storage.looked_at = 0
    unix.sleep(20_000_000)
    assert limited.program.thread.process.exit_status == linux.SIGKILL
    assert len(limited.said) == 1
