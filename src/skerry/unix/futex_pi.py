"""Futexes whose word says who owns them: the thread's number, 0 for nobody, and a bit that there are waiters.

Programs take and leave such a lock by compare-and-exchange, on another processor at any time; once FUTEX_WAITERS is set they come here.
That bit lies in a byte of its own, for no thread's number reaches 2^24: so the server sets it by storing one byte, looks again, and has
the word to itself if nobody owns it. A word that is given to somebody keeps the bit until its last byte is stored.

The lock goes to the waiter of the highest static priority, the longest waiting among equals. The owner inherits nothing: which thread runs
is the host's to say.

Source: futex(2), FUTEX_LOCK_PI and following; Documentation/locking/pi-futex.rst.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from skerry.abi import linux
from skerry.lib.coroutine import Interrupted, WaitQueue, wait_any
from skerry.unix.errors import LinuxError
from skerry.unix.futex import Key, word

if TYPE_CHECKING:
    from skerry.unix.process import Thread

Result = int | Coroutine[Any, Any, int]
_WAITERS_BYTE = linux.FUTEX_WAITERS >> 24


class Waiter:
    """A thread that waits to own the word at ``address`` of its memory."""

    __slots__ = ("address", "owns", "queue", "thread")

    def __init__(self, thread: Thread, address: int) -> None:
        self.thread = thread
        self.address = address
        self.queue = WaitQueue()
        self.owns = False


def lock(thread: Thread, key: Key, address: int, deadline: int, wait: bool) -> Result:
    """Own the word, waiting if ``wait``. Raises EDEADLK, ESRCH (the owner is no more), EAGAIN, ETIMEDOUT; Fault."""
    memory = thread.process.memory
    waiters = thread.process.system.futexes.owners.get(key, [])
    value = word(memory, address)
    memory.write(address + 3, bytes((value >> 24 | _WAITERS_BYTE,)))
    value = word(memory, address)
    owner = value & linux.FUTEX_TID_MASK
    if owner == thread.tid:
        raise LinuxError(linux.EDEADLK)
    if not owner:
        _give(thread, address, value & linux.FUTEX_OWNER_DIED, bool(waiters))
        return 0
    if not wait:
        raise LinuxError(linux.EAGAIN)
    if not any(owner in process.threads for process in thread.process.system.processes.values()):
        raise LinuxError(linux.ESRCH)
    return _wait(thread, key, address, deadline)


def _give(thread: Thread, address: int, died: int, waiters: bool) -> None:
    value = thread.tid | died | (linux.FUTEX_WAITERS if waiters else 0)
    thread.process.memory.write(address, value.to_bytes(4, "little"))


async def _wait(thread: Thread, key: Key, address: int, deadline: int) -> int:
    owners = thread.process.system.futexes.owners
    waiter = Waiter(thread, address)
    owners.setdefault(key, []).append(waiter)
    thread.restarts_always = True
    try:
        await wait_any((waiter.queue,), deadline)
    except Interrupted:
        if waiter.owns:
            thread.restarts_always = False
            return 0
        raise
    else:
        thread.restarts_always = False
    finally:
        if not waiter.owns:
            owners[key].remove(waiter)
            if not owners[key]:
                del owners[key]
    if not waiter.owns:
        raise LinuxError(linux.ETIMEDOUT)
    return 0


def unlock(thread: Thread, key: Key, address: int) -> int:
    """Give the word to who waits for it, or to nobody. Raises EPERM where the thread does not own it; Fault."""
    memory = thread.process.memory
    if word(memory, address) & linux.FUTEX_TID_MASK != thread.tid:
        raise LinuxError(linux.EPERM)
    if not hand_over(thread, key, 0):
        memory.write(address, bytes(4))
    return 0


def hand_over(thread: Thread, key: Key, died: int) -> bool:
    """Give the thread's word to the next waiter, marked as waited for; ``died``: FUTEX_OWNER_DIED or 0.

    False if nobody waits. Raises Fault.
    """
    owners = thread.process.system.futexes.owners
    waiters = owners.get(key)
    if not waiters:
        return False
    following = max(waiters, key=lambda waiter: waiter.thread.process.static_priority)  # the first of equals
    _give(following.thread, following.address, died, True)
    following.owns = True
    waiters.remove(following)
    if not waiters:
        del owners[key]
    following.queue.wake()
    return True


def release_all(thread: Thread) -> None:
    """The thread dies: what others wait for, and it owns, goes to them. Raises Fault."""
    for key, waiters in list(thread.process.system.futexes.owners.items()):
        first = waiters[0]
        if word(first.thread.process.memory, first.address) & linux.FUTEX_TID_MASK == thread.tid:
            hand_over(thread, key, linux.FUTEX_OWNER_DIED)
