"""System calls that make, end and wait for processes."""

from __future__ import annotations

import struct
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final

from skerry.abi import linux
from skerry.unix import accounting, lifecycle, pidfd, ptrace, signals
from skerry.unix.arguments import c_int
from skerry.unix.errors import LinuxError
from skerry.unix.execve import Program, argument_limit, execute
from skerry.unix.inode import Inode
from skerry.unix.memory import PAGE
from skerry.unix.process import INIT, Process, Thread
from skerry.unix.syscalls.paths import AT_FDCWD_WORD

if TYPE_CHECKING:
    from collections.abc import Iterable

    from skerry.unix.ptrace import Tracee

Result = int | Coroutine[Any, Any, int]
CONTINUED: Final = 0xFFFF
CLONE_ARGS_FIRST: Final = 64  # sizes of struct clone_args: at first, and now
CLONE_ARGS: Final = 88
WCLONE: Final = 0x80000000  # wait for children alone whose end does not send SIGCHLD
WALL: Final = 0x40000000  # for all
WNOTHREAD: Final = 0x20000000


def _started(thread: Thread, child: Thread) -> int | None:
    """What clone answers: the child's id, or nothing while a vfork child has the parent's context."""
    return None if child.borrowed is not None else child.tid


def sys_fork(thread: Thread) -> int | None:
    return _started(thread, lifecycle.clone(thread, 0, 0, 0, 0, 0, linux.SIGCHLD))


def sys_vfork(thread: Thread) -> int | None:
    return _started(thread, lifecycle.clone(thread, linux.CLONE_VM | linux.CLONE_VFORK, 0, 0, 0, 0, linux.SIGCHLD))


def sys_clone(thread: Thread, flags: int, stack: int, parent_tid: int, child_tid: int, tls: int) -> int | None:
    _refuse(flags)
    if flags & linux.CLONE_PIDFD and flags & (linux.CLONE_PARENT_SETTID | linux.CLONE_DETACHED):  # parent_tid is where it goes
        raise LinuxError(linux.EINVAL)
    flags &= 0xFFFFFFFF
    return _started(thread, lifecycle.clone(thread, flags & ~0xFF, stack, parent_tid, child_tid, tls, flags & 0xFF, parent_tid))


def sys_clone3(thread: Thread, address: int, size: int) -> int | None:
    if size < CLONE_ARGS_FIRST:
        raise LinuxError(linux.EINVAL)
    if size > PAGE or any(thread.process.memory.read(address + CLONE_ARGS, max(0, size - CLONE_ARGS))):
        raise LinuxError(linux.E2BIG)
    given = thread.process.memory.read(address, min(size, CLONE_ARGS)).ljust(CLONE_ARGS, b"\0")
    flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, tids, tid_count, _cgroup = struct.unpack("<11Q", given)
    if (
        flags & (0xFF | linux.CLONE_DETACHED)
        or exit_signal > signals.LAST
        or bool(stack) != bool(stack_size)
        or bool(tids) != bool(tid_count)
    ):
        raise LinuxError(linux.EINVAL)
    if flags & (linux.CLONE_THREAD | linux.CLONE_PARENT) and exit_signal:
        raise LinuxError(linux.EINVAL)
    if flags & linux.CLONE_PIDFD and flags & linux.CLONE_PARENT_SETTID and pidfd == parent_tid:
        raise LinuxError(linux.EINVAL)
    _refuse(flags)
    if tids:  # to choose one's pid
        raise LinuxError(linux.EPERM)
    return _started(thread, lifecycle.clone(thread, flags, stack + stack_size, parent_tid, child_tid, tls, exit_signal, pidfd))


