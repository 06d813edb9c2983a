"""System calls on signals and timers that send them."""

from __future__ import annotations

import struct
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final

from skerry.abi import linux
from skerry.abi.fault import Fault
from skerry.lib.coroutine import NEVER, Interrupted, wait_any
from skerry.unix import accounting, frames, signals
from skerry.unix.arguments import c_int
from skerry.unix.errors import LinuxError
from skerry.unix.futex import deadline_of
from skerry.unix.process import INIT
from skerry.unix.syscalls.system import limit_of

if TYPE_CHECKING:
    from skerry.unix.process import Process, Thread

Result = int | Coroutine[Any, Any, int]
SIGNALS: Final = 64
SECOND: Final = 1_000_000_000


def _valid(signo: int, least: int = 0) -> int:
    if not least <= c_int(signo) <= SIGNALS:
        raise LinuxError(linux.EINVAL)
    return c_int(signo)


def sys_rt_sigaction(thread: Thread, signo: int, new: int, old: int, size: int) -> Result:
    signo = _valid(signo, 1)
    if size != 8:
        raise LinuxError(linux.EINVAL)
    process = thread.process
    memory = process.memory
    current = process.actions[signo]
    if new:
        if signo in (linux.SIGKILL, linux.SIGSTOP):
            raise LinuxError(linux.EINVAL)
        handler, flags, restorer, mask = memory.read_words(new, 4)
        process.actions.table[signo] = signals.Action(handler, flags, restorer, mask & ~signals.UNBLOCKABLE)
        if signals.is_ignored(process, signo):
            process.pending = [p for p in process.pending if p.signo != signo]
    if old:
        memory.write(old, struct.pack("<4Q", current.handler, current.flags, current.restorer, current.mask))
    return 0


def sys_rt_sigprocmask(thread: Thread, how: int, new: int, old: int, size: int) -> Result:
    if size != 8:
        raise LinuxError(linux.EINVAL)
    memory = thread.process.memory
    before = thread.mask
    if new:
        (mask,) = memory.read_words(new, 1)
        if how == linux.SIG_BLOCK:
            mask |= before
        elif how == linux.SIG_UNBLOCK:
            mask = before & ~mask
        elif how != linux.SIG_SETMASK:
            raise LinuxError(linux.EINVAL)
        thread.mask = mask & ~signals.UNBLOCKABLE
    if old:
        memory.write(old, struct.pack("<Q", before))
    return 0


def sys_rt_sigpending(thread: Thread, address: int, size: int) -> Result:
    mask = 0
    for info in (*thread.pending, *thread.process.pending):
        mask |= 1 << (info.signo - 1)
    thread.process.memory.write(address, struct.pack("<Q", mask & thread.mask)[:size])
    return 0


def sys_rt_sigreturn(thread: Thread) -> Result:
    thread.call = -1
    try:
        return frames.pop(thread)
    except Fault:
        signals.force(thread, signals.SignalInfo(linux.SIGSEGV))
        return 0


def sys_sigaltstack(thread: Thread, new: int, old: int) -> Result:
    memory = thread.process.memory
    from skerry.abi import registers as reg

    active = frames.on_altstack(thread, thread.user.get(reg.RSP))
    address, flags, size = thread.altstack
    if new:
        new_address, new_flags, new_size = struct.unpack("<Qi4xQ", memory.read(new, 24))
        if active:
            raise LinuxError(linux.EPERM)
        if new_flags & ~(linux.SS_DISABLE | linux.SS_ONSTACK | linux.SS_AUTODISARM):
            raise LinuxError(linux.EINVAL)
        if new_flags & linux.SS_DISABLE:
            thread.altstack = (0, linux.SS_DISABLE, 0)
        else:
            if new_size < linux.MINSIGSTKSZ:
                raise LinuxError(linux.ENOMEM)
            thread.altstack = (new_address, 0, new_size)
    if old:
        memory.write(old, struct.pack("<Qi4xQ", address, linux.SS_ONSTACK if active else flags, size))
    return 0


def may_signal(sender: Process, target: Process) -> bool:
    """Whether the credentials let ``sender`` send it a signal (kill(2))."""
    who, whom = sender.credentials, target.credentials
    return who.euid == 0 or who.uid in (whom.uid, whom.suid) or who.euid in (whom.uid, whom.suid)


