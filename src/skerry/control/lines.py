"""How requests and answers travel on a control socket: JSON, one to a line, over a stream; descriptors go along with the first byte.

A request is {"id": N, "do": NAME, ...}, an answer {"id": N, "result": ...} or {"id": N, "refused": TEXT, "status": EXIT STATUS}; what
has no id is an event. Bytes are text with surrogate escapes.
"""

from __future__ import annotations

import json
import os
from typing import Any, Final

LONGEST: Final = 64 << 20  # bytes of a line; one that is longer is nonsense
DESCRIPTORS: Final = 16  # that are taken at a time
CHUNK: Final = 1 << 16


def encode(message: dict[str, Any]) -> bytes:
    """A line."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def text(data: bytes) -> str:
    """Bytes as they are sent."""
    return os.fsdecode(data)


class Lines:
    """What comes in, put together to lines."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """The messages that ``data`` completes. Raises ValueError for what is none."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LONGEST:
            raise ValueError("the line is too long")
        messages = [json.loads(line) for line in whole]
        if not all(isinstance(message, dict) for message in messages):
            raise ValueError("a message is an object")
        return messages
