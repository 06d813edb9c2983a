"""Signals: sending, masks, and what becomes of them.

Delivery is at one place, :func:`deliver`, when a thread is about to go back to its program. Sending only marks a signal pending and brings
the thread there: a running one by an interruption, a sleeping one by breaking off its system call.

Source: signal(7).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.abi import registers as reg
from skerry.abi.fault import Fault
from skerry.unix import frames, lifecycle, sessions

if TYPE_CHECKING:
    from skerry.unix.process import Process, Thread

SIG_DFL: Final = 0
SIG_IGN: Final = 1
STOPS: Final = frozenset((linux.SIGSTOP, linux.SIGTSTP, linux.SIGTTIN, linux.SIGTTOU))
IGNORED: Final = frozenset((linux.SIGCHLD, linux.SIGURG, linux.SIGWINCH, linux.SIGCONT))
CORE: Final = frozenset(
    (
        linux.SIGQUIT,
        linux.SIGILL,
        linux.SIGTRAP,
        linux.SIGABRT,
        linux.SIGBUS,
        linux.SIGFPE,
        linux.SIGSEGV,
        linux.SIGXCPU,
        linux.SIGXFSZ,
        linux.SIGSYS,
    )
)
LAST: Final = 64
REALTIME: Final = 32  # from this number on each sending is kept
QUEUE_LIMIT: Final = 4000  # RLIMIT_SIGPENDING: what is sent beyond it is lost
UNBLOCKABLE: Final = (1 << (linux.SIGKILL - 1)) | (1 << (linux.SIGSTOP - 1))


class SignalInfo:
    """A signal that was sent; ``rest`` is siginfo from byte 16 on."""

    __slots__ = ("code", "errno", "rest", "signo")

    def __init__(self, signo: int, code: int = linux.SI_KERNEL, rest: bytes = b"") -> None:
        self.signo = signo
        self.code = code
        self.rest = rest
        self.errno = 0

    def pack(self) -> bytes:
        """struct siginfo, 128 bytes."""
        return struct.pack("<iiii", self.signo, self.errno, self.code, 0) + self.rest.ljust(112, b"\0")


def from_process(signo: int, code: int, sender: Process, value: int = 0) -> SignalInfo:
    """What kill, tkill and sigqueue send."""
    return SignalInfo(signo, code, struct.pack("<iIQ", sender.pid, sender.credentials.uid, value))


class Action:
    """What sigaction set."""

    __slots__ = ("flags", "handler", "mask", "restorer")

    def __init__(self, handler: int, flags: int, restorer: int, mask: int) -> None:
        self.handler = handler
        self.flags = flags
        self.restorer = restorer
        self.mask = mask


DEFAULT: Final = Action(SIG_DFL, 0, 0, 0)


class Actions:
    """The actions of a process (or of several, CLONE_SIGHAND)."""

    def __init__(self) -> None:
        self.table: dict[int, Action] = {}

    def __getitem__(self, signo: int) -> Action:
        return self.table.get(signo, DEFAULT)

    def copy(self) -> Actions:
        new = Actions()
        new.table = dict(self.table)
        return new

    def after_exec(self) -> Actions:
        """Handlers are gone; what was ignored stays ignored."""
        new = Actions()
        new.table = {n: Action(SIG_IGN, 0, 0, 0) for n, action in self.table.items() if action.handler == SIG_IGN}
        return new


def is_ignored(process: Process, signo: int) -> bool:
    """Whether nothing would happen."""
    handler = process.actions[signo].handler
    return handler == SIG_IGN or (handler == SIG_DFL and signo in IGNORED)


def send(process: Process, info: SignalInfo) -> None:
    """Send to a process: any thread that does not block it may take it."""
    signo = info.signo
    if process.exit_status is not None or not signo:
        return
    if signo == linux.SIGKILL:
        lifecycle.end_process(process, signo)  # at once: a hostile program can keep an interruption from arriving
        return
    _continue_or_stop(process, signo)
    bit = 1 << (signo - 1)
    threads = process.threads.values()
    taker = next((t for t in threads if not t.mask & bit and not t.dead), None)
    traced = taker is not None and taker.tracee is not None  # its tracer sees the signal first
    if taker is not None and not traced and is_ignored(process, signo) and signo not in (linux.SIGKILL, linux.SIGSTOP):
        for observer in process.system.observers:
            observer.signal(taker, info)
        return
    if taker is not None and not traced and signo in STOPS and (signo == linux.SIGSTOP or process.actions[signo].handler == SIG_DFL):
        _stop(process, taker, info)
        return
    if len(process.pending) >= QUEUE_LIMIT if signo >= REALTIME else any(p.signo == signo for p in process.pending):
        return
    process.pending.append(info)
    process.signal_sent.wake()
    if taker is not None:
        notify(taker)
    elif process.threads:
        for thread in threads:  # sigtimedwait takes a blocked signal
            if thread.activity is not None and thread.saved_mask is None:
                process.child_changed.wake()
                break


def _stop(process: Process, taker: Thread, info: SignalInfo) -> None:
    """Stop it at once: a call that waits goes on waiting, and its thread is held when it has ended."""
    for observer in process.system.observers:
        observer.signal(taker, info)
    if not process.stopped and (info.signo == linux.SIGSTOP or sessions.may_stop(process)):
        lifecycle.stop_process(process, info.signo)


def send_to_thread(thread: Thread, info: SignalInfo) -> None:
    """Send to one thread."""
    signo = info.signo
    if thread.dead or not signo:
        return
    if signo == linux.SIGKILL:
        send(thread.process, info)
        return
    _continue_or_stop(thread.process, signo)
    if not thread.mask & (1 << (signo - 1)) and thread.tracee is None and is_ignored(thread.process, signo):
        for observer in thread.process.system.observers:
            observer.signal(thread, info)
        return
    if len(thread.pending) < QUEUE_LIMIT if signo >= REALTIME else all(p.signo != signo for p in thread.pending):
        thread.pending.append(info)
        thread.process.signal_sent.wake()
    if not thread.mask & (1 << (signo - 1)):
        notify(thread)


def _continue_or_stop(process: Process, signo: int) -> None:
    if signo == linux.SIGCONT:
        process.pending = [p for p in process.pending if p.signo not in STOPS]
        if process.stopped:
            lifecycle.continue_process(process)
    elif signo in STOPS:
        process.pending = [p for p in process.pending if p.signo != linux.SIGCONT]
    elif signo == linux.SIGKILL and process.stopped:
        process.stopped = 0


def force(thread: Thread, info: SignalInfo) -> None:
    """A fault of the thread itself: it is delivered, or it kills."""
    bit = 1 << (info.signo - 1)
    if thread.mask & bit or thread.process.actions[info.signo].handler == SIG_IGN:
        thread.process.actions.table.pop(info.signo, None)
        thread.mask &= ~bit
    thread.pending.append(info)


def notify(thread: Thread) -> None:
    """Bring the thread to where signals are delivered."""
    if thread.activity is not None:
        thread.activity.interrupt()
    elif not thread.in_server:
        thread.user.interrupt()
    elif thread.process.stopped:
        lifecycle.wake_stopped(thread)


def has_pending(thread: Thread) -> bool:
    """Whether a signal waits that is not blocked."""
    if not thread.pending and not thread.process.pending:
        return False
    mask = thread.mask
    return any(not mask >> (p.signo - 1) & 1 for p in (*thread.pending, *thread.process.pending))


def take(thread: Thread, blocked: int) -> SignalInfo | None:
    """Remove the first pending signal that ``blocked`` lets through."""
    for queue in (thread.pending, thread.process.pending):
        for index, info in enumerate(queue):
            if not blocked >> (info.signo - 1) & 1:
                return queue.pop(index)
    return None


def deliver(thread: Thread) -> bool:
    """Deliver what is pending and not blocked; False if the thread does not go back to its program (dead or stopped)."""
    handled = False
    while (info := take(thread, thread.mask)) is not None:
        done = carry_out(thread, info)
        if done is None:
            return False
        handled = handled or done
    return handled or not settle(thread) or deliver(thread)


def is_fatal(process: Process, signo: int) -> bool:
    """Whether the signal would end the process."""
    handler = process.actions[signo].handler
    return signo == linux.SIGKILL or (handler == SIG_DFL and signo not in IGNORED and signo not in STOPS)


def carry_out(thread: Thread, info: SignalInfo) -> bool | None:
    """Do what the thread's process wants done: True if a handler is to run, None if the thread does not go back (dead or stopped)."""
    process = thread.process
    signo = info.signo
    for observer in process.system.observers:
        observer.signal(thread, info)
    action = process.actions[signo]
    handler = action.handler
    if handler == SIG_IGN and signo != linux.SIGKILL:
        return False
    if handler == SIG_DFL or signo in (linux.SIGKILL, linux.SIGSTOP):
        if signo in IGNORED:
            return False
        if signo in STOPS:
            if signo != linux.SIGSTOP and not sessions.may_stop(process):
                return False
            _settle_restart(thread, True)
            lifecycle.stop_process(process, signo)
            return None
        lifecycle.end_process(process, signo)
        return None
    _settle_restart(thread, bool(action.flags & linux.SA_RESTART) and not thread.restarts_unhandled)
    mask = thread.saved_mask if thread.saved_mask is not None else thread.mask
    thread.saved_mask = None
    try:
        frames.push(thread, info, action, mask)
    except Fault:
        if signo == linux.SIGSEGV:
            lifecycle.end_process(process, linux.SIGSEGV)
            return None
        force(thread, SignalInfo(linux.SIGSEGV))
        return False
    thread.mask |= action.mask
    if not action.flags & linux.SA_NODEFER:
        thread.mask |= 1 << (signo - 1)
    thread.mask &= ~UNBLOCKABLE
    if action.flags & linux.SA_RESETHAND:
        process.actions.table.pop(signo, None)
    return True


