"""Who answers on a system's control sockets, in the kernel's process: what concerns Unix is asked of the Unix server's desk."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from skerry.control import tasks
from skerry.control.connection import Connection
from skerry.control.desk import DONE
from skerry.control.lines import text

if TYPE_CHECKING:
    from skerry.control.programs import Programs
    from skerry.control.trace import Trace
    from skerry.mach.kernel import Kernel
    from skerry.machine import Machine
    from skerry.options import Options

AskUnix = Callable[[bytes, tuple[Any, ...], Callable[[Any], None]], None]
_PROCESS: Final = (
    "pid",
    "parent",
    "group",
    "session",
    "program",
    "uid",
    "state",
    "time",
    "memory",
    "threads",
    "started",
    "host_pid",
    "call",
)
_MAPPING: Final = ("start", "end", "protection", "shared", "offset")


def small(number: Any) -> int:
    """A number from a request, if it is one that the Unix server may be asked with. Raises ValueError."""
    if not isinstance(number, int) or not 0 <= number < 1 << 31:
        raise ValueError(f"{number!r:.50} is no number for it")
    return number


class Attendant:
    """Takes connections and answers requests. ``ask_unix`` is the desk's ``do``, near or far."""

    def __init__(self, machine: Machine, kernel: Kernel, options: Options, ask_unix: AskUnix, began: int) -> None:
        """``began``: when the system did (ns, monotonic)."""
        self.machine = machine
        self.kernel = kernel
        self.options = options
        self.ask_unix = ask_unix
        self.programs: Programs | None = None  # of a system that begins programs for who has the full control
        self._connections: list[Connection] = []
        self._traces: dict[Connection, Trace] = {}
        self._began = began
        self._requests: dict[str, Callable[[Connection, dict[str, Any]], None]] = {
            "about": self._about,
            "processes": self._processes,
            "tasks": self._tasks,
            "ports": self._ports,
            "memory": self._memory,
            "task memory": self._task_memory,
            "trace": self._trace,
            "untrace": self._untrace,
        }

    def admit(self, sock: socket.socket, full: bool) -> Connection:
        """Serve one who has connected."""
        connection = Connection(self.machine, sock, self._received, self._left, full)
        self._connections.append(connection)
        return connection

    def close(self) -> None:
        """The system ends: what has been answered is sent."""
        for connection in list(self._connections):
            trace = self._traces.pop(connection, None)
            if trace is not None:
                connection.send({"traced": trace.end_with_system()})
            connection.flush_last()

    def unix(self, connection: Connection, request: dict[str, Any], what: bytes, *arguments: Any, give: Callable[[Any], Any]) -> None:
        """Ask the desk; ``give`` makes the result of its answer."""

        def answered(answer: Any) -> None:
            if answer[0] == DONE:
                connection.answer(request, give(answer[1]))
            else:
                connection.refuse(request, answer[1], answer[2])

        self.ask_unix(what, arguments, answered)

    def _received(self, connection: Connection, request: dict[str, Any]) -> None:
        name = request.get("do")
        handler = self._requests.get(name) if isinstance(name, str) else None
        if handler is None and self.programs is not None and connection.full and isinstance(name, str):
            handler = self.programs.requests.get(name)
        if handler is None:
            connection.refuse(request, f"this system has no request {name}")
            return
        try:
            handler(connection, request)
        except (KeyError, TypeError, ValueError) as error:
            connection.refuse(request, f"{name}: not as it should be: {error!r}")

    def _left(self, connection: Connection) -> None:
        self._connections.remove(connection)
        trace = self._traces.pop(connection, None)
        if trace is not None:
            trace.abandon()
        if self.programs is not None and connection.full:
            self.programs.left()

    # Requests
    def _about(self, connection: Connection, request: dict[str, Any]) -> None:
        command = b" ".join(self.options.arguments)
        age = self.machine.monotonic() - self._began
        about = {"pid": os.getpid(), "config": self.options.config.value, "command": text(command), "uid": os.getuid(), "age": age}
        traps = None if self.machine.apart else self.machine.traps  # else the task that serves Unix has them
        connection.answer(request, about | {"traps": traps, "messages": self.kernel.messages})

    def _processes(self, connection: Connection, request: dict[str, Any]) -> None:
        now = self.machine.monotonic()

        def give(rows: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
            found = []
            for *row, command in rows:
                process = dict(zip(_PROCESS, row, strict=True))
                process["age"] = now - process.pop("started")
                found.append(process | {"command": text(command)})
            return found

        self.unix(connection, request, b"processes", give=give)

    def _tasks(self, connection: Connection, request: dict[str, Any]) -> None:
        connection.answer(request, tasks.describe_tasks(self.kernel))

    def _ports(self, connection: Connection, request: dict[str, Any]) -> None:
        connection.answer(request, tasks.describe_ports(self.kernel))

    def _memory(self, connection: Connection, request: dict[str, Any]) -> None:
        def give(rows: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
            return [dict(zip(_MAPPING, row, strict=True)) | {"name": text(name)} for *row, name in rows]

        self.unix(connection, request, b"memory", small(request["pid"]), give=give)

    def _task_memory(self, connection: Connection, request: dict[str, Any]) -> None:
        found = tasks.describe_memory(self.kernel, small(request["host_pid"]))
        if found is None:
            connection.refuse(request, f"no task {request['host_pid']}: skerry ps --tasks lists those that there are")
        else:
            connection.answer(request, found)

    def _trace(self, connection: Connection, request: dict[str, Any]) -> None:
        from skerry.control.trace import Trace

        if self._traces or self.options.trace:
            connection.refuse(request, "it is being traced already")
            return
        trace = self._traces[connection] = Trace(self.kernel, self.ask_unix)
        trace.begin(lambda: connection.answer(request, None))

    def _untrace(self, connection: Connection, request: dict[str, Any]) -> None:
        trace = self._traces.pop(connection, None)
        if trace is None:
            connection.refuse(request, "it is not being traced")
        else:
            trace.end(lambda events: connection.answer(request, events))
