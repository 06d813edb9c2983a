"""Unix on Mach: processes are tasks, their threads are threads, system calls are messages to the server's port.

Host and kernel errors become LinuxError here.
"""

from __future__ import annotations

from skerry.abi import linux, mach
from skerry.mach import pageable
from skerry.mach.errors import KernError
from skerry.mach.kernel import Kernel
from skerry.mach.port import Port
from skerry.mach.task import Task, task_create
from skerry.mach.thread import Thread
from skerry.machine import Machine, MemoryObject, host
from skerry.unix import lifecycle
from skerry.unix.errors import LinuxError
from skerry.unix.glue.devices import FileDevice, translated
from skerry.unix.glue.paged import PagedBytes, signal_of
from skerry.unix.server import Server
from skerry.unix.substrate import MemoryObject as UnixMemoryObject
from skerry.unix.substrate import Paging, UserThread


class TaskSpace:
    """A task's memory as the Unix server sees it (:class:`skerry.unix.substrate.UserSpace`)."""

    def __init__(self, task: Task, platform: MachPlatform) -> None:
        space = task.map.space
        self._task = task
        self._platform = platform
        self.limit = space.limit
        self.offsets = space.OFFSETS
        access = space if platform.paging is None else PagedBytes(space, self._bring_in)
        self.read = access.read
        self.read_into = access.read_into
        self.write = access.write
        self.read_string = access.read_string
        self._map = translated(task.map.map_noted)
        self.unmap = translated(task.map.unmap_noted)
        self.protect = translated(task.map.protect_noted)
        self.advise = translated(task.map.advise_noted)
        self.move = translated(task.map.move_noted)
        self.clear = translated(task.map.clear)
        self.flush = translated(space.flush)
        self.offset = space.host.offset
        self.move_offset = space.host.move_offset
        self.lend_offset = space.host.lend_offset
        self.recall_offset = space.host.recall_offset

    def map(self, address: int, length: int, protection: int, shared: bool, backing: UnixMemoryObject | None, offset: int) -> None:
        self._map(address, length, protection, shared, backing, offset)  # type: ignore[arg-type]  # made by this machine

    def _bring_in(self, address: int, length: int, write: bool) -> bool:
        access = mach.VM_PROT_WRITE if write else mach.VM_PROT_READ
        return pageable.bring_in(self._task.map, self._task.kernel, address, length, access)

    def take_over(self, address: int, length: int) -> int:
        try:
            return pageable.take_over(self._task.map, self._task.kernel, address, address + length)
        except KernError as error:
            raise LinuxError(linux.ENOMEM) from error

    @property
    def contexts(self) -> int:
        return self._task.map.space.host.contexts

    @property
    def host_pid(self) -> int:
        """The host's number of the process behind it."""
        return self._task.map.space.host.pid

    def fork(self, user: UserThread) -> tuple[TaskSpace, Thread]:
        try:
            task, thread = task_create(self._task)
        except (OSError, KernError) as error:
            raise LinuxError(linux.EAGAIN) from error
        assert isinstance(user, Thread)
        user.copy_state(thread)
        return TaskSpace(task, self._platform), thread

    def new_space(self) -> tuple[TaskSpace, Thread]:
        return self._platform.first_space()

    def new_thread(self, like: UserThread) -> Thread:
        try:
            thread = self._task.new_thread()
        except OSError as error:
            raise LinuxError(linux.EAGAIN) from error
        assert isinstance(like, Thread)
        like.copy_state(thread)
        return thread

    def resident(self) -> int:
        return host.resident(self._task.map.space.host.pid)

    def usage(self) -> tuple[int, int, int, int, int]:
        return host.usage(self._task.map.space.host.pid)

    def private_bytes(self) -> int:
        return host.private_bytes(self._task.map.space.host.pid)

    def proportional_bytes(self) -> tuple[int, int]:
        return host.proportional_bytes(self._task.map.space.host.pid)

    def cpu_time(self) -> int:
        return host.cpu_time(self._task.map.space.host.pid)

    def destroy(self) -> None:
        self._task.terminate()


class MachPlatform:
    """The rest of what Unix needs (:class:`skerry.unix.substrate.Platform`)."""

    def __init__(self, kernel: Kernel, paging: Paging | None = None) -> None:
        self.machine: Machine = kernel.machine
        self.paging = paging
        self.port = Port()
        self._kernel = kernel
        self._processors = self.machine.processors
        self.monotonic = host.monotonic
        self.realtime = host.realtime
        self.random = host.random
        self.memory_bytes = host.memory_bytes
        self.processor_caches = host.processor_caches
        self.processor_facts = host.processor_facts
        self.processor_time = host.processor_time
        self.own_bytes = host.own_bytes
        self.trim = host.trim
        self.pause = host.pause

    def new_memory_object(self, size: int) -> FileDevice:
        try:
            return FileDevice(MemoryObject(size))
        except OSError as error:
            raise LinuxError(linux.ENOMEM) from error

    def processors(self) -> int:
        return self._processors

    def show_processors(self, count: int) -> None:
        """Have programs see so many."""
        self._processors = count

    def first_space(self) -> tuple[TaskSpace, Thread]:
        try:
            task, thread = self._kernel.first_task(self.port)
        except OSError as error:
            raise LinuxError(linux.EAGAIN) from error
        return TaskSpace(task, self), thread

    def clock_page(self) -> int:
        return self.machine.vdso


class _TrapReceiver:
    """The server as the kernel hands traps to it, without a message in between (:class:`skerry.mach.port.TrapReceiver`)."""

    def __init__(self, server: Server) -> None:
        self._server_call = server.system_call
        self._fault = server.fault
        self.interruption = server.interruption
        self._system = server.system

    def system_call(self, thread: Thread) -> None:
        self._server_call(thread, thread.context.number)

    def exception(self, thread: Thread, code: int) -> None:
        context = thread.context
        self._fault(thread, *signal_of(code, context.signo, context.code), context.address)

    def death(self, task: Task) -> None:
        for process in list(self._system.processes.values()):  # several, where they share their memory
            if any(isinstance(thread.user, Thread) and thread.user.task is task for thread in process.threads.values()):
                lifecycle.end_process(process, linux.SIGKILL)


def serve(platform: MachPlatform, server: Server) -> None:
    """Have the server receive on its port."""
    platform.port.receive_traps(_TrapReceiver(server))
