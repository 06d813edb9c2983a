"""System calls on scheduling: priorities, policies, processors. They are kept and reported; what runs when is the host's business."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.unix.arguments import c_int
from skerry.unix.errors import LinuxError
from skerry.unix.process import INIT

if TYPE_CHECKING:
    from skerry.unix.process import Process, Thread

ATTRIBUTES: Final = struct.Struct("<IIQiIQQQ")  # struct sched_attr, as it was at first
ATTRIBUTES_NOW: Final = 56  # bytes; the limits of utilization at its end are zero
REAL_TIME: Final = frozenset((linux.SCHED_FIFO, linux.SCHED_RR))
ORDINARY: Final = frozenset((linux.SCHED_OTHER, linux.SCHED_BATCH, linux.SCHED_IDLE))
IOPRIO_WHO_PROCESS: Final = 1
IOPRIO_WHO_USER: Final = 3
IOPRIO_CLASS_SHIFT: Final = 13


def _process(thread: Thread, pid: int) -> Process:
    """The process of thread ``pid``, 0: the caller's. Raises EINVAL, EPERM, ESRCH."""
    if c_int(pid) < 0:
        raise LinuxError(linux.EINVAL)
    if not pid:
        return thread.process
    if c_int(pid) == INIT:
        raise LinuxError(linux.EPERM)  # nobody says how the system itself is scheduled
    for process in thread.process.system.processes.values():
        if pid in process.threads:
            return process
    raise LinuxError(linux.ESRCH)


def _own(thread: Thread, process: Process) -> None:
    """Raises EPERM unless the caller may change how ``process`` is scheduled."""
    who = thread.process.credentials
    if who.euid and who.euid not in (process.credentials.uid, process.credentials.euid):
        raise LinuxError(linux.EPERM)


def _chosen(thread: Thread, which: int, who: int) -> list[Process]:
    """Whom PRIO_PROCESS, PRIO_PGRP or PRIO_USER ``who`` means. Raises EINVAL, ESRCH."""
    caller = thread.process
    table = caller.system.processes.values()
    who = c_int(who)
    if which == linux.PRIO_PROCESS:
        return [_process(thread, who) if who >= 0 else _none()]
    if which == linux.PRIO_PGRP:
        found = [process for process in table if process.pgid == (who or caller.pgid)]
    elif which == linux.PRIO_USER:
        found = [process for process in table if process.credentials.uid == (who or caller.credentials.uid)]
    else:
        raise LinuxError(linux.EINVAL)
    return found or [_none()]


def _none() -> Process:
    raise LinuxError(linux.ESRCH)


def sys_getpriority(thread: Thread, which: int, who: int) -> int:
    """20 minus the nice value, so that no result looks like an error."""
    if which == linux.PRIO_PROCESS and c_int(who) == INIT:
        return 20
    return 20 - min(process.nice for process in _chosen(thread, which, who))


def sys_setpriority(thread: Thread, which: int, who: int, nice: int) -> int:
    nice = max(-20, min(19, c_int(nice)))
    chosen = _chosen(thread, which, who)
    for process in chosen:
        _own(thread, process)
        if nice < process.nice and thread.process.credentials.euid:
            raise LinuxError(linux.EACCES)
    for process in chosen:
        process.nice = nice
    return 0


def sys_ioprio_get(thread: Thread, which: int, who: int) -> int:
    if not IOPRIO_WHO_PROCESS <= which <= IOPRIO_WHO_USER:
        raise LinuxError(linux.EINVAL)
    return max(process.io_priority for process in _chosen(thread, which - IOPRIO_WHO_PROCESS, who))


def sys_ioprio_set(thread: Thread, which: int, who: int, priority: int) -> int:
    if not IOPRIO_WHO_PROCESS <= which <= IOPRIO_WHO_USER or priority >> IOPRIO_CLASS_SHIFT & 7 > 3 or priority & 0x1FFF > 7:
        raise LinuxError(linux.EINVAL)
    if priority >> IOPRIO_CLASS_SHIFT & 7 == 1 and thread.process.credentials.euid:
        raise LinuxError(linux.EPERM)
    chosen = _chosen(thread, which - IOPRIO_WHO_PROCESS, who)
    for process in chosen:
        _own(thread, process)
    for process in chosen:
        process.io_priority = priority
    return 0


def sys_sched_setscheduler(thread: Thread, pid: int, policy: int, address: int) -> int:
    policy = c_int(policy) & ~0x40000000  # SCHED_RESET_ON_FORK
    if policy not in REAL_TIME | ORDINARY or not address:
        raise LinuxError(linux.EINVAL)
    process = _process(thread, pid)
    (priority,) = struct.unpack("<i", thread.process.memory.read(address, 4))
    _set(thread, process, policy, priority)
    return 0


