#!/usr/bin/env python3
"""Run Python's own regression tests natively and under Skerry, and compare the results case by case.

compare.py                  all modules, each natively and inside; exit 1 if a case fails that exceptions.toml does not list
compare.py test_socket      one module; --again takes the native results of last time
compare.py test_os -m '*Xattr*' -v    some of its cases, with tracebacks

A case counts if it passes natively. Those that fail inside are run once more by themselves; the table says how many needed that.
"""

from __future__ import annotations

import argparse
import fcntl
import fnmatch
import os
import sys
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import systems
from systems import Case

RESULTS = Path(__file__).parents[3] / "build" / "suites" / "python"
EXCEPTIONS = Path(__file__).with_name("exceptions.toml")
SETS: dict[str, list[str]] = tomllib.loads(Path(__file__).with_name("modules.toml").read_text())
SETS["all"] = SETS["core"] + SETS["further"]
SLOWER = 5  # times the slowest case natively: what a case inside may take, if that is more than the limit
VERSION = Path(systems.PYTHON).resolve().name  # python3.11


@dataclass(slots=True)
class Comparison:
    """A module's cases on both systems."""

    module: str
    native: dict[str, Case]
    inside: dict[str, Case]
    second: set[str] = field(default_factory=set)  # failed at first, passed alone

    @property
    def counted(self) -> list[str]:
        return [name for name, case in self.native.items() if case.passed]

    @property
    def differing(self) -> list[Case]:
        """The cases that pass natively and not inside, with what they say inside."""
        return [
            self.inside.get(name, Case(name, "missing")) for name in self.counted if not self.inside.get(name, Case(name, "missing")).passed
        ]


@dataclass(frozen=True, slots=True)
class Exceptions:
    """The cases that are known to fail, by module; a case is a name or a pattern."""

    listed: dict[str, dict[str, str]]

    @classmethod
    def read(cls, path: Path) -> Exceptions:
        listed: dict[str, dict[str, str]] = {}
        for entry in tomllib.loads(path.read_text()).get("exception", []):
            for case in entry["cases"]:
                listed.setdefault(entry["module"], {})[case] = entry["reason"]
        return cls(listed)

    def reason(self, module: str, case: str) -> str | None:
        for pattern, reason in self.listed.get(module, {}).items():
            if fnmatch.fnmatchcase(case, pattern):
                return reason
        return None

    def obsolete(self, comparison: Comparison) -> list[str]:
        """Listed cases that pass now, or that are not there."""
        differing = [case.name for case in comparison.differing]
        return [pattern for pattern in self.listed.get(comparison.module, {}) if not fnmatch.filter(differing, pattern)]


def installed(module: str, python: str = systems.PYTHON) -> bool:
    """Whether this host has the module."""
    place = systems.library(python)
    return place is not None and ((place / f"{module}.py").exists() or (place / module).is_dir())


