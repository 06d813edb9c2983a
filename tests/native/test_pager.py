"""Memory that a pager in a native task manages: what its clients see, and what it is told."""

from __future__ import annotations

import ast

import pytest
from tests.native.natives import Natives
from tests.native.pagers import CLIENT, STEP, Paging, indented

from skerry.abi import mach
from skerry.mach.native import NativeTask

pytestmark = pytest.mark.machine
SERVE = """
log = []
pager = PagerService(service)
pager.serve_object(port, Pages(log))
service.run()
"""


@pytest.fixture
def paging(natives: Natives) -> Paging:
    return Paging(natives)


def test_a_touched_page_comes_from_the_pager(paging: Paging) -> None:
    _, port = paging.pager(SERVE)
    client = paging.client(
        port,
        """
at = map_object(100 * PAGE)
assert read(at + 5 * PAGE, 8) == b"0000005\\n"
assert read(at + 99 * PAGE + 8, 8) == b"0000099\\n"
view(at, PAGE)[:5] = b"hello"
assert read(at, 16) == b"hello00\\n0000000\\n"
""",
    )
    assert paging.natives.ended(client) == ""


UNTIL_CLOSED = """
log = []
class Logged(Pages):
    async def closed(self):
        self.log.append(("closed",))
        service.stopped = True
pager = PagerService(service)
pager.serve_object(port, Logged(log))
service.run()
raise RuntimeError(log)
"""


def said(paging: Paging, pager: NativeTask) -> list[tuple[object, ...]]:
    """The log of a pager that ends when its object is closed."""
    words = paging.natives.ended(pager)
    assert "RuntimeError: " in words, words
    log: list[tuple[object, ...]] = ast.literal_eval(words.rsplit("RuntimeError: ", 1)[1])
    return log


def test_what_was_written_comes_back_at_the_end(paging: Paging) -> None:
    pager, port = paging.pager(UNTIL_CLOSED)
    client = paging.client(
        port,
        """
at = map_object(100 * PAGE)
for page in (7, 8, 9, 30):
    view(at + page * PAGE, PAGE)[:1] = b"x"
finish(kernel.vm_deallocate(at, 100 * PAGE))
step()
""",
    )
    log = said(paging, pager)
    assert client.alive or client.last_words == ""
    assert [entry for entry in log if entry[0] == "write"] == [("write", 7, 3), ("write", 30, 1)]
    assert log[-1] == ("closed",)


def test_two_clients_see_each_other_and_what_the_pager_kept(paging: Paging) -> None:
    _, port = paging.pager(SERVE)
    first = paging.client(port, "at = map_object(10 * PAGE)\nview(at, PAGE)[:4] = b'mine'\n")
    assert paging.natives.ended(first) == ""
    second = paging.client(port, "at = map_object(10 * PAGE)\nassert read(at, 4) == b'mine'\n")
    assert paging.natives.ended(second) == ""


def test_runs_larger_than_a_message_come_too(paging: Paging) -> None:
    _, port = paging.pager(SERVE)
    body = """
at = map_object(3000 * PAGE)
for page in range(0, 3000):
    assert read(at + page * PAGE, 8) == b"%07d\\n" % page
assert finish(kernel.vm_read(at + 100, 2000 * PAGE))[-100 - PAGE :][:8] == b"%07d\\n" % 1999
"""
    assert paging.natives.ended(paging.client(port, body)) == ""


def test_calls_and_messages_bring_memory_in(paging: Paging) -> None:
    _, port = paging.pager(SERVE)
    body = """
at = map_object(100 * PAGE)
assert finish(kernel.vm_read(at + 5 * PAGE, 7)) == b"0000005"
finish(kernel.vm_write(at + 6 * PAGE, b"written"))
assert read(at + 6 * PAGE, 8) == b"written\\n"
finish(kernel.vm_copy(at + 20 * PAGE, 2 * PAGE, at + 40 * PAGE))
assert read(at + 41 * PAGE, 7) == b"0000021"
inbox = task.reply_port()
task.send(UserMessage(1, inbox, remote_type=MAKE, items=(machmsg.Item(9, 8, 30 * PAGE, at + 60 * PAGE, False),)))
(item,) = task.receive(inbox).items
assert read(item.data + 29 * PAGE, 7) == b"0000089"
view(item.data, PAGE)[:1] = b"x"
assert read(at + 60 * PAGE, 7) == b"0000060"
"""
    assert paging.natives.ended(paging.client(port, body)) == ""


