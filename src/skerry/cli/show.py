"""How the demo looks. Alone imports rich."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from skerry.cli.demo import Step

WIDTH: Final = 110  # where there is no terminal
LINES: Final = 14  # of an output or a script


class Show:
    """Writes to standard output, with colours on a terminal."""

    def __init__(self) -> None:
        self._console = Console(highlight=False)
        if not self._console.is_terminal:
            self._console = Console(highlight=False, width=WIDTH)

    def begin(self, boot: Step) -> None:
        """What runs where, and how long an empty run takes."""
        native, inside = boot.seconds()
        user = "root" if os.geteuid() == 0 else "an ordinary user"
        host = f"Linux {platform.release()}, {len(os.sched_getaffinity(0))} processors, as {user}"
        text = Text.assemble(
            ("Skerry", "bold"),
            ": a Mach kernel and a Unix server in Python, and beneath them no Linux but this host's processes.\n"
            f"Host: {host}. A system boots, runs `true` and ends in {inside * 1e3:.0f} ms (natively {native * 1e3:.0f} ms).",
        )
        self._console.print(Panel(text))

    def announce(self, step: Step) -> None:
        """A step is about to be done."""
        self._console.rule(f"[bold]{step.title}", align="left")
        self._lines(step.script.strip(), "cyan")

    def report(self, step: Step) -> None:
        """What the step printed inside, and how it compares."""
        if step.skipped:
            self._console.print(f"  {step.skipped}", style="yellow")
            return
        self._lines(step.inside[0].output.rstrip(), "")
        native, inside = step.seconds()
        times = f"natively {native * 1e3:.0f} ms, inside {inside * 1e3:.0f} ms: {inside / native:.1f} times"
        if step.good:
            self._console.print(
                f"  [green]the same as natively[/green] (exit status {step.inside[0].status}), the host is unchanged; {times}"
            )
        elif step.host_changed:
            self._console.print("  [red]THE HOST'S FILES HAVE CHANGED[/red]")
        else:
            self._console.print("  [red]not the same as natively[/red], where it printed:")
            other = next((r for r in step.native if r.output != step.inside[0].output), step.native[0])
            self._lines(f"{other.output.rstrip()}\n(exit status {other.status})", "red")

    def host(self, place: Path) -> None:
        """The host's files after the step that destroyed them inside."""
        self._console.print("  Meanwhile, the same directory on the host:")
        for path in sorted(path for path in place.rglob("*") if path.is_file()):
            self._console.print(
                f"    {path.stat().st_mode & 0o777:o} {path.relative_to(place)!s:<14} {path.read_text().strip()}", style="green"
            )

    def end(self, steps: list[Step], good: bool, seconds: float) -> None:
        """The table of all steps; the first is boot alone."""
        table = Table(title="Medians; each run inside boots a system of its own", title_justify="left", title_style="")
        for column in ("step", "natively", "inside", "ratio", "boot apart", "result"):
            table.add_column(column, justify="left" if column in ("step", "result") else "right")
        boot = steps[0].seconds()[1]
        for step in steps:
            if step.skipped:
                table.add_row(step.title, "", "", "", "", "skipped")
                continue
            native, inside = step.seconds()
            result = "[green]same[/green]" if step.good else "[red]DIFFERS[/red]"
            times = f"{native * 1e3:.0f} ms", f"{inside * 1e3:.0f} ms", f"{inside / native:.1f}"
            table.add_row(step.title, *times, f"{(inside - boot) / native:.1f}" if step is not steps[0] else "", result)
        self._console.print()
        self._console.print(table)
        said = (
            "Everything was as on the host, and nothing on the host has changed." if good else "[red]Something differed: see above.[/red]"
        )
        self._console.print(f"{said} ({seconds:.0f} s)")

    def _lines(self, text: str, style: str) -> None:
        lines = text.splitlines()
        for line in lines[:LINES]:
            self._console.print(Text("  | " + line, style=style), no_wrap=True, overflow="ellipsis")
        if len(lines) > LINES:
            self._console.print(f"  | ... {len(lines) - LINES} more lines", style="dim")
