"""Kill each server of `--config mach`, one after the other, under a load; print what became of it.

    python -m bench.campaign [--kills N] [--servers files,console,...] [--seed N]

The load runs inside: a writer that has each record synced in a directory of the host, reads it back and says so; another that does the
same on a disk image; a reader of the root, which must always read the same, and one of a translator's tree; a compiler, if there is one; a
client of an echo server on the host. Each says a line, with a number, for each round: so output that is lost, doubled or damaged shows.

A restartable server is killed (SIGKILL) at random moments in one run, again as soon as it is back. Every part of the load must go on. The
Unix server and the reincarnation server end the run: with status 125, a line that says so, and no process left. What was said to be synced
must be in the host's files at the end.

The default pager is that of runs with less memory than a program fills, reads again and compares, one such program after the other. What a
pager had of a program dies with it: that program is killed (SIGBUS), which is the failed call here, and the next one must do its work.
A run starts so many pagers; then there is another run.

The name server is that of a system begun from Python: a task has checked in a name there, and a client outside looks it up for each call.

A part that does not go on for PATIENCE, or for 20 times what its first round took before anything was killed, hangs: what the processes of
the run do then is printed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import skerry
from skerry.control.door import directory
from skerry.control.lines import encode
from skerry.lib.stubs import Natural, routine
from skerry.paging import STARTS

PATIENCE: Final = 60.0  # seconds; a wait that takes longer is a hang, unless the machine was that slow before
FIRST_ROUNDS: Final = 20  # times what a part's first round took; the same
LONGEST_START: Final = 600.0  # seconds for the first round of every part
LONGEST_PAUSE: Final = 0.4  # seconds from one kill to the next, at most
RESTARTABLE: Final = ("files", "console", "network", "disk", "translator")
FAILED_CALLS: Final = {"translator": 3}  # that each death may cause: it is started anew after a pause; of others, 1
PAGER: Final = "default pager"
FATAL: Final = ("unix_task", "reincarnation")
DIED: Final = {"unix_task": "the Unix server has died", "reincarnation": "the reincarnation server has died"}
OWN_FAILURE: Final = 125
SLOTS: Final = 20  # records that are kept at a time
SLOT: Final = 16384  # bytes of a record on the disk, at most
PARTS: Final = 6 if shutil.which("gcc") else 5  # of the load
TREE: Final = """
from skerry.lib.translator import Files, Generated

class Tree(Generated):
    valid = 0  # whoever looks asks again

    def files(self) -> Files:
        return {f"file{n}": str(n) * 5000 for n in range(20)}
"""
DOUBLER: Final = """
from typing import Protocol
from skerry.lib.service import Service
from skerry.lib.stubs import Dispatcher, Natural, routine
from skerry.servers.name import publish

class Doubler(Protocol):
    @routine(7000)
    async def double(self, number: Natural) -> Natural: ...

class Twice:
    async def double(self, number):
        return 2 * number

def main(channel):
    service = Service(channel)
    publish(service, "doubler", Dispatcher(Doubler, Twice()).answer)
    service.run()
"""
LOAD: Final = r"""
import hashlib, os, socket, subprocess, sys, time
place, port = sys.argv[1], int(sys.argv[2])
PAUSE = 0.01  # so that the parts that do little leave the processor to those that do much
def say(text):
    os.write(1, text.encode() + b"\n")
def writer(n):
    time.sleep(5 * PAUSE)  # a sync of the host holds up all that the Unix server does
    data = hashlib.sha512(b"%d" % n).hexdigest().encode() * 100
    name = f"{place}/record{n % 20}"
    with open(name + ".new", "wb") as file:
        file.write(b"%d\n" % n + data)
        os.fsync(file.fileno())
    os.rename(name + ".new", name)
    directory = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(directory)
    os.close(directory)
    with open(name, "rb") as file:
        assert file.read() == b"%d\n" % n + data, name
expected = {}
def reader(n):
    time.sleep(PAUSE)
    at = sorted(os.listdir("/usr/include"))
    name = "/usr/include/" + at[n % len(at)]
    if os.path.isdir(name):
        found = repr(sorted(os.listdir(name)))
    else:
        with open(name, "rb") as file:
            found = hashlib.md5(file.read()).hexdigest()
    assert expected.setdefault(name, found) == found, name
def compiler(n):
    source = f"/tmp/hello{n % 4}.c"
    with open(source, "w") as file:
        file.write('#include <stdio.h>\nint main(void) { printf("%%d\\n", %d); return 0; }\n' % n)
    subprocess.run(["gcc", "-o", "/tmp/hello", source], check=True)
    assert subprocess.run(["/tmp/hello"], check=True, capture_output=True).stdout == b"%d\n" % n
