"""`skerry demo`, and that it would notice."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from running import Run

from skerry.cli.demo import Step, digest, make_steps, perform

pytestmark = [pytest.mark.machine, pytest.mark.slow]


def test_demo_does_every_step_as_natively(skerry: Run) -> None:
    result = skerry("demo", "--runs", "1")
    assert result.returncode == 0, result.stdout
    assert result.stdout.count("│ same") == len(make_steps()) + 1 - result.stdout.count("│ skipped")
    assert "the only copy" in result.stdout  # of the file that was removed inside
    assert "\x1b" not in result.stdout


def test_step_that_differs_is_noticed(tmp_path: Path) -> None:
    step = Step("inside, the first process is number 1", "echo $$")
    perform(step, tmp_path / "place", 1)
    assert not step.same
    assert not step.good


def test_step_whose_program_is_missing_is_skipped_with_a_reason(tmp_path: Path) -> None:
    step = Step("", "true", needs=("sh", "no-such-compiler"))
    perform(step, tmp_path / "place", 1)
    assert step.good
    assert re.search("no-such-compiler is not installed", step.skipped)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: (d / "file").write_text("changed"),
        lambda d: (d / "file").chmod(0o600),
        lambda d: (d / "file").unlink(),
        lambda d: (d / "file").rename(d / "other"),
        lambda d: (d / "new").touch(),
        lambda d: (d / "file").read_text() and (d / "link").symlink_to("file"),
    ],
    ids=["contents", "permissions", "removal", "name", "new file", "link"],
)
def test_digest_tells_every_change(change: Callable[[Path], object], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("contents")
    before = digest(tmp_path)
    assert digest(tmp_path) == before
    change(tmp_path)
    assert digest(tmp_path) != before
