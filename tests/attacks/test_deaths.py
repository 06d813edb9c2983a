"""Row 16: host processes that die from outside. A guest's death is its Unix process's death; the kernel's death is everybody's."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sandbox import Build

pytestmark = [pytest.mark.machine, pytest.mark.slow]

Running = subprocess.Popen[str]


class Sandbox:
    """A sandbox that runs ``script``, which prints "ready" first."""

    def __init__(self, script: str, program: Path | None = None) -> None:
        bind = ["--bind", f"{program.parent}:/attacks"] if program else []
        command = [sys.executable, "-m", "skerry", "run", *bind, "--", "/bin/sh", "-c", script]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def guests(self) -> list[int]:
        """Host processes of guests, in the order in which they began; the first is the template."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    words = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                    image = os.readlink(entry / "exe")
                except OSError:
                    continue  # it has ended meanwhile
                if int(words[1]) == self.process.pid and words[0] != "Z" and "skerry-stub" in image:
                    found.append((int(words[19]), int(entry.name)))
        return [pid for _, pid in sorted(found)]

    def result(self) -> tuple[str, str, int]:
        out, err = self.process.communicate(timeout=60)
        return out, err, self.process.returncode

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def sandboxes() -> Iterator[list[Sandbox]]:
    made: list[Sandbox] = []
    yield made
    for sandbox in made:
        sandbox.close()


def gone(descriptors: list[int], patience: int = 10_000) -> bool:
    """Whether all these pidfds' processes end within ``patience`` milliseconds."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    left = set(descriptors)
    while left:
        ready = poll.poll(patience)
        if not ready:
            return False
        for descriptor, _ in ready:
            poll.unregister(descriptor)
            left.discard(descriptor)
    return True


def test_what_lives_is_not_gone() -> None:
    with subprocess.Popen(["sleep", "300"]) as process:
        descriptor = os.pidfd_open(process.pid)
        assert not gone([descriptor], 100)
        process.kill()
        assert gone([descriptor])
        os.close(descriptor)


def test_killed_guest_is_a_killed_process(sandboxes: list[Sandbox]) -> None:
    sandbox = Sandbox("echo ready; sleep 1000; echo $?; /bin/echo alive")
    sandboxes.append(sandbox)
    while len(guests := sandbox.guests()) < 3:  # the template, the shell, and then sleep
        pass
    os.kill(guests[2], signal.SIGKILL)
    assert sandbox.result() == ("137\nalive\n", "Killed\n", 0)


def test_killed_guest_amid_its_calls(build: Build, sandboxes: list[Sandbox]) -> None:
    """Threads that change memory, fork and call when their host process dies: calls that were under way find it gone."""
    for _ in range(5):
        sandbox = Sandbox("/attacks/busy; echo $?; /bin/echo alive", build("busy"))
        sandboxes.append(sandbox)
        os.kill(sandbox.guests()[2], signal.SIGKILL)
        out, err, status = sandbox.result()
        assert (out, status) == ("137\nalive\n", 0)
        assert "Traceback" not in err


def test_killed_template_ends_no_process(sandboxes: list[Sandbox]) -> None:
    sandbox = Sandbox("echo ready; read line < /dev/zero & kill $!; wait; echo alive; /bin/echo also")
    sandboxes.append(sandbox)
    os.kill(sandbox.guests()[0], signal.SIGKILL)
    out, err, _ = sandbox.result()
    assert out.startswith("alive\n")
    assert "Traceback" not in err


def test_nothing_outlives_the_kernel(build: Build, sandboxes: list[Sandbox]) -> None:
    sandbox = Sandbox("sleep 1000 & /attacks/busy & echo ready; read line < /dev/tty; while :; do :; done", build("busy"))
    sandboxes.append(sandbox)
    descriptors = [os.pidfd_open(pid) for pid in sandbox.guests()]
    assert len(descriptors) >= 3
    sandbox.process.kill()
    assert gone(descriptors)
    for descriptor in descriptors:
        os.close(descriptor)
