"""What help and pages show of the command: every option is listed, every command line that is shown can be understood."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from skerry.cli import COMMANDS, GROUPS, skerry

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def command_named(name: str) -> click.Command:
    found = skerry.get_command(click.Context(skerry), name)
    assert found is not None
    return found


def help_of(name: str) -> str:
    command = command_named(name)
    return command.get_help(click.Context(command, info_name=f"skerry {name}", **command.context_settings))


def shown_in(text: str) -> list[list[str]]:
    """The lines that begin with `skerry COMMAND`, in words, without what the shell or a remark adds; also those after `; `."""
    found = []
    for line in re.findall(r"^(?:    |  |\$ )(skerry (?:" + "|".join(COMMANDS) + r")\b.*)$", text, re.MULTILINE):
        for part in re.split(r"; (?=skerry )", re.split(r" {3,}", line)[0]):
            try:
                words = shlex.split(part, comments=True)
            except ValueError:  # a quotation that goes on in the next line
                continue
            end = next((at for at, word in enumerate(words) if re.match(r"\d?[|<>&]", word)), len(words))
            found.append(words[1:end])
    return found


def understand(words: list[str]) -> None:
    """Raises UsageError for what the command does not know."""
    command = command_named(words[0])
    command.make_parser(click.Context(command, **command.context_settings)).parse_args(words[1:])


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_examples_and_says_exit_status_and_where_to_read_on(name: str) -> None:
    text = help_of(name)
    assert f"  skerry {name}" in text.split("Usage:")[1].split("\n", 1)[1]
    assert "Exit status" in text
    assert max(map(len, text.split("\n"))) <= 140


@pytest.mark.parametrize("name", COMMANDS)
def test_help_lists_every_option_once(name: str) -> None:
    text = help_of(name)
    options = [option.opts[-1] for option in command_named(name).params if isinstance(option, click.Option) and not option.hidden]
    assert {option: len(re.findall(rf"^  (?:-\w, )?{option}(?![\w-])", text, re.MULTILINE)) for option in options} == dict.fromkeys(
        options, 1
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_command_lines_that_are_understood(name: str) -> None:
    lines = shown_in(help_of(name))
    assert lines
    for words in lines:
        understand(words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_show_command_lines_that_are_understood(page: Path) -> None:
    for words in shown_in(page.read_text()):
        understand(words)


def test_readme_shows_every_command() -> None:
    assert set(COMMANDS) - {words[0] for words in shown_in((ROOT / "README.md").read_text())} == {"demo", "doctor"}


def test_every_command_is_in_one_group() -> None:
    assert sorted(name for names in GROUPS.values() for name in names) == sorted(COMMANDS)


@pytest.mark.parametrize(("name", "status"), [("run", 125), ("ps", 2), ("ports", 2), ("trace", 2)])
def test_an_option_without_its_argument_is_told_with_the_command(name: str, status: int) -> None:
    option = (
        next(o.opts[-1] for o in command_named(name).params if isinstance(o, click.Option) and not o.is_flag) if name != "ps" else "--jsn"
    )
    done = subprocess.run([sys.executable, "-m", "skerry", name, option], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == status
    assert done.stderr.startswith(f"skerry {name}: ")
    assert done.stderr.endswith(f": see `skerry {name} --help`\n")
