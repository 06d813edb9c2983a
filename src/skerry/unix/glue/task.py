"""Unix as a user-level task of Mach: the same server, which reaches the kernel by traps (``abi.traps``) and programs by itself.

Traps of programs come straight to this task: their channels are mapped here. Memory of programs is read and written here, too. What changes
a program's space, makes one or ends one, and what a device does, is the kernel's; changes of a space are queued, and sent as one before the
program goes on. Host and kernel errors become LinuxError here.

Source: Golub et al. 1990; Härtig et al. 1997 for what a server in the programs' address spaces costs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, Final

from skerry.abi import linux, mach, traps, values
from skerry.abi import registers as reg
from skerry.abi.fault import fault_access
from skerry.lib.channel import Channel
from skerry.lib.stubs import finish
from skerry.machine import host
from skerry.machine._host import DEATH, FAULT, OFFSET_COUNT, SYSTEM_CALL, USER_LIMIT, Context, Machine, Space
from skerry.machine.holder import ContextHolder
from skerry.machine.remote import RemoteFile
from skerry.unix import lifecycle
from skerry.unix.errors import LinuxError
from skerry.unix.glue.devices import RemoteFileDevice
from skerry.unix.glue.drivers import Drivers
from skerry.unix.glue.paged import PagedBytes, signal_of
from skerry.unix.process import System
from skerry.unix.server import Server
from skerry.unix.substrate import MemoryObject, UserThread

ERRORS: Final = {  # of kern_return_t, where the kernel has no errno to tell
    mach.KERN_INVALID_ARGUMENT: linux.EINVAL,
    mach.KERN_RESOURCE_SHORTAGE: linux.ENOMEM,
    mach.KERN_NO_SPACE: linux.EMFILE,
    mach.KERN_TERMINATED: linux.ESRCH,
}
MOST_CHANGES: Final = 1024  # queued
LARGEST_EVENT: Final = 1 << 16  # bytes of a message


class KernelLink:
    """Traps to the kernel, and its events."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.changes = 0
        self.messages = 0  # of the kernel to us
        self.events = channel.trap(mach.TRAP_MACH_REPLY_PORT)
        self.drivers = Drivers(channel, self.descriptor, self.forget)
        self._ports = self._port_set(self.events, self.drivers.interrupts)
        self.on_death: dict[int, Callable[[], None]] = {}  # by the address of the channel of a task's space
        self.on_signal: Callable[[int, int], None] | None = None  # with its number, and who sent it or 0
        self.on_request: Callable[[int], None] | None = None  # with its number: TRAP_REQUEST says what it is

    def ask(self, number: int, *arguments: Any) -> Any:
        """Make a trap. Raises OSError."""
        code, data = self._channel.ask(number, values.pack(*arguments, name_of=_name_of))
        while code == traps.MORE:
            code, more = self._channel.ask(traps.TRAP_MORE, b"")
            data += more
        if code:
            raise _error(code)
        return values.unpack(data, self._object_of)[0]

    def change(self, data: bytes) -> int:
        """Change a task's memory: 0, or an errno."""
        self.changes += 1
        code, _ = self._channel.ask(traps.TRAP_CHANGE, data)
        return 0 if code == 0 else _error(code).errno or linux.EINVAL

    def _port_set(self, *ports: int) -> int:
        kernel = self.drivers.task.kernel
        port_set: int = finish(kernel.mach_port_allocate(mach.MACH_PORT_RIGHT_PORT_SET))
        for port in ports:
            finish(kernel.mach_port_move_member(port, port_set))
        return port_set

    def forget(self, name: int) -> None:
        """A name is no longer needed."""
        self._channel.ask(traps.TRAP_RELEASE, values.pack(name))

    def descriptor(self, name: int) -> int:
        """A descriptor of the contents of a file. Raises OSError."""
        number: int = self.ask(traps.TRAP_DESCRIPTOR, RemoteName(name))
        return number

    def take_events(self) -> None:
        """Do what the kernel's messages are for, and those of drivers."""
        while True:
            option = mach.MACH_RCV_MSG | mach.MACH_RCV_TIMEOUT
            code, message = self._channel.msg(None, option, LARGEST_EVENT, self._ports, 0, mach.MACH_PORT_NULL)
            if code == mach.MACH_RCV_TIMED_OUT:
                return
            if code:  # a driver has sent too much: it is gone
                continue
            self.messages += 1
            if mach.HEADER.unpack_from(message)[3] != self.events:
                self.drivers.take_message(message)
                continue
            kind, number, value = traps.EVENT_WORDS.unpack(message[-traps.EVENT_WORDS.size :])
            if kind == traps.EVENT_DEATH:
                self.on_death.pop(number, _nothing)()
            elif kind == traps.EVENT_SIGNAL and self.on_signal is not None:
                self.on_signal(number, value)
            elif kind == traps.EVENT_REQUEST and self.on_request is not None:
                self.on_request(number)

    def _object_of(self, name: int, _description: Any) -> RemoteFile:
        return RemoteFile(name, self.descriptor, self.forget)


