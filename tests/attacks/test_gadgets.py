"""Row 3 and 4 of the attack table: every `syscall` in the stub's text, with every number, from a guest context.

The context's filter lets through rt_sigreturn, and futex wait and wake on the stub's words; nothing else may reach the host.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from sandbox import STUB

from skerry.abi import linux
from skerry.abi import registers as reg
from skerry.machine import AddressSpace, Context, HostEvent, Machine, _host

pytestmark = [pytest.mark.machine, pytest.mark.slow]

BASE = 0x7FF000000000
CODE = 0x400000
TARGET = 0x10000  # what mmap and the like are asked to change
SYSCALL = b"\x0f\x05"
FUTEX, SIGRETURN = 202, 15
# PROBES: the host lets uretprobe (335) and uprobe (336) pass every seccomp filter, since Linux 6.14. It answers those that are not from its
# own trampoline with SIGILL, and with ENXIO: then the guest goes on after the instruction, in the stub, without a stack.
NUMBERS = range(480)
RWX = linux.PROT_READ | linux.PROT_WRITE | linux.PROT_EXEC


def gadgets() -> list[int]:
    """Where the bytes of the instruction are, aligned to nothing."""
    text = STUB.read_bytes()
    found, at = [], -1
    while (at := text.find(SYSCALL, at + 1)) >= 0:
        found.append(BASE + at)
    return found


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with Machine() as machine:
        yield machine


class Attacker:
    """A guest that jumps where it is told, again and again; made anew when it was killed."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.space: AddressSpace | None = None

    def begin(self) -> None:
        self.space, self.context = self.machine.new_space()
        self.space.map(CODE, 0x1000, RWX, False, None, 0)
        self.space.flush()
        self.space.write(CODE, SYSCALL + b"\xff\xe3")  # then jmp rbx
        self.event = HostEvent(self.space.host.pidfd, lambda: None)
        self.machine.watch(self.event)
        self.context.set(reg.RIP, CODE)
        self.context.set(reg.EFLAGS, 0x202)
        self.context.resume()
        assert self.wait() is self.context

    def wait(self) -> Context | HostEvent:
        while True:
            trap = self.machine.wait(self.machine.monotonic() + 5_000_000_000)
            assert trap is not None, "the attacker neither trapped nor died"
            if isinstance(trap, Context) or trap is self.event:
                return trap
            trap.callback()  # the machine's own business

    def end(self) -> None:
        if self.space is not None:
            self.machine.unwatch(self.event)
            self.space.kill()
            self.space = None

    def jump(self, gadget: int, number: int, arguments: tuple[int, ...]) -> Context | None:
        """Its next trap; None if it was killed."""
        if self.space is None:
            self.begin()
        context = self.context
        for register, value in zip((reg.RDI, reg.RSI, reg.RDX, reg.R10, reg.R8, reg.R9), arguments, strict=True):
            context.set(register, value)
        context.set(reg.RIP, CODE + len(SYSCALL))
        context.set(reg.RBX, gadget)
        context.set(reg.RAX, number)
        context.resume()
        trap = self.wait()
        if isinstance(trap, Context):
            return trap
        assert self.space is not None
        assert self.space.host.status() == -signal.SIGSYS
        self.end()
        return None


@pytest.fixture
def attacker(machine: Machine) -> Iterator[Attacker]:
    attacker = Attacker(machine)
    yield attacker
    attacker.end()


def test_the_stub_has_gadgets() -> None:
    assert len(gadgets()) > 10  # else the tests below test nothing


@pytest.mark.parametrize("gadget", gadgets(), ids=hex)
def test_gadget_with_the_mappers_calls_traps(attacker: Attacker, gadget: int) -> None:
    """The calls that the mapper may make: from a context each is a trap, made where the gadget is."""
    for number in (9, 10, 11, 25, 28, 3, 33, 44, 47, 56, 60, 131, 157, 231, 317):
        for arguments in ((TARGET, 0x1000, 7, 0x32, 2**64 - 1, 0), (0, 0, 0, 0, 0, 0), (0, 0x7FF000300000, 1, 0, 0, 0)):
            trap = attacker.jump(gadget, number, arguments)
            assert trap is not None, number
            assert (trap.cause, trap.from_stub, trap.number) == (_host.SYSTEM_CALL, True, number)


@pytest.mark.parametrize("high", [0, 0x40000000], ids=["x86-64", "x32"])
def test_gadget_with_every_other_number_traps_or_kills(attacker: Attacker, high: int) -> None:
    gadget = gadgets()[0]
    for number in NUMBERS:
        if number + high in (FUTEX, SIGRETURN):
            continue
        trap = attacker.jump(gadget, number + high, (TARGET, 0x1000, 7, 0x32, 2**64 - 1, 0))
        if trap is None:
            continue
        if trap.cause == _host.FAULT:
            assert trap.from_stub
            assert (number + high, trap.signo) in ((335, linux.SIGILL), (336, linux.SIGSEGV))  # see PROBES
        else:
            assert (trap.cause, trap.from_stub, trap.number) == (_host.SYSTEM_CALL, True, number + high)


def test_gadget_gives_no_other_futex_call(attacker: Attacker) -> None:
    """FUTEX_WAIT and FUTEX_WAKE on a word of the stub's pages, and no operation beside them, and no word of anybody else's."""
    gadget = gadgets()[0]
    word = 0x7FF000300000
    for operation in (2, 3, 4, 5, 6, 9, 11, 13, 128, 129, 256, 0x7FFFFFFF):
        trap = attacker.jump(gadget, FUTEX, (word, operation, 1, 0, 0, 0))
        assert trap is not None
        assert (trap.cause, trap.from_stub) == (_host.SYSTEM_CALL, True), operation
    for address in (CODE, 0, 0x7FEFFFFFF000, 0x7FF100000000, 0xFFFF800000000000):
        trap = attacker.jump(gadget, FUTEX, (address, 1, 1, 0, 0, 0))
        assert trap is not None
        assert (trap.cause, trap.from_stub) == (_host.SYSTEM_CALL, True), address


def test_call_just_below_the_stub_is_no_better(attacker: Attacker) -> None:
    """The host sees the address *after* the instruction: one that ends where the stub begins looks like the stub's."""
    attacker.begin()
    assert attacker.space is not None
    attacker.space.map(BASE - 0x1000, 0x1000, RWX, False, None, 0)
    attacker.space.flush()
    attacker.space.write(BASE - 2, SYSCALL)
    for number in (9, 10, 11, 56, 231, 317):
        trap = attacker.jump(BASE - 2, number, (TARGET, 0x1000, 7, 0x32, 2**64 - 1, 0))
        assert trap is not None
        assert (trap.cause, trap.number) == (_host.SYSTEM_CALL, number)


def test_int80_in_the_stubs_range_kills(machine: Machine) -> None:
    """No such bytes are in the stub; if a compiler put them there, the filter's architecture check would have to hold."""
    assert b"\xcd\x80" not in STUB.read_bytes()
