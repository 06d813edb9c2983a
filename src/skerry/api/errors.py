"""What can go wrong: each error says in one sentence what, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skerry.lib.stubs import CallError

if TYPE_CHECKING:
    from skerry.api.process import Result

__all__ = ["CallError", "Error", "NotFound", "SystemEnded", "Timeout"]


class Error(Exception):
    """Skerry cannot do what it was asked for. ``status``: with which ``skerry run`` would have ended."""

    def __init__(self, text: str, status: int = 125) -> None:
        super().__init__(text)
        self.status = status


class NotFound(Error):
    """There is no such program, or it cannot be executed."""


class SystemEnded(Error):
    """The system is not running: it was closed, or has ended by itself."""


class Timeout(Error):
    """The program did not end in time, and has been killed with all that it began. ``result``: what there is of it."""

    def __init__(self, text: str, result: Result) -> None:
        super().__init__(text)
        self.result = result
