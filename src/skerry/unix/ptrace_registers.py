"""The registers of a thread that stands still for its tracer, in the layouts of ptrace.

``orig_rax`` is the number of the system call that the thread is in (-1: none). While such a call was broken off and may be made again, RAX
is shown as Linux's kernel has it then, -ERESTARTSYS; a tracer that puts this state back has the call made again.

Source: sys/user.h (user_regs_struct, user_fpregs_struct); arch/x86/kernel/ptrace.c of Linux.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.abi import registers as reg
from skerry.unix.errors import LinuxError

if TYPE_CHECKING:
    from skerry.unix.process import Thread

COUNT: Final = 27  # words of user_regs_struct
SIZE: Final = 8 * COUNT
FP_SIZE: Final = 512
_WORD: Final = (1 << 64) - 1
_ORDER: Final = (
    reg.R15,
    reg.R14,
    reg.R13,
    reg.R12,
    reg.RBP,
    reg.RBX,
    reg.R11,
    reg.R10,
    reg.R9,
    reg.R8,
    reg.RAX,
    reg.RCX,
    reg.RDX,
    reg.RSI,
    reg.RDI,
)
_ORIG_RAX, _RIP, _CS, _EFLAGS, _RSP, _SS, _FS_BASE, _GS_BASE = 15, 16, 17, 18, 19, 20, 21, 22
_RAX: Final = 10
_FLAGS: Final = 0x240DD5  # of EFLAGS that a program may have; the others are the machine's
TRAP_FLAG: Final = 0x100
ERESTARTSYS: Final = 512
RESTARTS: Final = {  # what RAX shows of a call that was broken off, where it is not ERESTARTSYS: made again if no handler runs
    **dict.fromkeys((23, 34, 130, 270, 271), 514),  # ERESTARTNOHAND: select, pause, rt_sigsuspend, pselect6, ppoll
    **dict.fromkeys((7, 35, 230), 516),  # ERESTART_RESTARTBLOCK: poll, nanosleep, clock_nanosleep
}
_CODES: Final = range(512, 517)  # ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND and ERESTART_RESTARTBLOCK (513 to 516)
_SOFTWARE: Final = slice(464, 512)  # of an XSAVE area: the host's description of it, or what it holds
_MAGIC: Final = 0x46505853


def get_all(thread: Thread) -> bytes:
    """struct user_regs_struct."""
    user = thread.user
    words = struct.unpack("<23Q", user.registers())
    selectors = words[reg.CSGSFS]
    rax = -RESTARTS.get(thread.call, ERESTARTSYS) & _WORD if thread.restart else words[reg.RAX]
    values = [words[index] for index in _ORDER]
    values[_RAX] = rax
    values += [thread.call & _WORD, words[reg.RIP], selectors & 0xFFFF, words[reg.EFLAGS], words[reg.RSP], selectors >> 48]
    values += [user.fs_base, user.gs_base, 0, 0, selectors >> 32 & 0xFFFF, selectors >> 16 & 0xFFFF]
    return struct.pack(f"<{COUNT}Q", *values)


def set_all(thread: Thread, data: bytes) -> None:
    """Take over struct user_regs_struct, of which ``data`` may be the first words. Raises EIO for a state that no program has."""
    data += get_all(thread)[len(data) :]
    values = struct.unpack(f"<{COUNT}Q", data[:SIZE])
    user = thread.user
    limit = thread.process.memory.space.limit
    if values[_FS_BASE] >= limit or values[_GS_BASE] >= limit or values[_CS] & 3 != 3 or values[_SS] & 3 != 3:
        raise LinuxError(linux.EIO)
    words = list(struct.unpack("<23Q", user.registers()))
    for index, value in zip(_ORDER, values, strict=False):
        words[index] = value
    words[reg.RIP], words[reg.RSP] = values[_RIP], values[_RSP]
    words[reg.EFLAGS] = values[_EFLAGS] & _FLAGS | words[reg.EFLAGS] & ~_FLAGS
    number = values[_ORIG_RAX] & 0xFFFFFFFF
    thread.call = -1 if number >= 1 << 31 else number
    thread.restart = thread.call >= 0 and -values[_RAX] & _WORD in _CODES
    user.set_registers(struct.pack("<23Q", *words))
    user.fs_base, user.gs_base = values[_FS_BASE], values[_GS_BASE]


def get_word(thread: Thread, offset: int) -> int:
    """A word of struct user_regs_struct at ``offset`` bytes."""
    return int.from_bytes(get_all(thread)[offset : offset + 8], "little")


def set_word(thread: Thread, offset: int, value: int) -> None:
    """Change one. Raises EIO."""
    data = get_all(thread)
    set_all(thread, data[:offset] + struct.pack("<Q", value) + data[offset + 8 :])


def get_floating(thread: Thread) -> bytes:
    """struct user_fpregs_struct: the FXSAVE area."""
    state = thread.user.xstate()[:FP_SIZE].ljust(FP_SIZE, b"\0")
    return state[:464] + bytes(48)


def set_floating(thread: Thread, data: bytes) -> None:
    """Take over struct user_fpregs_struct; vector state beyond it stays. Raises EINVAL for reserved bits of MXCSR."""
    data += get_floating(thread)[len(data) :]
    _put(thread, data[:464], b"")


def get_extended(thread: Thread) -> bytes:
    """NT_X86_XSTATE: the XSAVE area in standard format, with the mask of state components (XCR0) at byte 464."""
    state = thread.user.xstate()
    magic, _, components, size = struct.unpack_from("<IIQI", state.ljust(FP_SIZE, b"\0"), 464)
    if magic != _MAGIC or not FP_SIZE < size <= len(state):
        return get_floating(thread)
    return state[:464] + struct.pack("<Q", components) + bytes(40) + state[512:size]


def set_extended(thread: Thread, data: bytes) -> None:
    """Take over an XSAVE area. Raises EFAULT where it is not a whole one, EINVAL where its header is not this processor's.

    Source: xstateregs_set of Linux.
    """
    now = get_extended(thread)
    if len(data) != len(now):
        raise LinuxError(linux.EFAULT)
    (allowed,) = struct.unpack_from("<Q", now, 464)
    present, compact = struct.unpack_from("<QQ", data, 512) if len(data) > FP_SIZE else (0, 0)
    if present & ~allowed or compact or any(data[528:576]):
        raise LinuxError(linux.EINVAL)
    _put(thread, data[:464], data[512:])


def _put(thread: Thread, legacy: bytes, rest: bytes) -> None:
    """The FXSAVE part without the host's description, and what follows it (empty: as it is)."""
    if struct.unpack_from("<I", legacy, 24)[0] & ~0xFFFF:
        raise LinuxError(linux.EINVAL)
    state = thread.user.xstate()
    if len(state) < FP_SIZE:
        return
    new = legacy + state[_SOFTWARE] + rest
    if not rest and len(state) >= 576:  # x87 and SSE are in use from now on
        (present,) = struct.unpack_from("<Q", state, 512)
        new += struct.pack("<Q", present | 3)
    thread.user.set_xstate(new + state[len(new) :])
