"""Run a command natively or under Skerry, with a time limit, and see what it leaves: the ground of the suites in this directory.

A run is judged by its status, its output, whether it ended in time, whether Skerry broke (a traceback, or status 125), the processes
that outlived it and the memory that Skerry's own process took.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/tmp",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "TERM": "dumb",
}
PR_SET_CHILD_SUBREAPER = 36
PF_EXITING = 4  # of a task's flags, in linux/sched.h
FLAGS = 5  # where those are in /proc/PID/stat, behind the state
EPOCH = 0.1  # seconds between two looks at a run


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run did."""

    output: str  # standard output and error
    status: int  # as a shell gives it (128+n for signal n); 124 where the limit was reached
    seconds: float
    sizes: tuple[int, ...]  # KiB resident, of the started process alone, at each look
    left: tuple[str, ...]  # names of processes that outlived it

    @property
    def peak(self) -> int:
        """KiB resident at the most."""
        return max(self.sizes, default=0)

    @property
    def growth(self) -> int:
        """KiB by which the last quarter of the run is larger, at the most, than the second was."""
        quarter = len(self.sizes) // 4
        return max(self.sizes[3 * quarter :], default=0) - max(self.sizes[quarter : 2 * quarter], default=0) if quarter else 0

    @property
    def in_time(self) -> bool:
        return self.status != 124

    @property
    def broken(self) -> str:
        """What is wrong with Skerry itself in this run: empty where nothing is."""
        if "Traceback (most recent call last)" in self.output and "/skerry/" in self.output:
            return "traceback"
        if "skerry: " in self.output and self.status == 125:
            return "Skerry failed"
        return f"left: {' '.join(self.left)}" if self.left else ""


def skerry(command: Sequence[str], *options: str) -> list[str]:
    """The command line that runs ``command`` under this tree's Skerry with ``options`` of ``skerry run``."""
    return ["/usr/bin/env", f"PYTHONPATH={ROOT / 'src'}", sys.executable, "-m", "skerry", "run", *options, "--", *command]


def run(command: Sequence[str], directory: Path, limit: float, environment: Mapping[str, str] | None = None) -> Outcome:
    """Run ``command`` in ``directory`` for at most ``limit`` seconds; whatever outlives it is named and killed."""
    _adopt_orphans()
    before = set(_children())
    started = time.monotonic()
    reading, writing = os.pipe()
    with open(reading, "rb", buffering=0) as pipe:
        process = subprocess.Popen(
            command,
            cwd=directory,
            env={**ENVIRONMENT, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=writing,
            start_new_session=True,
        )
        os.close(writing)
        chunks, sizes, in_time = _watch(process, pipe.fileno(), started + limit)
        status = process.wait()
        seconds = time.monotonic() - started
        left = tuple(_clear(before))
        os.set_blocking(pipe.fileno(), False)
        chunks.append(pipe.read() or b"")
    if not in_time:
        status = 124
    return Outcome(b"".join(chunks).decode(errors="backslashreplace"), status if status >= 0 else 128 - status, seconds, tuple(sizes), left)


def _watch(process: subprocess.Popen[bytes], pipe: int, deadline: float) -> tuple[list[bytes], list[int], bool]:
    """Take its output until it ends or the deadline; the output, the sizes seen, whether it ended."""
    chunks: list[bytes] = []
    sizes: list[int] = []
    with contextlib.closing(select.epoll()) as ready:
        watch = os.pidfd_open(process.pid)
        ready.register(watch, select.EPOLLIN)
        ready.register(pipe, select.EPOLLIN)
        try:
            while time.monotonic() < deadline:
                if size := _resident(process.pid):
                    sizes.append(size)
                events = [descriptor for descriptor, _ in ready.poll(EPOCH)]
                if pipe in events:
                    chunk = os.read(pipe, 1 << 16)
                    chunks.append(chunk)
                    if not chunk:
                        ready.unregister(pipe)
                if watch in events:
                    return chunks, sizes, True
        finally:
            os.close(watch)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    return chunks, sizes, False


def _resident(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text(errors="replace")
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")), 0)


def _adopt_orphans() -> None:
    """Let the orphans of what we run become our children, so that they are seen."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _children() -> Iterator[int]:
    for task in Path("/proc/self/task").iterdir():
        yield from map(int, (task / "children").read_text().split())


def _clear(before: set[int]) -> Iterator[str]:
    """Kill and reap the children that are new; the names of those that lived and were not to die already.

    Whichever ends first is reaped first: the first process of a namespace ends only when the others there have been reaped.
    """
    while new := set(_children()) - before:
        for pid in new:
            if not _is_dying(pid):
                yield Path(f"/proc/{pid}/comm").read_text(errors="replace").strip()
                os.kill(pid, signal.SIGKILL)
        with contextlib.ExitStack() as opened:
            ends = {os.pidfd_open(pid): pid for pid in new}
            for end in ends:
                opened.callback(os.close, end)
            for end in select.select(list(ends), [], [])[0]:
                os.waitpid(ends[end], 0)


def _is_dying(pid: int) -> bool:
    """Whether a child is a zombie, on its way there, or has only to be told of its SIGKILL (as by PR_SET_PDEATHSIG)."""
    state, *numbers = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text(errors="replace").splitlines())
    pending = int(status["SigPnd"], 16) | int(status["ShdPnd"], 16)
    return state == "Z" or bool(int(numbers[FLAGS]) & PF_EXITING) or bool(pending & 1 << signal.SIGKILL - 1)


def exceptions(file: Path) -> dict[str, str]:
    """The list of known differences in ``file``: ``name: reason`` a line, # for remarks."""
    lines = (line.split("#")[0].strip() for line in file.read_text().splitlines())
    return dict(_pair(line) for line in lines if line)


def _pair(line: str) -> tuple[str, str]:
    name, _, reason = line.partition(":")
    assert reason.strip(), f"no reason is given: {line}"
    return name.strip(), reason.strip()
