"""Tasks and threads: who owns memory and rights, and who runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from skerry.machine import AddressSpace, Context

if TYPE_CHECKING:
    from skerry.mach.port import Port


class Task:
    """An address space and what belongs to it. ``emulation`` is where its traps are redirected to (task_set_emulation); inherited."""

    def __init__(self, space: AddressSpace, emulation: Port) -> None:
        self.space = space
        self.emulation = emulation
        self.threads = 1
        self.parked: list[Context] = []  # contexts whose threads have ended, to be used again


class Thread:
    """A thread of a task. A trap sends it, as its own message, to the task's emulation port; ``resume`` is the reply.

    ``number`` of the call, ``cause``, ``signo``, ``code`` and ``address`` are the trap's; the registers are read as they are needed.
    """

    def __init__(self, task: Task, context: Context) -> None:
        self.task = task
        self.context = context
        self.owner: Any = None  # what the server keeps of it
        self.get = context.get
        self.set = context.set
        self.registers = context.registers
        self.set_registers = context.set_registers
        self.xstate = context.xstate
        self.set_xstate = context.set_xstate
        self.reset_xstate = context.reset_xstate
        self.resume = context.resume
        self.resume_with = context.resume_with
        self.interrupt = context.interrupt
        self.set_identity = context.set_identity
        self.call: Callable[..., Any] = context.call
        context.owner = self

    @property
    def fs_base(self) -> int:
        return self.context.fs_base

    @fs_base.setter
    def fs_base(self, base: int) -> None:
        self.context.fs_base = base

    @property
    def gs_base(self) -> int:
        return self.context.gs_base

    @gs_base.setter
    def gs_base(self, base: int) -> None:
        self.context.gs_base = base

    def terminate(self) -> None:
        """thread_terminate: the thread runs no more. Its context is kept for the task's next thread."""
        context = self.context
        if context.running:
            self.owner = None
            context.interrupt()
        elif context.owner is self:
            context.owner = None
            self.task.parked.append(context)
            self.task.threads -= 1


def thread_create(task: Task) -> Thread:
    """A suspended thread without state. Raises OSError."""
    context = task.parked.pop() if task.parked else task.space.new_context()
    task.threads += 1
    return Thread(task, context)


def copy_state(source: Thread, target: Thread) -> None:
    """Registers, vector state and bases of one thread to another."""
    target.set_registers(source.registers())
    target.set_xstate(source.xstate())
    target.fs_base, target.gs_base = source.fs_base, source.gs_base


def task_create(parent: Task) -> tuple[Task, Thread]:
    """A task that inherits the parent's memory as each region says (here: shared or copied on write), with one suspended thread."""
    space, context = parent.space.fork()
    task = Task(space, parent.emulation)
    return task, Thread(task, context)


def task_terminate(task: Task) -> None:
    """The task, its memory and its threads are gone."""
    task.space.kill()
