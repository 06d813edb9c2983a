"""The futex system call."""

from __future__ import annotations

import struct
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final

from skerry.abi import linux
from skerry.lib.coroutine import NEVER
from skerry.unix import futex, futex_pi, robust
from skerry.unix.arguments import c_int
from skerry.unix.errors import LinuxError

if TYPE_CHECKING:
    from skerry.unix.process import Thread

Result = int | Coroutine[Any, Any, int]
_PRIVATE: Final = 128
_CLOCK_REALTIME: Final = 256
_WAITV_SIZE: Final = 24  # bytes of a struct futex_waitv


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
    if command in (linux.FUTEX_LOCK_PI, linux.FUTEX_LOCK_PI2):
        realtime = command == linux.FUTEX_LOCK_PI or bool(operation & _CLOCK_REALTIME)
        return futex_pi.lock(thread, key, address, futex.deadline_of(thread, timeout, True, realtime), True)
    if command == linux.FUTEX_TRYLOCK_PI:
        return futex_pi.lock(thread, key, address, NEVER, False)
    if command == linux.FUTEX_UNLOCK_PI:
        return futex_pi.unlock(thread, key, address)
    if command == linux.FUTEX_WAKE_OP:
        return _wake_op(thread, key, futex.key_of(memory, address2, private), address2, count, c_int(timeout), value3)
    raise LinuxError(linux.ENOSYS)


def sys_futex_waitv(thread: Thread, address: int, count: int, flags: int, timeout: int, clock: int) -> Result:
    if flags or not address or not 0 < count <= linux.FUTEX_WAITV_MAX:
        raise LinuxError(linux.EINVAL)
    if timeout and clock not in (linux.CLOCK_MONOTONIC, linux.CLOCK_REALTIME):
        raise LinuxError(linux.EINVAL)
    deadline = futex.deadline_of(thread, timeout, True, clock == linux.CLOCK_REALTIME)
    memory = thread.process.memory
    wanted = list(struct.iter_unpack("<QQII", memory.read(address, _WAITV_SIZE * count)))
    for _, at, how, reserved in wanted:
        if how & ~(linux.FUTEX_32 | _PRIVATE) or not how & linux.FUTEX_32 or reserved or at & 3:
            raise LinuxError(linux.EINVAL)
    if any(futex.word(memory, at) != value for value, at, _, _ in wanted):
        raise LinuxError(linux.EAGAIN)
    keys = [futex.key_of(memory, at, bool(how & _PRIVATE)) for _, at, how, _ in wanted]
    return thread.process.system.futexes.wait_many(keys, deadline)


def sys_get_robust_list(thread: Thread, tid: int, head: int, size: int) -> Result:
    tid = c_int(tid)
    threads = [p.threads[tid] for p in thread.process.system.processes.values() if tid in p.threads] if tid else [thread]
    if not threads:
        raise LinuxError(linux.ESRCH)
    who, whom = thread.process.credentials, threads[0].process.credentials
    if who.fsuid and who.fsuid not in (whom.uid, whom.euid):
        raise LinuxError(linux.EPERM)
    memory = thread.process.memory
    memory.write(size, struct.pack("<Q", robust.HEAD_SIZE))
    memory.write(head, struct.pack("<Q", threads[0].robust_list))
    return 0


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
