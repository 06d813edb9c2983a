"""C programs that print what system calls answer: line by line the same natively and under Skerry."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from sidebyside import HERE, needs, same

pytestmark = [pytest.mark.conformance, pytest.mark.machine, pytest.mark.slow]

SOURCES = sorted((HERE / "programs").glob("*.c"))


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_same_answers(source: Path, tmp_path: Path) -> None:
    needs("gcc")
    program = tmp_path / source.stem
    subprocess.run(["gcc", "-O1", "-w", "-pthread", str(source), "-o", str(program), "-ldl"], check=True, timeout=60)
    same([str(program)], tmp_path)
