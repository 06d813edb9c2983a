"""Structures of waiting, of signals and of processes.

Source: the UAPI headers; the choice of fields is strace's.
"""

from __future__ import annotations

import struct
from typing import Final

from skerry.abi import linux
from skerry.unix.arguments import c_int
from skerry.unix.strace import names
from skerry.unix.strace.kinds import (
    Changed,
    Custom,
    Field,
    Flags,
    Items,
    Moment,
    Record,
    flags,
    pointer,
    signal_set,
)
from skerry.unix.strace.structures import ADDRESS, TIMEVAL, UNSIGNED


# Waiting
def _poll_entry(moment: Moment, address: int) -> str:
    fd, events, _revents = struct.unpack("<ihh", moment.memory.read(address, 8))
    return f"{{fd={fd}, events={flags(events & 0xFFFF, names.POLL)}}}" if fd >= 0 else f"{{fd={fd}}}"


POLL: Final = Items(8, "", Custom(_poll_entry), count=1)


def ready_descriptors(moment: Moment) -> str:
    """What poll found, and the time that was left."""
    count, address = moment.words[1] & 0xFFFFFFFF, moment.words[0]
    parts = []
    for place in range(min(count, 1024)):
        fd, _events, revents = struct.unpack("<ihh", moment.memory.read(address + 8 * place, 8))
        if revents:
            parts.append(f"{{fd={fd}, revents={flags(revents & 0xFFFF, names.POLL)}}}")
    return "[" + ", ".join(parts) + "]"


