"""What a guest is shown of the host: its root, its binds, its streams, and nothing beside. Natively the same program finds all of it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from sandbox import Build

pytestmark = [pytest.mark.machine, pytest.mark.slow]


@dataclass(frozen=True)
class View:
    """What view.c printed."""

    data: bytes

    def words(self, key: str) -> list[str]:
        line = next(line for line in self.data.splitlines() if line.startswith(key.encode() + b": "))
        return line.decode().split()[1:]


@dataclass(frozen=True)
class Host:
    """A place for a run, full of what a guest should not learn."""

    place: Path
    program: Path

    def secrets(self) -> dict[str, bytes]:
        found = {
            "environment": b"plover" * 4,
            "path": bytes(self.place),
            "other process": b"300.00424242",
            "boot": Path("/proc/sys/kernel/random/boot_id").read_bytes().strip(),
            "command line": Path("/proc/cmdline").read_bytes().strip(),
            "release": os.uname().release.encode(),
        }
        return {name: value for name, value in found.items() if value}

    def run(self, *command: str) -> View:
        """``command`` with secrets in its environment, working directory, streams and descriptors."""
        secret = self.place / "stdin"
        with secret.open("w+") as stream, subprocess.Popen(["sleep", "300.00424242"]) as other:
            try:
                done = subprocess.run(
                    command,
                    cwd=self.place,
                    env={**os.environ, "SECRET": "plover" * 4},
                    stdin=stream,
                    capture_output=True,
                    pass_fds=[stream.fileno()],
                    timeout=100,
                    check=False,
                )
            finally:
                other.kill()
        assert (done.returncode, done.stderr) == (0, b"")
        return View(done.stdout)

    def given(self) -> list[str]:
        return ["--root", str(self.program.parent), "--bind", f"{self.place}:/given:rw"]

    def inside(self, depth: str, *options: str) -> View:
        program = f"/{self.program.name}"
        return self.run(sys.executable, "-m", "skerry", "run", *self.given(), *options, "--", program, depth)


@pytest.fixture
def host(build: Build, tmp_path: Path) -> Host:
    return Host(tmp_path, build("view"))


def test_guest_sees_nothing_of_the_host_that_was_not_given(host: Host) -> None:
    """Natively every secret is found."""
    native, inside = host.run(str(host.program), "2"), host.inside("9")
    for name, secret in host.secrets().items():
        assert secret in native.data, name
        assert secret not in inside.data, name
    assert len(native.words("descriptors")) > 3
    assert inside.words("descriptors") == ["0", "1", "2"]
    assert len(native.words("processes")) > 1
    assert inside.words("processes") == ["1", "2"]  # 1 is the system
    assert b"/proc/2/maps:" in inside.data  # it read what there is


def test_variables_inside_are_the_documented_ones(host: Host) -> None:
    variables = set(host.inside("0", "--env", "SHOWN=yes").words("variables"))
    assert "SHOWN" in variables
    assert "SECRET" not in variables
    assert all(
        name in ("SHOWN", "PATH", "HOME", "TERM", "USER", "LOGNAME", "SHELL", "PWD", "LANG", "TZ") or name.startswith("LC_")
        for name in variables
    )


@pytest.mark.parametrize(
    ("contents", "name"),
    [
        (None, "skerry"),
        (b"", "skerry"),
        (b"# the name\n\n  mine  \n", "mine"),
        (b"x" * 65, "skerry"),
        (b"a\x1b[31m\n", "skerry"),
        (b"\xff\xfe\n", "skerry"),
    ],
    ids=["no-file", "empty", "comment", "long", "control", "binary"],
)
def test_name_of_the_system_is_what_its_root_says(build: Build, tmp_path: Path, contents: bytes | None, name: str) -> None:
    """Not what the host is called."""
    program = build("view")
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    os.link(program, root / "view")
    if contents is not None:
        (root / "etc/hostname").write_bytes(contents)
    command = [sys.executable, "-m", "skerry", "run", "--root", str(root), "--", "/view", "0"]
    done = subprocess.run(command, capture_output=True, timeout=100, check=True)
    assert View(done.stdout).words("nodename") == [name]
