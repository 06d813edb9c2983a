"""Connected local sockets: two ends, each with a channel of bytes or of records on their way to it.

A stream's channel holds bytes; a datagram's or seqpacket's holds records, which are read one at a time and cut where they do not fit.

Source: unix(7), socketpair(2), recv(2), shutdown(2).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.unix.errors import LinuxError
from skerry.unix.files import OpenFile
from skerry.unix.inode import FileSystem, Inode

if TYPE_CHECKING:
    from skerry.unix.process import Process

CAPACITY: Final = 212992  # bytes in a channel, net.core.wmem_default
SOCKET_FILE_SYSTEM: Final = FileSystem("sockfs", 8, 0x534F434B)


class Socket(OpenFile):
    """One end; ``peer`` is the other, None when it was closed."""

    def __init__(self, ino: int, kind: int, flags: int, creator: Process, now: int) -> None:
        who = creator.credentials
        inode = Inode(SOCKET_FILE_SYSTEM, ino, linux.S_IFSOCK | 0o777, who.fsuid, who.fsgid, now)
        super().__init__(inode, linux.O_RDWR | flags, b"socket:[%d]" % ino)
        self.kind = kind  # SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET
        self.credentials = (creator.pid, who.euid, who.egid)  # SO_PEERCRED of the other end
        self.peer: Socket | None = None
        self.incoming: deque[bytes] = deque()
        self.length = 0  # bytes in incoming
        self.ended = False  # nothing more will come: the other end was closed or shut down for writing
        self.refuses = False  # nobody reads what comes: this end was shut down for reading

    def read(self, count: int) -> bytes | None:
        return self.receive(count, False)[0]

    def receive(self, count: int, peek: bool) -> tuple[bytes | None, int]:
        """Bytes, or the next record cut to ``count``, and how long it was; b"" at the end; None where it would block."""
        if not self.incoming:
            return (b"", 0) if self.ended or self.refuses else (None, 0)
        first = self.incoming[0]
        if self.kind != linux.SOCK_STREAM:
            if not peek:
                self._drop(len(self.incoming.popleft()))
            return first[:count], len(first)
        taken: list[bytes] = []
        left = count
        for chunk in self.incoming:
            if left <= 0:
                break
            taken.append(chunk[:left])
            left -= len(taken[-1])
        data = b"".join(taken)
        if not peek:
            self._take(len(data))
        return data, len(data)

    def _take(self, count: int) -> None:
        left = count
        while left:
            chunk = self.incoming.popleft()
            if len(chunk) > left:
                self.incoming.appendleft(chunk[left:])
            left -= min(left, len(chunk))
        self._drop(count)

    def _drop(self, count: int) -> None:
        self.length -= count
        if self.peer is not None:
            self.peer.changed.wake()

    def write(self, data: bytes) -> int | None:
        """Raises EPIPE; EMSGSIZE for a record that can never fit; ECONNREFUSED for a datagram that nobody will get."""
        peer = self.peer
        stream = self.kind == linux.SOCK_STREAM
        if peer is None and self.kind == linux.SOCK_DGRAM:
            raise LinuxError(linux.ECONNREFUSED)
        if peer is None or peer.refuses or peer.ended:
            raise LinuxError(linux.EPIPE)
        if not stream and len(data) > CAPACITY:
            raise LinuxError(linux.EMSGSIZE)
        room = CAPACITY - peer.length
        if room <= 0 or (not stream and room < len(data)):
            return None
        data = data[:room]
        if data or not stream:
            peer.incoming.append(data)
            peer.length += len(data)
            peer.changed.wake()
        return len(data)

    def poll(self) -> int:
        bits = 0
        if self.incoming or self.ended or self.refuses:
            bits |= linux.POLLIN | linux.POLLRDNORM
        if self.ended or self.refuses:
            bits |= linux.POLLRDHUP
        peer = self.peer
        if peer is None or (self.ended and peer.ended):
            bits |= linux.POLLHUP
        if peer is None or peer.length < CAPACITY:
            bits |= linux.POLLOUT | linux.POLLWRNORM
        return bits

    def shut_down(self, reading: bool, writing: bool) -> None:
        """shutdown(2)."""
        peer = self.peer
        if reading:
            self.refuses = True
        if writing and peer is not None:
            peer.ended = True
        self.changed.wake()
        if peer is not None:
            peer.changed.wake()

    def close(self) -> None:
        peer = self.peer
        if peer is not None:
            peer.peer = None
            peer.ended = self.kind != linux.SOCK_DGRAM
            peer.changed.wake()
        self.incoming.clear()


def make_pair(inos: tuple[int, int], kind: int, flags: int, creator: Process, now: int) -> tuple[Socket, Socket]:
    """Two sockets that are connected to each other."""
    first, second = (Socket(ino, kind, flags, creator, now) for ino in inos)
    first.peer, second.peer = second, first
    return first, second
