"""What the documents show is what happens, and where they point to there is something."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from documents import Command, Section, agrees, make_environment, perform, read

from skerry.cli.calls import calls

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
SECTIONS = [section for page in PAGES for section in read(page)]


@pytest.fixture
def place() -> Iterator[Path]:
    """An empty directory that is not in /tmp, which is another one inside."""
    above = Path(tempfile.mkdtemp(prefix="skerry-docs-", dir="/var/tmp"))
    directory = above / "hour"
    directory.mkdir()
    yield directory
    shutil.rmtree(above, ignore_errors=True)


@pytest.mark.slow
@pytest.mark.machine
@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: f"{section.document}: {section.title}")
def test_commands_print_what_the_document_shows(section: Section, place: Path) -> None:
    """Each command of a section, in order."""
    if missing := section.missing():
        pytest.skip(f"needs {missing}")
    printed = perform(section, place, make_environment(place))
    for command, text in zip(section.commands, printed, strict=False):
        shown = "\n".join(command.expected)
        assert agrees(command, text), f"{section.document}:{command.line}: $ {command.text}\nshown:\n{shown}\nprinted:\n{text}"
    assert len(printed) == len(section.commands), f"{section.document}, {section.title}: the shell ended early: {printed[-1]}"


def test_the_page_of_system_calls_is_what_the_table_says() -> None:
    """If not: `skerry calls --markdown > docs/reference/system-calls.md`."""
    page = (ROOT / "docs" / "reference" / "system-calls.md").read_text()
    assert CliRunner().invoke(calls, ["--markdown"]).stdout == page
    full, partial = (int(number) for number in re.findall(r"(\d+) (?:full|partial)", page)[:2])
    assert full + partial >= 280


def test_tutorial_and_readme_show_commands() -> None:
    """The test above has something to do."""
    commands = [command for section in SECTIONS for command in section.commands]
    assert {"README.md", "tutorial.md"} <= {section.document for section in SECTIONS}
    assert len(commands) > 30


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        (["a", "b"], "a\nb\n", True),
        (["a", "b"], "a\nb", True),
        (["a"], "a\nb\n", False),
        ([], "a\n", False),
        (["a … c"], "a bbb c\n", True),
        (["a … c"], "a bbb d\n", False),
        (["a", "…", "z"], "a\nb\nc\nz\n", True),
        (["a", "…", "z"], "a\nz\n", True),
        (["a", "…"], "b\n", False),
    ],
)
def test_what_an_ellipsis_stands_for(expected: list[str], printed: str, same: bool) -> None:
    assert agrees(Command("", expected, 1), printed) is same


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Links to files of the repository, and paths in backquotes that begin with a directory of it."""
    text = page.read_text()
    links = {link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link and not link.startswith("#")}
    assert [link for link in links if not (page.parent / link).exists()] == []
    named = set(re.findall(r"`((?:docs|src|tests|examples|bench)/[\w./-]+)`", text))
    assert [name for name in named if not (ROOT / name).exists() and not list(ROOT.glob(name + "*"))] == []
