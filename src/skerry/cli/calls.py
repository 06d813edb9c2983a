"""`skerry calls`: the support table."""

from __future__ import annotations

import shutil
import sys
from collections import Counter

import click

from skerry.messages import say
from skerry.unix.syscalls.table import CALLS, Call, Support


@click.command(context_settings={"max_content_width": 100})
@click.option("--level", multiple=True, type=click.Choice([level.value for level in Support]), help="Only calls that are supported so far.")
@click.option("--counts", is_flag=True, help="Only how many there are of each level.")
@click.argument("pattern", nargs=-1, metavar="[NAME|NUMBER]...")
def calls(level: tuple[str, ...], counts: bool, pattern: tuple[str, ...]) -> None:
    """List the x86-64 system calls: number, name, level of support, and what is missing.

    A NAME is a part of a name. A call that is not there fails with ENOSYS; `skerry run --stats` names those that a program asked for.

    \b
    skerry calls
    skerry calls stat sched          calls with stat or sched in their names
    skerry calls 56                  call number 56
    skerry calls --level partial     and what they lack
    skerry calls --counts
    """
    chosen = [call for call in CALLS if _is_wanted(call, pattern) and (not level or call.support.value in level)]
    if not chosen:
        say(f"skerry calls: no such call: {' '.join(pattern)}: try a part of a name, or `skerry calls`\n")
        sys.exit(1)
    width = shutil.get_terminal_size((100, 24)).columns if sys.stdout.isatty() else 10_000
    if not counts:
        longest = max(len(call.name) for call in chosen)
        for call in chosen:
            click.echo(f"{call.number:>3}  {call.name:<{longest}}  {call.support.value:<7}  {call.note}".rstrip()[:width])
        click.echo()
    numbers = Counter(call.support for call in chosen)
    click.echo(f"{len(chosen)} calls: " + ", ".join(f"{numbers[support]} {support.value}" for support in Support))


def _is_wanted(call: Call, patterns: tuple[str, ...]) -> bool:
    return not patterns or any(int(p) == call.number if p.isdecimal() else p in call.name for p in patterns)
