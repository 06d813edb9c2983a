"""Guest code under Mach: redirected calls, exceptions as messages, suspension, registers, calls by message."""

from __future__ import annotations

import struct

import pytest
from tests.mach.guests import CODE, SPIN, STACK, SYSCALL, Guests, mov_eax
from tests.mach.world import Outcome

from skerry.abi import mach, machmsg
from skerry.abi import registers as reg
from skerry.abi.machmsg import UserMessage
from skerry.mach import mach_port as mp
from skerry.mach.calls import BY_ID, BY_NAME, TABLE
from skerry.mach.errors import KernReturn
from skerry.mach.ipc import mach_msg
from skerry.mach.right import RightKind
from skerry.mach.task import Task, mach_task_self, task_create
from skerry.mach.thread import Thread

pytestmark = pytest.mark.machine

READ_FAULT = b"\x48\xa1" + (0x12345678000).to_bytes(8, "little")  # mov rax, [0x12345678000]
ILLEGAL = b"\x0f\x0b"
BREAK = b"\xcc"
DIVIDE = b"\x31\xc9\xf7\xf1"  # xor ecx, ecx; div ecx
SUCCESS = machmsg.pack_items((machmsg.integers(KernReturn.SUCCESS),))
FAILURE = machmsg.pack_items((machmsg.integers(KernReturn.FAILURE),))
ALL_CALLS = (0, mach.SYSTEM_CALL_LAST)


class Server:
    """A co-located server that takes traps by hand-over."""

    def __init__(self) -> None:
        self.calls: list[tuple[Thread, int]] = []
        self.exceptions: list[Thread] = []
        self.interruptions: list[Thread] = []
        self.deaths: list[Task] = []

    def system_call(self, thread: Thread) -> None:
        self.calls.append((thread, thread.context.number))

    def exception(self, thread: Thread, _code: int) -> None:
        self.exceptions.append(thread)

    def interruption(self, thread: Thread) -> None:
        self.interruptions.append(thread)
        thread.resume()

    def death(self, task: Task) -> None:
        self.deaths.append(task)
        task.terminate()


def words(message: UserMessage) -> tuple[int, ...]:
    """The 64-bit words of a message's second item."""
    assert message.items is not None
    data = message.items[1].data
    assert isinstance(data, bytes)
    return struct.unpack(f"<{len(data) // 8}Q", data)


def redirect(guests: Guests, task: Task, name: int, first: int, last: int) -> None:
    assert guests.call("task_set_emulation", task, first, last, guests.server.send_right(name))[0] == 0


def handle_exceptions(guests: Guests, target: Task | Thread, name: int) -> None:
    call = "task_set_special_port" if isinstance(target, Task) else "thread_set_special_port"
    assert guests.call(call, target, mach.TASK_EXCEPTION_PORT, guests.server.send_right(name))[0] == 0


def test_redirected_call_is_a_typed_message_and_its_reply_the_result(guests: Guests) -> None:
    task, thread = guests.task()
    port = guests.server.new_port()
    redirect(guests, task, port, *ALL_CALLS)
    # mov edi, 7; mov eax, 500; syscall; mov ebx, eax; mov eax, 501; syscall
    guests.start(thread, b"\xbf\x07\0\0\0" + mov_eax(500) + SYSCALL + b"\x89\xc3" + mov_eax(501) + SYSCALL)
    request = guests.server.receive(port)
    assert (request.id, request.local, words(request)[:2]) == (mach.ID_SYSTEM_CALL, port, (500, 7))
    assert request.items is not None
    task_name, thread_name = machmsg.names_in(request.items[0])
    assert guests.server.space.lookup(task_name).port is task.port
    assert guests.server.space.lookup(thread_name).port is thread.port
    guests.server.reply(request, machmsg.pack_items((machmsg.naturals(99),)))
    assert words(guests.server.receive(port))[0] == 501
    assert thread.get(reg.RBX) == 99


