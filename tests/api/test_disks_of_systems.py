"""Disk images of a system in Python, and the death of their driver."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

import skerry

pytestmark = [pytest.mark.machine, pytest.mark.slow]
SIZE = 1 << 20
RECORD = 512
KILLS = 6
WRITER = """
import mmap, os, sys
disk = os.open("/dev/disk0", os.O_RDWR)
pages = mmap.mmap(disk, 0x10000)
def record(n):
    return (b"%d " % n * 512)[:512]
n = 0
while not os.path.exists("/tmp/stop"):
    n += 1
    at = n % 100 * 512
    if n % 2:
        assert os.pwrite(disk, record(n), at) == 512
    else:
        pages[at : at + 512] = record(n)
    os.fsync(disk)
    assert os.pread(disk, 512, at) == record(n) == pages[at : at + 512]
    again = os.open("/dev/disk0", os.O_RDONLY)
    if n > 1:
        assert os.pread(again, 512, (n - 1) % 100 * 512) == record(n - 1)
    os.close(again)
    print(n, flush=True)
"""


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(SIZE))
    return path


def test_system_has_the_disks_that_it_is_given(config: str, image: Path) -> None:
    other = image.with_name("disk.img2")
    other.write_bytes(bytes(SIZE // 2))
    result = skerry.run(["sh", "-c", "wc -c < /dev/a; printf x > /dev/b"], config=config, disk_image=[f"b={image}:rw", f"a={other}"])
    assert (result.status, result.text) == (0, f"{SIZE // 2}\n")
    assert image.read_bytes()[:2] == b"x\0"


def test_image_that_is_not_there_is_an_error_in_words(config: str, tmp_path: Path) -> None:
    with pytest.raises(skerry.Error, match=r"--disk-image a=.*missing: No such file or directory: give an image"):
        skerry.run(["true"], config=config, disk_image=[f"a={tmp_path}/missing"])


TASK = """
from skerry.abi import mach
from skerry.lib.channel import NativeTask
from skerry.lib.kernel import DeviceMasterPort, DevicePort
from skerry.lib.stubs import client, finish
from skerry.servers.name import look_up
def main(channel):
    task = NativeTask(channel)
    disk = client(DevicePort, task, finish(client(DeviceMasterPort, task, look_up(task, "devices")).device_open(3, "disk0")))
    size, record = finish(disk.device_get_status(mach.DEV_GET_SIZE))
    memory = finish(disk.device_map(3, 0, size, 0))
    at = finish(task.kernel.vm_map(0, size, 0, 1, memory, 0, 0, 3, 3, 1))
    assert bytes(channel.memory(at, 4)) == b"unix"
    channel.memory(at + 4, 4)[:] = b"mach"
    finish(disk.device_write(0, 1, b"record".ljust(record, b".")))
"""


def test_native_task_and_programs_share_the_disk(config: str, image: Path) -> None:
    async def share() -> tuple[bytes, bytes]:
        async with skerry.System(config=config, disk_image=[f"disk0={image}:rw"]) as system:
            script = "import os, mmap; m = mmap.mmap(os.open('/dev/disk0', os.O_RDWR), 4096); m[:4] = b'unix'"
            (await system.run(["python3", "-c", script])).check()
            await (await system.begin_task(TASK)).wait()
            first = await system.run(["head", "-c", "8", "/dev/disk0"])
            second = await system.run(["dd", "if=/dev/disk0", "bs=512", "skip=1", "count=1"])
            return first.output, second.output

    assert asyncio.run(share()) == (b"unixmach", b"record".ljust(512, b"."))


def test_death_of_the_driver_loses_nothing(image: Path) -> None:
    """A writer that has each record flushed and reads it back goes on, whenever the driver dies; what it has said is on the host."""

    async def write() -> int:
        async with skerry.System(config="mach", disk_image=[f"disk0={image}:rw"]) as system:
            writer = await system.begin(["python3", "-c", WRITER], stdout=skerry.PIPE)
            assert writer.stdout is not None
            said = 0
            for _ in range(KILLS):
                for _ in range(3):
                    said = int(await writer.stdout.readline())
                (driver,) = [task["host_pid"] for task in await system.tasks() if task["name"] == "disk"]
                os.kill(driver, signal.SIGKILL)
            await system.run(["touch", "/tmp/stop"])
            said = int((await writer.stdout.read()).split()[-1])
            assert await writer.wait() == 0
            return said

    last = asyncio.run(write())
    contents = image.read_bytes()
    for number in range(max(1, last - 99), last + 1):
        at = number % 100 * RECORD
        assert contents[at : at + RECORD] == (b"%d " % number * 512)[:RECORD]
