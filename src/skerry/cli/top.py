"""`skerry top`."""

from __future__ import annotations

import sys
import time
from typing import Any, Final

import click

from skerry.cli.help import WIDTH
from skerry.cli.look import clean, duration, number, size, user
from skerry.cli.ps import look
from skerry.control.client import Gone, Unanswered, connect
from skerry.options import UserError

LEAST: Final = 0.1  # seconds between two looks
Times = dict[tuple[int, str, int], int]  # processor time (ns) by system, kind and number


def observe(chosen: list[int]) -> list[dict[str, Any]]:
    """All systems that answer. Raises UserError."""
    systems = []
    for client in connect(chosen):
        try:
            systems.append(look(client))
        except (Gone, Unanswered):
            continue
    return systems


def times(systems: list[dict[str, Any]]) -> Times:
    """What each process and task has used."""
    found: Times = {}
    for system in systems:
        for kind, key in (("processes", "pid"), ("tasks", "host_pid")):
            found.update({(system["pid"], kind, entry[key]): entry["time"] for entry in system[kind]})
        found[system["pid"], "traps", 0] = system["traps"] or 0
        found[system["pid"], "messages", 0] = system["messages"]
    return found


def screen(systems: list[dict[str, Any]], before: Times, elapsed: float) -> Any:
    """What is shown; ``elapsed`` seconds have passed since ``before``."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    parts: list[Any] = []
    for system in systems:

        def rate(kind: str, key: int, now: int, system: dict[str, Any] = system) -> float:
            return max(now - before.get((system["pid"], kind, key), now), 0) / elapsed if elapsed else 0.0

        head = f"system {system['pid']}  {system['config']}  up {duration(system['age'])}"
        head += "".join(f"  {rate(what, 0, system[what]):.0f} {what}/s" for what in ("traps", "messages") if system[what] is not None)
        parts.append(Text(head, style="bold"))
        rows = [
            (
                rate("processes", p["pid"], p["time"]) / 1e7,
                p["pid"],
                p["state"],
                user(p["uid"]),
                p["time"],
                p["memory"],
                clean(p["command"]),
            )
            for p in system["processes"]
        ]
        rows += [
            (rate("tasks", t["host_pid"], t["time"]) / 1e7, t["host_pid"], "", "task", t["time"], t["memory"], f"[{t['name']}]")
            for t in system["tasks"]
            if t["kind"] == "native"
        ]
        grid = Table(box=None, pad_edge=False, header_style="dim")
        for name in ("%CPU", "PID", "S", "USER", "TIME", "MEMORY"):
            grid.add_column(name, justify="left" if name in ("S", "USER") else "right", no_wrap=True)
        grid.add_column("COMMAND", no_wrap=True, overflow="ellipsis")
        for share, pid, state, name, used, memory, command in sorted(rows, key=lambda row: (-row[0], row[1])):
            grid.add_row(f"{share:.1f}", str(pid), state, name, duration(used), size(memory), Text(command))
        parts += [grid, Text("")]
    return Group(*parts) if parts else Text("no system runs: start one with skerry run, in another terminal")


@click.command(context_settings=WIDTH, epilog="Exit status: 1 if SYSTEM does not run.")
@click.option("--interval", default="1", metavar="SECONDS", help="Time between two looks (default: 1).")
@click.option("--count", default=0, metavar="N", help="Look so many times, then end (default: until Ctrl-C).")
@click.argument("systems", nargs=-1, metavar="[SYSTEM]...")
def top(interval: str, count: int, systems: tuple[str, ...]) -> None:
    """Watch the running systems: who uses the processor and memory, how many traps and messages there are.

    What is not a terminal gets each look as text, one after the other.

    \b
    skerry top                  all systems, until Ctrl-C
    skerry top --interval 5     every five seconds
    skerry top --count 2 4711   two looks at the system 4711
    """
    from contextlib import nullcontext

    from rich.console import Console
    from rich.live import Live

    try:
        pause = float(interval)
    except ValueError:
        pause = 0.0
    if not LEAST <= pause < 1e6:
        raise UserError(f"--interval {interval}: give a number of seconds from {LEAST} up", 1)
    chosen = [found for found in map(number, systems) if found is not None]
    console = Console(file=sys.stdout)
    found, since = observe(chosen), time.monotonic()
    before, done = times(found), 1
    try:
        first = screen(found, before, 0.0)
        with Live(first, console=console, screen=True, auto_refresh=False) if console.is_terminal else nullcontext() as live:
            if live is None:
                console.print(first)
            while done != count:
                time.sleep(pause)
                found, now = observe(chosen), time.monotonic()
                shown = screen(found, before, now - since)
                if live is None:
                    console.print(shown)
                else:
                    live.update(shown, refresh=True)
                before, since, done = times(found), now, done + 1
    except KeyboardInterrupt:
        return
