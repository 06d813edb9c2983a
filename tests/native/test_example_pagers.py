"""The example pagers, with clients that use them, and as their documentation starts them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.native.natives import MODULES, Natives
from tests.native.pagers import PAGE, Paging

from skerry.abi import mach
from skerry.mach.disk import Disk
from skerry.mach.native import NativeTask
from skerry.mach.port import Port
from skerry.machine import Machine, MemoryObject
from skerry.machine.native_task import Template

pytestmark = pytest.mark.machine
EXAMPLES = Path(__file__).parents[2] / "examples" / "pagers"
PORT, DEVICE = 0x2101, 0x2102
CREATE = """
from compressed_pager import CompressedMemory
pager = client(CompressedMemory, task, 0x2001)
memory = finish(pager.create(600 * PAGE))
at = map_object(600 * PAGE, object=memory)
"""


@pytest.fixture(scope="module")
def example_template(machine: Machine) -> Iterator[Template]:
    sys.path.insert(0, str(EXAMPLES))
    try:
        with Template(machine, [*MODULES, "compressed_pager", "file_pager"]) as template:
            yield template
    finally:
        sys.path.remove(str(EXAMPLES))


@pytest.fixture
def examples(machine: Machine, example_template: Template) -> Iterator[Natives]:
    natives = Natives(machine, example_template)
    yield natives
    natives.end()


def compressed(natives: Natives, limit: int) -> Port:
    task = natives.start_entry("compressed_pager:main", PORT, limit)
    return natives.new_port(task, PORT)


def test_cold_memory_is_compressed_and_is_what_it_was(examples: Natives) -> None:
    body = """
for page in range(600):
    view(at + page * PAGE, PAGE)[:] = (b"%04d" % page) * 1024
for page in range(599, -1, -1):
    assert read(at + page * PAGE, PAGE) == (b"%04d" % page) * 1024
warm, kept, taken = finish(pager.statistics())
assert warm <= 128 and kept >= 472 and taken < kept * 100, (warm, kept, taken)
"""
    assert examples.ended(Paging(examples).client(compressed(examples, 128), CREATE + body)) == ""
    examples.run_until(lambda: examples.kernel.resident.count == 0)


def test_pages_of_zeros_take_no_room(examples: Natives) -> None:
    body = """
for page in range(600):
    assert read(at + page * PAGE, 1) == b"\\0"
view(at, 1)[:] = b"x"
for page in range(1, 600):
    read(at + page * PAGE, 1)
view(at, 1)[:] = b"\\0"
finish(kernel.vm_deallocate(at, 600 * PAGE))
at = map_object(600 * PAGE, object=memory)
assert read(at, 1) == b"\\0"
assert finish(pager.statistics())[1:] == (0, 0)
assert code_of(pager.create(1 << 50)) == 4
"""
    assert examples.ended(Paging(examples).client(compressed(examples, 128), CREATE + body)) == ""


def large_file(natives: Natives, pages: int, writable: int) -> tuple[NativeTask, Port, MemoryObject]:
    store = MemoryObject(pages * PAGE)
    for at in (0, pages // 2, pages - 1):
        store.write(at * PAGE, b"page %d\n" % at)
    natives.kernel.host.devices.register("large", Disk(store, pages))
    task = natives.start_entry("file_pager:main", PORT, DEVICE, writable)
    port = natives.new_port(task, PORT)
    natives.give_send(task, natives.kernel.host.devices.open(mach.D_READ | mach.D_WRITE, b"large"), DEVICE)
    return task, port, store


def test_of_a_large_file_only_what_is_touched_is_in_memory(examples: Natives) -> None:
    pages = 1 << 28
    _, port, _ = large_file(examples, pages, 0)
    body = f"""
at = map_object({pages} * PAGE, protection=1)
for page in (0, {pages // 2}, {pages - 1}):
    assert read(at + page * PAGE, 20).startswith(b"page %d\\n" % page)
assert read(at + 12345 * PAGE, 3) == bytes(3)
step()
"""
    client = Paging(examples).client(port, body)
    examples.run_until(lambda: (client.waits and client.map.regions and examples.kernel.resident.count >= 13) or not client.alive)
    assert client.alive, client.last_words
    assert examples.kernel.resident.count == 4 + 4 + 1 + 4


def test_a_file_is_written_if_that_is_asked_for(examples: Natives) -> None:
    _, port, store = large_file(examples, 100, 1)
    body = "at = map_object(100 * PAGE)\nview(at + 7 * PAGE, 5)[:] = b'seven'\n"
    assert examples.ended(Paging(examples).client(port, body)) == ""
    pages = port.memory_object.pages  # type: ignore[union-attr,attr-defined]
    assert pages[7].dirty  # it may be cached: it comes back when the kernel wants it to
    examples.kernel.resident.limit = 1
    body = "at = map_object(100 * PAGE)\nread(at + 50 * PAGE, 1)\nread(at + 90 * PAGE, 1)\n"
    assert examples.ended(Paging(examples).client(port, body)) == ""
    examples.run_until(lambda: store.read(7 * PAGE, 5) == b"seven")


def test_a_file_is_not_written_otherwise(examples: Natives) -> None:
    _, port, store = large_file(examples, 100, 0)
    body = "at = map_object(100 * PAGE)\nassert code_of(kernel.vm_write(at, b'x')) == 10\nassert read(at, 6) == b'page 0'\n"
    assert examples.ended(Paging(examples).client(port, body)) == ""
    assert store.read(0, 6) == b"page 0"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said"), [(["compressed", "--size", "8"], ", 0 pages wrong"), (["file"], "pages of 268435456 are in memory")]
)
def test_the_demonstration(arguments: list[str], said: str) -> None:
    run = subprocess.run([sys.executable, str(EXAMPLES / "demo.py"), *arguments], capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 0, run.stderr
    assert said in run.stdout
