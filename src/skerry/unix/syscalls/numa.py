"""System calls on memory policies: there is one node, number 0, and all memory is on it.

Source: numa(7), set_mempolicy(2), mbind(2), get_mempolicy(2), move_pages(2).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.unix.arguments import c_int
from skerry.unix.errors import LinuxError
from skerry.unix.memory import PAGE, page_up

if TYPE_CHECKING:
    from skerry.unix.process import Thread

MPOL_DEFAULT, MPOL_PREFERRED, MPOL_BIND, MPOL_INTERLEAVE, MPOL_LOCAL = range(5)
MODE_FLAGS: Final = 0xE000  # MPOL_F_*
BITS_MAX: Final = 32768
MPOL_F_NODE: Final = 1
MPOL_F_ADDR: Final = 2
MPOL_F_MEMS_ALLOWED: Final = 4
PAGES_MAX: Final = 1 << 16


def _check(thread: Thread, mode: int, mask: int, bits: int) -> None:
    """Whether a policy can be had. Raises EINVAL."""
    mode = c_int(mode) & ~MODE_FLAGS
    if not MPOL_DEFAULT <= mode <= MPOL_LOCAL or bits > BITS_MAX:
        raise LinuxError(linux.EINVAL)
    count = (max(0, bits - 1) + 63) // 64
    words = thread.process.memory.read_words(mask, count) if mask and count else ()
    empty = not any(words)
    if any(words[1:]) or (words and words[0] & ~1):  # another node than 0
        raise LinuxError(linux.EINVAL)
    if (mode in (MPOL_DEFAULT, MPOL_LOCAL) and not empty) or (mode in (MPOL_BIND, MPOL_INTERLEAVE) and empty):
        raise LinuxError(linux.EINVAL)


def sys_set_mempolicy(thread: Thread, mode: int, mask: int, bits: int) -> int:
    _check(thread, mode, mask, bits)
    return 0


def sys_mbind(thread: Thread, address: int, length: int, mode: int, mask: int, bits: int, flags: int) -> int:
    if address % PAGE or flags & ~7:
        raise LinuxError(linux.EINVAL)
    _check(thread, mode, mask, bits)
    if length and not thread.process.memory.is_mapped(address, page_up(length)):
        raise LinuxError(linux.EFAULT)
    return 0


def sys_get_mempolicy(thread: Thread, mode: int, mask: int, bits: int, address: int, flags: int) -> int:
    memory = thread.process.memory
    if flags & ~(MPOL_F_NODE | MPOL_F_ADDR | MPOL_F_MEMS_ALLOWED) or (mask and not 1 <= bits <= BITS_MAX):
        raise LinuxError(linux.EINVAL)
    if flags & MPOL_F_MEMS_ALLOWED and flags & (MPOL_F_NODE | MPOL_F_ADDR):
        raise LinuxError(linux.EINVAL)
    if bool(address) != bool(flags & MPOL_F_ADDR):
        raise LinuxError(linux.EINVAL)
    if flags & MPOL_F_ADDR and memory.find(address) is None:
        raise LinuxError(linux.EFAULT)
    if mode:
        memory.write(mode, struct.pack("<i", 0))  # MPOL_DEFAULT, or node 0
    if mask:
        allowed = int(bool(flags & MPOL_F_MEMS_ALLOWED))
        memory.write(mask, allowed.to_bytes((bits + 63) // 64 * 8, "little"))
    return 0


def sys_move_pages(thread: Thread, pid: int, count: int, pages: int, nodes: int, status: int, flags: int) -> int:
    process = thread.process
    if c_int(pid) and c_int(pid) not in process.threads:
        raise LinuxError(linux.EPERM if c_int(pid) in process.system.processes else linux.ESRCH)
    if flags & ~6:
        raise LinuxError(linux.EINVAL)
    if count > PAGES_MAX:
        raise LinuxError(linux.E2BIG)
    memory = process.memory
    if nodes and any(struct.unpack(f"<{count}i", memory.read(nodes, 4 * count))):
        raise LinuxError(linux.ENODEV)
    found = [0 if memory.find(address) is not None else -linux.EFAULT for address in memory.read_words(pages, count)]
    memory.write(status, struct.pack(f"<{count}i", *found))
    return 0
