"""Robust futexes: the locks that a thread held when it died.

A program keeps a list of them in its memory. Each is marked, in the byte that says so, before its owner is taken away: so no other thread
can find it free and unmarked. (A waiter's mark that comes between is lost, but that waiter finds another word than it compared with.)

Source: get_robust_list(2), Documentation/locking/robust-futex-ABI.rst.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.unix import futex, futex_pi

if TYPE_CHECKING:
    from skerry.unix.process import Thread

LIMIT: Final = 2048  # entries of a list that are looked at
HEAD_SIZE: Final = 24  # bytes of a struct robust_list_head
_INHERITS: Final = 1  # in an entry's address: the futex has an owner (FUTEX_LOCK_PI)


def release(thread: Thread) -> None:
    """The thread dies: the locks on its list are marked, and go to a waiter each or wake one. Raises Fault."""
    if not thread.robust_list:
        return
    memory = thread.process.memory
    head = thread.robust_list
    entry, offset, pending = struct.unpack("<QqQ", memory.read(head, HEAD_SIZE))
    for _ in range(LIMIT):
        if entry & ~_INHERITS == head:
            break
        following = int.from_bytes(memory.read(entry & ~_INHERITS, 8), "little")
        if entry & ~_INHERITS != pending & ~_INHERITS:
            _mark_dead(thread, entry, offset)
        entry = following
    if pending:
        _mark_dead(thread, pending, offset)


def _mark_dead(thread: Thread, entry: int, offset: int) -> None:
    memory = thread.process.memory
    futexes = thread.process.system.futexes
    address = (entry & ~_INHERITS) + offset
    value = futex.word(memory, address)
    if value & linux.FUTEX_TID_MASK != thread.tid:
        return
    key = futex.key_of(memory, address, False)
    if entry & _INHERITS and any(futex_pi.hand_over(thread, name, linux.FUTEX_OWNER_DIED) for name in (key, (memory, address))):
        return
    mark = value & linux.FUTEX_WAITERS | linux.FUTEX_OWNER_DIED
    memory.write(address + 3, bytes((mark >> 24,)))
    memory.write(address, mark.to_bytes(4, "little"))
    if value & linux.FUTEX_WAITERS and not entry & _INHERITS:
        futexes.wake(memory, address, 1)
