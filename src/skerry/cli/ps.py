"""`skerry ps`."""

from __future__ import annotations

from typing import Any

import click

from skerry.cli.help import WIDTH
from skerry.cli.look import clean, duration, number, show, size, table, title, user
from skerry.control.client import Client, connect


def look(client: Client) -> dict[str, Any]:
    """What is shown of one system."""
    about: dict[str, Any] = client.ask("about")
    return about | {"processes": client.ask("processes"), "tasks": client.ask("tasks")}


def process_rows(system: dict[str, Any]) -> list[list[Any]]:
    """A row for each process."""
    return [
        [
            process["pid"],
            process["parent"],
            process["state"],
            user(process["uid"]),
            duration(process["time"]),
            size(process["memory"]),
            process["threads"],
            clean(process["command"]),
        ]
        for process in system["processes"]
    ]


PROCESS_HEADS = ("PID", "PPID", "<S", "<USER", "TIME", "MEMORY", "THR", "<COMMAND")


def text(system: dict[str, Any], with_tasks: bool) -> str:
    """A system for people."""
    parts = [title(system), table(PROCESS_HEADS, process_rows(system))]
    natives = [task for task in system["tasks"] if with_tasks or task["kind"] == "native"]
    if natives:
        rows = [
            [t["host_pid"], t["kind"], duration(t["time"]), size(t["memory"]), size(t["mapped"]), t["threads"], t["rights"], t["name"]]
            for t in natives
        ]
        parts.append(table(("TASK", "<KIND", "TIME", "MEMORY", "MAPPED", "THR", "RIGHTS", "<NAME"), rows))
    return "".join(parts)


@click.command(context_settings=WIDTH, epilog="Exit status: 1 if SYSTEM does not run. Read on: docs/tutorial.md, docs/reference/python.md")
@click.option("--tasks", is_flag=True, help="List the tasks of the processes, too, not only the native ones.")
@click.option("--json", "as_json", is_flag=True, help="Write a JSON document: times in ns, sizes in bytes.")
@click.argument("systems", nargs=-1, metavar="[SYSTEM]...")
def ps(tasks: bool, as_json: bool, systems: tuple[str, ...]) -> None:
    """List the running systems, and the processes and tasks in each.

    A system is what skerry run or a program with import skerry has started as the same user; its number is its process's outside.

    \b
    S        state: R runs, S waits in a system call, T stopped, t traced, Z has ended
    TIME     processor time, minutes and seconds
    MEMORY   memory in use
    TASK     a task of the kernel: the number of its host process
    RIGHTS   names of ports that it has

    \b
    skerry ps               all
    skerry ps 4711          the system 4711
    skerry ps --json        for programs
    """
    chosen = [found for found in map(number, systems) if found is not None]
    show(connect(chosen), look, lambda system: text(system, tasks), as_json)
