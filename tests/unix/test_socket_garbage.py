"""Socket calls with any arguments give results or errors of Linux: nothing that a program says breaks the server."""

from __future__ import annotations

import random
import struct
from collections import Counter

import pytest
from fakes import ARENA, Program, Unix

from skerry.abi import linux, sockets

CALLS = (
    *(
        "socket",
        "socketpair",
        "bind",
        "connect",
        "listen",
        "accept",
        "accept4",
        "getsockname",
        "getpeername",
        "shutdown",
        "socket",
        "socket",
    ),
    *("setsockopt", "getsockopt", "sendto", "recvfrom", "sendmsg", "recvmsg", "sendmmsg", "recvmmsg", "read", "write", "close"),
    *("ioctl", "poll", "splice", "sendfile", "pipe2", "readv", "writev"),
)
NUMBERS = (
    *range(-2, 20),
    *(
        29,
        41,
        63,
        64,
        110,
        112,
        128,
        136,
        1023,
        1024,
        4096,
        0x541B,
        0x8912,
        0x8933,
        0x7FFFFFFF,
        0x80000000,
        0xFFFFFFFF,
        1 << 63,
        (1 << 64) - 1,
    ),
    *(linux.SOCK_NONBLOCK | kind for kind in (1, 2, 5)),
    *(linux.MSG_DONTWAIT, linux.MSG_PEEK | linux.MSG_DONTWAIT, linux.MSG_TRUNC | linux.MSG_DONTWAIT, sockets.MSG_ERRQUEUE),
)


NAME, HEADER, VECTOR, CONTROL, SIZE, BUFFER = (ARENA + 1024 * place for place in range(6))
BIG = (1 << 31, 1 << 63, (1 << 64) - 1)


def write_structures(draw: random.Random, program: Program) -> None:
    """Names, headers, vectors and control data, more or less right, where the calls look for them."""
    family = draw.choice((0, 1, 1, 2, 2, 10, 16, 99))
    rest = draw.choice((b"\0abstract", b"/path\0", b"\x1f\x90\x7f\0\0\1", bytes(22) + b"\1", draw.randbytes(30)))
    contents = struct.pack("<3i", *(draw.randrange(-1, 12) for _ in range(3)))
    control = struct.pack("<Qii", draw.choice((16, 20, 24, 28, 3, 1 << 60)), draw.choice((0, 1, 41)), draw.choice((1, 2, 52))) + contents
    vector = struct.pack("<QQ", BUFFER, draw.choice((0, 1, 100, 5000, 1 << 40)))
    header = (draw.choice((0, NAME)), draw.choice((0, 11, 16, 28, *BIG)), VECTOR, draw.choice((0, 1, 1, 1, 2, 2000)))
    header += (draw.choice((0, CONTROL, CONTROL)), draw.choice((0, 16, 24, 28, 32, 200, *BIG)), draw.choice((0, *BIG)))
    netlink = struct.pack("<IHHII", draw.choice((0, 16, 20, 1000)), draw.choice((18, 22, 26, 30)), 0x301, 1, 0) + bytes(4)
    for place, data in (
        (NAME, struct.pack("<H", family) + rest),
        (HEADER, struct.pack("<QQQQQQQ", *header) + bytes(8)),
        (VECTOR, vector * 2),
        (CONTROL, control),
        (SIZE, struct.pack("<i", draw.choice((0, 1, 4, 16, 110, -1)))),
        (BUFFER, draw.choice((netlink, b"lo", draw.randbytes(40)))),
    ):
        program.thread.process.memory.write(place, data)


def arguments(draw: random.Random, call: str) -> list[int]:
    """Such as the call takes, or any."""
    fd = draw.randrange(14)
    flags = draw.choice((0, 0x40, 0x42, 0x60, 0x140, 0x10000, 0x2040, 0x40000040))
    size = draw.choice((0, 1, 2, 4, 10, 16, 28, 110, 111, *BIG))
    option = (draw.choice((0, 1, 1, 6, 17, 41, 136, 270)), draw.randrange(72))
    shapes = {
        "socket": (draw.choice((1, 1, 2, 10, 16)), draw.choice((1, 1, 2, 2, 3, 5)) | linux.SOCK_NONBLOCK, draw.choice((0, 0, 0, 0, 6, 17))),
        "socketpair": (1, draw.choice((1, 2, 5)) | linux.SOCK_NONBLOCK, 0, BUFFER),
        "bind": (fd, NAME, size),
        "connect": (fd, NAME, size),
        "listen": (fd, draw.choice((0, 1, 5, *BIG))),
        "accept4": (fd, draw.choice((0, NAME)), SIZE, draw.choice((0, 0o4000, 0o2000000, 1))),
        "sendto": (fd, BUFFER, draw.choice((0, 5, 70000, *BIG)), flags, draw.choice((0, NAME)), size),
        "recvfrom": (fd, BUFFER, draw.choice((0, 5, 70000)), flags, draw.choice((0, NAME)), SIZE),
        "sendmsg": (fd, HEADER, flags),
        "recvmsg": (fd, HEADER, flags),
        "sendmmsg": (fd, HEADER, draw.choice((0, 1, 2, *BIG)), flags),
        "recvmmsg": (fd, HEADER, draw.choice((0, 1, 2, *BIG)), flags, 0),
        "getsockname": (fd, BUFFER, SIZE),
        "getpeername": (fd, BUFFER, SIZE),
        "shutdown": (fd, draw.randrange(4)),
        "getsockopt": (fd, *option, BUFFER, SIZE),
        "setsockopt": (fd, *option, BUFFER, draw.choice((0, 1, 4, 8, 16, *BIG))),
        "ioctl": (fd, draw.choice((0x541B, 0x5411, 0x8905, *range(0x8910, 0x8922), 0x8927, 0x8933)), BUFFER),
        "splice": (fd, 0, draw.randrange(14), 0, 100, 2),
        "sendfile": (draw.randrange(14), fd, 0, 100),
        "poll": (BUFFER, 2, 0),
        "pipe2": (BUFFER, 0o4000),
        "readv": (fd, VECTOR, 1),
        "writev": (fd, VECTOR, 1),
    }
    shape = list(shapes.get(call, (fd, BUFFER, draw.choice((0, 2, 100)))))
    if draw.random() < 0.2:
        shape[draw.randrange(len(shape))] = draw.choice((*NUMBERS, NAME, BUFFER, HEADER)) & (1 << 64) - 1
    return shape


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_no_arguments_break_the_server(seed: int) -> None:
    draw = random.Random(seed)
    unix = Unix()
    program = unix.program(1000 * (seed & 1), 0)
    program.call("rt_sigaction", linux.SIGPIPE, program.poke(struct.pack("<QQQQ", 1, 0, 0, 0)), 0, 8)
    done: Counter[str] = Counter()
    for _ in range(3000):
        write_structures(draw, program)
        call = draw.choice(CALLS)
        program.start(call, *arguments(draw, call))
        if program.result is None:
            activity = program.thread.activity
            assert activity is not None
            activity.interrupt()
            unix.loop.run_ready()
        result = program.result
        assert result is not None, call
        done[call] += result >= 0
        for fd in [fd for fd in program.thread.process.files.files if fd >= 14]:
            program.call("close", draw.randrange(14))
            program.call("close", fd)
    assert all(done[call] for call in ("socket", "bind", "getsockname", "write", "read", "recvfrom", "shutdown")), "it tests too little"
    for fd in list(program.thread.process.files.files):
        program.call("close", fd)
    assert unix.system.network.tcp.sockets() == []
    assert unix.system.network.udp.sockets() == []
