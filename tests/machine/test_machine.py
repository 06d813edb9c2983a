"""The machine runs real instructions: traps, faults, memory, forks, interruption, death."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from skerry.abi import linux
from skerry.abi import registers as reg
from skerry.abi.fault import Fault
from skerry.machine import AddressSpace, Context, HostEvent, Machine, MemoryObject, _host

pytestmark = pytest.mark.machine

CODE = 0x400000
STACK = 0x500000
RWX = linux.PROT_READ | linux.PROT_WRITE | linux.PROT_EXEC
SYSCALL = b"\x0f\x05"
STUB = Path(_host.__file__).with_name("stub")


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with Machine() as machine:
        yield machine


@pytest.fixture
def program(machine: Machine) -> Iterator[tuple[AddressSpace, Context]]:
    """A space with a page for code and one for a stack, and its context."""
    space, context = machine.new_space()
    space.map(CODE, 0x1000, RWX, False, None, 0)
    space.map(STACK, 0x1000, RWX, False, None, 0)
    space.flush()
    yield space, context
    space.kill()


def start(space: AddressSpace, context: Context, code: bytes) -> None:
    space.write(CODE, code)
    context.set(reg.RIP, CODE)
    context.set(reg.RSP, STACK + 0x800)
    context.set(reg.EFLAGS, 0x202)
    context.resume()


def next_trap(machine: Machine) -> Context:
    trap = machine.wait(machine.monotonic() + 5_000_000_000)
    assert isinstance(trap, Context)
    return trap


def test_system_call_traps_with_number_and_arguments(machine: Machine, program: tuple[AddressSpace, Context]) -> None:
    space, context = program
    # mov eax, 500; mov edi, 7; mov esi, 8; syscall; mov ebx, eax; mov eax, 501; syscall
    start(
        space,
        context,
        b"\xb8\xf4\x01\0\0\xbf\x07\0\0\0\xbe\x08\0\0\0" + SYSCALL + b"\x89\xc3\xb8\xf5\x01\0\0" + SYSCALL,
    )
    trap = next_trap(machine)
    assert (trap is context, trap.cause, trap.number) == (True, _host.SYSTEM_CALL, 500)
    assert trap.call(lambda first, a, b: (first, a, b), "me", 2) == ("me", 7, 8)
    trap.resume_with(99)
    assert next_trap(machine).number == 501
    assert context.get(reg.RBX) == 99


def test_fault_names_the_address(machine: Machine, program: tuple[AddressSpace, Context]) -> None:
    space, context = program
    start(space, context, b"\x48\xa1" + (0x123456000).to_bytes(8, "little"))  # mov rax, [0x123456000]
    trap = next_trap(machine)
    assert (trap.cause, trap.signo, trap.code, trap.address) == (
        _host.FAULT,
        linux.SIGSEGV,
        linux.SEGV_MAPERR,
        0x123456000,
    )


def test_memory_is_read_and_written_and_bad_addresses_fault(program: tuple[AddressSpace, Context]) -> None:
    space, _ = program
    space.write(CODE + 0xFF0, b"0123456789abcdef")
    assert space.read(CODE + 0xFF0, 16) == b"0123456789abcdef"
    assert space.read_string(CODE + 0xFF0, 8) is None
    with pytest.raises(Fault):
        space.read_string(CODE + 0xFF0, 4096)
    with pytest.raises(Fault):
        space.read(CODE + 0xFF0, 17)
    with pytest.raises(Fault):
        space.read(space.limit, 8)
    with pytest.raises(Fault):
        space.read(2**64 + 80, 8)  # a sum that does not fit in 64 bits any more
    with pytest.raises(Fault):
        space.read(CODE, 1 << 46)
    with pytest.raises(Fault):
        space.write(2**64, b"x")
    with pytest.raises(Fault):
        space.read_string(2**65, 8)
    with pytest.raises(ValueError, match="not the program's"):
        space.unmap(space.limit, 0x1000)


def test_shared_object_is_seen_by_both_and_private_is_copied(machine: Machine, program: tuple[AddressSpace, Context]) -> None:
    space, _ = program
    shared = MemoryObject(0x2000)
    shared.write(0, b"before")
    space.map(0x600000, 0x1000, 3, True, shared, 0)
    space.map(0x700000, 0x1000, 3, False, shared, 0)
    space.flush()
    space.write(0x600000, b"SHARED")
    assert shared.read(0, 6) == b"SHARED"
    space.write(0x700000, b"mine!!")
    assert shared.read(0, 6) == b"SHARED"
    child, _context = space.fork()
    child.write(0x700000, b"child!")
    child.write(0x600000, b"both!!")
    assert (space.read(0x700000, 6), space.read(0x600000, 6)) == (b"mine!!", b"both!!")
    child.kill()


def test_forked_context_runs_with_its_own_registers(machine: Machine, program: tuple[AddressSpace, Context]) -> None:
    space, context = program
    start(space, context, SYSCALL + b"\x89\xc3" + SYSCALL)
    assert next_trap(machine) is context
    child, copy = space.fork()
    copy.set_registers(context.registers())
    copy.set_xstate(context.xstate())
    copy.resume_with(7)
    assert next_trap(machine) is copy
    assert copy.get(reg.RBX) == 7
    child.kill()


def test_threads_share_memory(machine: Machine, program: tuple[AddressSpace, Context]) -> None:
    space, context = program
    start(space, context, SYSCALL)
    next_trap(machine)
    second = space.new_context()
    second.set_registers(context.registers())
    second.set(reg.RIP, CODE)
    second.set(reg.RAX, 77)
    second.resume()
    assert next_trap(machine) is second
    assert second.number == 77


def test_running_context_is_interrupted(machine: Machine, program: tuple[AddressSpace, Context]) -> None:
    space, context = program
    start(space, context, SYSCALL + b"\xeb\xfe")  # then jump to itself
    next_trap(machine).resume()
    context.interrupt()
    trap = next_trap(machine)
    assert (trap.cause, trap.get(reg.RIP)) == (_host.INTERRUPTION, CODE + 2)


def test_bases_and_vector_state_survive(machine: Machine, program: tuple[AddressSpace, Context]) -> None:
    space, context = program
    # movq xmm0, rbx; syscall; movq rbx, xmm0; mov rcx, fs:[0]; syscall
    start(space, context, SYSCALL + bytes.fromhex("66480f6ec3") + SYSCALL + bytes.fromhex("66480f7ec3") + SYSCALL)
    next_trap(machine)
    context.set(reg.RBX, 0x1122334455667788)
    context.fs_base = STACK
    context.resume()
    next_trap(machine)
    context.resume()
    next_trap(machine)
    assert (context.get(reg.RBX), context.fs_base) == (0x1122334455667788, STACK)


def test_identity_is_answered_without_a_trap(machine: Machine, program: tuple[AddressSpace, Context]) -> None:
    space, context = program
    context.set_identity(41, 42)
    # getpid into ebx, gettid into ebp, then call 500
    start(
        space,
        context,
        b"\xb8\x27\0\0\0" + SYSCALL + b"\x89\xc3\xb8\xba\0\0\0" + SYSCALL + b"\x89\xc5\xb8\xf4\x01\0\0" + SYSCALL,
    )
    assert next_trap(machine).number == 500
    assert (context.get(reg.RBX), context.get(reg.RBP)) == (41, 42)


def test_killed_process_is_noticed(machine: Machine, program: tuple[AddressSpace, Context]) -> None:
    space, _ = program
    seen: list[int] = []
    event = HostEvent(space.host.pidfd, lambda: seen.append(1))
    machine.watch(event)
    assert space.host.status() is None
    os.kill(space.host.pid, signal.SIGKILL)
    assert machine.wait(machine.monotonic() + 5_000_000_000) is event
    assert space.host.status() == -signal.SIGKILL
    machine.unwatch(event)
    with pytest.raises(OSError, match="gone"):
        space.map(0x600000, 0x1000, 3, False, None, 0)


def test_wait_ends_at_its_deadline(machine: Machine) -> None:
    before = time.monotonic_ns()
    assert machine.wait(before + 2_000_000) is None
    assert time.monotonic_ns() >= before + 2_000_000


@pytest.mark.parametrize(
    "number", [9, 10, 11, 56, 47, 157, 317], ids=["mmap", "mprotect", "munmap", "clone", "recvmsg", "prctl", "seccomp"]
)
def test_guest_that_jumps_to_a_gadget_of_the_stub_only_traps(machine: Machine, program: tuple[AddressSpace, Context], number: int) -> None:
    """Row 3 of the attack table: the stub's own syscall instructions with the attacker's registers."""
    space, context = program
    gadget = 0x7FF000000000 + STUB.read_bytes().index(SYSCALL)
    start(space, context, SYSCALL + b"\xff\xe3")  # then jmp rbx
    next_trap(machine)
    for register, value in (
        (reg.RBX, gadget),
        (reg.RAX, number),
        (reg.RDI, 0x10000),
        (reg.RSI, 0x1000),
        (reg.RDX, 7),
        (reg.R10, 0x32),
    ):
        context.set(register, value)
    context.resume()
    trap = next_trap(machine)
    assert (trap.cause, trap.from_stub, trap.number) == (_host.SYSTEM_CALL, True, number)
    with pytest.raises(Fault):
        space.read(0x10000, 1)


def test_the_kernel_has_a_processor_of_its_own_and_any_can_be_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several systems on a host would share the one that all of them took."""
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
        everything = os.sched_getaffinity(0)
        if len(everything) == 1:
            pytest.skip("there is one processor")
        for own in everything:
            os.sched_setaffinity(0, everything)
            monkeypatch.setattr(random, "choice", lambda processors, own=own: own)
            with Machine() as machine:
                assert os.sched_getaffinity(0) == {own}
                assert set(machine.guest_processors) == everything - {own}
    finally:
        os.sched_setaffinity(0, before)
