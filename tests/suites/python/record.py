"""Run the cases of one of Python's regression test modules, and record the result of each as soon as it is known.

    record.py MODULE RECORD LIMIT RESOURCES [PATTERN...]

It is run by the Python whose tests they are, natively and under Skerry, and imports nothing else. RECORD gets a line of JSON when a case
begins and one when it ends, written at once: a crash or a hang loses one case. Cases that RECORD mentions already are left out, so that the
same command goes on after the case that ended it. LIMIT is seconds: a case that takes longer ends the process, and each thread's stack is
printed.
RESOURCES, names with commas between them, is what a test may use that asks for leave (regrtest's -u).
"""

from __future__ import annotations

import contextlib
import faulthandler
import fnmatch
import importlib
import json
import os
import sys
import time
import traceback
import unittest

# Bound now: tests put other things in their places.
_open, _write, _close, _getpid, _monotonic = os.open, os.write, os.close, os.getpid, time.monotonic

TRACE = 6000  # characters of a traceback that are kept


class Record:
    """The file of results, opened for each line: tests close descriptors that are not theirs."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.process = os.getpid()

    def mentioned(self) -> set[str]:
        if not os.path.exists(self.path):
            return set()
        with open(self.path, encoding="utf-8") as lines:
            return {json.loads(line)["case"] for line in lines}

    def write(self, case: str, **facts: object) -> None:
        if _getpid() != self.process:
            return
        line = json.dumps({"case": case, **facts}) + "\n"
        fd = _open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            _write(fd, line.encode())
        finally:
            _close(fd)


class Result(unittest.TestResult):
    """Writes what unittest tells it: pass, fail, error or skip; the first thing that goes wrong in a case is its result."""

    def __init__(self, record: Record, prefix: str, limit: float) -> None:
        super().__init__()
        self.record = record
        self.prefix = prefix
        self.limit = limit
        self.outcome: tuple[str, str] | None = None
        self.began = 0.0
        self.running = False

    def name(self, test: unittest.TestCase) -> str:
        return test.id().removeprefix(self.prefix)

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        self.outcome, self.running, self.began = None, True, _monotonic()
        self.record.write(self.name(test), result="begun")
        print("---", self.name(test), flush=True)
        faulthandler.dump_traceback_later(self.limit, exit=True)

    def stopTest(self, test: unittest.TestCase) -> None:
        super().stopTest(test)
        if _getpid() != self.record.process:
            os._exit(1)  # a child that a test let come back here: the cases that follow are its parent's
        faulthandler.cancel_dump_traceback_later()
        self.running = False
        result, detail = self.outcome or ("pass", "")
        self.record.write(self.name(test), result=result, detail=detail, seconds=round(_monotonic() - self.began, 3))

    def note(self, test: unittest.TestCase, result: str, detail: str) -> None:
        if not self.running:  # setUpClass, setUpModule and their counterparts
            self.record.write(self.name(test), result=result, detail=detail)
        elif self.outcome is None:
            self.outcome = (result, detail)

    def addError(self, test, err) -> None:  # type: ignore[no-untyped-def]
        self.note(test, "error", _text(err))

    def addFailure(self, test, err) -> None:  # type: ignore[no-untyped-def]
        self.note(test, "fail", _text(err))

    def addSubTest(self, test, subtest, err) -> None:  # type: ignore[no-untyped-def]
        if err is not None:
            kind = "fail" if issubclass(err[0], test.failureException) else "error"
            self.note(test, kind, f"{subtest._subDescription()}\n{_text(err)}")

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:
        self.note(test, "skip", str(reason))

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:
        self.note(test, "fail", "unexpected success")


def _text(err) -> str:  # type: ignore[no-untyped-def]
    text = "".join(traceback.format_exception(*err))
    return text if len(text) <= TRACE else text[: TRACE // 2] + "\n[...]\n" + text[-TRACE // 2 :]


def cases(suite: unittest.TestSuite, wanted) -> unittest.TestSuite:  # type: ignore[no-untyped-def]
    """The suite without the cases that are not wanted; its nesting, which load_tests may rely on, is kept.

    What was given is empty then: each case, and all that it made, is to be gone when it has run.
    """
    kept = type(suite)()
    tests, suite._tests = list(suite), []
    for test in tests:
        if isinstance(test, unittest.TestSuite):
            kept.addTest(cases(test, wanted))
        elif wanted(test):
            kept.addTest(test)
    return kept


def main(module: str, path: str, limit: float, resources: set[str], patterns: list[str]) -> int:
    """Run them; 3 if the module cannot be imported or says that it is not for this system."""
    # The directory of this file is no place to import from: tests look at sys.path.
    sys.path[:] = [entry for entry in sys.path if entry != os.path.dirname(os.path.abspath(__file__))]
    from test import support
    from test.support import os_helper

    support.use_resources = resources
    support.verbose = 0
    prefix = f"test.{module}."
    record = Record(path)
    seen = record.mentioned()
    result = Result(record, prefix, limit)

    def wanted(test: unittest.TestCase) -> bool:
        name = test.id().removeprefix(prefix)
        return name not in seen and (not patterns or any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns))

    def run(suite: unittest.TestSuite) -> None:
        cases(suite, wanted).run(result)

    support._run_suite = run  # what a module's own test_main comes to
    with os_helper.temp_cwd("work", quiet=True):
        try:
            imported = importlib.import_module(prefix[:-1])
            if hasattr(imported, "test_main"):
                imported.test_main()
            else:
                run(unittest.defaultTestLoader.loadTestsFromModule(imported))
        except unittest.SkipTest as skip:
            record.write("(module)", result="skip", detail=str(skip))
            return 3
        except Exception as error:
            record.write("(module)", result="error", detail=_text((type(error), error, error.__traceback__)))
            return 3
        finally:
            with contextlib.suppress(AttributeError):
                support.reap_children()
    return 0


if __name__ == "__main__":
    faulthandler.enable()
    os.makedirs(os.environ.get("TMPDIR", "/tmp"), exist_ok=True)
    os.chdir(os.environ.get("TMPDIR", "/tmp"))
    sys.exit(main(sys.argv[1], sys.argv[2], float(sys.argv[3]), set(sys.argv[4].split(",")), sys.argv[5:]))
