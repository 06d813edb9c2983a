"""Language systems and other large programs at work, natively and under Skerry: the same output and status.

    .venv/bin/python tests/suites/programs/programs.py [--verbose] [NAME ...]

Each script in ``scripts`` is a bash script; its line ``# Needs:`` names commands without which it is skipped. The status is 1 if the output
of one differs and it is not in ``exceptions.txt``, or if Skerry itself breaks.
"""

from __future__ import annotations

import argparse
import difflib
import os
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from bothsides import ENVIRONMENT, Outcome, exceptions, run, skerry  # noqa: E402

LIMIT = 240  # seconds a script
PLACE = Path(f"/tmp/skerry-programs-{os.getpid()}")  # inside, /tmp is empty
ENTER = 'mkdir "$0" && cd "$0" && exec bash "$1"'


def missing(script: Path) -> list[str]:
    """Commands that it needs and that are not installed."""
    lines = [line for line in script.read_text().splitlines() if line.startswith("# Needs:")]
    return [name for line in lines for name in line.split()[2:] if shutil.which(name, path=ENVIRONMENT["PATH"]) is None]


def outcomes(script: Path) -> tuple[Outcome, Outcome]:
    """What it does natively and inside, in an empty directory of the same name."""
    command = ["/bin/bash", "-c", ENTER, str(PLACE), str(script)]
    home = {"HOME": str(PLACE)}
    shutil.rmtree(PLACE, ignore_errors=True)
    try:
        native = run(command, Path("/"), LIMIT, home)
    finally:
        shutil.rmtree(PLACE, ignore_errors=True)
    return native, run(skerry(command, "--bind", str(script.parent)), Path("/"), LIMIT, home)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--verbose", action="store_true", help="show how outputs differ")
    arguments = parser.parse_args()
    known = exceptions(HERE / "exceptions.txt")
    unexpected = []
    for script in sorted((HERE / "scripts").glob("*.sh")):
        name = script.stem
        if arguments.names and name not in arguments.names:
            continue
        if absent := missing(script):
            print(f"{name:14} not installed: {' '.join(absent)}")
            continue
        native, inside = outcomes(script)
        difference = list(difflib.unified_diff(native.output.splitlines(), inside.output.splitlines(), "native", "skerry", "", "", 1, ""))
        remark = inside.broken
        if not remark and (difference or native.status != inside.status):
            remark = f"known: {known[name]}" if name in known else f"differs ({native.status} natively, {inside.status} inside)"
        if remark and not remark.startswith("known"):
            unexpected.append(name)
        print(f"{name:14} {native.seconds:6.1f} s {inside.seconds:6.1f} s {inside.peak / 1024:5.0f} MiB  {remark or 'same'}", flush=True)
        if arguments.verbose and name in unexpected:
            print("    " + "\n    ".join(difference[:80]), flush=True)
    print("not expected:", *unexpected or ["none"])
    return bool(unexpected)


if __name__ == "__main__":
    sys.exit(main())
