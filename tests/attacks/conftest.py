"""Attack programs are compiled here."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from sandbox import NATIVE, PROGRAMS, Build


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """``build(name)``: the program tests/attacks/programs/name.c, static, where the guest sees it as /attacks/name."""
    place = tmp_path_factory.mktemp("attacks")
    place.chmod(0o755)

    def make(name: str) -> Path:
        program = place / name
        if not program.exists():
            flags = ["-static", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread", "-Wno-unused-result", "-I", str(NATIVE)]
            subprocess.run(["gcc", *flags, str(PROGRAMS / f"{name}.c"), "-o", str(program)], check=True)
        return program

    return make
