"""Threads: who runs in a task.

Invariants:
- A thread's context runs only while nothing holds it: ``holds`` counts its own suspension (if ``suspend_count``) and its task's. ``resume``
  of a held thread is remembered and done by the last ``unhold``. While nothing holds it, ``resume`` is the machine's own: it costs no path.
- A trap stops the context; whoever has the trap (the emulation port's or an exception port's receiver) calls ``resume``, once.

Source: Mach 3 Kernel Interfaces, chapter 6.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from skerry.abi import mach
from skerry.abi import registers as reg
from skerry.abi.fault import Fault
from skerry.mach import emulation, right
from skerry.mach.errors import KernError, KernReturn
from skerry.mach.kobject import ReplyPort, new_object_port
from skerry.mach.port import Port
from skerry.mach.processor_set import inherit_set
from skerry.mach.release import release
from skerry.mach.right import RightKind
from skerry.mach.scheduling import Scheduled
from skerry.machine import Context
from skerry.machine import host as machine_host
from skerry.machine.holder import ContextHolder

if TYPE_CHECKING:
    from skerry.mach.absent import PageWait
    from skerry.mach.ipc import MessageCall
    from skerry.mach.message import Message
    from skerry.mach.port import TrapReceiver
    from skerry.mach.task import Task

STATE_WORDS: Final = reg.COUNT + 2  # of X86_64_THREAD_STATE
USER_FLAGS: Final = 0x240DD5  # of EFLAGS; the others are the machine's


class Thread(ContextHolder, Scheduled):
    """A thread of a task, and at once the message that a trap of it is. Registers are read and written while its context stands still."""

    without_processor = False  # held because its processor set has none

    def __init__(self, task: Task, context: Context) -> None:
        self.task = task
        super().__init__(context)
        self.owner: Any = None  # what the server keeps of it
        self.suspend_count = 0
        self.holds = 0
        self.message_call: MessageCall | None = None  # the mach_msg that it is in
        self.page_wait: PageWait | None = None  # its wait for a page that it touched
        self.redirection: ReplyPort | None = None  # where the answer to its redirected call comes
        self.exception_port: Port | None = None  # send rights
        self._kernel_port: Port | None = None  # what the thread takes for itself, if it was set
        self._port: Port | None = None
        self._resume_wanted = False
        context.owner = self
        task.threads.append(self)
        if task.suspend_count:
            self.hold()
        if task.processor_set is not None or task.priority != self.priority:
            inherit_set(self, task)

    def usage(self) -> tuple[int, int, int, int, int]:
        """Processor time (ns), ticks in the program and in the kernel, small and large page faults."""
        return machine_host.thread_usage(self.task.map.space.host.pid, self.context.tid)

    @property
    def port(self) -> Port:
        """The thread as an object: its kernel port."""
        if self._port is None:
            self._port = new_object_port(self.task.kernel, self)
        return self._port

    @property
    def alive(self) -> bool:
        return self.context.owner is self

    # Holding
    def hold(self) -> None:
        """Let the context not run from now on; if it runs, it is stopped soon."""
        self.holds += 1
        if self.holds == 1:
            self.resume = self._want_resume
            self.resume_with = self._want_resume_with
            if self.context.running:
                self._resume_wanted = self.context.recall()
                self.context.interrupt()

    def unhold(self) -> None:
        """Undo one hold; with the last one, what was resumed meanwhile runs."""
        self.holds -= 1
        if self.holds == 0:
            self.resume = self.context.resume
            self.resume_with = self.context.resume_with
            if self._resume_wanted:
                self._resume_wanted = False
                self.resume()

    def _want_resume(self) -> None:
        self._resume_wanted = True

    def _want_resume_with(self, result: int, /) -> None:
        self.set(reg.RAX, result)
        self._resume_wanted = True

    def stop(self) -> None:
        """Wait until the context of a held thread stands still. It takes as long as a signal does."""
        machine = self.task.kernel.machine
        context = self.context
        while context.running and context.arrived and self.alive:
            self.task.kernel.wait_once(machine.monotonic() + 1_000_000)

    def bind(self, processors: list[int]) -> None:
        """Run on these processors of the host alone. The machine places programs' contexts by itself."""

    def page_in(self, address: int, arrived: Callable[[bool], None]) -> bool:
        """The server could not touch ``address`` for it: have the page there, if it is one that comes. False: it is none."""
        vm = self.task.map
        if not vm.managed:
            return False
        access = mach.VM_PROT_WRITE
        try:
            vm.space.read(address, 1)
        except Fault:
            access = mach.VM_PROT_READ
        return bool(vm.fault(address, access, lambda code: arrived(code == mach.KERN_SUCCESS)))

    # Its system calls, where no co-located server waits for them
    def send_call(self, port: Port) -> None:
        """Send the call that it made as a message."""
        emulation.send_call(self, port)

    def take_back(self, message: Message, server: TrapReceiver) -> None:
        """The message of its call is still queued, and a co-located server has come."""
        emulation.take_back(message, server)

    # The end
    def terminate(self) -> None:
        """The thread runs no more. Its context is kept for the task's next thread."""
        context = self.context
        if context.owner is not self:
            return
        self.task.threads.remove(self)
        if context.running and context.arrived:
            context.owner = Remains(self.task, context)
            context.interrupt()
        else:
            context.recall()
            context.owner = None
            self.task.parked.append(context)
        self.release_rights()

    def release_rights(self) -> None:
        """Give up the ports that the thread holds; its own port dies."""
        if self.message_call is not None:
            self.message_call.interrupt()
        held = [(RightKind.SEND, port) for port in (self.exception_port, self._kernel_port) if port is not None]
        if self._port is not None:
            held.append((RightKind.RECEIVE, self._port))
        self.exception_port = self._kernel_port = None
        release(*held)


