"""What the command says on standard error."""

from __future__ import annotations

import contextlib
import os


def say(text: str) -> None:
    """Write it all. Where standard error is closed or full, nobody can be told, and the program's run goes on."""
    data = text.encode(errors="backslashreplace")
    with contextlib.suppress(OSError):
        while data:
            data = data[os.write(2, data) :]
