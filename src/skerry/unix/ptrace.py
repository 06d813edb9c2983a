"""Tracing: a thread that a tracer watches, stops, looks into and changes.

A traced thread (:class:`Tracee`) makes its system calls by another table (:mod:`skerry.unix.entry`) and goes back to its program by another
way (:meth:`Tracee.come_back`); threads that nobody traces know nothing of it. The tracer is a process: any of its threads may ask.

Invariants:
- ``stop`` is not None exactly while the thread stands still for its tracer: then its registers may be read and written. It stands in
  :meth:`Tracee.stand`, called by the coroutine of its system call or by that of its way back; there is never one of each asleep in it.
- A thread's tracer has it in its ``tracees`` until it is detached, or has ended and was waited for.
- The end of a process whose first thread is traced is told to the tracer first, and to the parent when the tracer has waited
  (``Process.traced_leader``).

Source: ptrace(2); kernel/ptrace.c and kernel/signal.c of Linux.
"""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.abi import ptrace as pt
from skerry.abi import registers as reg
from skerry.lib.coroutine import Activity, Interrupted, WaitQueue
from skerry.unix import entry, lifecycle, signals
from skerry.unix.ptrace_registers import RESTARTS, TRAP_FLAG
from skerry.unix.ptrace_watch import STEP, DebugRegisters

if TYPE_CHECKING:
    from skerry.unix.process import Process, Thread
    from skerry.unix.signals import SignalInfo

STOPPED: Final = 0x7F
TRAP_HWBKPT: Final = 4
_EVENT_OPTIONS: Final = {
    pt.EVENT_FORK: pt.O_TRACEFORK,
    pt.EVENT_VFORK: pt.O_TRACEVFORK,
    pt.EVENT_CLONE: pt.O_TRACECLONE,
    pt.EVENT_EXEC: pt.O_TRACEEXEC,
    pt.EVENT_VFORK_DONE: pt.O_TRACEVFORKDONE,
    pt.EVENT_EXIT: pt.O_TRACEEXIT,
    pt.EVENT_SECCOMP: pt.O_TRACESECCOMP,
}


class Stop:
    """Why a thread stands still: as a wait status, and the signal behind it (None: a group stop, which has none)."""

    __slots__ = ("at", "info", "reported", "status")

    @property
    def marked(self) -> bool:
        """Whether it tells a system call from a signal (PTRACE_O_TRACESYSGOOD, or an event)."""
        return bool(self.status >> 8 & 0x80 or self.status >> 16)

    def __init__(self, status: int, info: SignalInfo | None, at: int) -> None:
        self.status = status
        self.info = info
        self.at = at  # SYSCALL_INFO_*: which end of a system call
        self.reported = False  # the tracer has waited for it