def sys_kill(thread: Thread, pid: int, signo: int) -> Result:
    signo, pid = _valid(signo), c_int(pid)
    process = thread.process
    table = process.system.processes
    targets: list[Process]
    if pid == INIT:  # the system itself: it is there, and takes no signal
        if process.credentials.euid:
            raise LinuxError(linux.EPERM)
        return 0
    if pid > 0:
        targets = [table[pid]] if pid in table else []
    elif pid == -1:
        targets = [p for p in table.values() if p is not process]
    else:
        group = -pid or process.pgid
        targets = [p for p in table.values() if p.pgid == group]
    if not targets:
        raise LinuxError(linux.ESRCH)
    allowed = [t for t in targets if may_signal(process, t)]
    if not allowed:
        raise LinuxError(linux.EPERM)
    for target in allowed:
        signals.send(target, signals.from_process(signo, linux.SI_USER, process))
    return 0


def _find_thread(thread: Thread, tid: int, pid: int = 0) -> Thread:
    for process in thread.process.system.processes.values():
        found = process.threads.get(c_int(tid))
        if found is not None and (not pid or process.pid == c_int(pid)):
            if not may_signal(thread.process, process):
                raise LinuxError(linux.EPERM)
            return found
    raise LinuxError(linux.ESRCH)


def sys_tgkill(thread: Thread, pid: int, tid: int, signo: int) -> Result:
    signo = _valid(signo)
    if c_int(pid) <= 0 or c_int(tid) <= 0:
        raise LinuxError(linux.EINVAL)
    signals.send_to_thread(_find_thread(thread, tid, pid), signals.from_process(signo, linux.SI_TKILL, thread.process))
    return 0


def sys_tkill(thread: Thread, tid: int, signo: int) -> Result:
    signo = _valid(signo)
    signals.send_to_thread(_find_thread(thread, tid), signals.from_process(signo, linux.SI_TKILL, thread.process))
    return 0


def _require_room(target: Process, signo: int) -> None:
    """A signal that is kept each time is to be sent. Raises EAGAIN beyond RLIMIT_SIGPENDING, which holds for each process here."""
    if signo >= signals.REALTIME:
        kept = len(target.pending) + sum(len(thread.pending) for thread in target.threads.values())
        if kept >= min(limit_of(target, linux.RLIMIT_SIGPENDING)[0], signals.QUEUE_LIMIT):
            raise LinuxError(linux.EAGAIN)


def sys_rt_sigqueueinfo(thread: Thread, pid: int, signo: int, address: int) -> Result:
    target = thread.process.system.processes.get(c_int(pid))
    if target is None:
        raise LinuxError(linux.ESRCH)
    data = thread.process.memory.read(address, 128)
    (code,) = struct.unpack_from("<i", data, 8)
    if (code >= 0 or code == linux.SI_TKILL) and target is not thread.process:
        raise LinuxError(linux.EPERM)
    if not may_signal(thread.process, target):
        raise LinuxError(linux.EPERM)
    _require_room(target, signo)
    signals.send(target, signals.SignalInfo(_valid(signo), code, data[16:]))
    return 0


def sys_rt_tgsigqueueinfo(thread: Thread, pid: int, tid: int, signo: int, address: int) -> Result:
    data = thread.process.memory.read(address, 128)
    if c_int(pid) <= 0 or c_int(tid) <= 0:
        raise LinuxError(linux.EINVAL)
    (code,) = struct.unpack_from("<i", data, 8)
    if (code >= 0 or code == linux.SI_TKILL) and c_int(tid) != thread.tid:
        raise LinuxError(linux.EPERM)
    target = _find_thread(thread, tid, pid)
    signo = _valid(signo)
    _require_room(target.process, signo)
    signals.send_to_thread(target, signals.SignalInfo(signo, code, data[16:]))
    return 0


async def _sleep_for_signal() -> int:
    while True:
        await wait_any(())


def sys_pause(thread: Thread) -> Result:
    return _sleep_for_signal()


def sys_rt_sigsuspend(thread: Thread, address: int, size: int) -> Result:
    (mask,) = thread.process.memory.read_words(address, 1)
    thread.saved_mask = thread.mask
    thread.mask = mask & ~signals.UNBLOCKABLE
    if signals.has_pending(thread):
        raise LinuxError(linux.EINTR)
    return _sleep_for_signal()


