"""Test files that print TAP (the Test Anything Protocol), natively and under Skerry: their results compared line by line."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from bothsides import exceptions, run, skerry

LIMIT = 300  # seconds a file
LINE = re.compile(r"^(not ok|ok|1\.\.|Bail out)")
VARIABLE = re.compile(r"0x[0-9a-f]+|x\{[0-9a-f]+|\d{3,}|tmp_?\w+", re.I)


def lines_of(output: str) -> list[str]:
    """The lines that count, without what differs from run to run (pids, addresses, names of temporary files)."""
    return [VARIABLE.sub("N", line) if not line.startswith("1..") else line for line in output.splitlines() if LINE.match(line)]


def results(lines: list[str]) -> tuple[int, int]:
    """How many passed, and how many did not."""
    return sum(line.startswith("ok") for line in lines), sum(line.startswith("not ok") for line in lines)


def difference(there: list[str], here: list[str]) -> str:
    """Where the results first differ; empty if they do not."""
    for number, (a, b) in enumerate(zip(there, here, strict=False)):
        if a != b:
            return f"line {number + 1}: natively {a!r}, inside {b!r}"
    return "" if len(there) == len(here) else f"{len(there)} lines natively, {len(here)} inside"


def compare(files: Sequence[str], command: Callable[[str], list[str]], directory: Path, listed: Path, verbose: bool = False) -> bool:
    """Run ``command(file)`` in ``directory`` on both sides for each of ``files`` and print a table.

    True if all that differs is in ``listed`` (``file: reason`` a line) and Skerry itself did not break.
    """
    known = exceptions(listed)
    unexpected = []
    passed = total = 0
    for file in files:
        if not (directory / file).exists():
            print(f"{file:28} is not there")
            continue
        native = run(command(file), directory, LIMIT)
        inside = run(skerry(command(file), "--cwd", str(directory)), directory, LIMIT)
        there, here = lines_of(native.output), lines_of(inside.output)
        wanted = results(there)[0]
        total += wanted
        passed += min(results(here)[0], wanted)
        differs = inside.broken or difference(there, here)
        if not differs and native.status != inside.status:
            differs = f"status {native.status} natively, {inside.status} inside"
        if differs and (file not in known or inside.broken):
            unexpected.append(file)
        elif differs:
            differs = f"known: {known[file]}"
        print(f"{file:28} {wanted:6} {native.seconds:6.1f} s  {results(here)[0]:6} {inside.seconds:6.1f} s  {differs}", flush=True)
        if file in unexpected and verbose:
            print("    " + "\n    ".join(inside.output.splitlines()[-40:]), flush=True)
    print(f"{passed} of the {total} tests that pass natively pass; files that differ, not expected:", *unexpected or ["none"])
    return not unexpected
