"""Applications at their work as rows: the scripts of ``tests/suites/apps``, each whole, servers and clients inside one system.

A script times what it does and prints figures; what it prints besides must be what it printed natively, before anything was measured. One
wrong answer in any repeat, and the system has failed in all of the script's rows.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from bench.measure import Results, Series
from bench.report import duration
from bench.rows import Line
from bench.systems import System

ROOT = Path(__file__).resolve().parent.parent
SUITES = ROOT / "tests" / "suites"
sys.path[:0] = [str(SUITES), str(SUITES / "apps")]

from bothsides import Outcome, run  # noqa: E402

from apps import LIMIT, PLACE, arguments_of, command, figures, missing, output, scripts, titles  # noqa: E402

SHOWN = 60  # characters of a line that is wrong


@dataclass(frozen=True, slots=True)
class Application:
    """A script, the arguments that it needs here, and a row for each of its figures."""

    script: Path
    arguments: tuple[str, ...]
    rows: tuple[Line, ...]

    def outcome(self, system: System, pinned: bool) -> Outcome:
        """What it does inside ``system``, where it starts in an empty directory."""
        words = system.command(command(self.script, list(self.arguments)), pinned)
        try:
            return run(words, Path("/"), LIMIT, {"HOME": PLACE})
        finally:
            shutil.rmtree(PLACE, ignore_errors=True)


def applications(chosen: Collection[str], tell: Callable[[str], None]) -> list[Application]:
    """Those that are ``chosen``, by their script or a row (all, if nothing is), and can run here; why others cannot is told.

    Raises:
        KeyError: some names that are chosen are neither scripts nor rows; its argument says which.
    """
    rows = {script: tuple(Line(name, title) for name, title in titles(script).items()) for script in scripts()}
    unknown = set(chosen) - {script.stem for script in rows} - {row.name for lines in rows.values() for row in lines}
    if unknown:
        raise KeyError(", ".join(sorted(unknown)))
    present = []
    for script, lines in rows.items():
        wanted = tuple(row for row in lines if not chosen or script.stem in chosen or row.name in chosen)
        if not wanted:
            continue
        if absent := missing(script):
            tell(f"skipped: {script.stem}: not installed: {' '.join(absent)}")
            continue
        try:
            present.append(Application(script, tuple(arguments_of(script)), wanted))
        except (OSError, subprocess.CalledProcessError) as error:
            tell(f"skipped: {script.stem}: its source cannot be had: {error}")
    return present


def measure(present: list[Application], systems: list[System], pins: list[bool], repeats: int, tell: Callable[[str], None]) -> Results:
    """Every application on all systems in turn, ``repeats`` times; the order of the systems turns from one repeat to the next."""
    results: Results = {
        (row.name, system.name, pin): Series() for each in present for row in each.rows for system in systems for pin in pins
    }
    expected: dict[Path, Outcome] = {}
    for each in present:
        tell(f"natively: {each.script.stem}")
        expected[each.script] = each.outcome(systems[0], False)  # and warms the host's caches
    for repeat in range(repeats):
        turn = repeat % len(systems)
        for each in present:
            for pin in pins:
                for system in systems[turn:] + systems[:turn]:
                    outcome = each.outcome(system, pin)
                    wrong = trouble(each, outcome, expected[each.script])
                    found = {} if wrong else figures(outcome)
                    said = wrong or ", ".join(f"{name} {duration(value)}" for name, value in found.items())
                    tell(f"{repeat + 1}/{repeats} {system.name}{', one CPU' if pin else ''}: {said}")
                    for row in each.rows:
                        series = results[row.name, system.name, pin]
                        series.repeats.append([found[row.name]] if found else [])
                        series.trouble = series.trouble or wrong
    for series in results.values():
        if series.trouble:
            series.repeats = [[] for _ in series.repeats]
    return results


def trouble(application: Application, outcome: Outcome, native: Outcome) -> str:
    """What is wrong with an outcome, in a line; empty where it is as ``native`` and has all figures."""
    if not outcome.in_time:
        return f"did not end within {LIMIT} s"
    for expected, line in zip_longest(output(native), output(outcome)):
        if line != expected:
            return f"printed {_shown(line)}, natively {_shown(expected)}"
    if outcome.status != native.status:
        return f"status {outcome.status}, natively {native.status}"
    if outcome.broken:
        return outcome.broken
    absent = [row.name for row in application.rows if not figures(outcome).get(row.name)]
    return f"gave no figure {', '.join(absent)}" if absent else ""


def _shown(line: str | None) -> str:
    return "nothing" if line is None else repr(line[:SHOWN])
