"""inotify: what a watch leaves behind, and what it costs."""

from __future__ import annotations

import struct

import pytest
from fakes import Program, Unix

from skerry.abi import linux
from skerry.unix import inotify, notify

ALL = inotify.EVENTS
HEADER = struct.Struct("<iIII")


@pytest.fixture
def program() -> Program:
    program = Unix().program()
    program.call("mkdir", b"/d", 0o755)
    return program


def instance(program: Program) -> int:
    return program.call("inotify_init1", linux.O_NONBLOCK)


def make(program: Program, name: bytes) -> int:
    return program.call("open", name, linux.O_CREAT | linux.O_RDWR, 0o600)


def read(program: Program, fd: int) -> list[tuple[int, int, bytes]]:
    """Watch, mask and name of the events."""
    address = program.room(1 << 16)
    length = program.call("read", fd, address, 1 << 16)
    data = program.peek(address, max(length, 0))
    events, at = [], 0
    while at < len(data):
        watch, mask, _, size = HEADER.unpack_from(data, at)
        at += HEADER.size + size
        events.append((watch, mask, data[at - size : at].rstrip(b"\0")))
    return events


def test_closed_instance_leaves_no_watch(program: Program) -> None:
    fd = instance(program)
    assert program.call("inotify_add_watch", fd, b"/d", ALL) == 1
    directory = program.unix.root.children[b"d"]
    assert directory is not None
    assert directory.watched is not None
    program.call("close", fd)
    assert directory.watched is None


def test_names_of_a_directory_that_is_watched_no_more_are_forgotten(program: Program) -> None:
    fd = instance(program)
    program.call("inotify_add_watch", fd, b"/d", ALL)
    make(program, b"/d/f")
    assert program.call("inotify_rm_watch", fd, 1) == 0
    read(program, fd)
    program.call("chmod", b"/d/f", 0o644)
    directory = program.unix.root.children[b"d"]
    child = directory.children[b"f"]  # type: ignore[union-attr]
    assert child is not None
    assert not child.watched.names
    assert read(program, fd) == []


def test_lost_events_are_reported_once(program: Program) -> None:
    fd = instance(program)
    program.call("inotify_add_watch", fd, b"/d", notify.IN_CREATE | notify.IN_DELETE)
    file = program.thread.process.files[fd]
    assert isinstance(file, inotify.Inotify)
    for number in range(inotify.MAX_QUEUED + 10):
        file.queue((1, notify.IN_CREATE, 0, b"%d" % number))
    seen = []
    while events := read(program, fd):
        seen += events
    assert len(seen) == inotify.MAX_QUEUED + 1
    assert seen[-1] == (-1, inotify.IN_Q_OVERFLOW, b"")


def test_watching_needs_permission_to_read() -> None:
    unix = Unix()
    root, someone = unix.program(), unix.program(uid=1000, gid=1000)
    root.call("mkdir", b"/secret", 0o711)
    fd = instance(someone)
    assert someone.call("inotify_add_watch", fd, b"/secret", ALL) == -linux.EACCES


def test_file_that_is_open_elsewhere_is_gone_when_that_is_closed(program: Program) -> None:
    fd = instance(program)
    open_file = make(program, b"/d/f")
    program.call("inotify_add_watch", fd, b"/d/f", notify.IN_DELETE_SELF)
    other = program.fork()
    program.call("unlink", b"/d/f")
    program.call("close", open_file)
    assert read(program, fd) == []
    other.call("close", open_file)
    assert read(program, fd) == [(1, notify.IN_DELETE_SELF, b""), (1, inotify.IN_IGNORED, b"")]