def _refuse(flags: int) -> None:
    """What no clone does: contradictions (EINVAL), control groups, namespaces (EPERM)."""
    if flags & linux.CLONE_INTO_CGROUP or flags >> 34:
        raise LinuxError(linux.EINVAL)
    if flags & linux.CLONE_PIDFD and flags & linux.CLONE_THREAD:
        raise LinuxError(linux.EINVAL)
    if flags & linux.CLONE_CLEAR_SIGHAND and flags & linux.CLONE_SIGHAND:
        raise LinuxError(linux.EINVAL)
    if flags & linux.CLONE_FS and flags & (linux.CLONE_NEWNS | linux.CLONE_NEWUSER):
        raise LinuxError(linux.EINVAL)
    if flags & linux.CLONE_THREAD and flags & (linux.CLONE_NEWUSER | linux.CLONE_NEWPID):
        raise LinuxError(linux.EINVAL)
    if flags & (
        linux.CLONE_NEWNS
        | linux.CLONE_NEWUSER
        | linux.CLONE_NEWPID
        | linux.CLONE_NEWNET
        | linux.CLONE_NEWIPC
        | linux.CLONE_NEWUTS
        | linux.CLONE_NEWCGROUP
    ):
        raise LinuxError(linux.EPERM)


def sys_execve(thread: Thread, path: int, arguments: int, environment: int) -> int | None:
    return sys_execveat(thread, AT_FDCWD_WORD, path, arguments, environment, 0)


def sys_execveat(thread: Thread, directory: int, path: int, arguments: int, environment: int, flags: int) -> int | None:
    process = thread.process
    memory = process.memory
    name = memory.read_path(path)
    limit = argument_limit(process)
    argv = memory.read_strings(arguments, limit)
    envp = memory.read_strings(environment, limit)
    if sum(map(len, argv)) + sum(map(len, envp)) + 9 * (len(argv) + len(envp)) > limit:
        raise LinuxError(linux.E2BIG)
    start: Inode = process.place.cwd
    if directory & 0xFFFFFFFF != AT_FDCWD_WORD:
        file = process.files[c_int(directory)]
        start = file.inode
        if not name and flags & linux.AT_EMPTY_PATH:
            name = b"/dev/fd/%d" % c_int(directory)
    program = Program(thread, name, argv or [b""], start, not flags & linux.AT_SYMLINK_NOFOLLOW)
    try:
        execute(thread, program, envp)
    except LinuxError:
        lifecycle.end_process(process, linux.SIGKILL)
        return None
    return 0


def sys_exit(thread: Thread, status: int) -> None:
    lifecycle.end_thread(thread, (status & 0xFF) << 8)


def sys_exit_group(thread: Thread, status: int) -> None:
    lifecycle.end_process(thread.process, (status & 0xFF) << 8)


def _candidates(process: Process, which: int, options: int) -> list[Process]:
    """The children that wait4's arguments mean."""
    children: Iterable[Process] = process.children
    if which > 0:
        children = [c for c in process.children if c.pid == which]
    elif which != -1:
        group = process.pgid if which == 0 else -which
        children = [c for c in process.children if c.pgid == group]
    if options & WALL:
        return list(children)
    clones = bool(options & WCLONE)
    return [c for c in children if (c.exit_signal != linux.SIGCHLD) == clones]


def _traced(process: Process, which: int) -> list[Tracee]:
    """The threads that it traces and that wait4's pid argument means."""
    if which > 0:
        return [t for t in process.tracees if t.thread.tid == which]
    if which == -1:
        return process.tracees
    group = process.pgid if which == 0 else -which
    return [t for t in process.tracees if t.thread.process.pgid == group]


def _reports(tracees: Iterable[Tracee], stopped: bool, exited: bool) -> tuple[Tracee, int] | None:
    """A traced thread that there is something to say of, and its wait status."""
    for tracee in tracees:
        if exited and tracee.ended is not None:
            return tracee, tracee.ended
        if stopped and tracee.stop is not None and not tracee.stop.reported:
            return tracee, tracee.stop.status
    return None


