"""How requests and answers travel on a control socket: JSON, one to a line, over a stream; descriptors go along with the first byte.

A request is {"id": N, "do": NAME, ...}, an answer {"id": N, "result": ...} or {"id": N, "refused": TEXT, "status": EXIT STATUS}; what
has no id is an event. Bytes are text with surrogate escapes.
"""

from __future__ import annotations

import json
import os
from typing import Any, Final

LONGEST: Final = 64 << 20  # bytes of a request; one that is longer is nonsense
LONGEST_ANSWER: Final = 1 << 30  # bytes: of a trace
DESCRIPTORS: Final = 16  # that are taken at a time
CHUNK: Final = 1 << 16


def encode(message: dict[str, Any]) -> bytes:
    """A line."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def text(data: bytes) -> str:
    """Bytes as they are sent."""
    return os.fsdecode(data)


class Lines:
    """What comes in, put together to lines of at most ``limit`` bytes."""

    def __init__(self, limit: int = LONGEST) -> None:
        self._limit = limit
        self._parts: list[bytes] = []  # of a line that is not whole
        self._length = 0

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """The messages that ``data`` completes. Raises ValueError for what is none."""
        messages = []
        *whole, rest = data.split(b"\n")
        for end in whole:
            line = b"".join((*self._parts, end))
            self._parts, self._length = [], 0
            if line:
                messages.append(_message(line))
        self._length += len(rest)
        if self._length > self._limit:
            raise ValueError("the line is too long")
        self._parts.append(rest)
        return messages


def _message(line: bytes) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(message, dict):
        raise ValueError("a message is an object")
    return message
