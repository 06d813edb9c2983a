"""Signal frames: what a handler finds on the stack, and the way back.

Layout (growing upwards): return address (the restorer), ucontext, siginfo, and the vector state at a 64-byte boundary.

Source: struct rt_sigframe in arch/x86/include/asm/sigframe.h; sigreturn(2).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.abi import registers as reg

if TYPE_CHECKING:
    from skerry.unix.process import Thread
    from skerry.unix.signals import Action, SignalInfo

_UC_FLAGS: Final = 7  # UC_FP_XSTATE, UC_SIGCONTEXT_SS, UC_STRICT_RESTORE_SS
_UCONTEXT_SIZE: Final = 304
_SIGINFO_SIZE: Final = 128
_FRAME_SIZE: Final = 8 + _UCONTEXT_SIZE + _SIGINFO_SIZE
_RED_ZONE: Final = 128
_GREGS: Final = 40  # offsets in ucontext
_FPSTATE: Final = 224
_SIGMASK: Final = 296
_USER_FLAGS: Final = 0x240DD5  # those of EFLAGS that a program may set: OF DF TF SF ZF AF PF CF, AC, ID and RF not
_SELECTORS: Final = 0x002B000000000033  # ss, fs, gs, cs of a 64-bit program
_CODE_32: Final = 0x23  # cs of 32-bit code


def on_altstack(thread: Thread, stack: int) -> bool:
    """Whether ``stack`` lies in the thread's alternate stack."""
    address, flags, size = thread.altstack
    return not flags & linux.SS_DISABLE and address < stack <= address + size


def push(thread: Thread, info: SignalInfo, action: Action, mask: int) -> None:
    """Make the thread run the handler; ``mask`` is what sigreturn puts back. Raises Fault if the stack cannot take the frame."""
    user = thread.user
    registers = user.registers()
    stack = user.get(reg.RSP)
    address, flags, size = thread.altstack
    used_altstack = on_altstack(thread, stack)
    if action.flags & linux.SA_ONSTACK and not flags & linux.SS_DISABLE and not used_altstack:
        stack = address + size
    else:
        stack -= _RED_ZONE
    xstate = user.xstate()
    state_at = (stack - len(xstate)) & ~63
    frame_at = ((state_at - _FRAME_SIZE) & ~15) - 8
    context_at, info_at = frame_at + 8, frame_at + 8 + _UCONTEXT_SIZE
    stack_flags = flags if flags & linux.SS_DISABLE else (linux.SS_ONSTACK if used_altstack else 0)
    frame = bytearray(state_at - frame_at)
    struct.pack_into("<Q", frame, 0, action.restorer)
    struct.pack_into("<QQQi4xQ", frame, 8, _UC_FLAGS, 0, address, stack_flags, size)
    frame[8 + _GREGS : 8 + _GREGS + len(registers)] = registers
    struct.pack_into("<QQQQ", frame, 8 + _GREGS + 8 * reg.CSGSFS, user.get(reg.CSGSFS), 0, 0, mask)
    if info.code > 0 and info.rest:
        struct.pack_into("<Q", frame, 8 + _GREGS + 8 * reg.CR2, struct.unpack_from("<Q", info.rest)[0])
    struct.pack_into("<Q", frame, 8 + _FPSTATE, state_at if xstate else 0)
    struct.pack_into("<Q", frame, 8 + _SIGMASK, mask)
    frame[8 + _UCONTEXT_SIZE : 8 + _UCONTEXT_SIZE + _SIGINFO_SIZE] = info.pack()
    thread.process.memory.write(frame_at, bytes(frame) + xstate)
    user.set(reg.RSP, frame_at)
    user.set(reg.RIP, action.handler)
    user.set(reg.RDI, info.signo)
    user.set(reg.RSI, info_at)
    user.set(reg.RDX, context_at)
    user.set(reg.RAX, 0)
    user.set(reg.CSGSFS, _SELECTORS)  # a handler is 64-bit code, whatever it interrupts
    user.set(reg.EFLAGS, user.get(reg.EFLAGS) & ~0x500)  # TF and DF are clear in a handler


def pop(thread: Thread) -> int:
    """rt_sigreturn: put back what the frame at the stack pointer says; the RAX to go on with. Raises Fault."""
    user = thread.user
    memory = thread.process.memory
    context = memory.read(user.get(reg.RSP), _UCONTEXT_SIZE)
    (state_at,) = struct.unpack_from("<Q", context, _FPSTATE)
    if state_at:
        state = memory.read(state_at, 512)
        magic, size = struct.unpack_from("<II", state, 464)
        if magic == 0x46505853 and 576 <= size <= 16384:
            state = memory.read(state_at, size)
        user.set_xstate(state)
    words = list(struct.unpack_from("<23Q", context, _GREGS))
    words[reg.CSGSFS] = _SELECTORS & ~0xFFFF | (_CODE_32 if words[reg.CSGSFS] & 0xFFFF == _CODE_32 else _SELECTORS & 0xFFFF)
    words[reg.EFLAGS] = (words[reg.EFLAGS] & _USER_FLAGS) | 0x202
    user.set_registers(struct.pack("<23Q", *words))
    (mask,) = struct.unpack_from("<Q", context, _SIGMASK)
    thread.mask = mask & ~((1 << (linux.SIGKILL - 1)) | (1 << (linux.SIGSTOP - 1)))
    address, flags, _pad, size = struct.unpack_from("<Qi4sQ", context, 16)
    if not on_altstack(thread, words[reg.RSP]):
        thread.altstack = (address, flags & linux.SS_DISABLE, size)
    return int(words[reg.RAX])