def alone(results: Path) -> bool:
    """Whether no other comparison writes into the directory, until this process ends."""
    results.mkdir(parents=True, exist_ok=True)
    try:
        fcntl.flock(os.open(results, os.O_RDONLY | os.O_CLOEXEC), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def compare(module: str, results: Path, limit: float, again: bool, only: Sequence[str], python: str = systems.PYTHON) -> Comparison:
    """Run one module on both systems. What fails inside runs a second time there, alone."""
    stored = results / f"{module}.native.jsonl"
    if again and stored.exists():
        native = systems.read(stored)
    else:
        native = systems.run(systems.NATIVE, module, results / f"{module}{'.some' if only else ''}.native.jsonl", limit, only, python)
    if only:
        native = {name: case for name, case in native.items() if any(fnmatch.fnmatchcase(name, pattern) for pattern in only)}
    limit = max(limit, SLOWER * max((case.seconds for case in native.values()), default=0.0))
    inside = systems.run(systems.SKERRY, module, results / f"{module}.skerry.jsonl", limit, only, python)
    comparison = Comparison(module, native, inside)
    failed = [case.name for case in comparison.differing]
    if failed and not only:
        repeated = systems.run(systems.SKERRY, module, results / f"{module}.again.jsonl", limit, failed, python)
        comparison.second = {name for name in failed if repeated.get(name, Case(name, "missing")).passed}
        inside |= {name: repeated[name] for name in failed if name in repeated}
    return comparison


def report(comparison: Comparison, exceptions: Exceptions, verbose: bool) -> int:
    """Print what differs; the number of cases that are not listed."""
    if len(comparison.differing) > 1 and all(case.result == "missing" for case in comparison.differing):
        print(f"{comparison.module}: no case ran inside; see {comparison.module}.skerry.log among the results")
        return len(comparison.differing)
    unknown = 0
    for case in comparison.differing:
        reason = exceptions.reason(comparison.module, case.name)
        unknown += reason is None
        print(f"{comparison.module}: {case.name}: {case.result}: {case.summary}" + (f"  [listed: {reason}]" if reason else ""))
        if verbose:
            print(case.detail)
    for name in sorted(comparison.second):
        print(f"{comparison.module}: {name}: passed at the second try")
    return unknown


HEAD = f"{'module':34}{'native':>8}{'here':>8}{'percent':>9}{'second':>8}{'unlisted':>10}"


def row(name: str, native: int, here: int, second: int, unknown: int) -> str:
    percent = f"{100 * here / native:.1f}" if native else "-"
    return f"{name:34}{native:8}{here:8}{percent:>9}{second:8}{unknown:10}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="test_os and so on; a set: " + ", ".join(SETS))
    parser.add_argument("-m", "--match", action="append", default=[], metavar="PATTERN", help="only cases whose names match")
    parser.add_argument("-v", "--verbose", action="store_true", help="print tracebacks")
    parser.add_argument(
        "--timeout",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="for one case (default: %(default)s; inside, five times the slowest natively)",
    )
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="modules at a time (default: %(default)s)")
    parser.add_argument("--again", action="store_true", help="take the native results of last time, where there are any")
    parser.add_argument(
        "--results", type=Path, default=RESULTS, metavar="DIR", help="where results and logs go (default: build/suites/python)"
    )
    parser.add_argument("--python", default=systems.PYTHON, metavar="FILE", help="whose tests (default: %(default)s)")
    options = parser.parse_args()
    chosen = [name for word in options.modules or ["all"] for name in SETS.get(word, [word])]
    if missing := [name for name in chosen if not installed(name, options.python)]:
        print(
            f"not installed: {', '.join(missing)}; for {systems.PYTHON} install the Debian package lib{VERSION}-testsuite", file=sys.stderr
        )
        return 2

    if not alone(options.results):
        print(f"another comparison writes to {options.results}: wait for it, or name another place with --results", file=sys.stderr)
        return 2

    exceptions = Exceptions.read(EXCEPTIONS)
    rows: list[tuple[str, list[int]]] = []
    with ThreadPoolExecutor(options.jobs) as pool:
        for comparison in pool.map(
            lambda name: compare(name, options.results.absolute(), options.timeout, options.again, options.match, options.python), chosen
        ):
            unknown = report(comparison, exceptions, options.verbose)
            if not options.match:
                for pattern in exceptions.obsolete(comparison):
                    print(f"{comparison.module}: {pattern}: listed in {EXCEPTIONS.name}, but passes (or is not there)")
            counted = len(comparison.counted)
            rows.append((comparison.module, [counted, counted - len(comparison.differing), len(comparison.second), unknown]))
            sys.stdout.flush()

    print(HEAD)
    for name, figures in rows:
        print(row(name, *figures))
    total = [sum(column) for column in zip(*(figures for _, figures in rows), strict=True)]
    print(row("all", *total))
    return 1 if total[3] else 0


if __name__ == "__main__":
    sys.exit(main())
