"""The template that the native tasks of a run are forked from (``--config mach``). It imports what they need while the kernel starts."""

from __future__ import annotations

from typing import Final

from skerry.machine import Machine
from skerry.machine.native_task import Template
from skerry.options import Options

ALWAYS: Final = (
    "skerry.unix_task",
    "skerry.servers.reincarnation",
    "skerry.servers.driver",
    "skerry.servers.name",
    "ctypes",
    "skerry.unix.fs.upperdir",
    "skerry.unix.rtc",
    "skerry.control.calls",
    "skerry.networks",
)


def template(machine: Machine, options: Options) -> Template:
    """One that is started, and not waited for. Raises OSError."""
    modules = [
        *ALWAYS,
        *(["skerry.unix.fs.translator"] if options.mounts else []),
        *(["skerry.disks"] if options.disk_images else []),
        *(["skerry.unix.strace", "skerry.unix.observe"] if options.strace else []),
        *(["skerry.stats"] if options.stats else []),
        *(["skerry.servers.default_pager"] if options.swap else []),
    ]
    return Template(machine, modules, wait=False)