def mounted(n):
    time.sleep(PAUSE)
    with open(f"/mounted/file{n % 20}", "rb") as file:
        assert file.read() == str(n % 20).encode() * 5000
def disk(n):
    time.sleep(5 * PAUSE)
    data = b"%d\n" % n + hashlib.sha512(b"%d" % n).hexdigest().encode() * 100
    device = os.open("/dev/disk", os.O_RDWR)
    os.pwrite(device, data, n % 20 * 16384)
    os.fsync(device)
    os.close(device)
    with open("/dev/disk", "rb") as file:
        file.seek(n % 20 * 16384)
        assert file.read(len(data)) == data, n
peer = None
def client(n):
    global peer
    time.sleep(PAUSE)
    if peer is None:
        peer = socket.create_connection(("127.0.0.1", port))
    data = hashlib.sha512(b"%d" % n).digest() * 50
    peer.sendall(data)
    got = b""
    while len(got) < len(data):
        got += peer.recv(65536) or b"?" * len(data)
    assert got == data
parts = [writer, reader, mounted, disk, client] + [compiler] * (len(sys.argv) > 3)
children = []
for part in parts:
    if not os.fork():
        n, failed = 0, 0
        while not os.path.exists(place + "/stop"):
            n += 1
            try:
                part(n)
            except (OSError, subprocess.CalledProcessError) as error:
                say(f"{part.__name__} {n} {error}")
                peer = None
                time.sleep(0.1)
            else:
                say(f"{part.__name__} {n}")
        os._exit(0)
while True:
    try:
        os.wait()
    except ChildProcessError:
        break
say("end 1")
"""


PAGED: Final = r"""
import signal, sys
n = int(sys.argv[1])
memory = bytearray(96 << 20)
for at in range(0, len(memory), 4096):
    memory[at : at + 8] = (n << 32 | at).to_bytes(8, "little")
for at in range(0, len(memory), 4096):
    if memory[at : at + 8] != (n << 32 | at).to_bytes(8, "little"):
        sys.exit(f"page {at} of {n} is not what it was")
"""
PAGED_LOAD: Final = r"""
n=0
while [ ! -e "$1/stop" ]; do
    n=$((n + 1))
    if said=$("$2" -c "$3" $n 2>&1); then echo "paged $n"
    else
        status=$?
        if [ $status = 135 ]; then echo "paged $n SIGBUS"
        else echo "wrong $n status $status: $said"; fi
    fi
done
echo "end 1"
"""


class Failure(Exception):
    """What a server that is killed must not cause."""


def echo_server() -> int:
    """Serve on the host's loopback, as long as this process lives; the port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(peer: socket.socket) -> None:
        with peer, contextlib.suppress(ConnectionResetError):  # the run was killed
            while data := peer.recv(65536):
                peer.sendall(data)

    def accept() -> None:
        while True:
            threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    port: int = listener.getsockname()[1]
    return port


