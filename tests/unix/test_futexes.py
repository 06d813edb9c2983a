"""Futexes: who sleeps, who is woken, in which order, and by what name."""

from __future__ import annotations

import struct

import pytest
from fakes import Program, Unix

from skerry.abi import linux

MAP = linux.MAP_ANONYMOUS


@pytest.fixture
def programs() -> list[Program]:
    """A parent and three children with a word in shared memory; its address is the same in all."""
    parent = Unix().program()
    address = parent.call("mmap", 0, 4096, linux.PROT_READ | linux.PROT_WRITE, MAP | linux.MAP_SHARED, (1 << 64) - 1, 0)
    assert address > 0
    children = [parent.fork() for _ in range(3)]
    for program in (parent, *children):
        program.word = address  # type: ignore[attr-defined]
    return [parent, *children]


def wait(program: Program, address: int, value: int, timeout: int = 0) -> None:
    program.start("futex", address, linux.FUTEX_WAIT, value, timeout, 0, 0)


def test_value_that_changed_is_not_waited_for(programs: list[Program]) -> None:
    parent = programs[0]
    address = parent.word  # type: ignore[attr-defined]
    assert parent.call("futex", address, linux.FUTEX_WAIT, 1, 0, 0, 0) == -linux.EAGAIN


def test_waiters_are_woken_in_order(programs: list[Program]) -> None:
    parent, *children = programs
    address = parent.word  # type: ignore[attr-defined]
    for child in children:
        wait(child, address, 0)
        assert child.result is None
    assert parent.call("futex", address, linux.FUTEX_WAKE, 1, 0, 0, 0) == 1
    assert [child.result for child in children] == [0, None, None]
    assert parent.call("futex", address, linux.FUTEX_WAKE, 10, 0, 0, 0) == 2
    assert [child.result for child in children] == [0, 0, 0]
    assert parent.call("futex", address, linux.FUTEX_WAKE, 1, 0, 0, 0) == 0


def test_private_word_is_another_in_each_memory(programs: list[Program]) -> None:
    parent, child, *_ = programs
    private = parent.poke(bytes(4))
    wait(child, private, 0)
    assert child.result is None
    assert parent.call("futex", private, linux.FUTEX_WAKE, 1, 0, 0, 0) == 0
    assert child.result is None


def test_time_limit(programs: list[Program]) -> None:
    parent = programs[0]
    wait(parent, parent.word, 0, parent.poke(struct.pack("<qq", 0, 1000)))  # type: ignore[attr-defined]
    assert parent.result is None
    parent.unix.sleep(1000)
    assert parent.result == -linux.ETIMEDOUT


def test_bits_choose_whom_to_wake(programs: list[Program]) -> None:
    parent, first, second, _ = programs
    address = parent.word  # type: ignore[attr-defined]
    first.start("futex", address, linux.FUTEX_WAIT_BITSET, 0, 0, 0, 1)
    second.start("futex", address, linux.FUTEX_WAIT_BITSET, 0, 0, 0, 2)
    assert parent.call("futex", address, linux.FUTEX_WAKE_BITSET, 10, 0, 0, 2) == 1
    assert (first.result, second.result) == (None, 0)


def test_requeued_waiters_wait_for_the_other_word(programs: list[Program]) -> None:
    parent, *children = programs
    address = parent.word  # type: ignore[attr-defined]
    for child in children:
        wait(child, address, 0)
    assert parent.call("futex", address, linux.FUTEX_CMP_REQUEUE, 1, 10, address + 8, 0) == 3
    assert [child.result for child in children] == [0, None, None]
    assert parent.call("futex", address, linux.FUTEX_WAKE, 10, 0, 0, 0) == 0
    assert parent.call("futex", address + 8, linux.FUTEX_WAKE, 10, 0, 0, 0) == 2


def test_signal_breaks_the_sleep_off(programs: list[Program]) -> None:
    parent, child, *_ = programs
    action = child.poke(struct.pack("<QQQQ", 0x400000, 0x04000000, 0x400000, 0))  # a handler; SA_RESTORER
    assert child.call("rt_sigaction", linux.SIGUSR1, action, 0, 8) == 0
    child.thread.user.set(15, child.room(4096) + 4000)
    wait(child, parent.word, 0)  # type: ignore[attr-defined]
    assert parent.call("kill", child.thread.process.pid, linux.SIGUSR1) == 0
    child.unix.loop.run_ready()
    assert child.thread.activity is None
    assert parent.call("futex", parent.word, linux.FUTEX_WAKE, 1, 0, 0, 0) == 0  # type: ignore[attr-defined]


def test_two_systems_share_no_sleepers() -> None:
    one, other = Unix().program(), Unix().program()
    word = one.poke(bytes(4))
    wait(one, word, 0)
    assert other.call("futex", other.poke(bytes(4)), linux.FUTEX_WAKE, 1, 0, 0, 0) == 0
    assert one.result is None


def own(program: Program, operation: int) -> None:
    program.start("futex", program.word, operation, 0, 0, 0, 0)  # type: ignore[attr-defined]


def owner(program: Program) -> int:
    return int.from_bytes(program.peek(program.word, 4), "little") & linux.FUTEX_TID_MASK  # type: ignore[attr-defined]


def test_owned_word_goes_to_the_longest_waiting(programs: list[Program]) -> None:
    parent, first, second, third = programs
    own(parent, linux.FUTEX_LOCK_PI)
    assert owner(parent) == parent.thread.tid
    for child in (first, second, third):
        own(child, linux.FUTEX_LOCK_PI)
    second.thread.process.static_priority = 5
    for left, following in ((parent, second), (second, first), (first, third)):
        own(left, linux.FUTEX_UNLOCK_PI)
        assert owner(parent) == following.thread.tid
        assert following.result == 0
    own(third, linux.FUTEX_UNLOCK_PI)
    assert int.from_bytes(parent.peek(parent.word, 4), "little") == 0  # type: ignore[attr-defined]
    assert parent.unix.system.futexes.owners == {}


def test_only_the_owner_unlocks(programs: list[Program]) -> None:
    parent, child, *_ = programs
    own(parent, linux.FUTEX_LOCK_PI)
    own(child, linux.FUTEX_UNLOCK_PI)
    assert child.result == -linux.EPERM
    own(child, linux.FUTEX_TRYLOCK_PI)
    assert child.result == -linux.EAGAIN


def test_dead_owner_leaves_the_word_to_a_waiter(programs: list[Program]) -> None:
    parent, child, *_ = programs
    own(child, linux.FUTEX_LOCK_PI)
    own(parent, linux.FUTEX_LOCK_PI)
    assert parent.result is None
    child.start("exit_group", 0)
    assert parent.result == 0
    value = int.from_bytes(parent.peek(parent.word, 4), "little")  # type: ignore[attr-defined]
    assert value == parent.thread.tid | linux.FUTEX_OWNER_DIED | linux.FUTEX_WAITERS


def test_waiter_for_several_is_told_which(programs: list[Program]) -> None:
    parent, child, *_ = programs
    address = parent.word  # type: ignore[attr-defined]
    rows = b"".join(struct.pack("<QQII", 0, address + 4 * n, linux.FUTEX_32, 0) for n in range(3))
    parent.start("futex_waitv", parent.poke(rows), 3, 0, 0, 0)
    assert child.call("futex", address + 8, linux.FUTEX_WAKE, 1, 0, 0, 0) == 1
    assert parent.result == 2
    assert child.call("futex", address, linux.FUTEX_WAKE, 1, 0, 0, 0) == 0
