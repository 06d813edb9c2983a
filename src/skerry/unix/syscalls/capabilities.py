"""System calls on capabilities, and prctl's options about them."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.unix.arguments import c_int
from skerry.unix.capabilities import CAP_SETPCAP, LAST
from skerry.unix.errors import LinuxError

if TYPE_CHECKING:
    from skerry.unix.memory import Memory
    from skerry.unix.process import Thread

VERSION_1: Final = 0x19980330
VERSION_2: Final = 0x20071026
VERSION_3: Final = 0x20080522
_LOW: Final = 0xFFFFFFFF


def _version(memory: Memory, header: int) -> tuple[int, int]:
    """Version and pid of a header; one that is not known is replaced by the newest. Raises EINVAL."""
    version, pid = struct.unpack("<Ii", memory.read(header, 8))
    if version not in (VERSION_1, VERSION_2, VERSION_3):
        memory.write(header, struct.pack("<I", VERSION_3))
        raise LinuxError(linux.EINVAL)
    return version, pid


def sys_capget(thread: Thread, header: int, data: int) -> int:
    process = thread.process
    memory = process.memory
    try:
        version, pid = _version(memory, header)
    except LinuxError:
        if data:
            raise
        return 0  # it only asked for the version
    if pid < 0:
        raise LinuxError(linux.EINVAL)
    target = process.system.processes.get(pid) if pid and pid not in process.threads else process
    if target is None:
        raise LinuxError(linux.ESRCH)
    held = target.credentials.capabilities
    if data:
        sets = (held.effective, held.permitted, held.inheritable)
        packed = struct.pack("<6I", *(s & _LOW for s in sets), *(s >> 32 for s in sets))
        memory.write(data, packed[:12] if version == VERSION_1 else packed)
    return 0


def sys_capset(thread: Thread, header: int, data: int) -> int:
    process = thread.process
    version, pid = _version(process.memory, header)
    if pid and pid not in process.threads:
        raise LinuxError(linux.EPERM)
    size = 12 if version == VERSION_1 else 24
    words = struct.unpack("<6I", process.memory.read(data, size).ljust(24, b"\0"))
    effective, permitted, inheritable = (low | high << 32 for low, high in zip(words[:3], words[3:], strict=True))
    who = process.credentials
    known = (1 << LAST + 1) - 1
    held = who.capabilities
    new = replace(held, permitted=permitted & known, effective=effective & known, inheritable=inheritable & known)
    if not held.may_become(new):
        raise LinuxError(linux.EPERM)
    who.capabilities = replace(new, ambient=held.ambient & new.permitted & new.inheritable)
    return 0


def read_bounding(thread: Thread, capability: int) -> int:
    """PR_CAPBSET_READ. Raises EINVAL."""
    if capability > LAST:
        raise LinuxError(linux.EINVAL)
    return thread.process.credentials.capabilities.bounding >> capability & 1


def drop_bounding(thread: Thread, capability: int) -> int:
    """PR_CAPBSET_DROP. Raises EINVAL, EPERM."""
    who = thread.process.credentials
    if not who.capabilities.effective & CAP_SETPCAP:
        raise LinuxError(linux.EPERM)
    if capability > LAST:
        raise LinuxError(linux.EINVAL)
    who.capabilities = replace(who.capabilities, bounding=who.capabilities.bounding & ~(1 << capability))
    return 0


def ambient(thread: Thread, command: int, capability: int) -> int:
    """PR_CAP_AMBIENT. Raises EINVAL, EPERM."""
    who = thread.process.credentials
    held = who.capabilities
    command = c_int(command)
    if command == linux.PR_CAP_AMBIENT_CLEAR_ALL and not capability:
        who.capabilities = replace(held, ambient=0)
        return 0
    if capability > LAST or command not in (linux.PR_CAP_AMBIENT_IS_SET, linux.PR_CAP_AMBIENT_RAISE, linux.PR_CAP_AMBIENT_LOWER):
        raise LinuxError(linux.EINVAL)
    bit = 1 << capability
    if command == linux.PR_CAP_AMBIENT_IS_SET:
        return held.ambient >> capability & 1
    if command == linux.PR_CAP_AMBIENT_RAISE:
        if not held.permitted & held.inheritable & bit:
            raise LinuxError(linux.EPERM)
        who.capabilities = replace(held, ambient=held.ambient | bit)
    else:
        who.capabilities = replace(held, ambient=held.ambient & ~bit)
    return 0
