"""The line discipline against that of the host: the same typing, writing and reading, the same bytes at both ends."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import termios
import time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from skerry.abi import linux
from skerry.abi import termios as t
from skerry.unix.tty import INPUT_LIMIT, LineDiscipline

INPUT = (t.ISTRIP, t.INLCR, t.IGNCR, t.ICRNL, t.IUCLC, t.IXON, t.IXANY, t.IMAXBEL, t.IUTF8, t.PARMRK)
OUTPUT = (t.OPOST, t.OLCUC, t.ONLCR, t.OCRNL, t.ONOCR, t.ONLRET, t.XTABS)
LOCAL = (t.ISIG, t.ICANON, t.ECHO, t.ECHOE, t.ECHOK, t.ECHONL, t.NOFLSH, t.ECHOCTL, t.ECHOPRT, t.ECHOKE, t.IEXTEN)
CHARACTERS = b"\3\34\177\25\4\0\1\0\21\23\32\5\22\17\27\26\6\0\0"  # the usual ones, with ^E and ^F to end lines
KEYS = b"ab_ Z9.\t\r\n\0\1\x7f\x15\x04\x11\x13\x1a\x03\x1c\x05\x06\x12\x17\x16\x08\xff\xc3\xa9\xc9\xd7"

flags = st.tuples(*(st.sets(st.sampled_from(group)).map(sum) for group in (INPUT, OUTPUT, LOCAL)))
usual = st.just((t.ICRNL | t.IXON, t.OPOST | t.ONLCR, t.Termios().lflag))
keys = st.lists(st.sampled_from(KEYS), max_size=12).map(bytes)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("type"), keys),
        st.tuples(st.just("type"), keys),
        st.tuples(st.just("write"), keys),
        st.tuples(st.just("modes"), flags | usual),
        st.tuples(st.just("flush"), st.none()),
    ),
    max_size=20,
)


class Host:
    """A pseudoterminal of the host."""

    def __init__(self) -> None:
        self.master, self.slave = os.openpty()
        os.set_blocking(self.master, False)
        os.set_blocking(self.slave, False)
        self._shown = b""

    def close(self) -> None:
        os.close(self.slave)
        os.close(self.master)

    def modes(self, chosen: tuple[int, int, int]) -> None:
        iflag, oflag, lflag = chosen
        cflag, speed = termios.tcgetattr(self.slave)[2], termios.B38400
        termios.tcsetattr(
            self.slave, termios.TCSANOW, [iflag, oflag, cflag, lflag, speed, speed, [bytes((c,)) for c in CHARACTERS] + [b"\0"] * 13]
        )

    def type(self, data: bytes) -> list[bytes]:
        """Key by key, and read what comes: where nothing was left to read, select waits until the line discipline has got the key."""
        got: list[bytes] = []
        for key in data:
            os.write(self.master, bytes((key,)))
            got += self.rest()
            self._look()  # a signal character drops what is still on its way
        return got

    def rest(self) -> list[bytes]:
        got: list[bytes] = []
        while select.select([self.slave], [], [], 0)[0]:
            got.append(os.read(self.slave, 8192))
        return got

    def write(self, data: bytes) -> int | None:
        try:
            return os.write(self.slave, data)
        except BlockingIOError:
            return None

    def read(self, count: int) -> bytes | None:
        try:
            return os.read(self.slave, count)
        except BlockingIOError:
            return None

    def flush(self, _: None) -> None:
        termios.tcflush(self.slave, termios.TCIFLUSH)

    def _look(self) -> None:
        while select.select([self.master], [], [], 0)[0]:
            self._shown += os.read(self.master, 65536)

    def shown(self) -> bytes:
        self._look()
        data, self._shown = self._shown, b""
        return data


class Ours:
    """The line discipline under test."""

    def __init__(self) -> None:
        self.sent: list[int] = []
        self.discipline = LineDiscipline(self.sent.append)

    def modes(self, chosen: tuple[int, int, int]) -> None:
        modes = t.Termios()
        modes.iflag, modes.oflag, modes.lflag = chosen
        modes.cc = CHARACTERS
        self.discipline.set_modes(modes.pack(t.TERMIOS_SIZE))

    def type(self, data: bytes) -> list[bytes]:
        got: list[bytes] = []
        for key in data:
            self.discipline.receive(bytes((key,)))
            got += self.rest()
        return got

    def rest(self) -> list[bytes]:
        got: list[bytes] = []
        while self.discipline.available():
            got.append(self.discipline.take(8192))
        return got

    def write(self, data: bytes) -> int | None:
        return self.discipline.screen.write(data)

    def read(self, count: int) -> bytes | None:
        return self.discipline.take(count) if self.discipline.available() else None

    def flush(self, _: None) -> None:
        self.discipline.flush_input()

    def shown(self) -> bytes:
        data = bytes(self.discipline.screen.output)
        self.discipline.screen.output.clear()
        return data


def outcome(side: Host | Ours, steps: list[tuple[str, Any]]) -> list[tuple[Any, ...]]:
    """What each step gives, and what is on the screen after it."""
    side.modes((t.ICRNL | t.IXON, t.OPOST | t.ONLCR, t.Termios().lflag))
    return [(name, value, getattr(side, name)(value), side.rest(), side.shown()) for name, value in steps]


@settings(max_examples=150, deadline=None)
@given(steps)
@example([("type", b"a\tb\x7f\x7f\x7f\n")])
@example([("modes", (t.IXON, 0, t.ECHO)), ("type", b"a\x13bc"), ("write", b"x"), ("type", b"\x11")])
def test_same_bytes_as_the_host(steps: list[tuple[str, Any]]) -> None:
    """Typed, edited, echoed, written and read in whatever modes."""
    host = Host()
    try:
        assert outcome(Ours(), steps) == outcome(host, steps)
    finally:
        host.close()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(b"ab\n\4\5"), max_size=20).map(bytes), st.lists(st.integers(1, 4), max_size=20), st.booleans())
def test_lines_are_read_as_the_host_reads_them(typed: bytes, counts: list[int], raw: bool) -> None:
    """Many lines at once, read in pieces; ``raw``: after canonical mode was left."""
    typed += b"b\n"  # FIONREAD does not count an end of file
    host, ours = Host(), Ours()
    try:
        for side in (host, ours):
            side.modes((0, 0, t.ICANON))
        os.write(host.master, typed)
        ours.discipline.receive(typed)
        wait_for_input(host, ours.discipline.queued())
        if raw:
            for side in (host, ours):
                side.modes((0, 0, 0))
        assert [host.read(count) for count in counts] == [ours.read(count) for count in counts]
    finally:
        host.close()


def wait_for_input(host: Host, length: int) -> None:
    """Until the host's line discipline has got it: nothing else tells."""
    deadline = time.monotonic() + 5
    while struct.unpack("i", fcntl.ioctl(host.slave, termios.FIONREAD, bytes(4)))[0] != length:
        assert time.monotonic() < deadline


@pytest.mark.parametrize("length", [INPUT_LIMIT - 1, INPUT_LIMIT, INPUT_LIMIT + 1, 5000])
def test_long_line_is_cut(length: int) -> None:
    """A line that is never ended loses what is too much; its end is kept."""
    host, ours = Host(), Ours()
    try:
        for side in (host, ours):
            side.modes((0, 0, t.ICANON))
        for data in (b"x" * length, b"y\n"):
            ours.discipline.receive(data)
            while data:
                select.select([], [host.master], [])
                data = data[os.write(host.master, data) :]
        select.select([host.slave], [], [])
        assert ours.read(8192) == host.read(8192)
    finally:
        host.close()


@pytest.mark.parametrize(("key", "signo"), [(b"\3", linux.SIGINT), (b"\34", linux.SIGQUIT), (b"\32", linux.SIGTSTP)])
def test_signal_characters_drop_what_was_typed(key: bytes, signo: int) -> None:
    """Each is its signal, and the line before it is gone."""
    ours = Ours()
    assert ours.type(b"abc" + key + b"d\n") == [b"d\n"]
    assert ours.sent == [signo]