def test_call_is_handed_over_to_a_server_that_waits(guests: Guests) -> None:
    task, thread = guests.task()
    name = guests.server.new_port()
    redirect(guests, task, name, *ALL_CALLS)
    server = Server()
    port = guests.server.space.lookup(name).port
    port.receive_traps(server)
    guests.start(thread, mov_eax(500) + SYSCALL)
    guests.run_until(lambda: bool(server.calls))
    assert server.calls == [(thread, 500)]
    assert (len(port.messages), port.sequence) == (0, 1)


def test_calls_that_came_before_their_server_wait_for_it(guests: Guests) -> None:
    task, thread = guests.task()
    name = guests.server.new_port()
    redirect(guests, task, name, *ALL_CALLS)
    port = guests.server.space.lookup(name).port
    guests.start(thread, mov_eax(500) + SYSCALL + mov_eax(501) + SYSCALL)
    guests.run_until(lambda: bool(port.messages))
    server = Server()
    port.receive_traps(server)
    guests.kernel.processor.run()
    assert (server.calls, len(port.messages)) == ([(thread, 500)], 0)
    thread.resume()
    guests.run_until(lambda: len(server.calls) == 2)
    assert task.alive


def test_numbers_go_where_their_range_says(guests: Guests) -> None:
    task, thread = guests.task()
    first, second = guests.server.new_port(), guests.server.new_port()
    redirect(guests, task, first, 0, 999)
    redirect(guests, task, second, 500, 599)
    for number, port in ((499, first), (500, second), (599, second), (600, first)):
        guests.start(thread, mov_eax(number) + SYSCALL)
        assert words(guests.server.receive(port))[0] == number
        assert thread.context.running is False
    code, (numbers, ports) = guests.call("task_get_emulation_vector", task)
    assert (code, numbers) == (0, [0, 499, 500, 599, 600, 999])
    assert isinstance(ports, list)
    assert [guests.server.space.named[port].name for port in ports] == [first, second, first]


def test_number_that_goes_nowhere_is_a_bad_instruction(guests: Guests) -> None:
    task, thread = guests.task()
    port = guests.server.new_port()
    handle_exceptions(guests, task, port)
    guests.start(thread, mov_eax(77) + SYSCALL)
    assert words(guests.server.receive(port)) == (mach.EXC_BAD_INSTRUCTION, 77, 0)


def test_call_that_nobody_answers_is_an_exception(guests: Guests) -> None:
    task, thread = guests.task()
    port, handler = guests.server.new_port(), guests.server.new_port()
    redirect(guests, task, port, *ALL_CALLS)
    handle_exceptions(guests, task, handler)
    guests.start(thread, mov_eax(77) + SYSCALL)
    request = guests.server.receive(port)
    guests.server.space.destroy(guests.server.space.lookup(request.remote))
    assert words(guests.server.receive(handler))[0] == mach.EXC_EMULATION


def test_children_inherit_the_emulation_vector(guests: Guests) -> None:
    task, _ = guests.task()
    port = guests.server.new_port()
    redirect(guests, task, port, *ALL_CALLS)
    child, thread = task_create(task)
    guests.tasks.append(child)
    guests.start(thread, mov_eax(500) + SYSCALL)
    assert words(guests.server.receive(port))[0] == 500
    assert thread.task is child


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (READ_FAULT, (mach.EXC_BAD_ACCESS, KernReturn.INVALID_ADDRESS, 0x12345678000)),
        (b"\x48\xa3" + CODE.to_bytes(8, "little"), (mach.EXC_BAD_ACCESS, KernReturn.PROTECTION_FAILURE, CODE)),
        (ILLEGAL, (mach.EXC_BAD_INSTRUCTION,)),
        (BREAK, (mach.EXC_BREAKPOINT,)),
        (DIVIDE, (mach.EXC_ARITHMETIC,)),
    ],
    ids=["unmapped", "read-only", "illegal", "break", "divide"],
)
def test_fault_is_an_exception_message(guests: Guests, code: bytes, expected: tuple[int, ...]) -> None:
    task, thread = guests.task()
    port = guests.server.new_port()
    handle_exceptions(guests, task, port)
    task.map.space.write(CODE, code)
    guests.call("vm_protect", task, CODE, 0x1000, 0, mach.VM_PROT_READ | mach.VM_PROT_EXECUTE)
    thread.set(reg.RIP, CODE)
    thread.set(reg.RSP, STACK + 0x800)
    thread.resume()
    request = guests.server.receive(port)
    assert request.id == mach.ID_EXCEPTION_RAISE
    assert words(request)[: len(expected)] == expected
    assert request.items is not None
    thread_name, task_name = machmsg.names_in(request.items[0])
    assert guests.server.space.lookup(thread_name).port is thread.port
    assert guests.server.space.lookup(task_name).port is task.port


