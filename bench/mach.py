"""What Mach's own mechanisms cost, in one run: ``python -m bench.mach [--repeats N] [--json DIR]``.

Messages, rights and memory between native tasks beside pipes, sockets, multiprocessing.Pipe and pyzmq (``bench.messages``); page faults to
a user's pager beside the host's and userfaultfd (``bench.paging``); a system call, gcc and the start of a system with Unix in the kernel's
process and in a task of its own, beside native Linux (``bench``).
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click

ROWS = "getpid,getppid,gcc,start"


@click.command()
@click.option("--repeats", type=click.IntRange(1), default=5, show_default=True, help="Starts of each system for the rows of programs.")
@click.option("--json", "target", type=click.Path(path_type=Path), default=None, help="Also write every value to files there.")
def main(repeats: int, target: Path | None) -> None:
    """Measure Mach's mechanisms beside Linux's."""
    programs = ["--rows", ROWS, "--systems", "skerry", "--configs", "mach-colocated,mach"]
    parts = {
        "messages": ["bench.messages"],
        "paging": ["bench.paging"],
        "programs": ["bench", *programs, "--no-idle", "--repeats", str(repeats)],
    }
    for name, words in parts.items():
        file = [] if target is None else ["--json", str(target / f"{name}.json")]
        click.echo(f"\n== {name}")
        subprocess.run([sys.executable, "-m", *words, *file], check=True)


if __name__ == "__main__":
    main()
