"""What processes use is told by getrusage, wait4 and times."""

from __future__ import annotations

import struct

from fakes import Program, Unix

from skerry.abi import linux

PACKED = struct.Struct("<4q4q2q")


def used(program: Program, address: int) -> tuple[int, int, int, int, int]:
    """Microseconds of user and system time, peak in KiB, small and large faults."""
    words = PACKED.unpack(program.peek(address, PACKED.size))
    return (words[0] * 1_000_000 + words[1], words[2] * 1_000_000 + words[3], words[4], words[8], words[9])


def rusage(program: Program, who: int) -> tuple[int, int, int, int, int]:
    address = program.room(144)
    assert program.call("getrusage", who, address) == 0
    return used(program, address)


def spend(program: Program, nanoseconds: int) -> None:
    program.thread.process.memory.space.used_time = nanoseconds  # type: ignore[attr-defined]  # the fake's


def test_time_divides_as_the_ticks_do() -> None:
    program = Unix().program()
    spend(program, 2_000_000_000)
    user, system, peak, small, large = rusage(program, linux.RUSAGE_SELF)
    assert (user, system, small, large) == (1_500_000, 500_000, 10, 2)
    assert peak == program.thread.process.memory.space.resident() >> 10


def test_children_count_once_they_were_waited_for_and_theirs_with_them() -> None:
    program = Unix().program()
    child = program.fork()
    grandchild = child.fork()
    spend(grandchild, 400_000_000)
    grandchild.start("exit_group", 0)
    assert child.call("wait4", -1, 0, 0, 0) == grandchild.thread.process.pid
    spend(child, 800_000_000)
    child.start("exit_group", 0)
    assert rusage(program, linux.RUSAGE_CHILDREN)[:2] == (0, 0)
    address = program.room(144)
    assert program.call("wait4", -1, 0, 0, address) == child.thread.process.pid
    assert used(program, address)[:2] == (900_000, 300_000)
    assert rusage(program, linux.RUSAGE_CHILDREN)[:2] == (900_000, 300_000)
    assert used(program, address)[3:] == (20, 4)


def test_times_tells_the_same_in_ticks() -> None:
    program = Unix().program()
    spend(program, 4_000_000_000)
    address = program.room(32)
    assert program.call("times", address) >= 0
    assert struct.unpack("<4q", program.peek(address, 32)) == (300, 100, 0, 0)