def test_handler_that_succeeds_resumes_the_thread_from_the_state_that_it_set(guests: Guests) -> None:
    task, thread = guests.task()
    port = guests.server.new_port()
    handle_exceptions(guests, task, port)
    guests.start(thread, ILLEGAL + mov_eax(0x1234) + ILLEGAL)
    request = guests.server.receive(port)
    code, (state,) = guests.call("thread_get_state", thread, mach.X86_64_THREAD_STATE)
    assert isinstance(state, bytes)
    registers = list(struct.unpack("<25Q", state))
    assert (code, registers[reg.RIP]) == (0, CODE)
    registers[reg.RIP] += 2
    assert guests.call("thread_set_state", thread, mach.X86_64_THREAD_STATE, struct.pack("<25Q", *registers))[0] == 0
    guests.server.reply(request, SUCCESS)
    guests.server.receive(port)
    assert thread.get(reg.RAX) == 0x1234


@pytest.mark.parametrize("how", ["failure", "garbage", "given up", "dead port"])
def test_exception_goes_to_the_thread_then_the_task_then_ends_it(guests: Guests, how: str) -> None:
    task, thread = guests.task()
    mine, other = guests.server.new_port(), guests.server.new_port()
    handle_exceptions(guests, thread, mine)
    handle_exceptions(guests, task, other)
    guests.start(thread, ILLEGAL)
    if how == "dead port":
        guests.server.space.destroy(guests.server.space.lookup(mine))
    else:
        request = guests.server.receive(mine)
        if how == "given up":
            guests.server.space.destroy(guests.server.space.lookup(request.remote))
            guests.kernel.processor.run()
        else:
            guests.server.reply(request, FAILURE if how == "failure" else b"\xff\xff\xff")
    assert task.alive
    guests.server.reply(guests.server.receive(other), FAILURE)
    assert not task.alive
    assert task.port.dead


def test_exception_without_a_handler_ends_the_task(guests: Guests) -> None:
    task, thread = guests.task()
    guests.start(thread, ILLEGAL)
    guests.run_until(lambda: not task.alive)


def test_killed_host_process_ends_the_task_and_its_rights(guests: Guests) -> None:
    task, thread = guests.task()
    name = guests.server.name_of(task)
    guests.start(thread, SPIN)
    task.map.space.host.kill()
    guests.run_until(lambda: not task.alive)
    assert guests.server.space.lookup(name).types == mach.MACH_PORT_TYPE_DEAD_NAME


