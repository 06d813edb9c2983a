"""The other way into the server: system calls of threads that are traced or filtered (ptrace, seccomp).

Every thread has a table of handlers. That of ordinary threads holds the calls themselves; that of a diverted thread (``DIVERTED``) holds
``enter`` for every number, which does what is to be done before and after the call. So an ordinary call costs no test.
The emulation library answers nothing in a diverted thread: all its calls are seen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from skerry.abi import linux
from skerry.abi import ptrace as pt
from skerry.abi import registers as reg
from skerry.abi import seccomp as sc
from skerry.abi.fault import Fault
from skerry.lib.coroutine import Interrupted
from skerry.unix import lifecycle, seccomp, signals
from skerry.unix.answers import NotYet, performed
from skerry.unix.errors import LinuxError
from skerry.unix.ptrace_registers import ERESTARTSYS, RESTARTS

if TYPE_CHECKING:
    from skerry.unix.process import Thread
    from skerry.unix.ptrace import Tracee

Handlers = dict[int, tuple[Callable[..., Any], int]]
_WORD: Final = (1 << 64) - 1
_STOPPED: Final = 0x7F
EXECS: Final = (59, 322)  # execve, execveat
EXITS: Final = (60, 231)  # exit, exit_group
_PASSES: Final = (sc.RET_ALLOW, sc.RET_LOG)


class _Diverted(Handlers):
    """Sends every number to :func:`enter`."""

    def __missing__(self, number: int) -> tuple[Callable[..., Any], int]:
        return enter, 0


DIVERTED: Final = _Diverted()


def divert(thread: Thread) -> None:
    """Send the thread's system calls here, or not, as it is traced and filtered now."""
    thread.handlers = DIVERTED if thread.tracee is not None or thread.seccomp is not None else thread.process.system.handlers
    if thread.user.owner is thread:
        lifecycle.lend_identity(thread)


def enter(thread: Thread) -> Any:
    """A diverted thread has made system call ``thread.call``."""
    if thread.tracee is not None:
        return _traced(thread, thread.tracee)
    assert thread.seccomp is not None
    verdict = thread.seccomp.verdict(thread)
    if verdict & sc.ACTION in _PASSES:
        return _call(thread, thread.call)
    return seccomp.refuse(thread, verdict)


def _call(thread: Thread, number: int) -> Any:
    """The call itself: its result, or its coroutine. Raises what it raises, ENOSYS."""
    try:
        handler, arity = thread.process.system.handlers[number]
    except KeyError:
        raise LinuxError(linux.ENOSYS) from None
    return thread.user.call(handler, thread, arity)


async def _traced(thread: Thread, tracee: Tracee) -> int | None:
    """A call whose ends the tracer may want to see; None if the thread is gone."""
    tracee.disarm()
    skipped = False
    thread.user.set(reg.RAX, -linux.ENOSYS & _WORD)
    if tracee.mode in (pt.SYSCALL, pt.SYSEMU, pt.SYSEMU_SINGLESTEP):
        skipped = tracee.mode != pt.SYSCALL
        await tracee.syscall_stop(pt.SYSCALL_INFO_ENTRY)
    verdict = sc.RET_ALLOW if thread.seccomp is None or thread.call < 0 else thread.seccomp.verdict(thread)
    if verdict & sc.ACTION == sc.RET_TRACE and tracee.attached and tracee.options & pt.O_TRACESECCOMP:
        await tracee.event(pt.EVENT_SECCOMP, verdict & sc.DATA, pt.SYSCALL_INFO_SECCOMP)
        verdict = thread.seccomp.verdict(thread) if thread.seccomp is not None and thread.call >= 0 else sc.RET_ALLOW
        verdict = sc.RET_ALLOW if verdict & sc.ACTION == sc.RET_TRACE else verdict  # it has been asked
    number, tid = thread.call, thread.tid
    if number in EXITS and verdict & sc.ACTION in _PASSES:
        await tracee.event(pt.EVENT_EXIT, (thread.user.get(reg.RDI) & 0xFF) << 8)
    result: Any
    interrupted: Interrupted | None = None
    if skipped or number < 0:
        result = thread.user.get(reg.RAX)
    elif verdict & sc.ACTION not in _PASSES:
        try:
            result = seccomp.refuse(thread, verdict)
        except LinuxError as error:
            result = -error.errno
    else:
        if thread.activity is not None and tracee.wants_back:
            thread.activity.broken_off = Interrupted()
        try:
            try:
                result = _call(thread, number)
                if result.__class__ is not int and result is not None:
                    result = await result
            except NotYet as wait:
                result = await performed(thread, lambda: _call(thread, number), wait)
        except LinuxError as error:
            result = -error.errno
        except Fault:
            result = -linux.EFAULT
        except Interrupted as error:
            result, interrupted = -RESTARTS.get(number, ERESTARTSYS), error
    if result is None or thread.dead:
        return None
    thread.user.set(reg.RAX, result & _WORD)
    await _after(thread, tracee, number, result, tid)
    if tracee.attached and tracee.mode == pt.SYSCALL:
        await tracee.syscall_stop(pt.SYSCALL_INFO_EXIT)
    if tracee.attached and tracee.stepping:
        info = signals.SignalInfo(linux.SIGTRAP, linux.TRAP_BRKPT, thread.user.get(reg.RIP).to_bytes(8, "little"))
        await tracee.stand(linux.SIGTRAP << 8 | _STOPPED, info)
    await tracee.stops()
    rax = thread.user.get(reg.RAX)
    if interrupted is not None and rax == (result & _WORD):
        raise interrupted
    if tracee.attached:
        tracee.arm()
    return rax - (1 << 64) if rax >> 63 else rax


async def _after(thread: Thread, tracee: Tracee, number: int, result: int, tid: int) -> None:
    """Events of a call that went well: children, a new program; ``tid`` is what the thread was called before."""
    if number in EXECS and result == 0 and tracee.attached:
        if tracee.options & pt.O_TRACEEXEC:
            await tracee.event(pt.EVENT_EXEC, tid)
        elif not tracee.seized:
            thread.pending.append(signals.SignalInfo(linux.SIGTRAP, linux.SI_USER, thread.process.pid.to_bytes(4, "little") + bytes(4)))
    if tracee.child is None:
        return
    (event, child, waits), tracee.child = tracee.child, None
    if event:
        await tracee.event(event, child.tid)
    if waits:
        while child.process.parent_waits is not None:
            try:
                await child.process.parent_waits.wait()
            except Interrupted:
                continue
        if tracee.attached:
            await tracee.event(pt.EVENT_VFORK_DONE, child.tid)
