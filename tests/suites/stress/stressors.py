"""stress-ng's stressors one by one, natively and under Skerry.

    .venv/bin/python tests/suites/stress/stressors.py [--workers N] [--ops N] [--seconds N] [NAME ...]
    .venv/bin/python tests/suites/stress/stressors.py --flat [--seconds N] [NAME ...]

Without names, all that this stress-ng has but those in ``left-out.txt``. The status is 1 if a stressor that passes natively does not pass
under Skerry and is not in ``exceptions.txt``, or if Skerry itself breaks. With --flat, each works for the
given seconds inside, and the memory of Skerry's own process must not be larger in the last quarter of them than in the second.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from bothsides import Outcome, exceptions, run, skerry  # noqa: E402

SLACK = 8192  # KiB
# Those that do not hold ever more descriptors while they work.
FLAT = [
    "fork",
    "vfork",
    "exec",
    "pthread",
    "pipe",
    "sock",
    "epoll",
    "futex",
    "signal",
    "timer",
    "mmap",
    "dir",
    "open",
    "shm-sysv",
    "sem",
    "mq",
]
VERDICTS = {0: "passed", 2: "failed", 3: "skipped", 4: "skipped", 124: "too slow"}


@dataclass(frozen=True, slots=True)
class Load:
    """How much each stressor does: workers, rounds of work, and seconds after which stress-ng itself stops."""

    workers: int = 1
    operations: int = 100
    seconds: int = 10
    limit: int = 60  # seconds after which we stop it

    def command(self, name: str) -> list[str]:
        return [
            "stress-ng", "--verify", "--no-rand-seed", "--temp-path", "/tmp", "--timeout", f"{self.seconds}s",
            f"--{name}", str(self.workers), f"--{name}-ops", str(self.operations * self.workers),
        ]  # fmt: skip


def verdict(outcome: Outcome) -> str:
    """What stress-ng says of its stressor."""
    if re.search(r"skipped: [1-9]", outcome.output) and outcome.status == 0:
        return "skipped"
    return VERDICTS.get(outcome.status, f"status {outcome.status}")


def stressors() -> list[str]:
    """All that this stress-ng has, but those left out."""
    known = subprocess.run(["stress-ng", "--stressors"], capture_output=True, text=True, check=True).stdout.split()
    return [name for name in known if name not in exceptions(HERE / "left-out.txt")]


def flat(names: list[str], seconds: int, workers: int) -> int:
    """Whether memory stays flat: the exit status."""
    growing = []
    for name in names:
        command = Load(workers, 10**7, seconds, seconds + 60).command(name)
        with tempfile.TemporaryDirectory() as directory:
            inside = run(skerry(command), Path(directory), seconds + 60)
        if inside.growth > SLACK or inside.broken or verdict(inside) != "passed":
            growing.append(name)
        quarters = " ".join(f"{size / 1024:5.0f}" for size in inside.sizes[:: max(1, len(inside.sizes) // 8)])
        print(f"{name:16} {verdict(inside):10} {quarters} MiB, {inside.growth:6} KiB more {inside.broken}", flush=True)
    print("growing:", *growing or ["none"])
    return bool(growing)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--ops", type=int, default=100)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--flat", action="store_true", help="see whether the memory of Skerry's process stays flat")
    parser.add_argument("--only-inside", action="store_true", help="do not run natively: all is expected to pass")
    parser.add_argument("--verbose", action="store_true", help="show what a stressor that does not pass printed")
    arguments = parser.parse_args()
    if arguments.flat:
        return flat(arguments.names or FLAT, arguments.seconds, arguments.workers)
    load = Load(arguments.workers, arguments.ops, arguments.seconds)
    known = exceptions(HERE / "exceptions.txt")
    unexpected = []
    counts: dict[str, int] = {}
    print(f"{'stressor':16} {'native':10} {'s':>5}  {'skerry':10} {'s':>5} {'MiB':>5}")
    for name in arguments.names or stressors():
        with tempfile.TemporaryDirectory() as directory:
            command = load.command(name)
            native = None if arguments.only_inside else run(command, Path(directory), load.limit)
            inside = run(skerry(command), Path(directory), load.limit)
        there, here = verdict(native) if native else "passed", verdict(inside)
        remark = inside.broken
        if inside.broken or (there == "passed" and here != "passed"):
            if name in known and not inside.broken:
                remark = "known: " + known[name]
            else:
                unexpected.append(name)
        counts[here] = counts.get(here, 0) + 1
        native_seconds = native.seconds if native else 0
        print(
            f"{name:16} {there:10} {native_seconds:5.1f}  {here:10} {inside.seconds:5.1f} {inside.peak / 1024:5.0f}  {remark}",
            flush=True,
        )
        if arguments.verbose and name in unexpected:
            print("    " + "\n    ".join(inside.output.splitlines()[-40:]), flush=True)
    print(", ".join(f"{count} {what}" for what, count in sorted(counts.items())), "under Skerry;", "not expected:", *unexpected or ["none"])
    return bool(unexpected)


if __name__ == "__main__":
    sys.exit(main())
