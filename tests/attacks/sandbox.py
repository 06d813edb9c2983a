"""Runs attack programs in sandboxes, and says what became of them and of the sandbox."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(__file__).with_name("programs")
NATIVE = ROOT / "src/skerry/machine/native"
STUB = ROOT / "src/skerry/machine/stub"

Build = Callable[[str], Path]


@dataclass(frozen=True)
class Outcome:
    """What a run left: its exit status and what it printed."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> dict[str, str]:
        """``key: value`` lines of the program."""
        return dict(line.split(": ", 1) for line in self.out.splitlines() if ": " in line)


def run(*words: str, timeout: float = 100) -> Outcome:
    """``skerry run`` with these words. It must end by itself, and the server must not have failed."""
    command = [sys.executable, "-m", "skerry", "run", *words]
    done = subprocess.run(command, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False)
    out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    assert "Traceback" not in err, err
    return Outcome(done.returncode, out, err)


def inside(program: Path, script: str, *options: str, timeout: float = 100) -> Outcome:
    """Run ``script`` in a sandbox that sees the built programs at /attacks."""
    return run("--bind", f"{program.parent}:/attacks", *options, "--", "/bin/sh", "-c", script, timeout=timeout)


def survived(program: Path, arguments: str = "", *options: str, timeout: float = 100) -> Outcome:
    """Run the program, then another one in the same system, which must work: the attacker may be dead, the system not."""
    attack = f"/attacks/{program.name} {arguments}"
    result = inside(program, f"{attack}; echo; echo status: $?; /bin/echo alive: $(/usr/bin/seq 3)", *options, timeout=timeout)
    assert (result.lines.get("alive"), result.status) == ("1 2 3", 0), result
    return result
