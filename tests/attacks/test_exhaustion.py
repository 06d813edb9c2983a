"""Row 16: using up what there is of a thing ends in an errno, and the next program finds the system as it was."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from sandbox import Build, survived

from skerry.abi import linux

pytestmark = [pytest.mark.machine, pytest.mark.slow]


@pytest.mark.parametrize(
    ("what", "least", "errno"),
    [
        ("threads", 500, linux.EAGAIN),
        ("mappings", 30_000, linux.ENOMEM),
        ("separate-mappings", 60_000, linux.ENOMEM),
        ("address-space", 100, linux.ENOMEM),
        ("processes", 250, linux.EAGAIN),
        ("bomb", 1, None),
        ("vforks", 1000, None),
        ("descriptors", 60_000, linux.EMFILE),
        ("files", 3000, None),
        ("pipes", 500, linux.EMFILE),
        ("queued-signals", 1000, linux.EAGAIN),
        ("depth", 1000, None),
        ("locks", 3000, None),
        ("arguments", 0, linux.E2BIG),
    ],
)
def test_exhaustion_is_an_errno(build: Build, what: str, least: int, errno: int | None) -> None:
    """``errno`` None: whichever it is. What was used is given back when the user is dead: the same again has as much."""
    program = build("exhaust")
    lines = survived(program, f"{what} >/dev/null; /attacks/exhaust {what}").lines
    assert int(lines["had"]) >= least
    assert errno is None or int(lines["errno"]) == errno


@pytest.mark.parametrize(
    ("what", "most"),
    [
        ("pipes", 300),
        ("large-pipes", 30),
        ("sockets", 100),
        ("unaccepted", 200),
        ("rights", 2000),
        ("cycles", 2000),
        ("interests", 5000),
        ("watches", 5000),
        ("events", 500),
        ("locks", 1000),
        ("timers", 5000),
        ("queues", 100),
        ("missing", 2000),
        ("attributes", 300),
        ("opens", 5000),
        ("names", 2000),
        ("read", 200_000_000),
    ],
)
def test_what_is_hoarded_is_given_back(build: Build, what: str, most: int) -> None:
    """A program that has much of a thing and dies of it leaves the system as it was: the same again has as much.

    Seen to fail: ``rights`` ended the system, as a chain of sockets in messages was released by recursion.
    """
    lines = survived(build("hoard"), f"{what} {most} </dev/null; /attacks/hoard {what} {most} </dev/null").lines
    assert int(lines["had"]) == most or int(lines["errno"]) in (linux.EAGAIN, linux.ENOSPC, linux.EMFILE)


def test_memory_that_is_gone_is_gone_on_the_host(build: Build) -> None:
    """Seen to fail: with the Unix server as a task the kernel kept all memory that it was ever asked for."""
    program = build("hoard")
    command = [sys.executable, "-m", "skerry", "run", "--bind", f"{program.parent}:/attacks", "/attacks/hoard", "segments", "1000"]
    with subprocess.Popen(command, cwd="/", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "had: 1000\n"
        assert len(os.listdir(f"/proc/{run.pid}/fd")) < 500
        run.communicate("\n")


def test_memory_has_the_limit_that_was_given(build: Build) -> None:
    """It is refused memory, or killed for what it took, and who started it is told the limit."""
    result = survived(build("exhaust"), "memory", "--memory", "100M")
    assert "had" not in result.lines or (50 < int(result.lines["had"]) < 120 and int(result.lines["errno"]) == linux.ENOMEM)
    assert "--memory" in result.err


@pytest.mark.parametrize(("what", "most"), [("pipes", 2000), ("sockets", 2000)])
def test_what_skerry_keeps_for_programs_is_in_the_limit(build: Build, what: str, most: int) -> None:
    """Full pipes and sockets are Skerry's own memory: who fills so many that it passes the limit is killed, and others are not."""
    result = survived(build("hoard"), f"{what} {most} </dev/null", "--memory", "60M")
    assert "had" not in result.lines
    assert "limit reached: --memory 60M: process" in result.err


@pytest.mark.parametrize("what", ["processes", "files"])
def test_server_without_descriptors_refuses(build: Build, what: str) -> None:
    """The server itself may open only 100 files."""
    program = build("exhaust")
    command = [sys.executable, "-m", "skerry", "run", "--bind", f"{program.parent}:/attacks", "--"]
    script = f"/attacks/exhaust {what}; echo alive; read line < /attacks/exhaust; echo also"
    done = subprocess.run(
        ["prlimit", "--nofile=100:100", *command, "/bin/sh", "-c", script], cwd="/", capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.endswith("alive\nalso\n")
    assert "errno: 0" not in done.stdout
    assert "Traceback" not in done.stderr
