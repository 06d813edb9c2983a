"""The kernel's main loop: traps become messages, host events run their callbacks, co-located servers run what is ready."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from skerry.abi import mach
from skerry.mach import exception, right
from skerry.mach.emulation import Emulation
from skerry.mach.host import Host
from skerry.mach.memory_host import MemoryHost
from skerry.mach.message import Message
from skerry.mach.port import Port
from skerry.mach.processor import NEVER, Processor
from skerry.mach.task import Task
from skerry.mach.thread import Remains, Thread
from skerry.mach.vm import VmMap
from skerry.machine import Context, Machine
from skerry.machine._host import FAULT, INTERRUPTION, SYSTEM_CALL

if TYPE_CHECKING:
    from skerry.mach.native import NativeTask


def _nothing() -> None:
    pass


class Colocated(Protocol):
    """The run loop of a server in the kernel's own address space."""

    def run_ready(self) -> None:
        """Run everything that can run now."""

    def next_deadline(self) -> int:
        """When run_ready must be called again (ns monotonic; 0: at once)."""


class Alone:
    """The run loop of a kernel that has no server in its address space."""

    def run_ready(self) -> None:
        """Nothing."""

    def next_deadline(self) -> int:
        """None."""
        return NEVER


class Kernel(MemoryHost):
    """Mach on a machine."""

    def __init__(self, machine: Machine) -> None:
        super().__init__()
        self.machine = machine
        self.processor = Processor(machine.monotonic)
        self.tasks: dict[Task, None] = {}  # those that live, in the order of their creation
        self.host = Host(self)
        self.halted = False
        self.messages = 0
        self._put_off: deque[Any] = deque()  # what came while one task was waited for (``wait_for``)

    def first_task(self, emulation: Port | None) -> tuple[Task, Thread]:
        """An empty task with one thread that stands still.

        Its system calls and exceptions go to ``emulation`` (None: to nobody). Raises OSError.
        """
        space, context = self.machine.new_space()
        vector = Emulation()
        if emulation is not None:
            vector.set(0, mach.SYSTEM_CALL_LAST, right.make_send(emulation))
        task = Task(self, space, VmMap(space), vector)
        if emulation is not None:
            task.special_ports[mach.TASK_EXCEPTION_PORT] = right.make_send(emulation)
        return task, Thread(task, context)

    def run(self, server: Colocated) -> None:
        """Serve until ``halted``."""
        wait = self.machine.wait
        processor = self.processor
        timers = processor.timers
        system_call = SYSTEM_CALL
        server.run_ready()
        while not self.halted:
            deadline = server.next_deadline()
            if timers:
                processor.run()
                while self._put_off and not self.halted:
                    self.handle(self._put_off.popleft())
                if self.halted:
                    break
                deadline = min(server.next_deadline(), processor.next_deadline())
            trap = wait(deadline)
            if trap.__class__ is Context:
                thread = trap.owner
                if thread is not None:
                    if trap.cause == system_call:
                        self.messages += 1
                        thread.task.redirect(thread)
                    else:
                        self._other_trap(thread)
            elif trap is not None:
                trap.callback()
            server.run_ready()

    def wait_once(self, deadline: int) -> None:
        """Take one trap or host event, if one comes before ``deadline`` (ns): for an operation that needs a context to stop.

        Other threads' traps reach their servers meanwhile: not to be used inside a handler of a co-located server.
        """
        self.handle(self.machine.wait(deadline))

    def wait_for(self, task: NativeTask, done: Callable[[], bool], patience: int) -> bool:
        """Serve ``task`` alone until ``done``, for at most ``patience`` ns; whether it is.

        For an operation in the midst of a co-located handler: what else comes meanwhile is put off until the loop has control again.
        """
        end = self.machine.monotonic() + patience
        self.processor.run()
        while not done() and task.process.alive and self.machine.monotonic() < end:
            trap = self.machine.wait(min(end, self.processor.next_deadline()))
            if trap is task.process:
                trap.callback()
            elif trap is not None:
                self._put_off.append(trap)
                if trap is task.death:  # no wait for it, be it the next, will have an answer
                    task.process.alive = False
            self.processor.run()
        if self._put_off:
            self.processor.call_after(0, _nothing)  # the loop looks at what was put off when it looks at timers
        return done()

    def handle(self, trap: Any) -> None:
        """What ``run`` does with what Machine.wait returned."""
        if trap.__class__ is Context:
            if trap.owner is not None:
                if trap.cause == SYSTEM_CALL:
                    self.messages += 1
                    trap.owner.task.redirect(trap.owner)
                else:
                    self._other_trap(trap.owner)
        elif trap is not None:
            trap.callback()
        if self.processor.timers:
            self.processor.run()

    def _other_trap(self, thread: Thread | Remains) -> None:
        """A fault, an interruption, or the death of the context."""
        if isinstance(thread, Remains):
            thread.redirect(thread)
            return
        self.messages += 1
        cause = thread.context.cause
        port = thread.task.exception_port
        server = port.traps if port is not None else None
        if cause == FAULT:
            exception.raise_fault(thread)
        elif cause == INTERRUPTION:
            if server is not None:
                server.interruption(thread)
            else:
                thread.resume()
        elif server is not None:
            server.death(thread.task)
        else:
            thread.task.terminate()
        self.processor.run()

    def task_died(self, task: Task) -> None:
        """The host process of a task is gone: its server learns of it, else the task is terminated."""
        port = task.exception_port
        if port is not None and port.traps is not None:
            port.traps.death(task)
        else:
            task.terminate()
        self.processor.run()

    def serve(self, target: object, message: Message) -> None:
        """A message to a kernel object's port."""
        from skerry.mach import wire  # not before: see ``prepare``

        wire.serve(target, message)

    @staticmethod
    def prepare() -> None:
        """Load the table of calls before the first message comes: it takes a tenth of a start, and few runs make any call."""
        import_module("skerry.mach.wire")
