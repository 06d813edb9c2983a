"""Messages between native tasks, beside what Python has for it on Linux: ``python -m bench.messages [--json FILE]``.

Every row is a round trip of two processes, in batches of 200; a figure is the median of the batches, with the fastest beside it. All rows
are taken in one run, in turn, with all CPUs and again with everything on one.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

import click

from skerry.mach import mach_port as mp
from skerry.mach import right
from skerry.mach.kernel import Kernel
from skerry.mach.native import NativeTask
from skerry.mach.right import RightKind
from skerry.machine import Machine
from skerry.machine.native_task import Template

BATCH = 200
ROUNDS = 5
BATCHES = 8  # of one round
PORT = 0x1001  # what both tasks call it
SERVER = """
def main(channel, port):
    from struct import Struct
    pack, unpack = Struct("<IIIIII").pack, Struct("<IIIIII").unpack_from
    code, request = channel.msg(None, 2, 1 << 20, port, 0, 0)
    while True:
        bits, size, remote, local, sequence, number = unpack(request)
        code, request = channel.msg(pack(18, size, remote, 0, 0, number + 100) + request[24:], 3, 1 << 20, port, 0, 0)
"""
CLIENT = """
def main(channel, port, size, batch, batches):
    from struct import pack
    reply = channel.trap(-26)
    message = pack("<IIIIII", 0x1513, 24 + size, port, reply, 0, 7) + bytes(size)
    times = []
    for _ in range(batches + 1):
        start = channel.clock()
        for _ in range(batch):
            code, answer = channel.msg(message, 3, 1 << 20, reply, 0, 0)
        times.append((channel.clock() - start) / batch)
        assert code == 0 and len(answer) == len(message)
    raise RuntimeError(" ".join(map(str, times[1:])))
"""
TRAP = """
def main(channel, port, size, batch, batches):
    times = []
    for _ in range(batches + 1):
        start = channel.clock()
        for _ in range(batch):
            channel.trap(-27)
        times.append((channel.clock() - start) / batch)
    raise RuntimeError(" ".join(map(str, times[1:])))
"""


class _Skerry:
    """One system; every measurement starts tasks of its own."""

    def __init__(self, stack: ExitStack) -> None:
        self.machine = stack.enter_context(Machine())
        self.template = stack.enter_context(Template(self.machine, ["struct"]))

    def measure(self, client: str, size: int) -> list[float]:
        kernel = Kernel(self.machine)
        server = NativeTask(kernel, self.template, "main", SERVER, [PORT])
        mp.mach_port_allocate_name(server, RightKind.RECEIVE, PORT)
        task = NativeTask(kernel, self.template, "main", client, [PORT, size, BATCH, BATCHES])
        task.space.copyout_name(RightKind.SEND, right.make_send(server.space.lookup(PORT).port), PORT)
        while task.alive:
            kernel.handle(self.machine.wait(self.machine.monotonic() + 1_000_000_000))
        server.terminate()
        return [float(word) for word in task.last_words.splitlines()[-1].partition(": ")[2].split()]


def _batches(round_trip: Callable[[], object]) -> list[float]:
    times = []
    for _ in range(BATCHES + 1):
        start = time.monotonic_ns()
        for _ in range(BATCH):
            round_trip()
        times.append((time.monotonic_ns() - start) / BATCH)
    return times[1:]


def _with_partner(serve: Callable[..., None], theirs: Any, round_trip: Callable[[], object]) -> list[float]:
    partner = multiprocessing.get_context("fork").Process(target=serve, args=(theirs,), daemon=True)
    partner.start()
    try:
        return _batches(round_trip)
    finally:
        partner.kill()
        partner.join()


def _serve_pipe(connection: Connection) -> None:
    while True:
        connection.send_bytes(connection.recv_bytes())


def _pipe(size: int) -> list[float]:
    ours, theirs = multiprocessing.Pipe()
    message = bytes(size)

    def round_trip() -> None:
        ours.send_bytes(message)
        ours.recv_bytes()

    return _with_partner(_serve_pipe, theirs, round_trip)


def _serve_socket(end: socket.socket) -> None:
    while True:
        end.send(end.recv(1 << 16))


def _socket(size: int) -> list[float]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    message = bytes(size)

    def round_trip() -> None:
        ours.send(message)
        ours.recv(1 << 16)

    return _with_partner(_serve_socket, theirs, round_trip)


def _serve_os_pipe(ends: tuple[int, int]) -> None:
    while True:
        os.write(ends[1], os.read(ends[0], 1 << 16))


def _os_pipe(size: int) -> list[float]:
    there, back = os.pipe(), os.pipe()
    message = bytes(size)

    def round_trip() -> None:
        os.write(there[1], message)
        os.read(back[0], 1 << 16)

    return _with_partner(_serve_os_pipe, (there[0], back[1]), round_trip)


def _measure() -> dict[str, list[float]]:
    """Every row, in ns, in turn."""
    found: dict[str, list[float]] = {}
    with ExitStack() as stack:
        skerry = _Skerry(stack)
        plan: list[tuple[str, Callable[[], list[float]]]] = [("kernel call without a message", lambda: skerry.measure(TRAP, 0))]
        for size in (8, 512):
            plan += [
                (f"RPC between native tasks, {size} B", lambda size=size: skerry.measure(CLIENT, size)),  # type: ignore[misc]
                (f"multiprocessing.Pipe, {size} B", lambda size=size: _pipe(size)),  # type: ignore[misc]
                (f"Unix socket (seqpacket), {size} B", lambda size=size: _socket(size)),  # type: ignore[misc]
                (f"two pipes, {size} B", lambda size=size: _os_pipe(size)),  # type: ignore[misc]
            ]
        plan.append(("RPC between native tasks, 64 KiB", lambda: skerry.measure(CLIENT, 1 << 16)))
        plan.append(("multiprocessing.Pipe, 64 KiB", lambda: _pipe(1 << 16)))
        for _ in range(ROUNDS):
            for name, run in plan:
                processors = os.sched_getaffinity(0)
                if not name.startswith(("RPC", "kernel")):
                    os.sched_setaffinity(0, ALL)
                found.setdefault(name, []).extend(run())
                os.sched_setaffinity(0, processors)
    return found


ALL = os.sched_getaffinity(0)


def _report(title: str, found: dict[str, list[float]]) -> None:
    click.echo(f"\n{title}: median and fastest batch, in µs")
    for name, times in found.items():
        click.echo(f"  {name:40} {median(times) / 1000:8.2f} {min(times) / 1000:8.2f}")


@click.command()
@click.option("--json", "target", type=click.Path(path_type=Path), default=None, help="Also write every value there.")
def main(target: Path | None) -> None:
    """Measure messages between native tasks beside multiprocessing.Pipe, sockets and pipes."""
    results: dict[str, Any] = {"when": datetime.now(UTC).isoformat(), "commit": _commit(), "unit": "ns for a round trip"}
    for title, processors in (("all CPUs", sorted(ALL)), ("one CPU", sorted(ALL)[:1])):
        results[title] = _in_process(processors)
        _report(title, results[title])
    if target is not None:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(results))


def _in_process(processors: Sequence[int]) -> dict[str, list[float]]:
    """Measure in a process that has only these processors."""
    command = ["taskset", "-c", ",".join(map(str, processors)), sys.executable, "-c", "from bench.messages import _print; _print()"]
    found: dict[str, list[float]] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return found


def _print() -> None:
    json.dump(_measure(), sys.stdout)


def _commit() -> str:
    return subprocess.run(["git", "rev-parse", "--short", "HEAD"], check=False, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    main()
