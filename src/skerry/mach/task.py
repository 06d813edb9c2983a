"""Tasks: who owns memory and rights.

A task has a map (memory), a space (names of rights), threads, and ports that it is known by. ``redirect`` is where its system calls go; it
is computed from the emulation vector whenever that changes, so that a system call costs one look-up.

Source: Mach 3 Kernel Interfaces, chapter 7.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from skerry.abi import mach
from skerry.mach import right
from skerry.mach.emulation import Emulation
from skerry.mach.errors import KernError, KernReturn
from skerry.mach.kobject import new_object_port
from skerry.mach.port import Port
from skerry.mach.release import release
from skerry.mach.right import RightKind
from skerry.mach.space import Space
from skerry.mach.thread import Thread
from skerry.mach.vm import VmMap
from skerry.machine import AddressSpace, Context, HostEvent
from skerry.machine import host as machine_host

if TYPE_CHECKING:
    from skerry.mach.gsync import GsyncWait
    from skerry.mach.kernel import Kernel
    from skerry.mach.processor_set import ProcessorSet

MICROSECONDS: Final = 1_000_000  # in a second
TICKS: Final = 100  # of the host's clock for processor time, in a second
SPECIAL_PORTS: Final = (mach.TASK_KERNEL_PORT, mach.TASK_EXCEPTION_PORT, mach.TASK_BOOTSTRAP_PORT)


class Task:
    """An address space and what belongs to it."""

    priority = mach.PRIORITY_USER  # of new threads
    processor_set: ProcessorSet | None = None  # None: the default set
    word_waits: dict[GsyncWait, None] | None = None  # who waits at words of its memory (``gsync``)

    def __init__(self, kernel: Kernel, space: AddressSpace, vm: VmMap, emulation: Emulation) -> None:
        self.kernel = kernel
        self.processor = kernel.processor
        self.map = vm
        self.space = Space()
        self.threads: list[Thread] = []
        self.parked: list[Context] = []  # contexts whose threads have ended, to be used again
        self.suspend_count = 0
        self.special_ports: dict[int, Port] = {}  # send rights
        self.registered: list[Port] = []  # send rights (mach_ports_register)
        self.emulation = emulation
        self.redirect: Callable[[Thread], None] = emulation.dispatcher()
        self.alive = True
        self.served = False  # whether another task receives its threads' traps, and lets them run (``serving``)
        self._port: Port | None = None
        kernel.tasks[self] = None
        self.death: HostEvent | None = HostEvent(space.host.pidfd, self._host_process_ended)
        kernel.machine.watch(self.death)

    @property
    def port(self) -> Port:
        """The task as an object: its kernel port."""
        if self._port is None:
            self._port = new_object_port(self.kernel, self)
        return self._port

    @property
    def exception_port(self) -> Port | None:
        return self.special_ports.get(mach.TASK_EXCEPTION_PORT)

    def new_thread(self) -> Thread:
        """A thread that stands still, without state. Raises OSError."""
        return Thread(self, self.parked.pop() if self.parked else self.map.space.new_context())

    def _host_process_ended(self) -> None:
        self.kernel.task_died(self)

    def terminate(self) -> None:
        """The task, its memory, its threads and its rights are gone."""
        if not self.alive:
            return
        self.alive = False
        del self.kernel.tasks[self]
        if self.death is not None:
            self.kernel.machine.unwatch(self.death)
            self.death = None  # it refers to the task
        self.map.space.kill()
        self.map.forget()
        for thread in self.threads:
            thread.context.owner = None
            thread.release_rights()
        self.threads = []
        for wait in list(self.word_waits or ()):
            wait.fail(KernReturn.TERMINATED)
        held = [(RightKind.SEND, port) for port in (*self.special_ports.values(), *self.registered)]
        held += self.emulation.release()
        if self._port is not None:
            held.append((RightKind.RECEIVE, self._port))
        release(*held)
        self.space.terminate()


def task_create(parent: Task, inherit_memory: bool = True) -> tuple[Task, Thread]:
    """A task with the parent's special and registered ports and emulation vector, and one thread, which stands still, without state.

    Its memory is what the parent's regions let it inherit, or none. Mach's call (``calls``) ends that thread: there it starts with none.
    Raises OSError, and KernError (RESOURCE_SHORTAGE, TERMINATED) where memory must be copied for it.
    """
    kernel = parent.kernel
    if inherit_memory:
        space, context = parent.map.space.fork()
        try:
            vm = parent.map.fork(space)
        except KernError:
            space.kill()
            raise
    else:
        space, context = kernel.machine.new_space()
        vm = VmMap(space)
    child = Task(kernel, space, vm, parent.emulation.inherit())
    for which, port in parent.special_ports.items():
        if which != mach.TASK_KERNEL_PORT:
            child.special_ports[which] = right.copy_send(port)
    child.registered = [right.copy_send(port) for port in parent.registered]
    child.priority, child.processor_set = parent.priority, parent.processor_set
    vm.size_limit, vm.size_maximum = parent.map.size_limit, parent.map.size_maximum
    return child, Thread(child, context)


def task_terminate(task: Task) -> None:
    """End a task. Raises TERMINATED if it has ended."""
    _require_alive(task)
    task.terminate()


def thread_create(task: Task) -> Thread:
    """A suspended thread without state. Raises RESOURCE_SHORTAGE, TERMINATED."""
    _require_alive(task)
    try:
        thread = task.new_thread()
    except OSError as error:
        raise KernError(KernReturn.RESOURCE_SHORTAGE) from error
    thread.suspend_count = 1
    thread.hold()
    thread.resume()  # runs when it is resumed
    return thread


def task_suspend(task: Task) -> None:
    """One more reason for all its threads, present and future, not to run; when this returns they stand still.

    Raises TERMINATED; FAILURE for a task that another one serves.
    """
    _require_alive(task)
    if task.served:
        raise KernError(KernReturn.FAILURE)
    task.suspend_count += 1
    if task.suspend_count == 1:
        for thread in task.threads:
            thread.hold()
    for thread in list(task.threads):
        thread.stop()


def task_resume(task: Task) -> None:
    """One reason less. Raises FAILURE if it was not suspended, TERMINATED."""
    _require_alive(task)
    if task.suspend_count == 0:
        raise KernError(KernReturn.FAILURE)
    task.suspend_count -= 1
    if task.suspend_count == 0:
        for thread in task.threads:
            thread.unhold()


def task_threads(task: Task) -> list[Port]:
    """A send right to each thread. Raises TERMINATED."""
    _require_alive(task)
    return [right.make_send(thread.port) for thread in task.threads]


def task_info(task: Task, flavor: int) -> list[int]:
    """TASK_BASIC_INFO, TASK_EVENTS_INFO or TASK_THREAD_TIMES_INFO. Raises INVALID_ARGUMENT, TERMINATED.

    Times and faults are what the host counts for the task's process; what it does not count (zero fills, reactivations, copy faults) is 0.
    """
    _require_alive(task)
    user, system, minor, major, resident = machine_host.usage(task.map.space.host.pid)
    times = [*divmod(user * MICROSECONDS // TICKS, MICROSECONDS), *divmod(system * MICROSECONDS // TICKS, MICROSECONDS)]
    if flavor == mach.TASK_BASIC_INFO:
        size = sum(region.end - region.start for region in task.map.regions)
        return [task.suspend_count, task.priority, size, resident, *times]
    if flavor == mach.TASK_EVENTS_INFO:
        return [minor + major, 0, 0, major, 0, 0, 0]
    if flavor == mach.TASK_THREAD_TIMES_INFO:
        return times
    raise KernError(KernReturn.INVALID_ARGUMENT)


def task_get_special_port(task: Task, which: int) -> Port | None:
    """A send right to TASK_KERNEL_PORT, TASK_EXCEPTION_PORT or TASK_BOOTSTRAP_PORT (None: not set). Raises INVALID_ARGUMENT, TERMINATED."""
    _require_alive(task)
    if which not in SPECIAL_PORTS:
        raise KernError(KernReturn.INVALID_ARGUMENT)
    port = task.special_ports.get(which)
    if port is not None:
        return right.copy_send(port)
    return right.make_send(task.port) if which == mach.TASK_KERNEL_PORT else None


def task_set_special_port(task: Task, which: int, port: Port | None) -> None:
    """``port`` is a send right, taken over on success. A debugger may set what the task takes for itself. Errors as for get."""
    _require_alive(task)
    if which not in SPECIAL_PORTS:
        raise KernError(KernReturn.INVALID_ARGUMENT)
    previous = task.special_ports.pop(which, None)
    if port is not None:
        task.special_ports[which] = port
    if previous is not None:
        release((RightKind.SEND, previous))


def mach_task_self(task: Task) -> int:
    """The task's name for its kernel port (or what was set in its place); one more user reference. Raises NO_SPACE."""
    port = task_get_special_port(task, mach.TASK_KERNEL_PORT)
    try:
        return task.space.copyout(RightKind.SEND, port)
    except KernError:
        assert port is not None
        release((RightKind.SEND, port))
        raise


