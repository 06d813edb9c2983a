"""The Unix server's side of the control of a system: what it shows of its processes, and programs that it begins for who asks outside.

What is asked for and answered are the values of ``skerry.abi.values``, since the server may be a task of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from skerry import first
from skerry.abi import linux
from skerry.lib.coroutine import Watch
from skerry.options import UserError
from skerry.unix import accounting, lifecycle, signals
from skerry.unix.fs import procdetail, proctext

if TYPE_CHECKING:
    from skerry.control.calls import CallLog
    from skerry.devices import Devices
    from skerry.options import Options
    from skerry.unix.process import Process, System, Thread
    from skerry.unix.server import Server

REFUSED: Final = "refused"  # the first of an answer: what follows is why, and an exit status
DONE: Final = "done"  # the first of an answer: what follows is the result
Answer = Callable[[Any], None]


class Desk:
    """Answers requests to one Unix system.

    ``host_number`` gives the host process behind a space; ``rebind`` is called when the methods of ``server`` have been replaced.
    """

    def __init__(
        self,
        system: System,
        devices: Devices,
        options: Options,
        server: Server,
        host_number: Callable[[Any], int],
        rebind: Callable[[], None],
    ) -> None:
        self._system = system
        self._devices = devices
        self._options = options
        self._server = server
        self._host_number = host_number
        self._rebind = rebind
        self._log: CallLog | None = None
        self._at_end: list[Answer] = []  # who want what was logged when the system ends
        self._begun: dict[int, Process] = {}  # programs whose ends nobody has been told yet
        self._requests: dict[bytes, Callable[..., Any]] = {
            b"processes": self._processes,
            b"memory": self._memory,
            b"signal": self._signal,
            b"end": self._end,
            b"trace": self._trace,
            b"traced": self._traced,
            b"untrace": self._untrace,
        }

    def do(self, what: bytes, arguments: tuple[Any, ...], answer: Answer) -> None:
        """Answer one request, now or later: (DONE, result) or (REFUSED, why, exit status)."""
        if what == b"wait":
            self._wait(int(arguments[0]), answer)
            return
        if what == b"start":
            self._start(*arguments, answer=answer)
            return
        if what == b"trace at end":
            self._at_end.append(answer)
            return
        try:
            answer((DONE, self._requests[what](*arguments)))
        except UserError as error:
            answer((REFUSED, str(error), error.status))

    def close(self) -> None:
        """The system ends: who traces it gets what was logged."""
        at_end, self._at_end = self._at_end, []
        entries = self._untrace()
        for answer in at_end:
            answer((DONE, entries))

    # Looking
    def _processes(self) -> list[tuple[Any, ...]]:
        """Of each process: pid, parent, group, session, program, uid, state, processor time (ns), bytes in use, threads, since when (ns),
        the host's process, the call that it waits in (-1: none), its command.
        """
        return [self._row(process) for process in self._system.processes.values()]

    def _row(self, process: Process) -> tuple[Any, ...]:
        alive = process.exit_status is None
        command = procdetail.command_line(process) if alive else b""
        waiting = next((thread.call for thread in process.threads.values() if thread.activity is not None), -1)
        return (
            process.pid,
            process.parent.pid if process.parent is not None else 0,
            process.pgid,
            process.sid,
            process.program,
            process.credentials.uid,
            proctext.run_state(process),
            accounting.used(process),
            process.memory.space.resident() if alive else 0,
            len(process.threads),
            process.started,
            self._host_number(process.memory.space) if alive else 0,
            waiting,
            command.rstrip(b"\0").replace(b"\0", b" ") or process.executable_path,
        )

    def _memory(self, pid: int) -> list[tuple[Any, ...]]:
        """What a process has mapped: start, end, protection, shared, file offset, name. Raises UserError."""
        mappings = self._process(pid).memory.mappings()
        return [(m.start, m.end, m.protection, int(m.shared), m.offset, bytes(m.name)) for m in mappings]

    def _process(self, pid: int) -> Process:
        process = self._system.processes.get(pid)
        if process is None or process.exit_status is not None:
            raise UserError(f"no process {pid}: skerry ps lists those that there are")
        return process

    # Programs
    def _start(
        self, arguments: list[bytes], environment: list[bytes], directory: bytes, streams: dict[int, int], *, answer: Answer
    ) -> None:
        """Begin a program; the answer is its pid. ``streams``: the host's descriptors by number. No ``directory``: the system's."""
        options = replace(self._options, arguments=list(arguments), environment=list(environment))
        if directory:
            options = replace(options, directory=bytes(directory), directory_given=True)

        def begun(thread: Thread | UserError) -> None:
            if isinstance(thread, UserError):
                answer((REFUSED, str(thread), thread.status))
                return
            self._begun[thread.process.pid] = thread.process
            self._system.loop.call_at(0, lambda: self._go(thread))
            answer((DONE, thread.process.pid))

        first.start_beside(self._devices, self._system, options, streams, begun)

    def _go(self, thread: Thread) -> None:
        if not thread.dead:
            signals.resume(thread)

    def _wait(self, pid: int, answer: Answer) -> None:
        """Answer when a program that was started has ended: its wait status, time, time in the kernel (ns) and most memory (bytes) used.

        Each may be waited for once.
        """
        process = self._begun.pop(pid, None)
        if process is None:
            answer((REFUSED, f"no program {pid} to wait for", 1))
        elif process.exit_status is not None:
            self._tell_end(process, answer)
        else:
            watch = Watch(process.ended, lambda: self._ended(process, watch, answer))

    def _ended(self, process: Process, watch: Watch, answer: Answer) -> None:
        if process.exit_status is not None:
            watch.cancel()
            self._tell_end(process, answer)

    @staticmethod
    def _tell_end(process: Process, answer: Answer) -> None:
        used = process.usage
        answer((DONE, (process.exit_status, used.time, used.system, used.peak)))

    def _signal(self, program: int, number: int) -> int:
        """Send a signal to every process that descends from ``program``; how many there were. SIGKILL: none of them is left."""
        members = [p for p in self._system.processes.values() if p.program == program and p.exit_status is None]
        for process in members:
            if number == linux.SIGKILL:
                lifecycle.end_process(process, number)
            else:
                signals.send(process, signals.SignalInfo(number))
        return len(members)

    def _end(self) -> None:
        """The system ends."""
        if self._system.first is not None:
            lifecycle.end_process(self._system.first, linux.SIGKILL)

    # Tracing
    def _trace(self) -> None:
        from skerry.control.calls import CallLog

        if self._log is None:
            self._log = CallLog(self._system, self._server, self._host_number)
            self._log.start()
            self._rebind()

    def _traced(self) -> list[tuple[Any, ...]]:
        """What was logged since it was last asked."""
        return self._log.take() if self._log is not None else []

    def _untrace(self) -> list[tuple[Any, ...]]:
        log, self._log = self._log, None
        if log is None:
            return []
        log.stop()
        self._rebind()
        return log.take()
