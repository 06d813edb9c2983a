"""`skerry demo`: real work, natively and inside, side by side."""

from __future__ import annotations

import hashlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import click

from skerry.cli.help import WIDTH
from skerry.messages import say

RUNS: Final = 3  # of each step on each side; the median counts
TIMEOUT: Final = 60  # seconds for one run
PATH: Final = f"/usr/local/bin:/usr/bin:/bin:{Path(sys.executable).resolve().parent}"
TEXTS: Final = ("/usr/share/common-licenses", "/usr/share/doc", "/usr/include")  # real text, whichever a host has first

C_SESSION: Final = r"""
mkdir project; cd project
cat > sieve.c <<'END'
#include <stdio.h>
#include <stdlib.h>
int main(int argc, char **argv) {
  int limit = atoi(argv[1]), count = 0;
  char *composite = calloc(limit + 1, 1);
  for (int i = 2; i <= limit; i++) {
    if (composite[i]) continue;
    count++;
    for (long j = (long)i * i; j <= limit; j += i) composite[j] = 1;
  }
  printf("%d primes up to %d\n", count, limit);
}
END
gcc -O2 -Wall sieve.c -o sieve
ls -l sieve | cut -c1-10
for limit in 10 1000 100000 5000000; do ./sieve $limit; done
"""
PIPELINE: Final = r"""
find TEXT -type f -size -300k 2>/dev/null | sort | head -200 | xargs cat 2>/dev/null > all
wc -l < all
tr -cs 'A-Za-z' '\n' < all | tr A-Z a-z | sort | uniq -c | sort -k1,1nr -k2 | awk 'length($2) > 4' | head -5
gzip -9 < all | gunzip | cmp - all && echo "compressed and back: the same"
sha256sum < all | cut -c1-16
"""
PYTHON: Final = r"""
import collections, concurrent.futures, hashlib, json, pathlib, sqlite3, subprocess, threading, zlib
base = sqlite3.connect("numbers.db")
base.execute("create table squares(n integer primary key, square integer)")
with base:
    base.executemany("insert into squares values (?, ?)", ((n, n * n) for n in range(10000)))
print(base.execute("select sum(square) from squares where n % 7 = 0").fetchone()[0], "from sqlite3")
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    print(sum(pool.map(lambda n: zlib.crc32(bytes(n)), range(500))), "from eight threads")
print(subprocess.run(["sort", "-rn"], input="1\n30\n4\n", capture_output=True, text=True).stdout.split(), "from a child process")
print(hashlib.sha256(json.dumps(dict(collections.Counter(pathlib.Path("numbers.db").read_bytes()))).encode()).hexdigest()[:16])
"""
VANDAL: Final = r"""
rm precious.txt; echo 'overwritten' > letter.txt; chmod 000 secret.txt; mv album elsewhere; ln -s /etc/passwd link; mkdir -p new/deep
ls; cat letter.txt
test -e precious.txt || echo 'precious.txt is gone'
"""


@dataclass(frozen=True)
class Result:
    """What a run did, and how long it took."""

    output: str
    status: int
    seconds: float


@dataclass
class Step:
    """A script, what it needs, and what came of it on each side."""

    title: str
    script: str
    program: str = "sh"
    needs: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=dict)  # that it starts with
    native: list[Result] = field(default_factory=list)
    inside: list[Result] = field(default_factory=list)
    host_changed: bool = False
    skipped: str = ""

    @property
    def same(self) -> bool:
        """Whether every run gave the same output and status."""
        return len({(result.output, result.status) for result in (*self.native, *self.inside)}) <= 1

    @property
    def good(self) -> bool:
        return bool(self.skipped) or (self.same and not self.host_changed)

    def seconds(self) -> tuple[float, float]:
        """The medians: natively and inside."""
        return statistics.median(r.seconds for r in self.native), statistics.median(r.seconds for r in self.inside)


