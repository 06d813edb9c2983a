"""/sys, as programs read it: which processors, caches and disks there are, and little more.

Source: sysfs(5); Documentation/ABI/testing/sysfs-devices-system-cpu, Documentation/ABI/stable/sysfs-block.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Final

from skerry.unix import disk as disks
from skerry.unix.fs.generated import GeneratedDirectory, GeneratedTree, Links, Texts
from skerry.unix.fs.proctext import span
from skerry.unix.fs.tmpfs import MemoryFileSystem

if TYPE_CHECKING:
    from skerry.unix.disk import BlockDevice
    from skerry.unix.substrate import Platform

SYSFS_MAGIC: Final = 0x62656572
_CPU: Final = b"devices/system/cpu/"
_BLOCK: Final = b"devices/virtual/block/"


def make_sys(platform: Platform, device: int, block_devices: Iterable[BlockDevice] = ()) -> GeneratedDirectory:
    """The root of /sys."""
    files: Texts = {}
    count = platform.processors()

    def say(path: bytes, text: str) -> None:
        files[path] = lambda: text.encode() + b"\n"

    for name in (b"possible", b"present", b"online"):
        say(_CPU + name, span(count))
    say(_CPU + b"offline", "")
    say(_CPU + b"kernel_max", str(count - 1))
    everyone = f"{(1 << count) - 1:x}"
    caches = platform.processor_caches()
    for number in range(count):
        topology = _CPU + b"cpu%d/topology/" % number
        alone = f"{1 << number:x}"
        for name, text in (
            (b"core_id", str(number)),
            (b"physical_package_id", "0"),
            (b"thread_siblings", alone),
            (b"thread_siblings_list", str(number)),
            (b"core_cpus", alone),
            (b"core_cpus_list", str(number)),
            (b"core_siblings", everyone),
            (b"core_siblings_list", span(count)),
            (b"package_cpus", everyone),
            (b"package_cpus_list", span(count)),
        ):
            say(topology + name, text)
        for index, (level, kind, size, line, sets, ways, shared) in enumerate(caches):
            for name, fact in (
                (b"level", level),
                (b"type", kind),
                (b"size", size),
                (b"coherency_line_size", line),
                (b"number_of_sets", sets),
                (b"ways_of_associativity", ways),
                (b"physical_line_partition", 1),
                (b"shared_cpu_map", everyone if shared else alone),
                (b"shared_cpu_list", span(count) if shared else str(number)),
            ):
                say(_CPU + b"cpu%d/cache/index%d/" % (number, index) + name, str(fact))
    say(b"devices/system/node/online", "0")
    say(b"devices/system/node/possible", "0")
    say(b"devices/system/node/node0/cpulist", span(count))
    say(b"devices/system/node/node0/cpumap", everyone)
    say(b"kernel/mm/transparent_hugepage/enabled", "always [madvise] never")
    say(b"kernel/mm/transparent_hugepage/hpage_pmd_size", str(2 << 20))
    links: Links = {}
    for block_device in block_devices:
        _add_disk(block_device, files, links)
    fs = MemoryFileSystem(platform, device, "sysfs", SYSFS_MAGIC)
    fs.supports_xattrs = False
    fs.read_only = True
    return GeneratedTree(fs, files, links).directory()


def _add_disk(device: BlockDevice, files: Texts, links: Links) -> None:
    """What there is of a disk."""
    place = _BLOCK + device.name
    number = b"%d:%d" % (disks.MAJOR, device.minor)
    links[b"block/" + device.name] = b"../" + place
    links[b"class/block/" + device.name] = b"../../" + place
    links[b"dev/block/" + number] = b"../../" + place
    links[place + b"/subsystem"] = b"../../../../class/block"
    sectors = device.size // disks.SECTOR
    name = device.name.decode()
    facts: dict[str, object] = {
        "alignment_offset": 0,
        "capability": 0,
        "dev": number.decode(),
        "discard_alignment": 0,
        "diskseq": device.minor // disks.MINORS + 1,
        "ext_range": 1,
        "hidden": 0,
        "inflight": "       0        0",
        "queue/discard_granularity": disks.BLOCK,
        "queue/discard_max_bytes": device.size,
        "queue/discard_zeroes_data": 0,
        "queue/hw_sector_size": disks.SECTOR,
        "queue/logical_block_size": disks.SECTOR,
        "queue/max_sectors_kb": disks.LARGEST // 2,
        "queue/minimum_io_size": disks.SECTOR,
        "queue/optimal_io_size": 0,
        "queue/physical_block_size": disks.SECTOR,
        "queue/read_ahead_kb": disks.READ_AHEAD // 2,
        "queue/rotational": 0,
        "queue/scheduler": "[none]",
        "queue/write_cache": "write back",
        "queue/write_zeroes_max_bytes": device.size,
        "queue/zoned": "none",
        "range": 1,
        "removable": 0,
        "size": sectors,
        "uevent": f"MAJOR={disks.MAJOR}\nMINOR={device.minor}\nDEVNAME={name}\nDEVTYPE=disk",
    }
    for key, value in facts.items():
        files[place + b"/" + key.encode()] = partial(bytes, f"{value}\n".encode())
    files[place + b"/ro"] = lambda: b"%d\n" % device.read_only
    files[place + b"/stat"] = lambda: device.statistics().encode() + b"\n"
