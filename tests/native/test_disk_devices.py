"""A disk image as a device of Mach: records by message, and its pages mapped in native tasks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.native.natives import Natives
from tests.native.pagers import CLIENT, PAGE, STEP, Paging, indented

from skerry import disks
from skerry.mach import right
from skerry.mach.device_memory import device_memory
from skerry.mach.native import NativeTask
from skerry.mach.right import RightKind
from skerry.machine.hostdisk import HostDisk
from skerry.options import DiskImage

pytestmark = pytest.mark.machine
MASTER = 0x5002
SIZE = 5 * PAGE + 1024  # the last page is not whole
USE = """
from skerry.lib.kernel import DeviceMasterPort, DevicePort
master = client(DeviceMasterPort, task, 0x5002)
def opened(name="disk0", mode=3):
    return client(DevicePort, task, finish(master.device_open(mode, name)))
disk = opened(mode=MODE)
def map_disk(memory, size=PAGE, offset=0, copy=0, protection=3, maximum=7):
    return finish(kernel.vm_map(0, size, 0, 1, memory, offset, copy, protection, maximum, 1))
"""


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image"
    path.write_bytes(b"".join(b"%-15d\n" % at * 32 for at in range(SIZE // 512)))
    return path


def start(natives: Natives, image: Path, body: str, writable: bool = True) -> NativeTask:
    """A task that does ``body`` with the device disk0."""
    held = HostDisk(natives.machine, os.fsencode(image), writable)
    given = [DiskImage("disk0", os.fsencode(image), writable, "")]
    disks.register(natives.kernel, given, [held])
    task = natives.start(CLIENT + indented(USE.replace("MODE", "3" if writable else "1") + body))
    task.space.copyout_name(RightKind.SEND, right.make_send(natives.kernel.host.devices.port), MASTER)
    return task


def run(natives: Natives, image: Path, body: str, writable: bool = True) -> None:
    assert natives.ended(start(natives, image, body, writable)) == ""


def test_records_are_read_and_written(natives: Natives, image: Path) -> None:
    body = f"""
