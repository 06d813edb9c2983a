"""Remote calls declared once: the bytes, the dispatch, and agreement with the kernel's own table."""

from __future__ import annotations

from typing import Protocol

import pytest

from skerry.abi import mach, machmsg
from skerry.abi.machmsg import UserMessage
from skerry.lib import stubs
from skerry.lib.stubs import (
    CallError,
    CopySend,
    Data,
    Dispatcher,
    Int,
    Natural,
    Numbers,
    Text80,
    client,
    finish,
    routine,
    routines,
)
from skerry.servers.name import NameService


class Sample(Protocol):
    @routine(5000)
    async def add(self, left: Int, right: Int) -> Int: ...

    @routine(5001)
    async def mix(self, number: Natural, data: Data, text: Text80, numbers: Numbers) -> tuple[Natural, Data]: ...

    @routine(5002)
    async def hand_over(self, port: CopySend) -> None: ...


class Implementation:
    def __init__(self) -> None:
        self.ports: list[int] = []

    async def add(self, left: int, right: int) -> int:
        if right < 0:
            raise CallError(mach.KERN_INVALID_VALUE)
        return left + right

    async def mix(self, number: int, data: bytes, text: str, numbers: list[int]) -> tuple[int, bytes]:
        return number + sum(numbers), data + text.encode()

    async def hand_over(self, port: int) -> None:
        self.ports.append(port)


class Direct:
    """Carries requests to a dispatcher as bytes, with no kernel in between."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self.dispatcher = dispatcher
        self.sent: list[bytes] = []

    async def rpc(self, request: UserMessage) -> UserMessage:
        self.sent.append(machmsg.pack(request))
        received = machmsg.parse(self.sent[-1].replace(b"\x13\x20\x01\x10", b"\x11\x20\x01\x10"))  # a copied right comes as a send right
        _, answer = await self.dispatcher.answer(received)
        return machmsg.parse(machmsg.pack(answer))


@pytest.fixture
def direct() -> Direct:
    return Direct(Dispatcher(Sample, Implementation()))


def test_bytes_of_a_request(direct: Direct) -> None:
    """header: bits, size, remote, local, sequence, id; then type word (32-bit integer, one, inline) and value, twice."""
    assert finish(client(Sample, direct, 0x103).add(2, 3)) == 5
    assert direct.sent == [
        bytes.fromhex("13000000 28000000 03010000 00000000 00000000 88130000" + "02200110 02000000" + "02200110 03000000")
    ]


def test_bytes_of_a_reply() -> None:
    dispatcher = Dispatcher(Sample, Implementation())
    request = stubs.request(routines(Sample)[0], 0x103, (2, 3))
    code, reply = finish(dispatcher.answer(machmsg.parse(machmsg.pack(request))))
    assert code == mach.KERN_SUCCESS
    assert machmsg.pack(reply)[20:] == bytes.fromhex("ec130000" + "02200110 00000000" + "02200110 05000000")


def test_bytes_of_a_request_with_a_right(direct: Direct) -> None:
    finish(client(Sample, direct, 0x103).hand_over(0x107))
    assert direct.sent == [bytes.fromhex("13000080 20000000 03010000 00000000 00000000 8a130000" + "13200110 07010000")]


def test_all_types_come_through(direct: Direct) -> None:
    assert finish(client(Sample, direct, 1).mix((1 << 63), b"ab", "ü", [1, 2])) == ((1 << 63) + 3, b"ab\xc3\xbc")


def test_an_error_is_its_code(direct: Direct) -> None:
    with pytest.raises(CallError) as caught:
        finish(client(Sample, direct, 1).add(1, -1))
    assert caught.value.code == mach.KERN_INVALID_VALUE


@pytest.mark.parametrize(
    ("id", "body", "code"),
    [
        (4999, b"", mach.MIG_BAD_ID),
        (5000, b"", mach.MIG_BAD_ARGUMENTS),
        (5000, machmsg.pack_items((machmsg.integers(1), machmsg.naturals(1))), mach.MIG_BAD_ARGUMENTS),
        (5000, machmsg.pack_items((machmsg.integers(1), machmsg.integers(1, 2))), mach.MIG_BAD_ARGUMENTS),
        (5000, b"\xff" * 9, mach.MIG_TYPE_ERROR),
        (5002, machmsg.pack_items((machmsg.integers(1),)), mach.MIG_BAD_ARGUMENTS),
    ],
)
def test_hostile_requests_are_refused(id: int, body: bytes, code: int) -> None:
    implementation = Implementation()
    found, reply = finish(Dispatcher(Sample, implementation).answer(UserMessage(id, body=body)))
    assert found == code
    assert machmsg.parse_items(reply.body) == (machmsg.integers(code),)
    assert implementation.ports == []


def test_a_forged_answer_is_no_result() -> None:
    row = routines(Sample)[0]
    for answer in (UserMessage(5100), UserMessage(5101, body=machmsg.pack_items((machmsg.integers(0), machmsg.integers(5))))):
        with pytest.raises(CallError) as caught:
            stubs.results(row, answer)
        assert caught.value.code == mach.MIG_TYPE_ERROR


def test_the_table_of_an_interface() -> None:
    assert [(row.name, row.id) for row in routines(NameService)] == [
        ("netname_check_in", 1040),
        ("netname_look_up", 1041),
        ("netname_check_out", 1042),
    ]
