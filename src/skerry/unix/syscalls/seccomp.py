"""seccomp, and prctl's way to it."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.abi import seccomp as sc
from skerry.unix import entry
from skerry.unix.bpf import MOST, SIZE, BadProgram, Program
from skerry.unix.capabilities import CAP_SYS_ADMIN
from skerry.unix.errors import LinuxError
from skerry.unix.seccomp import Rules, is_known

if TYPE_CHECKING:
    from skerry.unix.process import Thread

ALL_INSTRUCTIONS: Final = 32768  # of all filters of a thread
_FLAGS: Final = sc.FLAG_TSYNC | sc.FLAG_LOG | sc.FLAG_SPEC_ALLOW | sc.FLAG_TSYNC_ESRCH
_NOTIFICATION: Final = struct.pack("<3H", 80, 24, 64)  # struct seccomp_notif_sizes


def sys_seccomp(thread: Thread, operation: int, flags: int, address: int) -> int:
    operation, flags = operation & 0xFFFFFFFF, flags & 0xFFFFFFFF
    memory = thread.process.memory
    if operation == sc.SET_MODE_STRICT:
        if flags or address:
            raise LinuxError(linux.EINVAL)
        return set_strict(thread)
    if operation == sc.SET_MODE_FILTER:
        return set_filter(thread, flags, address)
    if flags or operation not in (sc.GET_ACTION_AVAIL, sc.GET_NOTIF_SIZES):
        raise LinuxError(linux.EINVAL)
    if operation == sc.GET_NOTIF_SIZES:
        memory.write(address, _NOTIFICATION)
    elif not is_known(int.from_bytes(memory.read(address, 4), "little")):
        raise LinuxError(linux.EOPNOTSUPP)
    return 0


def set_strict(thread: Thread) -> int:
    """Allow read, write, _exit and sigreturn alone. Raises EINVAL for a thread that has filters."""
    if thread.seccomp is not None and thread.seccomp.mode != sc.MODE_STRICT:
        raise LinuxError(linux.EINVAL)
    _give(thread, Rules(()))
    return 0


def set_filter(thread: Thread, flags: int, address: int) -> int:
    """Add a filter; with TSYNC, the thread that is in the way. Raises EINVAL, EFAULT, EACCES (no no_new_privs), ENOMEM, ESRCH."""
    process = thread.process
    if flags & ~_FLAGS or (thread.seccomp is not None and thread.seccomp.mode != sc.MODE_FILTER):
        raise LinuxError(linux.EINVAL)
    length, code = struct.unpack("<H6xQ", process.memory.read(address, 16))
    if not 0 < length <= MOST:
        raise LinuxError(linux.EINVAL)
    if not process.no_new_privileges and not process.credentials.capabilities.effective & CAP_SYS_ADMIN:
        raise LinuxError(linux.EACCES)
    try:
        program = Program(process.memory.read(code, SIZE * length))
    except BadProgram:
        raise LinuxError(linux.EINVAL) from None
    before = thread.seccomp.filters if thread.seccomp is not None else ()
    rules = Rules((program, *before))
    if rules.instructions > ALL_INSTRUCTIONS:
        raise LinuxError(linux.ENOMEM)
    if not flags & sc.FLAG_TSYNC:
        _give(thread, rules)
        return 0
    for other in process.threads.values():
        its = other.seccomp.filters if other.seccomp is not None else ()
        if its != before[len(before) - len(its) :] or (other.seccomp is not None and not its):
            if flags & sc.FLAG_TSYNC_ESRCH:
                raise LinuxError(linux.ESRCH)
            return other.tid
    for other in process.threads.values():
        _give(other, rules)
    return 0


def _give(thread: Thread, rules: Rules) -> None:
    thread.seccomp = rules
    entry.divert(thread)


def set_mode(thread: Thread, mode: int, address: int) -> int:
    """prctl(PR_SET_SECCOMP). Raises EINVAL and what the modes raise."""
    if mode == sc.MODE_STRICT:
        return set_strict(thread)
    if mode == sc.MODE_FILTER:
        return set_filter(thread, 0, address)
    raise LinuxError(linux.EINVAL)


def get_mode(thread: Thread, _: int) -> int:
    """prctl(PR_GET_SECCOMP)."""
    return thread.seccomp.mode if thread.seccomp is not None else sc.MODE_DISABLED
