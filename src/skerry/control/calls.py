"""A log of the system calls, faults, signals and ends of programs, kept by the Unix server while somebody traces it.

While it is on, methods of the server are covered by ones that note when and what; while it is off, nothing of it is there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from skerry.unix.fs import procdetail
from skerry.unix.syscalls.table import BY_NUMBER

if TYPE_CHECKING:
    from skerry.unix.observe import Observer
    from skerry.unix.process import System, Thread
    from skerry.unix.server import Server
    from skerry.unix.signals import SignalInfo
    from skerry.unix.substrate import UserThread
    from skerry.unix.syscalls.table import Call

MOST: Final = 500_000  # entries that are kept until they are taken; those after it are counted, and lost
CALL, FAULT, SIGNAL, END, NAME, LOST = range(6)
COVERED: Final = ("system_call", "answer", "fault")
Entry = tuple[Any, ...]


class CallLog:
    """Entries: what (CALL ...), when (ns), pid, tid, and what the kind says.

    CALL: until when it lasted, name, result, whether it waited. FAULT, SIGNAL: signal number. END: wait status. NAME: host process,
    command. LOST: how many entries.
    """

    def __init__(self, system: System, server: Server, host_number: Callable[[Any], int]) -> None:
        self._system = system
        self._server = server
        self._host_number = host_number
        self._clock = system.platform.monotonic
        self._entries: list[Entry] = []
        self._lost = 0
        self._open: dict[Thread, tuple[int, int]] = {}  # since when, and the number of the call
        self._waited: set[Thread] = set()
        self._named: dict[int, bytes] = {}

    def start(self) -> None:
        """Cover the server's methods; its caller has whoever holds them look again."""
        system_call, answer, fault = self._server.system_call, self._server.answer, self._server.fault

        def logged_call(user: UserThread, number: int) -> None:
            thread = user.owner
            if thread is not None:
                self._open[thread] = self._clock(), number
            system_call(user, number)
            if thread is not None and thread.activity is not None:
                self._waited.add(thread)

        def logged_answer(thread: Thread, result: int) -> None:
            self.leave(thread, result)
            answer(thread, result)

        def logged_fault(user: UserThread, signo: int, code: int, address: int) -> None:
            if user.owner is not None:
                self._note(FAULT, self._clock(), user.owner, signo)
            fault(user, signo, code, address)

        vars(self._server).update(zip(COVERED, (logged_call, logged_answer, logged_fault), strict=True))
        self._system.observers = (*self._system.observers, self)
        for process in self._system.processes.values():
            for thread in process.threads.values():
                self._name(thread)
                if thread.activity is not None:  # what it waits in began before
                    self._open[thread] = self._clock(), thread.call
                    self._waited.add(thread)

    def stop(self) -> None:
        """Uncover them; calls that have not ended are logged up to now, with the result None."""
        for name in COVERED:
            del vars(self._server)[name]
        others: list[Observer] = [observer for observer in self._system.observers if observer != self]
        self._system.observers = tuple(others)
        for thread in list(self._open):
            self.leave(thread, None)

    def take(self) -> list[Entry]:
        """The entries since the last time."""
        taken, self._entries = self._entries, []
        if self._lost:
            taken.append((LOST, self._clock(), 0, 0, self._lost))
            self._lost = 0
        return taken

    def _note(self, kind: int, when: int, thread: Thread, *what: Any) -> None:
        if len(self._entries) >= MOST:
            self._lost += 1
            return
        pid = thread.process.pid
        if pid not in self._named:
            self._name(thread)
        self._entries.append((kind, when, pid, thread.tid, *what))

    def _name(self, thread: Thread) -> None:
        process = thread.process
        if process.exit_status is not None:
            return
        command = procdetail.command_line(process).rstrip(b"\0").replace(b"\0", b" ") or process.executable_path
        if self._named.get(process.pid) != command:
            self._named[process.pid] = command
            self._entries.append((NAME, self._clock(), process.pid, thread.tid, self._host_number(process.memory.space), command))

    # What is told by System.observers (skerry.unix.observe.Observer)
    def enter(self, thread: Thread, number: int, call: Call | None) -> None:
        """The covered method has noted it."""

    def wait(self, thread: Thread) -> None:
        """Likewise."""

    def fault(self, thread: Thread) -> None:
        """Likewise."""

    def leave(self, thread: Thread, result: int | None) -> None:
        opened = self._open.pop(thread, None)
        if opened is None:
            return
        since, number = opened
        row = BY_NUMBER.get(number)
        name = row.name if row is not None else f"call {number}"
        waited = thread in self._waited
        self._waited.discard(thread)
        if result is not None and result >> 63 == 1:  # rt_sigreturn gives back a register as it was
            result -= 1 << 64
        self._note(CALL, since, thread, self._clock(), name, result, int(waited))
        if name in ("execve", "execveat"):
            self._name(thread)

    def signal(self, thread: Thread, info: SignalInfo) -> None:
        self._note(SIGNAL, self._clock(), thread, info.signo)

    def end(self, thread: Thread, status: int) -> None:
        self.leave(thread, None)
        self._note(END, self._clock(), thread, status)
