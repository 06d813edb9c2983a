"""What the documents show of a terminal, and doing it.

A section is what stands under one heading. It is one session, in an empty directory of its own:

    ```console               `$ ` begins a command, `> ` goes on with it, all other lines are what it prints, standard error included.
    ```python                and any other language: where the first line is a comment that holds a file's name alone, the file is written
    # squares.py             before the commands below it are run.

In what is printed `…` stands for any characters, and on a line of its own for any lines; how wide a gap between words is does not count.
Behind `console` may stand what is needed, as `needs=gdb,strace`: where one of these programs is missing, or for `needs=network`, the whole
section is not run.

Between blocks, `<!-- until COMMAND -->` waits until the command succeeds, as a reader would; who reads the page does not see it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

NETWORK: Final = "network"  # of needs: what no test has
TIMEOUT: Final = 45  # seconds for a section
_FENCE: Final = re.compile(r"^```(\S*) ?(.*)$")
_WAIT: Final = re.compile(r"^<!-- until (.*) -->$")
_NAME: Final = re.compile(r"^(?:#|//|/\*)\s*([\w./-]+\.\w+|Makefile)(?:\s*\*/)?$")


@dataclass
class Command:
    """A command, and what the document says that it prints."""

    text: str
    expected: list[str]
    line: int  # in the document


@dataclass
class FileShown:
    """A file that the reader is told to write."""

    name: str
    text: str


@dataclass
class Wait:
    """What must have happened before the next step."""

    condition: str


@dataclass
class Section:
    """What stands under one heading."""

    document: str
    title: str
    steps: list[Command | FileShown | Wait] = field(default_factory=list)
    needs: set[str] = field(default_factory=set)

    @property
    def commands(self) -> list[Command]:
        return [step for step in self.steps if isinstance(step, Command)]

    def missing(self) -> str:
        """What this machine lacks to run it; empty if nothing."""
        return " ".join(sorted(need for need in self.needs if need == NETWORK or shutil.which(need) is None))


def read(path: Path) -> list[Section]:
    """The sections of a document that show commands. Raises ValueError for a block that is not closed, or begins with output."""
    sections = [Section(path.name, "(beginning)")]
    language, block, start = "", [], 0
    inside = False
    for number, line in enumerate(path.read_text().splitlines(), 1):
        fence = _FENCE.match(line)
        if not inside and fence:
            inside, language, block, start = True, fence[1], [], number
            sections[-1].needs.update(need for word in fence[2].split() if word.startswith("needs=") for need in word[6:].split(","))
        elif inside and line == "```":
            inside = False
            _add(sections[-1], language, block, start)
        elif inside:
            block.append(line)
        elif wait := _WAIT.match(line):
            sections[-1].steps.append(Wait(wait[1]))
        elif line.startswith("#"):
            sections.append(Section(path.name, line.lstrip("# ")))
    if inside:
        raise ValueError(f"{path.name}:{start}: this block has no end")
    return [section for section in sections if section.commands]


def _add(section: Section, language: str, block: list[str], start: int) -> None:
    if language != "console":
        name = _NAME.match(block[0]) if block else None
        if name:
            section.steps.append(FileShown(name[1], "\n".join(block) + "\n"))
        return
    commands: list[Command] = []
    for number, line in enumerate(block, start + 1):
        if line.startswith("$ "):
            commands.append(Command(line[2:], [], number))
        elif not commands:
            raise ValueError(f"{section.document}:{number}: output without a command")
        elif line.startswith("> ") and not commands[-1].expected:
            commands[-1].text += "\n" + line[2:]
        else:
            commands[-1].expected.append(line)
    section.steps += commands


def pattern(expected: list[str]) -> re.Pattern[str]:
    """What the lines mean."""
    parts = []
    for line in expected:
        if line.strip() == "…":
            parts.append(r"(?:.*\n)*?")
        else:
            words = [".*?".join(re.escape(part) for part in word.split("…")) for word in line.split()]
            parts.append(r"[ \t]*" + r"[ \t]+".join(words) + r"[ \t]*\n")
    return re.compile("".join(parts))


def agrees(command: Command, printed: str) -> bool:
    """Whether a command has printed what the document says."""
    if printed and not printed.endswith("\n"):
        printed += "\n"
    return pattern(command.expected).fullmatch(printed) is not None


def perform(section: Section, place: Path, environment: dict[str, str]) -> list[str]:
    """Do the section in a shell, in the directory ``place``; what each command has printed.

    Raises TimeoutError; the processes that were left in the background are ended.
    """
    mark = "---- done"
    script = []
    for step in section.steps:
        if isinstance(step, FileShown):
            (place / step.name).parent.mkdir(parents=True, exist_ok=True)
            script.append(f"printf %s {shlex.quote(step.text)} > {shlex.quote(step.name)}")
        elif isinstance(step, Wait):
            script.append(f"until {step.condition} 2> {os.devnull}; do read -rt 0.02 <> <(:); done")
        else:
            script.append(f"{step.text}\nprintf '%s\\n' '{mark}'")
    output = place.parent / "printed"
    with output.open("ab") as file:
        shell = subprocess.Popen(
            ["bash", "-c", "\n".join(script)],
            cwd=place,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        shell.wait(TIMEOUT)
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"{section.document}, {section.title}: not done within {TIMEOUT} s:\n{output.read_text()[-2000:]}") from error
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(shell.pid, signal.SIGKILL)
        shell.wait()
    return output.read_text(errors="replace").split(mark + "\n")[: len(section.commands)]


def make_environment(place: Path) -> dict[str, str]:
    """A user's who has just installed Skerry: the command is that of this Python."""
    binaries = Path(sys.executable).parent
    kept = {key: value for key, value in os.environ.items() if key.startswith("LC_")}
    return kept | {
        "PATH": f"{binaries}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
        "HOME": str(place),
        "LC_ALL": "C.UTF-8",
        "TERM": "dumb",
    }
