"""seccomp: a thread's own rules on its system calls, which it can make stricter and never take back.

A thread with rules is diverted (:mod:`skerry.unix.entry`): the others are not asked. Its children have the same rules, and exec keeps them.
What a filter says of a call without looking at its arguments is remembered.

Source: seccomp(2), kernel/seccomp.c of Linux.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.abi import ptrace as pt
from skerry.abi import registers as reg
from skerry.abi import seccomp as sc
from skerry.unix import lifecycle, signals
from skerry.unix.errors import LinuxError

if TYPE_CHECKING:
    from skerry.unix.bpf import Program
    from skerry.unix.process import Thread

_STRICT: Final = (0, 1, 15, 60)  # read, write, rt_sigreturn, exit
_ARGUMENTS: Final = (reg.RDI, reg.RSI, reg.RDX, reg.R10, reg.R8, reg.R9)
_MAX_ERRNO: Final = 4095
_KNOWN: Final = (
    sc.RET_KILL_PROCESS,
    sc.RET_KILL_THREAD,
    sc.RET_TRAP,
    sc.RET_ERRNO,
    sc.RET_USER_NOTIF,
    sc.RET_TRACE,
    sc.RET_LOG,
    sc.RET_ALLOW,
)


class Rules:
    """What a thread may call: strict mode (no filters), or filters, the newest first. Never changed once made."""

    def __init__(self, filters: tuple[Program, ...]) -> None:
        self.filters = filters
        self._known: dict[int, int] = {}  # number of a call: the verdict, where it is the same for all arguments

    @property
    def mode(self) -> int:
        return sc.MODE_FILTER if self.filters else sc.MODE_STRICT

    @property
    def instructions(self) -> int:
        return sum(len(program) + 4 for program in self.filters)

    def verdict(self, thread: Thread) -> int:
        """What is to happen to the call that the thread makes: an action and its data. The strictest filter has its way."""
        number = thread.call & 0xFFFFFFFF
        known = self._known.get(number)
        if known is not None:
            return known
        if not self.filters:
            return sc.RET_ALLOW if number in _STRICT else sc.RET_KILL_PROCESS | linux.SIGKILL
        user = thread.user
        data = struct.pack("<IIQ6Q", number, pt.AUDIT_ARCH_X86_64, user.get(reg.RIP), *map(user.get, _ARGUMENTS))
        result, varies = sc.RET_ALLOW, False
        for program in self.filters:
            said, depends = program.run(data)
            varies = varies or depends
            if _severity(said) < _severity(result):
                result = said
        if not varies and len(self._known) < 1024:
            self._known[number] = result
        return result


def _severity(result: int) -> int:
    """Actions in order, the strictest first: as signed numbers."""
    action = result & sc.ACTION
    return action - (1 << 32) if action >> 31 else action


def refuse(thread: Thread, verdict: int) -> int | None:
    """Do what a filter wants done in place of a call: its result, or None if the thread is gone. Raises what the call is to fail with."""
    action, data = verdict & sc.ACTION, verdict & sc.DATA
    if action == sc.RET_ERRNO:
        if not data:
            return 0
        raise LinuxError(min(data, _MAX_ERRNO))
    if action in (sc.RET_TRACE, sc.RET_USER_NOTIF):  # nobody to ask
        raise LinuxError(linux.ENOSYS)
    if action == sc.RET_TRAP:
        rest = struct.pack("<QiI", thread.user.get(reg.RIP), thread.call & 0x7FFFFFFF, pt.AUDIT_ARCH_X86_64)
        info = signals.SignalInfo(linux.SIGSYS, sc.SYS_SECCOMP, rest)
        info.errno = data
        signals.force(thread, info)
        return thread.call
    if action == sc.RET_KILL_THREAD:
        lifecycle.end_thread(thread, linux.SIGSYS)
    else:
        strict = thread.seccomp is not None and thread.seccomp.mode == sc.MODE_STRICT
        lifecycle.end_process(thread.process, linux.SIGKILL if strict else linux.SIGSYS)
    return None


def is_known(action: int) -> bool:
    """Whether filters may give the action (USER_NOTIF needs a listener, which cannot be had)."""
    return action in _KNOWN and action != sc.RET_USER_NOTIF