def until(condition: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """What ``condition`` gives when it is true. Raises Failure after ``patience`` seconds."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.002)
    raise Failure(f"{what}: nothing for {patience:.0f} s")


class Run:
    """One `skerry run` with the load. A context manager: leaving it leaves nothing behind."""

    def __init__(self, port: int) -> None:
        self.place = Path(tempfile.mkdtemp(prefix="skerry-campaign-"))
        options = ["--config", "mach", "--bind", f"{self.place}:rw"]
        command = [sys.executable, "-m", "skerry", "run", *options, *self._load(port)]
        self.began = time.monotonic()
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/")
        self.rounds: dict[str, int] = {}  # of each part of the load
        self.went_on: dict[str, float] = {}  # when each last did
        self.longest: dict[str, float] = {}  # seconds that each stood still, at most
        self.patience: dict[str, float] = {}  # seconds that each may
        self.errors: list[str] = []  # that programs saw
        self.wrong: list[str] = []  # output that is not as it was written
        self.said = b""  # on stderr
        self._threads = [threading.Thread(target=target, daemon=True) for target in (self._read_output, self._read_errors)]
        for thread in self._threads:
            thread.start()
        self._control: socket.socket | None = None
        self._answers = b""

    def _load(self, port: int) -> list[str]:
        """The options and the words of what runs inside."""
        load = self.place / "load.py"
        load.write_text(LOAD)
        tree, image = self.place / "tree.py", self.place / "image"
        tree.write_text(TREE)
        image.write_bytes(bytes(SLOTS * SLOT))
        inside = [os.path.realpath(sys.executable), "-u", str(load), str(self.place), str(port), *(["gcc"] if shutil.which("gcc") else [])]
        options = ["--net", "host,lo", "--mount", f"/mounted={tree}:Tree", "--disk-image", f"disk={image}:rw"]
        return [*options, "--", *inside]

    def _read_output(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            words = line.decode(errors="replace").rstrip("\n").split(" ", 2)
            if len(words) < 2 or not words[1].isdecimal() or int(words[1]) != self.rounds.get(words[0], 0) + 1:
                self.wrong.append(f"{line!r} after {self.rounds.get(words[0], 0)}")
            if len(words) > 1 and words[1].isdecimal():
                self._note(words[0], int(words[1]))
            if len(words) > 2:
                self.errors.append(" ".join(words))

    def _note(self, part: str, number: int) -> None:
        """A part has done a round."""
        now = time.monotonic()
        stood = now - self.went_on.get(part, self.began)
        if part in self.rounds:
            self.longest[part] = max(self.longest.get(part, 0), stood)
        else:
            self.patience[part] = max(PATIENCE, FIRST_ROUNDS * stood)
        self.went_on[part] = now
        self.rounds[part] = number

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said += line

    # Tasks
    def tasks(self) -> dict[str, int]:
        """The host's processes of the native tasks, by name."""
        if self._control is None:
            self._control = socket.socket(socket.AF_UNIX)
            self._control.settimeout(PATIENCE)
            self._control.connect(str(directory() / str(self.process.pid)))
        self._control.sendall(encode({"id": 1, "do": "tasks"}))
        while b"\n" not in self._answers:
            data = self._control.recv(1 << 20)
            if not data:
                raise Failure("the kernel is gone")
            self._answers += data
        line, self._answers = self._answers.split(b"\n", 1)
        return {task["name"]: task["host_pid"] for task in json.loads(line)["result"] if task["kind"] == "native"}

    def wait_for_start(self, parts: int) -> None:
        """Until so many parts of the load have said something. Raises Failure."""
        until(lambda: len(self.rounds) >= parts or self.process.poll() is not None, "start", LONGEST_START)
        self._require_running()

    def check(self) -> None:
        """Raises Failure: a part of the load hangs, or the run has ended."""
        self._require_running()
        now = time.monotonic()
        for part, when in self.went_on.items():
            if now - when > self.patience[part]:
                raise Failure(f"{part} stands still for {now - when:.0f} s\n{self._activity()}")

    def _require_running(self) -> None:
        if self.process.poll() is not None:
            raise Failure(f"the run has ended with {self.process.returncode}: {self.said.decode(errors='replace')}")

    def _activity(self) -> str:
        """What the run's processes do in a second: how often each lets go of a processor, and where it waits."""
        before = _switches(self.process.pid)
        time.sleep(1)
        return "\n".join(f"{what}: {count - before.get(what, 0)} switches" for what, count in _switches(self.process.pid).items())

    def wait_for_progress(self) -> None:
        """Until every part of the load has done two more rounds: the second has begun by now. Raises Failure."""
        before = dict(self.rounds)
        while any(self.rounds[part] < count + 2 for part, count in before.items()):
            self.check()
            time.sleep(0.01)

    # The end
    def check_records(self) -> int:
        """How many records that were said to be synced are not there."""
        image = (self.place / "image").read_bytes()

        def in_file(number: int) -> bytes:
            try:
                return (self.place / f"record{number % SLOTS}").read_bytes()
            except OSError:
                return b""

        def on_disk(number: int) -> bytes:
            return image[number % SLOTS * SLOT :][:SLOT]

        return sum(self._lost(part, record) for part, record in (("writer", in_file), ("disk", on_disk)))

    def _lost(self, part: str, record: Callable[[int], bytes]) -> int:
        last, errors, lost = self.rounds.get(part, 0), " ".join(self.errors), 0
        for number in range(max(1, last - SLOTS + 1), last + 1):
            words = record(number).split(b"\n")
            lost += (not words[0].isdigit() or int(words[0]) < number) and f"{part} {number} " not in errors
        return lost

    def finish(self) -> None:
        """Have the load end, and the run with it. Raises Failure."""
        (self.place / "stop").touch()
        status = self.wait()
        if status != 0 or self.rounds.get("end") != 1:
            raise Failure(f"the run ends with {status}: {self.said.decode(errors='replace')}")

    def wait(self) -> int:
        """The exit status; all output has been read. Raises Failure."""
        try:
            status = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise Failure("the run does not end") from None
        for thread in self._threads:
            thread.join(PATIENCE)
        return status

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.wait()
        if self._control is not None:
            self._control.close()
        shutil.rmtree(self.place, ignore_errors=True)


class PagedRun(Run):
    """The same with programs that need more memory than there is."""

    def _load(self, port: int) -> list[str]:
        python = os.path.realpath(sys.executable)
        return ["--memory", "64M", "--swap", "512M", "--", "/bin/sh", "-c", PAGED_LOAD, "sh", str(self.place), python, PAGED]

    def check_records(self) -> int:
        """It has none."""
        return 0


def _switches(pid: int) -> dict[str, int]:
    """How often each process below ``pid`` has let go of a processor."""
    found: dict[str, int] = {}
    left = [pid]
    while left:
        process = Path("/proc") / str(left.pop())
        with contextlib.suppress(OSError):
            left += map(int, (process / "task" / process.name / "children").read_text().split())
            counts = re.findall(r"ctxt_switches:\s*(\d+)", (process / "status").read_text())
            what = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:60]
            found[f"{process.name} {what} in {(process / 'wchan').read_text()}"] = sum(map(int, counts))
    return found


