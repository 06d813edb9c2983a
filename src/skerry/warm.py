"""The template that the native tasks of a run are forked from (``--config mach``). It imports what they need while the kernel starts.

Importing takes longest of a start. So the command begins it as soon as its line looks like such a run (``foresee``), before it has read it:
a wrong guess costs the host a moment's work.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from skerry.machine.interpreter import Interpreter

if TYPE_CHECKING:
    from skerry.machine import Machine
    from skerry.machine.native_task import Template
    from skerry.options import Options

CONFIG: Final = "mach"  # options.Config.MACH
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

_foreseen: list[Interpreter] = []


def foresee(words: Sequence[str], environment: Mapping[str, str] = os.environ) -> None:
    """Begin, if the words of the command line look like a run that needs a template."""
    options = words[1 : words.index("--")] if "--" in words else words[1:]
    asked = CONFIG in options or f"--config={CONFIG}" in options or environment.get("SKERRY_CONFIG") == CONFIG
    if words[:1] == ["run"] and asked:
        try:
            for stream in range(3):
                os.fstat(stream)  # a closed one stays closed: no descriptor of ours may take its number
            _foreseen.append(Interpreter(ALWAYS))
        except OSError:  # who needs it will say so
            return


def forget() -> None:
    """It was no such run."""
    while _foreseen:
        _foreseen.pop().close()


def template(machine: Machine, options: Options) -> Template:
    """One that is started, and not waited for. Raises OSError."""
    from skerry.machine.native_task import Template

    modules = [
        *ALWAYS,
        *(["skerry.unix.fs.translator"] if options.mounts else []),
        *(["skerry.disks"] if options.disk_images else []),
        *(["skerry.unix.strace", "skerry.unix.observe"] if options.strace else []),
        *(["skerry.stats"] if options.stats else []),
        *(["skerry.servers.default_pager"] if options.swap else []),
    ]
    return Template(machine, modules, wait=False, interpreter=_foreseen.pop() if _foreseen else None)
