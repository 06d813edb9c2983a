"""Running the command as a user does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def skerry(tmp_path: Path) -> Run:
    """The command, run in an empty directory; its output is text."""

    def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
        settings = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "cwd": tmp_path} | options
        return subprocess.run([sys.executable, "-m", "skerry", *arguments], text=True, timeout=60, check=False, **settings)  # type: ignore[call-overload, no-any-return]

    return run
