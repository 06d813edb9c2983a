"""The quick ones of Python's own regression tests: what passes natively passes inside, but for what is listed."""

from __future__ import annotations

from pathlib import Path

import compare
import pytest

import systems
from systems import Case

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
    native = {name: Case(name, result) for name, result in (("a", "pass"), ("b", "fail"), ("c", "pass"), ("d", "skip"))}
    inside = {"a": Case("a", "error"), "b": Case("b", "error"), "d": Case("d", "fail")}
    comparison = compare.Comparison("test_x", native, inside)
    assert comparison.counted == ["a", "c"]
    assert [(case.name, case.result) for case in comparison.differing] == [("a", "error"), ("c", "missing")]

    listed = compare.Exceptions({"test_x": {"a*": "because", "gone": "of old"}})
    assert listed.reason("test_x", "a") == "because"
    assert listed.reason("test_x", "c") is None
    assert listed.obsolete(comparison) == ["gone"]


MODULE = """
import os, signal, unittest
class Cases(unittest.TestCase):
    def test_a(self): pass
    def test_b(self): os._exit(7)
    def test_c(self): signal.pause()
    def test_d(self): self.assertEqual(1, 2)
    def test_e(self):
        for number in range(3):
            with self.subTest(number=number):
                self.assertNotEqual(number, 1)
    def test_f(self):
        if os.fork() == 0:
            raise SystemExit
        os.wait()
    def test_g(self): raise unittest.SkipTest("so")
    @unittest.expectedFailure
    def test_h(self): self.fail()
class Broken(unittest.TestCase):
    @classmethod
    def setUpClass(cls): raise OSError("no")
    def test_z(self): pass
"""


def test_crashes_and_hangs_lose_one_case(tmp_path: Path) -> None:
    """Each case has its result, whatever those before it did to the process."""
    if systems.library(systems.PYTHON) is None:
        pytest.skip(f"needs the Debian package lib{compare.VERSION}-testsuite")
    (tmp_path / "test_made_up.py").write_text(MODULE)
    (tmp_path / "sitecustomize.py").write_text(f"import test\ntest.__path__.append({str(tmp_path)!r})\n")
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path} exec {systems.PYTHON} "$@"\n')
    python.chmod(0o755)
    found = systems.run(systems.NATIVE, "test_made_up", tmp_path / "record.jsonl", limit=0.5, python=str(python))
    results = {name: case.result for name, case in found.items()}
    broken = results.pop("setUpClass (test.test_made_up.Broken)")
    assert broken == "error"
    assert results == {f"Cases.test_{letter}": result for letter, result in zip("abcdefgh", EXPECTED, strict=True)}
    assert found["Cases.test_e"].summary == "AssertionError: 1 == 1"
    assert "(number=1)" in found["Cases.test_e"].detail


EXPECTED = ("pass", "crash", "hang", "fail", "fail", "pass", "skip", "pass")
