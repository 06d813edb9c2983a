"""Waiting for many things: interest lists, event counters, timers that are files; on a clock that the test moves."""

from __future__ import annotations

import struct

import pytest
from fakes import Program, Unix

from skerry.abi import linux

MILLISECOND = 1_000_000  # ns
EVENT = struct.Struct("<IQ")


def control(program: Program, epoll: int, command: int, fd: int, events: int = 0, data: int = 0) -> int:
    return program.call("epoll_ctl", epoll, command, fd, program.poke(EVENT.pack(events, data)))


def ready(program: Program, epoll: int, limit: int = 8) -> list[tuple[int, int]]:
    """Data and events of what is ready now."""
    address = program.room(limit * EVENT.size)
    count = program.call("epoll_wait", epoll, address, limit, 0)
    return [(data, events) for events, data in EVENT.iter_unpack(program.peek(address, count * EVENT.size))]


def add(program: Program, counter: int, value: int) -> int:
    return program.call("write", counter, program.poke(value.to_bytes(8, "little")), 8)


def take(program: Program, counter: int) -> int:
    """The number that a read gives; negative errno."""
    address = program.room(8)
    result = program.call("read", counter, address, 8)
    return result if result < 0 else int.from_bytes(program.peek(address, 8), "little")


@pytest.fixture
def program() -> Program:
    return Unix().program()


def test_turns_are_taken_by_level(program: Program) -> None:
    epoll = program.call("epoll_create1", 0)
    counters = [program.call("eventfd2", 1, 0) for _ in range(3)]
    for number, counter in enumerate(counters):
        assert control(program, epoll, linux.EPOLL_CTL_ADD, counter, linux.EPOLLIN, number) == 0
    seen = [ready(program, epoll, 1)[0][0] for _ in range(6)]
    assert seen == [0, 1, 2, 0, 1, 2]


def test_sleeper_is_woken_by_what_it_watches_alone(program: Program) -> None:
    child = program.fork()
    epoll = program.call("epoll_create1", 0)
    watched, other = program.call("eventfd2", 0, 0), program.call("eventfd2", 0, 0)
    control(program, epoll, linux.EPOLL_CTL_ADD, watched, linux.EPOLLIN, 7)
    thread = program.thread
    writer = program.fork()
    address = program.room(12)
    program.start("epoll_wait", epoll, address, 1, (1 << 32) - 1)
    add(writer, other, 1)
    assert program.result is None
    add(writer, watched, 1)
    assert program.result == 1
    assert EVENT.unpack(program.peek(address, 12)) == (linux.EPOLLIN, 7)
    assert thread.activity is None
    assert child.call("epoll_wait", epoll, address, 1, 0) == -linux.EBADF


def test_edge_is_reported_once(program: Program) -> None:
    epoll, counter = program.call("epoll_create1", 0), program.call("eventfd2", 0, 0)
    control(program, epoll, linux.EPOLL_CTL_ADD, counter, linux.EPOLLIN | linux.EPOLLET, 1)
    add(program, counter, 1)
    assert ready(program, epoll) == [(1, linux.EPOLLIN)]
    assert ready(program, epoll) == []
    add(program, counter, 1)
    assert ready(program, epoll) == [(1, linux.EPOLLIN)]


def test_closed_file_leaves_every_set(program: Program) -> None:
    epolls = [program.call("epoll_create1", 0) for _ in range(2)]
    counter = program.call("eventfd2", 1, 0)
    for epoll in epolls:
        control(program, epoll, linux.EPOLL_CTL_ADD, counter, linux.EPOLLIN, 1)
    file = program.thread.process.files[counter]
    program.call("close", counter)
    assert [ready(program, epoll) for epoll in epolls] == [[], []]
    assert not file.changed


def test_closed_set_watches_no_more(program: Program) -> None:
    epoll, counter = program.call("epoll_create1", 0), program.call("eventfd2", 1, 0)
    control(program, epoll, linux.EPOLL_CTL_ADD, counter, linux.EPOLLIN, 1)
    program.call("close", epoll)
    assert not program.thread.process.files[counter].changed


def test_sets_that_watch_each_other_are_refused(program: Program) -> None:
    first, second = program.call("epoll_create1", 0), program.call("epoll_create1", 0)
    assert control(program, first, linux.EPOLL_CTL_ADD, second, linux.EPOLLIN) == 0
    assert control(program, second, linux.EPOLL_CTL_ADD, first, linux.EPOLLIN) == -linux.ELOOP


def test_broad_layers_of_sets_cost_no_more_than_their_links(program: Program) -> None:
    """Twenty sets in each of five layers, each watching all of the next: 160,000 paths from top to bottom."""
    layers = [[program.call("epoll_create1", 0) for _ in range(20)] for _ in range(5)]
    for upper, lower in zip(layers[1:], layers, strict=False):
        for epoll in upper:
            for watched in lower:
                assert control(program, epoll, linux.EPOLL_CTL_ADD, watched, linux.EPOLLIN) == 0
    counter = program.call("eventfd2", 0, 0)
    for epoll in layers[0]:
        assert control(program, epoll, linux.EPOLL_CTL_ADD, counter, linux.EPOLLIN) == 0
    add(program, counter, 1)
    assert ready(program, layers[4][0], 1) == [(0, linux.EPOLLIN)]