def test_suspended_thread_stands_still_until_it_was_resumed_as_often(guests: Guests) -> None:
    task, thread = guests.task()
    guests.start(thread, SYSCALL + b"\x48\xff\xc3" + b"\xeb\xfb")  # the trap that proves that it runs; then inc rbx; jmp back
    port = guests.server.new_port()
    redirect(guests, task, port, *ALL_CALLS)
    guests.server.reply(guests.server.receive(port), machmsg.pack_items((machmsg.naturals(0),)))
    assert guests.call("thread_suspend", thread)[0] == 0
    assert guests.call("task_suspend", task)[0] == 0
    counted = thread.get(reg.RBX)
    assert not thread.context.running
    info = [0, 0, 0, 0, 0, 12, 12, mach.TH_STATE_STOPPED, 0, 1, 0]
    assert guests.call("thread_info", thread, mach.THREAD_BASIC_INFO) == (0, (info,))
    assert guests.call("task_resume", task)[0] == 0
    assert thread.get(reg.RBX) == counted
    assert not thread.context.running
    assert guests.call("thread_resume", thread)[0] == 0
    assert thread.context.running
    assert guests.call("thread_resume", thread)[0] == KernReturn.FAILURE
    assert guests.call("task_resume", task)[0] == KernReturn.FAILURE


def test_thread_that_is_suspended_before_it_ever_ran_does_not_run(guests: Guests) -> None:
    task, thread = guests.task()
    port = guests.server.new_port()
    redirect(guests, task, port, *ALL_CALLS)
    assert guests.call("thread_suspend", thread)[0] == 0
    guests.start(thread, mov_eax(500) + SYSCALL)
    guests.kernel.wait_once(guests.machine.monotonic() + 5_000_000)
    assert not guests.server.space.lookup(port).port.messages
    guests.call("thread_resume", thread)
    assert words(guests.server.receive(port))[0] == 500


def test_state_of_a_running_thread_is_read_and_it_runs_on(guests: Guests) -> None:
    task, thread = guests.task()
    port = guests.server.new_port()
    redirect(guests, task, port, *ALL_CALLS)
    guests.start(thread, b"\xbb\x07\0\0\0" + SYSCALL + SPIN)  # mov ebx, 7
    guests.server.reply(guests.server.receive(port), machmsg.pack_items((machmsg.naturals(0),)))
    code, (state,) = guests.call("thread_get_state", thread, mach.X86_64_THREAD_STATE)
    assert isinstance(state, bytes)
    assert (code, struct.unpack("<25Q", state)[reg.RBX]) == (0, 7)
    assert thread.context.running


@pytest.mark.parametrize(("flavor", "state"), [(99, b""), (mach.X86_64_THREAD_STATE, bytes(8)), (mach.X86_64_FLOAT_STATE, b"short")])
def test_wrong_state_is_refused(guests: Guests, flavor: int, state: bytes) -> None:
    _, thread = guests.task()
    assert guests.call("thread_set_state", thread, flavor, state)[0] == KernReturn.INVALID_ARGUMENT


def test_set_state_keeps_what_is_not_the_programs(guests: Guests) -> None:
    task, thread = guests.task()
    port = guests.server.new_port()
    redirect(guests, task, port, *ALL_CALLS)
    guests.start(thread, SYSCALL)
    guests.server.receive(port)
    selectors = thread.get(reg.CSGSFS)
    state = struct.pack("<25Q", *[(1 << 64) - 1] * 17, (1 << 64) - 1, 0, 0, 0, 0, 0, 0, 0)
    assert guests.call("thread_set_state", thread, mach.X86_64_THREAD_STATE, state)[0] == 0
    assert (thread.get(reg.CSGSFS), thread.get(reg.EFLAGS) & ~0x240DD5) == (selectors, 0x202)
    state = struct.pack("<25Q", *[0] * 23, task.map.space.limit, 0)
    assert guests.call("thread_set_state", thread, mach.X86_64_THREAD_STATE, state)[0] == KernReturn.INVALID_ARGUMENT


