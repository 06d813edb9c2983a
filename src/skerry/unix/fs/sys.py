"""/sys, as programs read it: which processors there are, and little more.

Source: sysfs(5); Documentation/ABI/testing/sysfs-devices-system-cpu.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from skerry.unix.fs.generated import GeneratedDirectory, GeneratedTree, Texts
from skerry.unix.fs.proctext import span
from skerry.unix.fs.tmpfs import MemoryFileSystem

if TYPE_CHECKING:
    from skerry.unix.substrate import Platform

SYSFS_MAGIC: Final = 0x62656572
_CPU: Final = b"devices/system/cpu/"


def make_sys(platform: Platform, device: int) -> GeneratedDirectory:
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
    say(b"devices/system/node/online", "0")
    say(b"devices/system/node/possible", "0")
    say(b"devices/system/node/node0/cpulist", span(count))
    say(b"devices/system/node/node0/cpumap", everyone)
    say(b"kernel/mm/transparent_hugepage/enabled", "always [madvise] never")
    say(b"kernel/mm/transparent_hugepage/hpage_pmd_size", str(2 << 20))
    fs = MemoryFileSystem(platform, device, "sysfs", SYSFS_MAGIC)
    fs.supports_xattrs = False
    fs.read_only = True
    return GeneratedTree(fs, files).directory()