@dataclass
class Result:
    """What became of one server."""

    server: str
    kills: int = 0
    back: list[float] = field(default_factory=list)  # seconds until there is another, or the run has ended
    stood: float = 0  # seconds that a part of the load stood still, at most
    rounds: int = 0
    errors: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    lost: int = 0
    failures: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether nothing hung, was lost or damaged, and programs saw no more failed calls than the kills explain."""
        return not (self.failures or self.wrong or self.lost) and len(self.errors) <= self.kills * FAILED_CALLS.get(self.server, 1)


def kill_pager(server: str, kills: int, port: int, chance: random.Random) -> Result:
    """Kill default pagers, as many as each run starts but one, in one run after the other."""
    result = Result(server)
    while result.kills < kills and not result.failures:
        with PagedRun(port) as run:
            kill_in(run, 1, result, min(kills, result.kills + STARTS - 1), chance)
    return result


def kill_restartable(server: str, kills: int, port: int, chance: random.Random) -> Result:
    """Kill one server again and again in one run."""
    result = Result(server)
    with Run(port) as run:
        kill_in(run, PARTS, result, kills, chance)
    return result


def kill_in(run: Run, parts: int, result: Result, kills: int, chance: random.Random) -> None:
    """Kill the result's server in one run, until it was so often, and note what became of the load, which has so many parts."""
    try:
        run.wait_for_start(parts)
        while result.kills < kills:
            time.sleep(chance.uniform(0, LONGEST_PAUSE))
            pid = until(lambda: run.tasks().get(result.server), f"{result.server} is not there")
            began = time.monotonic()
            os.kill(pid, signal.SIGKILL)
            result.kills += 1
            until(lambda pid=pid: run.tasks().get(result.server, pid) != pid, f"{result.server} does not come back")
            result.back.append(time.monotonic() - began)
            run.check()
        run.wait_for_progress()
        run.finish()
    except (Failure, OSError) as failure:
        result.failures.append(str(failure))
    result.rounds += sum(run.rounds.values())
    result.stood = max(result.stood, *run.longest.values(), 0)
    result.errors += run.errors
    result.wrong += run.wrong
    result.lost += run.check_records()


def kill_fatal(server: str, kills: int, port: int, chance: random.Random) -> Result:
    """Kill a server whose death ends the run, in one run after the other."""
    result = Result(server)
    while result.kills < kills and len(result.failures) < 5:
        with Run(port) as run:
            try:
                run.wait_for_start(1)
                time.sleep(chance.uniform(0, LONGEST_PAUSE))
                tasks = run.tasks()
                children = [int(pid) for pid in Path(f"/proc/{run.process.pid}/task/{run.process.pid}/children").read_text().split()]
                began = time.monotonic()
                os.kill(tasks[server], signal.SIGKILL)
                result.kills += 1
                status = run.wait()
                result.back.append(time.monotonic() - began)
                said = run.said.decode(errors="replace")
                if status != OWN_FAILURE or DIED[server] not in said or "Traceback" in said:
                    raise Failure(f"status {status}: {said}")
                left = [*tasks.values(), *children]
                until(lambda left=left: not any(map(is_running, left)), "processes are left")
            except (Failure, OSError) as failure:
                result.failures.append(str(failure))
            result.rounds += sum(run.rounds.values())
            result.wrong += [line for line in run.wrong if re.search(r"\\n'", line) is not None]
            result.lost += run.check_records()
    return result


