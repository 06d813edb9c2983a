"""The rows: what is measured, and the plan that ``rows.c`` runs for each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

WORD = "\x1f"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table."""

    name: str
    title: str


@dataclass(frozen=True, slots=True)
class Row(Line):
    """One that ``rows.c`` runs.

    ``argv`` is empty for a micro row, which ``rows.c`` knows by name; else the command whose time from fork to wait is one value.
    ``milliseconds`` is a micro row's time in all, ``count`` a macro row's runs in one start of a system.
    """

    argv: tuple[str, ...] = ()
    milliseconds: int = 60
    count: int = 3

    @property
    def is_micro(self) -> bool:
        return not self.argv

    def plan(self, quick: bool) -> str:
        """The argument for ``rows.c``."""
        if self.is_micro:
            return f"micro:{self.name}:{self.milliseconds // 3 if quick else self.milliseconds}"
        return f"macro:{self.name}:{1 if quick else self.count}:{WORD.join(self.argv)}"


FORKS = "for ((i = 0; i < 200; i++)); do (:); done"
GREP = "find /usr/include -name '*.h' -print0 | xargs -0 grep -l define | wc -l"

START = "start"  # timed from outside: the start of the system itself, with /bin/true in it


def all_rows(work: Path) -> list[Row]:
    """The rows in the order of the table; ``work`` holds the files that they read."""
    return [
        Row("getpid", "getpid"),
        Row("getppid", "getppid (no library may answer)"),
        Row("pread1", "pread 1 B"),
        Row("pread4k", "pread 4 KiB"),
        Row("stat", "stat"),
        Row("open", "open + close"),
        Row("pipe", "pipe round trip", milliseconds=90),
        Row("fork", "fork + exit + wait", milliseconds=150),
        Row("exec", "fork + exec + wait", milliseconds=250),
        Row("mmap", "mmap + touch 64 KiB"),
        Row("gcc", "gcc -O2 hello.c", ("gcc", "-O2", "-o", "hello", str(work / "hello.c"))),
        Row("bash", "bash, 200 forks", ("bash", "-c", FORKS), count=2),
        Row("grep", "find | xargs grep /usr/include", ("sh", "-c", GREP), count=2),
        Row("python", "python3 -c pass", ("python3", "-c", "pass")),
        Row(START, "start of /bin/true", ("/bin/true",)),
    ]
