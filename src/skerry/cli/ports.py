"""`skerry ports`."""

from __future__ import annotations

from typing import Any

import click

from skerry.cli.help import WIDTH
from skerry.cli.look import number, show, table, title
from skerry.control.client import Client, connect


def look(client: Client) -> dict[str, Any]:
    """What is shown of one system."""
    about: dict[str, Any] = client.ask("about")
    found: dict[str, Any] = client.ask("ports")
    return about | found


def text(system: dict[str, Any], names: tuple[str, ...]) -> str:
    """A system for people: its ports, then the rights of each task that has any."""
    tasks = [task for task in system["tasks"] if not names or task["name"] in names]
    shown = {right["port"] for task in tasks for right in task["rights"] if "port" in right} if names else None
    rows: list[list[Any]] = []
    for port in system["ports"]:
        if shown is not None and port["port"] not in shown:
            continue
        row = [
            port["kind"],
            port["receiver"] or "kernel",
            f"{port['queued']}/{port['limit']}",
            port["blocked"],
            port["waiting"],
            port["sends"],
            port["send_onces"],
            port["sequence"],
            _counted(port["senders"]),
        ]
        if rows and rows[-1][1:] == row:  # many files and tasks look the same
            rows[-1][0] = f"{str(rows[-1][0]).partition('-')[0]}-{port['port']}"
        else:
            rows.append([port["port"], *row])
    heads = ("PORT", "<STANDS FOR", "<RECEIVER", "QUEUE", "BLOCKED", "WAITING", "SENDS", "ONCE", "TAKEN", "<SENDERS")
    parts = [title(system), table(heads, rows) if rows else "  no task names a port\n"]
    for task in tasks:
        if task["rights"]:
            named = [[f"{r['name']:#x}", r["right"], r["references"] or "", _target(r)] for r in task["rights"]]
            parts += [f"  task {task['host_pid']} {task['name']}\n", table(("NAME", "<RIGHT", "REFS", "<PORT"), named, "    ")]
    return "".join(parts)


def _target(right: dict[str, Any]) -> str:
    if "members" in right:
        return "{" + ", ".join(str(port) for port in right["members"]) + "}"
    return str(right.get("port", "dead"))


def _counted(senders: list[str]) -> str:
    return ", ".join(f"{name} ({senders.count(name)})" if senders.count(name) > 1 else name for name in dict.fromkeys(senders))


@click.command(context_settings=WIDTH, epilog="Exit status: 1 if SYSTEM does not run. Read on: docs/reference/mach")
@click.option("--task", "names", multiple=True, metavar="NAME", help="Only the task of this name, and the ports that it names.")
@click.option("--json", "as_json", is_flag=True, help="Write a JSON document.")
@click.argument("systems", nargs=-1, metavar="[SYSTEM]...")
def ports(names: tuple[str, ...], as_json: bool, systems: tuple[str, ...]) -> None:
    """Show the tasks of running systems with their rights, and the ports with their queues.

    The numbers of ports hold for one look; the names are those that each task uses.

    \b
    STANDS FOR  what receives: a task's messages, system calls (a co-located Unix), or the object of the kernel that the port is
    QUEUE       messages that wait to be received, of how many may
    BLOCKED     senders that wait for room
    WAITING     receivers that wait for a message
    SENDS, ONCE send rights and send-once rights that there are
    TAKEN       messages received since the receive right last moved
    SENDERS     tasks that may send

    \b
    skerry ports                      all
    skerry ports --task files 4711    what the task "files" of the system 4711 has
    """
    chosen = [found for found in map(number, systems) if found is not None]
    show(connect(chosen), look, lambda system: text(system, names), as_json)
