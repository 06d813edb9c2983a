"""Record locks against a model that knows who holds each byte, and flock against one that knows who holds the file."""

from __future__ import annotations

import struct

import pytest
from fakes import Program, Unix
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from skerry.abi import linux

SIZE = 12  # bytes that the model tells apart; what lies beyond is one more
WHO = st.integers(0, 2)
KINDS = st.sampled_from((linux.F_RDLCK, linux.F_WRLCK, linux.F_UNLCK))


def flock_struct(kind: int, start: int, length: int) -> bytes:
    return struct.pack("<hh4xqqi4x", kind, linux.SEEK_SET, start, length, 0)


class RecordLockMachine(RuleBasedStateMachine):
    """Three processes lock ranges of one file."""

    @initialize()
    def open(self) -> None:
        parent = Unix().program()
        assert parent.call("open", b"/f", linux.O_RDWR | linux.O_CREAT, 0o600) == 0
        self.programs = [parent, parent.fork(), parent.fork()]
        self.held: list[dict[int, int]] = [{}, {}, {}]  # of each process: byte, kind

    def _range(self, start: int, length: int) -> range:
        return range(start, min(start + length, SIZE + 1) if length else SIZE + 1)

    def _obstacles(self, who: int, kind: int, bytes_: range) -> list[tuple[int, int]]:
        exclusive = kind == linux.F_WRLCK
        others = [other for other in range(3) if other != who]
        return [(b, o) for b in bytes_ for o in others if b in self.held[o] and (exclusive or self.held[o][b] == linux.F_WRLCK)]

    @rule(who=WHO, kind=KINDS, start=st.integers(0, SIZE - 1), length=st.integers(0, SIZE))
    def lock(self, who: int, kind: int, start: int, length: int) -> None:
        length = length if start + length <= SIZE else 0
        bytes_ = self._range(start, length)
        program = self.programs[who]
        result = program.call("fcntl", 0, linux.F_SETLK, program.poke(flock_struct(kind, start, length)))
        if kind != linux.F_UNLCK and self._obstacles(who, kind, bytes_):
            assert result == -linux.EAGAIN
            return
        assert result == 0
        for byte in bytes_:
            self.held[who].pop(byte, None)
            if kind != linux.F_UNLCK:
                self.held[who][byte] = kind

    @rule(who=WHO)
    def close_another_descriptor(self, who: int) -> None:
        """Closing any descriptor of the file lets all go (fcntl(2))."""
        program = self.programs[who]
        assert program.call("close", program.call("dup", 0)) == 0
        self.held[who].clear()

    @rule(who=WHO, kind=st.sampled_from((linux.F_RDLCK, linux.F_WRLCK)), start=st.integers(0, SIZE - 1))
    def test(self, who: int, kind: int, start: int) -> None:
        program = self.programs[who]
        address = program.poke(flock_struct(kind, start, 0))
        assert program.call("fcntl", 0, linux.F_GETLK, address) == 0
        found, _, at, length, pid = struct.unpack("<hh4xqqi4x", program.peek(address, 32))
        obstacles = self._obstacles(who, kind, self._range(start, 0))
        if not obstacles:
            assert found == linux.F_UNLCK
            return
        owners = [other for other in range(3) if self.programs[other].thread.process.pid == pid]
        assert len(owners) == 1
        held = self.held[owners[0]]
        covered = self._range(at, length)
        assert {held[byte] for byte in covered} == {found}
        assert held.get(covered[-1] + 1) != found, "the lock is longer"
        assert min(obstacles)[0] in covered or min(byte for byte, _ in obstacles) >= at

    @invariant()
    def locks_are_those_of_the_model(self) -> None:
        if not hasattr(self, "programs"):
            return
        locks = self.programs[0].thread.process.files[0].inode.locks
        found: list[dict[int, int]] = [{}, {}, {}]
        for lock in locks.held if locks is not None else []:
            who = next(n for n in range(3) if self.programs[n].thread.process.files is lock.owner)
            for byte in range(lock.start, min(lock.end, SIZE + 1)):
                assert byte not in found[who], "an owner's locks overlap"
                found[who][byte] = linux.F_WRLCK if lock.exclusive else linux.F_RDLCK
        assert found == self.held


RecordLockMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestRecordLocks = pytest.mark.slow(RecordLockMachine.TestCase)


@pytest.fixture
def programs() -> tuple[Program, Program]:
    parent = Unix().program()
    assert parent.call("open", b"/f", linux.O_RDWR | linux.O_CREAT, 0o600) == 0
    return parent, parent.fork()


def test_waiting_lock_comes_when_the_holder_ends(programs: tuple[Program, Program]) -> None:
    parent, child = programs
    assert child.call("fcntl", 0, linux.F_SETLK, child.poke(flock_struct(linux.F_WRLCK, 0, 0))) == 0
    parent.start("fcntl", 0, linux.F_SETLKW, parent.poke(flock_struct(linux.F_RDLCK, 5, 1)))
    assert parent.result is None
    child.start("exit_group", 0)
    assert parent.result == 0


def test_circle_of_waiters_is_refused(programs: tuple[Program, Program]) -> None:
    parent, child = programs
    assert parent.call("fcntl", 0, linux.F_SETLK, parent.poke(flock_struct(linux.F_WRLCK, 0, 1))) == 0
    assert child.call("fcntl", 0, linux.F_SETLK, child.poke(flock_struct(linux.F_WRLCK, 1, 1))) == 0
    parent.start("fcntl", 0, linux.F_SETLKW, parent.poke(flock_struct(linux.F_WRLCK, 1, 1)))
    assert parent.result is None
    assert child.call("fcntl", 0, linux.F_SETLKW, child.poke(flock_struct(linux.F_WRLCK, 0, 1))) == -linux.EDEADLK


def test_flock_belongs_to_the_description(programs: tuple[Program, Program]) -> None:
    parent, child = programs
    other = parent.call("open", b"/f", linux.O_RDWR, 0)
    assert parent.call("flock", 0, linux.LOCK_EX) == 0
    assert child.call("flock", 0, linux.LOCK_EX | linux.LOCK_NB) == 0, "the child has the same description"
    assert parent.call("flock", other, linux.LOCK_SH | linux.LOCK_NB) == -linux.EAGAIN
    assert parent.call("close", 0) == 0
    assert parent.call("flock", other, linux.LOCK_SH | linux.LOCK_NB) == -linux.EAGAIN, "the child still holds it"
    child.start("exit_group", 0)
    assert parent.call("flock", other, linux.LOCK_SH | linux.LOCK_NB) == 0


def test_flock_and_record_locks_do_not_meet(programs: tuple[Program, Program]) -> None:
    parent, child = programs
    assert parent.call("flock", 0, linux.LOCK_EX) == 0
    assert child.call("fcntl", 0, linux.F_SETLK, child.poke(flock_struct(linux.F_WRLCK, 0, 0))) == 0
