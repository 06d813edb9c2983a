"""Pipes and fifos.

Writes of at most PIPE_BUF bytes are atomic. Readers are woken by every write, writers when there is room for PIPE_BUF bytes again.

Source: pipe(7), POSIX.1-2017 write().
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.unix.errors import LinuxError
from skerry.unix.files import DESCRIPTION, OpenFile
from skerry.unix.inode import FileSystem, Inode

if TYPE_CHECKING:
    from skerry.unix.process import Thread

CAPACITY: Final = 65536
PIPE_BUF: Final = 4096

PIPE_FILE_SYSTEM: Final = FileSystem("pipefs", 13, 0x50495045)


class Pipe:
    """Bytes on their way, oldest first; ``readers`` and ``writers`` count open ends."""

    __slots__ = ("capacity", "chunks", "ends", "length", "readers", "writers")

    def __init__(self) -> None:
        self.chunks: deque[bytes] = deque()
        self.length = 0
        self.capacity = CAPACITY
        self.readers = 0
        self.writers = 0
        self.ends: list[PipeEnd] = []

    def take(self, count: int) -> bytes:
        """Remove up to ``count`` bytes."""
        chunks = self.chunks
        taken: list[bytes] = []
        while chunks and count:
            chunk = chunks[0]
            if len(chunk) <= count:
                taken.append(chunks.popleft())
            else:
                taken.append(chunk[:count])
                chunks[0] = chunk[count:]
            count -= len(taken[-1])
        data = taken[0] if len(taken) == 1 else b"".join(taken)
        self.length -= len(data)
        return data

    def look(self, count: int) -> bytes:
        """Up to ``count`` bytes, which stay."""
        seen: list[bytes] = []
        for chunk in self.chunks:
            if count <= 0:
                break
            seen.append(chunk[:count])
            count -= len(chunk)
        return b"".join(seen)

    def changed(self) -> None:
        """Ends have come or gone."""
        for end in self.ends:
            end.changed.wake()

    def filled(self) -> None:
        """There is more to read."""
        for end in self.ends:
            if end.changed and end.readable:
                end.changed.wake()

    def drained(self) -> None:
        """There is room again for who was told that there is none."""
        for end in self.ends:
            if end.changed and end.writable:
                end.changed.wake()


class PipeEnd(OpenFile):
    """One open end (a fifo opened O_RDWR is both)."""

    asynchronous = True

    def __init__(self, inode: Inode, flags: int, pipe: Pipe) -> None:
        super().__init__(inode, flags, b"")
        self.pipe = pipe
        pipe.readers += self.readable
        pipe.writers += self.writable
        pipe.ends.append(self)
        pipe.changed()

    @property
    def held(self) -> int:
        return DESCRIPTION + self.pipe.length

    def read(self, count: int) -> bytes | None:
        pipe = self.pipe
        if not pipe.length:
            return b"" if not pipe.writers or not count else None
        was_full = pipe.capacity - pipe.length < PIPE_BUF
        data = pipe.take(count)
        if was_full:
            pipe.drained()
        return data

    def write(self, data: bytes) -> int | None:
        if not data:
            return 0
        pipe = self.pipe
        if not pipe.readers:
            raise LinuxError(linux.EPIPE)
        room = pipe.capacity - pipe.length
        if room < len(data):
            if len(data) <= PIPE_BUF or room <= 0:
                return None
            data = data[:room]
        pipe.chunks.append(data)
        pipe.length += len(data)
        pipe.filled()
        return len(data)

    def poll(self) -> int:
        pipe = self.pipe
        bits = 0
        if self.readable:
            if pipe.length:
                bits |= linux.POLLIN | linux.POLLRDNORM
            if not pipe.writers:
                bits |= linux.POLLHUP
        if self.writable:
            if pipe.capacity - pipe.length >= PIPE_BUF:
                bits |= linux.POLLOUT | linux.POLLWRNORM
            if not pipe.readers:
                bits |= linux.POLLERR
        return bits

    def close(self) -> None:
        pipe = self.pipe
        pipe.readers -= self.readable
        pipe.writers -= self.writable
        pipe.ends.remove(self)
        pipe.changed()


class PipeInode(Inode):
    """The inode of an unnamed pipe; it can be opened again through /proc/self/fd."""

    pipe: Pipe

    def __init__(self, ino: int, uid: int, gid: int, now: int) -> None:
        super().__init__(PIPE_FILE_SYSTEM, ino, linux.S_IFIFO | 0o600, uid, gid, now)
        self.pipe = Pipe()

    def open(self, thread: Thread, flags: int) -> OpenFile:
        return PipeEnd(self, flags, self.pipe)


def make_pipe(ino: int, uid: int, gid: int, now: int, flags: int) -> tuple[PipeEnd, PipeEnd]:
    """The read end and the write end of a new pipe."""
    inode = PipeInode(ino, uid, gid, now)
    ends = PipeEnd(inode, linux.O_RDONLY | flags, inode.pipe), PipeEnd(inode, linux.O_WRONLY | flags, inode.pipe)
    for end in ends:
        end.path = b"pipe:[%d]" % ino
    return ends


def open_fifo(inode: Inode, flags: int) -> PipeEnd:
    """An end of the fifo; the caller waits for the other side. Raises ENXIO (O_WRONLY|O_NONBLOCK without reader)."""
    pipe = inode.pipe
    if pipe is None or not pipe.ends:
        pipe = inode.pipe = Pipe()
    if flags & linux.O_ACCMODE == linux.O_WRONLY and flags & linux.O_NONBLOCK and not pipe.readers:
        raise LinuxError(linux.ENXIO)
    return PipeEnd(inode, flags, pipe)
