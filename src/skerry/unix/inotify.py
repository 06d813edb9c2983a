"""Files that events of watched inodes are read from.

Changes that programs of this system make in memory and in copy-on-write trees are reported; those of the host, or of what is bound with rw,
are not. A file that has several names in watched directories is reported under each of them.

Source: inotify(7), inotify_add_watch(2), inotify_rm_watch(2).
"""

from __future__ import annotations

import struct
from collections import deque
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.unix import notify
from skerry.unix.anonymous import AnonymousFile
from skerry.unix.errors import LinuxError

if TYPE_CHECKING:
    from skerry.unix.inode import Inode
    from skerry.unix.process import Process, Thread

IN_Q_OVERFLOW: Final = 0x4000
IN_IGNORED: Final = 0x8000
IN_ONLYDIR: Final = 0x01000000
IN_DONT_FOLLOW: Final = 0x02000000
IN_EXCL_UNLINK: Final = 0x04000000
IN_MASK_CREATE: Final = 0x10000000
IN_MASK_ADD: Final = 0x20000000
IN_ONESHOT: Final = 0x80000000
EVENTS: Final = 0xFFF
FLAGS: Final = IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK | IN_MASK_CREATE | IN_MASK_ADD | IN_ONESHOT
MAX_QUEUED: Final = 16384
_HEADER: Final = struct.Struct("<iIII")
_SELF: Final = notify.IN_DELETE_SELF | notify.IN_MOVE_SELF

Event = tuple[int, int, int, bytes]  # watch, mask, cookie, name


def pack(event: Event) -> bytes:
    """struct inotify_event, its name padded to whole headers."""
    watch, mask, cookie, name = event
    length = (len(name) + _HEADER.size) // _HEADER.size * _HEADER.size if name else 0
    return _HEADER.pack(watch, mask, cookie, length) + name.ljust(length, b"\0")


class InodeWatch:
    """One inode that an instance watches, for the events in ``mask``."""

    def __init__(self, instance: Inotify, number: int, inode: Inode, mask: int) -> None:
        self.mask = mask
        self.number = number
        self._instance = instance
        self._inode = inode
        notify.watch(inode, self)

    def event(self, mask: int, name: bytes = b"", cookie: int = 0) -> None:
        if not mask & self.mask & EVENTS:
            return
        if mask & _SELF:
            mask &= ~notify.IN_ISDIR
        self._instance.queue((self.number, mask, cookie, name))
        if self.mask & IN_ONESHOT:
            self.end()

    def new_cookie(self) -> int:
        return notify.new_cookie(self._instance.system)

    def is_open(self, inode: Inode) -> bool:
        return notify.is_open(self._instance.system, inode)

    def end(self) -> None:
        """Watch no more, and say so."""
        self._instance.drop(self)
        self._instance.queue((self.number, IN_IGNORED, 0, b""))

    def cancel(self) -> None:
        """Watch no more."""
        notify.unwatch(self._inode, self)


class Inotify(AnonymousFile):
    """An instance: its watches by number, and the events that were not read."""

    asynchronous = True

    def __init__(self, process: Process, flags: int) -> None:
        """Raises EMFILE."""
        super().__init__(process, b"inotify", flags & linux.O_NONBLOCK)
        self._user = process.credentials.uid
        self.system.inotify_instances.take(self._user)
        self.flags = self.flags & ~linux.O_ACCMODE
        self._watches: dict[int, InodeWatch] = {}
        self._numbers: dict[Inode, int] = {}
        self._inodes: dict[int, Inode] = {}
        self._last = 0
        self._events: deque[Event] = deque()

    def add(self, inode: Inode, mask: int) -> int:
        """Watch ``inode``, or change what is watched of it; the watch's number. Raises EEXIST, ENOSPC."""
        kept = mask & (EVENTS | IN_EXCL_UNLINK | IN_ONESHOT)
        number = self._numbers.get(inode)
        if number is not None:
            if mask & IN_MASK_CREATE:
                raise LinuxError(linux.EEXIST)
            watch = self._watches[number]
            watch.mask = watch.mask | kept if mask & IN_MASK_ADD else kept
            return number
        self.system.inotify_watches.take(self._user)
        self._last += 1
        self._watches[self._last] = InodeWatch(self, self._last, inode, kept)
        self._numbers[inode] = self._last
        self._inodes[self._last] = inode
        return self._last

    def remove(self, number: int) -> None:
        """Raises EINVAL."""
        watch = self._watches.get(number)
        if watch is None:
            raise LinuxError(linux.EINVAL)
        watch.end()

    def drop(self, watch: InodeWatch) -> None:
        """The watch is no more."""
        if self._watches.pop(watch.number, None) is not None:
            del self._numbers[self._inodes.pop(watch.number)]
            self.system.inotify_watches.give_back(self._user)
            watch.cancel()

    def queue(self, event: Event) -> None:
        """Add an event, unless the last one is the same; events beyond MAX_QUEUED are lost, and that is said once."""
        events = self._events
        if events and events[-1] == event:
            return
        if len(events) >= MAX_QUEUED:
            event = (-1, IN_Q_OVERFLOW, 0, b"")
            if events[-1] == event:
                return
        events.append(event)
        self.changed.wake()

    def read(self, count: int) -> bytes | None:
        events = self._events
        taken: list[bytes] = []
        while events:
            packed = pack(events[0])
            if len(packed) > count:
                if not taken:
                    raise LinuxError(linux.EINVAL)
                break
            count -= len(packed)
            taken.append(packed)
            events.popleft()
        return b"".join(taken) or None

    def poll(self) -> int:
        return linux.POLLIN | linux.POLLRDNORM if self._events else 0

    def ioctl(self, thread: Thread, request: int, argument: int) -> int:
        if request != linux.FIONREAD:
            return super().ioctl(thread, request, argument)
        size = sum(len(pack(event)) for event in self._events)
        thread.process.memory.write(argument, struct.pack("<i", size))
        return 0

    def close(self) -> None:
        self.system.inotify_instances.give_back(self._user)
        for watch in list(self._watches.values()):
            self.drop(watch)
