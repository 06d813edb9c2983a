"""perl's own core tests, natively and under Skerry: their TAP compared line by line.

    .venv/bin/python tests/suites/perl/perlcore.py [--source DIR] [FILE ...]

FILE is a test beneath the source's ``t``, such as io/pipe.t; without any, all of ``t/io`` and those of ``t/op`` that ask the system for
something (``op.txt``). The tests come from Debian's source package (``apt-get source perl``, done where --source is not given) and run
with this machine's perl. The status is 1 if a file's TAP differs and the file is not in ``exceptions.txt``, or if Skerry itself breaks.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from sources import BUILD, unpacked  # noqa: E402
from tap import compare  # noqa: E402


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
    return not compare(files, command, directory, HERE / "exceptions.txt", arguments.verbose)


def command(file: str) -> list[str]:
    """How perl's build runs a test, with one order of hashes."""
    return ["/usr/bin/env", "PERL_HASH_SEED=0", "./perl", "-I../lib", file]


if __name__ == "__main__":
    sys.exit(main())