assert finish(disk.device_get_status(mach.DEV_GET_SIZE)) == [{SIZE}, 512]
assert finish(disk.device_get_status(mach.DEV_GET_RECORDS)) == [{SIZE // 512}, 512]
assert finish(disk.device_read(0, 7, 1024)) == b"%-15d\\n" % 7 * 32 + b"%-15d\\n" % 8 * 32
assert finish(disk.device_read(0, {SIZE // 512 - 1}, 4096)) == b"%-15d\\n" % {SIZE // 512 - 1} * 32
assert finish(disk.device_read(0, {SIZE // 512}, 512)) == b""
assert finish(disk.device_write(0, 3, b"x" * 512)) == 512
assert finish(disk.device_write(0, {SIZE // 512 - 1}, b"y" * 1024)) == 512
for call in (disk.device_read(0, 0, 100), disk.device_write(0, 0, b"x")):
    assert code_of(call) == mach.D_INVALID_SIZE
assert code_of(disk.device_read(0, {SIZE // 512 + 1}, 512)) == mach.D_INVALID_RECNUM
"""
    run(natives, image, body)
    contents = image.read_bytes()
    assert (len(contents), contents[1536:2048], contents[-512:]) == (SIZE, b"x" * 512, b"y" * 512)


def test_mapping_shows_the_disk_and_writes_it(natives: Natives, image: Path) -> None:
    body = """
memory = finish(disk.device_map(3, PAGE, 3 * PAGE, 0))
at = map_disk(memory, 2 * PAGE, PAGE)
assert finish(kernel.vm_region(at))[2:4] == (3, 3)
assert read(at, 512) == b"%-15d\\n" % 16 * 32
view(at, PAGE)[:6] = b"mapped"
assert finish(disk.device_read(0, 16, 512))[:6] == b"mapped"
finish(disk.device_write(0, 24, b"message".ljust(512, b"!")))
assert read(at + PAGE, 8) == b"message!"
again = map_disk(finish(disk.device_map(1, 2 * PAGE, PAGE, 0)), protection=1)
assert read(again, 6) == b"mapped"
finish(kernel.vm_write(at + 100, b"by the kernel"))
assert finish(kernel.vm_read(again + 100, 13)) == b"by the kernel"
"""
    run(natives, image, body)
    assert image.read_bytes()[2 * PAGE : 2 * PAGE + 6] == b"mapped"


def test_last_page_is_what_there_is_and_zeros(natives: Natives, image: Path) -> None:
    body = f"""
at = map_disk(finish(disk.device_map(3, 0, {SIZE}, 0)), 6 * PAGE)
assert read(at + 5 * PAGE, PAGE) == finish(disk.device_read(0, 40, 1024)) + bytes(PAGE - 1024)
view(at + 5 * PAGE, PAGE)[1020:1030] = b"0123456789"
assert finish(disk.device_read(0, 41, 512))[-4:] == b"0123"
"""
    run(natives, image, body)
    assert image.stat().st_size == SIZE


def test_a_copy_is_made_at_once_and_is_nobody_elses(natives: Natives, image: Path) -> None:
    body = f"""
memory = finish(disk.device_map(1, 0, {SIZE}, 0))
at = map_disk(memory, 6 * PAGE, copy=1)
assert finish(kernel.vm_region(at))[2:4] == (3, 7)
finish(disk.device_write(0, 8, b"later".ljust(512)))
assert read(at + PAGE, 512) == b"%-15d\\n" % 8 * 32
view(at, PAGE)[:4] = b"mine"
assert finish(disk.device_read(0, 0, 512))[:4] != b"mine"
assert read(at + 5 * PAGE, PAGE)[1024:] == bytes(PAGE - 1024)
"""
    run(natives, image, body)


def test_what_is_not_allowed_is_refused(natives: Natives, image: Path) -> None:
    body = """
memory = finish(disk.device_map(1, 0, 2 * PAGE, 0))
assert code_of(kernel.vm_map(0, PAGE, 0, 1, memory, 0, 0, 3, 7, 1)) == mach.KERN_PROTECTION_FAILURE
at = map_disk(memory, protection=1)
assert finish(kernel.vm_region(at))[2:4] == (1, 1)
assert code_of(kernel.vm_protect(at, PAGE, 0, 3)) == code_of(kernel.vm_write(at, b"x")) == mach.KERN_PROTECTION_FAILURE
for offset, size in ((PAGE, 2 * PAGE), (2 * PAGE, PAGE), (100, PAGE), (0, 3 * PAGE)):
    assert code_of(kernel.vm_map(0, size, 0, 1, memory, offset, 0, 1, 1, 1)) == mach.KERN_INVALID_ARGUMENT
assert code_of(kernel.vm_map(0, PAGE, 0, 1, memory, 0, 0, 1, 1, 9)) == mach.KERN_INVALID_ARGUMENT
for offset, size in ((0, 0), (0, 7 * PAGE), (6 * PAGE, PAGE), (1 << 60, PAGE)):
    assert code_of(disk.device_map(1, offset, size, 0)) == mach.D_INVALID_SIZE
assert code_of(disk.device_map(1, 100, PAGE, 0)) == code_of(disk.device_map(8, 0, PAGE, 0)) == mach.KERN_INVALID_ARGUMENT
assert code_of(opened(mode=1).device_map(3, 0, PAGE, 0)) == mach.D_READ_ONLY
assert code_of(opened(mode=2).device_map(1, 0, PAGE, 0)) == mach.D_INVALID_OPERATION
for name in ("null", "zero", "random"):
    assert code_of(opened(name).device_map(1, 0, PAGE, 0)) == mach.D_INVALID_OPERATION
assert code_of(kernel.mach_port_deallocate(memory)) == 0
"""
    run(natives, image, body)


def test_read_only_image_is_not_opened_to_be_written(natives: Natives, image: Path) -> None:
    before = image.read_bytes()
    body = """
assert code_of(master.device_open(2, "disk0")) == code_of(master.device_open(3, "disk0")) == mach.D_READ_ONLY
assert code_of(disk.device_write(0, 0, bytes(512))) == code_of(disk.device_map(3, 0, PAGE, 0)) == mach.D_READ_ONLY
at = map_disk(finish(disk.device_map(1, 0, PAGE, 0)), protection=1)
assert read(at, 16) == b"%-15d\\n" % 0
"""
    run(natives, image, body, writable=False)
    assert image.read_bytes() == before


def test_mapping_outlives_its_port_and_the_opening(natives: Natives, image: Path) -> None:
    body = """
memory = finish(disk.device_map(3, 0, PAGE, 0))
at = map_disk(memory)
finish(kernel.mach_port_deallocate(memory))
finish(disk.device_close())
view(at, PAGE)[:5] = b"still"
assert finish(opened().device_read(0, 0, 512))[:5] == b"still"
finish(kernel.vm_deallocate(at, PAGE))
"""
    run(natives, image, body)


def test_port_dies_when_nobody_has_a_right_to_it(natives: Natives, image: Path) -> None:
    body = """
memory = finish(disk.device_map(3, 0, PAGE, 0))
step()
finish(kernel.mach_port_deallocate(memory))
step()
"""
    task = start(natives, image, body)
    natives.new_port(task, STEP)
    natives.run_until(lambda: task.waits)
    (port,) = [entry.port for entry in task.space.entries.values() if device_memory(entry.port) is not None]
    assert not port.dead
    Paging(natives).let_go(task)
    natives.run_until(lambda: task.waits and port.dead)
