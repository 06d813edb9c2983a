"""A trace of a whole run, written to a file (``skerry run --trace``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from skerry.control.lines import encode
from skerry.control.trace import Trace
from skerry.options import UserError

if TYPE_CHECKING:
    from skerry.mach.kernel import Kernel


def document(events: list[dict[str, Any]]) -> bytes:
    """What Perfetto opens: the JSON object form of Chrome's trace events."""
    return encode({"traceEvents": events, "displayTimeUnit": "ns"})


class Recording:
    """Begins with its making, and ends with the run."""

    def __init__(self, path: str, kernel: Kernel, ask_unix: Callable[[bytes, tuple[Any, ...], Callable[[Any], None]], None]) -> None:
        """Raises UserError: the file cannot be written."""
        try:
            self._file = open(path, "wb")  # noqa: SIM115  # open until close
        except OSError as error:
            raise UserError(f"--trace {path}: {error.strerror}: give a file that can be written") from error
        self._path = path
        self._trace = Trace(kernel, ask_unix)
        self._trace.begin(lambda: None)

    def close(self) -> None:
        """The run is over: write it. Raises UserError."""
        try:
            with self._file:
                self._file.write(document(self._trace.end_with_system()))
        except OSError as error:
            raise UserError(f"--trace {self._path}: {error.strerror}: it is not whole") from error
