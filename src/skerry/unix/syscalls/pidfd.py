"""System calls on process descriptors."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.unix import pidfd, signals
from skerry.unix.arguments import c_int
from skerry.unix.errors import LinuxError
from skerry.unix.syscalls.signals import may_signal

if TYPE_CHECKING:
    from skerry.unix.process import Thread

SIGNALS: Final = 64


def sys_pidfd_open(thread: Thread, pid: int, flags: int) -> int:
    process = thread.process
    if flags & ~pidfd.PIDFD_NONBLOCK or c_int(pid) <= 0:
        raise LinuxError(linux.EINVAL)
    target = process.system.processes.get(c_int(pid))
    if target is None:
        threads = (other.threads for other in process.system.processes.values())
        raise LinuxError(linux.EINVAL if any(c_int(pid) in tids for tids in threads) else linux.ESRCH)
    return process.files.install(pidfd.ProcessFile(target, flags), True)


def sys_pidfd_send_signal(thread: Thread, fd: int, signo: int, info: int, flags: int) -> int:
    process = thread.process
    if flags:
        raise LinuxError(linux.EINVAL)
    target = pidfd.target(process.files, c_int(fd))
    signo = c_int(signo)
    if not 0 <= signo <= SIGNALS:
        raise LinuxError(linux.EINVAL)
    sent = signals.from_process(signo, linux.SI_USER, process)
    if info:
        number, _, code = struct.unpack("<iii", process.memory.read(info, 12))
        if number != signo:
            raise LinuxError(linux.EINVAL)
        if (code >= 0 or code == linux.SI_TKILL) and target is not process:
            raise LinuxError(linux.EPERM)
        sent = signals.SignalInfo(signo, code, process.memory.read(info + 16, 112))
    if not may_signal(process, target):
        raise LinuxError(linux.EPERM)
    signals.send(target, sent)
    return 0


def sys_pidfd_getfd(thread: Thread, fd: int, target_fd: int, flags: int) -> int:
    process = thread.process
    if flags:
        raise LinuxError(linux.EINVAL)
    target = pidfd.of(process.files, c_int(fd)).living()
    if target.exit_status is not None:
        raise LinuxError(linux.ESRCH)
    who, whom = process.credentials, target.credentials
    same = {whom.uid, whom.euid, whom.suid} == {who.fsuid} and {whom.gid, whom.egid, whom.sgid} == {who.fsgid}
    if who.euid and not same:  # PTRACE_MODE_ATTACH_REALCREDS
        raise LinuxError(linux.EPERM)
    return process.files.install(target.files[c_int(target_fd)], True)
