"""A system call that touches memory which a pager must bring first."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from skerry.abi import linux
from skerry.abi.fault import Fault
from skerry.unix.server import Server
from skerry.unix.substrate import UserThread

if TYPE_CHECKING:
    from skerry.unix.process import Thread


class Boundary(Server):
    """Keeps what is answered."""

    def __init__(self) -> None:
        super().__init__(cast(Any, SimpleNamespace(handlers={})), {})
        self.answers: list[int] = []

    def answer(self, thread: Thread, result: int) -> None:
        self.answers.append(result)


class User:
    """A thread whose memory comes when the test says so."""

    def __init__(self, handler: Callable[[], int], comes: bool) -> None:
        self.owner = SimpleNamespace(handlers={7: (handler, 0)}, dead=False)
        self.comes = comes
        self.arrived: list[Callable[[bool], None]] = []
        self.asked: list[int] = []

    def call(self, function: Callable[[], int], _first: object, _count: int) -> int:
        return function()

    def page_in(self, address: int, arrived: Callable[[bool], None]) -> bool:
        self.asked.append(address)
        self.arrived.append(arrived)
        return self.comes


def begin(faults: int, comes: bool) -> tuple[Boundary, Any]:
    left = [0x1000] * faults

    def handler() -> int:
        if left:
            raise Fault(left.pop())
        return 5

    server, user = Boundary(), User(handler, comes)
    server.system_call(cast(UserThread, user), 7)
    return server, user


@pytest.mark.parametrize("faults", [1, 2])
def test_it_is_made_again_when_the_page_has_come(faults: int) -> None:
    server, user = begin(faults, True)
    for _ in range(faults):
        assert server.answers == []
        user.arrived.pop()(True)
    assert server.answers == [5]
    assert user.asked == [0x1000] * faults


def test_a_page_that_does_not_come_is_efault() -> None:
    server, user = begin(1, True)
    user.arrived.pop()(False)
    assert server.answers == [-linux.EFAULT]


def test_memory_that_is_not_there_is_efault_at_once() -> None:
    server, _ = begin(1, False)
    assert server.answers == [-linux.EFAULT]