class RemoteName:
    """A name of a port of ours, to be sent as an object."""

    __slots__ = ("name",)

    def __init__(self, name: int) -> None:
        self.name = name


def _name_of(target: Any) -> tuple[int, None]:
    return target.name, None


def _nothing() -> None:
    pass


def _error(code: int) -> OSError:
    number = code & 0xFF if code & traps.ERRNO == traps.ERRNO else ERRORS.get(code, linux.EINVAL)
    return OSError(number, host.error_text(number))


class TaskSpace:
    """A program's memory (:class:`skerry.unix.substrate.UserSpace`)."""

    def __init__(self, platform: TaskPlatform, bound: tuple[int, int, int, int, int, int]) -> None:
        self.name, self._channel, self._pid, *first = bound
        self._platform = platform
        self._link = platform.link
        self._changes: list[bytes] = []
        self._kept: list[Any] = []  # what the queued changes refer to
        space = platform.machine.adopt(self._channel, self._pid, self._send_changes)
        self.host: Space = space
        self.limit = USER_LIMIT
        self.offsets = OFFSET_COUNT
        access = space if platform.paging is None else PagedBytes(space, self._bring_in)
        self.read = access.read
        self.read_into = access.read_into
        self.write = access.write
        self.read_string = access.read_string
        self.offset = space.offset
        self.move_offset = space.move_offset
        self.lend_offset = space.lend_offset
        self.recall_offset = space.recall_offset
        self.parked: list[Context] = []  # contexts whose threads have ended, to be used again
        self.threads: dict[TaskThread, None] = {}
        self.pages = platform.paging is not None
        self.first = TaskThread(self, space.adopt_context(*first))
        self._link.on_death[self._channel] = self._died

    @property
    def contexts(self) -> int:
        return self.host.contexts

    @property
    def host_pid(self) -> int:
        """The number of the process behind it, in the namespace that it has in common with this task."""
        return self._pid

    # Changes
    def _queue(self, kind: int, protection: int, shared: bool, name: int, address: int, length: int, third: int, fourth: int = 0) -> None:
        if address < 0 or length <= 0 or address + length > self.limit:
            raise LinuxError(linux.ENOMEM)
        if len(self._changes) >= MOST_CHANGES:
            self.flush()
        self._changes.append(traps.CHANGE.pack(kind, protection, shared, name, address, length, third, fourth))
        self.host.note_changes()

    def _send_changes(self) -> int:
        """The machine asks for it before the program's memory is touched or the program goes on: 0, or an errno."""
        changes, self._changes = self._changes, []
        kept, self._kept = self._kept, []
        error = self._link.change(traps.NAME.pack(self.name) + b"".join(changes)) if changes else 0
        del kept
        return error

    def map(self, address: int, length: int, protection: int, shared: bool, backing: MemoryObject | None, offset: int) -> None:
        name = 0
        if backing is not None:
            assert isinstance(backing, RemoteFileDevice)
            name = backing.file.name
            self._kept.append(backing)
        self._queue(traps.MAP, protection, shared, name, address, length, offset)

    def unmap(self, address: int, length: int) -> None:
        self._queue(traps.UNMAP, 0, False, 0, address, length, 0)

    def protect(self, address: int, length: int, protection: int) -> None:
        self._queue(traps.PROTECT, protection, False, 0, address, length, 0)

    def advise(self, address: int, length: int, advice: int) -> None:
        self._queue(traps.ADVISE, 0, False, 0, address, length, advice)

    def move(self, address: int, length: int, new_address: int, new_length: int) -> None:
        self._queue(traps.MOVE, 0, False, 0, address, length, new_address, new_length)

    # Memory that is paged
    def _bring_in(self, address: int, length: int, write: bool) -> bool:
        access = mach.VM_PROT_WRITE if write else mach.VM_PROT_READ
        try:
            return bool(self._link.ask(traps.TRAP_BRING_IN, self, address, length, access))
        except OSError:
            return False

    def page_fault(self, address: int, access: int) -> int:
        """Have the page there that a thread touched: KERN_SUCCESS, or why it is not."""
        try:
            return int(self._link.ask(traps.TRAP_PAGE_FAULT, self, address, access))
        except OSError:
            return mach.KERN_INVALID_ADDRESS

    def take_over(self, address: int, length: int) -> int:
        self.flush()
        return int(self._ask(traps.TRAP_TAKE_OVER, address, length))

    def flush(self) -> None:
        try:
            self.host.flush()
        except OSError as error:
            raise LinuxError(error.errno or linux.ENOMEM) from None

    def clear(self) -> None:
        self._changes.clear()
        self._kept.clear()
        self._ask(traps.TRAP_CLEAR)

    # Children
    def _ask(self, number: int, *arguments: Any) -> Any:
        try:
            return self._link.ask(number, self, *arguments)
        except OSError as error:
            raise LinuxError(error.errno or linux.EAGAIN) from None

    def fork(self, user: UserThread) -> tuple[TaskSpace, TaskThread]:
        self.flush()
        try:
            child = TaskSpace(self._platform, self._link.ask(traps.TRAP_FORK, self))
        except OSError as error:
            raise LinuxError(linux.EAGAIN) from error
        assert isinstance(user, TaskThread)
        user.copy_state(child.first)
        return child, child.first

    def new_space(self) -> tuple[TaskSpace, TaskThread]:
        return self._platform.first_space()

    def new_thread(self, like: UserThread) -> TaskThread:
        if self.parked:
            thread = TaskThread(self, self.parked.pop())
        else:
            self.flush()
            try:
                thread = TaskThread(self, self.host.adopt_context(*self._link.ask(traps.TRAP_CONTEXT, self)))
            except OSError as error:
                raise LinuxError(linux.EAGAIN) from error
        assert isinstance(like, TaskThread)
        like.copy_state(thread)
        return thread

    # What it uses
    def resident(self) -> int:
        return int(self._usage(traps.RESIDENT))

    def usage(self) -> tuple[int, int, int, int, int]:
        used: tuple[int, int, int, int, int] = self._usage(traps.USAGE)
        return used

    def private_bytes(self) -> int:
        return int(self._usage(traps.PRIVATE))

    def proportional_bytes(self) -> tuple[int, int]:
        shares: tuple[int, int] = self._usage(traps.PROPORTIONAL)
        return shares

    def _usage(self, which: int) -> Any:
        try:
            return self._link.ask(traps.TRAP_USAGE, self, which)
        except OSError:  # it has ended
            return (0, 0, 0, 0, 0) if which & traps.THREAD else {traps.USAGE: (0, 0, 0, 0, 0), traps.PROPORTIONAL: (0, 0)}.get(which, 0)

    def thread_usage(self, tid: int) -> tuple[int, int, int, int, int]:
        """Of the host's thread ``tid``."""
        used: tuple[int, int, int, int, int] = self._usage(traps.THREAD | tid)
        return used

    def cpu_time(self) -> int:
        return host.cpu_time(self._pid)

    # The end
    def destroy(self) -> None:
        self._abandon()
        self._changes.clear()
        self._kept.clear()
        with contextlib.suppress(OSError):  # the kernel has ended it already
            self._link.ask(traps.TRAP_END, self)

    def _abandon(self) -> None:
        self._link.on_death.pop(self._channel, None)
        for thread in self.threads:
            thread.context.owner = None
        self.threads.clear()
        self.host.abandon()

    def _died(self) -> None:
        """The host process is gone."""
        threads = list(self.threads)
        self._abandon()
        self._platform.ended(threads)


