"""Limits on a whole run: what is refused, who is killed, and what is said of it."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest
from running import Run

pytestmark = [pytest.mark.machine, pytest.mark.slow]

FILL = """
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
int main(int count, char **words) { /* each process brings 60 MB into use that no call asked for */
  for (int i = 1; i < count; i++)
    if (fork() == 0)
      break;
  char *at = mmap(NULL, 60 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  mprotect(at, 60 << 20, PROT_READ | PROT_WRITE);
  memset(at, 1, 60 << 20);
  while (wait(NULL) > 0)
    ;
  puts("filled");
  pause();
}
"""


def said(result: subprocess.CompletedProcess[str]) -> list[str]:
    """What Skerry said of limits."""
    return [line for line in result.stderr.splitlines() if line.startswith("skerry: limit reached: ")]


@pytest.fixture(scope="module")
def fill(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("fill")
    subprocess.run(["gcc", "-w", "-x", "c", "-", "-o", directory / "fill"], input=FILL, text=True, check=True, timeout=60)
    return directory


def test_more_memory_than_there_is_is_refused(skerry: Run) -> None:
    result = skerry("run", "--memory", "300M", "python3", "-c", "bytearray(400 << 20)")
    assert said(result) == ["skerry: limit reached: --memory 300M: a mapping was refused (ENOMEM)"]
    assert (result.stderr.splitlines()[-1], result.returncode) == ("MemoryError", 1)


def test_address_space_that_is_not_used_is_not_limited(skerry: Run) -> None:
    script = "import mmap; [mmap.mmap(-1, 200 << 20, prot=mmap.PROT_READ) for _ in range(20)]; print(1)"
    result = skerry("run", "--memory", "300M", "python3", "-c", script)
    assert (result.stdout, result.stderr) == ("1\n", "")


@pytest.mark.parametrize("words", [["a"], ["a", "b"]], ids=["two processes", "three processes"])
def test_memory_counts_all_processes_and_kills_where_it_cannot_refuse(skerry: Run, fill: Path, words: list[str]) -> None:
    result = skerry("run", "--memory", "100M", "--timeout", "20s", "--bind", f"{fill}:/fill", "/fill/fill", *words)
    assert any("--memory 100M: process" in line and "(fill) was killed (SIGKILL)" in line for line in said(result))


def test_files_in_memory_count_as_memory(skerry: Run) -> None:
    result = skerry("run", "--memory", "100M", "sh", "-c", "head -c 200M /dev/zero > /tmp/x; wc -c < /tmp/x")
    assert said(result) == ["skerry: limit reached: --memory 100M: no space for files (ENOSPC)"]
    assert "No space left on device" in result.stderr
    assert 40 << 20 < int(result.stdout) <= 75 << 20


def test_programs_see_the_memory_that_the_limit_leaves(skerry: Run) -> None:
    lines = dict(line.split(":") for line in skerry("run", "--memory", "256M", "cat", "/proc/meminfo").stdout.splitlines())
    assert int(lines["MemTotal"].split()[0]) == 256 << 10
    assert 0 < int(lines["MemAvailable"].split()[0]) < 256 << 10


def test_disk_is_full_at_its_limit_and_has_room_again(skerry: Run) -> None:
    script = "cd /tmp; head -c 9M /dev/zero >x; wc -c <x; rm x; cd /var/tmp; head -c 3M /dev/zero >y; head -c 3M /dev/zero >y; wc -c <y"
    result = skerry("run", "--disk", "5M", "sh", "-c", script)
    assert said(result) == ["skerry: limit reached: --disk 5M: no space for files (ENOSPC)"]
    first, second = map(int, result.stdout.split())
    assert 4 << 20 < first <= 5 << 20
    assert second == 3 << 20


FILL_BY_MAPPING = """
import mmap, os
fd = os.open("/tmp/x", os.O_RDWR | os.O_CREAT)
os.ftruncate(fd, 1 << 30)
memory = mmap.mmap(fd, 1 << 30)
while True:
    for at in range(0, 64 << 20, 4096):
        memory[at] = 1
"""


def test_mapping_that_fills_the_disk_ends_in_sigbus(skerry: Run) -> None:
    script = f"python3 -c '{FILL_BY_MAPPING}'; echo $?; rm /tmp/x; head -c 3M /dev/zero > /tmp/y && wc -c < /tmp/y"
    result = skerry("run", "--disk", "8M", "sh", "-c", script)
    assert result.stdout.split() == [str(128 + signal.SIGBUS), str(3 << 20)]
    assert [line for line in said(result) if "wrote through a mapping, was killed (SIGBUS)" in line]


def test_host_file_that_does_not_fit_stays_as_it_is(skerry: Run, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"x" * (3 << 20))
    script = "echo more >> /b/big || cksum < /b/big; cksum < /b/big"
    result = skerry("run", "--disk", "1M", "--bind", f"{tmp_path}:/b", "sh", "-c", script)
    one, two = result.stdout.splitlines()
    assert one == two
    assert one.endswith(str(3 << 20))


def test_processes_are_refused_and_may_come_when_others_are_gone(skerry: Run) -> None:
    script = """
import os, sys
made = []
try:
    while True:
        pid = os.fork()
        if not pid:
            sys.stdin.read()
            os._exit(0)
        made.append(pid)
except BlockingIOError:
    print(len(made))
import threading
try:
    threading.Thread(target=print).start()
except RuntimeError:
    print("no thread")
os.kill(made[0], 9)
os.waitpid(made[0], 0)
threading.Thread(target=print, args=("a thread",)).start()
"""
    with subprocess.Popen(["sleep", "100"], stdout=subprocess.PIPE) as open_pipe:
        result = skerry("run", "--pids", "6", "python3", "-c", script, stdin=open_pipe.stdout)
        open_pipe.kill()
    assert result.stdout.split("\n") == ["5", "no thread", "a thread", ""]
    assert said(result) == ["skerry: limit reached: --pids 6: a new process or thread was refused (EAGAIN)"]


@pytest.mark.parametrize("program", ["while :; do :; done", "sleep 100", "trap '' TERM; sleep 100 & wait"])
def test_all_is_killed_when_the_time_is_up(skerry: Run, program: str) -> None:
    result = skerry("run", "--timeout", "0.3s", "sh", "-c", program)
    assert result.returncode == 137
    assert said(result) == ["skerry: limit reached: --timeout 0.3s: all processes were killed (SIGKILL)"]


def test_processors_are_as_many_as_the_limit_leaves(skerry: Run) -> None:
    assert skerry("run", "--cpus", "0.5", "nproc").stdout == "1\n"


def test_processor_time_stays_below_its_share(skerry: Run) -> None:
    script = (
        "import time; a, b = time.monotonic(), time.process_time()\nwhile time.process_time() - b < 0.4: pass\nprint(time.monotonic() - a)"
    )
    assert float(skerry("run", "--cpus", "0.2", "python3", "-c", script).stdout) > 1
