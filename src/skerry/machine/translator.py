"""A translator as a device: who answers for a directory tree, wherever it runs.

Only the form stands here, so that it can be named from a task; what answers is made by who assembles the system.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class TranslatorDevice:
    """Asked by the names of the calls (``lib.translator``). Answers come when they come; none takes longer than a limit."""

    def ask(self, method: bytes, arguments: bytes, done: Callable[[], None]) -> int:
        """Make a call; ``done`` is called once when ``take`` has its end. A number for it, above 0. ``arguments``: ``abi.values``.

        Raises KeyError, ValueError, values.ValueFormatError, TypeError: there is no such call.
        """
        raise NotImplementedError

    def take(self, number: int) -> tuple[int, Any]:
        """An errno, or 0 and what the call returned (a number, bytes, a list of numbers, a tuple of these); the number is free again.

        Raises BlockingIOError: it has not ended, or there is none.
        """
        raise NotImplementedError

    def drop(self, number: int) -> None:
        """Nobody waits for this call any more; ``done`` may be called still."""
        raise NotImplementedError
