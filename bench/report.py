"""What was measured, as JSON, as a table beside the papers' figures, and drawn."""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.measure import Results
from bench.rows import Line
from bench.systems import System

# Härtig et al., The Performance of µ-Kernel-Based Systems, SOSP 1997, table 2: getpid on a 133 MHz Pentium, µs.
PAPER: Final = (("Linux", 1.68), ("L4Linux", 3.94), ("MkLinux, in kernel", 15.41), ("MkLinux, user", 110.60))
GOALS: Final = {
    ("getpid", False): "≤ 3 µs",
    ("getpid", True): "≤ 5 µs",
    ("gcc", False): "≤ 2.0 ×",
    ("gcc", True): "≤ 2.0 ×",
    ("exec", False): "≤ 5 ×",
    ("exec", True): "≤ 5 ×",
    ("start", False): "≤ 200 ms",
}
BAR: Final = 46  # columns
ROOT: Final = Path(__file__).resolve().parent.parent


def duration(ns: float) -> str:
    for limit, unit, factor in ((1e3, "ns", 1.0), (1e6, "µs", 1e3), (1e9, "ms", 1e6)):
        if ns < limit:
            return f"{ns / factor:.3g} {unit}"
    return f"{ns / 1e9:.3g} s"


def machine() -> dict[str, object]:
    """Where this was measured."""
    model = ""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {"cpu": model, "cores": os.cpu_count(), "linux": platform.release(), "python": platform.python_version()}


def commit() -> str:
    """The commit, with ``+`` where the tree differs from it."""
    try:
        name = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
        changed = subprocess.run(["git", "status", "--porcelain", "-uno"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return name + ("+" if changed.strip() else "")


def as_json(rows: Sequence[Line], systems: list[System], pins: list[bool], results: Results, idle: dict[str, float | None]) -> str:
    """Everything, with the values themselves."""
    lines = []
    for row in rows:
        for pin in pins:
            for system in systems:
                series = results[row.name, system.name, pin]
                ratio = series.ratio(results[row.name, "native", pin])
                lines.append(
                    {
                        "row": row.name,
                        "system": system.name,
                        "one_cpu": pin,
                        "runs": len(series.values),
                        "median_ns": round(series.median, 1) if series.values else None,
                        "mad_ns": round(series.spread, 1) if series.values else None,
                        "ratio": round(ratio[0], 3) if ratio else None,
                        "ratio_mad": round(ratio[1], 3) if ratio else None,
                        "trouble": series.trouble,
                        "values_ns": series.repeats,
                    }
                )
    document = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": machine(),
        "idle_percent": idle,
        "results": lines,
    }
    return json.dumps(document, indent=1) + "\n"


def table(rows: Sequence[Line], systems: list[System], pin: bool, results: Results) -> Table:
    """A row a line: native's time, then each system's time and its ratio to native."""
    shown = Table(title="everything on one CPU (taskset -c 0)" if pin else "all CPUs", title_justify="left")
    shown.add_column("row")
    for system in systems:
        shown.add_column(system.name, justify="right")
    shown.add_column("goal", justify="right")
    for row in rows:
        cells: list[str] = []
        for system in systems:
            series = results[row.name, system.name, pin]
            ratio = series.ratio(results[row.name, "native", pin])
            if not series.values or ratio is None:
                cells.append(f"failed: {series.trouble}"[:60])
            elif system.name == "native":
                cells.append(f"{duration(series.median)} ± {series.spread / series.median:.0%}")
            else:
                cells.append(f"{duration(series.median)}  {ratio[0]:.3g} ± {ratio[1]:.2g} ×")
        shown.add_row(row.title, *cells, GOALS.get((row.name, pin), ""))
    return shown


def paper(systems: list[System], pins: list[bool], results: Results) -> Table:
    """getpid in the paper and here."""
    shown = Table(title="getpid beside the L4Linux paper (Härtig 1997; the paper on a Pentium of 133 MHz)", title_justify="left")
    for name in ("system", "time", "ratio to native"):
        shown.add_column(name, justify="left" if name == "system" else "right")
    for name, time in PAPER:
        shown.add_row(f"paper: {name}", f"{time:.2f} µs", f"{time / PAPER[0][1]:.1f}")
    for pin in pins:
        for system in systems:
            series = results.get(("getpid", system.name, pin))
            ratio = series.ratio(results["getpid", "native", pin]) if series else None
            if series and ratio:
                shown.add_row(f"here: {system.name}{', one CPU' if pin else ''}", duration(series.median), f"{ratio[0]:.1f}")
    return shown


def bars(rows: Sequence[Line], systems: list[System], pin: bool, results: Results) -> Text:
    """Ratios to native, drawn on a logarithmic scale: one column is the same factor everywhere."""
    drawn = Text()
    ratios = {
        (row.name, system.name): ratio[0]
        for row in rows
        for system in systems
        if system.name != "native" and (ratio := results[row.name, system.name, pin].ratio(results[row.name, "native", pin]))
    }
    if not ratios:
        return drawn
    longest = max(math.log10(max(ratios.values())), 0.1)
    width = max(len(row.title) for row in rows) + 1
    colours = ("bright_black", "yellow", "cyan", "green", "magenta", "blue")
    drawn.append(f"times native, {'one CPU' if pin else 'all CPUs'}, logarithmic: the full width is {10**longest:.0f} ×\n", "bold")
    for row in rows:
        for index, system in enumerate(each for each in systems if each.name != "native"):
            times = ratios.get((row.name, system.name))
            drawn.append(f"{row.title if index == 0 else '':{width}}{system.name:24}")
            if times is None:
                drawn.append("-\n")
                continue
            length = round(BAR * max(0.0, math.log10(times)) / longest)
            drawn.append("█" * max(1, length), colours[index % len(colours)])
            drawn.append(f" {times:.3g}\n")
    return drawn


def show(
    console: Console, rows: Sequence[Line], systems: list[System], pins: list[bool], results: Results, idle: dict[str, float | None]
) -> None:
    """The tables and the bars."""
    for pin in pins:
        console.print(table(rows, systems, pin, results))
    if any(row.name == "getpid" for row in rows):
        console.print(paper(systems, pins, results))
    for pin in pins:
        console.print(bars(rows, systems, pin, results))
    for name, used in idle.items():
        console.print(f"idle, {name}: {'failed' if used is None else f'{used:.2f} % of a CPU'}")
