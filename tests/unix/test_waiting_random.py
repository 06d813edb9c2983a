"""Random calls on everything that can be waited for: nothing breaks, and what is closed leaves nothing behind."""

from __future__ import annotations

import random
import struct

import pytest
from fakes import Program, Unix

from skerry.abi import linux
from skerry.unix import inotify

STEPS = 400
NAMES = (b"/d", b"/d/a", b"/d/b", b"/d/sub", b"/e")
MINUS_ONE = (1 << 64) - 1
NEVER = 1 << 62


def steps(program: Program, choose: random.Random) -> list[tuple[str, tuple[int | bytes, ...]]]:
    """The calls to choose from, with arguments that are often right."""
    fd = choose.randrange(3, 20)
    other = choose.randrange(3, 20)
    name, name2 = choose.choice(NAMES), choose.choice(NAMES)
    mask = program.poke(struct.pack("<Q", choose.getrandbits(64)))
    counter = program.poke(choose.choice((0, 1, 7, (1 << 64) - 2, (1 << 64) - 1)).to_bytes(8, "little"))
    words = choose.choice((1, 4, 5, 0x19)) | choose.choice((0, 0, linux.EPOLLET, linux.EPOLLONESHOT, linux.EPOLLEXCLUSIVE))
    event = program.poke(struct.pack("<IQ", words, choose.randrange(9)))
    spec = program.poke(struct.pack("<4q", 0, choose.choice((0, 1, 3_000_000)), 0, choose.choice((0, 1, 2_000_000))))
    signal = program.poke(struct.pack("<Qii44x", 3, choose.choice((10, 34, 0)), choose.choice((0, 1, 2, 4, 9))))
    room = program.room(4096)
    flags = choose.choice((linux.O_NONBLOCK, linux.O_NONBLOCK | linux.O_CLOEXEC))
    return [
        ("epoll_create1", (0,)),
        *[("epoll_ctl", (fd, choose.randrange(1, 4), other, event))] * 6,
        *[("epoll_wait", (fd, room, choose.randrange(1, 5), 0))] * 3,
        ("eventfd2", (choose.randrange(3), flags)),
        ("timerfd_create", (choose.choice((0, 1, 7)), flags)),
        *[("timerfd_settime", (fd, choose.randrange(2), spec, room))] * 2,
        ("timerfd_gettime", (fd, room)),
        ("signalfd4", (choose.choice((MINUS_ONE, fd)), mask, 8, flags)),
        ("inotify_init1", (flags,)),
        *[("inotify_add_watch", (fd, name, choose.choice((inotify.EVENTS, inotify.EVENTS | inotify.IN_ONESHOT, 0x100, 0))))] * 3,
        ("inotify_rm_watch", (fd, choose.randrange(4))),
        ("pipe2", (room, flags)),
        *[("read", (fd, room, choose.choice((0, 4, 8, 128, 4096))))] * 4,
        *[("write", (fd, counter, choose.choice((0, 4, 8))))] * 4,
        ("dup2", (fd, other)),
        *[("close", (fd,))] * 3,
        ("timer_create", (choose.choice((0, 1, 2, 99)), signal, room)),
        ("timer_settime", (choose.randrange(4), choose.randrange(2), spec, room)),
        ("timer_gettime", (choose.randrange(4), room)),
        ("timer_delete", (choose.randrange(4),)),
        ("rt_sigtimedwait", (mask, room, program.poke(bytes(16)), 8)),
        ("kill", (program.thread.process.pid, choose.choice((10, 34)))),
        ("mkdir", (name, 0o755)),
        ("open", (name, linux.O_CREAT | linux.O_RDWR, 0o600)),
        ("unlink", (name,)),
        ("rmdir", (name,)),
        ("rename", (name, name2)),
        ("link", (name, name2)),
        ("chmod", (name, 0o700)),
        ("truncate", (name, choose.randrange(9))),
    ]


@pytest.mark.parametrize("seed", range(12))
def test_random_calls_leave_nothing_behind(seed: int) -> None:
    choose = random.Random(seed)
    unix = Unix()
    program = unix.program()
    program.call("rt_sigprocmask", linux.SIG_BLOCK, program.poke(struct.pack("<Q", MINUS_ONE)), 0, 8)
    succeeded = 0
    for _ in range(STEPS):
        name, arguments = choose.choice(steps(program, choose))
        succeeded += program.call(name, *arguments) >= 0
        unix.sleep(choose.choice((0, 0, 0, 1_000_000)))
    assert succeeded > STEPS // 8

    process = program.thread.process
    files = list(process.files.files.values())
    inodes = [unix.root, *(child for _, child in unix.root.entries())]
    for fd in list(process.files.files):
        assert program.call("close", fd) == 0
    for number in list(process.timers):
        assert program.call("timer_delete", number) == 0
    assert not process.signal_sent
    assert not any(file.changed for file in files)
    assert not any(inode.watched and inode.watched.watchers for inode in inodes)
    assert unix.loop.next_deadline() >= NEVER
