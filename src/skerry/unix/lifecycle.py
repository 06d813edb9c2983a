"""How processes and threads begin, stop, and end.

A vfork child *borrows* its parent's thread below: the parent's registers are put aside, the child runs on the same context in the same
memory, and the context is given back when the child executes a program (in a space of its own) or ends. So vfork creates nothing.
"""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.abi import registers as reg
from skerry.abi.fault import Fault
from skerry.lib.coroutine import WaitQueue
from skerry.unix import accounting, entry, futex_pi, ptrace, robust, sessions, signals
from skerry.unix.errors import LinuxError
from skerry.unix.pidfd import ProcessFile
from skerry.unix.process import Borrowed, Place, Process, Thread

if TYPE_CHECKING:
    from skerry.unix.substrate import UserThread

MAX_PROCESSES: Final = 4000


def clone(thread: Thread, flags: int, stack: int, parent_tid: int, child_tid: int, tls: int, exit_signal: int, pidfd: int = 0) -> Thread:
    """The new thread of clone(2), resumed unless it is a vfork child (which the caller runs). Raises EINVAL, EAGAIN, ENOMEM, EMFILE.

    ``pidfd``: where the child's process descriptor is stored (CLONE_PIDFD).
    """
    if (flags & linux.CLONE_THREAD and not flags & linux.CLONE_SIGHAND) or (flags & linux.CLONE_SIGHAND and not flags & linux.CLONE_VM):
        raise LinuxError(linux.EINVAL)
    process = thread.process
    system = process.system
    if len(system.processes) >= MAX_PROCESSES or _too_many(process):
        raise LinuxError(linux.EAGAIN)
    if system.limits.tasks is not None:
        system.limits.tasks.require_room(system)
    if flags & linux.CLONE_PIDFD:
        process.files.require_room()
        process.memory.write(pidfd, bytes(4))
    pid = system.new_pid()
    if flags & linux.CLONE_THREAD:
        child = Thread(process, pid, process.memory.space.new_thread(thread.user))
    else:
        child = _clone_process(thread, flags, pid, exit_signal)
    child.name = thread.name
    child.mask = thread.mask
    child.affinity = thread.affinity
    if not flags & linux.CLONE_VM or flags & linux.CLONE_VFORK:
        child.altstack = thread.altstack
    child.process.threads[pid] = child
    user = child.user
    user.owner = child
    if thread.seccomp is not None:
        child.seccomp = thread.seccomp
        entry.divert(child)
    lend_identity(child)
    user.set(reg.RAX, 0)
    if stack:
        user.set(reg.RSP, stack)
    if flags & linux.CLONE_SETTLS:
        user.fs_base = tls
    if flags & linux.CLONE_PARENT_SETTID:
        process.memory.write(parent_tid, struct.pack("<i", pid))
    if flags & linux.CLONE_CHILD_SETTID:
        child.process.memory.write(child_tid, struct.pack("<i", pid))
    if flags & linux.CLONE_CHILD_CLEARTID:
        child.clear_child_tid = child_tid
    if flags & linux.CLONE_PIDFD:
        process.memory.write(pidfd, struct.pack("<i", process.files.install(ProcessFile(child.process, 0), True)))
    if thread.tracee is not None:
        ptrace.cloned(thread, child, flags, exit_signal)
    signals.resume(child)
    return child


def _too_many(process: Process) -> bool:
    """Whether RLIMIT_NPROC forbids the process's user another thread; it does not hold for root."""
    limit = process.limits.get(linux.RLIMIT_NPROC)
    uid = process.credentials.uid
    if limit is None or uid == 0:
        return False
    return sum(max(1, len(p.threads)) for p in process.system.processes.values() if p.credentials.uid == uid) >= limit[0]