def _ready(children: Iterable[Process], options: int, exited: bool) -> tuple[Process, int] | None:
    """A child that there is something to say of, and its wait status."""
    for child in children:
        if exited and child.exit_status is not None and child.traced_leader is None:
            return child, child.exit_status
        change = child.change
        if change is not None and child.exit_status is None and options & (linux.WCONTINUED if change == CONTINUED else linux.WUNTRACED):
            return child, change
    return None


def _take(child: Process | Tracee, keep: bool) -> None:
    if keep:
        return
    if isinstance(child, ptrace.Tracee):
        if child.ended is not None:
            ptrace.waited_for(child)
        elif child.stop is not None:
            child.stop.reported = True
        return
    if child.exit_status is not None:
        accounting.waited_for(child)
        lifecycle.reap(child)
    else:
        child.change = None


def sys_wait4(thread: Thread, which: int, status: int, options: int, usage: int) -> Result:
    if options & ~(linux.WNOHANG | linux.WUNTRACED | linux.WCONTINUED | 0xE0000000):
        raise LinuxError(linux.EINVAL)
    which = c_int(which)
    found = _look(thread.process, which, options, True, True)
    if found is not None:
        return _report_wait4(thread, found, status, usage)
    if options & linux.WNOHANG:
        return 0
    return _wait4_later(thread, which, status, options, usage)


def _look(process: Process, which: int, options: int, exited: bool, traced: bool) -> tuple[Process | Tracee, int] | None:
    """What there is to report; ``traced``: of traced threads' stops, too. Raises ECHILD."""
    children = _candidates(process, which, options)
    tracees = _traced(process, which) if process.tracees else []
    if not children and not tracees:
        raise LinuxError(linux.ECHILD)
    return _reports(tracees, traced, exited) or _ready(children, options, exited)


async def _wait4_later(thread: Thread, which: int, status: int, options: int, usage: int) -> int:
    while (found := _look(thread.process, which, options, True, True)) is None:
        await thread.process.child_changed.wait()
    return _report_wait4(thread, found, status, usage)


def _who(child: Process | Tracee) -> tuple[Process, int]:
    """The process, and the number that wait gives."""
    return (child.thread.process, child.thread.tid) if isinstance(child, ptrace.Tracee) else (child, child.pid)


def _report_wait4(thread: Thread, found: tuple[Process | Tracee, int], status: int, usage: int) -> int:
    child, value = found
    process, number = _who(child)
    memory = thread.process.memory
    if status:
        memory.write(status, struct.pack("<I", value))
    if usage:
        memory.write(usage, accounting.with_children(process).pack())
    _take(child, False)
    return number


def sys_waitid(thread: Thread, kind: int, number: int, info: int, options: int, usage: int) -> Result:
    known = linux.WNOHANG | linux.WNOWAIT | linux.WEXITED | linux.WSTOPPED | linux.WCONTINUED | WCLONE | WALL | WNOTHREAD
    if options & 0xFFFFFFFF & ~known or not options & (linux.WEXITED | linux.WSTOPPED | linux.WCONTINUED):
        raise LinuxError(linux.EINVAL)
    which, nonblocking = _waited_for(thread.process, c_int(kind), c_int(number))
    found = _look(thread.process, which, options, bool(options & linux.WEXITED), bool(options & linux.WSTOPPED))
    if found is None and options & linux.WNOHANG:
        if info:
            thread.process.memory.write(info, bytes(128))
        return 0
    if found is None and nonblocking:
        raise LinuxError(linux.EAGAIN)
    if found is None:
        return _waitid_later(thread, which, info, options, usage)
    return _report_waitid(thread, found, info, options, usage)


def _waited_for(process: Process, kind: int, number: int) -> tuple[int, bool]:
    """What waitid's first arguments mean, as wait4's pid, and whether the process descriptor forbids to wait. Raises EINVAL, EBADF."""
    if kind == linux.P_ALL:
        return -1, False
    if kind == linux.P_PID and number > 0:
        return number, False
    if kind == linux.P_PGID and number >= 0:
        return -number, False
    if kind == linux.P_PIDFD and number >= 0:
        file = pidfd.of(process.files, number)
        return file.process.pid, file.nonblocking
    raise LinuxError(linux.EINVAL)


