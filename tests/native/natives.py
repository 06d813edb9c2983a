"""Native tasks of one test, and the kernel under them."""

from __future__ import annotations

import re
from collections.abc import Callable
from weakref import WeakKeyDictionary

from skerry.mach import mach_port as mp
from skerry.mach import right
from skerry.mach.kernel import Kernel
from skerry.mach.native import NativeTask
from skerry.mach.port import Port
from skerry.mach.right import RightKind
from skerry.machine import Machine
from skerry.machine.native_task import Template

MODULES = (
    "skerry.abi.machmsg",
    "skerry.abi.registers",
    "skerry.lib.service",
    "skerry.lib.pager",
    "skerry.servers.default_pager",
    "skerry.servers.name",
    "skerry.servers.reincarnation",
    "random",
    "mmap",
    "json",
    "ctypes",
)
SECONDS = 1_000_000_000
PRELUDE = """
from skerry.abi import mach, machmsg
from skerry.abi.machmsg import UserMessage
from skerry.lib.channel import MessageFailure, NativeTask
from skerry.lib.stubs import CallError, finish, client
from skerry.lib.kernel import TaskPort
COPY, MAKE, ONCE = mach.MSG_TYPE_COPY_SEND, mach.MSG_TYPE_MAKE_SEND, mach.MSG_TYPE_MAKE_SEND_ONCE
MOVE, MOVE_ONCE, MOVE_RECEIVE = mach.MSG_TYPE_MOVE_SEND, mach.MSG_TYPE_MOVE_SEND_ONCE, mach.MSG_TYPE_MOVE_RECEIVE
"""


class Natives:
    """Starts tasks, gives them rights, serves them."""

    def __init__(self, machine: Machine, template: Template) -> None:
        self.machine = machine
        self.template = template
        self.kernel = Kernel(machine)
        self.tasks: list[NativeTask] = []
        self.sources = WeakKeyDictionary[NativeTask, list[str]]()  # lines

    def start(self, source: str, *arguments: str | int) -> NativeTask:
        """A task that runs ``source``'s ``main(channel, *arguments)``."""
        task = self._add(NativeTask(self.kernel, self.template, "main", PRELUDE + source, arguments))
        self.sources[task] = (PRELUDE + source).splitlines()
        return task

    def start_entry(self, entry: str, *arguments: str | int) -> NativeTask:
        return self._add(NativeTask(self.kernel, self.template, entry, None, arguments))

    def _add(self, task: NativeTask) -> NativeTask:
        self.tasks.append(task)
        return task

    def new_port(self, task: NativeTask, name: int) -> Port:
        """A receive right of ``task`` under ``name``."""
        mp.mach_port_allocate_name(task, RightKind.RECEIVE, name)
        return task.space.lookup(name).port

    def give_send(self, task: NativeTask, port: Port, name: int) -> None:
        """A send right under ``name``."""
        task.space.copyout_name(RightKind.SEND, right.make_send(port), name)

    def run_until(self, done: Callable[[], object]) -> None:
        """Serve until ``done``; fails after 10 s without anything to do."""
        self.kernel.processor.run()
        due = self.machine.monotonic() + 10 * SECONDS
        while not done():
            trap = self.machine.wait(min(self.kernel.processor.next_deadline(), due))
            if trap is not None:
                due = self.machine.monotonic() + 10 * SECONDS
            assert self.machine.monotonic() < due, "nothing happens"
            self.kernel.handle(trap)

    def ended(self, task: NativeTask) -> str:
        """Serve until ``task`` has ended; the error that it ended with, or ''."""
        self.run_until(lambda: not task.alive)
        return task.last_words

    def succeeds(self, task: NativeTask) -> None:
        """Serve until ``task`` has ended; it must have done so without an error."""
        words = self.ended(task)
        at = re.findall(r'"<image>", line (\d+), in main', words)
        assert not words, words + (self.sources[task][int(at[0]) - 1] if at else "")

    def end(self) -> None:
        for task in self.tasks:
            task.terminate()
        self.kernel.processor.run()
