"""Attacks on the stub and on what it shares with the kernel (rows 1-8, 14, 17 and 19 of the attack table)."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sandbox import Build, survived

pytestmark = [pytest.mark.machine, pytest.mark.slow]


@pytest.fixture
def bystander() -> Iterator[int]:
    """A host process that no guest may touch."""
    with subprocess.Popen(["sleep", "300"]) as process:
        yield process.pid
        assert process.poll() is None, "a guest killed a host process"
        process.kill()


def test_every_entry_leads_to_the_server(build: Build, tmp_path: Path) -> None:
    """Rows 1, 2, 14, 19: whatever instruction it was, the answer is the server's, and no file is made on the host."""
    program = build("entries")
    native = subprocess.run([program, tmp_path / "host"], capture_output=True, text=True, check=True, timeout=60)
    made = {path.name.removeprefix("host-") for path in tmp_path.iterdir()}
    assert {"syscall", "across-pages", "high-bits", "stack-in-frames"} <= made, native.stdout  # the host would show it
    for path in tmp_path.iterdir():
        path.unlink()

    result = survived(program, str(tmp_path / "host"), "--bind", str(tmp_path))
    assert list(tmp_path.iterdir()) == []
    for name in (
        "syscall",
        "across-pages",
        "prefixed",
        "high-bits",
        "alignment-flag",
        "direction-flag",
        "no-stack",
        "stack-in-frames",
        "bases",
    ):
        pid, descriptor = int(result.lines[name].split()[1]), int(result.lines[name].split()[3])
        assert (pid < 100, descriptor >= 0) == (True, True), name  # the sandbox's numbers are small: its first process is 1
    for name in ("x32", "int80", "far-int80"):
        assert result.lines[name] == "pid -38 file -38"
    assert "killed" not in result.out


def test_forged_channel_harms_only_the_forger(build: Build, bystander: int) -> None:
    """Rows 5-8, 17. Seen to fail: a forged signal number was a ValueError, a forged thread id moved the bystander to another processor."""
    before = os.sched_getaffinity(bystander)
    result = survived(build("channel"), str(bystander))
    lines = result.lines
    assert os.sched_getaffinity(bystander) == before
    for number in ("0", "0x1", "0x20", "0xc8", "0x80000000", "0xffffffff"):
        assert lines[f"signo {number}"] == "signal 9"  # the kernel saw the forgery, and killed
    for offset in ("0", "0x8", "0x2001", "0x10000", "0x7fffffffffffffff", "0xfffffffffffffff8"):
        assert lines[f"frame {offset}"] == "signal 9"
    assert lines["signo 0x5"] == "signal 5"  # what may happen to a program anyway
    assert lines["area 0xff"] == "signal 9"