class Remains:
    """What is left of a thread that ran when it was terminated: its context comes in once more, and is kept."""

    def __init__(self, task: Task, context: Context) -> None:
        self.task = self  # the kernel asks thread.task.redirect
        self._task = task
        self._context = context

    def redirect(self, _thread: object) -> None:
        """Whatever it trapped for: it is over."""
        self._context.owner = None
        self._task.parked.append(self._context)


def thread_suspend(thread: Thread) -> None:
    """One more reason not to run; when this returns, it stands still. Raises TERMINATED; FAILURE for a thread that another task serves."""
    _require_own(thread)
    thread.suspend_count += 1
    if thread.suspend_count == 1:
        thread.hold()
    thread.stop()


def thread_resume(thread: Thread) -> None:
    """One reason less. Raises FAILURE if it was not suspended, TERMINATED."""
    _require_alive(thread)
    if thread.suspend_count == 0:
        raise KernError(KernReturn.FAILURE)
    thread.suspend_count -= 1
    if thread.suspend_count == 0:
        thread.unhold()


def thread_abort(thread: Thread) -> None:
    """Break off the mach_msg that it waits in (SEND_INTERRUPTED, RCV_INTERRUPTED), or its wait for a page, which it touches again.

    A call of it that went to a port returns RCV_INTERRUPTED, and the answer is not waited for. Raises TERMINATED.
    """
    _require_alive(thread)
    if thread.message_call is not None:
        thread.message_call.interrupt()
    if thread.page_wait is not None:
        thread.page_wait.interrupt()
    if thread.redirection is not None:
        thread.redirection.cancel()
        thread.redirection = None
        thread.resume_with(mach.MACH_RCV_INTERRUPTED)


def thread_terminate(thread: Thread) -> None:
    """End the thread. Raises TERMINATED if it has ended; FAILURE for a thread that another task serves."""
    _require_own(thread)
    thread.terminate()


def thread_get_state(thread: Thread, flavor: int) -> bytes:
    """X86_64_THREAD_STATE: 23 registers and the bases of FS and GS, 8 bytes each; X86_64_FLOAT_STATE: an XSAVE area.

    A running thread is stopped for as long as it takes. Raises INVALID_ARGUMENT, TERMINATED.
    """
    state: bytes = _while_still(thread, lambda: _get_state(thread, flavor))
    return state


def _get_state(thread: Thread, flavor: int) -> bytes:
    if flavor == mach.X86_64_THREAD_STATE:
        return thread.registers() + struct.pack("<QQ", thread.fs_base, thread.gs_base)
    if flavor == mach.X86_64_FLOAT_STATE:
        return thread.xstate()
    raise KernError(KernReturn.INVALID_ARGUMENT)


