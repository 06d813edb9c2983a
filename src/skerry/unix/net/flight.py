"""Files that are in messages which nobody has received yet (SCM_RIGHTS).

A message holds its files. A socket may be in a message to itself, or in one to a socket that is in one to it: then nobody can receive them
any more, and counts of references alone would keep them for ever. They are found by looking at the sockets in messages only: one that
has no other reference, and that no message leads to which somebody can still receive, is thrown away.

Source: unix(7), SCM_RIGHTS and ETOOMANYREFS; net/unix/garbage.c.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from skerry.unix.files import OpenFile
    from skerry.unix.net.local import LocalSocket

SOONEST: Final = 64  # sockets sent between two searches, at least
MOST: Final = 1 << 20  # files in messages, whoever sends


class Flight:
    """The files in messages of one system."""

    def __init__(self) -> None:
        self.count = 0  # files, as often as they are in messages
        self._sockets: Counter[LocalSocket] = Counter()  # those that can hold messages themselves
        self._sent = 0  # of these, since the last search
        self._survivors = 0  # of these, of the last search
        self._falling: list[OpenFile] = []  # to be released
        self._releases = False

    def send(self, files: Iterable[OpenFile]) -> None:
        """They are in one more message."""
        if self._sent >= max(SOONEST, self._survivors):
            self._collect()
        for file in files:
            file.hold()
            self.count += 1
            if file.carrier is not None:
                self._sockets[file.carrier] += 1
                self._sent += 1

    def land(self, files: Iterable[OpenFile]) -> None:
        """Their message was received: the references are the receiver's."""
        for file in files:
            self.count -= 1
            socket = file.carrier
            if socket is not None:
                self._sockets[socket] -= 1
                if not self._sockets[socket]:
                    del self._sockets[socket]

    def drop(self, files: Iterable[OpenFile]) -> None:
        """Their message is thrown away. One by one, however long the chain is of messages that were in each other's sockets."""
        files = list(files)
        self.land(files)
        self._falling += files
        if self._releases:
            return
        self._releases = True
        try:
            while self._falling:
                self._falling.pop().release()
        finally:
            self._releases = False

    def _collect(self) -> None:
        """Throw away the messages of sockets that nobody can reach."""
        self._sent = 0
        unheld = {socket: count for socket, count in self._sockets.items() if socket.references == count}
        for socket in unheld:
            for inner in _inside(socket):
                if inner in unheld:
                    unheld[inner] -= 1
        reached = [socket for socket, count in unheld.items() if count > 0]
        for socket in reached:
            unheld.pop(socket, None)
        while reached:
            reached += [inner for inner in _inside(reached.pop()) if unheld.pop(inner, None) is not None]
        for socket in unheld:
            for queue in socket.queues():
                queue.clear()
        self._survivors = len(self._sockets)


def _inside(socket: LocalSocket) -> Iterator[LocalSocket]:
    """The sockets in the messages to ``socket``."""
    for queue in socket.queues():
        for segment in queue.segments:
            for file in segment.rights:
                if file.carrier is not None:
                    yield file.carrier