class Tracee:
    """A thread as its tracer has it."""

    def __init__(self, thread: Thread, tracer: Process, seized: bool, options: int) -> None:
        self.thread = thread
        self.tracer = tracer
        self.seized = seized
        self.options = options
        self.stop: Stop | None = None
        self.mode = pt.CONT  # how it was last let go
        self.signal = 0  # that the tracer gave it on the way
        self.message = 0  # PTRACE_GETEVENTMSG
        self.trap_wanted = False  # PTRACE_INTERRUPT, or a new child's first stop
        self.seen_stop = False  # the present stop of the whole process was reported: it may run in spite of it
        self.listening = False  # PTRACE_LISTEN
        self.ended: int | None = None  # wait status of the thread's end, for the tracer
        self.debug = DebugRegisters()
        self.child: tuple[int, Thread, bool] | None = None  # of the clone call that it is in: event, thread, and whether it waits for it
        self._armed = False  # its trap flag is ours
        self._go = WaitQueue()
        self._returning = False
        self._activity: Activity | None = None  # its way back

    @property
    def attached(self) -> bool:
        return self.thread.tracee is self

    @property
    def stepping(self) -> bool:
        return self.mode in (pt.SINGLESTEP, pt.SYSEMU_SINGLESTEP)

    # Standing still
    async def stand(self, status: int, info: SignalInfo | None, at: int = pt.SYSCALL_INFO_NONE) -> int:
        """Stand still until the tracer lets it go; the signal that it is to get (0: none)."""
        self.disarm()
        self.stop = Stop(status, info, at)
        self.signal = 0
        self._tell_tracer(status)
        while self.stop is not None:
            with suppress(Interrupted):
                await self._go.wait()
        return self.signal

    def _tell_tracer(self, status: int) -> None:
        tracer = self.tracer
        tracer.child_changed.wake()  # before the signal: a wait that finds it is not broken off
        if status & 0xFF == STOPPED:
            if tracer.actions[linux.SIGCHLD].flags & linux.SA_NOCLDSTOP:
                return
            code, value = linux.CLD_TRAPPED, status >> 8 & STOPPED
        else:
            code, value = (linux.CLD_KILLED, status & STOPPED) if status & STOPPED else (linux.CLD_EXITED, status >> 8)
        rest = struct.pack("<iIi4xqq", self.thread.tid, self.thread.process.credentials.uid, value, 0, 0)
        signals.send(tracer, signals.SignalInfo(linux.SIGCHLD, code, rest))

    def proceed(self, mode: int, signo: int) -> None:
        """The tracer lets it go."""
        stop = self.stop
        self.mode, self.signal = mode, signo
        if stop is not None and signo and (stop.info is None or stop.info.signo != signo):
            stop.info = signals.from_process(signo, linux.SI_USER, self.tracer)
        self.stop = None
        self._go.wake()

    def listen(self) -> None:
        """PTRACE_LISTEN: it stays stopped, and reports what becomes of the stop."""
        self.listening = True
        self.proceed(pt.CONT, 0)

    def interrupt(self) -> None:
        """PTRACE_INTERRUPT."""
        self.trap_wanted = True
        self._go.wake()
        signals.notify(self.thread)

    async def event(self, event: int, message: int, at: int = pt.SYSCALL_INFO_NONE) -> None:
        """Stand still for an event, if the tracer wants to know of it."""
        if self.attached and self.options & _EVENT_OPTIONS[event]:
            self.message = message
            await self.stand(event << 16 | linux.SIGTRAP << 8 | STOPPED, signals.SignalInfo(linux.SIGTRAP, event << 8 | linux.SIGTRAP), at)

    async def syscall_stop(self, at: int) -> None:
        """Stand still at one end of a system call."""
        mark = linux.SIGTRAP | (0x80 if self.options & pt.O_TRACESYSGOOD else 0)
        signo = await self.stand(mark << 8 | STOPPED, signals.SignalInfo(linux.SIGTRAP, mark), at)
        if signo:  # Linux sends it
            signals.send_to_thread(self.thread, signals.from_process(signo, linux.SI_USER, self.tracer))

    @property
    def wants_back(self) -> bool:
        """Whether something is to be done before the program goes on: a call of it must not wait."""
        return self.trap_wanted or signals.has_pending(self.thread) or bool(self.thread.process.stopped and not self.seen_stop)

    def broken_off(self) -> None:
        """The call that it was in was interrupted: what becomes of it, and that it goes back by way of its stops."""
        thread = self.thread
        if thread.call in RESTARTS:
            thread.restart = thread.restarts_unhandled = True
        elif not thread.restart and thread.saved_mask is None:
            thread.saved_mask = thread.mask  # put back as it is

    # Going back to the program
    def come_back(self) -> None:
        """The thread is to go back to its program, by way of signals and stops."""
        if self._returning:
            self._go.wake()
            return

        def done(_result: object, error: BaseException | None) -> None:
            self._returning, self._activity = False, None
            if error is not None:
                raise error

        self._returning = True
        self._activity = self.thread.process.system.loop.start(self._way_back(), done)

    async def _way_back(self) -> None:
        thread = self.thread
        handled = False
        self.disarm()
        while self.attached:
            await self.stops()
            if not self.attached:
                break
            if (info := signals.take(thread, thread.mask)) is not None:
                handled = await self._signal(info) or handled
            elif handled or not signals.settle(thread):
                break
        if thread.dead:
            return
        if not self.attached:
            self._returning = False
            signals.resume(thread)
            return
        thread.in_server = False
        self.arm()
        thread.user.resume()

    async def _signal(self, info: SignalInfo) -> bool:
        """The tracer sees a signal before the thread does; whether a handler is to run."""
        thread = self.thread
        signo = await self.stand(info.signo << 8 | STOPPED, info)
        if not signo:
            return False
        if signo != info.signo:
            info = signals.from_process(signo, linux.SI_USER, self.tracer)
        if thread.mask >> (signo - 1) & 1:
            thread.pending.append(info)
            return False
        if signals.is_fatal(thread.process, signo):
            await self.event(pt.EVENT_EXIT, signo)
        handled = bool(signals.carry_out(thread, info))
        if handled and self.attached and self.stepping:
            await self.stand(linux.SIGTRAP << 8 | STOPPED, signals.SignalInfo(linux.SIGTRAP, linux.SIGTRAP))
        return handled

    async def stops(self) -> None:
        """Stand still as long as the process is stopped or the tracer wants it, signals apart."""
        process = self.thread.process
        while self.attached:
            if process.stopped and not self.seen_stop:
                await self._group_stop(process.stopped)
            elif self.trap_wanted:
                self.trap_wanted = False
                info = signals.SignalInfo(linux.SIGTRAP, pt.EVENT_STOP << 8 | linux.SIGTRAP)
                await self.stand(pt.EVENT_STOP << 16 | linux.SIGTRAP << 8 | STOPPED, info)
            else:
                break

    async def _group_stop(self, signo: int) -> None:
        self.seen_stop = True
        process = self.thread.process
        if self.seized:
            await self.stand(pt.EVENT_STOP << 16 | signo << 8 | STOPPED, signals.SignalInfo(linux.SIGTRAP, pt.EVENT_STOP << 8 | signo))
        else:
            await self.stand(signo << 8 | STOPPED, None)
        while self.listening and self.attached and process.stopped and not self.trap_wanted:
            with suppress(Interrupted):
                await self._go.wait()
        if self.listening:
            self.listening = False
            self.trap_wanted = True

    # Single steps
    def arm(self) -> None:
        """Have the next instruction trap, if it is stepped or watched."""
        if self.debug.active:
            self.debug.look(self.thread)
        if self.debug.active or self.stepping:
            user = self.thread.user
            flags = user.get(reg.EFLAGS)
            if not flags & TRAP_FLAG:
                self._armed = True
                user.set(reg.EFLAGS, flags | TRAP_FLAG)

    def disarm(self) -> None:
        """The thread has come in: its flags are its own."""
        if self._armed:
            self._armed = False
            user = self.thread.user
            user.set(reg.EFLAGS, user.get(reg.EFLAGS) & ~TRAP_FLAG)

    def stepped(self) -> SignalInfo | None:
        """The thread has trapped after an instruction: the SIGTRAP that it gets for it, or None: it was only watched, and runs on."""
        self.disarm()
        thread = self.thread
        hit = self.debug.active and self.debug.hit(thread)
        if not hit and not self.stepping:
            thread.in_server = False
            self.arm()
            thread.user.resume()
            return None
        self.debug.status = self.debug.status | STEP if self.stepping else self.debug.status & ~STEP
        code = TRAP_HWBKPT if hit else linux.TRAP_TRACE
        return signals.SignalInfo(linux.SIGTRAP, code, thread.user.get(reg.RIP).to_bytes(8, "little"))

    @property
    def armed(self) -> bool:
        return self._armed

    def drop(self) -> None:
        """The thread has ended."""
        self.stop = None
        if self._activity is not None:
            activity, self._activity = self._activity, None
            activity.cancel()


