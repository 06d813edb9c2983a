"""The quick ones of Python's own regression tests: what passes natively passes inside, but for what is listed."""

from __future__ import annotations

from pathlib import Path

import compare
import pytest

pytestmark = [pytest.mark.conformance, pytest.mark.machine, pytest.mark.slow]


@pytest.mark.parametrize("module", compare.SETS["quick"])
def test_cases_that_pass_natively_pass_inside(module: str, tmp_path: Path) -> None:
    if not compare.installed(module):
        pytest.skip(f"needs the Debian package lib{compare.VERSION}-testsuite")
    comparison = compare.compare(module, tmp_path, limit=60.0, again=False, only=())
    assert comparison.counted
    exceptions = compare.Exceptions.read(compare.EXCEPTIONS)
    unlisted = [case for case in comparison.differing if exceptions.reason(module, case.name) is None]
    assert not unlisted, "\n".join(f"{case.name}: {case.result}: {case.detail}" for case in unlisted)


def test_what_fails_inside_alone_is_told(tmp_path: Path) -> None:
    """A case that passes natively and fails inside differs; one that a native failure hides does not count."""
    native = {name: compare.Case(name, result) for name, result in (("a", "pass"), ("b", "fail"), ("c", "pass"), ("d", "skip"))}
    inside = {"a": compare.Case("a", "error"), "b": compare.Case("b", "error"), "d": compare.Case("d", "fail")}
    comparison = compare.Comparison("test_x", native, inside)
    assert comparison.counted == ["a", "c"]
    assert [(case.name, case.result) for case in comparison.differing] == [("a", "error"), ("c", "missing")]

    listed = compare.Exceptions({"test_x": {"a*": "because", "gone": "of old"}})
    assert listed.reason("test_x", "a") == "because"
    assert listed.reason("test_x", "c") is None
    assert listed.obsolete(comparison) == ["gone"]