def _set(thread: Thread, process: Process, policy: int, priority: int) -> None:
    if not (1 <= priority <= 99 if policy in REAL_TIME else priority == 0):
        raise LinuxError(linux.EINVAL)
    _own(thread, process)
    if policy in REAL_TIME and thread.process.credentials.euid:
        raise LinuxError(linux.EPERM)
    process.policy, process.static_priority = policy, priority


def sys_sched_setattr(thread: Thread, pid: int, address: int, flags: int) -> int:
    memory = thread.process.memory
    if not address or flags or c_int(pid) < 0:
        raise LinuxError(linux.EINVAL)
    size = int.from_bytes(memory.read(address, 4), "little") or ATTRIBUTES.size
    if size < ATTRIBUTES.size:
        memory.write(address, ATTRIBUTES_NOW.to_bytes(4, "little"))
        raise LinuxError(linux.E2BIG)
    _, policy, _, nice, priority, *_ = ATTRIBUTES.unpack(memory.read(address, ATTRIBUTES.size))
    process = _process(thread, pid)
    if policy == linux.SCHED_DEADLINE:
        raise LinuxError(linux.EPERM)
    if policy not in REAL_TIME | ORDINARY:
        raise LinuxError(linux.EINVAL)
    _set(thread, process, policy, priority)
    if policy in ORDINARY:
        nice = min(max(nice, -20), 19)
        if nice < process.nice and thread.process.credentials.euid:
            raise LinuxError(linux.EPERM)
        process.nice = nice
    return 0


def sys_sched_getattr(thread: Thread, pid: int, address: int, size: int, flags: int) -> int:
    if not address or c_int(pid) < 0 or flags or not ATTRIBUTES.size <= size <= 4096:
        raise LinuxError(linux.EINVAL)
    process = _process(thread, pid)
    nice = 0 if process.policy in REAL_TIME else process.nice
    size = min(size, ATTRIBUTES_NOW)
    packed = ATTRIBUTES.pack(size, process.policy, 0, nice, process.static_priority, 0, 0, 0)
    thread.process.memory.write(address, packed.ljust(size, b"\0"))
    return 0


def sys_sched_setparam(thread: Thread, pid: int, address: int) -> int:
    if not address:
        raise LinuxError(linux.EINVAL)
    process = _process(thread, pid)
    (priority,) = struct.unpack("<i", thread.process.memory.read(address, 4))
    _set(thread, process, process.policy, priority)
    return 0


def sys_sched_getscheduler(thread: Thread, pid: int) -> int:
    return linux.SCHED_OTHER if c_int(pid) == INIT else _process(thread, pid).policy


def sys_sched_getparam(thread: Thread, pid: int, address: int) -> int:
    if not address:
        raise LinuxError(linux.EINVAL)
    priority = 0 if c_int(pid) == INIT else _process(thread, pid).static_priority
    thread.process.memory.write(address, struct.pack("<i", priority))
    return 0


def sys_sched_get_priority_max(thread: Thread, policy: int) -> int:
    return 99 if _known(policy) in REAL_TIME else 0


def sys_sched_get_priority_min(thread: Thread, policy: int) -> int:
    return 1 if _known(policy) in REAL_TIME else 0


def _known(policy: int) -> int:
    if c_int(policy) not in REAL_TIME | ORDINARY:
        raise LinuxError(linux.EINVAL)
    return policy


def sys_sched_rr_get_interval(thread: Thread, pid: int, address: int) -> int:
    slices = {linux.SCHED_RR: 100_000_000, linux.SCHED_FIFO: 0}
    thread.process.memory.write(address, struct.pack("<qq", 0, slices.get(_process(thread, pid).policy, 4_000_000)))
    return 0


def sys_sched_yield(thread: Thread) -> int:
    return 0


def sys_sched_getaffinity(thread: Thread, pid: int, size: int, address: int) -> int:
    process = thread.process
    count = process.system.platform.processors()
    if size % 8 or size * 8 < count:
        raise LinuxError(linux.EINVAL)
    target = _affine(thread, pid)
    needed = (count + 63) // 64 * 8
    process.memory.write(address, (target.affinity or (1 << count) - 1).to_bytes(needed, "little"))
    return needed


def sys_sched_setaffinity(thread: Thread, pid: int, size: int, address: int) -> int:
    mask = int.from_bytes(thread.process.memory.read(address, min(size, 128)), "little")
    target = _affine(thread, pid)
    _own(thread, target.process)
    mask &= (1 << thread.process.system.platform.processors()) - 1
    if not mask:
        raise LinuxError(linux.EINVAL)
    target.affinity = mask
    return 0


def _affine(thread: Thread, tid: int) -> Thread:
    """The thread whose affinity is meant; 0: the caller's. Raises ESRCH."""
    if not tid:
        return thread
    for process in thread.process.system.processes.values():
        found = process.threads.get(c_int(tid))
        if found is not None:
            return found
    raise LinuxError(linux.ESRCH)


def sys_getcpu(thread: Thread, processor: int, node: int) -> int:
    for address in (processor, node):
        if address:
            thread.process.memory.write(address, bytes(4))
    return 0