class Doubler(Protocol):
    """The task that the client calls."""

    @routine(7000)
    async def double(self, number: Natural) -> Natural:
        """Twice the number."""


async def _kill_name(kills: int, chance: random.Random, result: Result) -> None:
    async with skerry.System(config="mach") as system:
        await system.begin_task(DOUBLER)
        client = system.client(Doubler, "doubler")

        async def name_server() -> int:
            while True:
                for task in await system.tasks():
                    if task["name"] == "name":
                        return int(task["host_pid"])

        async def call() -> None:
            while True:
                result.rounds += 1
                number = chance.randrange(1 << 32)
                began = time.monotonic()
                try:
                    if await client.double(number) != 2 * number:
                        result.wrong.append(f"double({number})")
                except (skerry.Error, skerry.CallError) as error:
                    result.errors.append(f"call {result.rounds} {error}")
                result.stood = max(result.stood, time.monotonic() - began)

        calling = asyncio.create_task(call())
        for _ in range(kills):
            await asyncio.sleep(chance.uniform(0, LONGEST_PAUSE))
            pid = await name_server()
            began = time.monotonic()
            os.kill(pid, signal.SIGKILL)
            result.kills += 1
            while await asyncio.wait_for(name_server(), PATIENCE) == pid:
                pass
            result.back.append(time.monotonic() - began)
            if calling.done():
                calling.result()
        rounds = result.rounds
        until_next = time.monotonic() + PATIENCE
        while result.rounds < rounds + 2:
            if time.monotonic() > until_next:
                raise Failure("the client stands still")
            await asyncio.sleep(0.01)
        calling.cancel()


def kill_name(server: str, kills: int, _port: int, chance: random.Random) -> Result:
    """Kill the name server of one system again and again, under a client of a task that it knows the name of."""
    result = Result(server)
    try:
        asyncio.run(_kill_name(kills, chance, result))
    except (Failure, OSError, TimeoutError, skerry.Error) as failure:
        result.failures.append(f"{type(failure).__name__}: {failure}")
    return result


KINDS: Final = {"name": kill_name, PAGER: kill_pager}


def is_running(pid: int) -> bool:
    """Whether there is such a process, and it has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][:1] not in ("Z", "X")
    except OSError:
        return False


def campaign(servers: list[str], kills: int, seed: int) -> list[Result]:
    """Kill each of them so often."""
    port = echo_server()
    chance = random.Random(seed)
    results = []
    for server in servers:
        kill = kill_fatal if server in FATAL else KINDS.get(server, kill_restartable)
        results.append(kill(server, kills, port, chance))
        print(row(results[-1]), flush=True)
        for text in (*results[-1].failures, *results[-1].wrong[:5], *results[-1].errors[:5]):
            print(f"    {text[:1500]}", flush=True)
    return results


WIDTHS: Final = {
    "server": 14,
    "kills": 5,
    "rounds": 7,
    "back ms": 16,
    "longest stop s": 14,
    "failed calls": 12,
    "lost": 4,
    "wrong": 5,
    "hangs": 5,
}


def line(*cells: object) -> str:
    """A line of the table."""
    return " ".join(f"{cell!s:>{width}}" for cell, width in zip(cells, WIDTHS.values(), strict=True))


def row(result: Result) -> str:
    """What became of a server. Times: median and worst until there is another; the longest that a part of the load stood still."""
    back = f"{statistics.median(result.back) * 1000:.0f} / {max(result.back) * 1000:.0f}" if result.back else "-"
    counts = [len(result.errors), result.lost, len(result.wrong), len(result.failures)]
    return line(result.server, result.kills, result.rounds, back, f"{result.stood:.1f}" if result.stood else "-", *counts)


def main() -> int:
    """The command; 1 if a server's death did harm."""
    parser = argparse.ArgumentParser(description="Kill servers under a load.")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--servers", default=",".join((*RESTARTABLE, *KINDS, *FATAL)))
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    given = parser.parse_args()
    print(f"seed {given.seed}, {given.kills} kills of each; times: median / worst\n{line(*WIDTHS)}")
    return int(not all(result.is_good for result in campaign(given.servers.split(","), given.kills, given.seed)))


if __name__ == "__main__":
    sys.exit(main())
