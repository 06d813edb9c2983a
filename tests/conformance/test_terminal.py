"""Interactive programs: the same on a terminal of the host natively and under Skerry."""

from __future__ import annotations

import os
import shlex
import termios
from pathlib import Path

import pytest
from sidebyside import HERE, needs
from terminal import Session, Step, in_skerry, play

pytestmark = [pytest.mark.conformance, pytest.mark.machine, pytest.mark.slow]

P = r"\$ $"  # a shell's prompt
READY = b"sh -c 'echo rea''dy; exec cat'"  # the text does not stand in the command line

SHELL: list[Step] = [
    (P, b"tty | cut -c1-9\n"),
    (P, READY + b"\n"),
    ("ready\r\n", b"some text\n"),
    ("some text\r\nsome text\r\n", b"\x1a"),  # Ctrl-Z
    (P, b"jobs\n"),
    (P, b"fg\n"),
    ("exec cat'\r\n", b"more\n"),
    ("more\r\nmore\r\n", b"\x03"),  # Ctrl-C
    (P, b"echo $?\n"),
    (P, READY + b" | cat\n"),
    ("ready\r\n", b"\x03"),
    (P, b"echo $?\n"),
    (P, READY + b"\n"),
    ("ready\r\n", b"\x04"),  # Ctrl-D
    (P, b"echo $?\n"),
    (P, b"stty -echo; stty -a | grep -o '.echo ' ; stty echo\n"),
    (P, b"bash -c 'kill -TTIN $$; echo continued'\n"),
    (P, b"fg\n"),
    (r"continued\r\n\$ $", b"exit 5\n"),
]
PROGRAMS: dict[str, tuple[list[str], list[Step]]] = {
    "bash": (["bash", "--norc", "--noprofile", "--noediting"], SHELL),
    "script": (["script", "-qec", "tty >/dev/null && stty -a && exit 3", "/dev/null"], []),
    "less": (["less", "-X", "/etc/services"], [(r"\x1b\[27m.*$|:$", b" "), (r":.*$", b"q")]),
    "vim": (["vim", "-u", "NONE", "-c", "set t_RV= t_u7=", "/tmp/nothing.txt"], [(r"nothing\.txt", b"ihello\x1b:q!\r")]),
    "python": (["python3", "-q"], [(">>> $", b"input('? ')\n"), (r"\? $", b"an\x7fswer\n"), (">>> $", b"\x04")]),
    "getpass": (["python3", "-c", "import getpass; print(repr(getpass.getpass()))"], [(": $", b"secret\n")]),
    "time": (["sh", "-c", "stty -icanon min 0 time 1; dd bs=10 count=1 2>/dev/null | wc -c; stty icanon"], []),
    "least": (
        ["sh", "-c", "stty -icanon min 3 -echo; echo go; dd bs=10 count=1 2>/dev/null; stty icanon"],
        [("go\r\n", b"a"), ("", b"bc")],
    ),
    "window": (["sh", "-c", "stty rows 33 cols 99; stty size"], []),
    "quit": (["sh", "-c", "echo ready; exec cat"], [("ready", b"\x1c")]),
    "background": (["bash", "--norc", "-c", "set -m; cat & wait %1; echo $?; kill -KILL %1"], []),
    "tostop": (["bash", "--norc", "-c", "set -m; stty tostop; (echo no) & wait %1; echo $?; kill -KILL %1; stty -tostop"], []),
    "two ends": (["cat"], [("", b"ab\x04"), ("abab", b"\x04\x04")]),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_same_as_natively(name: str) -> None:
    command, steps = PROGRAMS[name]
    needs(command[0])
    assert play(in_skerry(command), steps) == play(command, steps)


def test_terminals_made_inside() -> None:
    """Python's pty module: a shell on a terminal that a program inside has made."""
    command = ["python3", str(HERE / "programs" / "ptys.py")]
    needs("python3")
    assert play(in_skerry(command, HERE), []) == play(command, [])


@pytest.mark.parametrize("last", ["exit 3", "kill -KILL $$", "sleep 100 & exit 0"])
def test_modes_are_put_back(last: str) -> None:
    """However the program ends, the terminal is as it was before."""
    with Session(
        ["sh", "-c", "echo ready; read x; " + shlex.join(in_skerry(["sh", "-c", f"stty raw -echo; {last}"])) + "; echo over; read x"]
    ) as s:
        s.wait_for("ready")
        before = termios.tcgetattr(s.terminal)
        s.type(b"\n")
        s.wait_for("over")
        assert termios.tcgetattr(s.terminal) == before


def test_the_command_is_a_job_of_the_shell_outside() -> None:
    """Ctrl-Z stops the command with the program in it; fg continues both."""
    inner = shlex.join(in_skerry(["sh", "-c", "echo rea''dy; exec cat"]))
    with Session(["bash", "--norc", "--noprofile", "--noediting"]) as s:
        s.wait_for(P)
        s.type(inner.encode() + b"\n")
        s.wait_for("ready\r\n")
        s.type(b"\x1a")
        s.wait_for(r"Stopped(.|\r|\n)*\$ $")
        s.type(b"fg\n")
        s.wait_for("exec cat'\"\r\n|exec cat.*\r\n")
        s.type(b"text\n")
        s.wait_for("text\r\ntext\r\n")
        s.type(b"\x04")
        s.wait_for(P)
        s.type(b"exit\n")
        assert s.end() == 0


def test_reads_in_the_background_of_the_shell_outside() -> None:
    """It stops, natively and inside, and goes on in the foreground."""
    for command in (["cat"], in_skerry(["cat"])):
        with Session(["bash", "--norc", "--noprofile", "--noediting"]) as s:
            s.wait_for(P)
            s.type(shlex.join(command).encode() + b" & wait %1; echo status $?\n")
            s.wait_for(r"Stopped(.|\r|\n)*status 149\r\n\$ $")
            s.type(b"fg\n")
            s.wait_for("cat\r\n")
            s.type(b"text\n")
            s.wait_for("text\r\ntext\r\n")
            s.type(b"\x04")
            s.wait_for(P)
            s.type(b"exit\n")
            assert s.end() == 0


def test_the_terminal_goes_away(tmp_path: Path) -> None:
    """The program is hung up, and the command ends with it."""
    program = ["sh", "-c", f"trap 'echo hup > {tmp_path}/told; exit 3' HUP; echo ready; while :; do sleep 0.05; done"]
    command = in_skerry(program, tmp_path)
    command[command.index(str(tmp_path))] += f":{tmp_path}:rw"
    with Session(command) as s:
        s.wait_for("ready")
        os.close(s.terminal)
        s.terminal = os.open(os.devnull, os.O_RDONLY)
        assert os.waitstatus_to_exitcode(os.waitpid(s.pid, 0)[1]) == 3
        s.pid = 0
    assert (tmp_path / "told").read_text() == "hup\n"


def test_no_terminal_no_tty() -> None:
    """A session without a terminal has no /dev/tty: ENXIO, natively and inside."""
    code = "\n".join(
        (
            "import os",
            "os.fork() and os._exit(os.waitstatus_to_exitcode(os.wait()[1]))",
            "os.setsid()",
            "try: os.open('/dev/tty', os.O_RDWR)",
            "except OSError as error: print(error)",
        )
    )
    command = ["python3", "-c", code]
    assert play(in_skerry(command), []) == play(command, []) == (f"[Errno 6] {os.strerror(6)}: '/dev/tty'\r\n", 0)
