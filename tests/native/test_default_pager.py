"""Memory on a paging device: objects that tasks ask for, and internal memory under a limit."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.native.natives import Natives
from tests.native.pagers import OBJECT, PAGE, Paging

from skerry.abi import mach
from skerry.mach import right
from skerry.mach.disk import Disk
from skerry.mach.internal_object import InternalObject
from skerry.mach.memory_host import vm_set_default_memory_manager
from skerry.mach.native import NativeTask
from skerry.mach.pageout import LOOK
from skerry.mach.port import Port
from skerry.machine import MemoryObject

pytestmark = pytest.mark.machine
PORT, DEVICE = 0x2101, 0x2102
Pager = tuple[NativeTask, Port, MemoryObject]
CREATE = """
from skerry.servers.default_pager import DefaultPagerService
pager = client(DefaultPagerService, task, 0x2001)
"""


@pytest.fixture
def default_pager(natives: Natives) -> Callable[[int], Pager]:
    def start(pages: int) -> Pager:
        store = MemoryObject(pages * PAGE)
        natives.kernel.host.devices.register("paging", Disk(store, pages))
        task = natives.start_entry("skerry.servers.default_pager:main", PORT, DEVICE)
        port = natives.new_port(task, PORT)
        device = natives.kernel.host.devices.open(mach.D_READ | mach.D_WRITE, b"paging")
        natives.give_send(task, device, DEVICE)
        return task, port, store

    return start


def test_an_object_keeps_what_is_written_while_anybody_can_map_it(natives: Natives, default_pager: Callable[[int], Pager]) -> None:
    _, port, store = default_pager(100)
    body = """
memory = finish(pager.default_pager_object_create(50 * PAGE))
at = map_object(50 * PAGE, object=memory)
assert read(at + 7 * PAGE, PAGE) == bytes(PAGE)
for page in (3, 5, 9):
    view(at + page * PAGE, PAGE)[:5] = b"page%d" % page
assert finish(pager.default_pager_info()) == (100 * PAGE, 100 * PAGE, PAGE)
finish(kernel.vm_deallocate(at, 50 * PAGE))
at = map_object(50 * PAGE, object=memory)
assert read(at + 9 * PAGE, 6) == b"page9\\0" and read(at + 3 * PAGE, 5) == b"page3"
assert finish(pager.default_pager_info()) == (100 * PAGE, 97 * PAGE, PAGE)
finish(kernel.vm_deallocate(at, 50 * PAGE))
finish(kernel.mach_port_deallocate(memory))
while finish(pager.default_pager_info())[1] != 100 * PAGE:
    pass
assert code_of(pager.default_pager_object_create(101 * PAGE)) == 6
"""
    client = Paging(natives).client(port, CREATE + body)
    assert natives.ended(client) == ""
    assert store.read(0, PAGE)[:5] == b"page3"


def test_internal_memory_goes_out_under_a_limit_and_comes_back(natives: Natives, default_pager: Callable[[int], Pager]) -> None:
    pager, port, store = default_pager(1000)
    natives.kernel.resident.limit = 64
    assert vm_set_default_memory_manager(natives.kernel, right.make_send(port)) is None
    body = """
size = 400
at = finish(kernel.vm_allocate(0, size * PAGE, 1))
for round in range(2):
    for page in range(size):
        if round:
            assert read(at + page * PAGE, 8) == b"%08d" % page
            view(at + page * PAGE + 8, 1)[:] = b"!"
        else:
            view(at + page * PAGE, 8)[:] = b"%08d" % page
