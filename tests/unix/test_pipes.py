"""Pipes against a queue of bytes: what reads and writes give, when they wait, and what poll says."""

from __future__ import annotations

import struct

import pytest
from fakes import Program, Unix
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from skerry.abi import linux

PIPE_BUF = 4096


def make_pipe(program: Program, flags: int = 0) -> tuple[int, int]:
    address = program.room(8)
    assert program.call("pipe2", address, flags) == 0
    reader, writer = struct.unpack("<ii", program.peek(address, 8))
    return reader, writer


def write(program: Program, fd: int, data: bytes) -> int:
    return program.call("write", fd, program.poke(data), len(data))


def read(program: Program, fd: int, count: int) -> bytes | int:
    buffer = program.room(count)
    result = program.call("read", fd, buffer, count)
    return program.peek(buffer, result) if result >= 0 else result


def poll(program: Program, fd: int, events: int) -> int:
    address = program.poke(struct.pack("<ihh", fd, events, 0))
    program.call("poll", address, 1, 0)
    return int(struct.unpack("<ihh", program.peek(address, 8))[2])


class PipeMachine(RuleBasedStateMachine):
    """A pipe whose ends do not block; the model is the bytes in it."""

    @initialize(order=st.sampled_from((12, 13, 16)))
    def open(self, order: int) -> None:
        self.program = Unix().program()
        self.program.call("rt_sigaction", linux.SIGPIPE, self.program.poke(struct.pack("<QQQQ", 1, 0, 0, 0)), 0, 8)
        self.reader, self.writer = make_pipe(self.program, linux.O_NONBLOCK)
        self.capacity = 1 << order
        assert self.program.call("fcntl", self.writer, linux.F_SETPIPE_SZ, self.capacity) == self.capacity
        self.bytes = bytearray()
        self.reading = self.writing = True
        self.next = 0

    @rule(count=st.integers(0, 9000) | st.sampled_from((PIPE_BUF, PIPE_BUF + 1, 65536)))
    @precondition(lambda self: self.writing)
    def write(self, count: int) -> None:
        data = bytes((self.next + n) % 251 for n in range(count))
        self.next += 1
        result = write(self.program, self.writer, data)
        room = self.capacity - len(self.bytes)
        if not self.reading:
            expected = -linux.EPIPE if count else 0
        elif count <= room:
            expected = count
        elif count <= PIPE_BUF or not room:
            expected = -linux.EAGAIN
        else:
            expected = room
        if count or self.reading:
            assert result == expected
        self.bytes += data[: max(0, result)]

    @rule(count=st.integers(0, 9000) | st.just(65536))
    @precondition(lambda self: self.reading)
    def read(self, count: int) -> None:
        result = read(self.program, self.reader, count)
        if self.bytes or not count:
            assert result == bytes(self.bytes[:count])
            del self.bytes[:count]
        else:
            assert result == (-linux.EAGAIN if self.writing else b"")

    @rule()
    @precondition(lambda self: self.reading and self.writing)
    def close_writer(self) -> None:
        self.writing = False
        assert self.program.call("close", self.writer) == 0

    @rule()
    @precondition(lambda self: self.reading and self.writing)
    def close_reader(self) -> None:
        self.reading = False
        assert self.program.call("close", self.reader) == 0

    @invariant()
    def poll_tells(self) -> None:
        if not hasattr(self, "program"):
            return
        if self.reading:
            expected = (linux.POLLIN if self.bytes else 0) | (0 if self.writing else linux.POLLHUP)
            assert poll(self.program, self.reader, linux.POLLIN) == expected
            count = self.program.room(4)
            assert self.program.call("ioctl", self.reader, linux.FIONREAD, count) == 0
            assert int.from_bytes(self.program.peek(count, 4), "little") == len(self.bytes)
        if self.writing:
            room = self.capacity - len(self.bytes) >= PIPE_BUF
            expected = (linux.POLLOUT if room else 0) | (0 if self.reading else linux.POLLERR)
            assert poll(self.program, self.writer, linux.POLLOUT) == expected


PipeMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestPipes = pytest.mark.slow(PipeMachine.TestCase)


def test_reader_waits_for_bytes_and_sees_the_end() -> None:
    parent = Unix().program()
    reader, writer = make_pipe(parent)
    child = parent.fork()
    assert parent.call("close", writer) == 0
    buffer = parent.room(100)
    parent.start("read", reader, buffer, 100)
    assert parent.result is None
    assert write(child, writer, b"hello") == 5
    assert parent.result == 5
    parent.start("read", reader, buffer, 100)
    assert parent.result is None
    child.start("exit_group", 0)
    assert parent.result == 0


def test_large_write_waits_until_all_is_read() -> None:
    parent = Unix().program()
    reader, writer = make_pipe(parent)
    child = parent.fork()
    data = parent.poke(bytes(100_000))
    parent.start("write", writer, data, 100_000)
    assert parent.result is None
    assert read(child, reader, 65536) == bytes(65536)
    assert parent.result == 100_000
    assert read(child, reader, 65536) == bytes(100_000 - 65536)


def test_poll_wakes_when_bytes_come_or_time_passes() -> None:
    parent = Unix().program()
    reader, writer = make_pipe(parent)
    child = parent.fork()
    address = parent.poke(struct.pack("<ihh", reader, linux.POLLIN, 0))
    parent.start("poll", address, 1, 50)
    assert parent.result is None
    parent.unix.sleep(50_000_000)
    assert parent.result == 0
    parent.start("poll", address, 1, 0xFFFFFFFF)
    assert parent.result is None
    write(child, writer, b"x")
    assert parent.result == 1
    assert struct.unpack("<ihh", parent.peek(address, 8))[2] == linux.POLLIN


def test_fifo_opens_when_both_sides_are_there() -> None:
    parent = Unix().program()
    child = parent.fork()
    assert parent.call("mknod", b"/fifo", linux.S_IFIFO | 0o600, 0) == 0
    assert parent.call("open", b"/fifo", linux.O_WRONLY | linux.O_NONBLOCK, 0) == -linux.ENXIO
    parent.start("open", b"/fifo", linux.O_RDONLY, 0)
    assert parent.result is None
    writer = child.call("open", b"/fifo", linux.O_WRONLY, 0)
    reader = parent.result
    assert reader is not None
    assert write(child, writer, b"through") == 7
    assert read(parent, reader, 10) == b"through"
