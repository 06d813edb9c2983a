"""Native tasks: servers in Python that make kernel calls through a channel.

A native task has one flow of control, which is either in the kernel or not: a call is under way from ``take`` to ``answer``. Its traps are
Mach's: mach_msg, mach_task_self, mach_reply_port, mach_thread_self, mach_host_self. Every other call is a message to a port. What it
sends is hostile: ``channel.take`` copies it once, and what is wrong with it is a code in the answer.

Its map holds what the kernel maps for it (vm_*, data out of line), in a range of its own; what Python has mapped for itself is not in it.
It has one thread (``native_thread``). With a right to a device's port or to the factory's it can make the traps of ``driving``, too.

Source: Mach 3 Kernel Interfaces, mach_msg and the traps of chapter 3.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from skerry.abi import mach, machmsg
from skerry.abi.driving import DRIVER_TRAPS
from skerry.abi.machmsg import UserMessage
from skerry.abi.traps import TRAPS
from skerry.mach import mach_port as mp
from skerry.mach import right
from skerry.mach import task as tasks
from skerry.mach.driving import DriverTraps
from skerry.mach.emulation import Emulation
from skerry.mach.errors import KernError
from skerry.mach.exchange import Exchange
from skerry.mach.message import OBSERVATION
from skerry.mach.native_thread import Gate, NativeThread, thread_trap
from skerry.mach.port import Port
from skerry.mach.release import release
from skerry.mach.right import RightKind
from skerry.mach.task import Task
from skerry.mach.thread import thread_get_special_port
from skerry.mach.vm import VmMap
from skerry.machine.native_task import NativeSpace, Template

if TYPE_CHECKING:
    from skerry.mach.kernel import Kernel
    from skerry.mach.serving import Serving

THREAD_TRAPS: Final = (mach.TRAP_THREAD_SWITCH, mach.TRAP_SWTCH, mach.TRAP_SWTCH_PRI, mach.TRAP_EVC_WAIT)
TRAP_MACH_MSG: Final = mach.TRAP_MACH_MSG
UNKNOWN_TRAP: Final = mach.KERN_INVALID_ARGUMENT


class NativeTask(Task):
    """A task whose program is Python behind a channel."""

    on_end: Callable[[], None] | None = None  # called when it has ended

    def __init__(
        self,
        kernel: Kernel,
        template: Template,
        entry: str,
        source: str | None = None,
        arguments: Sequence[str | int] = (),
        bootstrap: Port | None = None,
        serving: Serving | None = None,
    ) -> None:
        """Start it. ``bootstrap``, a send right that is taken over on success, becomes its bootstrap port. ``serving``: it may serve
        programs. The others: ``Template.spawn``.

        Raises OSError, ValueError, MachineError.
        """
        self.name = entry.removesuffix(":main").rpartition(".")[2]  # what it is called where it is shown
        self.last_words = ""
        self.serving = serving
        self.process = template.spawn(self._rung, entry, source, arguments, serving is not None)
        space = NativeSpace(self.process)
        super().__init__(kernel, space, VmMap(space, space.FIRST), Emulation())
        self.map.moves = True
        self._channel: Any = self.process.channel
        self._take = self.process.channel.take
        self._exchange = Exchange(self, self._channel, self._ended)
        self.thread = NativeThread(self)
        self.thread.message_call = self._exchange
        self._driving = DriverTraps(self)
        if bootstrap is not None:
            self.special_ports[mach.TASK_BOOTSTRAP_PORT] = bootstrap

    def _rung(self) -> None:
        """The bell has rung: there is a call, or somebody forged a ring."""
        request = self._take()
        if request is None:
            return
        number, option, message, receive_size, receive_name, timeout, notify_name = request
        self.kernel.messages += 1
        if number == TRAP_MACH_MSG:
            self._exchange.begin(message, option, receive_size, receive_name, timeout, notify_name)
        elif self.serving is not None and number in TRAPS:
            self._channel.answer(*self._serve(self.serving, number, message))
        elif number == mach.TRAP_FAULT:
            self._fault(message)
        elif number == mach.TRAP_LAST_WORDS:
            self.last_words = message[:4096].decode(errors="replace")
            self.kernel.task_died(self)
        elif number in DRIVER_TRAPS:
            self._channel.answer(*self._driving.trap(number, message))
            self.processor.run()
        else:
            result = self._trap(number, message)
            if result is not None:
                self._channel.answer(result, None)
            self.processor.run()

    def _serve(self, serving: Serving, number: int, data: bytes) -> tuple[int, bytes]:
        if OBSERVATION.observer is None:
            return serving.trap(self, number, data)
        return OBSERVATION.observer.trapped(self, number, lambda: serving.trap(self, number, data))

    def answer_trap(self, result: int) -> None:
        """A trap whose answer was put off."""
        if self.process.alive:
            self._channel.answer(result, None)

    # Suspension
    def close_gate(self) -> None:
        """Let it run no more: a call that is under way is not answered, and one that runs its program is stopped."""
        self._channel = self._exchange.channel = Gate()
        if not self.process.channel.owes:
            self.process.stop()

    def open_gate(self) -> None:
        """Undo close_gate."""
        gate, self._channel = self._channel, self.process.channel
        self._exchange.channel = self._channel
        if not self.process.alive:
            return
        self.process.go()
        if isinstance(gate, Gate) and gate.waiting is not None:
            self._channel.answer(*gate.waiting)

    def _fault(self, what: bytes) -> None:
        """It touched memory that is not there. Without an answer of KERN_SUCCESS its process ends."""

        def arrived(code: int) -> None:
            if self.process.alive:
                if code != mach.KERN_SUCCESS:
                    self.last_words = f"memory at {address:#x} cannot be had (kern_return_t {code})"
                self._channel.answer(code, None)

        address, access = struct.unpack("<QQ", what) if len(what) == 16 else (0, 0)
        if not self.map.fault(address, access & mach.VM_PROT_ALL, arrived):
            arrived(mach.KERN_INVALID_ADDRESS)

    def _trap(self, number: int, arguments: bytes) -> int | None:
        try:
            if number == mach.TRAP_MACH_REPLY_PORT:
                return mp.mach_port_allocate(self, RightKind.RECEIVE)
            if number == mach.TRAP_MACH_TASK_SELF:
                return tasks.mach_task_self(self)
            if number == mach.TRAP_MACH_HOST_SELF:
                return self._name_for(right.make_send(self.kernel.host.port))
            if number == mach.TRAP_MACH_THREAD_SELF:
                port = thread_get_special_port(self.thread, mach.THREAD_KERNEL_PORT)
                return mach.MACH_PORT_NULL if port is None else self._name_for(port)
        except KernError:
            return mach.MACH_PORT_NULL
        return thread_trap(self.thread, number, arguments) if number in THREAD_TRAPS else UNKNOWN_TRAP

    @property
    def waits(self) -> bool:
        """Whether it is in a mach_msg."""
        return not self._exchange.finished

    def _name_for(self, port: Port) -> int:
        try:
            return self.space.copyout(RightKind.SEND, port)
        except KernError:
            release((RightKind.SEND, port))
            raise

    def _ended(self, code: int, message: UserMessage | None) -> None:
        """Its mach_msg is over."""
        if not self.process.alive:
            return
        if message is None:
            self._channel.answer(code, None)
        elif code == mach.MACH_RCV_TOO_LARGE and message.remote_type == message.local_type == 0:  # it stays queued: only its size is told
            self._channel.answer(code, mach.HEADER.pack(0, message.size, 0, 0, 0, 0))
        else:
            self._channel.answer(code, machmsg.pack(message))

    def terminate(self) -> None:
        """As every task; a mach_msg that it waits in ends first."""
        if not self.alive:
            return
        self._exchange.interrupt()
        super().terminate()
        if self.on_end is not None:
            self.on_end()
