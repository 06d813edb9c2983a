"""Descriptor tables against a model: which numbers are given, what they share, and what closes when."""

from __future__ import annotations

import struct

import pytest
from fakes import Program, Unix
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from skerry.abi import linux

LIMIT = 12
FDS = st.integers(0, LIMIT)


class TableMachine(RuleBasedStateMachine):
    """One table and, after a fork, its copy. The model maps numbers to names of descriptions."""

    @initialize()
    def boot(self) -> None:
        self.programs: list[Program] = [Unix().program()]
        self.tables: list[dict[int, tuple[int, bool]]] = [{}]  # number: description, close on exec
        self.positions: dict[int, int] = {}
        self.opened = 0
        assert self.programs[0].call("setrlimit", linux.RLIMIT_NOFILE, self.programs[0].poke(struct.pack("<QQ", LIMIT, LIMIT))) == 0

    def _lowest(self, who: int, start: int = 0) -> int:
        free = [fd for fd in range(start, LIMIT) if fd not in self.tables[who]]
        return free[0] if free else -linux.EMFILE

    @property
    def who(self) -> int:
        return len(self.programs) - 1

    @rule(cloexec=st.booleans())
    def open(self, cloexec: bool) -> None:
        flags = linux.O_RDWR | linux.O_CREAT | (linux.O_CLOEXEC if cloexec else 0)
        fd = self.programs[self.who].call("open", b"/f%d" % self.opened, flags, 0o600)
        assert fd == self._lowest(self.who)
        if fd >= 0:
            self.tables[self.who][fd] = (self.opened, cloexec)
            self.positions[self.opened] = 0
        self.opened += 1

    @rule(fd=FDS)
    def close(self, fd: int) -> None:
        known = self.tables[self.who].pop(fd, None)
        assert self.programs[self.who].call("close", fd) == (0 if known else -linux.EBADF)

    @rule(fd=FDS)
    def dup(self, fd: int) -> None:
        result = self.programs[self.who].call("dup", fd)
        known = self.tables[self.who].get(fd)
        assert result == (self._lowest(self.who) if known else -linux.EBADF)
        if known and result >= 0:
            self.tables[self.who][result] = (known[0], False)

    @rule(old=FDS, new=FDS)
    def dup2(self, old: int, new: int) -> None:
        result = self.programs[self.who].call("dup2", old, new)
        known = self.tables[self.who].get(old)
        if not known or new >= LIMIT:
            assert result == -linux.EBADF
            return
        assert result == new
        if old != new:
            self.tables[self.who][new] = (known[0], False)

    @rule(fd=FDS, lowest=FDS)
    def duplicate_above(self, fd: int, lowest: int) -> None:
        result = self.programs[self.who].call("fcntl", fd, linux.F_DUPFD_CLOEXEC, lowest)
        known = self.tables[self.who].get(fd)
        if not known:
            assert result == -linux.EBADF
        elif lowest >= LIMIT:
            assert result == -linux.EINVAL
        else:
            assert result == self._lowest(self.who, lowest)
            if result >= 0:
                self.tables[self.who][result] = (known[0], True)

    @rule(fd=FDS, offset=st.integers(0, 1000))
    def seek(self, fd: int, offset: int) -> None:
        result = self.programs[self.who].call("lseek", fd, offset, linux.SEEK_SET)
        known = self.tables[self.who].get(fd)
        assert result == (offset if known else -linux.EBADF)
        if known:
            self.positions[known[0]] = offset

    @rule()
    @precondition(lambda self: len(self.programs) == 1)
    def fork(self) -> None:
        self.programs.append(self.programs[0].fork())
        self.tables.append(dict(self.tables[0]))

    @rule()
    @precondition(lambda self: len(self.programs) == 2)
    def child_ends(self) -> None:
        self.programs.pop().start("exit_group", 0)
        self.tables.pop()

    @invariant()
    def descriptors_are_those_of_the_model(self) -> None:
        if not hasattr(self, "programs"):
            return
        for program, table in zip(self.programs, self.tables, strict=True):
            for fd in range(LIMIT):
                known = table.get(fd)
                assert program.call("lseek", fd, 0, linux.SEEK_CUR) == (self.positions[known[0]] if known else -linux.EBADF)
                if known:
                    assert program.call("fcntl", fd, linux.F_GETFD, 0) == int(known[1])
        counted: dict[int, int] = {}
        for program, table in zip(self.programs, self.tables, strict=True):
            for fd, (description, _) in table.items():
                counted[description] = counted.get(description, 0) + 1
                assert program.thread.process.files[fd].references >= counted[description]


TableMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestTables = pytest.mark.slow(TableMachine.TestCase)


def test_unlinked_file_lives_until_its_last_descriptor() -> None:
    program = Unix().program()
    fd = program.call("open", b"/f", linux.O_RDWR | linux.O_CREAT, 0o600)
    assert program.call("write", fd, program.poke(b"here"), 4) == 4
    assert program.call("unlink", b"/f") == 0
    buffer = program.room(4)
    assert program.call("pread64", fd, buffer, 4, 0) == 4
    assert program.peek(buffer, 4) == b"here"
    assert program.call("open", b"/f", linux.O_RDONLY, 0) == -linux.ENOENT
