"""busybox's own test suite, applet by applet, natively and under Skerry.

    .venv/bin/python tests/suites/busybox/busyboxtests.py [APPLET ...]

The tests and the configuration come from Debian's source package; they run with this machine's busybox (package busybox-static, of the same
version). The status is 1 if a test that passes natively does not pass under Skerry and is not in ``exceptions.txt``, or if Skerry breaks.
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

LIMIT = 120  # seconds an applet
RESULT = re.compile(r"^(PASS|FAIL|SKIPPED|UNTESTED): (.*)", re.M)


def tree() -> Path:
    """A directory laid out as busybox's build leaves it, with this machine's busybox: its ``testsuite``."""
    place = BUILD / "busybox"
    if not (place / "busybox").exists():
        source = unpacked("busybox")
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(source / "testsuite", place / "testsuite")
        shutil.copytree(source / "scripts", place / "scripts")
        shutil.copy(source / "debian" / "config" / "pkg" / "static", source / ".config")
        subprocess.run("yes '' | make oldconfig", shell=True, cwd=source, stdout=subprocess.DEVNULL, check=True)
        shutil.copy(source / ".config", place / ".config")
        subprocess.run(["gcc", "-Os", "-o", place / "testsuite" / "echo-ne", source / "scripts" / "echo.c"], check=True)
        shutil.copy("/usr/bin/busybox", place / "busybox")
    return place / "testsuite"


def applets(directory: Path) -> list[str]:
    """All that have tests, but those in ``left-out.txt``."""
    names = {file.stem for file in directory.glob("*.tests")} | {file.name for file in directory.iterdir() if file.is_dir()}
    return sorted(name for name in names - exceptions(HERE / "left-out.txt").keys() if not name.startswith((".", "all_", "mount.")))


def results(output: str) -> dict[str, str]:
    """What became of each test."""
    return {name: result for result, name in RESULT.findall(output)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("applets", nargs="*")
    arguments = parser.parse_args()
    directory = tree()
    known = exceptions(HERE / "exceptions.txt")
    unexpected: list[str] = []
    passed = total = 0
    for applet in arguments.applets or applets(directory):
        command = ["sh", "./runtest", "-v", applet]
        native = run(command, directory, LIMIT)
        inside = run(skerry(command, "--cwd", str(directory)), directory, LIMIT)
        there, here = results(native.output), results(inside.output)
        wanted = [name for name, result in there.items() if result == "PASS"]
        worse = [f"{applet}: {name}" for name in wanted if here.get(name) != "PASS"]
        new = [name for name in worse if name.partition(": ")[2] not in known]
        total += len(wanted)
        passed += len(wanted) - len(worse)
        unexpected += new + ([f"{applet}: {inside.broken}"] if inside.broken else [])
        print(
            f"{applet:18} {len(wanted):4} of {len(there):4} {native.seconds:5.1f} s  {len(wanted) - len(worse):4} {inside.seconds:5.1f} s"
            f"  {inside.broken} {', '.join(worse)}",
            flush=True,
        )
    print(f"{passed} of the {total} tests that pass natively pass; not expected:", "; ".join(unexpected) or "none")
    return bool(unexpected)


if __name__ == "__main__":
    sys.exit(main())
