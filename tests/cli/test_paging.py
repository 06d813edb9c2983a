"""Programs that have more memory in use than there is: `--memory` with `--swap`."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from running import Run

pytestmark = [pytest.mark.machine, pytest.mark.slow]
PROGRAM = Path(__file__).parent / "programs" / "paged.c"
HOLD = """
import mmap, sys
count = int(sys.argv[1])
memory = mmap.mmap(-1, count << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
for at in range(0, count << 20, 4096):
    memory[at] = at >> 12 & 255
print("filled", flush=True)
sys.stdin.readline()
for at in range(0, count << 20, 4096):
    assert memory[at] == at >> 12 & 255, at
print("kept")
"""
OUT = """
import re, time
def paged_out():
    swap = dict(re.findall(r"(Swap\\w+): +(\\d+)", open("/proc/meminfo").read()))
    return int(swap["SwapTotal"]) - int(swap["SwapFree"])
"""


@pytest.fixture(scope="module")
def paged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("paged")
    subprocess.run(["gcc", "-O1", "-w", "-pthread", PROGRAM, "-o", directory / "paged"], check=True, timeout=60)
    return directory


def test_memory_that_was_paged_out_holds_what_was_written(skerry: Run, paged: Path) -> None:
    native = subprocess.run([paged / "paged"], cwd=paged, capture_output=True, text=True, check=True, timeout=60)
    inside = skerry("run", "--memory", "16M", "--swap", "1G", "--bind", str(paged), "--cwd", str(paged), "./paged", timeout=110)
    assert (inside.stdout, inside.stderr, inside.returncode) == (native.stdout, "", 0)
    assert "1 wrong" not in native.stdout


def test_what_is_in_use_stays_within_the_limit(skerry: Run, tmp_path: Path) -> None:
    script = f"""{HOLD}{OUT}
used = paged_out()
assert used >= (count << 10) - (64 << 10), used
assert str(used) in open("/proc/swaps").read(), open("/proc/swaps").read()
"""
    result = skerry("run", "--memory", "64M", "--swap", "512M", "python3", "-c", script, "150")
    assert (result.stdout, result.stderr) == ("filled\nkept\n", "")


def test_a_full_device_is_said_and_ends_who_uses_most(skerry: Run) -> None:
    result = skerry("run", "--memory", "64M", "--swap", "32M", "python3", "-c", HOLD, "90")
    assert (result.returncode, result.stdout) == (1, "")
    assert "skerry: limit reached: --memory 64M: a mapping was refused (ENOMEM)\n" in result.stderr


def test_address_space_beyond_memory_and_device_is_killed_for_when_it_is_used(skerry: Run) -> None:
    script = """
import mmap
for _ in range(4):
    memory = mmap.mmap(-1, 40 << 20, prot=mmap.PROT_READ | mmap.PROT_WRITE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    globals()[f"kept{_}"] = memory
for _ in range(4):
    for at in range(0, 40 << 20, 4096):
        globals()[f"kept{_}"][at] = 1
print("all")
"""
    result = skerry("run", "--memory", "64M", "--swap", "32M", "python3", "-c", script)
    assert result.stdout == ""
    assert result.returncode in (1, 128 + signal.SIGKILL)
    assert "limit reached: --memory 64M: " in result.stderr


def test_a_pager_that_dies_costs_what_it_kept_and_no_more(tmp_path: Path) -> None:
    script = OUT + HOLD.replace("print(", "while not paged_out():\n    time.sleep(0.01)\nprint(", 1)  # the limit is looked at now and then
    command = [sys.executable, "-m", "skerry", "run", "--memory", "64M", "--swap", "512M", "python3", "-c", script, "120"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "filled\n"
        shown = subprocess.run([sys.executable, "-m", "skerry", "ps", "--json", str(run.pid)], capture_output=True, text=True, check=True)
        (pid,) = map(int, re.findall(r'"host_pid": (\d+)[^{}]*"name": "default pager"', shown.stdout))
        os.kill(pid, signal.SIGKILL)
        out, said = run.communicate("\n", timeout=60)
    assert "the default pager has died, and memory that it kept is lost; another has been started" in said
    assert (out, run.returncode) == ("", 128 + signal.SIGBUS)
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--swap", "1G"], "--swap 1G: nothing is paged out without a limit on memory: give that, too"),
        (["--memory", "1G", "--swap", "x"], "--swap x: not a size: give a number with K, M, G or T, like 512M"),
        (
            ["--memory", "1G", "--swap", "1G:/nowhere"],
            "--swap: no such file can be made in /nowhere (No such file or directory): give another",
        ),
    ],
)
def test_errors_say_what_to_do(skerry: Run, options: list[str], said: str) -> None:
    result = skerry("run", *options, "true")
    assert (result.returncode, result.stdout) == (125, "")
    assert result.stderr.startswith(f"skerry: {said}")
