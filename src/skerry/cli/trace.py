"""`skerry trace`."""

from __future__ import annotations

import click

from skerry.cli.help import WIDTH
from skerry.cli.look import number
from skerry.cli.run import parse_time
from skerry.control.client import Gone, Unanswered, the_one
from skerry.control.recording import document
from skerry.messages import say
from skerry.options import UserError

FOREVER = 1e9  # seconds
LONGEST = 60.0  # seconds that handing over a trace may take


@click.command(
    context_settings=WIDTH,
    epilog="Exit status: 1 if there is no such system, or several. Read on: docs/reference/python.md",
)
@click.option("--output", "-o", default="", metavar="FILE", help="Where to write it (default: skerry-SYSTEM.json).")
@click.option("--time", "length", default="", metavar="TIME", help="How long, like 5s or 1m (default: until Ctrl-C, or its end).")
@click.argument("system", required=False, metavar="[SYSTEM]")
def trace(output: str, length: str, system: str | None) -> None:
    """Trace a running system: its system calls, and the messages between its tasks.

    What is written opens in Perfetto (https://ui.perfetto.dev, which keeps it here) or chrome://tracing. Each program is a process with
    its threads' calls; below them are the tasks of the kernel, with an arrow for each message. Calls that are answered in the program
    itself (getpid, lseek, clocks) are not seen. A system that nobody traces does nothing for it.

    \b
    skerry trace --time 5s             the only system that runs, for five seconds
    skerry trace -o make.json 4711     the system 4711, until Ctrl-C
    skerry run --trace t.json -- CMD   a run from beginning to end
    """
    seconds = parse_time("--time", length) / 1e9 or FOREVER
    with the_one(number(system)) as client:
        path = output or f"skerry-{client.pid}.json"
        try:
            file = open(path, "wb")  # noqa: SIM115  # before anything is traced
        except OSError as error:
            raise UserError(f"--output {path}: {error.strerror}: give a file that can be written", 1) from error
        with file:
            try:
                client.ask("trace")
                if seconds == FOREVER:
                    say(f"tracing system {client.pid}: Ctrl-C ends it\n")
                try:
                    client.wait(seconds)
                except KeyboardInterrupt:
                    say("\n")
                events = client.ask("untrace", LONGEST) if client.traced is None else client.traced
            except Unanswered:
                raise UserError(f"system {client.pid} does not answer: it may be stopped", 1) from None
            except Gone:
                if client.traced is None:
                    raise UserError(f"system {client.pid} has ended before it said what was traced", 1) from None
                events = client.traced
            file.write(document(events))
    say(f"{len(events)} events in {path}: open it in https://ui.perfetto.dev\n")
