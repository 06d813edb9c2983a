"""What lies between a program and the host that runs it: files, signals, pipes."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sidebyside import ENVIRONMENT, needs

pytestmark = [pytest.mark.conformance, pytest.mark.machine, pytest.mark.slow]

SKERRY = (sys.executable, "-m", "skerry", "run", "--")
INTERRUPTED = {
    "by default": ["sh", "-c", "echo ready; while :; do sleep 0.01; done"],
    "caught": ["bash", "-c", "trap 'echo caught; exit 7' INT; echo ready; while :; do sleep 0.01; done"],
    "ignored": ["sh", "-c", "trap '' INT; echo ready; sleep 0.2; echo still there"],
    "in a system call": ["python3", "-c", "try: print('ready', flush=True), input()\nexcept KeyboardInterrupt: print('interrupt')"],
}


def test_host_is_untouched(tmp_path: Path) -> None:
    victim = Path(f"/var/tmp/skerry-victim-{os.getpid()}")
    victim.mkdir()
    try:
        (victim / "file").write_text("mine")
        (victim / "empty").mkdir()
        script = (
            f"cd {victim}; echo changed > file; chmod 600 file; touch -d @0 file; ln file hard; cat hard; mv file moved; rmdir empty; "
            f"mkdir new; ls; rm -r {victim}; ls -d {victim} 2>/dev/null || echo gone; touch /etc/skerry-{os.getpid()} && echo made"
        )
        before = [(path, path.lstat()) for path in sorted(victim.rglob("*"))]
        result = subprocess.run([*SKERRY, "sh", "-c", script], capture_output=True, text=True, timeout=60, check=False)
        after = [(path, path.lstat()) for path in sorted(victim.rglob("*"))]
        made = "made\n" if os.getuid() == 0 else ""
        assert result.stdout == f"changed\nhard\nmoved\nnew\ngone\n{made}"
        assert after == before
        assert (victim / "file").read_text() == "mine"
        assert not Path(f"/etc/skerry-{os.getpid()}").exists()
    finally:
        shutil.rmtree(victim)


def interrupt(command: list[str]) -> tuple[str, int]:
    """What the command prints, and its status as a shell says it, when it is interrupted once it is ready."""
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # no threads here
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        status = None
        for _ in range(30):  # once, but Python does not see a signal that comes just before it reads: as natively, only rarely there
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                status = process.wait(timeout=1)
                break
        assert status is not None
        output = process.stdout.read()
    return first + output, status if status >= 0 else 128 - status


@pytest.mark.parametrize("how", INTERRUPTED)
def test_interrupt_is_the_programs(how: str) -> None:
    needs(INTERRUPTED[how][0])
    assert interrupt([*SKERRY, *INTERRUPTED[how]]) == interrupt(INTERRUPTED[how])


def test_writer_into_a_closed_pipe_ends_as_natively() -> None:
    script = "{} yes | head -1; echo ${{PIPESTATUS[@]}}"
    here, there = (
        subprocess.run(["bash", "-c", script.format(run)], capture_output=True, text=True, timeout=60, check=False)
        for run in (" ".join(SKERRY), "")
    )
    assert (here.stdout, here.stderr) == (there.stdout, there.stderr)


def test_slow_reader_outside_holds_up_only_its_writer() -> None:
    """The reader takes nothing before another process inside has run to its end."""
    with subprocess.Popen(
        [*SKERRY, "bash", "-c", "seq 100000 & sh -c 'echo done >&2; exec 2>&-'; exec 2>&-; wait"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stderr.readline() == "done\n"
        assert process.stdout.read().splitlines()[-1] == "100000"
