"""What `skerry run` and the commands beside it do."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from running import Run

from skerry.cli import COMMANDS
from skerry.unix.syscalls.table import CALLS

pytestmark = [pytest.mark.machine, pytest.mark.slow]

PYTHON = ("--bind", sys.prefix, "--", sys.executable)  # wherever it is installed, /tmp too
WRITE = "echo new > file; echo $?; cat file; mkdir d; echo $?"


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A host directory with a file."""
    place = tmp_path / "shared"
    place.mkdir()
    (place / "file").write_text("old\n")
    return place


def test_bind_keeps_writes_inside(skerry: Run, shared: Path) -> None:
    result = skerry("run", "--bind", f"{shared}:/s", "--cwd", "/s", "--", "sh", "-c", WRITE)
    assert result.stdout.split() == ["0", "new", "0"]
    assert ((shared / "file").read_text(), (shared / "d").exists()) == ("old\n", False)


def test_bind_ro_refuses_writes(skerry: Run, shared: Path) -> None:
    result = skerry("run", "--bind", f"{shared}:/s:ro", "--cwd", "/s", "--", "sh", "-c", WRITE)
    assert result.stdout.split() == ["2", "old", "1"]
    assert result.stderr.count("Read-only file system") == 2
    assert (shared / "file").read_text() == "old\n"


def test_bind_rw_writes_through(skerry: Run, shared: Path) -> None:
    result = skerry("run", "--bind", f"{shared}:/s:rw", "--cwd", "/s", "--", "sh", "-c", WRITE)
    assert result.stdout.split() == ["0", "new", "0"]
    assert ((shared / "file").read_text(), (shared / "d").is_dir()) == ("new\n", True)


def test_bind_takes_the_place_of_what_is_mounted_there(skerry: Run, shared: Path) -> None:
    assert skerry("run", "--bind", f"{shared}:/tmp", "--", "ls", "/tmp").stdout == "file\n"


def test_later_bind_covers_an_earlier_one(skerry: Run, shared: Path) -> None:
    binds = ("--bind", f"{shared}:/s", "--bind", "/usr:/s/usr:ro")
    assert skerry("run", *binds, "--", "ls", "/s", "/s/usr/bin/env").stdout.split() == ["/s/usr/bin/env", "/s:", "file", "usr"]


def test_options_after_the_program_are_its_own(skerry: Run) -> None:
    assert skerry("run", "echo", "--stats", "-n").stdout == "--stats -n\n"
    assert skerry("run", "--", "echo", "--stats").stdout == "--stats\n"


def test_environment_is_a_few_variables_and_what_was_given(skerry: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "1")
    monkeypatch.setenv("GIVEN", "2")
    lines = skerry("run", "--env", "GIVEN", "--env", "OTHER=3=4", "--", "env").stdout.splitlines()
    assert {"GIVEN=2", "OTHER=3=4"} <= set(lines)
    assert not any(line.startswith("SECRET=") for line in lines)


def test_signal_to_the_command_reaches_the_program() -> None:
    command = [
        sys.executable,
        "-m",
        "skerry",
        "run",
        "--",
        "sh",
        "-c",
        "trap 'echo caught; exit 5' TERM; echo ready; while :; do sleep 0.1; done",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "caught\n"
        assert process.wait(30) == 5


def test_status_says_which_signal_ended_the_program(skerry: Run) -> None:
    assert skerry("run", "sh", "-c", "kill -SEGV $$").returncode == 128 + signal.SIGSEGV


def test_stats_count_what_happened(skerry: Run) -> None:
    script = "cat /dev/null; cat /dev/null; kill -0 $$; (exit 3)"
    result = skerry("run", "--stats", "--", "sh", "-c", script)
    counts = {words[0]: words[1:] for line in result.stderr.splitlines() if len(words := line.split()) > 1}
    assert "exit status 3" in result.stderr
    assert re.search(r"^processes +4 .* 3 programs executed$", result.stderr, re.MULTILINE)
    assert counts["execve"][0] == "2"
    assert counts["exit_group"][0] == "4"
    assert int(counts["traps"][0]) >= int(re.findall(r"^system calls +(\d+)", result.stderr, re.MULTILINE)[0]) > 100
    assert int(counts["maps"][0]) > 50
    assert all(float(counts[row][0]) > 0 for row in ("start", "programs", "kernel", "servers"))
    assert float(counts["end"][0]) >= 0  # a Unix that is a task leaves most of the end to the kernel
    shares = [float(share) for share in re.findall(r" ([\d.]+)% ", result.stderr)]
    assert sum(shares) == pytest.approx(100, abs=0.5)


def test_stats_name_calls_that_do_not_exist(skerry: Run) -> None:
    missing = next(call for call in CALLS if call.handler is None and call.name != "rseq")
    script = f"import ctypes; [ctypes.CDLL(None).syscall({missing.number}, None) for _ in range(3)]"
    result = skerry("run", "--stats", *PYTHON, "-c", script)
    assert f"{missing.name} (3)" in next(line for line in result.stderr.splitlines() if line.startswith("missing (ENOSYS)"))


def test_calls_lists_the_whole_table(skerry: Run) -> None:
    lines = skerry("calls").stdout.splitlines()
    assert len(lines) == len(CALLS) + 2
    counts = Counter(call.support.value for call in CALLS)
    assert lines[-1] == f"{len(CALLS)} calls: {counts['full']} full, {counts['partial']} partial, {counts['none']} none"


def test_calls_filters_by_name_number_and_level(skerry: Run) -> None:
    assert [line.split()[1] for line in skerry("calls", "257", "fchmodat").stdout.splitlines()[:-2]] == ["openat", "fchmodat"]
    assert all(line.split()[2] == "partial" for line in skerry("calls", "--level", "partial").stdout.splitlines()[:-2])
    assert skerry("calls", "nosuchcall").returncode == 1


def test_doctor_finds_this_host_fit(skerry: Run) -> None:
    result = skerry("doctor")
    assert result.returncode == 0, result.stdout
    assert "ok       trial" in result.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches_by_example(command: str, skerry: Run) -> None:
    assert f"  skerry {command}" in skerry(command, "--help").stdout.split("Usage:")[1].split("\n", 1)[1]


def test_run_does_not_import_what_only_other_commands_need() -> None:
    result = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "skerry", "run", "true"], capture_output=True, text=True, timeout=60, check=True
    )
    modules = {line.rpartition("|")[2].strip().partition(".")[0] for line in result.stderr.splitlines()}
    assert modules & {"rich", "pygments", "sqlite3", "asyncio", "difflib"} == set()
    assert "skerry.unix.strace" not in result.stderr
    assert "skerry.stats" not in result.stderr


def test_output_that_cannot_be_written_is_said_in_one_line() -> None:
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            [sys.executable, "-m", "skerry", "calls"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )
    assert (result.stderr, result.returncode) == ("skerry: what it shows cannot be written: No space left on device\n", 1)
