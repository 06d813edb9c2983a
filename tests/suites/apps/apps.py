"""Applications at their normal work, natively and under Skerry in each configuration: the same output and status.

    .venv/bin/python tests/suites/apps/apps.py [--config C] [--verbose] [NAME ...]

Each script in ``scripts`` is a bash script; its line ``# Needs:`` names commands without which it is skipped, ``# Source:`` a Debian source
package whose configured tree is its argument, ``# Figure:`` the name and the title of a figure. Lines that begin with @ are the figures
(``timing.bash``): they are not compared, but shown, and ``python -m bench --apps`` makes its rows of them. The status is 1 if the output of
one differs, or if Skerry itself breaks.
"""

from __future__ import annotations

import argparse
import difflib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from bothsides import ENVIRONMENT, Outcome, run, skerry  # noqa: E402
from sources import BUILD, unpacked  # noqa: E402

LIMIT = 300  # seconds a script
CONFIGS = ("mach-colocated", "mach")
PLACE = f"/tmp/skerry-apps-{os.getpid()}"  # inside, /tmp is empty
ENTER = 'mkdir "$0" && cd "$0" && bash "$@"; status=$?; cd / && rm -rf "$0"; exit $status'


def scripts() -> list[Path]:
    return sorted((HERE / "scripts").glob("*.sh"))


def declared(script: Path, what: str) -> list[str]:
    """The words behind ``# WHAT:`` in a script."""
    lines = [line for line in script.read_text().splitlines() if line.startswith(f"# {what}:")]
    return [word for line in lines for word in line.split()[2:]]


def titles(script: Path) -> dict[str, str]:
    """The figures that a script gives, and how they are called."""
    lines = [line.split(maxsplit=3) for line in script.read_text().splitlines() if line.startswith("# Figure:")]
    return {name: title for _, _, name, title in lines}


def missing(script: Path) -> list[str]:
    """Commands that it needs and that are not installed."""
    return [name for name in declared(script, "Needs") if shutil.which(name, path=ENVIRONMENT["PATH"]) is None]


def arguments_of(script: Path) -> list[str]:
    """The configured source that it works on, if it does; raises CalledProcessError where that cannot be had."""
    return [str(configured(package)) for package in declared(script, "Source")]


def configured(package: str) -> Path:
    """A copy of the source in which ``./configure`` was run on this machine, once."""
    place = BUILD / "configured" / package
    if not place.exists():
        fresh = place.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.copytree(unpacked(package), fresh, symlinks=True)
        subprocess.run(["./configure", "-q"], cwd=fresh, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        fresh.rename(place)
    return place


def command(script: Path, arguments: list[str]) -> list[str]:
    """What runs the script in an empty directory of the same name everywhere, and removes that."""
    return ["/bin/bash", "-c", ENTER, PLACE, str(script), *arguments]


def outcome(script: Path, arguments: list[str], config: str) -> Outcome:
    """What the script does natively (no ``config``) or inside."""
    words = command(script, arguments)
    if config:
        words = skerry(words, "--config", config, "--bind", str(HERE), "--bind", str(BUILD))
    try:
        return run(words, Path("/"), LIMIT, {"HOME": PLACE})
    finally:
        shutil.rmtree(PLACE, ignore_errors=True)


def output(result: Outcome) -> list[str]:
    """What is compared."""
    return [line for line in result.output.splitlines() if not line.startswith("@")]


def figures(result: Outcome) -> dict[str, float]:
    """Nanoseconds by name."""
    words = [line[1:].split() for line in result.output.splitlines() if line.startswith("@")]
    return {name: float(value) for name, value in words}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--config", choices=CONFIGS, action="append", help="only this one")
    parser.add_argument("--verbose", action="store_true", help="show how outputs differ")
    options = parser.parse_args()
    BUILD.mkdir(parents=True, exist_ok=True)
    unexpected = []
    for script in scripts():
        if options.names and script.stem not in options.names:
            continue
        if absent := missing(script):
            print(f"{script.stem:10} not installed: {' '.join(absent)}")
            continue
        arguments = arguments_of(script)
        native = outcome(script, arguments, "")
        for config in options.config or CONFIGS:
            inside = outcome(script, arguments, config)
            difference = list(difflib.unified_diff(output(native), output(inside), "native", config, "", "", 1, ""))
            remark = inside.broken
            if not remark and (difference or native.status != inside.status):
                remark = f"differs ({native.status} natively, {inside.status} inside)"
            if remark:
                unexpected.append(f"{script.stem} ({config})")
            print(f"{script.stem:10} {config:15} {native.seconds:6.1f} s {inside.seconds:6.1f} s  {remark or 'same'}", flush=True)
            before = figures(native)
            for name, value in figures(inside).items():
                print(f"    {name:20} {before.get(name, 0) / 1e6:12.4f} ms {value / 1e6:12.4f} ms {value / before.get(name, value):8.2f} x")
            if options.verbose and remark:
                print("    " + "\n    ".join(difference[:80]), flush=True)
    print("not as natively:", *unexpected or ["none"])
    return bool(unexpected)


if __name__ == "__main__":
    sys.exit(main())
