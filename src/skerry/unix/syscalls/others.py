"""System calls on what is inside another process: its memory, and what it shares with a third."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.abi.fault import Fault
from skerry.unix.arguments import c_int
from skerry.unix.errors import LinuxError
from skerry.unix.syscalls.descriptors import vector_at

if TYPE_CHECKING:
    from skerry.unix.process import Process, Thread

MOST: Final = 1 << 24  # bytes of one call: the server does nothing else meanwhile
STEP: Final = 1 << 20
Pieces = list[tuple[int, int]]
KCMP_FILE, KCMP_VM, KCMP_FILES, KCMP_FS, KCMP_SIGHAND = range(5)


def may_trace(tracer: Process, target: Process) -> bool:
    """Whether ``tracer`` may look into ``target`` (PTRACE_MODE_ATTACH_REALCREDS, ptrace(2))."""
    if tracer is target or tracer.credentials.euid == 0:
        return True
    who, whom = tracer.credentials, target.credentials
    same = {whom.uid, whom.euid, whom.suid} == {who.uid} and {whom.gid, whom.egid, whom.sgid} == {who.gid}
    return same and target.dumpable == 1


def _target(thread: Thread, pid: int) -> Process:
    """The living process of thread ``pid``. Raises ESRCH, EPERM."""
    caller = thread.process
    for process in caller.system.processes.values():
        if c_int(pid) in process.threads:
            if not may_trace(caller, process):
                raise LinuxError(linux.EPERM)
            return process
    raise LinuxError(linux.ESRCH)


def _pairs(ours: Pieces, theirs: Pieces) -> Iterator[tuple[int, int, int]]:
    """Addresses here and there, and how many bytes are to go between them, in steps; MOST bytes at most."""
    left = MOST
    ours, theirs = [p for p in ours if p[1]], [p for p in theirs if p[1]]
    here = there = (0, 0)
    while left and (here[1] or ours) and (there[1] or theirs):
        here = here if here[1] else ours.pop(0)
        there = there if there[1] else theirs.pop(0)
        count = min(here[1], there[1], STEP, left)
        yield here[0], there[0], count
        here, there = (here[0] + count, here[1] - count), (there[0] + count, there[1] - count)
        left -= count


def _copy(thread: Thread, pid: int, local: tuple[int, int], remote: tuple[int, int], flags: int, writes: bool) -> int:
    if flags:
        raise LinuxError(linux.EINVAL)
    ours, theirs = vector_at(thread, *local), vector_at(thread, *remote)
    target = _target(thread, pid)
    mine, its = thread.process.memory, target.memory
    done = 0
    for here, there, count in _pairs(ours, theirs):
        try:
            if writes:
                its.write(there, mine.read(here, count))
            else:
                mine.write(here, its.read(there, count))
        except Fault:
            if not done:
                raise
            break
        done += count
    return done


def sys_process_vm_readv(thread: Thread, pid: int, local: int, local_count: int, remote: int, remote_count: int, flags: int) -> int:
    return _copy(thread, pid, (local, local_count), (remote, remote_count), flags, False)


def sys_process_vm_writev(thread: Thread, pid: int, local: int, local_count: int, remote: int, remote_count: int, flags: int) -> int:
    return _copy(thread, pid, (local, local_count), (remote, remote_count), flags, True)


def sys_kcmp(thread: Thread, first_pid: int, second_pid: int, kind: int, first: int, second: int) -> int:
    one, two = _target(thread, first_pid), _target(thread, second_pid)
    kind = c_int(kind)
    if kind == KCMP_FILE:
        pair: tuple[object, object] = (one.files[c_int(first)], two.files[c_int(second)])
    elif kind == KCMP_VM:
        pair = (one.memory, two.memory)
    elif kind == KCMP_FILES:
        pair = (one.files, two.files)
    elif kind == KCMP_FS:
        pair = (one.place, two.place)
    elif kind == KCMP_SIGHAND:
        pair = (one.actions, two.actions)
    else:
        raise LinuxError(linux.EINVAL)
    here, there = map(id, pair)
    return 0 if here == there else 1 if here < there else 2
