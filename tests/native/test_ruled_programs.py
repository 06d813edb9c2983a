"""Programs that a native task makes and rules: exceptions, redirected calls, registers, special ports, inheritance, by real messages alone.

The task is what a debugger, a Unix server or GNU Mach's test modules are: it creates a task, puts code into it, gives its threads
registers, and serves the ports that their exceptions and system calls go to.

Source: Mach 3 Kernel Interfaces, chapters 4, 6 and 7; GNU Mach, tests/test-{syscalls,task,threads,thread-state,thread-state-fp}.c.
"""

from __future__ import annotations

import pytest
from tests.native.natives import Natives
from tests.native.scenarios import perform

pytestmark = pytest.mark.machine

RULER = """
import struct
from skerry.abi import registers as reg
CODE, STACK, DATA, HOLE = 0x400000, 0x500000, 0x600000, 0x12345678000
UD2, INT3, NOP, SPIN, SYSCALL = map(bytes.fromhex, ("0f0b", "cc", "90", "ebfe", "0f05"))
LOAD, STORE = bytes.fromhex("488b07"), bytes.fromhex("488907")  # mov rax, [rdi]; mov [rdi], rax
DIVIDE = bytes.fromhex("31c9f7f1")  # xor ecx, ecx; div ecx
PUSH = bytes.fromhex("50")
def mov_eax(number):
    return bytes.fromhex("b8") + number.to_bytes(4, "little")
def new_task():
    "A task with a page of code, one of stack, one of data."
    child = Calls(TaskPort, task, me.task_create(0))
    for at in (CODE, STACK, DATA):
        child.vm_allocate(at, PAGE, 0)
    child.vm_protect(CODE, PAGE, 0, 7)
    return child
def registers(thread):
    return list(struct.unpack("<25Q", thread.thread_get_state(mach.X86_64_THREAD_STATE)))
def set_registers(thread, words):
    thread.thread_set_state(mach.X86_64_THREAD_STATE, struct.pack("<25Q", *words))
def change(thread, bases=None, **values):
    words = registers(thread)
    for name, value in values.items():
        words[getattr(reg, name)] = value
    words[23:] = bases or words[23:]
    set_registers(thread, words)
def new_thread(child, at=CODE, bases=None, **values):
    "A suspended thread, ready to run at ``at``."
    thread = Calls(ThreadPort, task, child.thread_create())
    change(thread, bases, RIP=at, RSP=STACK + 0x800, EFLAGS=0x202, **values)
    return thread
def program(code_, **values):
    child = new_task()
    child.vm_write(CODE, code_)
    return child, new_thread(child, **values)
def catch(target):
    "A port that gets the exceptions of a task or thread."
    port = with_send()
    if target.interface is ThreadPort:
        target.thread_set_special_port(mach.THREAD_EXCEPTION_PORT, port)
    else:
        target.task_set_special_port(mach.TASK_EXCEPTION_PORT, port)
    return port
def caught(port):
    "The next exception: the message, its thread's and task's names, and exception, code, subcode."
    message = task.receive(port)
    assert message.id == mach.ID_EXCEPTION_RAISE and message.remote_type == MOVE_ONCE
    who, what = message.items
    return message, machmsg.names_in(who), struct.unpack("<3Q", what.data)
def handled(message, result=0):
    body = machmsg.pack_items((machmsg.integers(result),))
    task.send(UserMessage(message.id + 100, message.remote, 0, MOVE_ONCE, 0, None, body))
def redirect(child, first, last):
    port = with_send()
    child.task_set_emulation(first, last, port)
    return port
def called(port):
    "The next redirected call: the message, its task's and thread's names, the number and six arguments."
    message = task.receive(port)
    assert message.id == mach.ID_SYSTEM_CALL
    who, what = message.items
    number, *arguments = struct.unpack("<7Q", what.data)
    return message, machmsg.names_in(who), number, arguments
def returned(message, value):
    body = machmsg.pack_items((machmsg.naturals(value & 0xFFFFFFFFFFFFFFFF),))
    task.send(UserMessage(message.id + 100, message.remote, 0, MOVE_ONCE, 0, None, body))
def is_dead(calls):
    return me.mach_port_type(calls.port) == mach.MACH_PORT_TYPE_DEAD_NAME
def no_more(*targets):
    for target in targets:
        if not is_dead(target):
            target.task_terminate()
"""
FACTS = {
    # Exceptions
    "each fault is its exception": """
FAULTS = (
    (LOAD, dict(RDI=HOLE), (mach.EXC_BAD_ACCESS, mach.KERN_INVALID_ADDRESS, HOLE)),
    (STORE, dict(RDI=DATA + PAGE - 8), None),
    (STORE, dict(RDI=DATA + PAGE + 8), (mach.EXC_BAD_ACCESS, mach.KERN_INVALID_ADDRESS, DATA + PAGE + 8)),
    (STORE, dict(RDI=CODE + 64), (mach.EXC_BAD_ACCESS, mach.KERN_PROTECTION_FAILURE, CODE + 64)),
    (UD2, {}, (mach.EXC_BAD_INSTRUCTION,)),
    (INT3, {}, (mach.EXC_BREAKPOINT,)),
    (DIVIDE, {}, (mach.EXC_ARITHMETIC,)),
)
for instruction, values, expected in FAULTS:
    child, thread = program(instruction + UD2, **values)
    child.vm_protect(CODE, PAGE, 0, mach.VM_PROT_READ | mach.VM_PROT_EXECUTE)
    port = catch(child)
    thread.thread_resume()
    message, who, what = caught(port)
    expected = expected or (mach.EXC_BAD_INSTRUCTION,)
    assert what[: len(expected)] == expected, (what, expected)
    assert who == (thread.port, child.port)
    no_more(child)
""",
    "the thread's handler is asked first, then the task's, then the task ends": """
for refuse in (
    lambda message: handled(message, mach.KERN_FAILURE),
    lambda message: me.mach_port_deallocate(message.remote),
    lambda message: task.send(UserMessage(message.id + 100, message.remote, 0, MOVE_ONCE, 0, None, b"???")),
    lambda message: task.send(UserMessage(77, message.remote, 0, MOVE_ONCE, 0, None, machmsg.pack_items((machmsg.integers(0),)))),
):
    child, thread = program(UD2)
    first, second, gone = catch(thread), catch(child), task.reply_port()
    ask(child.port, mach.NOTIFY_DEAD_NAME, 0, gone)
    thread.thread_resume()
    message, _, what = caught(first)
    assert empty(second)
    refuse(message)
    message, _, again = caught(second)
    assert again == what and empty(first) and empty(gone)
    refuse(message)
    assert told(gone, mach.NOTIFY_DEAD_NAME, child.port)
""",
    "a handler that succeeds is the last that is asked, and the thread goes on from its state": """
child, thread = program(UD2 + mov_eax(0x1234) + UD2)
first, second = catch(thread), catch(child)
thread.thread_resume()
message, _, _ = caught(first)
change(thread, RIP=CODE + 2)
handled(message)
message, _, _ = caught(first)
assert registers(thread)[reg.RAX] == 0x1234 and registers(thread)[reg.RIP] == CODE + 7 and empty(second)
no_more(child)
""",
    "no handler, or a dead one, ends the task": """
for dead in (False, True):
    child, thread = program(UD2)
    gone = task.reply_port()
    ask(child.port, mach.NOTIFY_DEAD_NAME, 0, gone)
    if dead:
        me.mach_port_mod_refs(catch(thread), RECEIVE, -1)
    thread.thread_resume()
    message = task.receive(gone)
    assert (message.id, word(message)) == (mach.NOTIFY_DEAD_NAME, child.port) and is_dead(thread)
try:
    child.task_resume()
except MessageFailure as failure:
    assert failure.code == mach.MACH_SEND_INVALID_DEST
else:
    raise AssertionError("a dead name answers")
""",
    "a number that goes nowhere is a bad instruction, a stack that is not there a bad access": """
for number in (9999, 0, mach.TRAP_MACH_MSG & 0xFFFFFFFF):  # a program's traps go where task_set_emulation says, Mach's too
    child, thread = program(mov_eax(number) + SYSCALL)
    port = catch(child)
    thread.thread_resume()
    message, _, what = caught(port)
    assert what[:2] == (mach.EXC_BAD_INSTRUCTION, number)
    no_more(child)
child, thread = program(PUSH)
port = catch(child)
change(thread, RSP=HOLE)
thread.thread_resume()
message, _, what = caught(port)
assert what == (mach.EXC_BAD_ACCESS, mach.KERN_INVALID_ADDRESS, HOLE - 8)
no_more(child)
""",
    "a fault is handled by a handler in the program, which restores the registers by a call": """
# Three pages of numbers (n mod 1024) are written where there is no memory, and summed up; the handler asks for a page (101), and
# returns (102).
FILL = bytes.fromhex(
    "bf00000010" "31c9" "89c8" "25ff030000" "89048f" "ffc1" "81f9000c0000" "75ec"  # mov [rdi+4*rcx], ecx & 1023, for ecx < 3072
    "31f6" "31c9" "03348f" "ffc1" "81f9000c0000" "75f3"  # add esi, [rdi+4*rcx], likewise
    "b864000000" "0f05"  # call 100
)
HANDLER = mov_eax(101) + SYSCALL + mov_eax(102) + SYSCALL
child, thread = program(FILL)
child.vm_write(CODE + 512, HANDLER)
faults, calls = catch(thread), redirect(child, 100, 102)
thread.thread_resume()
pages = []
for page in range(3):
    message, _, (kind, result, address) = caught(faults)
    assert (kind, result) == (mach.EXC_BAD_ACCESS, mach.KERN_INVALID_ADDRESS) and address == 0x10000000 + page * PAGE
    saved = registers(thread)
    change(thread, RIP=CODE + 512, RDI=address)
    handled(message)
    message, _, number, arguments = called(calls)
    assert (number, arguments[0]) == (101, address)
    child.vm_allocate(address, PAGE, 0)
    returned(message, 0)
    message, _, number, _ = called(calls)
    assert number == 102
    set_registers(thread, saved)
    returned(message, saved[reg.RAX])
message, _, number, arguments = called(calls)
assert (number, arguments[1]) == (100, 0x17FA00)
no_more(child)
""",
    # Registers
    "vector registers are set and read": """
# movdqu [rdi], xmm3; call 1; movdqu xmm5, [rsi]; call 2
OUT_AND_IN = bytes.fromhex("f30f7f1f" "b801000000" "0f05" "f30f6f2e" "b802000000" "0f05")
child, thread = program(OUT_AND_IN, RDI=DATA, RSI=DATA + 64)
calls = redirect(child, 1, 2)
state = bytearray(thread.thread_get_state(mach.X86_64_FLOAT_STATE))
assert len(state) >= 512
state[160 + 16 * 3 : 160 + 16 * 4] = b"sixteen bytes 3."  # of an FXSAVE area
thread.thread_set_state(mach.X86_64_FLOAT_STATE, bytes(state))
assert thread.thread_get_state(mach.X86_64_FLOAT_STATE)[208:224] == b"sixteen bytes 3."
child.vm_write(DATA + 64, b"sixteen bytes 5.")
thread.thread_resume()
message, _, _, _ = called(calls)
assert child.vm_read(DATA, 16) == b"sixteen bytes 3."
returned(message, 0)
called(calls)
assert thread.thread_get_state(mach.X86_64_FLOAT_STATE)[240:256] == b"sixteen bytes 5."
assert code(thread.thread_set_state, mach.X86_64_FLOAT_STATE, b"short") == mach.KERN_INVALID_ARGUMENT
no_more(child)
""",
    "ten threads, each with segments of its own": """
# 1: mov rdi, fs:[0]; mov rsi, gs:[8]; mov eax, 7; syscall; jmp 1b
SEGMENTS = bytes.fromhex("64488b3c2500000000" "65488b342508000000" "b807000000" "0f05" "ebe5")
child, calls = new_task(), None
child.vm_write(CODE, SEGMENTS)
child.vm_write(DATA, struct.pack("<512Q", *range(512)))
calls = redirect(child, 7, 7)
threads = [new_thread(child, bases=[DATA + 64 * n, DATA + 64 * n + 2048]) for n in range(10)]
assert len(child.task_threads()) == 10
for thread in threads:
    thread.thread_resume()
for _ in range(3):
    waiting = []
    for _ in range(10):
        message, (_, name), _, arguments = called(calls)
        waiting.append((message, name, arguments[:2]))
    for n, thread in enumerate(threads):
        assert [at for _, name, at in waiting if name == thread.port] == [[8 * n, 8 * n + 256 + 1]], waiting
    for message, _, _ in waiting:
        returned(message, 0)
no_more(child)
""",
    "the signal recipe: suspend, abort, set the state, resume": """
child, thread = program(SPIN + NOP)
child.vm_write(CODE + 256, mov_eax(5) + SYSCALL)
calls = redirect(child, 5, 5)
thread.thread_resume()
for n in range(3):
    thread.thread_suspend()
    thread.thread_abort()
    words = registers(thread)
    assert words[reg.RIP] == CODE and registers(thread) == words
    change(thread, RIP=CODE + 256, RDI=40 + n)
    thread.thread_resume()
    message, _, number, arguments = called(calls)
    assert (number, arguments[0]) == (5, 40 + n)
    set_registers(thread, words)
    returned(message, words[reg.RAX])
no_more(child)
""",
    "an aborted wait for a page touches it again, unless the state was changed": """
child, thread = program(LOAD + mov_eax(5) + SYSCALL, RDI=DATA + PAGE)
child.vm_write(CODE + 256, mov_eax(6) + SYSCALL)
calls, pager = redirect(child, 5, 6), with_send()
child.vm_map(DATA + PAGE, 64 * PAGE, 0, 0, pager, 0, 0, 3, 7, 1)
control = machmsg.names_in(task.receive(pager).items[0])[0]
def tell(id, *items):
    task.send(UserMessage(id, control, 0, COPY, 0, None, machmsg.pack_items(items)))
tell(mach.ID_MEMORY_OBJECT_READY, machmsg.integers(0), machmsg.integers(mach.MEMORY_OBJECT_COPY_DELAY))
thread.thread_resume()
assert task.receive(pager).id == mach.ID_MEMORY_OBJECT_DATA_REQUEST
thread.thread_suspend()
thread.thread_abort()
thread.thread_resume()
page = machmsg.Item(9, 8, PAGE, b"supplied" * 512)
tell(mach.ID_MEMORY_OBJECT_DATA_PROVIDED, machmsg.naturals(0), page, machmsg.integers(0))
message, _, number, _ = called(calls)
assert number == 5 and empty(pager)
thread.thread_suspend()
change(thread, RIP=CODE, RDI=DATA + 60 * PAGE)
returned(message, 0)
thread.thread_resume()
assert task.receive(pager).id == mach.ID_MEMORY_OBJECT_DATA_REQUEST
thread.thread_suspend()
thread.thread_abort()
change(thread, RIP=CODE + 256)
thread.thread_resume()
assert called(calls)[2] == 6 and empty(pager)
no_more(child)
""",
    "a handler in the program maps what is missing, and goes back to where the fault was": """
PAGES, HANDLER, FILL, BACK, DONE = 3, CODE + 0x800, 30, 31, 32
SUM = bytes.fromhex("31f6" "0fb607" "4801c6" "48ffc7" "4839cf" "75f2")  # esi = 0; do rsi += byte [rdi++]; while (rdi != rcx)
child, thread = program(SUM + mov_eax(DONE) + SYSCALL, RDI=HOLE, RCX=HOLE + PAGES * PAGE)
child.vm_write(HANDLER, mov_eax(FILL) + SYSCALL + mov_eax(BACK) + SYSCALL + UD2)
calls, faults = redirect(child, FILL, DONE), catch(thread)
thread.thread_resume()
for page in range(PAGES):
    message, _, what = caught(faults)
    assert what == (mach.EXC_BAD_ACCESS, mach.KERN_INVALID_ADDRESS, HOLE + page * PAGE)
    faulted = registers(thread)
    change(thread, RIP=HANDLER, RSP=STACK + 0x400, RDI=what[2])
    handled(message)
    message, _, number, arguments = called(calls)
    assert (number, arguments[0]) == (FILL, what[2])
    child.vm_allocate(arguments[0], PAGE, 0)
    child.vm_write(arguments[0], bytes(range(256)) * (PAGE // 256))
    returned(message, 0)
    message, _, number, _ = called(calls)
    assert number == BACK
    thread.thread_suspend()
    thread.thread_abort()
    set_registers(thread, faulted)  # what thread_set_self_state is: the call does not return
    thread.thread_resume()
message, _, number, arguments = called(calls)
assert (number, arguments[1]) == (DONE, PAGES * sum(range(256)) * (PAGE // 256))
no_more(child)
""",
    "a call that is broken off returns what the registers say, and its late answer is nothing": """
child, thread = program((mov_eax(10) + SYSCALL + bytes.fromhex("4889c7")) * 6 + SPIN)  # and mov rdi, rax
calls, late = redirect(child, 10, 10), []
thread.thread_resume()
for returns in (None, 0x17FA00, None):
    late.append(called(calls)[0])
    thread.thread_suspend()
    thread.thread_abort()
    if returns is not None:
        change(thread, RAX=returns)
    thread.thread_resume()
    message, _, _, arguments = called(calls)
    assert arguments[0] == (mach.MACH_RCV_INTERRUPTED if returns is None else returns)
    thread.thread_suspend()
    returned(late[-1], 77)
    assert empty(calls) and registers(thread)[reg.RAX] == 10
    thread.thread_resume()
    returned(message, 0)
no_more(child)
""",
    # Tasks and threads
    "threads come, are counted, and go": """
child, thread = program(SPIN)
assert child.task_threads() == [thread.port]
others = [new_thread(child), new_thread(child)]
assert sorted(child.task_threads()) == sorted([thread.port, *(other.port for other in others)])
for other in others:
    other.thread_resume()
    other.thread_terminate()
    assert is_dead(other)
assert child.task_threads() == [thread.port]
no_more(child)
""",
    "a task is created, suspended, given a thread, resumed, ended": """
child = new_task()
assert child.task_threads() == [] and child.task_info(mach.TASK_BASIC_INFO)[0] == 0
child.task_suspend()
child.vm_write(CODE, mov_eax(3) + SYSCALL)
calls, thread = redirect(child, 3, 3), new_thread(child)
thread.thread_resume()
assert thread.thread_info(mach.THREAD_BASIC_INFO)[7] == mach.TH_STATE_STOPPED  # its task is suspended
assert task.receive(calls, timeout=20) is None
child.task_resume()
assert called(calls)[2] == 3
assert len(child.task_info(mach.TASK_EVENTS_INFO)) == 7 and len(child.task_info(mach.TASK_THREAD_TIMES_INFO)) == 4
child.task_terminate()
assert is_dead(child) and is_dead(thread)
""",
    "suspensions of thread and task are counted apart": """
child, thread = program(mov_eax(3) + SYSCALL)
calls = redirect(child, 3, 3)
thread.thread_suspend()
child.task_suspend()
child.task_suspend()
for resume in (thread.thread_resume, child.task_resume, thread.thread_resume, child.task_resume):
    assert task.receive(calls, timeout=5) is None
    resume()
assert called(calls)[2] == 3
assert code(thread.thread_resume) == code(child.task_resume) == mach.KERN_FAILURE
no_more(child)
""",
    # Redirected calls
    "numbers go where they are redirected to, and nowhere again": """
child, thread = program(b"".join(mov_eax(number) + SYSCALL for number in (10, 11, 12, 13)), RDI=1, RSI=2, RDX=3, R10=4, R8=5, R9=6)
low, high, faults = redirect(child, 0, 11), redirect(child, 12, 12), catch(child)
thread.thread_resume()
for number, port in ((10, low), (11, low), (12, high)):
    message, who, seen, arguments = called(port)
    assert (who, seen, arguments) == ((child.port, thread.port), number, [1, 2, 3, 4, 5, 6])
    returned(message, -number)
message, _, what = caught(faults)
assert what[:2] == (mach.EXC_BAD_INSTRUCTION, 13) and registers(thread)[reg.RAX] == 13
no_more(child)
child, thread = program(mov_eax(10) + SYSCALL)
low, faults = redirect(child, 10, 10), catch(child)
child.task_set_emulation(10, 10, 0)  # not emulated any more
thread.thread_resume()
assert caught(faults)[2][:2] == (mach.EXC_BAD_INSTRUCTION, 10) and empty(low)
no_more(child)
""",
    "a call whose server gives it up is an exception": """
child, thread = program(mov_eax(10) + SYSCALL)
port, faults = redirect(child, 10, 10), catch(child)
thread.thread_resume()
message, _, _, _ = called(port)
me.mach_port_deallocate(message.remote)
assert caught(faults)[2][:2] == (mach.EXC_EMULATION, 10)
no_more(child)
""",
    "children inherit emulation, exception and bootstrap ports, priority and memory, and not the kernel port": """
child, _ = program(mov_eax(10) + SYSCALL)
calls, faults, other = redirect(child, 10, 20), catch(child), with_send()
child.task_set_special_port(mach.TASK_BOOTSTRAP_PORT, other)
child.mach_ports_register([other, calls])
child.task_set_special_port(mach.TASK_KERNEL_PORT, other)
child.task_priority(17, 0)
grandchild = Calls(TaskPort, task, child.task_create(1))
assert grandchild.task_get_emulation_vector() == ([10, 20], [calls])
assert grandchild.task_get_special_port(mach.TASK_EXCEPTION_PORT) == faults
assert grandchild.task_get_special_port(mach.TASK_BOOTSTRAP_PORT) == other
assert grandchild.task_get_special_port(mach.TASK_KERNEL_PORT) == grandchild.port
assert grandchild.mach_ports_lookup() == [other, calls] and grandchild.task_info(mach.TASK_BASIC_INFO)[1] == 17
new_thread(grandchild).thread_resume()
message, who, number, _ = called(calls)
assert who[0] == grandchild.port and number == 10
no_more(child)
returned(message, 0)  # the parent's end is not the child's
no_more(grandchild)
""",
    "memory is shared, copied or not inherited": """
child = new_task()
PLACES = {mach.VM_INHERIT_SHARE: 0x700000, mach.VM_INHERIT_COPY: 0x800000, mach.VM_INHERIT_NONE: 0x900000}
for inheritance, at in PLACES.items():
    child.vm_allocate(at, PAGE, 0)
    child.vm_inherit(at, PAGE, inheritance)
    child.vm_write(at, b"before")
shared, copied, missing = PLACES.values()
grandchild = Calls(TaskPort, task, child.task_create(1))
assert grandchild.vm_read(shared, 6) == grandchild.vm_read(copied, 6) == b"before"
assert code(grandchild.vm_read, missing, 6) == mach.KERN_INVALID_ADDRESS
for one, other, text in ((child, grandchild, b"parent"), (grandchild, child, b"child!")):
    for at in (shared, copied):
        one.vm_write(at, text)
    assert other.vm_read(shared, 6) == text and other.vm_read(copied, 6) != text
assert grandchild.vm_region(shared)[4:6] == (mach.VM_INHERIT_SHARE, 1) and grandchild.vm_region(copied)[4] == mach.VM_INHERIT_COPY
empty_child = Calls(TaskPort, task, child.task_create(0))
assert code(empty_child.vm_region, 0) == mach.KERN_NO_SPACE
no_more(child, grandchild, empty_child)
""",
    # Interposition
    "what a task takes for itself can be another port": """
interposed = with_send()
me.task_set_special_port(mach.TASK_KERNEL_PORT, interposed)
seen = channel.trap(mach.TRAP_MACH_TASK_SELF)
assert seen == interposed
request = UserMessage(mach.ID_TASK_SUSPEND, seen, task.reply_port(), COPY, ONCE)
task.send(request)
message = got(interposed)
assert message.id == mach.ID_TASK_SUSPEND and message.remote_type == MOVE_ONCE  # the kernel has not seen it
me.task_set_special_port(mach.TASK_KERNEL_PORT, 0)
assert channel.trap(mach.TRAP_MACH_TASK_SELF) == task.self_port
me.mach_port_deallocate(message.remote)
""",
}


@pytest.mark.parametrize("fact", FACTS)
def test_program(natives: Natives, fact: str) -> None:
    perform(natives, RULER + FACTS[fact])
    assert natives.kernel.tasks == {}
