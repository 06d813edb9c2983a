"""How what is seen of running systems is written: numbers, times, tables; one JSON document for programs."""

from __future__ import annotations

import json
import pwd
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final

from skerry.control.client import Client, Gone, Unanswered
from skerry.messages import say
from skerry.options import UserError

NOTHING: Final = "no system runs: start one with skerry run, in another terminal\n"
UNITS: Final = "KMGT"


def duration(nanoseconds: int) -> str:
    """``0:01.25``: minutes, seconds, hundredths; from an hour up ``2:05:10``."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    if seconds >= 3600:
        return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{seconds // 60}:{seconds % 60:02}.{rest // 10_000_000:02}"


def size(count: int) -> str:
    """``1.6M``: bytes in three digits."""
    number = count / 1024
    for unit in UNITS:
        if number < 999.5 or unit == UNITS[-1]:
            return f"{number:.0f}{unit}" if number >= 9.95 or unit == "K" else f"{number:.1f}{unit}"
        number /= 1024
    raise AssertionError


def user(uid: int) -> str:
    """The host's name of a user."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def clean(text: str) -> str:
    """A command as it may be shown on a terminal: what a program made up of control characters does nothing there."""
    return "".join(character if character.isprintable() else "?" for character in text)


def table(heads: Sequence[str], rows: Sequence[Sequence[Any]], indent: str = "  ") -> str:
    """Columns, numbers to the right; a head that begins with < is for text. The last column is as long as it is."""
    left = [head.startswith("<") for head in heads]
    cells = [[head.lstrip("<") for head in heads], *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(heads))]
    lines = []
    for row in cells:
        words = [cell.ljust(width) if flush else cell.rjust(width) for cell, width, flush in zip(row, widths, left, strict=True)]
        lines.append((indent + " ".join(words)).rstrip() + "\n")
    return "".join(lines)


def title(about: dict[str, Any]) -> str:
    """One line about a system."""
    command = clean(about["command"]) or "(controlled by a program)"
    return f"system {about['pid']}  {about['config']}  up {duration(about['age'])}  {command}\n"


def show(clients: Any, look: Callable[[Client], Any], text: Callable[[Any], str], as_json: bool) -> None:
    """Look into each system, and write what is there. One that ends meanwhile, or does not answer, is left out, the latter with a word."""
    found = []
    for client in clients:
        try:
            found.append(look(client))
        except Gone:
            continue
        except Unanswered:
            say(f"skerry: system {client.pid} does not answer: it may be stopped\n")
    if as_json:
        json.dump(found, sys.stdout, indent=2)
        sys.stdout.write("\n")
    elif found:
        sys.stdout.write("\n".join(text(system) for system in found))
    else:
        say(NOTHING)
    sys.stdout.flush()


def number(text: str | None) -> int | None:
    """A system's number as it was given. Raises UserError."""
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()):
        raise UserError(f"{text}: not the number of a system: skerry ps lists those that run", 1)
    return int(text)
