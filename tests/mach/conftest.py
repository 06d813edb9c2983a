"""A machine and a kernel for tests that run guest code."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.mach.guests import Guests

from skerry.machine import Machine


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with Machine() as machine:
        yield machine


@pytest.fixture
def guests(machine: Machine) -> Iterator[Guests]:
    guests = Guests(machine)
    yield guests
    guests.end()
