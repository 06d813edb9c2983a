"""System calls on users and groups."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.unix.arguments import c_int
from skerry.unix.capabilities import CAP_SETGID, CAP_SETUID
from skerry.unix.errors import LinuxError

if TYPE_CHECKING:
    from skerry.unix.process import Credentials, Thread

UNCHANGED: Final = 0xFFFFFFFF


def sys_getuid(thread: Thread) -> int:
    return thread.process.credentials.uid


def sys_geteuid(thread: Thread) -> int:
    return thread.process.credentials.euid


def sys_getgid(thread: Thread) -> int:
    return thread.process.credentials.gid


def sys_getegid(thread: Thread) -> int:
    return thread.process.credentials.egid


def sys_getresuid(thread: Thread, real: int, effective: int, saved: int) -> int:
    who, memory = thread.process.credentials, thread.process.memory
    for address, value in ((real, who.uid), (effective, who.euid), (saved, who.suid)):
        memory.write(address, struct.pack("<I", value))
    return 0


def sys_getresgid(thread: Thread, real: int, effective: int, saved: int) -> int:
    who, memory = thread.process.credentials, thread.process.memory
    for address, value in ((real, who.gid), (effective, who.egid), (saved, who.sgid)):
        memory.write(address, struct.pack("<I", value))
    return 0


def _check(who: Credentials, capability: int, wanted: tuple[int, ...], have: tuple[int, ...]) -> None:
    if not who.has(capability) and any(w != UNCHANGED and w not in have for w in wanted):
        raise LinuxError(linux.EPERM)


def _becomes_another(thread: Thread) -> None:
    """An effective id has changed: nobody may look into the process until it executes, and its parent's death tells it nothing."""
    thread.process.dumpable = 0
    thread.process.death_signal = 0


def sys_setresuid(thread: Thread, real: int, effective: int, saved: int) -> int:
    who = thread.process.credentials
    wanted = (real & UNCHANGED, effective & UNCHANGED, saved & UNCHANGED)
    _check(who, CAP_SETUID, wanted, (who.uid, who.euid, who.suid))
    before = (who.uid, who.euid, who.suid)
    who.uid = who.uid if wanted[0] == UNCHANGED else wanted[0]
    who.euid = who.fsuid = who.euid if wanted[1] == UNCHANGED else wanted[1]
    who.suid = who.suid if wanted[2] == UNCHANGED else wanted[2]
    who.capabilities = who.capabilities.after_ids(before, (who.uid, who.euid, who.suid), who.keep_capabilities)
    if who.euid != before[1]:
        _becomes_another(thread)
    return 0


def sys_setresgid(thread: Thread, real: int, effective: int, saved: int) -> int:
    who = thread.process.credentials
    wanted = (real & UNCHANGED, effective & UNCHANGED, saved & UNCHANGED)
    _check(who, CAP_SETGID, wanted, (who.gid, who.egid, who.sgid))
    who.gid = who.gid if wanted[0] == UNCHANGED else wanted[0]
    before = who.egid
    who.egid = who.fsgid = who.egid if wanted[1] == UNCHANGED else wanted[1]
    if who.egid != before:
        _becomes_another(thread)
    who.sgid = who.sgid if wanted[2] == UNCHANGED else wanted[2]
    return 0


def sys_setuid(thread: Thread, uid: int) -> int:
    who = thread.process.credentials
    all_three = uid if who.has(CAP_SETUID) else UNCHANGED
    return sys_setresuid(thread, all_three, uid, all_three)


def sys_setgid(thread: Thread, gid: int) -> int:
    who = thread.process.credentials
    all_three = gid if who.has(CAP_SETGID) else UNCHANGED
    return sys_setresgid(thread, all_three, gid, all_three)


def sys_setreuid(thread: Thread, real: int, effective: int) -> int:
    who = thread.process.credentials
    real, effective = real & UNCHANGED, effective & UNCHANGED
    if real not in (UNCHANGED, who.uid, who.euid) and not who.has(CAP_SETUID):
        raise LinuxError(linux.EPERM)
    _check(who, CAP_SETUID, (effective,), (who.uid, who.euid, who.suid))
    changed = real != UNCHANGED or effective not in (UNCHANGED, who.uid)
    before = (who.uid, who.euid, who.suid)
    who.uid = who.uid if real == UNCHANGED else real
    who.euid = who.fsuid = who.euid if effective == UNCHANGED else effective
    who.suid = who.euid if changed else who.suid
    who.capabilities = who.capabilities.after_ids(before, (who.uid, who.euid, who.suid), who.keep_capabilities)
    if who.euid != before[1]:
        _becomes_another(thread)
    return 0


def sys_setregid(thread: Thread, real: int, effective: int) -> int:
    who = thread.process.credentials
    real, effective = real & UNCHANGED, effective & UNCHANGED
    if real not in (UNCHANGED, who.gid, who.egid) and not who.has(CAP_SETGID):
        raise LinuxError(linux.EPERM)
    _check(who, CAP_SETGID, (effective,), (who.gid, who.egid, who.sgid))
    changed = real != UNCHANGED or effective not in (UNCHANGED, who.gid)
    who.gid = who.gid if real == UNCHANGED else real
    before = who.egid
    who.egid = who.fsgid = who.egid if effective == UNCHANGED else effective
    if who.egid != before:
        _becomes_another(thread)
    who.sgid = who.egid if changed else who.sgid
    return 0


def sys_setfsuid(thread: Thread, uid: int) -> int:
    who = thread.process.credentials
    before = who.fsuid
    uid &= UNCHANGED
    if uid != UNCHANGED and (who.has(CAP_SETUID) or uid in (who.uid, who.euid, who.suid, who.fsuid)):
        who.fsuid = uid
        who.capabilities = who.capabilities.after_file_id(before, uid)
    if who.fsuid != before:
        _becomes_another(thread)
    return before


def sys_setfsgid(thread: Thread, gid: int) -> int:
    who = thread.process.credentials
    before = who.fsgid
    gid &= UNCHANGED
    if gid != UNCHANGED and (who.has(CAP_SETGID) or gid in (who.gid, who.egid, who.sgid, who.fsgid)):
        who.fsgid = gid
    if who.fsgid != before:
        _becomes_another(thread)
    return before


def sys_getgroups(thread: Thread, size: int, address: int) -> int:
    groups = thread.process.credentials.groups
    if c_int(size):
        if c_int(size) < len(groups):
            raise LinuxError(linux.EINVAL)
        thread.process.memory.write(address, struct.pack(f"<{len(groups)}I", *groups))
    return len(groups)


def sys_setgroups(thread: Thread, size: int, address: int) -> int:
    who = thread.process.credentials
    if not who.has(CAP_SETGID):
        raise LinuxError(linux.EPERM)
    if size > 65536:
        raise LinuxError(linux.EINVAL)
    who.groups = struct.unpack(f"<{size}I", thread.process.memory.read(address, 4 * size))
    return 0