def test_created_thread_is_suspended_and_a_terminated_one_gone(guests: Guests) -> None:
    task, first = guests.task()
    port = guests.server.new_port()
    redirect(guests, task, port, *ALL_CALLS)
    guests.start(first, SYSCALL + SPIN)
    guests.server.reply(guests.server.receive(port), machmsg.pack_items((machmsg.naturals(0),)))
    assert guests.call("thread_create", task)[0] == 0
    second = task.threads[1]
    second.set(reg.RIP, CODE)
    second.set(reg.RAX, 5)
    assert guests.call("thread_info", second, mach.THREAD_BASIC_INFO)[1][0][9] == 1
    assert guests.call("thread_resume", second)[0] == 0
    assert words(guests.server.receive(port))[0] == 5
    for thread in (first, second):
        assert guests.call("thread_terminate", thread)[0] == 0
        assert guests.call("thread_terminate", thread)[0] == KernReturn.TERMINATED
        assert guests.call("thread_suspend", thread)[0] == KernReturn.TERMINATED
    guests.run_until(lambda: len(task.parked) == 2)
    assert guests.call("task_threads", task) == (0, ([],))


def test_threads_of_a_suspended_task_are_created_held(guests: Guests) -> None:
    task, _ = guests.task()
    guests.call("task_suspend", task)
    thread = task.new_thread()
    thread.resume()
    assert thread.holds == 1
    guests.call("task_resume", task)
    assert thread.holds == 0


def test_special_ports_are_kept_inherited_and_given_up(guests: Guests) -> None:
    task, _ = guests.task()
    name = guests.server.new_port()
    port = guests.server.space.lookup(name).port
    guests.call("task_set_special_port", task, mach.TASK_BOOTSTRAP_PORT, guests.server.send_right(name))
    child, _ = task_create(task)
    guests.tasks.append(child)
    code, (held,) = guests.call("task_get_special_port", child, mach.TASK_BOOTSTRAP_PORT)
    assert (code, held) == (0, (RightKind.SEND, port))
    assert port.sends == 3
    task.terminate()
    child.terminate()
    assert port.sends == 1
    assert guests.call("task_get_special_port", task, 1)[0] == KernReturn.TERMINATED


def test_what_a_task_takes_for_itself_can_be_interposed(guests: Guests) -> None:
    task, _ = guests.task()
    assert task.space.lookup(mach_task_self(task)).port is task.port
    name = guests.server.new_port()
    guests.call("task_set_special_port", task, mach.TASK_KERNEL_PORT, guests.server.send_right(name))
    assert task.space.lookup(mach_task_self(task)).port is guests.server.space.lookup(name).port


@pytest.mark.parametrize("which", [0, 2, 99])
def test_unknown_special_port_is_refused_and_the_right_released(guests: Guests, which: int) -> None:
    task, _ = guests.task()
    name = guests.server.new_port()
    assert guests.call("task_set_special_port", task, which, guests.server.send_right(name))[0] == KernReturn.INVALID_ARGUMENT
    assert guests.server.space.lookup(name).port.sends == 0


def rpc(guests: Guests, target: int, id: int, *items: machmsg.Item, complex: bool = False) -> tuple[int, tuple[machmsg.Item, ...]]:
    """A call as a message; the code and the results."""
    reply_port = guests.server.new_port()
    request = UserMessage(
        id,
        target,
        reply_port,
        mach.MSG_TYPE_COPY_SEND,
        mach.MSG_TYPE_MAKE_SEND_ONCE,
        items if complex else None,
        b"" if complex else machmsg.pack_items(items),
    )
    assert guests.server.msg(request, mach.MACH_SEND_MSG).code == 0
    reply = guests.server.receive(reply_port)
    assert reply.id == id + mach.REPLY_ID
    given = reply.items if reply.items is not None else machmsg.parse_items(reply.body)
    assert isinstance(given[0].data, bytes)
    return int.from_bytes(given[0].data, "little", signed=True), given[1:]


