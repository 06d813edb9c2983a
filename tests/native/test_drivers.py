"""Drivers that are killed under their clients, at every call that they make."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.native.deaths import Fate, last_calls
from tests.native.natives import MODULES, PRELUDE, Natives

from skerry.guardian import DESCRIPTION, Guardian
from skerry.mach.native import NativeTask
from skerry.machine import Machine
from skerry.machine.hostdisk import HostDisk
from skerry.machine.native_task import Template
from skerry.machine.stream import Stream

pytestmark = [pytest.mark.machine, pytest.mark.slow]

CLIENT = """
from skerry.unix.glue.drivers import Drivers
READABLE, WRITABLE, LAST = 0, 1, 2

def setup(channel):
    drivers = Drivers(channel, None, lambda name: None)
    called = []

    def wait():
        while not called:
            code, message = channel.msg(None, mach.MACH_RCV_MSG, 1 << 16, drivers.interrupts, 0, mach.MACH_PORT_NULL)
            assert code == 0, code
            drivers.take_message(message)
        called.clear()

    return drivers, lambda: called.append(1), wait
"""
ECHO = (
    CLIENT
    + """
def main(channel, rounds):
    drivers, callback, wait = setup(channel)
    typed, shown = drivers.open(b"stream", READABLE), drivers.open(b"stream", WRITABLE)
    for n in range(rounds):
        assert typed.read(100) is None
        typed.subscribe(callback)
        assert shown.write(b"%d\\n" % n) == len(b"%d\\n" % n)
        wait()
        assert typed.read(100) == b"%d\\n" % n
"""
)
WAITER = (
    CLIENT
    + """
def main(channel):
    drivers, callback, wait = setup(channel)
    typed = drivers.open(b"stream", READABLE)
    typed.subscribe(callback)
    assert typed.read(100) is None
    try:
        drivers.open(b"stream", LAST)
    except OSError as error:
        assert error.errno == 5, error
    wait()
    for call in typed.readable, lambda: typed.read(1), lambda: typed.subscribe(callback), lambda: drivers.open(b"stream", READABLE):
        try:
            call()
        except OSError as error:
            assert error.errno == 5, error
        else:
            raise AssertionError(call)
"""
)
CUSTOMER = (
    CLIENT
    + """
def main(channel):
    drivers, callback, wait = setup(channel)
    drivers.open(b"stream", READABLE).subscribe(callback)
    assert drivers.open(b"find", b"x") == b"x"
"""
)
FLUSHER = (
    CLIENT
    + """
def main(channel, rounds):
    drivers, callback, wait = setup(channel)
    disk = drivers.open(b"disk", 0)
    assert (disk.size, disk.writable) == (4096, True)
    for n in range(rounds):
        disk.zero(n % 8 * 512, 512)
        number = disk.begin_flush(callback)
        assert number == n + 1, "begun twice"
        wait()
        assert disk.end_flush(number) == 0
"""
)
LAST = 2
CALLS = 45  # of a driver, in which it has served for some rounds


@pytest.fixture(scope="module")
def template(machine: Machine) -> Iterator[Template]:
    modules = (*MODULES, "skerry.servers.driver", "skerry.unix.glue.drivers")
    with Template(machine, modules) as template:
        yield template


class Console:
    """The console's driver, over a pipe: what is shown is typed. A reincarnation server keeps it as ``restart`` says."""

    def __init__(self, natives: Natives, **restart: int) -> None:
        self.natives = natives
        self.ends = (*os.pipe(), os.open(os.devnull, os.O_RDONLY))
        self.said: list[str] = []
        self.has_served = False  # what it is there for: somebody has asked for LAST
        description = json.loads(DESCRIPTION.read_text())
        description["restart"].update(first_delay=1, longest_delay=1, **restart)
        self.guardian = Guardian(natives.kernel, natives.template, self._open, self.said.append, self._died, json.dumps(description))

    def _open(self, kind: bytes, number: int) -> Any:
        if kind == b"find":
            return number
        assert kind == b"stream"
        self.has_served |= number == LAST
        return Stream(self.natives.machine, self.ends[number])

    def _died(self) -> None:
        raise AssertionError("the reincarnation server has died")

    def start(self, source: str, *arguments: int) -> NativeTask:
        """A client."""
        task = NativeTask(
            self.natives.kernel, self.natives.template, "main", PRELUDE + source, arguments, bootstrap=self.guardian.bootstrap()
        )
        self.natives.tasks.append(task)
        return task

    @property
    def drivers(self) -> list[NativeTask]:
        return list(self.guardian.factory.tasks)

    def end(self) -> None:
        for end in self.ends:
            os.close(end)
        self.natives.tasks += [*self.drivers, self.guardian.task]


class Disk(Console):
    """The disk's driver."""

    def __init__(self, natives: Natives, image: Path) -> None:
        self.disk = HostDisk(natives.machine, os.fsencode(image), True)
        super().__init__(natives, attempts=1000)

    def _open(self, kind: bytes, number: int) -> Any:
        assert (kind, number) == (b"disk", 0)
        return self.disk


@pytest.mark.parametrize("lost", ["request", "answer"])
def test_every_call_of_the_disk_s_driver_may_be_its_last(natives: Natives, fates: list[Fate], lost: str, tmp_path: Path) -> None:
    """Each flush is begun once, and its end is not lost."""
    image = tmp_path / "image"
    image.write_bytes(b"x" * 4096)
    disk = Disk(natives, image)
    try:
        lives: list[int] = []
        fates.append(last_calls("disk", CALLS, lost, lives))
        assert natives.ended(disk.start(FLUSHER, 120)) == ""
        assert len(lives) // 2 > 30  # calls: more than a driver makes before it serves, and for one round
        assert disk.said == []
        assert image.read_bytes() == bytes(4096)
    finally:
        disk.end()


@pytest.mark.parametrize("lost", ["request", "answer"])
def test_every_call_of_a_driver_may_be_its_last(natives: Natives, fates: list[Fate], lost: str) -> None:
    """Every second driver dies of one call later than the one before it. What clients ask for is done, once; no interrupt is lost."""
    console = Console(natives, attempts=1000)
    try:
        lives: list[int] = []
        fates.append(last_calls("console", CALLS, lost, lives))
        assert natives.ended(console.start(ECHO, 150)) == ""
        assert len(lives) // 2 > 40  # calls: they begin before a driver serves, and are more than those of one round
        assert console.said == []
    finally:
        console.end()


def test_given_up_driver(natives: Natives, fates: list[Fate]) -> None:
    """Who waits for an interrupt of a driver that is given up is called, and every call fails."""
    console = Console(natives, attempts=3)
    try:
        fates.append(lambda task: "request" if console.has_served and task.name == "console" else "")
        assert natives.ended(console.start(WAITER)) == ""
        assert len(console.said) == 1
        assert "console has died 3 times in a row and is given up" in console.said[0]
    finally:
        console.end()


def test_dead_clients_are_forgotten(natives: Natives) -> None:
    """No right to a client that has died is kept by the drivers that it used, or by who starts them."""
    console = Console(natives, attempts=3)

    def rights() -> dict[str, int]:
        return {task.name: len(task.space.entries) for task in (console.guardian.task, *console.drivers)}

    try:
        counts: list[dict[str, int]] = []
        for _ in range(3):
            assert natives.ended(console.start(CUSTOMER)) == ""
            natives.run_until(lambda: all(task.waits for task in (console.guardian.task, *console.drivers)))
            counts.append(rights())
        assert set(counts[0]) == {"reincarnation", "console", "files"}
        assert counts == counts[:1] * 3
    finally:
        console.end()
