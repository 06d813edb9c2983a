"""The disk image device: which files it takes, who else may have them, and how flushes end."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from skerry.machine import HostEvent, Machine, libc
from skerry.machine import device as devices
from skerry.machine.hostdisk import HostDisk

SIZE = 1 << 20


class Bells:
    """The part of the machine that a disk uses."""

    def __init__(self) -> None:
        self.watched: list[HostEvent] = []

    def watch(self, event: HostEvent) -> None:
        self.watched.append(event)

    def ring(self) -> None:
        """Wait for the event that is watched, and act on it."""
        event = self.watched.pop(0)
        os.set_blocking(event.descriptor, True)
        event.callback()


@pytest.fixture
def bells() -> Bells:
    return Bells()


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image"
    path.write_bytes(bytes(range(256)) * (SIZE // 256) + b"rest")
    return path


def disk(bells: Bells, path: Path, writable: bool = True) -> HostDisk:
    return HostDisk(bells, os.fsencode(path), writable)  # type: ignore[arg-type]


def fifo(path: Path) -> None:
    os.mkfifo(path)


def unix_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))


def too_small(path: Path) -> None:
    path.write_bytes(b"x" * 511)


MADE: dict[str, tuple[Callable[[Path], object], int]] = {
    "directory": (Path.mkdir, errno.EINVAL),
    "fifo": (fifo, errno.EINVAL),
    "socket": (unix_socket, errno.EINVAL),
    "link to a device": (lambda path: path.symlink_to("/dev/null"), errno.EINVAL),
    "too small": (too_small, errno.EINVAL),
    "nothing": (lambda path: None, errno.ENOENT),
}


@pytest.mark.parametrize(("make", "code"), MADE.values(), ids=MADE)
@pytest.mark.parametrize("writable", [False, True])
def test_only_regular_files_are_images(bells: Bells, tmp_path: Path, make: Callable[[Path], object], code: int, writable: bool) -> None:
    make(tmp_path / "x")
    with pytest.raises(OSError) as caught:  # noqa: PT011  # the number is what matters
        disk(bells, tmp_path / "x", writable)
    assert caught.value.errno == code


def test_size_is_whole_sectors(bells: Bells, image: Path) -> None:
    assert disk(bells, image).size == SIZE


@pytest.mark.parametrize(
    ("first", "second", "both"), [(True, True, False), (True, False, False), (False, True, False), (False, False, True)]
)
def test_writer_has_it_alone(bells: Bells, image: Path, first: bool, second: bool, both: bool) -> None:
    held = disk(bells, image, first)
    if both:
        disk(bells, image, second)
    else:
        with pytest.raises(BlockingIOError):
            disk(bells, image, second)
    held.close()
    disk(bells, image, second)


def test_contents_hold_the_lock(bells: Bells, image: Path) -> None:
    """As long as somebody can write, nobody else is to have it."""
    held = disk(bells, image)
    contents = held.open()
    held.close()
    with pytest.raises(BlockingIOError):
        disk(bells, image)
    contents.close()
    disk(bells, image)


def test_contents_are_the_file(bells: Bells, image: Path) -> None:
    held = disk(bells, image)
    contents = held.open()
    assert contents.read(1, 3) == b"\1\2\3"
    contents.write(4096, b"written")
    assert image.read_bytes()[4096:4103] == b"written"


def test_contents_of_what_is_read_only_are_not_written(bells: Bells, image: Path) -> None:
    held = disk(bells, image, False)
    with pytest.raises(OSError, match="Bad file descriptor"):
        held.open().write(0, b"x")
    for clear in (held.discard, held.zero):
        with pytest.raises(OSError, match="Read-only"):
            clear(0, 512)


def test_cleared_ranges_hold_zeros_and_others_stay(bells: Bells, image: Path) -> None:
    before = image.read_bytes()
    held = disk(bells, image)
    held.discard(4096, 8192)
    held.zero(20480, 512)
    assert image.read_bytes() == before[:4096] + bytes(8192) + before[12288:20480] + bytes(512) + before[20992:]


@pytest.mark.parametrize(("offset", "length"), [(-512, 1024), (SIZE, 512), (SIZE - 512, 1024), (0, -1), (1 << 62, 1 << 62)])
def test_nothing_outside_is_cleared(bells: Bells, image: Path, offset: int, length: int) -> None:
    held = disk(bells, image)
    for clear in (held.discard, held.zero):
        with pytest.raises(OSError, match="Invalid argument"):
            clear(offset, length)
    assert image.stat().st_size == SIZE + 4


@pytest.mark.parametrize("holes", [True, False])
def test_zeros_are_holes_where_the_host_has_no_better(bells: Bells, image: Path, monkeypatch: pytest.MonkeyPatch, holes: bool) -> None:
    allocate = libc.allocate

    def refuse(descriptor: int, mode: int, offset: int, length: int) -> None:
        if not holes or mode & 0x10:  # FALLOC_FL_ZERO_RANGE
            raise OSError(errno.EOPNOTSUPP, "not here")
        allocate(descriptor, mode, offset, length)

    monkeypatch.setattr("skerry.machine.libc.allocate", refuse)
    before = image.read_bytes()
    held = disk(bells, image)
    if holes:
        held.zero(512, 1024)
        assert image.read_bytes() == before[:512] + bytes(1024) + before[1536:]
    else:
        with pytest.raises(OSError, match="not here"):
            held.zero(512, 1024)
        assert image.read_bytes() == before


def test_flush_ends_with_an_interrupt(bells: Bells, image: Path) -> None:
    held, done = disk(bells, image), []
    number = held.begin_flush(lambda: done.append(number))
    with pytest.raises(BlockingIOError):
        held.end_flush(number)
    bells.ring()
    assert done == [number]
    assert held.end_flush(number) == 0
    with pytest.raises(BlockingIOError):
        held.end_flush(number)


def test_flushes_that_are_begun_meanwhile_share_the_next(bells: Bells, image: Path) -> None:
    held, done = disk(bells, image), []
    numbers = [held.begin_flush(lambda at=at: done.append(at)) for at in range(3)]
    bells.ring()
    assert done == [0]
    bells.ring()
    assert done == [0, 1, 2]
    assert [held.end_flush(number) for number in numbers] == [0, 0, 0]
    assert bells.watched == []


def test_error_of_the_host_is_the_flush_s(bells: Bells, image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "fdatasync", fail)
    held = disk(bells, image)
    number = held.begin_flush(lambda: None)
    bells.ring()
    assert held.end_flush(number) == errno.EIO


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with Machine() as machine:
        yield machine


@pytest.mark.machine
def test_machine_delivers_the_interrupt(machine: Machine, image: Path) -> None:
    held, done = HostDisk(machine, os.fsencode(image), True), []
    for count in (1, 2):
        held.begin_flush(lambda: done.append(1))
        event = machine.wait(machine.monotonic() + 5_000_000_000)
        assert isinstance(event, HostEvent)
        event.callback()
        assert len(done) == count


def test_device_by_name_takes_what_it_says_and_no_more(bells: Bells, image: Path) -> None:
    held = disk(bells, image)
    assert devices.describe(held) == (False, ((b"size", SIZE), (b"writable", True)))
    assert devices.describe(devices.call(held, "open", ()))[0]
    with pytest.raises(TypeError):
        devices.call(held, "zero", (b"x", 512))
    with pytest.raises(ValueError, match="no device has a method"):
        devices.call(held, "_flush", ())
