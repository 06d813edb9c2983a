"""Systems of the tests have their control sockets in a directory of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from skerry import BlockingSystem
from skerry.options import Config

CONFIG = os.environ.get("SKERRY_CONFIG", Config.MACH_COLOCATED.value)


@pytest.fixture(autouse=True)
def runtime_directory(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))


@pytest.fixture(scope="module")
def shared() -> Iterator[BlockingSystem]:
    """A system for tests that leave nothing behind in it."""
    with BlockingSystem(config=CONFIG) as system:
        yield system


@pytest.fixture
def config() -> str:
    return CONFIG