def _clone_process(thread: Thread, flags: int, pid: int, exit_signal: int) -> Thread:
    parent = thread.process
    memory = parent.memory
    files = parent.files
    borrowed: Borrowed | None = None
    user: UserThread
    if flags & linux.CLONE_VM:
        files.recall()
        memory.references += 1
        if flags & linux.CLONE_VFORK and thread.tracee is None:
            borrowed = Borrowed(thread)
            user = thread.user
        else:
            user = memory.space.new_thread(thread.user)
    else:
        memory, user = memory.fork(thread.user)
    if flags & linux.CLONE_FILES:
        files.recall()
        files.references += 1
    else:
        files = files.copy()
    place = parent.place
    if not flags & linux.CLONE_FS:
        place = Place(place.root, place.cwd, place.umask)
    if flags & linux.CLONE_CLEAR_SIGHAND:
        actions = parent.actions.after_exec()
    else:
        actions = parent.actions if flags & linux.CLONE_SIGHAND else parent.actions.copy()
    father = parent.parent if flags & linux.CLONE_PARENT and parent.parent else parent
    process = Process(parent.system, pid, parent, memory, files, place, parent.credentials.copy(), actions)
    process.parent = father
    process.exit_signal = parent.exit_signal if flags & linux.CLONE_PARENT else exit_signal if exit_signal <= signals.LAST else 0
    process.no_new_privileges = parent.no_new_privileges
    if flags & linux.CLONE_VFORK and thread.tracee is not None:  # its registers are to be seen while it waits
        process.parent_waits = WaitQueue()
    father.children.append(process)
    parent.system.processes[pid] = process
    if linux.RLIMIT_CPU in process.limits:
        accounting.limit(process)
    child = Thread(process, pid, user)
    child.borrowed = borrowed
    return child


def lend_identity(thread: Thread) -> None:
    """Let the emulation library answer getpid and gettid on the thread's context, unless its calls are to be seen."""
    system = thread.process.system
    if system.emulation and thread.handlers is system.handlers:
        thread.user.set_identity(thread.process.pid, thread.tid)
    else:
        thread.user.set_identity(0, 0)


def release_vfork_parent(process: Process) -> None:
    """A vfork child that borrowed nothing has left its parent's memory: the parent goes on."""
    queue, process.parent_waits = process.parent_waits, None
    if queue is not None:
        queue.wake()


def give_back(child: Thread) -> None:
    """The vfork child leaves its parent's thread: the parent goes on with the child's pid."""
    borrowed = child.borrowed
    assert borrowed is not None
    child.borrowed = None
    parent = borrowed.parent
    if parent.dead:
        parent.user.owner = None
        parent.user.terminate()
        return
    user = parent.user
    user.owner = parent
    lend_identity(parent)
    user.set_registers(borrowed.registers)
    user.set_xstate(borrowed.xstate)
    user.fs_base, user.gs_base = borrowed.fs_base, borrowed.gs_base
    user.set(reg.RAX, child.process.pid)
    for observer in parent.process.system.observers:
        observer.leave(parent, child.process.pid)
    signals.resume(parent)


def end_thread(thread: Thread, status: int) -> None:
    """exit(2): the thread ends; with the last one, the process does, with wait status ``status``."""
    process = thread.process
    if len(process.threads) <= 1:
        end_process(process, status)
        return
    _drop_thread(thread, status, True)
    thread.user.owner = None
    thread.user.terminate()


def _drop_thread(thread: Thread, status: int, memory_lives: bool) -> None:
    thread.dead = True
    for observer in thread.process.system.observers:
        observer.end(thread, status)
    thread.process.threads.pop(thread.tid, None)
    if thread.activity is not None:
        activity, thread.activity = thread.activity, None
        activity.cancel()
    if thread.tracee is not None:
        ptrace.thread_ended(thread, status)
    with suppress(Fault, LinuxError):
        robust.release(thread)
    with suppress(Fault, LinuxError):
        futex_pi.release_all(thread)
    if memory_lives and thread.clear_child_tid:
        memory = thread.process.memory
        with suppress(Fault, LinuxError):
            memory.write(thread.clear_child_tid, bytes(4))
            thread.process.system.futexes.wake(memory, thread.clear_child_tid, 1)


def end_other_threads(thread: Thread) -> None:
    """exec: only the calling thread stays, with the pid as its tid."""
    process = thread.process
    for other in list(process.threads.values()):
        if other is not thread:
            if other.tracee is not None and other.tid == process.pid:  # the caller takes its place
                ptrace.detach(other.tracee)
            _drop_thread(other, 0, False)
            other.user.owner = None
            other.user.terminate()
    process.threads = {process.pid: thread}
    thread.tid = process.pid
    _cancel_timers(process)


def _cancel_timers(process: Process) -> None:
    """Those of timer_create; alarms stay over an exec."""
    for timer in process.timers.values():
        timer.cancel()
    process.timers.clear()


