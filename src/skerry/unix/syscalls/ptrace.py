"""ptrace: what a tracer asks of threads that it traces, or is about to.

Not there: the machine's debug registers (:mod:`skerry.unix.ptrace_watch` steps instead), PTRACE_SECCOMP_GET_FILTER, rseq and shadow stacks.

Source: ptrace(2).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.abi import ptrace as pt
from skerry.abi import registers as reg
from skerry.abi.fault import Fault
from skerry.unix import ptrace, ptrace_memory, ptrace_registers, signals
from skerry.unix.arguments import c_int
from skerry.unix.errors import LinuxError
from skerry.unix.syscalls.others import may_trace
from skerry.unix.syscalls.system import sys_arch_prctl

if TYPE_CHECKING:
    from skerry.unix.process import Thread
    from skerry.unix.ptrace import Tracee

WORD: Final = 8
SIGINFO: Final = 128
_ARGUMENTS: Final = (reg.RDI, reg.RSI, reg.RDX, reg.R10, reg.R8, reg.R9)
_LETS_GO: Final = (pt.CONT, pt.SYSCALL, pt.SINGLESTEP, pt.SYSEMU, pt.SYSEMU_SINGLESTEP)


def sys_ptrace(thread: Thread, request: int, pid: int, address: int, data: int) -> int:
    if request == pt.TRACEME:
        return _trace_me(thread)
    if request in (pt.ATTACH, pt.SEIZE):
        return _attach(thread, _find(thread, c_int(pid)), request == pt.SEIZE, address, data)
    tracee = next((t for t in thread.process.tracees if t.thread.tid == c_int(pid) and not t.thread.dead), None)
    if tracee is None:
        raise LinuxError(linux.ESRCH)
    if request == pt.KILL:
        signals.send(tracee.thread.process, signals.SignalInfo(linux.SIGKILL))
        return 0
    if request == pt.INTERRUPT:
        if not tracee.seized:
            raise LinuxError(linux.EIO)
        tracee.interrupt()
        return 0
    if tracee.stop is None:
        raise LinuxError(linux.ESRCH)
    if request in _LETS_GO:
        if data > signals.LAST:
            raise LinuxError(linux.EIO)
        tracee.proceed(request, data)
        return 0
    try:
        handler = _HANDLERS[request]
    except KeyError:
        raise LinuxError(linux.EIO) from None
    return handler(thread, tracee, address, data)


def _find(caller: Thread, tid: int) -> Thread:
    """A thread by its number. Raises ESRCH."""
    for process in caller.process.system.processes.values():
        if tid in process.threads:
            return process.threads[tid]
    raise LinuxError(linux.ESRCH)


def _trace_me(thread: Thread) -> int:
    tracer = thread.process.parent
    if thread.tracee is not None or tracer is None:
        raise LinuxError(linux.EPERM)
    ptrace.attach(thread, tracer)
    return 0


def _options(word: int) -> int:
    if word & ~pt.O_MASK:
        raise LinuxError(linux.EINVAL)
    if word & pt.O_SUSPEND_SECCOMP:
        raise LinuxError(linux.EPERM)
    return word


def _attach(thread: Thread, target: Thread, seized: bool, address: int, data: int) -> int:
    if seized and (address or data & ~pt.O_MASK):
        raise LinuxError(linux.EIO)
    if target.process is thread.process or not may_trace(thread.process, target.process) or target.tracee is not None:
        raise LinuxError(linux.EPERM)
    ptrace.attach(target, thread.process, seized, _options(data) if seized else 0)
    if not seized:
        signals.send_to_thread(target, signals.SignalInfo(linux.SIGSTOP))
    elif target.process.stopped:
        signals.notify(target)
    return 0


def _detach(_: Thread, tracee: Tracee, __: int, signo: int) -> int:
    if signo > signals.LAST:
        raise LinuxError(linux.EIO)
    ptrace.detach(tracee, signo)
    return 0


def _listen(_: Thread, tracee: Tracee, __: int, ___: int) -> int:
    stop = tracee.stop
    if not tracee.seized or stop is None or stop.status >> 16 != pt.EVENT_STOP:
        raise LinuxError(linux.EIO)
    tracee.listen()
    return 0


def _peek(thread: Thread, tracee: Tracee, address: int, data: int) -> int:
    try:
        word = ptrace_memory.look(tracee.thread.process.memory, address, WORD)
    except Fault:
        raise LinuxError(linux.EIO) from None
    thread.process.memory.write(data, word)
    return 0


def _poke(_: Thread, tracee: Tracee, address: int, data: int) -> int:
    try:
        ptrace_memory.change(tracee.thread.process.memory, address, struct.pack("<Q", data))
    except Fault:
        raise LinuxError(linux.EIO) from None
    return 0


def _peek_user(thread: Thread, tracee: Tracee, address: int, data: int) -> int:
    if address % WORD or address >= pt.USER_SIZE:
        raise LinuxError(linux.EIO)
    value = 0
    if address < ptrace_registers.SIZE:
        value = ptrace_registers.get_word(tracee.thread, address)
    elif address >= pt.DEBUG_REGISTERS:
        value = tracee.debug.get((address - pt.DEBUG_REGISTERS) // WORD)
    thread.process.memory.write(data, struct.pack("<Q", value))
    return 0


def _poke_user(_: Thread, tracee: Tracee, address: int, data: int) -> int:
    if address % WORD or address >= pt.USER_SIZE:
        raise LinuxError(linux.EIO)
    if address < ptrace_registers.SIZE:
        ptrace_registers.set_word(tracee.thread, address, data)
    elif address >= pt.DEBUG_REGISTERS:
        tracee.debug.set(tracee.thread, (address - pt.DEBUG_REGISTERS) // WORD, data)
    else:
        raise LinuxError(linux.EIO)
    return 0


def _get_registers(thread: Thread, tracee: Tracee, _: int, data: int) -> int:
    thread.process.memory.write(data, ptrace_registers.get_all(tracee.thread))
    return 0


def _set_registers(thread: Thread, tracee: Tracee, _: int, data: int) -> int:
    ptrace_registers.set_all(tracee.thread, thread.process.memory.read(data, ptrace_registers.SIZE))
    return 0


def _get_floating(thread: Thread, tracee: Tracee, _: int, data: int) -> int:
    thread.process.memory.write(data, ptrace_registers.get_floating(tracee.thread))
    return 0


def _set_floating(thread: Thread, tracee: Tracee, _: int, data: int) -> int:
    ptrace_registers.set_floating(tracee.thread, thread.process.memory.read(data, ptrace_registers.FP_SIZE))
    return 0


_REGISTER_SETS: Final[dict[int, tuple[Callable[[Thread], bytes], Callable[[Thread, bytes], None], int]]] = {  # get, set, unit of size
    pt.NT_PRSTATUS: (ptrace_registers.get_all, ptrace_registers.set_all, WORD),
    pt.NT_PRFPREG: (ptrace_registers.get_floating, ptrace_registers.set_floating, WORD),
    pt.NT_X86_XSTATE: (ptrace_registers.get_extended, ptrace_registers.set_extended, WORD),
}


def _vector(thread: Thread, kind: int, data: int) -> tuple[int, int]:
    """The iovec of a register set. Raises EINVAL for a set that there is not, and for a part of a word."""
    base, length = thread.process.memory.read_words(data, 2)
    if kind not in _REGISTER_SETS or length % _REGISTER_SETS[kind][2]:
        raise LinuxError(linux.EINVAL)
    return base, length


def _get_set(thread: Thread, tracee: Tracee, kind: int, data: int) -> int:
    base, length = _vector(thread, kind, data)
    state = _REGISTER_SETS[kind][0](tracee.thread)[:length]
    memory = thread.process.memory
    memory.write(base, state)
    memory.write(data + WORD, struct.pack("<Q", len(state)))
    return 0


def _set_set(thread: Thread, tracee: Tracee, kind: int, data: int) -> int:
    base, length = _vector(thread, kind, data)
    memory = thread.process.memory
    state = memory.read(base, min(length, len(_REGISTER_SETS[kind][0](tracee.thread))))
    _REGISTER_SETS[kind][1](tracee.thread, state)
    memory.write(data + WORD, struct.pack("<Q", len(state)))
    return 0


def _get_signal(thread: Thread, tracee: Tracee, _: int, data: int) -> int:
    assert tracee.stop is not None
    if tracee.stop.info is None:  # a group stop
        raise LinuxError(linux.EINVAL)
    thread.process.memory.write(data, tracee.stop.info.pack())
    return 0


def _set_signal(thread: Thread, tracee: Tracee, _: int, data: int) -> int:
    assert tracee.stop is not None
    info = tracee.stop.info
    if info is None:
        raise LinuxError(linux.EINVAL)
    packed = thread.process.memory.read(data, SIGINFO)
    info.signo, info.errno, info.code = struct.unpack_from("<iii", packed)
    info.rest = packed[16:]
    return 0


def _set_options(_: Thread, tracee: Tracee, __: int, data: int) -> int:
    tracee.options = _options(data)
    return 0


def _get_message(thread: Thread, tracee: Tracee, _: int, data: int) -> int:
    thread.process.memory.write(data, struct.pack("<Q", tracee.message))
    return 0


def _peek_signals(thread: Thread, tracee: Tracee, address: int, data: int) -> int:
    memory = thread.process.memory
    offset, flags, count = struct.unpack("<QIi", memory.read(address, 16))
    if flags & ~pt.PEEKSIGINFO_SHARED or count < 0:
        raise LinuxError(linux.EINVAL)
    queue = tracee.thread.process.pending if flags & pt.PEEKSIGINFO_SHARED else tracee.thread.pending
    found = queue[offset : offset + count]
    for index, info in enumerate(found):
        memory.write(data + SIGINFO * index, info.pack())
    return len(found)


def _get_mask(thread: Thread, tracee: Tracee, address: int, data: int) -> int:
    if address != WORD:
        raise LinuxError(linux.EINVAL)
    target = tracee.thread
    mask = target.saved_mask if target.saved_mask is not None else target.mask
    thread.process.memory.write(data, struct.pack("<Q", mask))
    return 0


def _set_mask(thread: Thread, tracee: Tracee, address: int, data: int) -> int:
    if address != WORD:
        raise LinuxError(linux.EINVAL)
    (mask,) = thread.process.memory.read_words(data, 1)
    tracee.thread.mask = mask & ~signals.UNBLOCKABLE
    tracee.thread.saved_mask = None
    return 0


def _syscall_info(thread: Thread, tracee: Tracee, size: int, data: int) -> int:
    target, stop = tracee.thread, tracee.stop
    assert stop is not None
    user = target.user
    at = stop.at if stop.marked else pt.SYSCALL_INFO_NONE
    info = struct.pack("<B3xIQQ", at, pt.AUDIT_ARCH_X86_64, user.get(reg.RIP), user.get(reg.RSP))
    if at in (pt.SYSCALL_INFO_ENTRY, pt.SYSCALL_INFO_SECCOMP):
        info += struct.pack("<7Q", target.call & (1 << 64) - 1, *map(user.get, _ARGUMENTS))
        if at == pt.SYSCALL_INFO_SECCOMP:
            info += struct.pack("<I", tracee.message & 0xFFFFFFFF)
    elif at == pt.SYSCALL_INFO_EXIT:
        (value,) = struct.unpack("<q", struct.pack("<Q", user.get(reg.RAX)))
        info += struct.pack("<qB", value, -4095 <= value < 0)
    thread.process.memory.write(data, info[:size])
    return len(info)


def _arch_prctl(thread: Thread, tracee: Tracee, address: int, data: int) -> int:
    user = tracee.thread.user
    if data in (linux.ARCH_GET_FS, linux.ARCH_GET_GS):
        base = user.fs_base if data == linux.ARCH_GET_FS else user.gs_base
        thread.process.memory.write(address, struct.pack("<Q", base))
        return 0
    return sys_arch_prctl(tracee.thread, data, address)


_HANDLERS: Final[dict[int, Callable[[Thread, Tracee, int, int], int]]] = {
    pt.PEEKTEXT: _peek,
    pt.PEEKDATA: _peek,
    pt.PEEKUSER: _peek_user,
    pt.POKETEXT: _poke,
    pt.POKEDATA: _poke,
    pt.POKEUSER: _poke_user,
    pt.GETREGS: _get_registers,
    pt.SETREGS: _set_registers,
    pt.GETFPREGS: _get_floating,
    pt.SETFPREGS: _set_floating,
    pt.DETACH: _detach,
    pt.ARCH_PRCTL: _arch_prctl,
    pt.SETOPTIONS: _set_options,
    pt.GETEVENTMSG: _get_message,
    pt.GETSIGINFO: _get_signal,
    pt.SETSIGINFO: _set_signal,
    pt.GETREGSET: _get_set,
    pt.SETREGSET: _set_set,
    pt.LISTEN: _listen,
    pt.PEEKSIGINFO: _peek_signals,
    pt.GETSIGMASK: _get_mask,
    pt.SETSIGMASK: _set_mask,
    pt.GET_SYSCALL_INFO: _syscall_info,
}