class TaskThread(ContextHolder):
    """A thread of a program (:class:`skerry.unix.substrate.UserThread`)."""

    def __init__(self, space: TaskSpace, context: Context) -> None:
        self.space = space
        super().__init__(context)
        self.owner: Any = None
        context.owner = self
        space.threads[self] = None

    def usage(self) -> tuple[int, int, int, int, int]:
        return self.space.thread_usage(self.context.tid)

    def page_in(self, address: int, arrived: Callable[[bool], None]) -> bool:
        """What the server touches has been brought in where it could be (``PagedBytes``): there is no such page."""
        return False

    def terminate(self) -> None:
        context = self.context
        if context.owner is not self:
            return
        del self.space.threads[self]
        if context.running and context.arrived:
            context.owner = _Remains(self.space.parked)
            context.interrupt()
        else:
            context.recall()
            context.owner = None
            self.space.parked.append(context)


class _Remains:
    """What is left of a thread that ran when it was terminated: its context comes in once more, and is kept."""

    def __init__(self, parked: list[Context]) -> None:
        self.parked = parked


class RemotePaging:
    """The kernel's paging (:class:`skerry.unix.substrate.Paging`)."""

    def __init__(self, link: KernelLink) -> None:
        self._link = link

    def keep(self, size: int) -> None:
        self._link.ask(traps.TRAP_KEEP, size)

    def state(self) -> tuple[int, int, int]:
        known: tuple[int, int, int] = self._link.ask(traps.TRAP_PAGING)
        return known