def attach(thread: Thread, tracer: Process, seized: bool = False, options: int = 0) -> Tracee:
    """``tracer`` traces ``thread`` from now on."""
    tracee = Tracee(thread, tracer, seized, options)
    thread.tracee = tracee
    tracer.tracees.append(tracee)
    entry.divert(thread)
    return tracee


def detach(tracee: Tracee, signo: int = 0) -> None:
    """It is not traced any more, and goes on, with ``signo`` if that is not 0."""
    thread = tracee.thread
    tracee.tracer.tracees.remove(tracee)
    tracee.disarm()
    thread.tracee = None
    entry.divert(thread)
    if tracee.stop is not None:
        tracee.proceed(pt.CONT, signo)
    elif tracee.listening:
        tracee.listening = False
        tracee.proceed(pt.CONT, 0)


def cloned(parent: Thread, child: Thread, flags: int, exit_signal: int) -> None:
    """A traced thread has made ``child``, which has not run yet."""
    tracee = parent.tracee
    assert tracee is not None
    if flags & linux.CLONE_VFORK:
        event = pt.EVENT_VFORK
    else:
        event = pt.EVENT_CLONE if exit_signal != linux.SIGCHLD else pt.EVENT_FORK
    wanted = bool(tracee.options & _EVENT_OPTIONS[event]) and not flags & linux.CLONE_UNTRACED
    tracee.child = event if wanted else 0, child, bool(flags & linux.CLONE_VFORK)
    if not wanted and not flags & linux.CLONE_PTRACE:
        return
    young = attach(child, tracee.tracer, tracee.seized, tracee.options)
    if tracee.seized:
        young.trap_wanted = True
    else:
        child.pending.append(signals.SignalInfo(linux.SIGSTOP))


def thread_ended(thread: Thread, status: int) -> None:
    """A traced thread is gone. The first one of a process stands for the process, which may not have ended yet."""
    tracee = thread.tracee
    assert tracee is not None
    tracee.drop()
    thread.tracee = None
    if thread.tid == thread.process.pid:
        thread.process.traced_leader = tracee
    else:
        tracee.ended = status
        tracee._tell_tracer(status)


def process_ended(process: Process) -> bool:
    """Its first thread was traced: whether its parent must wait until the tracer has waited."""
    tracee = process.traced_leader
    assert tracee is not None
    assert process.exit_status is not None
    if tracee.tracer is process.parent or tracee.tracer.exit_status is not None:
        process.traced_leader = None
        if tracee in tracee.tracer.tracees:
            tracee.tracer.tracees.remove(tracee)
        return False
    tracee.ended = process.exit_status
    tracee._tell_tracer(process.exit_status)
    return True


def waited_for(tracee: Tracee) -> None:
    """The tracer has waited for the end of a thread."""
    tracee.tracer.tracees.remove(tracee)
    process = tracee.thread.process
    if process.traced_leader is tracee:
        process.traced_leader = None
        lifecycle.tell_parent(process)


def tracer_ended(tracer: Process) -> None:
    """What it traced dies (PTRACE_O_EXITKILL) or runs on."""
    for tracee in list(tracer.tracees):
        if tracee.ended is not None:
            waited_for(tracee)
        elif tracee.thread.dead:
            tracer.tracees.remove(tracee)
            tracee.thread.process.traced_leader = None
        else:
            detach(tracee)
            if tracee.options & pt.O_EXITKILL:
                lifecycle.end_process(tracee.thread.process, linux.SIGKILL)
