"""Attacks on the stub and on what it shares with the kernel (rows 1-8, 14, 17 and 19 of the attack table)."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sandbox import STUB, Build, survived

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


def test_forged_signal_frames_harm_only_the_forger(build: Build) -> None:
    """Rows 8, 9, 14. Seen to fail: a context that masked the interruption or moved its alternate stack could not be killed from inside."""
    result = survived(build("sigreturn"), f"{stub_symbol('stub_restore'):#x}")
    lines = result.lines
    assert lines["server-plain 0"] == lines["host-plain 0"] == "exit 7"  # an honest frame works: the forgeries below are read
    assert lines["host-masked 0xffffffffffffffff"] == "signal 9"  # a trap that cannot be delivered
    for spinning in ("server-masked_spin 0xffffffffffffffff", "host-masked_spin 0xffffffffffffffff", "host-masked_calls 0x400000"):
        assert lines[spinning] == "killed"  # SIGKILL ends it, whatever it masks
    for way in ("server", "host"):
        assert lines[f"{way}-address 0x8000000000000000"] == "signal 11"


def test_stub_cannot_be_mapped_over_nor_written(build: Build) -> None:
    """Rows 10-12, through every call of the server that changes memory; what the host maps there stays as it is."""
    result = survived(build("maps"))
    assert result.lines["changed"] == "0"
    assert int(result.lines["refused"].split()[0]) > 100
    assert result.lines["write-own 0"] == "exit 0"
    for place in ("text", "command"):
        assert result.lines[f"write-{place} 0"] == "signal 11"


def test_guest_finds_no_secret_of_the_host(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's environment, of which guest processes were forked, is nowhere in a guest's memory nor in its /proc."""
    monkeypatch.setenv("SKERRY_TEST_SECRET", "xyzzy" * 8)
    result = survived(build("secrets"), "", "--env", "SHOWN=plugh" + "plugh" * 7)
    pages, secrets, shown = (int(result.lines[key]) for key in ("pages", "secrets", "shown"))
    assert pages > 1000
    assert shown >= 1  # it finds what is there
    assert secrets == 0


def test_calls_that_reach_outside_reach_nothing(build: Build, bystander: int, tmp_path: Path) -> None:
    """Row 15: other processes, their memory, namespaces, modules, devices; and a file of the host, which changes inside only."""
    victim = tmp_path / "victim"
    victim.write_text("mine")
    before = (
        os.sched_getaffinity(bystander),
        resource.prlimit(bystander, resource.RLIMIT_NOFILE),
        os.getpriority(os.PRIO_PROCESS, bystander),
    )
    result = survived(build("outside"), f"{bystander} {victim}", "--bind", str(tmp_path))
    after = (
        os.sched_getaffinity(bystander),
        resource.prlimit(bystander, resource.RLIMIT_NOFILE),
        os.getpriority(os.PRIO_PROCESS, bystander),
    )
    assert after == before
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("victim", "mine")]
    lines = {name: int(code) for name, code in result.lines.items() if name not in ("alive", "status")}
    assert lines.pop("own-write") == 0  # it was in the sandbox's copy
    assert [name for name, code in lines.items() if code >= 0] == []


def test_calls_that_reach_outside_succeed_natively(build: Build, tmp_path: Path) -> None:
    """Those that do no harm, on a process of one's own: the program says what it reached."""
    victim = tmp_path / "victim"
    victim.write_text("mine")
    with subprocess.Popen(["sleep", "300"]) as process:
        words = [build("outside"), str(process.pid), victim, "harmless"]
        done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
        assert process.wait(10) < 0  # killed
    lines = {name: int(code) for name, code in (line.rsplit(": ", 1) for line in done.stdout.splitlines())}
    reached = {"tgkill", "pidfd_open", "prlimit64", "setpriority", "own-write", "signalled"}
    assert {name for name in reached if lines.get(name) != 0} == set()
    assert victim.read_text() == "spoilt"


def stub_symbol(name: str) -> int:
    table = subprocess.run(["nm", STUB], capture_output=True, text=True, check=True).stdout
    return next(int(line.split()[0], 16) for line in table.splitlines() if line.endswith(" " + name))


def test_registers_of_newer_processors_harm_nobody(build: Build, tmp_path: Path) -> None:
    """Row 13: the stub works where a program has forbidden itself all memory (PKRU), and tile registers (AMX) are not had without leave."""
    program = build("processor")
    native = subprocess.run([program, tmp_path / "host"], capture_output=True, text=True, check=True, timeout=60)
    has_keys, has_tiles = ("all-forbidden: not here" not in native.stdout), ("tiles: not here" not in native.stdout)
    assert (tmp_path / "host").exists() == has_keys  # the host would show it
    (tmp_path / "host").unlink(missing_ok=True)
    lines = survived(program, str(tmp_path / "host"), "--bind", str(tmp_path)).lines
    assert list(tmp_path.iterdir()) == []
    for name in ("all-forbidden", "writes-forbidden", "key-register"):
        assert lines[name] == ("exit 7" if has_keys else "not here"), name
    assert lines["tiles-without-leave"] == ("signal 4" if has_tiles else "not here")
    assert lines["tiles"] == ("exit 9" if has_tiles else "not here")  # refused: a state of 8 KiB more than the stub keeps
