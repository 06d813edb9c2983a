"""Traces of a system, as its owner takes them."""

from __future__ import annotations

import os
from typing import Any

from skerry.api.link import Link
from skerry.control.recording import document


class Tracing:
    """A trace of a system: system calls, and messages between tasks (docs/reference/python.md)."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self.events: list[dict[str, Any]] = []  # in Chrome's trace event format

    async def __aenter__(self) -> Tracing:
        await self._link.ask("trace")
        return self

    async def __aexit__(self, *error: object) -> None:
        self.events = await self._link.ask("untrace")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write what Perfetto opens (https://ui.perfetto.dev). Raises OSError."""
        with open(path, "wb") as file:
            file.write(document(self.events))