def end_process(process: Process, status: int) -> None:
    """The process is dead, with wait status ``status``: all it held is released, its parent is told, its children are orphans."""
    if process.exit_status is not None:
        return
    system = process.system
    process.exit_status = status
    process.stopped = 0
    memory = process.memory
    accounting.end(process)
    _cancel_timers(process)
    for timer in (process.alarm_timer, process.limit_timer, *process.interval_timers.values()):
        if timer is not None:
            timer.cancel()
    shared = memory.references > 1
    borrowers = [thread for thread in process.threads.values() if thread.borrowed is not None]
    for thread in list(process.threads.values()):
        _drop_thread(thread, status, shared)
        if thread.borrowed is None and not _is_lent(thread):
            thread.user.owner = None
            if shared:
                thread.user.terminate()
    memory.release()
    process.files.release()
    for thread in borrowers:
        give_back(thread)
    process.ended.wake()
    release_vfork_parent(process)
    if process.tracees:
        ptrace.tracer_ended(process)
    if process.undo is not None:
        process.undo.apply(process.pid)
    sessions.leave(process)
    _leave_children(process)
    if process is system.first:
        for other in list(system.processes.values()):
            if other is not process:
                end_process(other, linux.SIGKILL)
        if system.on_end is not None:
            system.on_end(status)
        return
    if process.traced_leader is None or not ptrace.process_ended(process):
        tell_parent(process)


def _leave_children(process: Process) -> None:
    """Its children get the nearest living ancestor that wants orphans (PR_SET_CHILD_SUBREAPER), else init: the system itself."""
    reaper = process.parent
    while reaper is not None and (not reaper.subreaper or reaper.exit_status is not None):
        reaper = reaper.parent
    for child in process.children:
        child.parent = reaper
        if child.death_signal:
            signals.send(child, signals.SignalInfo(child.death_signal, linux.SI_USER))
        child.exit_signal = linux.SIGCHLD  # not to be chosen by who did not ask for the child
        if reaper is not None:
            reaper.children.append(child)
        if child.exit_status is not None and child.traced_leader is None:
            tell_parent(child)
    process.children = []


def _is_lent(thread: Thread) -> bool:
    """Whether a vfork child runs on the thread's context."""
    return thread.user.owner is not thread


def tell_parent(process: Process) -> None:
    """A process that has ended, or is told of only now: its parent may wait for it, or it is forgotten."""
    parent = process.parent
    if parent is None or parent.exit_status is not None:
        process.system.processes.pop(process.pid, None)
        return
    parent.child_changed.wake()  # before the signal: a wait that finds the child is not broken off
    action = parent.actions[linux.SIGCHLD]
    if process.exit_signal == linux.SIGCHLD and (action.handler == signals.SIG_IGN or action.flags & linux.SA_NOCLDWAIT):
        reap(process)
    elif process.exit_signal:
        _send_child_signal(process, parent)


def _send_child_signal(process: Process, parent: Process) -> None:
    status = process.exit_status if process.exit_status is not None else process.change or 0
    if process.exit_status is None:
        code, value = (linux.CLD_CONTINUED, linux.SIGCONT) if status == 0xFFFF else (linux.CLD_STOPPED, status >> 8)
    elif status & 0x7F:
        code, value = linux.CLD_KILLED, status & 0x7F
    else:
        code, value = linux.CLD_EXITED, status >> 8
    rest = struct.pack("<iIi4xqq", process.pid, process.credentials.uid, value, 0, 0)
    signals.send(parent, signals.SignalInfo(process.exit_signal or linux.SIGCHLD, code, rest))


def reap(process: Process) -> None:
    """Forget a dead process."""
    if process.parent is not None and process in process.parent.children:
        process.parent.children.remove(process)
    process.system.processes.pop(process.pid, None)


def stop_process(process: Process, signo: int) -> None:
    """Its threads do not go back to the program until it is continued."""
    process.stopped = signo
    process.change = signo << 8 | 0x7F
    for thread in process.threads.values():
        if thread.tracee is not None:
            thread.tracee.seen_stop = False
            signals.notify(thread)
        elif not thread.in_server:
            thread.user.interrupt()
    _tell_change(process)


def continue_process(process: Process) -> None:
    """SIGCONT: what was stopped goes on."""
    process.stopped = 0
    process.change = 0xFFFF
    for thread in list(process.threads.values()):
        wake_stopped(thread)
    _tell_change(process)


def wake_stopped(thread: Thread) -> None:
    """Let a thread that stopped on its way back try again."""
    if thread.in_server and thread.activity is None and not _is_lent(thread):
        signals.resume(thread)


def _tell_change(process: Process) -> None:
    parent = process.parent
    if any(thread.tracee is not None and thread.tracee.tracer is parent for thread in process.threads.values()):
        process.change = None  # the parent sees the stops of its threads
    elif parent is not None and parent.exit_status is None:
        parent.child_changed.wake()
        if not parent.actions[linux.SIGCHLD].flags & linux.SA_NOCLDSTOP:
            _send_child_signal(process, parent)
    elif process.stopped and process is process.system.first and process.system.on_stop is not None:
        process.system.on_stop()
