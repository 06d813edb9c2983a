"""A machine, a warm template, and a kernel for tests whose tasks are native."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.native.deaths import Fate, kill
from tests.native.natives import MODULES, Natives

from skerry.mach.native import NativeTask
from skerry.machine import Machine
from skerry.machine.native_task import Template


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with Machine() as machine:
        yield machine


@pytest.fixture(scope="module")
def template(machine: Machine) -> Iterator[Template]:
    with Template(machine, MODULES) as template:
        yield template


@pytest.fixture
def natives(machine: Machine, template: Template) -> Iterator[Natives]:
    natives = Natives(machine, template)
    yield natives
    natives.end()


@pytest.fixture
def fates(monkeypatch: pytest.MonkeyPatch) -> list[Fate]:
    """What decides over every call of a native task: the first that is not ""."""
    fates: list[Fate] = []
    rung = NativeTask._rung

    def decide(task: NativeTask) -> None:
        fate = next(filter(None, (fate(task) for fate in fates)), "")
        if fate:
            kill(task)
        if fate != "request":
            rung(task)

    monkeypatch.setattr(NativeTask, "_rung", decide)
    return fates
