"""Take the measurements: systems in turn, so that what the host does meanwhile falls on all of them."""

from __future__ import annotations

import resource
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench.rows import START, Row
from bench.systems import System

RUN_SECONDS = 180
HELLO = '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n'


@dataclass(slots=True)
class Series:
    """The values of one row on one system, in ns: a list for each repeat; ``trouble`` says why there are none."""

    repeats: list[list[float]] = field(default_factory=list)
    trouble: str = ""

    @property
    def values(self) -> list[float]:
        return [value for repeat in self.repeats for value in repeat]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def spread(self) -> float:
        """Median absolute deviation, in ns."""
        middle = self.median
        return statistics.median(abs(value - middle) for value in self.values)

    def ratio(self, base: Series) -> tuple[float, float] | None:
        """Median and spread (MAD) of the ratio to ``base``, taken repeat by repeat; None where either is missing."""
        pairs = [(statistics.median(a), statistics.median(b)) for a, b in zip(self.repeats, base.repeats, strict=False) if a and b]
        if not pairs:
            return None
        ratios = [a / b for a, b in pairs]
        middle = statistics.median(ratios)
        return middle, statistics.median(abs(ratio - middle) for ratio in ratios)


Key = tuple[str, str, bool]  # row, system, pinned
Results = dict[Key, Series]


def prepare(work: Path) -> Path:
    """Compile ``rows.c`` and write the inputs into ``work``; the program's path."""
    work.mkdir(parents=True, exist_ok=True)
    (work / "hello.c").write_text(HELLO)
    source = Path(__file__).with_name("rows.c")
    program = work / "rows"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        subprocess.run(["cc", "-O2", "-static", "-Wall", "-o", str(program), str(source)], check=True)
    return program


def measure(
    rows: list[Row],
    systems: list[System],
    pins: list[bool],
    repeats: int,
    quick: bool,
    program: Path,
    tell: Callable[[str], None],
) -> Results:
    """All rows on all systems, ``repeats`` times; the order of the systems turns from one repeat to the next."""
    run_rows([row for row in rows if row.name != START and not row.is_micro], systems[0], False, True, program)  # warms the host's caches
    results: Results = {(row.name, system.name, pin): Series() for row in rows for system in systems for pin in pins}
    for repeat in range(repeats):
        turn = repeat % len(systems)
        for pin in pins:
            for system in systems[turn:] + systems[:turn]:
                tell(f"{repeat + 1}/{repeats} {system.name}{', one CPU' if pin else ''}")
                found = run_rows([row for row in rows if row.name != START], system, pin, quick, program)
                for row in rows:
                    series = results[row.name, system.name, pin]
                    if row.name == START:
                        series.repeats.append(starts(system, pin, 2 if quick else 5))
                    else:
                        values, trouble = found[row.name]
                        series.repeats.append(values)
                        series.trouble = trouble or series.trouble
    return results


def run_rows(rows: list[Row], system: System, pin: bool, quick: bool, program: Path) -> dict[str, tuple[list[float], str]]:
    """The rows inside one start of the system; where a row ends it, the rows after that one get a start of their own."""
    found: dict[str, tuple[list[float], str]] = {}
    waiting = list(rows)
    while waiting:
        output, ending = run([str(program), *(row.plan(quick) for row in waiting)], system, pin)
        values: dict[str, list[float]] = {row.name: [] for row in waiting}
        troubles: dict[str, str] = {}
        for line in output.splitlines():
            name, _, value = line.partition("\t")
            if value.startswith("!"):
                troubles[name] = value[1:]
            elif name in values:
                values[name].append(float(value))
        reached = [index for index, row in enumerate(waiting) if values[row.name] or row.name in troubles]
        last = reached[-1] if reached else -1
        for row in waiting[: last + 1]:
            found[row.name] = values[row.name], troubles.get(row.name, "")
        waiting = waiting[last + 1 :]
        if waiting:
            found[waiting[0].name] = [], ending or troubles.get("setup", "") or "ended without a word"
            waiting = waiting[1:]
    return found


def run(argv: list[str], system: System, pin: bool) -> tuple[str, str]:
    """Standard output, and how it ended if not well."""
    process = subprocess.Popen(
        system.command(argv, pin), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/", env=environment()
    )
    try:
        output, errors = process.communicate(timeout=RUN_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        output, errors = process.communicate()
        return output.decode(errors="replace"), f"did not end within {RUN_SECONDS} s"
    lines = errors.decode(errors="replace").strip().splitlines()
    return output.decode(errors="replace"), f"status {process.returncode}: {lines[-1] if lines else ''}" if process.returncode else ""


def environment() -> dict[str, str]:
    """The same small environment for all."""
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8"}


def starts(system: System, pin: bool, count: int) -> list[float]:
    """How long the system takes to start, run /bin/true and end, in ns, from outside."""
    values: list[float] = []
    for _ in range(count):
        begin = time.perf_counter_ns()
        done = subprocess.run(
            system.command(["/bin/true"], pin), stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=RUN_SECONDS, cwd="/"
        )
        if done.returncode == 0:
            values.append(float(time.perf_counter_ns() - begin))
    return values


def idle(system: System, seconds: int) -> float | None:
    """What the system uses while its one program sleeps: per cent of a CPU, from the start to the end; None where it failed.

    Its start and end are subtracted: the same command with a sleep of nothing.
    """
    used = []
    for length in (0, seconds):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            system.command(["/bin/sleep", str(length)], False), stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            return None
        used.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    return max(0.0, (used[1] - used[0]) / seconds * 100)
