"""What the scripts declare, and that the benchmark's rows are made of what they do: no wrong answer has a figure."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "suites"), str(ROOT / "tests" / "suites" / "apps")]

from bench.apps import Application, applications, measure, trouble  # noqa: E402
from bench.rows import Line  # noqa: E402
from bench.systems import System, systems  # noqa: E402
from bothsides import Outcome  # noqa: E402

from apps import declared, missing, scripts, titles  # noqa: E402

NATIVE = System("native", ())
ROW = Line("answer", "an answer")


def test_every_script_declares_what_it_needs_and_figures_of_its_own() -> None:
    names = [name for script in scripts() for name in titles(script)]
    assert len(names) == len(set(names))
    assert all(declared(script, "Needs") and titles(script) for script in scripts())
    assert all(title for script in scripts() for title in titles(script).values())


def test_rows_are_chosen_by_script_or_by_name_and_others_are_refused() -> None:
    chosen = applications(["sqlite-wal", "tar"], lambda line: None)
    assert {row.name for each in chosen for row in each.rows} <= {"sqlite-wal", "tar-c", "tar-t", "tar-x"}
    with pytest.raises(KeyError, match="nonsense"):
        applications(["tar", "nonsense"], lambda line: None)


@pytest.mark.parametrize("change", ["ANSWER=43", "STATUS=1", "FIGURE="])
def test_a_wrong_answer_has_no_figure(tmp_path: Path, change: str) -> None:
    script = tmp_path / "script.sh"
    script.write_text('echo ${ANSWER:-42}; echo "${FIGURE-@answer 1000}"; exit ${STATUS:-0}')
    wrong = System("wrong", ("env", change))
    results = measure([Application(script, (), (ROW,))], [NATIVE, wrong], [False], 2, lambda line: None)
    right, failed = results["answer", "native", False], results["answer", "wrong", False]
    assert (right.values, right.trouble) == ([1000.0, 1000.0], "")
    assert not failed.values
    assert failed.trouble


def test_an_answer_that_is_late_or_leaves_a_process_is_wrong() -> None:
    application = Application(Path("script.sh"), (), (ROW,))
    native = Outcome("@answer 1000\n", 0, 1.0, (), ())
    assert trouble(application, native, native) == ""
    assert trouble(application, Outcome("@answer 1000\n", 124, 300.0, (), ()), native)
    assert trouble(application, Outcome("@answer 1000\n", 0, 1.0, (), ("skerry",)), native) == "left: skerry"


@pytest.mark.conformance
@pytest.mark.machine
@pytest.mark.slow
@pytest.mark.parametrize("config", ["mach-colocated", "mach"])
def test_sqlite_has_its_figures_inside(config: str) -> None:
    script = next(script for script in scripts() if script.stem == "sqlite")
    if absent := missing(script):
        pytest.skip(f"not installed: {' '.join(absent)}")
    inside = systems([config])[-1]
    results = measure(applications(["sqlite"], print), [NATIVE, inside], [False], 1, print)
    assert {name: series.trouble for (name, _, _), series in results.items()} == {"sqlite": "", "sqlite-wal": ""}
    assert results["sqlite-wal", inside.name, False].values
