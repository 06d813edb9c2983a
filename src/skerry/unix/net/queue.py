"""What a socket has received and not read: bytes of a stream, or records one by one, with the rights and credentials that came with them.

The sender waits for room in the receiver's queue; it is in ``blocked`` while it does, and is woken when the queue is half empty.
Each segment counts with an overhead, so that many small ones are bounded too.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from skerry.unix.files import OpenFile
    from skerry.unix.net.flight import Flight
    from skerry.unix.net.socket import Socket

OVERHEAD: Final = 768  # bytes that a segment counts beside its own, about what Linux charges for an sk_buff
RIGHT_OVERHEAD: Final = 64  # the same for a file that a segment carries
MERGE: Final = 4096  # bytes up to which what comes is put behind the last segment of a stream

PeerCredentials = tuple[int, int, int]  # pid, uid, gid


class Packet(NamedTuple):
    """What the headers of a datagram would have said, for who asks for it."""

    host: bytes  # 16 bytes: where it was sent to
    hops: int  # time to live
    traffic_class: int
    time: int = 0  # when it came (ns since 1970); 0: nobody asked


class Received(NamedTuple):
    """What a read gets. ``rights`` are references that whoever holds this must install or release."""

    data: bytes
    length: int  # of the whole record, or of data
    source: bytes = b""  # struct sockaddr; empty: none
    rights: tuple[OpenFile, ...] = ()
    credentials: PeerCredentials | None = None
    packet: Packet | None = None
    messages: tuple[tuple[int, int, bytes], ...] = ()  # control messages: level, type, contents

    def drop_rights(self) -> None:
        """Nobody takes them."""
        for file in self.rights:
            file.release()


END: Final = Received(b"", 0)  # nothing more will come


class Segment:
    """Bytes that were sent by one call, and what came with them; ``rights`` hold references."""

    __slots__ = ("credentials", "data", "overhead", "packet", "rights", "source")

    def __init__(self, data: bytes, source: bytes, rights: tuple[OpenFile, ...], credentials: PeerCredentials | None) -> None:
        self.data = data
        self.source = source
        self.rights = rights
        self.credentials = credentials
        self.packet: Packet | None = None
        self.overhead = OVERHEAD + RIGHT_OVERHEAD * len(rights)


class ReceiveQueue:
    """Segments in the order in which they came."""

    def __init__(self, flight: Flight | None = None) -> None:
        """``flight``: of a queue whose segments may carry files."""
        self.flight = flight
        self.segments: deque[Segment] = deque()
        self.size = 0  # bytes that it counts
        self.length = 0  # bytes that can be read
        self.blocked: set[Socket] = set()  # who waits for room
        self._used = 0  # bytes of the first segment that were read

    def __bool__(self) -> bool:
        return bool(self.segments)

    @property
    def first_length(self) -> int:
        """Length of the next record."""
        return len(self.segments[0].data) if self.segments else 0

    def append(self, segment: Segment) -> None:
        """Add a record, or bytes that came with rights."""
        if segment.rights:
            assert self.flight is not None
            self.flight.send(segment.rights)
        self.segments.append(segment)
        self.length += len(segment.data)
        self.size += len(segment.data) + segment.overhead

    def append_bytes(self, data: bytes, source: bytes, credentials: PeerCredentials | None) -> None:
        """Add bytes of a stream, merged with those before where they are few."""
        if self.segments:
            last = self.segments[-1]
            if len(last.data) + len(data) <= MERGE and not last.rights and last.credentials == credentials:
                last.data += data
                self.length += len(data)
                self.size += len(data)
                return
        self.append(Segment(data, source, (), credentials))

    def record(self, count: int, peek: bool) -> Received:
        """The next record, cut to ``count``; there is one."""
        first = self.segments[0]
        if peek:
            for file in first.rights:
                file.hold()
        else:
            self.segments.popleft()
            self._land(first.rights)
            self.length -= len(first.data)
            self.size -= len(first.data) + first.overhead
            self.wake_blocked()
        return Received(first.data[:count], len(first.data), first.source, first.rights, first.credentials, first.packet)

    def stream(self, count: int, peek: bool, one_sender: bool = False) -> Received:
        """Up to ``count`` bytes; there are some. It stops behind bytes that came with rights; ``one_sender``: and before another's."""
        first = self.segments[0]
        source, credentials = first.source, first.credentials
        if len(self.segments) == 1 and self.length <= count and not (peek or first.rights or self._used):
            self.segments.clear()  # as mostly: all that there is, which came at once
            self.size = self.length = 0
            self.wake_blocked()
            return Received(first.data, len(first.data), source, (), credentials)
        taken: list[bytes] = []
        rights: tuple[OpenFile, ...] = ()
        left = count
        used = self._used
        finished = 0
        for segment in self.segments:
            if left <= 0 or (one_sender and segment.credentials != credentials):
                break
            piece = segment.data[used : used + left] if used or len(segment.data) > left else segment.data
            taken.append(piece)
            left -= len(piece)
            used += len(piece)
            whole = used == len(segment.data)
            if whole:
                finished += 1
                used = 0
            if segment.rights:
                rights = segment.rights
                if peek:
                    for file in rights:
                        file.hold()
                else:
                    segment.rights = ()
                    self._land(rights)
                break
        data = taken[0] if len(taken) == 1 else b"".join(taken)
        if not peek and (data or finished):
            for _ in range(finished):
                self.size -= self.segments.popleft().overhead
            self.length -= len(data)
            self.size -= len(data)
            self._used = used
            self.wake_blocked()
        return Received(data, len(data), source, rights, credentials)

    def wake_blocked(self) -> None:
        """Those who waited for room look again."""
        if self.blocked:
            waiting, self.blocked = self.blocked, set()
            for socket in waiting:
                socket.changed.wake()

    def clear(self) -> None:
        """Throw everything away."""
        segments, self.segments = self.segments, deque()
        self.size = self.length = self._used = 0
        rights = [file for segment in segments for file in segment.rights]
        if rights:
            assert self.flight is not None
            self.flight.drop(rights)
        self.wake_blocked()

    def _land(self, rights: tuple[OpenFile, ...]) -> None:
        if rights:
            assert self.flight is not None
            self.flight.land(rights)