def sys_rt_sigtimedwait(thread: Thread, wanted: int, info: int, timeout: int, size: int) -> Result:
    (mask,) = thread.process.memory.read_words(wanted, 1)
    deadline = deadline_of(thread, timeout, False, False) if timeout else NEVER
    found = signals.take(thread, ~mask)
    if found is not None:
        return _report(thread, found, info)
    return _timedwait(thread, mask, info, deadline)


async def _timedwait(thread: Thread, mask: int, info: int, deadline: int) -> int:
    kept = thread.mask
    thread.mask &= ~mask  # let the wanted ones wake us
    try:
        woken = await thread.process.child_changed.wait(deadline)
        while woken and signals.take(thread, ~mask) is None:
            woken = await thread.process.child_changed.wait(deadline)
    except Interrupted:
        found = signals.take(thread, ~mask)
        if found is None:
            raise
        return _report(thread, found, info)
    finally:
        thread.mask = kept
    raise LinuxError(linux.EAGAIN)


def _report(thread: Thread, found: signals.SignalInfo, info: int) -> int:
    if info:
        thread.process.memory.write(info, found.pack())
    return found.signo


def _set_alarm(process: Process, due: int, interval: int) -> None:
    """SIGALRM at ``due`` (ns; 0: never), and each ``interval`` after."""
    process.alarm_due = due
    process.alarm_interval = interval
    if process.alarm_timer is not None:
        process.alarm_timer.cancel()
        process.alarm_timer = None
    if due:
        loop = process.system.loop

        def ring() -> None:
            missed = (process.system.platform.monotonic() - due) // interval if interval else 0  # a signal that waits already is enough
            _set_alarm(process, due + (missed + 1) * interval if interval else 0, interval)
            signals.send(process, signals.SignalInfo(linux.SIGALRM, linux.SI_KERNEL))

        process.alarm_timer = loop.call_at(due, ring)


def sys_alarm(thread: Thread, seconds: int) -> Result:
    process = thread.process
    now = process.system.platform.monotonic()
    left = max(0, process.alarm_due - now) if process.alarm_due else 0
    seconds &= 0xFFFFFFFF
    _set_alarm(process, now + seconds * SECOND if seconds else 0, 0)
    return (left + SECOND - 1) // SECOND


def _current_timer(process: Process, which: int) -> bytes:
    """struct itimerval."""
    interval = left = 0
    if which != linux.ITIMER_REAL:
        timer = process.interval_timers.get(which)
        if timer is not None:
            interval, left = timer.interval, timer.left()
    elif process.alarm_due:
        interval, left = process.alarm_interval, max(1000, process.alarm_due - process.system.platform.monotonic())
    return struct.pack("<4q", interval // SECOND, interval % SECOND // 1000, left // SECOND, left % SECOND // 1000)


def _set_processor_timer(process: Process, which: int, value: int, interval: int) -> None:
    timer = process.interval_timers.pop(which, None)
    if timer is not None:
        timer.cancel()
    if value:
        signo = linux.SIGVTALRM if which == linux.ITIMER_VIRTUAL else linux.SIGPROF
        process.interval_timers[which] = accounting.IntervalTimer(process, signo, value, interval)


def sys_getitimer(thread: Thread, which: int, address: int) -> Result:
    if which > linux.ITIMER_PROF:
        raise LinuxError(linux.EINVAL)
    thread.process.memory.write(address, _current_timer(thread.process, which))
    return 0


def sys_setitimer(thread: Thread, which: int, new: int, old: int) -> Result:
    process = thread.process
    if which > linux.ITIMER_PROF:
        raise LinuxError(linux.EINVAL)
    before = _current_timer(process, which)
    if new:
        a, b, c, d = struct.unpack("<4q", process.memory.read(new, 32))
        if min(a, b, c, d) < 0 or max(b, d) >= 1_000_000:
            raise LinuxError(linux.EINVAL)
        value, interval = min(c * SECOND + d * 1000, NEVER), min(a * SECOND + b * 1000, NEVER)
        if which == linux.ITIMER_REAL:
            _set_alarm(process, process.system.platform.monotonic() + value if value else 0, interval)
        else:
            _set_processor_timer(process, which, value, interval)
    if old:
        process.memory.write(old, before)
    return 0
