"""Running a test module to its end on one system, natively or under Skerry, whatever its cases do."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PYTHON = "/usr/bin/python3"
RECORDER = Path(__file__).with_name("record.py")
MARK = "SKERRY_SUITE"  # in the environment of all that a native run starts
GRACE = 20.0  # seconds that a process may outlive its case's time limit
RESOURCES = ("cpu", "subprocess", "walltime")  # not network, which there need not be, and not largefile: minutes and gigabytes
MODULE_RESOURCES = {"test_socketserver": ("network",), "test_curses": ("curses",)}  # of a network, the loopback alone
RESTARTS = 40  # after so many crashes and hangs, the rest of a module is given up


@dataclass(frozen=True, slots=True)
class Case:
    """What became of one case; ``result`` is pass, fail, error, skip, hang, crash or missing."""

    name: str
    result: str
    detail: str = ""
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        return self.result == "pass"

    @property
    def summary(self) -> str:
        """The last line of what it says: of a traceback, the exception."""
        lines = [line for line in self.detail.strip().splitlines() if line.strip()]
        return lines[-1].strip() if lines else ""


@dataclass(frozen=True, slots=True)
class System:
    """Where tests run: ``command`` starts a program there and shows it the directory of results, which is appended."""

    name: str
    command: tuple[str, ...]
    binding: str | None = None  # the option before it

    def argv(self, results: Path, *program: str) -> list[str]:
        binds = [self.binding, f"{results}:{results}:rw", self.binding, f"{RECORDER.parent}:{RECORDER.parent}"] if self.binding else []
        return [*self.command, *binds, *(["--"] if self.binding else []), *program]


NATIVE = System("native", ())
SKERRY = System("skerry", (sys.executable, "-m", "skerry", "run"), "--bind")


def library(python: str) -> Path | None:
    """Where its regression tests are; None if they are not installed."""
    found = subprocess.run(
        [python, "-c", "import test; print(test.__path__[0])"], capture_output=True, text=True, check=False
    ).stdout.strip()
    return Path(found) if found and (Path(found) / "test_os.py").exists() else None


def read(path: Path) -> dict[str, Case]:
    """The record's last word on each case; one that never ended has result ``begun``. Empty if there is no record."""
    found: dict[str, Case] = {}
    if path.exists():
        for line in path.read_text().splitlines():
            facts = json.loads(line)
            earlier = found.get(facts["case"])
            if earlier and earlier.result not in ("begun", "pass", "skip"):  # of two cases with one name, the worse
                continue
            found[facts["case"]] = Case(facts["case"], facts["result"], facts.get("detail", ""), facts.get("seconds", 0.0))
    return found


def run(system: System, module: str, record: Path, limit: float, only: Sequence[str] = (), python: str = PYTHON) -> dict[str, Case]:
    """Run the cases of ``python``'s module, or those whose names match ``only``, going on after each crash and hang."""
    record.unlink(missing_ok=True)
    log = record.with_suffix(".log")
    log.unlink(missing_ok=True)
    place = Path(tempfile.mkdtemp(prefix="s"))
    environment = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": os.environ.get("HOME", "/"),
        "LANG": "C.UTF-8",
        "TERM": "xterm",
        "TMPDIR": str(place / "t"),
        MARK: str(place),
    }
    program = ["/usr/bin/env", "-i", *(f"{name}={value}" for name, value in environment.items())]
    program += [python, "-X", "faulthandler", str(RECORDER), module, str(record), str(limit)]
    program += [",".join((*RESOURCES, *MODULE_RESOURCES.get(module, ()))), *only]
    try:
        for _ in range(RESTARTS):
            ended = _run_once(system.argv(record.parent, *program), record, log, limit)
            unfinished = [case for case in read(record).values() if case.result == "begun"]
            if ended in ("0", "3") and not unfinished:
                break
            if not unfinished:  # it fell between two cases, or at the end
                _append(record, "(between cases)", "crash", f"the process ended with {ended}")
                break
            for case in unfinished:
                hung = ended == "hang" or "Timeout (" in log.read_text(errors="replace")[-20000:]
                _append(record, case.name, "hang" if hung else "crash", f"the process ended with {ended}; see {log}")
    finally:
        _end_marked(str(place))
        shutil.rmtree(place, ignore_errors=True)
    return read(record)


def _append(record: Path, name: str, result: str, detail: str) -> None:
    with record.open("a") as lines:
        lines.write(json.dumps({"case": name, "result": result, "detail": detail}) + "\n")


def _run_once(argv: list[str], record: Path, log: Path, limit: float) -> str:
    """Run until it ends by itself or records nothing for too long; its exit status, or ``hang``."""
    with log.open("ab") as output:
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
    try:
        while True:
            try:
                return str(child.wait(timeout=2.0))
            except subprocess.TimeoutExpired:
                heard = max((path.stat().st_mtime for path in (record, log) if path.exists()), default=0.0)
                if time.time() - heard > limit + GRACE:
                    return "hang"
    finally:
        with log.open("ab") as output:
            output.write(b"\n=== ended\n")
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _end_marked(mark: str) -> None:
    """End what tests left running on the host: whatever has our mark in its environment."""
    wanted = f"{MARK}={mark}".encode()
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            marked = wanted in (directory / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if marked:
            try:
                os.kill(int(directory.name), signal.SIGKILL)
            except ProcessLookupError:
                continue
