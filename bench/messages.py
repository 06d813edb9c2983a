"""Messages between native tasks, beside what Python has for it on Linux: ``python -m bench.messages [--json FILE]``.

Every row is a round trip of two processes, in batches of 200 (16 MiB: 10); a figure is the median of the batches, with the fastest beside
it. All rows are taken in one run, in turn, with all CPUs and again with everything on one. 16 MiB go there, and 8 bytes come back; out of
line they are lent (copy-on-write) or move there and back, and where the row says so the receiver reads a byte of each page. Rows of pyzmq
need it installed (pip install pyzmq).
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

import click

from skerry.assembly import COLLECT_AFTER
from skerry.mach import mach_port as mp
from skerry.mach import right
from skerry.mach.kernel import Alone, Kernel
from skerry.mach.native import NativeTask
from skerry.mach.right import RightKind
from skerry.machine import Machine
from skerry.machine.native_task import Template

BATCH = 200
ROUNDS = 5
BATCHES = 25  # of one round
LARGE_BATCHES = 8
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
OUT_OF_LINE = """
def allocate(channel, size):
    from skerry.lib.channel import NativeTask
    from skerry.lib.stubs import finish
    address = finish(NativeTask(channel).kernel.vm_allocate(0, size, 1))
    channel.memory(address, size)[:] = b"x" * size
    return address

def serve(channel, port, size, move, read):
    from struct import Struct
    header, item = Struct("<IIIIII"), Struct("<IHHIQ")
    code, request = channel.msg(None, 2, 1 << 20, port, 0, 0)
    reply = channel.trap(-26)
    task = channel.trap(-28)
    while True:
        _, _, remote, _, _, number = header.unpack_from(request)
        flags, name, bits, length, address = item.unpack_from(request, 24)
        if read:
            sum(channel.memory(address, length)[::4096])
        if move:
            answer = header.pack(0x80000012, 44, remote, 0, 0, number + 100) + item.pack(3 << 29, name, bits, length, address)
        else:  # vm_deallocate, by message
            words = Struct("<IQ")
            body = words.pack(0x1001400B, address) + words.pack(0x1001400B, length)
            channel.msg(header.pack(0x1513, 48, task, reply, 0, 2023) + body, 3, 1 << 10, reply, 0, 0)
            answer = header.pack(18, 32, remote, 0, 0, number + 100) + bytes(8)
        code, request = channel.msg(answer, 3, 1 << 20, port, 0, 0)

def ask(channel, port, size, batch, batches, move, read):
    from struct import Struct
    header, item = Struct("<IIIIII"), Struct("<IHHIQ")
    address = allocate(channel, size)
    reply = channel.trap(-26)
    flags = 3 << 29 if move else 1 << 29
    times = []
    for _ in range(batches + 1):
        start = channel.clock()
        for _ in range(batch):
            message = header.pack(0x80001513, 44, port, reply, 0, 7) + item.pack(flags, 9, 8, size, address)
            code, answer = channel.msg(message, 3, 1 << 20, reply, 0, 0)
            if move:
                address = item.unpack_from(answer, 24)[4]
        times.append((channel.clock() - start) / batch)
        assert code == 0 and header.unpack_from(answer)[5] == 107
    raise RuntimeError(" ".join(map(str, times[1:])))
"""
RIGHTS = """
def main(channel, port, size, batch, batches):
    from struct import pack, unpack_from
    reply, mine = channel.trap(-26), channel.trap(-26)
    times = []
    message = pack("<IIIIIIII", 0x80001513, 32, port, reply, 0, 7, 0x10012014, mine)
    for _ in range(batches + 1):
        start = channel.clock()
        for _ in range(batch):
            code, answer = channel.msg(message, 3, 1 << 20, reply, 0, 0)
        times.append((channel.clock() - start) / batch)
        assert code == 0 and unpack_from("<I", answer, 28)[0] == mine
    raise RuntimeError(" ".join(map(str, times[1:])))
"""
RIGHTS_SERVER = """
def main(channel, port):
    from struct import Struct
    header, right = Struct("<IIIIII"), Struct("<II")
    code, request = channel.msg(None, 2, 1 << 20, port, 0, 0)
    while True:
        _, _, remote, _, _, number = header.unpack_from(request)
        _, name = right.unpack_from(request, 24)
        answer = header.pack(0x80000012, 32, remote, 0, 0, number + 100) + right.pack(0x10012011, name)
        code, request = channel.msg(answer, 3, 1 << 20, port, 0, 0)
