"""perl's own core tests, natively and under Skerry: their TAP compared line by line.

    .venv/bin/python tests/suites/perl/perlcore.py [--source DIR] [FILE ...]

FILE is a test beneath the source's ``t``, such as io/pipe.t; without any, all of ``t/io`` and those of ``t/op`` that ask the system for
something (``op.txt``). The tests come from Debian's source package (``apt-get source perl``, done where --source is not given) and run
with this machine's perl. The status is 1 if a file's TAP differs and the file is not in ``exceptions.txt``, or if Skerry itself breaks.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from bothsides import exceptions, run, skerry  # noqa: E402
from sources import BUILD, unpacked  # noqa: E402

LIMIT = 120  # seconds a file
TAP = re.compile(r"^(not ok|ok|1\.\.|Bail out)")
VARIABLE = re.compile(r"0x[0-9a-f]+|x\{[0-9a-f]+|\d{3,}|tmp_?\w+", re.I)


def tree(source: Path) -> Path:
    """A directory laid out as perl's build leaves it, with the system's perl and modules: its ``t``."""
    place = BUILD / "perl"
    if not (place / "t" / "perl").exists():
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(source / "t", place / "t")
        code = 'use Config; print join "\\n", $Config{privlibexp}, $Config{archlibexp}, grep { /perl-base/ } @INC'
        modules = subprocess.run(["perl", "-e", code], capture_output=True, text=True, check=True).stdout.split()
        for directory in [source / "lib", *map(Path, modules)]:
            shutil.copytree(directory, place / "lib", dirs_exist_ok=True)
        shutil.copy("/usr/bin/perl", place / "perl")
        (place / "t" / "perl").symlink_to("../perl")
    return place / "t"


def tap(output: str) -> list[str]:
    """The lines that count, without what differs from run to run (pids, addresses, names of temporary files)."""
    return [VARIABLE.sub("N", line) if not line.startswith("1..") else line for line in output.splitlines() if TAP.match(line)]


def results(lines: list[str]) -> tuple[int, int]:
    """How many passed, and how many did not."""
    return sum(line.startswith("ok") for line in lines), sum(line.startswith("not ok") for line in lines)


def difference(there: list[str], here: list[str]) -> str:
    """Where the TAP first differs; empty if it does not."""
    for number, (a, b) in enumerate(zip(there, here, strict=False)):
        if a != b:
            return f"line {number + 1}: natively {a!r}, inside {b!r}"
    return "" if len(there) == len(here) else f"{len(there)} lines natively, {len(here)} inside"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*")
    parser.add_argument("--source", type=Path, help="where perl's source is unpacked")
    parser.add_argument("--verbose", action="store_true", help="show what a file that differs printed")
    arguments = parser.parse_args()
    directory = tree(arguments.source or unpacked("perl"))
    files = arguments.files or [f"io/{file.name}" for file in sorted((directory / "io").glob("*.t"))] + [
        f"op/{name}.t" for name in (HERE / "op.txt").read_text().split()
    ]
    known = exceptions(HERE / "exceptions.txt")
    unexpected = []
    passed = total = 0
    for file in files:
        if not (directory / file).exists():
            print(f"{file:24} is not there")
            continue
        command = ["./perl", "-I../lib", file]
        native = run(command, directory, LIMIT)
        inside = run(skerry(command), directory, LIMIT)
        there, here = tap(native.output), tap(inside.output)
        total += results(there)[0]
        passed += min(results(here)[0], results(there)[0])
        differs = inside.broken or difference(there, here)
        if not differs and native.status != inside.status:
            differs = f"status {native.status} natively, {inside.status} inside"
        if differs and (file not in known or inside.broken):
            unexpected.append(file)
        elif differs:
            differs = f"known: {known[file]}"
        print(
            f"{file:24} {results(there)[0]:6} {native.seconds:5.1f} s  {results(here)[0]:6} {inside.seconds:5.1f} s  {differs}", flush=True
        )
        if file in unexpected and arguments.verbose:
            print("    " + "\n    ".join(inside.output.splitlines()[-30:]), flush=True)
    print(f"{passed} of the {total} tests that pass natively pass; files that differ, not expected:", *unexpected or ["none"])
    return bool(unexpected)


if __name__ == "__main__":
    sys.exit(main())