def test_a_lock_is_opened_when_somebody_wants_in(paging: Paging) -> None:
    pager, port = paging.pager(UNTIL_CLOSED.replace("class Logged(Pages):", "class Logged(Pages):\n    lock = 2"))
    body = """
at = map_object(10 * PAGE)
assert read(at, 7) == b"0000000"
view(at, PAGE)[:1] = b"x"
assert read(at, 7) == b"x000000"
"""
    assert paging.natives.ended(paging.client(port, body)) == ""
    log = said(paging, pager)
    assert [entry for entry in log if entry[0] == "unlock"] == [("unlock", 0, 1, 3)]


@pytest.mark.parametrize("refusal", ["return None", "raise PageError"])
def test_a_pager_may_refuse(paging: Paging, refusal: str) -> None:
    body = SERVE.replace("pager = ", f"class Refusing(Pages):\n    lock = 2\n    async def unlock(self, *_):\n        {refusal}\npager = ")
    _, port = paging.pager(body.replace("Pages(log))", "Refusing(log))"))
    client = paging.client(
        port, "at = map_object(PAGE)\nread(at, 1)\nassert code_of(kernel.vm_write(at, b'x')) == 10\nview(at, 1)[:1] = b'x'\n"
    )
    assert "memory at 0x" in paging.natives.ended(client)


def test_a_dead_pager_ends_who_touches_its_memory_and_nobody_else(paging: Paging) -> None:
    pager, port = paging.pager(f"service.task.receive(port)\nservice.task.receive({STEP})\nraise SystemExit\n")
    paging.natives.new_port(pager, STEP)
    asker = paging.client(port, "at = map_object(PAGE)\nstep()\nassert code_of(kernel.vm_read(at, 1)) == 9\nstep()\n")
    toucher = paging.client(port, "at = map_object(PAGE)\nstep()\nread(at, 1)\n")
    for task in (asker, toucher, pager):
        paging.wait_for_step(task)
    for task in (asker, toucher, pager):
        paging.let_go(task)
    assert "cannot be had" in paging.natives.ended(toucher)
    paging.natives.run_until(lambda: not pager.alive and (asker.waits or not asker.alive))
    assert asker.alive, asker.last_words


@pytest.mark.parametrize("body", ["while True: pass", "service.task.receive(port)\nservice.task.receive(service.task.reply_port())"])
def test_a_pager_that_does_nothing_costs_its_clients_the_time_limit(paging: Paging, body: str) -> None:
    paging.natives.kernel.pager_limit = 50
    _, port = paging.pager(body)
    client = paging.client(port, "at = map_object(PAGE)\nassert code_of(kernel.vm_read(at, 1)) == 10\nread(at, 1)\n")
    assert "kern_return_t 10" in paging.natives.ended(client)


def test_who_pages_his_own_memory_waits_for_himself_no_longer_than_that(paging: Paging) -> None:
    paging.natives.kernel.pager_limit = 50
    body = "port = task.reply_port()\nfinish(kernel.mach_port_insert_right(port, port))\nread(map_object(PAGE, object=port), 1)\n"
    client = paging.natives.start(CLIENT + indented(body))
    assert "kern_return_t 10" in paging.natives.ended(client)


def test_a_pager_that_sends_garbage_harms_nobody(paging: Paging) -> None:
    """Supplies of wrong sizes and places, locks that are none, messages that are none, and only then the page."""
    body = """
import random
chance = random.Random(5)
task = service.task
control = task.receive(port).items[0].data
control = int.from_bytes(control, "little")
from skerry.lib.pager import MemoryControl
from skerry.abi.machmsg import naturals, integers
c = MemoryControl(task.send, control)
for n in range(400):
    which = chance.randrange(7)
    offset = chance.choice([0, 1, 4096, 1 << 40, 1 << 63, (1 << 64) - 4096, 8192])
    if which == 0:
        c.supply(offset, bytes(chance.choice([0, 1, 4095, 4096, 8192, 100000])), chance.choice([0, 2, 8, -1]), True)
    elif which == 1:
        length, lock = chance.choice([0, 1, 4096, 1 << 62]), chance.choice([0, 8, 9, 99])
        c.lock_request(offset, length, chance.randrange(4), bool(chance.randrange(2)), lock)
    elif which == 2:
        c.error(offset, chance.choice([1, 4096]))
    elif which == 3:
        c.unavailable(offset, chance.choice([1, 4096, 1 << 50]))
    elif which == 4:
        task.send(UserMessage(chance.randrange(2030, 2100), control, remote_type=19, body=chance.randbytes(chance.randrange(60))))
    elif which == 5:
        items = tuple(chance.choice([naturals(offset), integers(chance.randrange(-2, 9))]) for _ in range(chance.randrange(5)))
        task.send(UserMessage(chance.choice([2038, 2039, 2044, 2090, 2091, 2093, 2095]), control, remote_type=19, items=items))
    else:
        c.change_attributes(False, chance.choice([0, 2, 7]))
c.lock_request(flush=True)
c.ready(False, 2)
while True:
    message = task.receive(port)
    if message.id == 2203:
        c.supply(0, b"good" * 1024)
"""
    pager, port = paging.pager(body.replace("machmsg import", "machmsg import UserMessage,"))
    client = paging.client(port, "at = map_object(PAGE)\nstep()\nassert read(at, 4) == b'good'\n")
    paging.natives.run_until(lambda: pager.waits and client.waits)
    assert pager.alive, pager.last_words
    paging.let_go(client)
    assert paging.natives.ended(client) == ""
    assert paging.natives.kernel.resident.count == 0


