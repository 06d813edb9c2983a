"""A program that tries the corners of file system calls prints the same natively and on each of our file systems."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.conformance, pytest.mark.machine, pytest.mark.slow]

PROGRAM = Path(__file__).parent / "programs/filesemantics.py"
SKERRY = Path(sys.executable).with_name("skerry")


def output(command: list[str], directory: Path) -> list[str]:
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=100, check=False)
    assert not done.stderr, done.stderr
    assert done.returncode == 0
    return done.stdout.splitlines()


@pytest.mark.skipif(shutil.which("python3", path="/usr/bin") is None, reason="needs Debian's python3")
@pytest.mark.parametrize("place", ["memory", "layer", "host"])
def test_files_behave_as_natively(tmp_path: Path, place: str) -> None:
    """In memory, in the layer over a directory of the host, and written through to one."""
    program = ["/usr/bin/python3", "/p/filesemantics.py"]
    for name in ("native", "bound", "p"):
        (tmp_path / name).mkdir()
    shutil.copy(PROGRAM, tmp_path / "p")
    options = {
        "memory": ["--cwd", "/tmp"],
        "layer": ["--bind", f"{tmp_path}/bound:/w", "--cwd", "/w"],
        "host": ["--bind", f"{tmp_path}/bound:/w:rw", "--cwd", "/w"],
    }
    expected = output([program[0], str(PROGRAM)], tmp_path / "native")
    ours = output([str(SKERRY), "run", "--bind", f"{tmp_path}/p:/p", *options[place], "--", *program], tmp_path)
    assert ours == expected
    assert len(expected) > 150
    left = sorted(path.name for path in (tmp_path / "bound").iterdir())
    assert left == (sorted(path.name for path in (tmp_path / "native").iterdir()) if place == "host" else [])
