"""The command ``python -m bench``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console

from bench import apps, measure, report
from bench.rows import Line, all_rows
from bench.systems import System
from bench.systems import systems as all_systems

ROOT = Path(__file__).resolve().parent.parent


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--quick", is_flag=True, help="Two short repeats: a first look, not a figure to quote.")
@click.option("--apps", "of_apps", is_flag=True, help="The rows of applications at their work: redis, nginx, git, a build and more.")
@click.option("--rows", "chosen", default="", help="Only these rows (with --apps, or scripts), separated by commas.")
@click.option("--systems", "named", default="", help="Only these systems (native is always there), separated by commas.")
@click.option("--configs", default="mach-colocated", show_default=True, help="Skerry's configurations, separated by commas.")
@click.option(
    "--cpus", type=click.Choice(["both", "all", "one"]), default="both", show_default=True, help="All CPUs, one (taskset), or both."
)
@click.option("--repeats", type=click.IntRange(1), default=None, help="Starts of each system. [default: 5; 2 with --quick]")
@click.option("--idle/--no-idle", default=True, show_default=True, help="Measure what an idle system uses.")
@click.option(
    "--json", "target", type=click.Path(path_type=Path), default=None, help="Where the results go. [default: bench/results/DATE.json]"
)
@click.option("--svg", type=click.Path(path_type=Path), default=None, help="Also draw tables and bars into this SVG file.")
def main(
    quick: bool,
    of_apps: bool,
    chosen: str,
    named: str,
    configs: str,
    cpus: str,
    repeats: int | None,
    idle: bool,
    target: Path | None,
    svg: Path | None,
) -> None:
    """Measure native Linux, PRoot, gVisor and Skerry in turn, and compare.

    \b
    python -m bench --quick                        a first look, some minutes
    python -m bench --rows getpid,stat --cpus one  two rows, everything on one CPU
    python -m bench                                the figures, about half an hour
    python -m bench --apps --rows redis,git-status  of applications, these rows
    """
    console = Console(record=True, width=None if Console().is_terminal else 170)
    present = []
    for system in all_systems(configs.split(",")):
        if named and system.name != "native" and system.name.split()[0] not in named.split(","):
            continue
        trouble = system.trouble()
        if trouble:
            console.print(f"skipped: {system.name}: {trouble}")
        else:
            present.append(system)
    pins = {"both": [False, True], "all": [False], "one": [True]}[cpus]
    names = chosen.split(",") if chosen else []
    repeats = repeats or (2 if quick else 5)
    if of_apps:
        rows, results = applications(names, present, pins, repeats, console.print)
    else:
        rows, results = programs(names, present, pins, repeats, quick)
    used = {system.name: measure.idle(system, 2 if quick else 5) for system in present} if idle and not of_apps else {}
    report.show(console, rows, present, pins, results, used)
    target = target or ROOT / "bench" / "results" / f"{datetime.now(UTC):%Y-%m-%dT%H%M%S}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(report.as_json(rows, present, pins, results, used))
    console.print(f"results: {target}")
    if svg:
        console.save_svg(str(svg), title="Skerry bench")


def programs(
    names: list[str], present: list[System], pins: list[bool], repeats: int, quick: bool
) -> tuple[Sequence[Line], measure.Results]:
    """Measure the rows that ``rows.c`` runs, or those of them that are named."""
    work = ROOT / "build" / "bench"
    program = measure.prepare(work)
    rows = all_rows(work)
    if unknown := set(names) - {row.name for row in rows}:
        raise click.BadParameter(f"no row {', '.join(sorted(unknown))}; there are {', '.join(row.name for row in rows)}")
    rows = [row for row in rows if not names or row.name in names]
    return rows, measure.measure(rows, present, pins, repeats, quick, program, tell)


def applications(
    names: list[str], present: list[System], pins: list[bool], repeats: int, say: Callable[[str], None]
) -> tuple[Sequence[Line], measure.Results]:
    """Measure applications at their work, or those that are named; ``say`` is told which cannot be."""
    try:
        found = apps.applications(names, say)
    except KeyError as error:
        raise click.BadParameter(f"no application or row of one: {error.args[0]}") from error
    return [row for each in found for row in each.rows], apps.measure(found, present, pins, repeats, tell)


def tell(line: str) -> None:
    click.echo(line, err=True)


if __name__ == "__main__":
    main()