async def _waitid_later(thread: Thread, which: int, info: int, options: int, usage: int) -> int:
    while (found := _look(thread.process, which, options, bool(options & linux.WEXITED), bool(options & linux.WSTOPPED))) is None:
        await thread.process.child_changed.wait()
    return _report_waitid(thread, found, info, options, usage)


def _report_waitid(thread: Thread, found: tuple[Process | Tracee, int], info: int, options: int, usage: int) -> int:
    child, status = found
    process, number = _who(child)
    if isinstance(child, ptrace.Tracee) and child.ended is None:
        code, value = linux.CLD_TRAPPED, status >> 8
    elif status == CONTINUED:
        code, value = linux.CLD_CONTINUED, linux.SIGCONT
    elif status & 0xFF == 0x7F:
        code, value = linux.CLD_STOPPED, status >> 8
    elif status & 0x7F:
        code, value = linux.CLD_KILLED, status & 0x7F
    else:
        code, value = linux.CLD_EXITED, status >> 8
    if info:
        packed = struct.pack("<iiiiiIi", linux.SIGCHLD, 0, code, 0, number, process.credentials.uid, value)
        thread.process.memory.write(info, packed.ljust(128, b"\0"))
    if usage:
        thread.process.memory.write(usage, accounting.with_children(process).pack())
    _take(child, bool(options & linux.WNOWAIT))
    return 0


def sys_set_tid_address(thread: Thread, address: int) -> Result:
    thread.clear_child_tid = address
    return thread.tid


def sys_set_robust_list(thread: Thread, head: int, size: int) -> Result:
    if size != 24:
        raise LinuxError(linux.EINVAL)
    thread.robust_list = head
    return 0


def sys_getpid(thread: Thread) -> Result:
    return thread.process.pid


def sys_gettid(thread: Thread) -> Result:
    return thread.tid


def sys_getppid(thread: Thread) -> Result:
    return thread.process.parent.pid if thread.process.parent else INIT


def _process(thread: Thread, pid: int) -> Process:
    process = thread.process.system.processes.get(c_int(pid)) if pid else thread.process
    if process is None:
        raise LinuxError(linux.ESRCH)
    return process


def sys_getpgid(thread: Thread, pid: int) -> Result:
    if c_int(pid) == INIT:
        return INIT
    return _process(thread, pid).pgid


def sys_getpgrp(thread: Thread) -> Result:
    return thread.process.pgid


def sys_getsid(thread: Thread, pid: int) -> Result:
    if c_int(pid) == INIT:
        return INIT
    return _process(thread, pid).sid


def sys_setsid(thread: Thread) -> Result:
    process = thread.process
    if any(p.pgid == process.pid for p in process.system.processes.values()):
        raise LinuxError(linux.EPERM)
    process.sid = process.pgid = process.pid
    process.terminal = None
    return process.pid


def sys_setpgid(thread: Thread, pid: int, group: int) -> Result:
    caller = thread.process
    process = _process(thread, pid)
    if c_int(group) < 0:
        raise LinuxError(linux.EINVAL)
    if process is not caller and process.parent is not caller:
        raise LinuxError(linux.ESRCH)
    if process is not caller and process.has_executed and process.pgid != (c_int(group) or process.pid):
        raise LinuxError(linux.EACCES)
    if process.sid == process.pid or process.sid != caller.sid:
        raise LinuxError(linux.EPERM)
    target = c_int(group) or process.pid
    if target != process.pid and all(p.pgid != target or p.sid != caller.sid for p in caller.system.processes.values()):
        raise LinuxError(linux.EPERM)
    process.pgid = target
    return 0