class TaskPlatform:
    """The rest of what Unix needs (:class:`skerry.unix.substrate.Platform`)."""

    def __init__(self, link: KernelLink, machine: Machine, processors: int, clock_page: int, pages: bool) -> None:
        """``pages``: whether the kernel pages programs' memory."""
        self.link = link
        self.paging = RemotePaging(link) if pages else None
        self.machine = machine
        self._processors = processors
        self._clock_page = clock_page
        self.system: System | None = None
        self.monotonic = host.monotonic
        self.realtime = host.realtime
        self.random = host.random
        self.pause = host.pause
        self.trim = host.trim

    def new_memory_object(self, size: int) -> RemoteFileDevice:
        try:
            return RemoteFileDevice(self.link.ask(traps.TRAP_OBJECT, size))
        except OSError as error:
            raise LinuxError(linux.ENOMEM) from error

    def __getattr__(self, fact: str) -> Callable[[], Any]:
        """A fact that the kernel knows of the host, by its name (memory_bytes, processor_time, ...)."""
        if fact.startswith("_"):
            raise AttributeError(fact)
        encoded = fact.encode()
        return lambda: self.link.ask(traps.TRAP_HOST, encoded)

    def processors(self) -> int:
        return self._processors

    def show_processors(self, count: int) -> None:
        """Have programs see so many."""
        self._processors = count

    def first_space(self) -> tuple[TaskSpace, TaskThread]:
        try:
            space = TaskSpace(self, self.link.ask(traps.TRAP_FIRST_SPACE))
        except OSError as error:
            raise LinuxError(linux.EAGAIN) from error
        return space, space.first

    def clock_page(self) -> int:
        return self._clock_page

    def ended(self, threads: list[TaskThread]) -> None:
        """The space of these threads is gone: so are the processes that they belong to."""
        for process in {thread.owner.process for thread in threads if thread.owner is not None}:
            lifecycle.end_process(process, linux.SIGKILL)


class RunLoop:
    """Serves traps and events until ``halted``."""

    def __init__(self, platform: TaskPlatform) -> None:
        self._platform = platform
        self.halted = False
        self.wait: Callable[[int], Any] = platform.machine.wait

    @property
    def traps(self) -> int:
        """How many traps were taken."""
        return self._platform.machine.traps

    @property
    def host_calls(self) -> int:
        """How often the kernel was asked to change address spaces."""
        return self._platform.link.changes

    def run(self, server: Server, loop: Any) -> None:
        """``loop``: the server's activities (``lib.coroutine.Loop``)."""
        wait = self.wait
        system_call = SYSTEM_CALL
        loop.run_ready()
        while not self.halted:
            trap = wait(loop.next_deadline())
            if trap.__class__ is Context:
                thread = trap.owner
                if thread.__class__ is TaskThread:
                    if trap.cause == system_call:
                        server.system_call(thread, trap.number)
                    else:
                        self._other_trap(server, thread)
                elif thread is not None:
                    trap.owner = None
                    thread.parked.append(trap)
            elif trap is True:
                self._platform.link.take_events()
            loop.run_ready()

    @staticmethod
    def _other_trap(server: Server, thread: TaskThread) -> None:
        context = thread.context
        if context.cause == FAULT:
            signo, code = context.signo, context.code
            if thread.space.pages and signo == linux.SIGSEGV:
                result = thread.space.page_fault(context.address, fault_access(thread.get(reg.ERR)))
                if result == mach.KERN_SUCCESS:
                    thread.resume()
                    return
                signo, code = signal_of(result, signo, code)
            server.fault(thread, signo, code, context.address)
        elif context.cause == DEATH:  # nonsense in its pages
            thread.space._died()
            thread.space.destroy()
        else:
            server.interruption(thread)
