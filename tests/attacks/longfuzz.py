"""python tests/attacks/longfuzz.py: millions of random hostile system calls, and what they did to Skerry's memory and to the host.

Each of ``--seeds`` runs ``programs/fuzz.c`` in each of ``--configs``, in a system of its own. At every hundredth of the calls the memory
(RSS) of Skerry's own processes is looked at: the kernel and, with ``mach``, the Unix server and the drivers. A line per run says what it
was at the start (after one hundredth), and the least and the most that it was in the second and in the last quarter: garbage is collected
when there is much. The exit status is 1 if a run hung, failed, printed a traceback, changed the host, or grew: if the least of the last
quarter is more than ``--growth`` above that of the second.
"""

from __future__ import annotations

import argparse
import os
import select
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sandbox import NATIVE, PROGRAMS

STEPS = 100
PATIENCE = 300  # seconds for a hundredth of the calls
WATCHED = ("/", "/etc", "/usr/bin", "/dev")  # what fuzz.c names, or stands in
SETTINGS = ("hostname", "domainname", "osrelease", "pid_max", "threads-max", "sysrq", "panic", "core_pattern")


@dataclass
class Run:
    """One run of the fuzzer, and what was seen of it."""

    config: str
    seed: int
    calls: int = 0
    workers: int = 0
    seconds: float = 0
    memory: list[int] = field(default_factory=list)  # KiB, at every step
    wrong: list[str] = field(default_factory=list)

    def quarters(self) -> tuple[list[int], list[int]]:
        """What the memory was in the second and in the last."""
        quarter = max(1, len(self.memory) // 4)
        return self.memory[quarter : 2 * quarter], self.memory[-quarter:]

    @property
    def growth(self) -> int:
        """KiB."""
        second, last = self.quarters()
        return min(last) - min(second) if second else 0

    def line(self) -> str:
        parts = [self.memory[:1], *self.quarters()]
        sizes = ", ".join(f"{min(part) >> 10} to {max(part) >> 10} MiB" for part in parts if part)
        ended = "; ".join(self.wrong) or "no traceback, nothing of the host changed"
        rate = self.calls / self.seconds if self.seconds else 0
        return f"{self.config} seed {self.seed}: {self.calls:,} calls, {self.workers:,} workers, {rate:,.0f}/s; RSS {sizes}; {ended}"


def host_state() -> dict[str, object]:
    """What a guest that got out would change: what lies in directories, the kernel's settings, its mounts."""
    state: dict[str, object] = {}
    for place in WATCHED:
        for path in Path(place).iterdir():
            status = path.lstat()
            contents = () if path.is_dir() or place == "/dev" else (status.st_size, status.st_mtime_ns)
            state[str(path)] = (status.st_ino, status.st_mode, status.st_uid, status.st_gid, *contents)
    state["/tmp/fuzz"] = Path("/tmp/fuzz").exists()
    for setting in filter(Path.exists, (Path("/proc/sys/kernel", name) for name in SETTINGS)):
        state[str(setting)] = setting.read_bytes()
    state["mounts"] = Path("/proc/self/mounts").read_bytes()
    return state


def own_processes(kernel: int) -> Iterator[int]:
    """Skerry's processes: the kernel and its native tasks, without the guests' address spaces."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                if "skerry-stub" not in os.readlink(entry / "exe"):
                    children.setdefault(parent, []).append(int(entry.name))
            except OSError:
                continue  # it has ended meanwhile
    left = [kernel]
    while left:
        process = left.pop()
        left += children.get(process, [])
        yield process


def memory(kernel: int) -> int:
    """KiB that Skerry's processes have in memory; what they share counts once each."""
    total = 0
    for process in own_processes(kernel):
        try:
            lines = Path(f"/proc/{process}/status").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
    return total


def fuzz(program: Path, config: str, seed: int, calls: int, deadline: float) -> Run:
    """Run until ``calls`` calls were made, or ``deadline`` (monotonic seconds)."""
    run = Run(config, seed)
    before = host_state()
    start = time.monotonic()
    words = f"/attacks/fuzz {seed * 1_000_000} {calls} 300 {calls // STEPS}; echo status: $?; /bin/echo alive: $(/usr/bin/seq 3)"
    command = [
        sys.executable,
        "-m",
        "skerry",
        "run",
        "--config",
        config,
        "--bind",
        f"{program.parent}:/attacks",
        "--",
        "/bin/sh",
        "-c",
        words,
    ]
    errors: list[bytes] = []
    with subprocess.Popen(command, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        reader = threading.Thread(target=errors.extend, args=(process.stderr,))  # a pipe: in a file programs could seek
        reader.start()
        last: list[str] = []
        while True:
            left = min(PATIENCE, deadline - time.monotonic())
            if not select.select([process.stdout], [], [], max(0, left))[0]:
                if left >= PATIENCE:
                    run.wrong.append(f"HUNG: no progress in {PATIENCE} s")
                process.kill()
                break
            line = process.stdout.readline().decode(errors="replace")
            if not line:
                break
            last.append(line.strip())
            if line.startswith("calls: "):
                run.calls, run.workers = (int(word) for word in line.split()[1:])
                run.memory.append(memory(process.pid))
        else:
            process.wait()
        run.seconds = time.monotonic() - start
        finished = last[-2:] == ["status: 0", "alive: 1 2 3"]
        if not finished and time.monotonic() < deadline and not run.wrong:
            run.wrong.append(f"FAILED: {last[-2:]}, status {process.wait()}")
        reader.join()
        text = b"".join(errors).decode(errors="replace")
        if "Traceback" in text:
            run.wrong.append("TRACEBACK:\n" + text[text.index("Traceback") :][:4000])
    after = host_state()
    changed = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    if changed:
        run.wrong.append(f"CHANGED: {changed}")
    return run


def main() -> int:
    """Run all, print a line for each, and the sum."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=10_000_000, help="of all runs together")
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12, 13, 14])
    parser.add_argument("--configs", nargs="+", default=["mach-colocated", "mach"])
    parser.add_argument("--seconds", type=float, default=7200, help="for all runs; those that do not fit are cut short")
    parser.add_argument(
        "--growth", type=int, default=16, metavar="MIB", help="that the memory may grow from the second quarter of a run to the last"
    )
    options = parser.parse_args()
    deadline = time.monotonic() + options.seconds
    runs = [(config, seed) for seed in options.seeds for config in options.configs]
    total, wrong = 0, False
    with tempfile.TemporaryDirectory(prefix="longfuzz-") as place:
        Path(place).chmod(0o755)
        program = Path(place, "fuzz")
        flags = ["-static", "-O1", "-Wno-unused-result", "-I", str(NATIVE)]
        subprocess.run(["gcc", *flags, str(PROGRAMS / "fuzz.c"), "-o", str(program)], check=True)
        for number, (config, seed) in enumerate(runs):
            share = (deadline - time.monotonic()) / (len(runs) - number)
            run = fuzz(program, config, seed, options.calls // len(runs), time.monotonic() + share)
            if run.growth > options.growth << 10:
                run.wrong.append(f"GREW: {[size >> 10 for size in run.memory]}")
            total += run.calls
            wrong = wrong or bool(run.wrong)
            print(run.line(), flush=True)
    print(f"all: {total:,} calls")
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