def test_counter_blocks_when_full(program: Program) -> None:
    counter = program.call("eventfd2", 0, 0)
    writer = program.fork()
    assert add(program, counter, (1 << 64) - 2) == 8
    writer.start("write", counter, writer.poke((5).to_bytes(8, "little")), 8)
    assert writer.result is None
    assert take(program, counter) == (1 << 64) - 2
    assert writer.result == 8
    assert take(program, counter) == 5


def set_timer(program: Program, fd: int, first: int, interval: int) -> int:
    return program.call("timerfd_settime", fd, 0, program.poke(struct.pack("<4q", 0, interval, 0, first)), 0)


def test_timer_counts_what_nobody_read(program: Program) -> None:
    timer = program.call("timerfd_create", linux.CLOCK_MONOTONIC, linux.TFD_NONBLOCK)
    assert set_timer(program, timer, 10 * MILLISECOND, 3 * MILLISECOND) == 0
    assert take(program, timer) == -linux.EAGAIN
    program.unix.sleep(17 * MILLISECOND)
    assert take(program, timer) == 3
    assert take(program, timer) == -linux.EAGAIN
    program.unix.sleep(2 * MILLISECOND)
    assert take(program, timer) == 1


def test_unread_timer_rings_once(program: Program) -> None:
    timer = program.call("timerfd_create", linux.CLOCK_MONOTONIC, 0)
    set_timer(program, timer, 1, 1)
    program.unix.sleep(MILLISECOND)
    assert program.unix.loop.next_deadline() >= 1 << 62
    assert take(program, timer) >= MILLISECOND


def test_closed_timer_is_forgotten(program: Program) -> None:
    timer = program.call("timerfd_create", linux.CLOCK_MONOTONIC, 0)
    set_timer(program, timer, MILLISECOND, MILLISECOND)
    program.call("close", timer)
    assert program.unix.loop.next_deadline() >= 1 << 62


def exclusive_sets(writer: Program, count: int, extra: int = 0) -> tuple[int, list[Program]]:
    """A counter, and programs with a set each that watches it together with the others."""
    counter = writer.call("eventfd2", 0, 0)
    programs = [writer.fork() for _ in range(count)]
    for program in programs:
        epoll = program.call("epoll_create1", 0)
        assert control(program, epoll, linux.EPOLL_CTL_ADD, counter, linux.EPOLLIN | linux.EPOLLEXCLUSIVE | extra) == 0
    return counter, programs


def wait(program: Program, counter: int) -> None:
    program.start("epoll_wait", counter + 1, program.room(12), 1, (1 << 32) - 1)


@pytest.mark.parametrize("asleep", [(0, 1, 2), (1, 2), (2,)])
def test_exclusive_sets_wake_the_first_that_sleeps(program: Program, asleep: tuple[int, ...]) -> None:
    counter, programs = exclusive_sets(program, 3)
    for number in asleep:
        wait(programs[number], counter)
    add(program, counter, 1)
    woken = [number for number in asleep if programs[number].result is not None]
    assert woken == [asleep[0]]


def test_exclusive_edges_wake_one_after_the_other(program: Program) -> None:
    counter, programs = exclusive_sets(program, 3, linux.EPOLLET)
    for each in programs:
        wait(each, counter)
    for number in range(3):
        add(program, counter, 1)
        assert [each.result for each in programs] == [1] * (number + 1) + [None] * (2 - number)


def test_exclusive_set_that_is_closed_wakes_nobody_in_place_of_others(program: Program) -> None:
    counter, programs = exclusive_sets(program, 2)
    programs[0].call("close", counter + 1)
    wait(programs[1], counter)
    add(program, counter, 1)
    assert programs[1].result == 1


def test_plain_set_is_woken_beside_exclusive_ones(program: Program) -> None:
    counter, programs = exclusive_sets(program, 2)
    plain = program.fork()
    epoll = plain.call("epoll_create1", 0)
    control(plain, epoll, linux.EPOLL_CTL_ADD, counter, linux.EPOLLIN)
    for each in (*programs, plain):
        wait(each, counter)
    add(program, counter, 1)
    assert [each.result for each in (*programs, plain)] == [1, None, 1]


def test_set_in_a_set_tells_each_edge(program: Program) -> None:
    inner, outer = program.call("epoll_create1", 0), program.call("epoll_create1", 0)
    counter = program.call("eventfd2", 0, 0)
    control(program, inner, linux.EPOLL_CTL_ADD, counter, linux.EPOLLIN)
    control(program, outer, linux.EPOLL_CTL_ADD, inner, linux.EPOLLIN | linux.EPOLLET, 1)
    for _ in range(2):
        add(program, counter, 1)
        assert ready(program, outer) == [(1, linux.EPOLLIN)]
        assert ready(program, outer) == []