"""
LARGE = 16 << 20
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
        self.template = stack.enter_context(Template(self.machine, ["struct", "skerry.lib.channel"]))
        gc.freeze()
        gc.set_threshold(COLLECT_AFTER, 10, 10)  # as in a run

    def measure(self, client: str, size: int, server: str = SERVER) -> list[float]:
        """Round trips of two tasks that run ``main``."""
        return self._run(("main", server, [PORT]), ("main", client, [PORT, size, BATCH, BATCHES]))

    def out_of_line(self, move: bool, read: bool) -> list[float]:
        """16 MiB that are lent, or move there and back."""
        server = ("serve", OUT_OF_LINE, [PORT, LARGE, move, read])
        return self._run(server, ("ask", OUT_OF_LINE, [PORT, LARGE, 10, LARGE_BATCHES, move, read]))

    def _run(self, server_image: tuple[str, str, list[int]], client_image: tuple[str, str, list[int]]) -> list[float]:
        kernel = Kernel(self.machine)
        server = NativeTask(kernel, self.template, *server_image)
        mp.mach_port_allocate_name(server, RightKind.RECEIVE, PORT)
        task = NativeTask(kernel, self.template, *client_image)
        task.space.copyout_name(RightKind.SEND, right.make_send(server.space.lookup(PORT).port), PORT)

        def over() -> None:
            kernel.halted = True

        task.on_end = server.on_end = over
        kernel.run(Alone())
        if not server.alive:
            raise RuntimeError(server.last_words)
        server.terminate()
        return [float(word) for word in task.last_words.splitlines()[-1].partition(": ")[2].split()]


def _batches(round_trip: Callable[[], object], batch: int) -> list[float]:
    times = []
    for _ in range((BATCHES if batch == BATCH else LARGE_BATCHES) + 1):
        start = time.monotonic_ns()
        for _ in range(batch):
            round_trip()
        times.append((time.monotonic_ns() - start) / batch)
    return times[1:]


def _with_partner(serve: Callable[..., None], theirs: Any, round_trip: Callable[[], object], batch: int = BATCH) -> list[float]:
    partner = multiprocessing.get_context("fork").Process(target=serve, args=(theirs,), daemon=True)
    partner.start()
    try:
        return _batches(round_trip, batch)
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


def _read_all(descriptor: int) -> None:
    left = LARGE
    while left:
        left -= len(os.read(descriptor, min(left, 1 << 20)))


def _write_all(descriptor: int, message: bytes) -> None:
    view = memoryview(message)
    while view:
        view = view[os.write(descriptor, view) :]


def _serve_large(ends: tuple[int, int]) -> None:
    while True:
        _read_all(ends[0])
        os.write(ends[1], bytes(8))


def _large(there: tuple[int, int], back: tuple[int, int]) -> list[float]:
    """16 MiB there, 8 bytes back."""
    message = b"x" * LARGE

    def round_trip() -> None:
        _write_all(there[1], message)
        os.read(back[0], 8)

    return _with_partner(_serve_large, (there[0], back[1]), round_trip, 10)


def _large_pipe() -> list[float]:
    return _large(os.pipe(), os.pipe())


def _large_socket() -> list[float]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    ends = ours.detach(), theirs.detach()
    return _large((ends[1], ends[0]), (ends[0], ends[1]))


def _serve_large_connection(connection: Connection) -> None:
    while True:
        connection.recv_bytes()
        connection.send_bytes(bytes(8))


def _large_connection() -> list[float]:
    ours, theirs = multiprocessing.Pipe()
    message = b"x" * LARGE

    def round_trip() -> None:
        ours.send_bytes(message)
        ours.recv_bytes()

    return _with_partner(_serve_large_connection, theirs, round_trip, 10)


def _serve_zmq(address: str, answer: int) -> None:
    import zmq

    end = zmq.Context().socket(zmq.PAIR)
    end.connect(address)
    while True:
        message = end.recv(copy=False)
        end.send(message if not answer else bytes(answer), copy=False)


def _zmq(size: int) -> list[float]:
    import zmq

    context = zmq.Context()
    with context, context.socket(zmq.PAIR) as end, tempfile.TemporaryDirectory() as directory:
        address = f"ipc://{directory}/pair"
        end.bind(address)
        message = b"x" * size

        def serve(_nothing: None) -> None:
            _serve_zmq(address, 8 if size == LARGE else 0)

        def round_trip() -> None:
            end.send(message, copy=False)
            end.recv()

        end.setsockopt(zmq.LINGER, 0)
        return _with_partner(serve, None, round_trip, 10 if size == LARGE else BATCH)


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
            if find_spec("zmq"):
                plan.append((f"pyzmq, {size} B", lambda size=size: _zmq(size)))  # type: ignore[misc]
        plan += [
            ("RPC between native tasks, 64 KiB", lambda: skerry.measure(CLIENT, 1 << 16)),
            ("multiprocessing.Pipe, 64 KiB", lambda: _pipe(1 << 16)),
            ("Unix socket (seqpacket), 64 KiB", lambda: _socket(1 << 16)),
            ("RPC with a send right there and back", lambda: skerry.measure(RIGHTS, 0, RIGHTS_SERVER)),
            ("RPC: 16 MiB out of line, lent", lambda: skerry.out_of_line(False, False)),
            ("RPC: 16 MiB lent, each page read", lambda: skerry.out_of_line(False, True)),
            ("RPC: 16 MiB moved there and back", lambda: skerry.out_of_line(True, False)),
            ("RPC: 16 MiB moved, each page read", lambda: skerry.out_of_line(True, True)),
            ("two pipes, 16 MiB", _large_pipe),
            ("Unix socket (stream), 16 MiB", _large_socket),
            ("multiprocessing.Pipe, 16 MiB", _large_connection),
        ]
        if find_spec("zmq"):
            plan += [("pyzmq, 64 KiB", lambda: _zmq(1 << 16)), ("pyzmq, 16 MiB", lambda: _zmq(LARGE))]
        for _ in range(int(os.environ.get("ROUNDS", ROUNDS))):
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
