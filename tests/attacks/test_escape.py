"""Nobody leaves ``--root`` and ``--bind`` by links, "..", races, handles, descriptors or special files. Natively the same programs do."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sandbox import Build, run, survived

pytestmark = [pytest.mark.machine, pytest.mark.slow]

GIVEN = {"through": "--bind={place}:/given:rw", "copied": "--bind={place}:/given", "read-only": "--bind={place}:/given:ro"}


@dataclass(frozen=True)
class Place:
    """A directory that is given to a guest, and one beside it that is not."""

    given: Path
    outside: Path

    @property
    def secret(self) -> Path:
        return self.outside / "secret"

    def state(self) -> dict[str, object]:
        """All there is outside, itself included."""
        found: dict[str, object] = {}
        for path in [self.outside, *self.outside.rglob("*")]:
            status = path.lstat()
            found[str(path)] = (status.st_mode, status.st_uid, status.st_gid, status.st_nlink, status.st_mtime_ns, status.st_ctime_ns)
        return {**found, "text": self.secret.read_text()}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path / "given", tmp_path / "outside")
    place.given.mkdir()
    place.outside.mkdir()
    place.secret.write_text("xyzzy")
    (place.outside / "only").touch()
    (place.outside / "only-link").symlink_to("only")
    return place


@pytest.fixture
def furnished(place: Place) -> Iterator[Place]:
    """With links that lead out, a fifo that the host reads, a socket that it listens on, and a device."""
    (place.given / "out").symlink_to("../outside")
    (place.given / "absolute").symlink_to(place.secret)
    (place.given / "chain").symlink_to("out/secret")
    os.mkfifo(place.given / "fifo")
    if os.geteuid() == 0:
        os.mknod(place.given / "device", 0o020666, os.makedev(1, 11))  # the kernel's log
    reader = os.open(place.given / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.getcwd()
        os.chdir(place.given)  # the path may be too long
        listener.bind("./socket")
        os.chdir(here)
        listener.listen()
        listener.setblocking(False)
        yield place
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert os.read(reader, 10) == b""
    os.close(reader)


def escaped(lines: dict[str, str]) -> set[str]:
    return {name for name, end in lines.items() if end == "escaped"}


def test_attacker_escapes_natively(build: Build, place: Place) -> None:
    """As root the classic chroot works, too; an ordinary user has what needs no right."""
    (place.given / "out").symlink_to("../outside")
    (place.given / "absolute").symlink_to(place.secret)
    (place.given / "chain").symlink_to("out/secret")
    before = place.state()
    done = subprocess.run([build("escape"), place.given, place.secret], capture_output=True, text=True, check=True, timeout=60)
    lines = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    ways = {"absolute", "dots", "link", "absolute-link", "chain", "proc-root", "proc-fd", "proc-fd-path", "proc-cwd", "openat", "openat2"}
    writes = {
        "create-through-link",
        "hard-link",
        "hard-link-followed",
        "rename",
        "mkdir",
        "mknod",
        "symlink",
        "chmod",
        "utimes",
        "truncate",
    }
    writes |= {"write", "unlink"}
    assert (ways | writes) - escaped(lines) == set()
    if os.geteuid() == 0:
        assert {"chroot", "chroot-top", "chown"} - escaped(lines) == set()
    assert set(place.outside.iterdir()) != set(before)


@pytest.mark.parametrize("way", GIVEN)
@pytest.mark.parametrize("user", [(), ("--user", "root")], ids=["as-is", "root"])
def test_nobody_leaves_a_bind(build: Build, furnished: Place, way: str, user: tuple[str, ...]) -> None:
    before = furnished.state()
    bind = GIVEN[way].format(place=furnished.given)
    result = survived(build("escape"), f"/given {furnished.secret}", bind, *user)
    assert escaped(result.lines) == set()
    assert furnished.state() == before


def test_nobody_leaves_the_root(build: Build, furnished: Place) -> None:
    program = build("escape")
    before = furnished.state()
    os.link(program, furnished.given / "escape")
    result = run("--root", str(furnished.given), "--", "/escape", "/", str(furnished.secret))
    assert escaped(result.lines) == set()
    assert furnished.state() == before


MOVED = "cd {given}/d && : > {given}/ready && until [ -e {given}/moved ]; do :; done; cat ../secret; cd ../outside; cat secret; echo end"


def move_out(place: Place, command: list[str]) -> str:
    """What a shell says that stands in a directory while the host moves it out of the place that was given."""
    (place.given / "d").mkdir()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as shell:
        while not (place.given / "ready").exists():
            assert shell.poll() is None
        (place.given / "d").rename(place.outside / "d")
        before = place.state()
        (place.given / "moved").touch()
        out, _ = shell.communicate(timeout=60)
    assert place.state() == before
    return out


def test_directory_that_the_host_moves_out_is_no_way_out(place: Place) -> None:
    bind = GIVEN["through"].format(place=place.given)
    command = [sys.executable, "-m", "skerry", "run", bind, "--", "sh", "-c", MOVED.format(given="/given")]
    assert move_out(place, command) == "end\n"


BECOMES = "ls -ld /given/a > /sync/ready; until [ -e /sync/changed ]; do :; done; cat /given/a/secret; echo end"


@pytest.mark.parametrize("way", GIVEN)
def test_directory_that_becomes_a_link_is_not_followed(place: Place, tmp_path: Path, way: str) -> None:
    """The host puts a link in the place of a directory that programs know already."""
    raced(place)
    sync = tmp_path / "sync"
    sync.mkdir()
    binds = [GIVEN[way].format(place=place.given), f"--bind={sync}:/sync:rw"]
    command = [sys.executable, "-m", "skerry", "run", *binds, "--", "sh", "-c", BECOMES]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as shell:
        while not (sync / "ready").exists() or not (sync / "ready").read_text():
            assert shell.poll() is None
        (place.given / "a").rename(place.given / "old")
        (place.given / "b").rename(place.given / "a")
        (sync / "changed").touch()
        out, _ = shell.communicate(timeout=60)
    assert out == "end\n"


def test_moved_directory_is_a_way_out_natively(place: Place) -> None:
    assert move_out(place, ["sh", "-c", MOVED.format(given=place.given)]) == "xyzzyend\n"


def raced(place: Place) -> Place:
    (place.given / "a").mkdir()
    (place.given / "a/secret").write_text("inner")
    (place.given / "b").symlink_to("../outside")
    return place


def test_race_is_won_natively(build: Build, place: Place) -> None:
    raced(place)
    before = place.state()
    done = subprocess.run([build("race"), "both", place.given, "2000"], capture_output=True, text=True, check=True, timeout=60)
    lines = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    assert min(int(lines["escaped"]), int(lines["inner"])) > 0
    assert place.state() != before


@pytest.mark.parametrize("way", GIVEN)
def test_race_inside_is_lost(build: Build, place: Place, way: str) -> None:
    raced(place)
    before = place.state()
    lines = survived(build("race"), "both /given 15", GIVEN[way].format(place=place.given)).lines
    assert (lines["escaped"], int(lines["inner"]) > 0) == ("0", True)
    assert place.state() == before


@pytest.mark.parametrize("way", GIVEN)
def test_race_with_the_host_is_lost(build: Build, place: Place, way: str) -> None:
    """The host exchanges a directory and a link while programs inside walk through them."""
    raced(place)
    before = place.state()
    program = build("race")
    with subprocess.Popen([program, "swap", place.given, "0"]) as swapping:
        try:
            lines = survived(program, "use /given 40", GIVEN[way].format(place=place.given)).lines
        finally:
            swapping.kill()
    assert lines["escaped"] == "0"
    assert int(lines["inner"]) > 0 or way == "copied"  # a copy keeps what it saw first: the directory or the link
    assert place.state() == before


def test_race_with_the_host_over_the_root_is_lost(build: Build, place: Place) -> None:
    raced(place)
    before = place.state()
    program = build("race")
    os.link(program, place.given / "race")
    with subprocess.Popen([program, "swap", place.given, "0"]) as swapping:
        try:
            lines = run("--root", str(place.given), "--", "/race", "use", "/", "40").lines
        finally:
            swapping.kill()
    assert lines["escaped"] == "0"
    assert place.state() == before