assert finish(kernel.vm_read(at + 100 * PAGE, 9)) == b"00000100!"
step()
"""
    task = Paging(natives).client(port, body)
    task.map.pageable = natives.kernel
    most = 0

    def watched() -> bool:
        nonlocal most
        most = max(most, natives.kernel.resident.count)
        return (task.waits and bool(task.space.lookup(0x2002).port.receivers)) or not task.alive

    natives.run_until(watched)
    assert task.alive, task.last_words
    assert most <= 64 + 8
    assert store.read(0, PAGE)[:8] == b"00000000"
    assert store.blocks >= 300 * 8
    task.terminate()
    natives.run_until(lambda: pager.waits and len(pager.space.entries) < 12)
    assert natives.kernel.resident.count == 0


def test_where_the_device_has_no_room_for_all_what_fits_goes_and_few_are_looked_at(
    natives: Natives, default_pager: Callable[[int], Pager], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, port, store = default_pager(100)
    resident = natives.kernel.resident
    resident.limit, resident.room = 64, 100
    vm_set_default_memory_manager(natives.kernel, right.make_send(port))
    looked_at = 0
    page_out = InternalObject.page_out

    def counted(pages: InternalObject, first: int, last: int) -> None:
        nonlocal looked_at
        looked_at += last + 1 - first
        page_out(pages, first, last)

    monkeypatch.setattr(InternalObject, "page_out", counted)
    body = """
size = 4000
at = finish(kernel.vm_allocate(0, size * PAGE, 1))
for round in range(2):
    for page in range(size):
        if round:
            assert read(at + page * PAGE, 8) == b"%08d" % page
        else:
            view(at + page * PAGE, 8)[:] = b"%08d" % page
step()
"""
    task = Paging(natives).client(port, body)
    task.map.pageable = natives.kernel
    natives.run_until(lambda: (task.waits and bool(task.space.lookup(0x2002).port.receivers)) or not task.alive)
    assert task.alive, task.last_words
    assert resident.out == 100
    assert store.read(0, PAGE)[:8] == b"00000000"
    assert looked_at <= LOOK * 4000


def test_a_copy_of_paged_memory_is_paged_too(natives: Natives, default_pager: Callable[[int], Pager]) -> None:
    _, port, _ = default_pager(1000)
    natives.kernel.resident.limit = 16
    vm_set_default_memory_manager(natives.kernel, right.make_send(port))
    body = """
memory = finish(pager.default_pager_object_create(50 * PAGE))
at = map_object(50 * PAGE, object=memory)
for page in range(50):
    view(at + page * PAGE, 1)[:] = bytes([page])
copy = map_object(50 * PAGE, object=memory, copy=1)
for page in range(50):
    view(at + page * PAGE, 1)[:] = bytes([100 + page])
assert [read(copy + page * PAGE, 1)[0] for page in range(50)] == list(range(50))
assert [read(at + page * PAGE, 1)[0] for page in range(50)] == list(range(100, 150))
"""
    assert natives.ended(Paging(natives).client(port, CREATE + body)) == ""


def test_a_full_device_gives_the_object_up_and_nothing_else(natives: Natives, default_pager: Callable[[int], Pager]) -> None:
    pager, port, _ = default_pager(10)
    natives.kernel.resident.limit = 4
    body = """
memory = finish(pager.default_pager_object_create(10 * PAGE))
other = finish(pager.default_pager_object_create(10 * PAGE))
at = map_object(10 * PAGE, object=memory)
second = map_object(10 * PAGE, object=other)
for page in range(10):
    view(at + page * PAGE, 1)[:] = b"x"
codes = set()
for page in range(10):
    codes.add(code_of(kernel.vm_write(second + page * PAGE, b"y")))
assert codes == {0, 9}, codes
assert [read(at + page * PAGE, 1) for page in range(10)] == [b"x"] * 10
"""
    assert natives.ended(Paging(natives).client(port, CREATE + body)) == ""
    assert pager.alive


def test_the_manager_is_set_by_who_may(natives: Natives, default_pager: Callable[[int], Pager]) -> None:
    _, port, _ = default_pager(10)
    body = """
from skerry.lib.kernel import HostPrivPort
host = client(HostPrivPort, task, 0x2003)
assert finish(host.vm_set_default_memory_manager(0x2001)) == 0
assert finish(host.vm_set_default_memory_manager(0)) == 0x2001
assert code_of(client(HostPrivPort, task, task.host_self()).vm_set_default_memory_manager(0)) == mach.MIG_BAD_ID
assert code_of(host.vm_set_default_memory_manager(task.self_port)) == 4
"""
    task = Paging(natives).client(port, body)
    natives.give_send(task, natives.kernel.host.priv_port, 0x2003)
    assert natives.ended(task) == ""
    assert natives.kernel.default_manager is port


assert OBJECT == 0x2001
