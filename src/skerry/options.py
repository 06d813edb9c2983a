"""What `skerry run` was asked for."""

from __future__ import annotations

from dataclasses import dataclass, field


class UserError(Exception):
    """The command cannot be done as it was given; the text says what is wrong and what to do. ``status`` is the exit status."""

    def __init__(self, text: str, status: int = 125) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Options:
    """One run. Paths are the host's, as bytes; ``environment`` is the program's, whole."""

    arguments: list[bytes]
    root: bytes = b"/"
    binds: list[tuple[bytes, bytes]] = field(default_factory=list)  # host directory, place inside
    environment: list[bytes] = field(default_factory=list)
    directory: bytes = b"/"
    memory: int = 0  # bytes of address space a process may map; 0: no limit
    stats: bool = False
