"""The quick part of the suite: small programs at work."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from programs import HERE, missing, outcomes

pytestmark = [pytest.mark.conformance, pytest.mark.machine, pytest.mark.slow]


@pytest.mark.parametrize("name", ["databases", "lua", "rsync"])
def test_same_as_natively(name: str) -> None:
    script = HERE / "scripts" / f"{name}.sh"
    if absent := missing(script):
        pytest.skip(f"not installed: {' '.join(absent)}")
    native, inside = outcomes(script)
    assert (inside.output, inside.status, inside.broken) == (native.output, native.status, "")