def test_every_operation_is_a_message_to_the_objects_port(guests: Guests) -> None:
    task, thread = guests.task()
    name, thread_name = guests.server.name_of(task), guests.server.name_of(thread)
    page = (machmsg.naturals(0x700000), machmsg.naturals(0x1000))
    assert rpc(guests, name, mach.ID_VM_ALLOCATE, *page, machmsg.integers(0)) == (0, (machmsg.naturals(0x700000),))
    data = machmsg.Item(mach.MSG_TYPE_BYTE, 8, 6, b"skerry", False)
    assert rpc(guests, name, mach.ID_VM_WRITE, machmsg.naturals(0x700003), data, complex=True)[0] == 0
    code, (read,) = rpc(guests, name, mach.ID_VM_READ, machmsg.naturals(0x700003), machmsg.naturals(6))
    assert (code, read.data, read.inline) == (0, b"skerry", False)
    assert rpc(guests, thread_name, mach.ID_THREAD_SUSPEND) == (0, ())
    assert thread.suspend_count == 1
    assert rpc(guests, thread_name, mach.ID_THREAD_RESUME) == (0, ())
    assert rpc(guests, thread_name, mach.ID_THREAD_RESUME)[0] == KernReturn.FAILURE
    code, (created,) = rpc(guests, name, mach.ID_TASK_CREATE, machmsg.integers(1))
    child = guests.server.space.lookup(machmsg.names_in(created)[0]).port
    assert code == 0
    assert rpc(guests, machmsg.names_in(created)[0], mach.ID_TASK_TERMINATE)[0] == 0
    assert child.dead


def test_right_goes_into_a_task_and_out_by_message(guests: Guests) -> None:
    task, _ = guests.task()
    name = guests.server.name_of(task)
    mine = guests.server.new_port()
    unsigned = machmsg.Item(mach.MSG_TYPE_INTEGER_32, 32, 1, struct.pack("<I", 0x2222))
    given = machmsg.rights(mach.MSG_TYPE_MAKE_SEND, mine)
    assert rpc(guests, name, mach.ID_MACH_PORT_INSERT_RIGHT, unsigned, given, complex=True)[0] == 0
    assert rpc(guests, name, mach.ID_MACH_PORT_INSERT_RIGHT, unsigned, given, complex=True)[0] == 0
    assert task.space.lookup(0x2222).urefs == 2
    assert guests.server.space.lookup(mine).port.sends == 1
    code, (out,) = rpc(guests, name, mach.ID_MACH_PORT_EXTRACT_RIGHT, unsigned, machmsg.integers(mach.MSG_TYPE_COPY_SEND))
    assert (code, machmsg.names_in(out)) == (0, (mine,))


@pytest.mark.parametrize(
    ("id", "items", "code"),
    [
        (1, (), mach.MIG_BAD_ID),
        (mach.ID_THREAD_SUSPEND, (), mach.MIG_BAD_ID),
        (mach.ID_VM_ALLOCATE, (), mach.MIG_BAD_ARGUMENTS),
        (mach.ID_VM_ALLOCATE, (machmsg.integers(1),) * 3, mach.MIG_BAD_ARGUMENTS),
        (mach.ID_VM_ALLOCATE, (machmsg.naturals(1, 2), machmsg.naturals(1), machmsg.integers(1)), mach.MIG_BAD_ARGUMENTS),
        (mach.ID_VM_READ, (machmsg.naturals(1 << 63), machmsg.naturals(1 << 63)), KernReturn.INVALID_ADDRESS),
        (mach.ID_MACH_PORT_ALLOCATE, (machmsg.integers(9),), KernReturn.INVALID_VALUE),
    ],
)
def test_wrong_request_is_answered_with_a_code(guests: Guests, id: int, items: tuple[machmsg.Item, ...], code: int) -> None:
    task, _ = guests.task()
    assert rpc(guests, guests.server.name_of(task), id, *items) == (code, ())


def test_request_without_reply_port_leaks_no_right(guests: Guests) -> None:
    task, _ = guests.task()
    name = guests.server.name_of(task)
    before = len(guests.server.space.entries)
    request = UserMessage(mach.ID_TASK_THREADS, name, remote_type=mach.MSG_TYPE_COPY_SEND)
    assert guests.server.msg(request, mach.MACH_SEND_MSG).code == 0
    assert len(guests.server.space.entries) == before
    assert (task.port.sends, task.threads[0].port.sends) == (1, 0)