def settle(thread: Thread) -> bool:
    """No handler is to run: a call that was broken off is made again, and a mask is put back. Whether that lets more signals through."""
    _settle_restart(thread, True)
    if thread.saved_mask is None:
        return False
    thread.mask = thread.saved_mask
    thread.saved_mask = None
    return has_pending(thread)


def _settle_restart(thread: Thread, again: bool) -> None:
    """A call that was broken off is made again, or has failed with EINTR."""
    if thread.restart:
        thread.restart = False
        if not again:
            thread.kept_deadline = 0
        if again or thread.restarts_always:
            thread.user.set(reg.RIP, thread.user.get(reg.RIP) - 2)
            thread.user.set(reg.RAX, thread.call)
        thread.restarts_always = thread.restarts_unhandled = False


def resume(thread: Thread) -> None:
    """Let the thread go back to its program, by way of the signals that wait for it."""
    if thread.tracee is not None:
        thread.tracee.come_back()
        return
    process = thread.process
    if process.stopped:
        return
    if (thread.pending or process.pending or thread.restart or thread.saved_mask is not None) and not deliver(thread):
        return
    thread.in_server = False
    thread.user.resume()


def resume_with(thread: Thread, result: int) -> None:
    """The same, with the result of the thread's system call."""
    process = thread.process
    if thread.pending or process.pending or process.stopped or thread.restart or thread.saved_mask is not None:
        thread.user.set(reg.RAX, result)
        resume(thread)
    else:
        thread.in_server = False
        thread.user.resume_with(result)