def thread_set_state(thread: Thread, flavor: int, state: bytes) -> None:
    """What thread_get_state gives. Segment selectors and the flags that are not the program's stay. Raises INVALID_ARGUMENT, TERMINATED."""
    _while_still(thread, lambda: _set_state(thread, flavor, state))


def _set_state(thread: Thread, flavor: int, state: bytes) -> None:
    if flavor == mach.X86_64_FLOAT_STATE and len(state) >= 512:
        thread.set_xstate(state)
        return
    if flavor != mach.X86_64_THREAD_STATE or len(state) != 8 * STATE_WORDS:
        raise KernError(KernReturn.INVALID_ARGUMENT)
    *words, fs_base, gs_base = struct.unpack(f"<{STATE_WORDS}Q", state)
    limit = thread.task.map.space.limit
    if fs_base >= limit or gs_base >= limit:
        raise KernError(KernReturn.INVALID_ARGUMENT)
    words[reg.CSGSFS] = thread.get(reg.CSGSFS)
    words[reg.EFLAGS] = words[reg.EFLAGS] & USER_FLAGS | 0x202
    thread.set_registers(struct.pack(f"<{reg.COUNT}Q", *words))
    thread.fs_base, thread.gs_base = fs_base, gs_base


def _require_own(thread: Thread) -> None:
    """The kernel itself lets the thread run: no task has its traps and registers (``serving``)."""
    _require_alive(thread)
    if thread.task.served:
        raise KernError(KernReturn.FAILURE)


def _while_still(thread: Thread, action: Callable[[], Any]) -> Any:
    _require_own(thread)
    thread.hold()
    thread.stop()
    try:
        _require_alive(thread)
        return action()
    finally:
        if thread.alive:
            thread.unhold()


def thread_info(thread: Thread, flavor: int) -> list[int]:
    """THREAD_BASIC_INFO or THREAD_SCHED_INFO. Raises INVALID_ARGUMENT, TERMINATED."""
    _require_alive(thread)
    base = thread.depressed_from if thread.depressed_from >= 0 else thread.priority
    if flavor == mach.THREAD_BASIC_INFO:
        user, system, *_ = machine_host.usage(thread.task.map.space.host.pid)
        times = [part for ticks in (user, system) for part in divmod(ticks * 10_000, 1_000_000)]
        return [*times, 0, base, thread.priority, _run_state(thread), 0, thread.suspend_count, 0]
    if flavor == mach.THREAD_SCHED_INFO:
        depressed = thread.depressed_from >= 0
        return [thread.policy, thread.quantum, base, thread.max_priority, thread.priority, int(depressed), base if depressed else 0]
    raise KernError(KernReturn.INVALID_ARGUMENT)


def _run_state(thread: Thread) -> int:
    if thread.context.running and thread.context.arrived:
        return mach.TH_STATE_RUNNING
    return mach.TH_STATE_STOPPED if thread.holds else mach.TH_STATE_WAITING


def thread_get_special_port(thread: Thread, which: int) -> Port | None:
    """A send right to THREAD_KERNEL_PORT or THREAD_EXCEPTION_PORT (None: not set). Raises INVALID_ARGUMENT, TERMINATED."""
    _require_alive(thread)
    if which == mach.THREAD_KERNEL_PORT:
        return right.make_send(thread.port) if thread._kernel_port is None else right.copy_send(thread._kernel_port)
    if which == mach.THREAD_EXCEPTION_PORT:
        return None if thread.exception_port is None else right.copy_send(thread.exception_port)
    raise KernError(KernReturn.INVALID_ARGUMENT)


def thread_set_special_port(thread: Thread, which: int, port: Port | None) -> None:
    """``port`` is a send right, taken over on success; a debugger may set what the thread takes for itself. Errors as for get."""
    _require_alive(thread)
    if which == mach.THREAD_KERNEL_PORT:
        previous, thread._kernel_port = thread._kernel_port, port
    elif which == mach.THREAD_EXCEPTION_PORT:
        previous, thread.exception_port = thread.exception_port, port
    else:
        raise KernError(KernReturn.INVALID_ARGUMENT)
    if previous is not None:
        release((RightKind.SEND, previous))


def _require_alive(thread: Thread) -> None:
    if not thread.alive:
        raise KernError(KernReturn.TERMINATED)
