"""System calls on the memory of a process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.unix.arguments import c_int
from skerry.unix.capabilities import CAP_IPC_LOCK
from skerry.unix.errors import LinuxError
from skerry.unix.memory import LOWEST, PAGE, page_up
from skerry.unix.syscalls.system import limit_of

if TYPE_CHECKING:
    from skerry.unix.process import Thread

PASSED_ON: Final = frozenset((linux.MADV_DONTNEED, linux.MADV_FREE, linux.MADV_DONTFORK, linux.MADV_DOFORK, linux.MADV_WILLNEED))
KNOWN_FLAGS: Final = 0x117FFF  # of mmap: all but MAP_SYNC, which needs memory that is a disk
PROT_SEM: Final = 8
PROT_GROWSDOWN: Final = 0x01000000  # the stack is mapped in full from the start
MINCORE_MAX: Final = 1 << 36  # bytes asked about in one call: each page is a byte that the server writes
HINTS: Final = frozenset((0, 1, 2, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 25))  # say nothing of contents: accepted


def _range(thread: Thread, address: int, length: int) -> int:
    """The length in whole pages. Raises EINVAL."""
    length = page_up(length)
    if address % PAGE or not length or address + length > thread.process.memory.space.limit:
        raise LinuxError(linux.EINVAL)
    return length


def sys_mmap(thread: Thread, address: int, length: int, protection: int, flags: int, fd: int, offset: int) -> int:
    process = thread.process
    memory = process.memory
    kind = flags & linux.MAP_TYPE
    if kind == linux.MAP_SHARED_VALIDATE and flags & ~KNOWN_FLAGS:
        raise LinuxError(linux.EOPNOTSUPP)
    if not length or offset % PAGE or kind not in (linux.MAP_SHARED, linux.MAP_PRIVATE, linux.MAP_SHARED_VALIDATE):
        raise LinuxError(linux.EINVAL)
    length = page_up(length)
    if length > memory.space.limit:
        raise LinuxError(linux.ENOMEM)
    shared = kind != linux.MAP_PRIVATE
    file = None
    if not flags & linux.MAP_ANONYMOUS:
        file = process.files[c_int(fd)]
        if not file.readable or (shared and protection & linux.PROT_WRITE and not file.writable):
            raise LinuxError(linux.EACCES)
        if not file.inode.is_regular and not file.mappable:
            raise LinuxError(linux.ENODEV)
        if file.zero_memory:
            file = None
    if flags & (linux.MAP_FIXED | linux.MAP_FIXED_NOREPLACE):
        if address % PAGE or address + length > memory.space.limit:
            raise LinuxError(linux.EINVAL if address % PAGE else linux.ENOMEM)
        if address < LOWEST:
            raise LinuxError(linux.EPERM)
        if flags & linux.MAP_FIXED_NOREPLACE and not memory.is_free(address, length):
            raise LinuxError(linux.EEXIST)
    else:
        address = memory.free_range(length, page_up(address))
    memory.map(address, length, protection, shared, file, offset)
    memory.commit(address, length)
    return address


def sys_munmap(thread: Thread, address: int, length: int) -> int:
    thread.process.memory.unmap(address, _range(thread, address, length))
    return 0


def sys_mprotect(thread: Thread, address: int, length: int, protection: int) -> int:
    if not length and not address % PAGE:
        return 0
    if protection & ~(linux.PROT_READ | linux.PROT_WRITE | linux.PROT_EXEC | PROT_SEM | PROT_GROWSDOWN):
        raise LinuxError(linux.EINVAL)
    memory = thread.process.memory
    memory.protect(address, _range(thread, address, length), protection)
    memory.space.flush()
    return 0


def sys_mremap(thread: Thread, address: int, length: int, new_length: int, flags: int, new_address: int) -> int:
    if flags & ~(linux.MREMAP_MAYMOVE | linux.MREMAP_FIXED) or not new_length or not length:
        raise LinuxError(linux.EINVAL)
    if flags & linux.MREMAP_FIXED:
        if not flags & linux.MREMAP_MAYMOVE:
            raise LinuxError(linux.EINVAL)
        _range(thread, new_address, new_length)
    length = _range(thread, address, length)
    return thread.process.memory.remap(address, length, _range(thread, 0, new_length), flags, new_address)


def sys_brk(thread: Thread, address: int) -> int:
    return thread.process.memory.set_break(address)


def sys_madvise(thread: Thread, address: int, length: int, advice: int) -> int:
    if not length:
        return 0
    length = _range(thread, address, length)
    memory = thread.process.memory
    if advice in PASSED_ON:
        memory.space.advise(address, length, advice)
        memory.space.flush()
    elif advice not in HINTS:
        raise LinuxError(linux.EINVAL)
    elif memory.find(address) is None:
        raise LinuxError(linux.ENOMEM)
    return 0


def sys_msync(thread: Thread, address: int, length: int, flags: int) -> int:
    if flags & ~(linux.MS_ASYNC | linux.MS_SYNC | linux.MS_INVALIDATE) or address % PAGE:
        raise LinuxError(linux.EINVAL)
    if flags & linux.MS_ASYNC and flags & linux.MS_SYNC:
        raise LinuxError(linux.EINVAL)
    memory = thread.process.memory
    end = address + page_up(length)
    while address < end:
        mapping = memory.find(address)
        if mapping is None:
            raise LinuxError(linux.ENOMEM)
        if mapping.inode is not None and mapping.shared and mapping.protection & linux.PROT_WRITE:
            mapping.inode.note_mapped_write(flags & linux.MS_SYNC != 0)
        address = mapping.end
    return 0


def sys_mincore(thread: Thread, address: int, length: int, vector: int) -> int:
    length = _range(thread, address, length)
    memory = thread.process.memory
    if length > MINCORE_MAX or not memory.is_mapped(address, length):
        raise LinuxError(linux.ENOMEM)
    memory.write(vector, b"\1" * (length // PAGE))
    return 0


MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT = 1, 2, 4


def sys_mlock2(thread: Thread, address: int, length: int, flags: int) -> int:
    if flags & ~1:
        raise LinuxError(linux.EINVAL)
    return sys_mlock(thread, address, length)


def sys_mlockall(thread: Thread, flags: int) -> int:
    if not flags & (MCL_CURRENT | MCL_FUTURE) or flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT):
        raise LinuxError(linux.EINVAL)
    memory = thread.process.memory
    _require_lockable(thread, memory.total() if flags & MCL_CURRENT else 0)
    if flags & MCL_CURRENT:
        memory.locked.add(0, memory.space.limit)
    return 0


def sys_munlockall(thread: Thread) -> int:
    thread.process.memory.locked.clear()
    return 0


def sys_mlock(thread: Thread, address: int, length: int) -> int:
    memory = thread.process.memory
    start, end = address & ~(PAGE - 1), page_up(address + length)
    _require_lockable(thread, memory.locked.bytes(memory) + end - start - memory.locked.within(start, end))
    if not memory.is_mapped(start, end - start):
        raise LinuxError(linux.ENOMEM)
    memory.locked.add(start, end)
    return 0


def _require_lockable(thread: Thread, total: int) -> None:
    """So much is to be locked in all. Raises EPERM, ENOMEM where RLIMIT_MEMLOCK forbids it."""
    process = thread.process
    if process.credentials.has(CAP_IPC_LOCK):
        return
    limit = limit_of(process, linux.RLIMIT_MEMLOCK)[0]
    if not limit:
        raise LinuxError(linux.EPERM)
    if total > limit:
        raise LinuxError(linux.ENOMEM)


def sys_munlock(thread: Thread, address: int, length: int) -> int:
    memory = thread.process.memory
    start, end = address & ~(PAGE - 1), page_up(address + length)
    if not memory.is_mapped(start, end - start):
        raise LinuxError(linux.ENOMEM)
    memory.locked.remove(start, end)
    return 0
