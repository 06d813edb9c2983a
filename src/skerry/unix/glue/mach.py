"""Unix on Mach: processes are tasks, their threads are threads, system calls are messages to the server's port.

Host and kernel errors become LinuxError here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from skerry.abi import linux
from skerry.mach.kernel import Kernel
from skerry.mach.port import Port
from skerry.mach.task import Task, Thread, copy_state, task_create, task_terminate, thread_create
from skerry.machine import HostEvent, Machine, MemoryObject, host
from skerry.unix import lifecycle
from skerry.unix.errors import LinuxError
from skerry.unix.glue.devices import FileDevice, translated
from skerry.unix.server import Server
from skerry.unix.substrate import MemoryObject as UnixMemoryObject
from skerry.unix.substrate import UserThread

CAUSE_SYSTEM_CALL: Final = 0
CAUSE_FAULT: Final = 1
CAUSE_INTERRUPTION: Final = 2


class TaskSpace:
    """A task's memory as the Unix server sees it (:class:`skerry.unix.substrate.UserSpace`)."""

    def __init__(self, task: Task, platform: MachPlatform) -> None:
        space = task.space
        self._task = task
        self._platform = platform
        self.limit = space.limit
        self.offsets = space.OFFSETS
        self.read = space.read
        self.read_into = space.read_into
        self.write = space.write
        self.read_string = space.read_string
        self._map = translated(space.map)
        self.unmap = translated(space.unmap)
        self.protect = translated(space.protect)
        self.advise = translated(space.advise)
        self.move = translated(space.move)
        self.clear = translated(space.clear)
        self.flush = translated(space.flush)
        self.offset = space.host.offset
        self.move_offset = space.host.move_offset
        self.lend_offset = space.host.lend_offset
        self.recall_offset = space.host.recall_offset
        self._event = HostEvent(space.host.pidfd, self._ended)
        platform.machine.watch(self._event)

    def map(self, address: int, length: int, protection: int, shared: bool, backing: UnixMemoryObject | None, offset: int) -> None:
        self._map(address, length, protection, shared, backing, offset)  # type: ignore[arg-type]  # made by this machine

    @property
    def contexts(self) -> int:
        return self._task.space.host.contexts

    def fork(self, user: UserThread) -> tuple[TaskSpace, Thread]:
        try:
            task, thread = task_create(self._task)
        except OSError as error:
            raise LinuxError(linux.EAGAIN) from error
        assert isinstance(user, Thread)
        copy_state(user, thread)
        return TaskSpace(task, self._platform), thread

    def new_space(self) -> tuple[TaskSpace, Thread]:
        return self._platform.first_space()

    def new_thread(self, like: UserThread) -> Thread:
        try:
            thread = thread_create(self._task)
        except OSError as error:
            raise LinuxError(linux.EAGAIN) from error
        assert isinstance(like, Thread)
        copy_state(like, thread)
        return thread

    def cpu_time(self) -> int:
        return host.cpu_time(self._task.space.host.pid)

    def destroy(self) -> None:
        self._platform.machine.unwatch(self._event)
        task_terminate(self._task)

    def _ended(self) -> None:
        """The host process died of itself."""
        self._platform.on_death(self._task)


class MachPlatform:
    """The rest of what Unix needs (:class:`skerry.unix.substrate.Platform`)."""

    def __init__(self, kernel: Kernel) -> None:
        self.machine: Machine = kernel.machine
        self.port = Port()
        self.on_death: Callable[[Task], None] = _ignore
        self._kernel = kernel
        self.monotonic = host.monotonic
        self.realtime = host.realtime
        self.random = host.random
        self.memory_bytes = host.memory_bytes

    def new_memory_object(self, size: int) -> FileDevice:
        try:
            return FileDevice(MemoryObject(size))
        except OSError as error:
            raise LinuxError(linux.ENOMEM) from error

    def processors(self) -> int:
        return self.machine.processors

    def first_space(self) -> tuple[TaskSpace, Thread]:
        try:
            task, thread = self._kernel.first_task(self.port)
        except OSError as error:
            raise LinuxError(linux.EAGAIN) from error
        return TaskSpace(task, self), thread

    def clock_page(self) -> int:
        return self.machine.vdso


class _Receiver:
    def __init__(self, receive: Callable[[Thread], None]) -> None:
        self.system_call = self.exception = self.interruption = self.death = receive


def _ignore(task: Task) -> None:
    pass


def serve(platform: MachPlatform, server: Server) -> None:
    """Have the server receive on its port."""

    def receive(thread: Thread) -> None:
        context = thread.context
        cause = context.cause
        if cause == CAUSE_SYSTEM_CALL:
            server.system_call(thread, context.number)
        elif cause == CAUSE_FAULT:
            server.fault(thread, context.signo, context.code, context.address)
        elif cause == CAUSE_INTERRUPTION:
            server.interruption(thread)
        else:
            server.death(thread)

    def ended(task: Task) -> None:
        for process in list(server.system.processes.values()):  # several, where they share their memory
            for unix_thread in list(process.threads.values()):
                if isinstance(unix_thread.user, Thread) and unix_thread.user.task is task:
                    lifecycle.end_process(process, linux.SIGKILL)
                    break

    platform.on_death = ended
    platform.port.receive_traps(_Receiver(receive))