def mach_ports_register(task: Task, ports: list[Port]) -> None:
    """Keep up to 4 send rights, which are taken over on success, for children. Raises INVALID_ARGUMENT (more), TERMINATED."""
    _require_alive(task)
    if len(ports) > mach.TASK_PORT_REGISTER_MAX:
        raise KernError(KernReturn.INVALID_ARGUMENT)
    previous, task.registered = task.registered, ports
    release(*((RightKind.SEND, port) for port in previous))


def mach_ports_lookup(task: Task) -> list[Port]:
    """Send rights to what was registered. Raises TERMINATED."""
    _require_alive(task)
    return [right.copy_send(port) for port in task.registered]


def task_set_emulation(task: Task, first: int, last: int, port: Port | None) -> None:
    """Redirect the system calls ``first`` to ``last`` (32-bit numbers) to ``port``, a send right that is taken over; None: to nobody.

    Raises INVALID_ARGUMENT, TERMINATED.
    """
    _require_alive(task)
    if not 0 <= first <= last <= mach.SYSTEM_CALL_LAST:
        raise KernError(KernReturn.INVALID_ARGUMENT)
    task.emulation.set(first, last, port)
    task.redirect = task.emulation.dispatcher()


def task_set_emulation_vector(task: Task, ranges: list[tuple[int, int, Port]]) -> None:
    """Replace the whole vector; the send rights are taken over on success. Raises INVALID_ARGUMENT (a range is none, or two overlap)."""
    _require_alive(task)
    ordered = sorted(ranges, key=lambda entry: entry[0])
    last = -1
    for first, end, _ in ordered:
        if not last < first <= end <= mach.SYSTEM_CALL_LAST:
            raise KernError(KernReturn.INVALID_ARGUMENT)
        last = end
    release(*task.emulation.release())
    task.emulation.ranges = ordered
    task.redirect = task.emulation.dispatcher()


def task_get_emulation_vector(task: Task) -> list[tuple[int, int, Port]]:
    """Ranges of numbers, each with a send right to where they go. Raises TERMINATED."""
    _require_alive(task)
    return [(first, last, right.copy_send(port)) for first, last, port in task.emulation.ranges]


def _require_alive(task: Task) -> None:
    if not task.alive:
        raise KernError(KernReturn.TERMINATED)
