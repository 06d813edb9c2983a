"""Control messages: what sendmsg and recvmsg carry beside the data.

Source: cmsg(3), unix(7).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from skerry.abi import linux
from skerry.unix.errors import LinuxError

HEADER: Final = 16  # sizeof(struct cmsghdr)


def messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Level, type and contents of each. Raises EINVAL where one reaches beyond the end, or is shorter than its header."""
    at = 0
    while len(data) - at >= HEADER:
        length, level, kind = struct.unpack_from("<Qii", data, at)
        if not HEADER <= length <= len(data) - at:
            raise LinuxError(linux.EINVAL)
        yield level, kind, data[at + HEADER : at + length]
        at += (length + 7) & ~7


class ControlBuffer:
    """What a program receives, of at most ``room`` bytes; ``truncated``: something did not fit."""

    def __init__(self, room: int) -> None:
        self.data = bytearray()
        self.truncated = False
        self._room = room

    @property
    def left(self) -> int:
        """Bytes of contents that the next message can have."""
        return max(0, self._room - len(self.data) - HEADER)

    def put(self, level: int, kind: int, contents: bytes) -> None:
        """Add a message, cut where it does not fit."""
        if self._room - len(self.data) < HEADER:
            self.truncated = True
            return
        if len(contents) > self.left:
            self.truncated = True
            contents = contents[: self.left]
        self.data += struct.pack("<Qii", HEADER + len(contents), level, kind) + contents
        self.data += bytes(min(-len(contents) % 8, self._room - len(self.data)))
