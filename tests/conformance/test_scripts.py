"""Scripts that use many programs: the same output, errors and status natively and under Skerry.

A script's first line says its shell; a line ``# Needs: gcc make`` names commands without which it is skipped.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from sidebyside import HERE, needs, same

pytestmark = [pytest.mark.conformance, pytest.mark.machine, pytest.mark.slow]

DIRECTORY = HERE / "scripts"
SCRIPTS = sorted(DIRECTORY.glob("*/*"))


def commands_needed(text: str) -> list[str]:
    return [word for line in text.splitlines() if line.startswith("# Needs:") for word in line[8:].split()]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: f"{script.parent.name}-{script.stem}")
def test_same_as_natively(script: Path) -> None:
    text = script.read_text()
    needs(*commands_needed(text))
    shell = text.splitlines()[0].removeprefix("#!").split()
    same([*shell, str(script)], HERE)
