"""poll, select, and their kin."""

from __future__ import annotations

import struct
from collections.abc import Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from skerry.abi import linux
from skerry.abi.fault import Fault
from skerry.lib.coroutine import NEVER, wait_any
from skerry.unix import signals
from skerry.unix.arguments import c_int
from skerry.unix.errors import LinuxError
from skerry.unix.files import OpenFile
from skerry.unix.futex import deadline_of

if TYPE_CHECKING:
    from skerry.unix.process import Thread

Result = int | Coroutine[Any, Any, int]
SECOND: Final = 1_000_000_000  # ns
MICROSECOND: Final = 1000
MASK_SIZE: Final = 8  # bytes of a signal set
_ALWAYS: Final = linux.POLLERR | linux.POLLHUP
_SETS: Final = (  # what makes a descriptor ready in each set of select
    linux.POLLIN | linux.POLLRDNORM | linux.POLLHUP | linux.POLLERR,
    linux.POLLOUT | linux.POLLWRNORM | linux.POLLERR,
    linux.POLLPRI,
)

Wanted = list[tuple[int, int, OpenFile | None]]  # descriptor, events, file


def sys_poll(thread: Thread, address: int, count: int, timeout: int) -> Result:
    milliseconds = c_int(timeout)
    deadline = NEVER if milliseconds < 0 else thread.process.system.platform.monotonic() + milliseconds * 1_000_000
    return _poll(thread, address, count, deadline, milliseconds == 0)


def sys_ppoll(thread: Thread, address: int, count: int, timeout: int, mask: int, size: int) -> Result:
    deadline = deadline_of(thread, timeout, False, False)
    swap_mask(thread, mask, size)
    return _poll(thread, address, count, deadline, deadline <= thread.process.system.platform.monotonic(), timeout)


def swap_mask(thread: Thread, address: int, size: int) -> None:
    """The mask at ``address``, if any, for the duration of the call; it is put back where signals are delivered. Raises Fault, EINVAL."""
    if address:
        if size != MASK_SIZE:
            raise LinuxError(linux.EINVAL)
        (mask,) = thread.process.memory.read_words(address, 1)
        thread.saved_mask = thread.mask
        thread.mask = mask & ~signals.UNBLOCKABLE


def restore_mask(thread: Thread) -> None:
    """Put it back at once: the call ends without a signal, and what it let through stays pending."""
    if thread.saved_mask is not None:
        thread.mask = thread.saved_mask
        thread.saved_mask = None


def _interruptible(thread: Thread) -> None:
    """Nothing is ready. Raises EINTR if the mask of the call lets a signal through."""
    if thread.saved_mask is not None and signals.has_pending(thread):
        raise LinuxError(linux.EINTR)


def _poll(thread: Thread, address: int, count: int, deadline: int, at_once: bool, timeout: int = 0) -> Result:
    """``timeout``: where a struct timespec is to say what is left of the time."""
    process = thread.process
    if count > process.files.limit:
        raise LinuxError(linux.EINVAL)
    fields = struct.unpack("<" + "ihh" * count, process.memory.read(address, 8 * count))
    files = process.files.files
    wanted: Wanted = [(fd, events | _ALWAYS, files.get(fd)) for fd, events in zip(fields[::3], fields[1::3], strict=True)]
    bits = _look(wanted)
    if not any(bits):
        _interruptible(thread)
    if any(bits) or at_once:
        return _report(thread, address, bits)
    return _poll_later(thread, address, wanted, deadline, timeout)


def _look(wanted: Wanted) -> list[int]:
    return [(file.poll() & events if file is not None else linux.POLLNVAL if fd >= 0 else 0) for fd, events, file in wanted]


async def _poll_later(thread: Thread, address: int, wanted: Wanted, deadline: int, timeout: int) -> int:
    try:
        bits = await _wait(wanted, deadline)
    finally:
        _say_left(thread, deadline, timeout, 1)
    return _report(thread, address, bits)


