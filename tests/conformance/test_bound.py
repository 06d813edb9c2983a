"""C programs in a directory of the host that is bound to be written: the same answers as natively in one of its kind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from sidebyside import ENVIRONMENT, HERE, natively, needs

pytestmark = [pytest.mark.conformance, pytest.mark.machine, pytest.mark.slow]


@pytest.mark.parametrize("name", ["opens", "renames", "linking", "permissions", "mapfiles", "allocates", "resolves"])
def test_same_answers_where_the_host_keeps_the_files(name: str, tmp_path: Path) -> None:
    needs("gcc")
    program, place = tmp_path / name, tmp_path / "place"
    place.mkdir()
    subprocess.run(
        ["gcc", "-O1", "-w", "-pthread", str(HERE / "programs" / f"{name}.c"), "-o", str(program), "-ldl"], check=True, timeout=60
    )
    skerry = [sys.executable, "-m", "skerry", "run", "--bind", str(tmp_path), "--bind", f"{place}:/place:rw", "--cwd", "/place"]
    inside = subprocess.run([*skerry, "--", str(program)], env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
    there = natively([str(program)])
    assert inside.stdout.splitlines() == there.output.splitlines()
    assert (inside.stderr, inside.returncode) == (there.errors, there.status)