def descriptor_set(moment: Moment, address: int) -> str:
    """``[3 5]`` of select's argument."""
    count = min(max(c_int(moment.words[0]), 0), 1024)
    if not address or not count:
        return pointer(address)
    bits = int.from_bytes(moment.memory.read(address, (count + 63) // 64 * 8), "little")
    return "[" + " ".join(str(fd) for fd in range(count) if bits >> fd & 1) + "]"


FD_SET: Final = Custom(descriptor_set)
EPOLL_EVENT: Final = Record(
    12,
    (
        Field("events", 0, "I", Flags(names.EPOLL)),
        Field("data", 4, "", Record(8, (Field("u32", 0, "I", UNSIGNED), Field("u64", 0, "Q", UNSIGNED)))),
    ),
)


# Signals
def signal_set_at(moment: Moment, address: int) -> str:
    """The set at an address."""
    return signal_set(struct.unpack("<Q", moment.memory.read(address, 8))[0]) if address else "NULL"


SIGNAL_SET: Final = Custom(signal_set_at)
SIGNAL_MASK: Final = Custom(lambda moment, word: signal_set(word))
HANDLER: Final = Custom(lambda moment, word: {0: "SIG_DFL", 1: "SIG_IGN"}.get(word) or pointer(word))
SIGACTION: Final = Record(
    32,
    (
        Field("sa_handler", 0, "Q", HANDLER),
        Field("sa_mask", 24, "Q", SIGNAL_MASK),
        Field("sa_flags", 8, "Q", Flags(names.SIGNAL_ACTION)),
        Field("sa_restorer", 16, "Q", ADDRESS, lambda data: bool(struct.unpack_from("<Q", data, 8)[0] & 0x4000000)),
    ),
)
STACK: Final = Record(
    24,
    (Field("ss_sp", 0, "Q", ADDRESS), Field("ss_flags", 8, "I", Flags(names.STACK)), Field("ss_size", 16, "Q", UNSIGNED)),
)
PSELECT_MASK: Final = Record(16, (Field("sigmask", 0, "Q", SIGNAL_SET), Field("sigsetsize", 8, "Q", UNSIGNED)))


def signal_information(data: bytes) -> str:
    """struct siginfo, 128 bytes."""
    signo, _errno, code = struct.unpack_from("<iii", data)
    first, second, third, utime, stime = struct.unpack_from("<iIi4xqq", data, 16)
    (address,) = struct.unpack_from("<Q", data, 16)
    (value,) = struct.unpack_from("<Q", data, 24)
    name = names.signal_name(signo)
    number = second - (second >> 31 << 32)
    parts = [f"si_signo={name}"]
    if signo == linux.SIGCHLD and code > 0 and code != linux.SI_KERNEL:
        child = names.CHILD_CODE.get(code, str(code))
        status = str(third) if code == linux.CLD_EXITED else names.signal_name(third)
        parts += [
            f"si_code={child}",
            f"si_pid={first}",
            f"si_uid={number}",
            f"si_status={status}",
            f"si_utime={utime}",
            f"si_stime={stime}",
        ]
    elif 0 < code < linux.SI_KERNEL:
        parts += [f"si_code={names.FAULT_CODE.get(signo, {}).get(code, code)}", f"si_addr={pointer(address)}"]
    else:
        parts.append(f"si_code={names.SIGNAL_CODE.get(code, code)}")
        if code in (linux.SI_USER, linux.SI_TKILL, linux.SI_QUEUE):
            parts += [f"si_pid={first}", f"si_uid={number}"]
        if code == linux.SI_QUEUE:
            parts += [f"si_int={c_int(value)}", f"si_ptr={pointer(value)}"]
    return "{" + ", ".join(parts) + "}"


SIGINFO: Final = Custom(lambda moment, word: signal_information(moment.memory.read(word, 128)) if word else "NULL")


# Processes
def wait_status(status: int) -> str:
    """A wait status in the macros that take it apart."""
    signo = status & 0x7F
    if status == 0xFFFF:
        return "WIFCONTINUED(s)"
    if status & 0xFF == 0x7F:
        return f"WIFSTOPPED(s) && WSTOPSIG(s) == {names.signal_name(status >> 8)}"
    if signo:
        return f"WIFSIGNALED(s) && WTERMSIG(s) == {names.signal_name(signo)}{' && WCOREDUMP(s)' if status & 0x80 else ''}"
    return f"WIFEXITED(s) && WEXITSTATUS(s) == {status >> 8}"


def reaped(moment: Moment, address: int) -> str:
    """The status that wait4 wrote, if there was a child."""
    if not moment.result:
        return pointer(address)
    return f"[{{{wait_status(struct.unpack('<I', moment.memory.read(address, 4))[0])}}}]"


RUSAGE: Final = Record(144, (Field("ru_utime", 0, "", TIMEVAL), Field("ru_stime", 16, "", TIMEVAL)), more=True)


def _limit(moment: Moment, value: int) -> str:
    if value == linux.RLIM_INFINITY:
        return "RLIM64_INFINITY"
    return f"{value // 1024}*1024" if value > 1024 and value % 1024 == 0 else str(value)


RLIMIT: Final = Record(16, (Field("rlim_cur", 0, "Q", Custom(_limit)), Field("rlim_max", 8, "Q", Custom(_limit))))


def clone_flags(word: int) -> str:
    """Flags, and the signal in the low byte."""
    parts = [flags(word & ~0xFF, names.CLONE)] if word & ~0xFF else []
    return "|".join([*parts, *([names.signal_name(word & 0xFF)] if word & 0xFF else [])]) or "0"


def _clone_arguments(moment: Moment, address: int) -> str:
    words = moment.memory.read_words(address, 8)
    bits, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls = words
    parts = [f"flags={flags(bits, names.CLONE)}"]
    parts += [f"pidfd={pointer(pidfd)}"] if bits & linux.CLONE_PIDFD else []
    parts += [f"child_tid={pointer(child_tid)}"] if bits & (linux.CLONE_CHILD_SETTID | linux.CLONE_CHILD_CLEARTID) else []
    parts += [f"parent_tid={pointer(parent_tid)}"] if bits & linux.CLONE_PARENT_SETTID else []
    parts += [
        f"exit_signal={names.signal_name(exit_signal) if exit_signal else 0}",
        f"stack={pointer(stack)}",
        f"stack_size={stack_size:#x}",
    ]
    parts += [f"tls={pointer(tls)}"] if bits & linux.CLONE_SETTLS else []
    return "{" + ", ".join(parts) + "}"


def _clone_results(moment: Moment, address: int) -> str | None:
    words = moment.memory.read_words(address, 4)
    if not words[0] & linux.CLONE_PARENT_SETTID:
        return None
    return f"{{parent_tid=[{struct.unpack('<i', moment.memory.read(words[3], 4))[0]}]}}"


CLONE_ARGUMENTS: Final = Changed(Custom(_clone_arguments), Custom(_clone_results))
