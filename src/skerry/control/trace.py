"""A trace of a running system in Chrome's trace event format, which Perfetto (https://ui.perfetto.dev) and chrome://tracing open.

What programs do comes from the Unix server's log (``calls``), messages between tasks from the kernel (``messages``). Programs are processes
with their threads on the time line; one process more has a thread for each task that sends or receives.

Source: Trace Event Format (Duffin, Sinclair; Google), complete (X), instant (i), flow (s, f) and metadata (M) events; times in µs.
"""

from __future__ import annotations

import errno
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from skerry.control import calls
from skerry.control.desk import DONE
from skerry.control.lines import text
from skerry.control.messages import MessageLog

if TYPE_CHECKING:
    from skerry.mach.kernel import Kernel

Events = list[dict[str, Any]]
TASKS: Final = 1 << 30  # the process on the time line that tasks are threads of; no program has this number


class Trace:
    """One trace, from ``begin`` to ``end``. ``ask_unix``: the desk's ``do``."""

    def __init__(self, kernel: Kernel, ask_unix: Callable[[bytes, tuple[Any, ...], Callable[[Any], None]], None]) -> None:
        self._ask_unix = ask_unix
        self._messages = MessageLog(kernel)
        self._last: Any = None  # what the Unix server had logged when it ended

    def begin(self, begun: Callable[[], None]) -> None:
        """Start noting; ``begun`` is called when all that happens is noted."""
        self._messages.start()
        self._ask_unix(b"trace at end", (), self._unix_ended)
        self._ask_unix(b"trace", (), lambda answer: begun())

    def _unix_ended(self, answer: Any) -> None:
        self._last = answer

    def end(self, give: Callable[[Events], None]) -> None:
        """Stop, and give the events."""
        self._messages.stop()
        self._ask_unix(b"untrace", (), lambda answer: give(self._events(answer)))

    def end_with_system(self) -> Events:
        """Stop, as the system has ended, and give the events."""
        self._messages.stop()
        return self._events(self._last)

    def abandon(self) -> None:
        """Stop; nobody wants it."""
        self._messages.stop()
        self._ask_unix(b"untrace", (), lambda answer: None)

    def _events(self, answer: Any) -> Events:
        entries = answer[1] if answer is not None and answer[0] == DONE else []
        return [*_program_events(entries), *self._messages.events(TASKS)]


def _program_events(entries: list[tuple[Any, ...]]) -> Events:
    events: Events = []
    for kind, when, pid, tid, *what in entries:
        base = {"pid": pid, "tid": tid, "ts": when / 1000}
        if kind == calls.CALL:
            until, name, result, waited = what
            arguments = {"result": _result(result), "waited": bool(waited)}
            events.append(base | {"ph": "X", "cat": "system call", "name": name, "dur": (until - when) / 1000, "args": arguments})
        elif kind == calls.NAME:
            host_pid, command = what
            shown = text(command)[:200].encode(errors="replace").decode()
            events.append({"ph": "M", "name": "process_name", "pid": pid, "tid": tid, "args": {"name": shown}})
            events.append({"ph": "M", "name": "process_labels", "pid": pid, "tid": tid, "args": {"labels": f"host process {host_pid}"}})
        elif kind == calls.LOST:
            events.append(base | {"ph": "i", "s": "g", "cat": "trace", "name": f"{what[0]} events were lost: trace for a shorter time"})
        else:
            events.append(base | {"ph": "i", "s": "t", "cat": _CATEGORIES[kind], "name": _happening(kind, what[0])})
    return events


_CATEGORIES: Final = {calls.FAULT: "fault", calls.SIGNAL: "signal", calls.END: "end"}


def _happening(kind: int, number: int) -> str:
    if kind == calls.END:
        return f"killed by {_signal(number & 0x7F)}" if number & 0x7F else f"exit {number >> 8}"
    return f"{_CATEGORIES[kind]} {_signal(number)}"


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _result(result: int | None) -> int | str:
    if result is None:
        return "not over"
    if -4095 <= result < 0:
        return errno.errorcode.get(-result, str(result))
    return result
