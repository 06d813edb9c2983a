"""One command natively and under Skerry, in an empty directory of the same name on both sides."""

from __future__ import annotations

import difflib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

HERE = Path(__file__).parent
PLACE = Path(f"/tmp/skerry-{os.getpid()}")  # inside, /tmp is empty; natively, nobody else makes this name
TIMEOUT = 30  # seconds
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": str(PLACE),
    "USER": "someone",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "TERM": "dumb",
}


CONFIGURATION = {key: value for key, value in os.environ.items() if key == "SKERRY_CONFIG"}  # which one is compared with the host


class Outcome(NamedTuple):
    """What a command did: its status as a shell gives it (128+n for signal n)."""

    output: str
    errors: str
    status: int


def _run(command: Sequence[str], directory: Path, environment: dict[str, str] = ENVIRONMENT) -> Outcome:
    with subprocess.Popen(
        command, cwd=directory, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            output, errors = process.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            output, errors = process.communicate()
            errors += b"(did not end in time)\n"
    status = process.returncode if process.returncode >= 0 else 128 - process.returncode
    return Outcome(output.decode(errors="backslashreplace"), errors.decode(errors="backslashreplace"), status)


def natively(command: Sequence[str]) -> Outcome:
    """Run in PLACE, which is made for it and removed."""
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir()
    try:
        return _run(command, PLACE)
    finally:
        shutil.rmtree(PLACE)


def inside(command: Sequence[str], *binds: Path) -> Outcome:
    """The same under Skerry; ``binds`` are directories of the host that it may see beside the root's."""
    skerry = [sys.executable, "-m", "skerry", "run"]
    for directory in binds:
        skerry += ["--bind", str(directory)]
    enter = 'mkdir "$0" && cd "$0" && exec "$@"'
    return _run([*skerry, "--", "/bin/sh", "-c", enter, str(PLACE), *command], Path("/"), ENVIRONMENT | CONFIGURATION)


def same(command: Sequence[str], *binds: Path) -> None:
    """Fail, with what differs, unless output, errors and status are the same."""
    there, here = natively(command), inside(command, *binds)
    lines = [
        difflib.unified_diff(a.splitlines(), b.splitlines(), f"native {n}", f"skerry {n}", "", "", 1, "") for n, a, b in _texts(there, here)
    ]
    difference = "\n".join(line for part in lines for line in part)
    if difference or there != here:
        pytest.fail(difference or f"the texts differ in line ends: {there} {here}", pytrace=False)


def _texts(there: Outcome, here: Outcome) -> list[tuple[str, str, str]]:
    return [(name, str(a), str(b)) for name, a, b in zip(Outcome._fields, there, here, strict=True)]


def needs(*commands: str) -> None:
    """Skip the test where one of the commands is not installed."""
    missing = [command for command in commands if shutil.which(command, path=ENVIRONMENT["PATH"]) is None]
    if missing:
        pytest.skip(f"not installed: {' '.join(missing)}")
