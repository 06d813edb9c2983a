"""System calls of asynchronous input and output.

A context's name is the address of a page of zeros in the program: libaio looks there for a ring of events that it may read itself, and,
finding none, makes the call.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from skerry.abi import linux
from skerry.abi.fault import Fault
from skerry.unix.aio import (
    EVENT,
    IOCB_CMD_FDSYNC,
    IOCB_CMD_FSYNC,
    IOCB_CMD_PREAD,
    IOCB_CMD_PREADV,
    IOCB_CMD_PWRITE,
    IOCB_CMD_PWRITEV,
    IOCB_FLAG_IOPRIO,
    IOCB_FLAG_RESFD,
    IOCB_SIZE,
    MAX_REQUESTS,
    Context,
    Request,
)
from skerry.unix.answers import retried
from skerry.unix.arguments import c_long
from skerry.unix.errors import LinuxError
from skerry.unix.eventfd import EventFile
from skerry.unix.futex import deadline_of
from skerry.unix.memory import PAGE
from skerry.unix.syscalls import descriptors
from skerry.unix.syscalls.poll import restore_mask, swap_mask

if TYPE_CHECKING:
    from skerry.unix.process import Thread

Result = int | Coroutine[Any, Any, int]

_TRANSFERS: Final[dict[int, Callable[[Thread, int, int, int, int], Result]]] = {
    IOCB_CMD_PREAD: descriptors.sys_pread64,
    IOCB_CMD_PWRITE: descriptors.sys_pwrite64,
    IOCB_CMD_PREADV: descriptors.sys_preadv,
    IOCB_CMD_PWRITEV: descriptors.sys_pwritev,
}


def sys_io_setup(thread: Thread, count: int, address: int) -> int:
    process = thread.process
    memory = process.memory
    (name,) = memory.read_words(address, 1)
    count &= 0xFFFFFFFF
    if name or not count or count > 0x10000000:
        raise LinuxError(linux.EINVAL)
    if sum(context.capacity for context in process.aio.values()) + count > MAX_REQUESTS:
        raise LinuxError(linux.EAGAIN)
    name = memory.free_range(PAGE)
    memory.map(name, PAGE, linux.PROT_READ | linux.PROT_WRITE, False, None, 0, b"/[aio]")
    memory.commit(name, PAGE)
    process.aio[name] = Context(count)
    memory.write(address, name.to_bytes(8, "little"))
    return 0


def sys_io_destroy(thread: Thread, name: int) -> int:
    context = _context(thread, name)
    del thread.process.aio[name]
    context.destroyed = True
    context.arrived.wake()
    thread.process.memory.unmap(name, PAGE)
    return 0


def _context(thread: Thread, name: int) -> Context:
    """Raises EINVAL."""
    context = thread.process.aio.get(name)
    if context is None:
        raise LinuxError(linux.EINVAL)
    return context


async def sys_io_submit(thread: Thread, name: int, count: int, addresses: int) -> int:
    context = _context(thread, name)
    if c_long(count) < 0:
        raise LinuxError(linux.EINVAL)
    done = 0
    try:
        while done < count:
            if not context.room:
                raise LinuxError(linux.EAGAIN)
            (address,) = thread.process.memory.read_words(addresses + 8 * done, 1)
            await _submit(thread, context, address)
            done += 1
    except (LinuxError, Fault):
        if not done:
            raise
    return done


async def _submit(thread: Thread, context: Context, address: int) -> None:
    """Carry out one request. Raises what makes it none: EINVAL, EBADF, Fault; what it comes to is its event."""
    memory = thread.process.memory
    request = Request.unpack(memory.read(address, IOCB_SIZE))
    if request.reserved or request.flags & ~(IOCB_FLAG_RESFD | IOCB_FLAG_IOPRIO) or c_long(request.length) < 0:
        raise LinuxError(linux.EINVAL)
    files = thread.process.files
    file = files.usable(request.fd)
    signalled = files[request.eventfd] if request.flags & IOCB_FLAG_RESFD else None
    if signalled is not None and not isinstance(signalled, EventFile):
        raise LinuxError(linux.EINVAL)
    memory.write(address + 8, bytes(4))  # aio_key
    try:
        if request.opcode in (IOCB_CMD_FSYNC, IOCB_CMD_FDSYNC):
            await retried(thread, file.sync)
            result = 0
        else:
            transfer = _TRANSFERS.get(request.opcode)
            if transfer is None or request.rw_flags:
                raise LinuxError(linux.EINVAL)
            words = (request.fd, request.buffer, request.length, request.offset & (1 << 64) - 1)
            result = await retried(thread, partial(transfer, thread, *words))  # those before it are not carried out again
    except LinuxError as error:
        if error.errno in (linux.EINVAL, linux.EBADF, linux.ESPIPE):  # found before anything is begun
            raise
        result = -error.errno
    except Fault:
        result = -linux.EFAULT
    context.complete(request.data, address, result)
    if signalled is not None:
        signalled.write((1).to_bytes(8, "little"))


def sys_io_getevents(thread: Thread, name: int, least: int, most: int, address: int, timeout: int) -> Result:
    deadline = deadline_of(thread, timeout, False, False)
    return _fetch(thread, _context(thread, name), least, most, address, deadline)


def sys_io_pgetevents(thread: Thread, name: int, least: int, most: int, address: int, timeout: int, mask: int) -> Result:
    deadline = deadline_of(thread, timeout, False, False)
    context = _context(thread, name)
    if mask:
        signals, size = thread.process.memory.read_words(mask, 2)
        swap_mask(thread, signals, size)
    return _fetch(thread, context, least, most, address, deadline)


async def _fetch(thread: Thread, context: Context, least: int, most: int, address: int, deadline: int) -> int:
    if not 0 <= c_long(least) <= c_long(most):
        restore_mask(thread)
        raise LinuxError(linux.EINVAL)
    while len(context.events) < least and not context.destroyed and await context.arrived.wait(deadline):
        pass
    restore_mask(thread)
    if context.destroyed:
        raise LinuxError(linux.EINVAL)
    events = context.take(most)
    thread.process.memory.write(address, events)
    return len(events) // EVENT.size


def sys_io_cancel(thread: Thread, name: int, request: int, address: int) -> int:
    """EINVAL: every request is done already."""
    thread.process.memory.read(request, IOCB_SIZE)
    _context(thread, name)
    raise LinuxError(linux.EINVAL)
