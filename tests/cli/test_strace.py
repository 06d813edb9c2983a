"""`skerry run --strace` beside strace(1), on the same programs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from skerry.unix.strace.table import ROWS
from skerry.unix.syscalls.table import CALLS

PROGRAMS = Path(__file__).parent / "programs"
FUZZER = PROGRAMS.parents[1] / "attacks" / "programs" / "fuzz.c"
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
PYTHON = {key: value for key, value in os.environ.items() if key.startswith("PYTHON")}  # of the command, not of the program
OTHERWISE = ("rseq(",)  # a call that Skerry does not have
VOLATILE = (
    (r"0x[0-9a-f]{6,}", "ADDRESS"),
    (r"(tv_u?n?sec)=\d+", r"\1=N"),
    (r"\d{10} \(20[0-9T:+-]+\)", "NOW"),
    (r'nodename="[^"]*"', "nodename=HOST"),
    (r" +=", " ="),
    (r"\{sa_handler=ADDRESS", "{sa_handler=FUNCTION"),
    (r"\|0xffffffff00000000", ""),  # glibc extends the sign of sa_flags; Skerry keeps what Linux keeps
    (r" \(core dumped\)", ""),
    (r'getrandom\("[^"]+"', "getrandom(BYTES"),
)


def histories(text: str) -> list[list[str]]:
    """The calls of each process, in the order in which the processes came; what was unfinished is put together."""
    attached = re.findall(r"strace: Process (\d+) attached", text)
    calls: dict[str, list[str]] = {pid: [] for pid in ("first", *attached)}
    begun = dict.fromkeys(calls, "")
    for line in re.sub(r"strace: Process \d+ attached\n", "", text).splitlines():
        found = re.match(r"\[pid +(\d+)\] (.*)", line)
        pid, said = found.groups() if found else ("first", line)
        pid = pid if pid in attached else "first"
        if said.endswith(" <unfinished ...>"):
            begun[pid] = said.removesuffix(" <unfinished ...>")
            continue
        resumed = re.match(r"<\.\.\. \w+ resumed>(.*)", said)
        calls[pid].append(begun[pid] + resumed.group(1) if resumed else said)
    return [[plain(call) for call in history if not call.startswith(OTHERWISE)] for history in calls.values()]


def plain(call: str) -> str:
    """The call without what differs from run to run."""
    for pattern, text in VOLATILE:
        call = re.sub(pattern, text, call)
    call = re.sub(
        r"^((?:fork|vfork|clone|clone3|wait4|waitid|set_tid_address|getpid|gettid|getppid|rt_sigreturn)\(.*\) = )\d+$", r"\1PID", call
    )
    call = re.sub(r"^(wait4|kill|tkill|rt_sigqueueinfo)\(\d+", r"\1(PID", call)
    call = re.sub(r"^tgkill\(\d+, \d+", "tgkill(PID, PID", call)
    return re.sub(r"(si_pid|P_PID)(=|, )\d+", r"\1\2PID", call)


def trace(place: Path, environment: dict[str, str], command: list[str]) -> str:
    """What ``command`` writes on standard error."""
    result = subprocess.run(
        command,
        env=environment,
        cwd=place,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    return result.stderr.decode()


def native(place: Path, *command: str) -> str:
    """What strace says."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    text = trace(place, ENVIRONMENT, ["strace", "-f", *command])
    if text.startswith("strace: ") and "ptrace" in text.splitlines()[0]:
        pytest.skip(text.splitlines()[0])
    return text


def inside(place: Path, *command: str) -> str:
    """What Skerry says, with ``place`` to be seen."""
    skerry = [sys.executable, "-m", "skerry", "run", "--strace", "--bind", str(place), "--cwd", str(place), "--"]
    return trace(place, ENVIRONMENT | PYTHON, [*skerry, *command])


@pytest.fixture
def calls_program(tmp_path: Path) -> Path:
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler")
    program = tmp_path / "calls"
    subprocess.run(["cc", "-w", "-O1", str(PROGRAMS / "calls.c"), "-o", str(program)], check=True)
    return program


@pytest.mark.slow
@pytest.mark.machine
def test_every_kind_of_argument_is_written_as_strace_writes_it(calls_program: Path, tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    ours = histories(inside(tmp_path, str(calls_program), str(place)))
    theirs = histories(native(tmp_path, str(calls_program), str(place)))
    for mine, real in zip(ours, theirs, strict=True):
        begin = next((i for i, call in enumerate(real) if "the comparison begins" in call), 0)
        start = next((i for i, call in enumerate(mine) if "the comparison begins" in call), 0)
        assert mine[start:] == real[begin:]


@pytest.mark.slow
@pytest.mark.machine
@pytest.mark.parametrize("script", ["echo hello; exit 3", "trap 'echo bye' TERM; kill -TERM $$; umask; exit 1", "kill -SEGV $$"], ids=str)
def test_shell_script_is_traced_as_by_strace(script: str, tmp_path: Path) -> None:
    assert histories(inside(tmp_path, "dash", "-c", script)) == histories(native(tmp_path, "dash", "-c", script))


@pytest.mark.slow
@pytest.mark.machine
def test_processes_of_a_pipeline_are_told_apart(tmp_path: Path) -> None:
    script = ("dash", "-c", "cat /etc/hostname | tr a-z A-Z")
    chance = ("--- SIGCHLD", "rt_sigreturn(", "wait4(")  # which end comes first, and whether the shell waits already

    def certain(text: str) -> list[list[str]]:
        first, *others = histories(text)  # strace may meet the others in any order
        others.sort(key=lambda history: next((call for call in history if call.startswith("execve(")), ""))
        return [[call for call in history if not call.startswith(chance)] for history in (first, *others)]

    assert certain(inside(tmp_path, *script)) == certain(native(tmp_path, *script))


@pytest.mark.slow
@pytest.mark.machine
def test_call_that_waits_is_shown_before_it_ends(tmp_path: Path) -> None:
    lines = inside(tmp_path, "dash", "-c", "sleep 0.01; exit").splitlines()
    begun = next(i for i, line in enumerate(lines) if "wait4(-1,  <unfinished ...>" in line)
    ended = next(i for i, line in enumerate(lines) if "<... wait4 resumed>" in line)
    assert any("+++ exited with 0 +++" in line for line in lines[begun:ended])


@pytest.mark.slow
@pytest.mark.machine
def test_hostile_arguments_do_not_break_the_trace(tmp_path: Path) -> None:
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler")
    program = tmp_path / "fuzz"
    subprocess.run(["cc", "-w", "-O1", str(FUZZER), "-o", str(program), "-pthread"], check=True)
    text = inside(tmp_path, str(program), "7", "3000")
    assert text.endswith("+++ exited with 0 +++\n")
    assert text.count("\n") > 3000


def test_every_call_that_exists_is_declared() -> None:
    assert [call.name for call in CALLS if call.handler is not None and call.name not in ROWS] == []