def make_steps() -> list[Step]:
    """What the demo does, on this host."""
    text = next((place for place in TEXTS if Path(place).is_dir()), "/etc")
    files = {"precious.txt": "the only copy\n", "letter.txt": "dear host\n", "secret.txt": "42\n", "album/picture": "a rock in the sea\n"}
    return [
        Step("A C program: written, compiled by gcc, run", C_SESSION, needs=("gcc",)),
        Step(f"A pipeline over the text in {text}", PIPELINE.replace("TEXT", text)),
        Step("A python3 program: sqlite3, threads, a child process", PYTHON, program="python3", needs=("python3",)),
        Step("A script that destroys files of the host", VANDAL, files=files),
    ]


def perform(step: Step, place: Path, runs: int) -> None:
    """Do the step natively and inside, in turn, in the empty directory ``place``. Raises TimeoutExpired."""
    missing = next((program for program in step.needs if shutil.which(program, path=PATH) is None), "")
    if missing:
        step.skipped = f"skipped: {missing} is not installed (Debian: apt-get install {missing})"
        return
    for _ in range(runs):
        _prepare(step, place)
        step.native.append(_run([], step, place))
        _prepare(step, place)
        before = digest(place)
        step.inside.append(_run([sys.executable, "-m", "skerry", "run", "--bind", str(place), "--cwd", str(place), "--"], step, place))
        step.host_changed |= digest(place) != before


def _prepare(step: Step, place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(mode=0o700)
    for name, contents in step.files.items():
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_text(contents)


def _run(prefix: list[str], step: Step, place: Path) -> Result:
    environment = {"PATH": PATH, "HOME": str(place), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    environment |= {key: value for key, value in os.environ.items() if key.startswith("PYTHON")}  # what Skerry was started with
    command = [*prefix, step.program, "-c", step.script]
    start = time.perf_counter()
    done = subprocess.run(
        command,
        cwd=place,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=TIMEOUT,
        check=False,
    )
    seconds = time.perf_counter() - start
    return Result(done.stdout.decode(errors="replace"), done.returncode, seconds)


def digest(place: Path) -> str:
    """One number for all names, kinds, permissions, times and contents below ``place``."""
    total = hashlib.sha256()
    for path in sorted((place, *place.rglob("*"))):
        status = path.lstat()
        total.update(f"{path} {status.st_mode:o} {status.st_mtime_ns} {status.st_ino}\n".encode())
        if path.is_file() and not path.is_symlink():
            total.update(path.read_bytes())
    return total.hexdigest()


@click.command(context_settings=WIDTH, epilog="Exit status: 1 if anything differed. Read on: docs/tutorial.md")
@click.option(
    "--runs", type=click.IntRange(1, 20), default=RUNS, show_default=True, help="Runs of each step on each side; the median counts."
)
def demo(runs: int) -> None:
    """Boot the system and do real work on it: compile and run a C program, count words, run Python.

    Every step is done on this host too, and must give the same there. Around each run inside, the host's files are compared with what
    they were; the last step tries to destroy them.

    \b
    skerry demo
    skerry demo --runs 1
    """
    from skerry.cli.show import Show

    show = Show()
    boot = Step("Start and end, of `true`", "true")
    steps = make_steps()
    place = Path(tempfile.gettempdir()).resolve() / f"skerry-demo-{os.getpid()}"
    start = time.perf_counter()
    try:
        perform(boot, place, runs)
        show.begin(boot)
        for step in steps:
            show.announce(step)
            perform(step, place, runs)
            show.report(step)
        show.host(place)
    except subprocess.TimeoutExpired:
        say(f"skerry demo: a step took more than {TIMEOUT} s: the host is too busy, or the system hangs\n")
        sys.exit(1)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    good = all(step.good for step in (boot, *steps))
    show.end([boot, *steps], good, time.perf_counter() - start)
    sys.exit(0 if good else 1)