async def _wait(wanted: Wanted, deadline: int) -> list[int]:
    queues = [file.changed for _, _, file in wanted if file is not None]
    while True:
        in_time = await wait_any(queues, deadline)
        bits = _look(wanted)
        if any(bits) or not in_time:
            return bits


def _report(thread: Thread, address: int, bits: list[int]) -> int:
    restore_mask(thread)
    memory = thread.process.memory
    data = bytearray(memory.read(address, 8 * len(bits)))
    for index, value in enumerate(bits):
        struct.pack_into("<h", data, 8 * index + 6, value)
    if data:
        memory.write(address, data)
    return sum(1 for value in bits if value)


def sys_select(thread: Thread, count: int, reads: int, writes: int, others: int, timeout: int) -> Result:
    deadline = NEVER
    if timeout:
        seconds, microseconds = struct.unpack("<qq", thread.process.memory.read(timeout, 16))
        if seconds < 0 or microseconds < 0:
            raise LinuxError(linux.EINVAL)
        deadline = thread.process.system.platform.monotonic() + seconds * SECOND + microseconds * MICROSECOND
    return _select(thread, c_int(count), (reads, writes, others), deadline, timeout, MICROSECOND)


def sys_pselect6(thread: Thread, count: int, reads: int, writes: int, others: int, timeout: int, masks: int) -> Result:
    deadline = deadline_of(thread, timeout, False, False)
    if masks:
        swap_mask(thread, *thread.process.memory.read_words(masks, 2))
    return _select(thread, c_int(count), (reads, writes, others), deadline, timeout, 1)


def _select(thread: Thread, count: int, addresses: tuple[int, int, int], deadline: int, timeout: int, unit: int) -> Result:
    if count < 0:
        raise LinuxError(linux.EINVAL)
    process = thread.process
    count = min(count, process.files.limit)
    size = (count + 63) // 64 * 8
    sets = [int.from_bytes(process.memory.read(a, size), "little") if a and size else 0 for a in addresses]
    wanted: Wanted = []
    for fd in range(count):
        events = 0
        for index in range(3):
            if sets[index] >> fd & 1:
                events |= _SETS[index]
        if events:
            wanted.append((fd, events, process.files[fd]))
    bits = _look(wanted)
    if not any(bits):
        _interruptible(thread)
    if any(bits) or deadline <= process.system.platform.monotonic():
        return _report_select(thread, addresses, size, sets, wanted, bits)
    return _select_later(thread, addresses, size, sets, wanted, deadline, timeout, unit)


def _say_left(thread: Thread, deadline: int, address: int, unit: int) -> None:
    """Write what is left of the time, in seconds and units of ``unit`` ns, to ``address``, if that can be written."""
    if address:
        left = max(0, deadline - thread.process.system.platform.monotonic()) // unit
        with suppress(Fault):
            thread.process.memory.write(address, struct.pack("<qq", *divmod(left, SECOND // unit)))


async def _select_later(
    thread: Thread, addresses: tuple[int, int, int], size: int, sets: list[int], wanted: Wanted, deadline: int, timeout: int, unit: int
) -> int:
    try:
        bits = await _wait(wanted, deadline)
    finally:
        _say_left(thread, deadline, timeout, unit)
    return _report_select(thread, addresses, size, sets, wanted, bits)


def _report_select(thread: Thread, addresses: tuple[int, int, int], size: int, sets: list[int], wanted: Wanted, bits: list[int]) -> int:
    restore_mask(thread)
    ready = 0
    for index, address in enumerate(addresses):
        if not address or not size:
            continue
        result = 0
        for (fd, _, _), value in zip(wanted, bits, strict=True):
            if sets[index] >> fd & 1 and value & _SETS[index]:
                result |= 1 << fd
        ready += result.bit_count()
        thread.process.memory.write(address, result.to_bytes(size, "little"))
    return ready
