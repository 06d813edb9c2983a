"""prctl: what a process or a thread says of itself.

Source: prctl(2).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.unix.arguments import c_int
from skerry.unix.capabilities import CAP_SETPCAP
from skerry.unix.errors import LinuxError
from skerry.unix.memory import PAGE
from skerry.unix.syscalls import capabilities, seccomp

if TYPE_CHECKING:
    from skerry.unix.process import Thread

SIGNALS: Final = 64
NAME_SIZE: Final = 16
TIMER_SLACK: Final = 50_000  # ns
VMA_NAME_MAX: Final = 80
_SECURE_BITS: Final = 0xFF
_PR_GET_TIMING: Final = 13
_PR_SET_TIMING: Final = 14
_PR_PERF_EVENTS_DISABLE: Final = 31
_PR_PERF_EVENTS_ENABLE: Final = 32


def _set_name(thread: Thread, address: int) -> int:
    memory = thread.process.memory
    thread.name = (memory.read_string(address, NAME_SIZE) or memory.read(address, NAME_SIZE - 1)).split(b"\0")[0][: NAME_SIZE - 1]
    return 0


def _get_name(thread: Thread, address: int) -> int:
    thread.process.memory.write(address, thread.name.ljust(NAME_SIZE, b"\0"))
    return 0


def _set_dumpable(thread: Thread, value: int) -> int:
    thread.process.dumpable = _flag(value)
    return 0


def _flag(value: int) -> int:
    """0 or 1. Raises EINVAL."""
    if value > 1:
        raise LinuxError(linux.EINVAL)
    return value


def _set_death_signal(thread: Thread, signo: int) -> int:
    if signo > SIGNALS:
        raise LinuxError(linux.EINVAL)
    thread.process.death_signal = signo
    return 0


def _store(thread: Thread, address: int, value: int) -> int:
    thread.process.memory.write(address, struct.pack("<i", value))
    return 0


def _set_subreaper(thread: Thread, value: int) -> int:
    thread.process.subreaper = bool(value)
    return 0


def _set_keep_capabilities(thread: Thread, value: int) -> int:
    thread.process.credentials.keep_capabilities = bool(_flag(value))
    return 0


def _set_timer_slack(thread: Thread, value: int) -> int:
    thread.timer_slack = value if 0 < value < 1 << 63 else TIMER_SLACK
    return 0


def _set_secure_bits(thread: Thread, value: int) -> int:
    who = thread.process.credentials
    if value & ~_SECURE_BITS or not who.capabilities.effective & CAP_SETPCAP:
        raise LinuxError(linux.EPERM)
    who.secure_bits = value
    return 0


def _get_dumpable(thread: Thread, _: int) -> int:
    return thread.process.dumpable


def _get_death_signal(thread: Thread, address: int) -> int:
    return _store(thread, address, thread.process.death_signal)


def _get_subreaper(thread: Thread, address: int) -> int:
    return _store(thread, address, thread.process.subreaper)


def _get_keep_capabilities(thread: Thread, _: int) -> int:
    return int(thread.process.credentials.keep_capabilities)


def _get_secure_bits(thread: Thread, _: int) -> int:
    return thread.process.credentials.secure_bits


def _get_timer_slack(thread: Thread, _: int) -> int:
    return thread.timer_slack


def _set_time_stamp_counter(thread: Thread, value: int) -> int:
    """It can be read, and that cannot be taken away."""
    if value != 1:  # PR_TSC_ENABLE
        raise LinuxError(linux.EINVAL)
    return 0


def _get_tid_address(thread: Thread, address: int) -> int:
    thread.process.memory.write(address, struct.pack("<Q", thread.clear_child_tid))
    return 0


def _set_timing(thread: Thread, value: int) -> int:
    if value:  # PR_TIMING_TIMESTAMP
        raise LinuxError(linux.EINVAL)
    return 0


def _get_time_stamp_counter(thread: Thread, address: int) -> int:
    return _store(thread, address, 1)  # PR_TSC_ENABLE


def _nothing(thread: Thread, _: int) -> int:
    return 0


_ONE: Final[dict[int, Callable[[Thread, int], int]]] = {  # options that look at one argument
    linux.PR_SET_NAME: _set_name,
    linux.PR_GET_NAME: _get_name,
    linux.PR_SET_DUMPABLE: _set_dumpable,
    linux.PR_GET_DUMPABLE: _get_dumpable,
    linux.PR_SET_PDEATHSIG: _set_death_signal,
    linux.PR_GET_PDEATHSIG: _get_death_signal,
    linux.PR_SET_CHILD_SUBREAPER: _set_subreaper,
    linux.PR_GET_CHILD_SUBREAPER: _get_subreaper,
    linux.PR_CAPBSET_READ: capabilities.read_bounding,
    linux.PR_CAPBSET_DROP: capabilities.drop_bounding,
    linux.PR_SET_KEEPCAPS: _set_keep_capabilities,
    linux.PR_GET_KEEPCAPS: _get_keep_capabilities,
    linux.PR_SET_SECUREBITS: _set_secure_bits,
    linux.PR_GET_SECUREBITS: _get_secure_bits,
    linux.PR_SET_TIMERSLACK: _set_timer_slack,
    linux.PR_GET_TIMERSLACK: _get_timer_slack,
    linux.PR_GET_TSC: _get_time_stamp_counter,
    linux.PR_SET_TSC: _set_time_stamp_counter,
    linux.PR_GET_TID_ADDRESS: _get_tid_address,
    _PR_GET_TIMING: _nothing,  # PR_TIMING_STATISTICAL
    _PR_SET_TIMING: _set_timing,
    _PR_PERF_EVENTS_DISABLE: _nothing,  # there are none
    _PR_PERF_EVENTS_ENABLE: _nothing,
    linux.PR_GET_SECCOMP: seccomp.get_mode,
    linux.PR_SET_PTRACER: _nothing,  # who may, may: there is no Yama
}


def _no_new_privileges(thread: Thread, *words: int) -> int:
    if words != (1, 0, 0, 0):
        raise LinuxError(linux.EINVAL)
    thread.process.no_new_privileges = 1
    return 0


def _name_mapping(thread: Thread, kind: int, address: int, length: int, name: int) -> int:
    """PR_SET_VMA: the name is checked and not kept."""
    memory = thread.process.memory
    if kind != linux.PR_SET_VMA_ANON_NAME or address % PAGE:
        raise LinuxError(linux.EINVAL)
    if name:
        text = memory.read_string(name, VMA_NAME_MAX)
        if text is None or any(not 32 <= byte < 127 or byte in b"\\`$[]" for byte in text):
            raise LinuxError(linux.EINVAL)
    if length and not memory.is_mapped(address, length):
        raise LinuxError(linux.ENOMEM)
    return 0


def _get_no_new_privileges(thread: Thread, *words: int) -> int:
    if any(words):
        raise LinuxError(linux.EINVAL)
    return thread.process.no_new_privileges


def _get_huge_pages(thread: Thread, *words: int) -> int:
    if any(words):
        raise LinuxError(linux.EINVAL)
    return thread.process.no_huge_pages


def _set_huge_pages(thread: Thread, value: int, *words: int) -> int:
    if any(words):
        raise LinuxError(linux.EINVAL)
    thread.process.no_huge_pages = int(bool(value))
    return 0


def _ambient(thread: Thread, command: int, capability: int, *words: int) -> int:
    if any(words):
        raise LinuxError(linux.EINVAL)
    return capabilities.ambient(thread, command, capability)


_ALL: Final[dict[int, Callable[..., int]]] = {  # options that look at all four
    linux.PR_SET_NO_NEW_PRIVS: _no_new_privileges,
    linux.PR_GET_NO_NEW_PRIVS: _get_no_new_privileges,
    linux.PR_SET_THP_DISABLE: _set_huge_pages,
    linux.PR_GET_THP_DISABLE: _get_huge_pages,
    linux.PR_SET_VMA: _name_mapping,
    linux.PR_SET_SECCOMP: lambda thread, mode, address, *_: seccomp.set_mode(thread, mode, address),
    linux.PR_CAP_AMBIENT: _ambient,
}


def sys_prctl(thread: Thread, option: int, a: int, b: int, c: int, d: int) -> int:
    option = c_int(option)
    one = _ONE.get(option)
    if one is not None:
        return one(thread, a)
    handler = _ALL.get(option)
    if handler is None:
        raise LinuxError(linux.EINVAL)
    return handler(thread, a, b, c, d)
