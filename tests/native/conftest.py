"""A machine, a warm template, and a kernel for tests whose tasks are native."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.native.natives import MODULES, Natives

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
