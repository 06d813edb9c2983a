"""The quick part of the suite: stressors of each kind under Skerry, two workers each, a few rounds."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bothsides import ENVIRONMENT, run, skerry
from stressors import Load, verdict

pytestmark = [pytest.mark.conformance, pytest.mark.machine, pytest.mark.slow]

KINDS = [
    "aiol", "clone", "epoll", "eventfd", "exec", "fork", "futex", "mmap", "mq", "pipe", "poll", "pthread", "pty", "sem-sysv",
    "shm-sysv", "sigfd", "signal", "sock", "timer", "timerfd", "vfork", "vm", "wait", "zombie",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_stressor_passes_and_leaves_nothing(kind: str, tmp_path: Path) -> None:
    if shutil.which("stress-ng", path=ENVIRONMENT["PATH"]) is None:
        pytest.skip("not installed: stress-ng")
    outcome = run(skerry(Load(workers=2, operations=10).command(kind)), tmp_path, 60)
    assert (verdict(outcome), outcome.broken) == ("passed", ""), outcome.output
