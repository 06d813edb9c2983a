"""`skerry calls`: the support table."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from typing import Protocol

import click

from skerry.cli.help import WIDTH
from skerry.messages import say
from skerry.unix.syscalls.table import CALLS, Call, Support


@click.command(context_settings=WIDTH, epilog="Exit status: 1 if there is no such call. Read on: docs/reference/mach/calls; man 2 NAME.")
@click.option(
    "--level",
    multiple=True,
    type=click.Choice([level.value for level in Support]),
    help="Only calls of this level; may be repeated.",
)
@click.option("--counts", is_flag=True, help="Only how many there are of each level.")
@click.option("--mach", is_flag=True, help="The calls of Mach 3 in place of Linux's.")
@click.option("--markdown", is_flag=True, help="As docs/reference/system-calls.md.")
@click.option("--header", is_flag=True, help="With --mach: the C header for native code.")
@click.argument("pattern", nargs=-1, metavar="[NAME|NUMBER]...")
def calls(level: tuple[str, ...], counts: bool, mach: bool, markdown: bool, header: bool, pattern: tuple[str, ...]) -> None:
    """List the x86-64 system calls: number, name, level of support, and what is missing.

    full: as Linux has it. partial: what is said is missing. none: the call fails with ENOSYS.

    A NAME is a part of a name. skerry run --stats names those that a program asked for and that are not there.

    \b
    skerry calls
    skerry calls stat sched          calls with stat or sched in their names
    skerry calls 56                  call number 56
    skerry calls --level partial     and what they lack
    skerry calls --counts
    skerry calls --mach              the 140 calls of Mach 3 Kernel Interfaces, and some of GNU Mach
    skerry calls --mach --header     structures and numbers for native code in C
    """
    if header and not mach:
        say("skerry calls: --header needs --mach\n")
        sys.exit(1)
    if mach and markdown:
        say("skerry calls: --markdown is for Linux's calls: those of Mach are described in docs/reference/mach/calls\n")
        sys.exit(1)
    if mach:
        _mach(level, counts, header, pattern)
        return
    chosen = [call for call in CALLS if _is_wanted(call, pattern) and (not level or call.support.value in level)]
    if not chosen:
        say(f"skerry calls: no such call: {' '.join(pattern)}: try a part of a name, or `skerry calls`\n")
        sys.exit(1)
    if markdown:
        _print_page(chosen)
        return
    if not counts:
        _print([(str(call.number), call.name, call.support.value, call.note) for call in chosen])
    _print_counts([call.support.value for call in chosen])


def _mach(level: tuple[str, ...], counts: bool, header: bool, pattern: tuple[str, ...]) -> None:
    from skerry.abi import cheader, kernel_calls, memory_object
    from skerry.mach.interfaces import EXTRAS, INTERFACES

    if header:
        ports = [value for value in vars(kernel_calls).values() if getattr(value, "_is_protocol", False) and value is not Protocol]
        click.echo(cheader.header(*ports, memory_object.MemoryControlPort), nl=False)
        return
    chosen = [
        row
        for row in (*INTERFACES, *EXTRAS)
        if (not level or row.support in level)
        and (not pattern or any(int(p) == row.id if p.lstrip("-").isdecimal() else p in row.name for p in pattern))
    ]
    if not chosen:
        say(f"skerry calls: no such call: {' '.join(pattern)}: try a part of a name, or `skerry calls --mach`\n")
        sys.exit(1)
    if not counts:
        for chapter in dict.fromkeys(row.chapter for row in chosen):
            click.echo(f"{chapter}:")
            rows = [row for row in chosen if row.chapter == chapter]
            _print([(str(row.id) if row.id else "-", row.name, f"{row.form.value:<7}  {row.support}", row.note) for row in rows])
    _print_counts([row.support for row in chosen if row in INTERFACES] or [row.support for row in chosen])


def _print(rows: list[tuple[str, str, str, str]]) -> None:
    width = shutil.get_terminal_size((100, 24)).columns if sys.stdout.isatty() else 10_000
    numbers, names, levels = (max(len(row[column]) for row in rows) for column in range(3))
    for number, name, support, note in rows:
        click.echo(f"{number:>{max(numbers, 3)}}  {name:<{names}}  {support:<{max(levels, 7)}}  {note}".rstrip()[:width])
    click.echo()


def _print_counts(levels: list[str]) -> None:
    click.echo(_counts(levels))


def _counts(levels: list[str]) -> str:
    numbers = Counter(levels)
    return f"{len(levels)} calls: " + ", ".join(f"{numbers[support.value]} {support.value}" for support in Support)


def _print_page(chosen: list[Call]) -> None:
    click.echo("# System calls\n")
    click.echo("What `skerry calls --markdown` prints. full: as Linux has it. partial: what is said is missing. none: ENOSYS.\n")
    click.echo(_counts([call.support.value for call in chosen]) + ".\n")
    click.echo("| number | name | support | what is missing |\n|---|---|---|---|")
    for call in chosen:
        click.echo(f"| {call.number} | {call.name} | {call.support.value} | {call.note.replace('|', chr(92) + '|')} |")


def _is_wanted(call: Call, patterns: tuple[str, ...]) -> bool:
    return not patterns or any(int(p) == call.number if p.isdecimal() else p in call.name for p in patterns)
