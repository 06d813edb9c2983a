"""The thread of a native task: one flow of Python, which is in the kernel from a call to its answer, and else runs.

Suspended in a call it gets its answer when it is resumed. Suspended while it runs, its host process is stopped; what needs its mapper then
(vm_allocate and the like from another task) fails with RESOURCE_SHORTAGE. Its registers are the interpreter's, and are not shown. It cannot
be ended without its task. A priority below the usual one is a nice value of its process, one above is too where the host allows it.

Source: Mach 3 Kernel Interfaces, chapter 6 (thread_switch, swtch, swtch_pri, evc_wait).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final, cast

from skerry.abi import mach
from skerry.mach import scheduling
from skerry.mach.errors import KernError, KernReturn
from skerry.mach.thread import Thread
from skerry.machine import Context
from skerry.machine import host as machine_host

if TYPE_CHECKING:
    from skerry.mach.native import NativeTask

SWITCH: Final = struct.Struct("<III")  # arguments of thread_switch: thread, option, time (ms)
QUANTUM: Final = 10  # ms that swtch_pri depresses for


def _no_registers(*_arguments: Any) -> Any:
    raise KernError(KernReturn.FAILURE)


class _NoContext:
    """Stands where a program's thread has its registers."""

    owner: Any = None
    arrived = False
    fs_base = gs_base = 0
    get = set = registers = set_registers = xstate = set_xstate = reset_xstate = set_identity = call = staticmethod(_no_registers)

    def __init__(self, task: NativeTask) -> None:
        self._task = task

    @property
    def running(self) -> bool:
        return not self._task.process.channel.owes

    def resume(self) -> None:
        """It needs nobody to resume it."""

    def resume_with(self, _result: int, /) -> None:
        """Likewise."""

    def interrupt(self) -> None:
        """``NativeThread.hold`` stops it."""

    def recall(self) -> bool:
        return False


class Gate:
    """Takes the place of the channel while its thread is held: the one answer that may come waits here."""

    def __init__(self) -> None:
        self.waiting: tuple[int, bytes | None] | None = None

    def answer(self, code: int, message: bytes | None, /) -> bool:
        self.waiting = (code, message)
        return True

    def deliver(self, message: bytes, bits: int, remote: int, local: int, sequence: int, /) -> bool:
        header = mach.HEADER.pack(bits, len(message), remote, local, sequence, mach.HEADER.unpack_from(message)[-1])
        return self.answer(mach.MACH_MSG_SUCCESS, header + message[mach.HEADER_SIZE :])


class NativeThread(Thread):
    """The one thread of a native task."""

    task: NativeTask

    def __init__(self, task: NativeTask) -> None:
        super().__init__(task, cast(Context, _NoContext(task)))

    def hold(self) -> None:
        self.holds += 1
        if self.holds == 1:
            self.task.close_gate()

    def unhold(self) -> None:
        self.holds -= 1
        if self.holds == 0:
            self.task.open_gate()

    def stop(self) -> None:
        """``hold`` has done it."""

    def terminate(self) -> None:
        self.task.terminate()

    def priority_changed(self) -> None:
        machine_host.set_nice(self.task.process.pid, max(-20, min(19, self.priority - mach.PRIORITY_USER)))

    def bind(self, processors: list[int]) -> None:
        machine_host.bind(self.task.process.pid, processors)


def thread_trap(thread: NativeThread, number: int, arguments: bytes) -> int | None:
    """A trap that is about running: its result, or None if ``task.answer_trap`` is called later."""
    if number == mach.TRAP_EVC_WAIT:
        return mach.KERN_INVALID_ARGUMENT  # no driver has made an event counter
    if number in (mach.TRAP_SWTCH, mach.TRAP_SWTCH_PRI):
        others = bool(thread.task.processor.ready)
        if number == mach.TRAP_SWTCH_PRI:
            scheduling.depress(thread, QUANTUM)
        thread.task.processor.make_ready(lambda: thread.task.answer_trap(int(others)))
        return None
    if len(arguments) < SWITCH.size:
        return mach.KERN_INVALID_ARGUMENT
    _hint, option, milliseconds = SWITCH.unpack_from(arguments)
    return thread_switch(thread, option, milliseconds)


def thread_switch(thread: NativeThread, option: int, milliseconds: int) -> int | None:
    """Let others run: whatever is ready in the kernel goes first. The host chooses who has the processor next; the hint is no order to it.

    SWITCH_OPTION_DEPRESS lowers the priority for so long, SWITCH_OPTION_WAIT stays away for so long. INVALID_ARGUMENT: no option.
    """
    if option not in (mach.SWITCH_OPTION_NONE, mach.SWITCH_OPTION_DEPRESS, mach.SWITCH_OPTION_WAIT):
        return mach.KERN_INVALID_ARGUMENT
    if option == mach.SWITCH_OPTION_DEPRESS:
        scheduling.depress(thread, milliseconds)
    elif option == mach.SWITCH_OPTION_WAIT:
        thread.task.processor.call_after(milliseconds, lambda: thread.task.answer_trap(mach.KERN_SUCCESS))
        return None
    thread.task.processor.make_ready(lambda: thread.task.answer_trap(mach.KERN_SUCCESS))
    return None