def test_table_names_each_call_once() -> None:
    assert len(BY_ID) == len(BY_NAME) == len(TABLE)
    assert all((call.support == "full") == (not call.note) for call in TABLE)


class Idle:
    """A co-located server with nothing to do."""

    def run_ready(self) -> None:
        pass

    def next_deadline(self) -> int:
        return 1 << 62


def test_main_loop_continues_receivers_and_timers(guests: Guests) -> None:
    task, thread = guests.task()
    port = guests.server.new_port()
    redirect(guests, task, port, *ALL_CALLS)
    got: list[int] = []

    def received(code: int, message: UserMessage | None) -> None:
        got.append(code)
        if message is None:
            guests.kernel.halted = True
        else:  # and nothing more will come
            option = mach.MACH_RCV_MSG | mach.MACH_RCV_TIMEOUT
            mach_msg(guests.server, None, option, received, receive_name=port, timeout=1)

    mach_msg(guests.server, None, mach.MACH_RCV_MSG, received, receive_name=port)
    guests.start(thread, SYSCALL)
    guests.kernel.run(Idle())
    assert got == [0, mach.MACH_RCV_TIMED_OUT]


def test_abort_breaks_off_the_message_call_of_a_thread(guests: Guests) -> None:
    task, thread = guests.task()
    outcome = Outcome()
    name = mp.mach_port_allocate(task, RightKind.RECEIVE)
    thread.message_call = mach_msg(task, None, mach.MACH_RCV_MSG, outcome, receive_name=name)
    assert outcome.code is None
    assert guests.call("thread_abort", thread)[0] == 0
    assert outcome.code == mach.MACH_RCV_INTERRUPTED
    assert guests.call("thread_abort", thread)[0] == 0


def test_out_of_line_data_land_in_the_receivers_memory(guests: Guests) -> None:
    sender, receiver = guests.task()[0], guests.task()[0]
    name = mp.mach_port_allocate(receiver, RightKind.RECEIVE)
    send = sender.space.copyout(*mp.mach_port_extract_right(receiver, name, mach.MSG_TYPE_MAKE_SEND))
    guests.call("vm_allocate", sender, 0x10000000, 0x5000, 0)
    guests.call("vm_write", sender, 0x10000123, b"skerry")
    sent, got = Outcome(), Outcome()
    item = machmsg.Item(mach.MSG_TYPE_BYTE, 8, 0x3000, 0x10000123, False, True)
    data = machmsg.pack(UserMessage(1, send, remote_type=mach.MSG_TYPE_COPY_SEND, items=(item,)))
    mach_msg(sender, data, mach.MACH_SEND_MSG, sent)
    assert guests.call("vm_read", sender, 0x10000000, 1)[0] == KernReturn.INVALID_ADDRESS  # moved
    mach_msg(receiver, None, mach.MACH_RCV_MSG, got, receive_name=name)
    (memory,) = got.items
    assert guests.call("vm_read", receiver, memory.data, 6) == (0, (b"skerry",))
    assert guests.call("vm_read", sender, 0x10004000, 1)[0] == 0
    mach_msg(sender, data, mach.MACH_SEND_MSG, second := Outcome())
    assert (sent.code, second.code) == (0, mach.MACH_SEND_INVALID_MEMORY)


def test_calls_on_a_task_whose_host_process_is_gone_fail(guests: Guests) -> None:
    task, _ = guests.task()
    task.map.space.host.kill()
    assert guests.call("vm_allocate", task, 0, 0x1000, 1)[0] == KernReturn.TERMINATED
    assert guests.call("vm_write", task, CODE, b"x")[0] == KernReturn.MEMORY_ERROR
    assert guests.call("task_create", task, 1)[0] == KernReturn.RESOURCE_SHORTAGE
