"""The standard streams that the command was given."""

from __future__ import annotations

import os


class StandardStreams:
    """Descriptors 0 to 2 of the command. While it is entered, the closed ones are taken: nothing of the machine may get their numbers."""

    def __init__(self) -> None:
        self.open: list[int] = []

    def __enter__(self) -> StandardStreams:
        self._taken: list[int] = []
        for descriptor in range(3):
            try:
                os.fstat(descriptor)
                self.open.append(descriptor)
            except OSError:
                self._taken.append(os.open(os.devnull, os.O_PATH))  # the lowest that is free
        return self

    def __exit__(self, *error: object) -> None:
        for descriptor in self._taken:
            os.close(descriptor)
