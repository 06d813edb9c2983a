"""The examples do what they say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.machine, pytest.mark.slow]
EXAMPLES = Path(__file__).parents[2] / "examples"


def example(name: str, place: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / name, *arguments],
        cwd=place,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_untrusted_code_is_held_and_its_output_collected(tmp_path: Path) -> None:
    said = {line.partition(":")[0]: line for line in example("untrusted.py", tmp_path).splitlines()}
    assert "status 0" in said["good.py"]
    assert said["good.py"].endswith(": 45")
    assert "--memory 256M" in said["fills memory.py"]
    assert "status -9" in said["never ends.py"]
    assert said["looks around.py"].endswith("mine now")
    assert "unreachable" in said["goes out.py"]


def test_the_adder_adds(tmp_path: Path) -> None:
    assert example("adder.py", tmp_path) == "42\nrefused with code 1\n"


def test_a_program_is_watched(tmp_path: Path) -> None:
    said = example("traced.py", tmp_path, "cat", "/etc/hostname")
    assert said.startswith("status 0; ")
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    assert any(event["name"] == "openat" for event in events)
