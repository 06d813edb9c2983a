"""What each user may have at most of instances of inotify, and of watches: more is refused, and what is closed can be had again."""

from __future__ import annotations

import struct

import pytest
from fakes import Program, Unix

from skerry.abi import linux


@pytest.fixture
def unix() -> Unix:
    return Unix()


def watch(program: Program, instance: int, name: bytes) -> int:
    return program.call("inotify_add_watch", instance, program.poke(name + b"\0"), 0xFFF)


def test_instances_of_inotify(unix: Unix) -> None:
    one, other = unix.program(1000, 1000), unix.program(1001, 1001)
    unix.system.inotify_instances.limit = 3
    made = [one.call("inotify_init") for _ in range(4)]
    assert (min(made[:3]) >= 0, made[3]) == (True, -linux.EMFILE)
    assert other.call("inotify_init") >= 0
    assert one.call("close", made[0]) == 0
    assert one.call("inotify_init") == made[0]
    assert one.call("inotify_init") == -linux.EMFILE


def test_an_instance_that_gets_no_descriptor_does_not_count(unix: Unix) -> None:
    program = unix.program(1000, 1000)
    unix.system.inotify_instances.limit = 1
    program.thread.process.files.limit = 0
    assert program.call("inotify_init") == -linux.EMFILE
    program.thread.process.files.limit = 10
    assert program.call("inotify_init") >= 0


def test_watches_of_inotify(unix: Unix) -> None:
    """Of all instances together; a watch that is changed is not one more."""
    program = unix.program()
    unix.system.inotify_watches.limit = 2
    for name in (b"/a", b"/b"):
        assert program.call("mkdir", name, 0o755) == 0
    one, two = program.call("inotify_init"), program.call("inotify_init")
    number = watch(program, one, b"/a")
    assert number > 0
    assert watch(program, two, b"/a") > 0
    assert watch(program, one, b"/a") == number
    assert watch(program, one, b"/b") == -linux.ENOSPC
    assert program.call("inotify_rm_watch", one, number) == 0
    assert watch(program, one, b"/b") > 0
    assert program.call("close", one) == 0
    assert watch(program, two, b"/b") > 0


def test_watches_of_epoll(unix: Unix) -> None:
    """They go with the file, and with the set."""
    program = unix.program()
    unix.system.epoll_watches.limit = 2
    event = program.poke(struct.pack("<IQ", linux.EPOLLIN, 0))
    files = [program.call("eventfd2", 0, 0) for _ in range(3)]
    one, two = program.call("epoll_create1", 0), program.call("epoll_create1", 0)
    assert [program.call("epoll_ctl", one, linux.EPOLL_CTL_ADD, fd, event) for fd in files] == [0, 0, -linux.ENOSPC]
    assert program.call("close", files[0]) == 0
    assert program.call("epoll_ctl", two, linux.EPOLL_CTL_ADD, files[2], event) == 0
    assert program.call("epoll_ctl", two, linux.EPOLL_CTL_ADD, files[1], event) == -linux.ENOSPC
    assert program.call("close", one) == 0
    assert program.call("epoll_ctl", two, linux.EPOLL_CTL_ADD, files[1], event) == 0
