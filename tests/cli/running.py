"""Running the command as a user does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[..., subprocess.CompletedProcess[str]]


def runner(place: Path) -> Run:
    """The command, run in ``place``; its output is text."""

    def run(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        settings: dict[str, Any] = {
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
            "timeout": 60,
        } | options
        return subprocess.run([sys.executable, "-m", "skerry", *arguments], cwd=place, text=True, check=False, **settings)

    return run
