"""The futex system call."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final

from skerry.abi import linux
from skerry.unix import futex
from skerry.unix.arguments import c_int
from skerry.unix.errors import LinuxError

if TYPE_CHECKING:
    from skerry.unix.process import Thread

Result = int | Coroutine[Any, Any, int]
_PRIVATE: Final = 128
_CLOCK_REALTIME: Final = 256


def sys_futex(thread: Thread, address: int, operation: int, value: int, timeout: int, address2: int, value3: int) -> Result:
    command = operation & 0x7F
    process = thread.process
    memory = process.memory
    futexes = process.system.futexes
    private = bool(operation & _PRIVATE)
    key = futex.key_of(memory, address, private)
    if command in (linux.FUTEX_WAIT, linux.FUTEX_WAIT_BITSET):
        bits = value3 & futex.ANY if command == linux.FUTEX_WAIT_BITSET else futex.ANY
        if not bits:
            raise LinuxError(linux.EINVAL)
        absolute = command == linux.FUTEX_WAIT_BITSET
        deadline = futex.deadline_of(thread, timeout, absolute, bool(operation & _CLOCK_REALTIME))
        if futex.word(memory, address) != value & 0xFFFFFFFF:
            raise LinuxError(linux.EAGAIN)
        return futexes.wait(key, bits, deadline)
    count = c_int(value)
    if command == linux.FUTEX_WAKE:
        return futexes.wake_key(key, max(count, 1))
    if command == linux.FUTEX_WAKE_BITSET:
        if not value3 & futex.ANY:
            raise LinuxError(linux.EINVAL)
        return futexes.wake_key(key, max(count, 1), value3 & futex.ANY)
    if command in (linux.FUTEX_REQUEUE, linux.FUTEX_CMP_REQUEUE):
        if count < 0 or c_int(timeout) < 0:
            raise LinuxError(linux.EINVAL)
        if command == linux.FUTEX_CMP_REQUEUE and futex.word(memory, address) != value3 & 0xFFFFFFFF:
            raise LinuxError(linux.EAGAIN)
        return futexes.requeue(key, futex.key_of(memory, address2, private), count, c_int(timeout))
    if command == linux.FUTEX_WAKE_OP:
        return _wake_op(thread, key, futex.key_of(memory, address2, private), address2, count, c_int(timeout), value3)
    raise LinuxError(linux.ENOSYS)


def _wake_op(thread: Thread, key: futex.Key, key2: futex.Key, address2: int, count: int, count2: int, encoded: int) -> int:
    memory = thread.process.memory
    futexes = thread.process.system.futexes
    operand = _signed12(encoded >> 12 & 0xFFF)
    if encoded >> 28 & 8:
        operand = 1 << (operand & 31)
    old = futex.word(memory, address2)
    change = encoded >> 28 & 7
    if change > 4:
        raise LinuxError(linux.ENOSYS)
    new = (operand, old + operand, old | operand, old & ~operand, old ^ operand)[change]
    memory.write(address2, (new & 0xFFFFFFFF).to_bytes(4, "little"))
    woken = futexes.wake_key(key, count)
    signed, against = (old ^ 0x80000000) - 0x80000000, _signed12(encoded & 0xFFF)
    compare = encoded >> 24 & 0xF
    if compare > 5:
        raise LinuxError(linux.ENOSYS)
    results = (signed == against, signed != against, signed < against, signed <= against, signed > against, signed >= against)
    if results[compare]:
        woken += futexes.wake_key(key2, count2)
    return woken


def _signed12(value: int) -> int:
    return (value ^ 0x800) - 0x800
