"""git's own tests, natively and under Skerry: their TAP compared line by line.

    .venv/bin/python tests/suites/git/gittests.py [--source DIR] [FILE ...]

FILE is a script in the source's ``t``, such as t3200-branch.sh; without any, those in ``scripts.txt``. The source is Debian's (``apt-get
source git``, done where --source is not given); git is built from it natively first, for its test programs (a few minutes, zlib1g-dev). The
status is 1 if a script's results differ and it is not in ``exceptions.txt``, or if Skerry itself breaks.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from sources import unpacked  # noqa: E402
from tap import compare  # noqa: E402

WITHOUT = ["NO_CURL=1", "NO_EXPAT=1", "NO_OPENSSL=1", "NO_GETTEXT=1", "NO_TCLTK=1", "CFLAGS=-O1"]


def built(source: Path) -> Path:
    """The directory of the tests of git built in ``source``."""
    if not (source / "t" / "helper" / "test-tool").exists():
        subprocess.run(["make", "-s", "-j2", *WITHOUT], cwd=source, check=True)
    return source / "t"


def command(file: str) -> list[str]:
    """How git's build runs a test; what it makes lies under /tmp."""
    return ["sh", file, "--root=/tmp/git-tests"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*")
    parser.add_argument("--source", type=Path, help="where git's source is unpacked")
    parser.add_argument("--verbose", action="store_true", help="show what a script that differs printed")
    arguments = parser.parse_args()
    directory = built(arguments.source or unpacked("git"))
    files = arguments.files or (HERE / "scripts.txt").read_text().split()
    return not compare(files, command, directory, HERE / "exceptions.txt", arguments.verbose)


if __name__ == "__main__":
    sys.exit(main())