def test_memory_that_nobody_mapped_is_said_in_the_last_words(paging: Paging) -> None:
    client = paging.natives.start(CLIENT + "    read(0x100000000000, 1)\n")
    assert paging.natives.ended(client) == "memory at 0x100000000000 cannot be had (kern_return_t 1)"


def test_protection_is_the_kernels_to_change(paging: Paging) -> None:
    """What is mapped for reading, or locked, cannot be opened by the task itself, nor from a page of its own just below."""
    pager, port = paging.pager(SERVE)
    body = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
def protect(address, size, protection):
    return libc.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(size), protection), ctypes.get_errno()
at = map_object(4 * PAGE, protection=1)
assert read(at, 7) == b"0000000"
for address, size in ((at, PAGE), (at + PAGE, PAGE), (at, 4 * PAGE), (0x1FFFFFFFF000, PAGE)):
    assert protect(address, size, 3) == (-1, 1), hex(address)
HOLE = 9  # MADV_REMOVE
assert libc.madvise(ctypes.c_void_p(at), ctypes.c_size_t(PAGE), HOLE) == -1 and ctypes.get_errno() == 1
assert read(at, 7) == b"0000000"
assert at == 0x100000000000
below = libc.mmap(ctypes.c_void_p(at - PAGE), ctypes.c_size_t(PAGE), 3, 0x32, -1, ctypes.c_long(0))  # MAP_FIXED, private, anonymous
assert below == at - PAGE
assert protect(below, 2 * PAGE, 3) == (-1, 1)
far = libc.mmap(ctypes.c_void_p(at - (8 << 30)), ctypes.c_size_t((8 << 30) - PAGE), 3, 0x4031, -1, ctypes.c_long(0))  # shared, not reserved
assert far == at - (8 << 30)
assert protect(far, (8 << 30) + PAGE, 3) == (-1, 1)
own = libc.mmap(None, ctypes.c_size_t(PAGE), 3, 0x22, -1, ctypes.c_long(0))
assert protect(own, PAGE, 1)[0] == 0 == libc.madvise(ctypes.c_void_p(own), ctypes.c_size_t(PAGE), 4)
"""
    assert paging.natives.ended(paging.client(port, body)) == ""
    assert pager.alive


def test_forged_faults_are_answered_like_any_other(paging: Paging) -> None:
    _, port = paging.pager(SERVE)
    body = """
from struct import pack
at = map_object(4 * PAGE, protection=1)
for what in (b"", bytes(15), pack("<QQ", 1 << 63, 1), pack("<QQ", 5, 255), pack("<QQ", at, 2), pack("<QQ", at + 4 * PAGE, 1), bytes(17)):
    assert channel.trap(mach.TRAP_FAULT, what) == 1, what
assert channel.trap(mach.TRAP_FAULT, pack("<QQ", at + PAGE + 7, 1)) == 0
assert read(at + PAGE, 7) == b"0000001"
step()
"""
    client = paging.client(port, body)
    paging.natives.run_until(lambda: (client.waits and paging.natives.kernel.resident.count) or not client.alive)
    paging.let_go(client)
    assert "Error" not in paging.natives.ended(client)


def test_a_wait_for_a_page_is_broken_off(paging: Paging) -> None:
    """A message that takes along memory whose pager does nothing: the sender dies, and nothing is left."""
    pager, port = paging.pager("while True: pass")
    body = """
at = map_object(100 * PAGE)
inbox = task.reply_port()
task.send(UserMessage(1, inbox, remote_type=MAKE, items=(machmsg.Item(9, 8, 30 * PAGE, at, False),)))
"""
    client = paging.client(port, body)
    paging.natives.run_until(lambda: port.memory_object is not None and bool(port.memory_object.waits))  # type: ignore[attr-defined]
    client.terminate()
    paging.natives.kernel.processor.run()
    assert port.memory_object is None
    assert [message.id for message in port.messages][-1] == mach.ID_MEMORY_OBJECT_TERMINATE
    assert pager.alive
