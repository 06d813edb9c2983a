"""System calls on the system as a whole, and on limits."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.unix import accounting
from skerry.unix.arguments import c_int
from skerry.unix.errors import LinuxError

if TYPE_CHECKING:
    from skerry.unix.process import Process, Thread

RELEASE: Final = b"6.1.0-skerry"
INFINITY: Final = linux.RLIM_INFINITY
ADDR_NO_RANDOMIZE: Final = 0x0040000  # nothing is at random addresses anyway
NR_OPEN: Final = 1048576  # /proc/sys/fs/nr_open
DEFAULT_LIMITS: Final = {
    linux.RLIMIT_STACK: (8 << 20, INFINITY),
    linux.RLIMIT_CORE: (0, INFINITY),
    linux.RLIMIT_NOFILE: (1024, 1048576),
    linux.RLIMIT_NPROC: (4000, 4000),
    linux.RLIMIT_MEMLOCK: (8 << 20, 8 << 20),
    linux.RLIMIT_SIGPENDING: (4000, 4000),
    linux.RLIMIT_MSGQUEUE: (819200, 819200),
    linux.RLIMIT_NICE: (0, 0),
    linux.RLIMIT_RTPRIO: (0, 0),
}


def sys_uname(thread: Thread, address: int) -> int:
    system = thread.process.system
    fields = (b"Linux", system.hostname, RELEASE, b"#1 SMP Skerry", b"x86_64", system.domain)
    thread.process.memory.write(address, b"".join(field.ljust(65, b"\0") for field in fields))
    return 0


def sys_sethostname(thread: Thread, address: int, length: int) -> int:
    if thread.process.credentials.euid:
        raise LinuxError(linux.EPERM)
    if length > 64:
        raise LinuxError(linux.EINVAL)
    thread.process.system.hostname = thread.process.memory.read(address, length)
    return 0


def sys_setdomainname(thread: Thread, address: int, length: int) -> int:
    if thread.process.credentials.euid:
        raise LinuxError(linux.EPERM)
    if length > 64:
        raise LinuxError(linux.EINVAL)
    thread.process.system.domain = thread.process.memory.read(address, length)
    return 0


def sys_sysinfo(thread: Thread, address: int) -> int:
    system = thread.process.system
    total, available = system.platform.memory_bytes()
    swap, unused = system.limits.swap()
    uptime = (system.platform.realtime() - system.boot_time) // 1_000_000_000
    packed = struct.pack("<q3Q6QHxxxxxx2QI", uptime, 0, 0, 0, total, available, 0, 0, swap, unused, len(system.processes), 0, 0, 1)
    thread.process.memory.write(address, packed.ljust(112, b"\0"))
    return 0


def limit_of(process: Process, which: int) -> tuple[int, int]:
    """Soft and hard limit."""
    return process.limits.get(which) or DEFAULT_LIMITS.get(which, (INFINITY, INFINITY))


def sys_prlimit64(thread: Thread, pid: int, which: int, new: int, old: int) -> int:
    process = thread.process
    target = process.system.processes.get(c_int(pid)) if pid else process
    if target is None:
        raise LinuxError(linux.ESRCH)
    if which > 15:
        raise LinuxError(linux.EINVAL)
    who, whom = process.credentials, target.credentials
    same = {whom.uid, whom.euid, whom.suid} == {who.uid} and {whom.gid, whom.egid, whom.sgid} == {who.gid}
    if target is not process and who.euid and not same:
        raise LinuxError(linux.EPERM)
    before = limit_of(target, which)
    if new:
        soft, hard = process.memory.read_words(new, 2)
        if soft > hard:
            raise LinuxError(linux.EINVAL)
        if (hard > before[1] and process.credentials.euid) or (which == linux.RLIMIT_NOFILE and hard > NR_OPEN):
            raise LinuxError(linux.EPERM)
        target.limits[which] = (soft, hard)
        if which == linux.RLIMIT_NOFILE:
            target.files.limit = soft
        elif which == linux.RLIMIT_AS:
            target.memory.limit = soft
        elif which == linux.RLIMIT_DATA:
            target.memory.data_limit = soft
        elif which == linux.RLIMIT_CPU:
            accounting.limit(target)
    if old:
        process.memory.write(old, struct.pack("<QQ", *before))
    return 0


def sys_getrlimit(thread: Thread, which: int, address: int) -> int:
    return sys_prlimit64(thread, 0, which, 0, address)


def sys_setrlimit(thread: Thread, which: int, address: int) -> int:
    return sys_prlimit64(thread, 0, which, address, 0)


def sys_getrusage(thread: Thread, who: int, address: int) -> int:
    process = thread.process
    who = c_int(who)
    if who not in (linux.RUSAGE_SELF, linux.RUSAGE_CHILDREN, linux.RUSAGE_THREAD):
        raise LinuxError(linux.EINVAL)
    if who == linux.RUSAGE_CHILDREN:
        used = process.children_usage
    elif who == linux.RUSAGE_THREAD:
        used = accounting.thread_usage(thread)
    else:
        used = accounting.usage(process)
    process.memory.write(address, used.pack())
    return 0


def sys_getrandom(thread: Thread, address: int, count: int, flags: int) -> int:
    if flags & ~7:
        raise LinuxError(linux.EINVAL)
    count = min(count, 1 << 20)
    thread.process.memory.write(address, thread.process.system.platform.random(count))
    return count


def sys_arch_prctl(thread: Thread, code: int, address: int) -> int:
    user = thread.user
    if code == linux.ARCH_SET_FS:
        if address >= thread.process.memory.space.limit:
            raise LinuxError(linux.EPERM)
        user.fs_base = address
    elif code == linux.ARCH_SET_GS:
        if address >= thread.process.memory.space.limit:
            raise LinuxError(linux.EPERM)
        user.gs_base = address
    elif code in (linux.ARCH_GET_FS, linux.ARCH_GET_GS):
        base = user.fs_base if code == linux.ARCH_GET_FS else user.gs_base
        thread.process.memory.write(address, struct.pack("<Q", base))
    else:
        raise LinuxError(linux.EINVAL)
    return 0


def sys_umask(thread: Thread, mask: int) -> int:
    place = thread.process.place
    before, place.umask = place.umask, mask & 0o777
    return before


def sys_personality(thread: Thread, value: int) -> int:
    process = thread.process
    before = process.personality
    if value & 0xFFFFFFFF != 0xFFFFFFFF:
        if value & ~ADDR_NO_RANDOMIZE:
            raise LinuxError(linux.EINVAL)
        process.personality = value
    return before


def sys_membarrier(thread: Thread, command: int, flags: int, processor: int) -> int:
    if command == 0:
        return 0  # none is supported
    raise LinuxError(linux.EINVAL)
