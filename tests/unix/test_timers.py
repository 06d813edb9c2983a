"""POSIX timers and signals that are read from files, on a clock that the test moves."""

from __future__ import annotations

import struct

import pytest
from fakes import Program, Unix

from skerry.abi import linux

MILLISECOND = 1_000_000  # ns
BLOCKED = 1 << (linux.SIGUSR1 - 1)
NEVER = 1 << 62


@pytest.fixture
def program() -> Program:
    """It blocks SIGUSR1."""
    program = Unix().program()
    program.call("rt_sigprocmask", linux.SIG_BLOCK, program.poke(struct.pack("<Q", BLOCKED)), 0, 8)
    return program


def create(program: Program) -> int:
    event = program.poke(struct.pack("<Qii52x", 42, linux.SIGUSR1, 0))
    address = program.room(4)
    assert program.call("timer_create", linux.CLOCK_MONOTONIC, event, address) == 0
    return int.from_bytes(program.peek(address, 4), "little")


def settime(program: Program, timer: int, first: int, interval: int) -> int:
    return program.call("timer_settime", timer, 0, program.poke(struct.pack("<4q", 0, interval, 0, first)), 0)


def take(program: Program) -> tuple[int, int, int, int] | None:
    """Code, timer, overrun and value of the pending SIGUSR1."""
    info = program.room(128)
    result = program.call("rt_sigtimedwait", program.poke(struct.pack("<Q", BLOCKED)), info, program.poke(bytes(16)), 8)
    if result != linux.SIGUSR1:
        return None
    data = program.peek(info, 32)
    return (*struct.unpack_from("<i", data, 8), *struct.unpack_from("<iiQ", data, 16))


def test_expirations_until_the_signal_is_taken_are_counted(program: Program) -> None:
    timer = create(program)
    assert settime(program, timer, 5 * MILLISECOND, 2 * MILLISECOND) == 0
    program.unix.sleep(12 * MILLISECOND)
    assert take(program) == (linux.SI_TIMER, timer, 3, 42)
    assert program.call("timer_getoverrun", timer) == 3
    program.unix.sleep(MILLISECOND)
    assert take(program) == (linux.SI_TIMER, timer, 0, 42)
    assert program.call("timer_getoverrun", timer) == 0


def test_signal_that_nobody_takes_costs_little(program: Program) -> None:
    timer = create(program)
    settime(program, timer, 1, 1)
    program.unix.sleep(MILLISECOND)
    assert program.unix.loop.next_deadline() >= program.unix.platform.monotonic() + 5 * MILLISECOND


def test_deleted_timer_is_silent(program: Program) -> None:
    timer = create(program)
    settime(program, timer, MILLISECOND, 0)
    assert program.call("timer_delete", timer) == 0
    program.unix.sleep(2 * MILLISECOND)
    assert take(program) is None
    assert program.call("timer_delete", timer) == -linux.EINVAL


def test_timers_end_with_their_process(program: Program) -> None:
    child = program.fork()
    timer = create(child)
    settime(child, timer, MILLISECOND, MILLISECOND)
    child.start("exit_group", 0)
    assert program.unix.loop.next_deadline() >= NEVER


def test_alarm_that_comes_late_rings_once(program: Program) -> None:
    program.call("rt_sigprocmask", linux.SIG_BLOCK, program.poke(struct.pack("<Q", 1 << (linux.SIGALRM - 1))), 0, 8)
    program.call("setitimer", linux.ITIMER_REAL, program.poke(struct.pack("<4q", 0, 1, 0, 1)), 0)
    program.unix.sleep(3600 * 1000 * MILLISECOND)
    assert program.unix.loop.next_deadline() > program.unix.platform.monotonic()


def test_alarms_end_with_their_process(program: Program) -> None:
    child = program.fork()
    child.call("alarm", 1000)
    child.call("setitimer", linux.ITIMER_PROF, child.poke(struct.pack("<4q", 0, 0, 5, 0)), 0)
    child.start("exit_group", 0)
    assert program.unix.loop.next_deadline() >= NEVER


def test_child_has_no_timers(program: Program) -> None:
    timer = create(program)
    assert program.fork().call("timer_delete", timer) == -linux.EINVAL


def signalfd(program: Program) -> int:
    return program.call("signalfd4", -1 & (1 << 64) - 1, program.poke(struct.pack("<Q", BLOCKED)), 8, 0)


def test_reader_gets_its_own_signals(program: Program) -> None:
    """Two processes sleep on one signalfd: each is woken by what is sent to it."""
    fd = signalfd(program)
    child = program.fork()
    other = program.fork()
    addresses = [p.room(128) for p in (program, child)]
    program.start("read", fd, addresses[0], 128)
    child.start("read", fd, addresses[1], 128)
    assert other.call("kill", program.thread.process.pid, linux.SIGUSR1) == 0
    assert program.result == 128
    assert child.result is None
    assert other.call("kill", child.thread.process.pid, linux.SIGUSR1) == 0
    assert child.result == 128


def test_closed_signalfd_watches_no_more(program: Program) -> None:
    fd = signalfd(program)
    assert program.thread.process.signal_sent
    program.call("close", fd)
    assert not program.thread.process.signal_sent
