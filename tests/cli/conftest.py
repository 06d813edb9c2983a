"""The command, for the tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from running import Run, runner


@pytest.fixture
def skerry(tmp_path: Path) -> Run:
    """The command, run in an empty directory; its output is text."""
    return runner(tmp_path)
