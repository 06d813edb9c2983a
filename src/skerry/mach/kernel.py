"""The kernel's main loop: traps become messages, host events run their callbacks, co-located servers run what is ready."""

from __future__ import annotations

from typing import Protocol

from skerry.mach.port import Port
from skerry.mach.task import Task, Thread
from skerry.machine import Context, Machine


class Colocated(Protocol):
    """The run loop of a server in the kernel's own address space."""

    def run_ready(self) -> None:
        """Run everything that can run now."""

    def next_deadline(self) -> int:
        """When run_ready must be called again (ns monotonic; 0: at once)."""


class Kernel:
    """Mach on a machine."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.halted = False
        self.messages = 0

    def first_task(self, emulation: Port) -> tuple[Task, Thread]:
        """An empty task whose traps go to ``emulation``, with one suspended thread. Raises OSError."""
        space, context = self.machine.new_space()
        task = Task(space, emulation)
        return task, Thread(task, context)

    def run(self, server: Colocated) -> None:
        """Serve until ``halted``."""
        wait = self.machine.wait
        server.run_ready()
        while not self.halted:
            trap = wait(server.next_deadline())
            if trap.__class__ is Context:
                thread = trap.owner
                if thread is not None:
                    self.messages += 1
                    thread.task.emulation.send_system_call(thread)
            elif trap is not None:
                trap.callback()
            server.run_ready()
