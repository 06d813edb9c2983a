"""The system calls of epoll."""

from __future__ import annotations

import struct
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final

from skerry.abi import linux
from skerry.lib.coroutine import NEVER
from skerry.unix.anonymous import install
from skerry.unix.arguments import c_int
from skerry.unix.epoll import Epoll, Event
from skerry.unix.errors import LinuxError
from skerry.unix.futex import deadline_of
from skerry.unix.syscalls.poll import restore_mask, swap_mask

if TYPE_CHECKING:
    from skerry.unix.process import Thread

Result = int | Coroutine[Any, Any, int]
_EVENT: Final = struct.Struct("<IQ")  # struct epoll_event, packed
MAX_EVENTS: Final = 0x7FFFFFFF // _EVENT.size
MILLISECOND: Final = 1_000_000  # ns


def sys_epoll_create(thread: Thread, size: int) -> Result:
    if c_int(size) <= 0:
        raise LinuxError(linux.EINVAL)
    return sys_epoll_create1(thread, 0)


def sys_epoll_create1(thread: Thread, flags: int) -> Result:
    if flags & ~linux.EPOLL_CLOEXEC:
        raise LinuxError(linux.EINVAL)
    return install(thread.process, Epoll(thread.process), flags)


def sys_epoll_ctl(thread: Thread, epfd: int, command: int, fd: int, address: int) -> Result:
    process = thread.process
    words = data = 0
    if command != linux.EPOLL_CTL_DEL:
        words, data = _EVENT.unpack(process.memory.read(address, _EVENT.size))
    epoll = process.files.usable(c_int(epfd))
    fd = c_int(fd)
    file = process.files.usable(fd)
    if not file.pollable:
        raise LinuxError(linux.EPERM)
    if file is epoll or not isinstance(epoll, Epoll):
        raise LinuxError(linux.EINVAL)
    if command == linux.EPOLL_CTL_ADD:
        epoll.add(fd, file, words, data)
    elif command == linux.EPOLL_CTL_MOD:
        epoll.modify(fd, file, words, data)
    elif command == linux.EPOLL_CTL_DEL:
        epoll.delete(fd, file)
    else:
        raise LinuxError(linux.EINVAL)
    return 0


def sys_epoll_wait(thread: Thread, epfd: int, address: int, limit: int, timeout: int) -> Result:
    return _wait(thread, epfd, address, limit, _deadline(thread, timeout))


def sys_epoll_pwait(thread: Thread, epfd: int, address: int, limit: int, timeout: int, mask: int, size: int) -> Result:
    deadline = _deadline(thread, timeout)
    swap_mask(thread, mask, size)
    return _wait(thread, epfd, address, limit, deadline)


def sys_epoll_pwait2(thread: Thread, epfd: int, address: int, limit: int, timeout: int, mask: int, size: int) -> Result:
    deadline = deadline_of(thread, timeout, False, False)
    swap_mask(thread, mask, size)
    return _wait(thread, epfd, address, limit, deadline)


def _deadline(thread: Thread, timeout: int) -> int:
    milliseconds = c_int(timeout)
    return NEVER if milliseconds < 0 else thread.process.system.platform.monotonic() + milliseconds * MILLISECOND


def _wait(thread: Thread, epfd: int, address: int, limit: int, deadline: int) -> Result:
    try:
        epoll, count = _checked(thread, epfd, address, limit)
        if events := epoll.take(count):
            return _report(thread, address, events)
    except LinuxError:
        restore_mask(thread)
        raise
    if deadline <= thread.process.system.platform.monotonic():
        restore_mask(thread)
        return 0
    return _wait_later(thread, epoll, address, count, deadline)


def _checked(thread: Thread, epfd: int, address: int, limit: int) -> tuple[Epoll, int]:
    count = c_int(limit)
    if not 0 < count <= MAX_EVENTS:
        raise LinuxError(linux.EINVAL)
    process = thread.process
    if address + count * _EVENT.size > process.memory.space.limit:
        raise LinuxError(linux.EFAULT)
    epoll = process.files.usable(c_int(epfd))
    if not isinstance(epoll, Epoll):
        raise LinuxError(linux.EINVAL)
    return epoll, count


async def _wait_later(thread: Thread, epoll: Epoll, address: int, limit: int, deadline: int) -> int:
    epoll.hold()
    try:
        while await epoll.changed.wait(deadline):
            if events := epoll.take(limit):
                return _report(thread, address, events)
        events = epoll.take(limit)
    finally:
        epoll.release()
    return _report(thread, address, events)


def _report(thread: Thread, address: int, events: list[Event]) -> int:
    if events:
        restore_mask(thread)
        thread.process.memory.write(address, b"".join([_EVENT.pack(*event) for event in events]))
    return len(events)
