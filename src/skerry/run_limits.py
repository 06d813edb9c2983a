"""The limits of a run, as its options ask for them, and what is said on standard error when one is reached."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from skerry.options import Options
from skerry.unix.limits import FilesLimit, Limits, MemoryLimit, ProcessorLimit, TaskLimit, TimeLimit
from skerry.unix.storage import Storage

if TYPE_CHECKING:
    from skerry.unix.substrate import Platform

    class LimitedPlatform(Platform, Protocol):
        """One of which programs can be shown less than there is."""

        def show_processors(self, count: int) -> None:
            """Have programs see so many."""


class _Teller:
    """Says that a limit was reached, each thing once: a program may try a million times."""

    def __init__(self, option: str, say: Callable[[str], None]) -> None:
        self._option = option
        self._say = say
        self._said: set[str] = set()

    def __call__(self, what: str) -> None:
        if what not in self._said:
            self._said.add(what)
            self._say(f"skerry: limit reached: {self._option}: {what}\n")


def size_text(size: int) -> str:
    """``512M``: bytes as they are given on the command line."""
    for unit, shift in (("T", 40), ("G", 30), ("M", 20), ("K", 10)):
        if size >> shift and not size & (1 << shift) - 1:
            return f"{size >> shift}{unit}"
    return str(size)


def make_limits(options: Options, platform: LimitedPlatform, say: Callable[[str], None]) -> Limits:
    """Limits that are not yet watched. ``platform`` shows programs the memory and processors that they leave."""
    limits = Limits()
    if options.disk or options.memory:
        least = min(size for size in (options.disk, options.memory) if size)
        tell = _Teller(f"--disk {size_text(least)}" if least == options.disk else f"--memory {size_text(least)}", say)
        limits.storage = Storage(least, lambda: tell("no space for files (ENOSPC)"))
        if least == options.disk:
            limits.files = FilesLimit(limits.storage, tell)
    if options.memory and limits.storage is not None:
        limits.memory = MemoryLimit(options.memory, limits.storage, _Teller(f"--memory {size_text(options.memory)}", say), platform.paging)
        platform.memory_bytes = limits.memory.bytes  # type: ignore[method-assign]
    if options.processes:
        limits.tasks = TaskLimit(options.processes, _Teller(f"--pids {options.processes}", say))
    if options.timeout:
        limits.time = TimeLimit(options.timeout, _Teller(f"--timeout {options.timeout / 1e9:g}s", say))
    if options.processors:
        limits.processors = ProcessorLimit(options.processors)
        platform.show_processors(limits.processors.visible(platform.processors()))
    return limits
