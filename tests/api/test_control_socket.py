"""The control socket against who does not keep to its rules: it is for programs of the same user, and must not end the system."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import skerry
from skerry.control.lines import Lines, encode

pytestmark = pytest.mark.machine


@pytest.fixture
def system(config: str) -> Iterator[skerry.BlockingSystem]:
    with skerry.BlockingSystem(config=config) as system:
        yield system


@pytest.fixture
def connect(system: skerry.BlockingSystem) -> Iterator[Callable[[], socket.socket]]:
    opened: list[socket.socket] = []

    def connect() -> socket.socket:
        sock = socket.socket(socket.AF_UNIX)
        opened.append(sock)
        sock.settimeout(30)
        sock.connect(str(Path(os.environ["XDG_RUNTIME_DIR"]) / "skerry" / str(system.pid)))
        return sock

    yield connect
    for sock in opened:
        sock.close()


def answer(sock: socket.socket, request: dict[str, Any]) -> dict[str, Any]:
    sock.sendall(encode(request))
    with sock.makefile("rb") as lines:
        return dict(json.loads(lines.readline()))


@pytest.mark.parametrize("garbage", [b"\xff\xfe\n", b"[1]\n", b"17\n", b"{\n", b"[" * 100_000 + b"\n", b'"' + b"x" * 1000 + b"\n"])
def test_garbage_ends_the_connection_and_nothing_else(
    system: skerry.BlockingSystem, connect: Callable[[], socket.socket], garbage: bytes
) -> None:
    sock = connect()
    sock.sendall(garbage)
    assert sock.recv(1) == b""
    assert system.run(["echo", "alive"]).text == "alive\n"


@pytest.mark.parametrize(
    "request_of",
    [
        {"do": "start", "arguments": ["true"], "environment": {}, "directory": "", "numbers": [], "count": 0},
        {"do": "signal", "program": 2, "signal": 9},
        {"do": "close"},
        {"do": "begin task", "source": None, "entry": "skerry.servers.name:main", "arguments": [], "name": ""},
        {"do": ["list"]},
        {"do": None},
        {},
        {"do": "memory"},
        {"do": "memory", "pid": "x"},
        {"do": "memory", "pid": 1 << 70},
        {"do": "memory", "pid": -1},
        {"do": "untrace"},
    ],
)
def test_who_connects_can_only_look(
    system: skerry.BlockingSystem, connect: Callable[[], socket.socket], request_of: dict[str, Any]
) -> None:
    assert "refused" in answer(connect(), {"id": 1} | request_of)
    assert system.run(["echo", "alive"]).text == "alive\n"


def test_descriptors_that_nobody_asked_for_are_closed(system: skerry.BlockingSystem, connect: Callable[[], socket.socket]) -> None:
    reader, writer = os.pipe()
    with connect() as sock:
        socket.send_fds(sock, [b"\n"], [writer] * 10)
        assert answer(sock, {"id": 1, "do": "about"})["result"]["pid"] == system.pid
    os.close(writer)
    assert os.read(reader, 1) == b"", "every copy of the other end is closed"
    os.close(reader)


def test_one_trace_at_a_time_and_who_leaves_ends_his(system: skerry.BlockingSystem, connect: Callable[[], socket.socket]) -> None:
    with connect() as first:
        assert answer(first, {"id": 1, "do": "trace"})["result"] is None
        assert "already" in answer(connect(), {"id": 1, "do": "trace"})["refused"]
    other = connect()
    while "refused" in answer(other, {"id": 2, "do": "trace"}):  # until it has seen that the first has gone
        pass
    system.run(["true"])
    assert any(event["name"] == "exit 0" for event in answer(other, {"id": 3, "do": "untrace"})["result"])


@given(st.lists(st.dictionaries(st.text(), st.text(), max_size=3), max_size=5), st.integers(1, 7))
def test_lines_are_put_together_however_they_come(messages: list[dict[str, str]], step: int) -> None:
    data = b"".join(encode(message) for message in messages)
    lines = Lines()
    found = [message for start in range(0, len(data), step) for message in lines.feed(data[start : start + step])]
    assert found == messages


def test_a_line_without_end_is_refused() -> None:
    lines = Lines(1000)
    for _ in range(10):
        assert lines.feed(b"x" * 100) == []
    with pytest.raises(ValueError, match="too long"):
        lines.feed(b"x")
