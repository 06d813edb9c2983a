"""Interest lists (epoll): which of many files are ready.

An interest watches its file's ``changed`` queue. A wake puts it on the ready list, where it stays until somebody has looked: a file that is
not ready after all, or that is watched for edges, leaves the list then. So a wait costs what is ready, not what is watched.

Invariants: an interest is in at most one set, under its descriptor number and file; it goes when the file's last descriptor is closed;
sets form no cycle and no chain of more than MAX_SETS.

Source: epoll(7), epoll_ctl(2), epoll_wait(2).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.lib.coroutine import WaitQueue, Watch
from skerry.unix.anonymous import AnonymousFile
from skerry.unix.errors import LinuxError
from skerry.unix.files import OpenFile

if TYPE_CHECKING:
    from skerry.unix.process import Process

MAX_SETS: Final = 5  # in a chain
ALWAYS: Final = linux.EPOLLERR | linux.EPOLLHUP
BEHAVIOUR: Final = linux.EPOLLET | linux.EPOLLONESHOT | linux.EPOLLEXCLUSIVE | linux.EPOLLWAKEUP  # not events
_WITH_EXCLUSIVE: Final = linux.EPOLLIN | linux.EPOLLOUT | ALWAYS | linux.EPOLLWAKEUP | linux.EPOLLET | linux.EPOLLEXCLUSIVE

Event = tuple[int, int]  # ready bits, and the data that the program gave


class Exclusive:
    """Interests of several sets in one file of which each wake goes to one (EPOLLEXCLUSIVE): to the first whose set somebody waits for."""

    def __init__(self, file: OpenFile) -> None:
        self.interests: list[Interest] = []  # those of sets that nobody waits for hear of it, too, up to that one
        self._file = file
        self._watch = Watch(file.changed, self._woken)

    def _woken(self) -> None:
        for interest in list(self.interests):
            awaited = bool(interest.epoll.changed)
            interest.woken()
            if awaited:
                break

    def remove(self, interest: Interest) -> None:
        """The interest is no more."""
        self.interests.remove(interest)
        if not self.interests:
            self._watch.cancel()
            self._file.exclusive = None


class Interest:
    """One file in one set: the events that are wanted, and the data to report with them."""

    __slots__ = ("_closed", "_watch", "data", "epoll", "fd", "file", "wanted", "words")

    def __init__(self, epoll: Epoll, fd: int, file: OpenFile, exclusive: bool) -> None:
        self.epoll = epoll
        self.fd = fd
        self.file = file
        self.words = 0  # events and behaviour, as the program gave them
        self.wanted = 0  # events; 0: reported once, and disabled
        self.data = 0
        self._watch: Watch | None = None
        if exclusive:
            if file.exclusive is None:
                file.exclusive = Exclusive(file)
            file.exclusive.interests.append(self)
        else:
            self._watch = Watch(file.changed, self.woken)
        if file.closed is None:
            file.closed = WaitQueue()
        self._closed = Watch(file.closed, self.remove)

    def set(self, words: int, data: int) -> None:
        """Want other events; what is ready now is reported."""
        self.words, self.data = words, data
        self.wanted = words & ~BEHAVIOUR | ALWAYS
        if self.file.poll() & self.wanted:
            self.woken()

    def woken(self) -> None:
        """The file may be ready."""
        if self.wanted:
            self.epoll.ready.setdefault(self)
            self.epoll.changed.wake()

    def remove(self) -> None:
        """Leave the set."""
        if self._watch is not None:
            self._watch.cancel()
        elif self.file.exclusive is not None:
            self.file.exclusive.remove(self)
        self._closed.cancel()
        epoll = self.epoll
        epoll.ready.pop(self, None)
        if epoll.interests.pop((self.fd, self.file), None) is not None:
            epoll.quota.give_back(epoll.user)
        if isinstance(self.file, Epoll):
            self.file.watchers.remove(epoll)


class Epoll(AnonymousFile):
    """An interest list; ``ready`` is in the order in which things happened."""

    def __init__(self, process: Process) -> None:
        super().__init__(process, b"[eventpoll]", 0)
        self.user = process.credentials.uid
        self.quota = process.system.epoll_watches
        self.interests: dict[tuple[int, OpenFile], Interest] = {}
        self.ready: dict[Interest, None] = {}
        self.watchers: list[Epoll] = []  # sets that this one is in

    def add(self, fd: int, file: OpenFile, words: int, data: int) -> None:
        """Raises EEXIST, EINVAL (EPOLLEXCLUSIVE), ELOOP, ENOSPC (more than a user may watch)."""
        if words & linux.EPOLLEXCLUSIVE and (words & ~_WITH_EXCLUSIVE or isinstance(file, Epoll)):
            raise LinuxError(linux.EINVAL)
        if isinstance(file, Epoll):
            below, above = _levels(file, Epoll._watched), _levels(self, Epoll._watching)
            if len(below) + len(above) > MAX_SETS or any(self in level for level in below):
                raise LinuxError(linux.ELOOP)
        if (fd, file) in self.interests:
            raise LinuxError(linux.EEXIST)
        self.quota.take(self.user)
        interest = self.interests[fd, file] = Interest(self, fd, file, bool(words & linux.EPOLLEXCLUSIVE))
        if isinstance(file, Epoll):
            file.watchers.append(self)
        interest.set(words, data)

    def modify(self, fd: int, file: OpenFile, words: int, data: int) -> None:
        """Raises ENOENT, EINVAL (EPOLLEXCLUSIVE)."""
        if words & linux.EPOLLEXCLUSIVE:
            raise LinuxError(linux.EINVAL)
        interest = self._find(fd, file)
        if interest.words & linux.EPOLLEXCLUSIVE:
            raise LinuxError(linux.EINVAL)
        interest.set(words, data)

    def delete(self, fd: int, file: OpenFile) -> None:
        """Raises ENOENT."""
        self._find(fd, file).remove()

    def _find(self, fd: int, file: OpenFile) -> Interest:
        interest = self.interests.get((fd, file))
        if interest is None:
            raise LinuxError(linux.ENOENT)
        return interest

    def _watched(self) -> list[Epoll]:
        return [file for _, file in self.interests if isinstance(file, Epoll)]

    def _watching(self) -> list[Epoll]:
        return self.watchers

    def take(self, limit: int) -> list[Event]:
        """At most ``limit`` events. What is reported by level goes behind the others, for its turn to come again."""
        events: list[Event] = []
        again: list[Interest] = []
        for interest in list(self.ready):
            if len(events) == limit:
                break
            del self.ready[interest]
            bits = interest.file.poll() & interest.wanted
            if not bits:
                continue
            events.append((bits, interest.data))
            if interest.words & linux.EPOLLONESHOT:
                interest.wanted = 0
            elif not interest.words & linux.EPOLLET:
                again.append(interest)
        self.ready.update(dict.fromkeys(again))
        return events

    def poll(self) -> int:
        for interest in list(self.ready):
            if interest.file.poll() & interest.wanted:
                return linux.POLLIN | linux.POLLRDNORM
            del self.ready[interest]
        return 0

    def close(self) -> None:
        for interest in list(self.interests.values()):
            interest.remove()


def _levels(start: Epoll, following: Callable[[Epoll], list[Epoll]]) -> list[set[Epoll]]:
    """The set itself, those that follow it, those that follow these, and so on; there are no cycles."""
    levels = [{start}]
    while level := {further for epoll in levels[-1] for further in following(epoll)}:
        levels.append(level)
    return levels
