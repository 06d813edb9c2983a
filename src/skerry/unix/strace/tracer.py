"""Writes what happens at the boundary as ``strace -f`` does.

A call that ends at once is one line. One that waits shows its beginning; if others speak before it ends, that line is
``<unfinished ...>`` and the call is ``resumed`` on another.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.abi import registers as reg
from skerry.abi.fault import Fault
from skerry.unix import signals
from skerry.unix.arguments import c_long
from skerry.unix.fs.procdetail import command_line
from skerry.unix.strace import events, names, structures
from skerry.unix.strace.kinds import ITEM_LIMIT, STRING_LIMIT, After, Changed, Ending, Moment, quoted
from skerry.unix.strace.table import RESTARTS, ROWS, Row

if TYPE_CHECKING:
    from skerry.unix.process import Thread
    from skerry.unix.signals import SignalInfo
    from skerry.unix.syscalls.table import Call

ARGUMENTS: Final = (reg.RDI, reg.RSI, reg.RDX, reg.R10, reg.R8, reg.R9)
COLUMN: Final = 39  # results stand behind it
UNKNOWN: Final = Row(*(structures.HEX,) * 6)
MAX_ERRNO: Final = 4095


class _Line:
    """A call that is being made: what its beginning says, and what its end adds."""

    def __init__(self, name: str, row: Row, moment: Moment) -> None:
        self.name = name
        self.row = row
        self.moment = moment
        self.shown = False  # its beginning has been written
        self._parts: list[str] = []  # the arguments of the beginning
        self._next = 0  # index of the first argument of the end
        self._changing: Changed | None = None  # the last argument of the beginning, if the call may change it
        for kind, word in zip(row.kinds, moment.words, strict=False):
            if isinstance(kind, After | Ending):
                break
            self._next += 1
            part = kind.text(moment, word)
            if part is not None:
                self._parts.append(part)
            if isinstance(kind, Changed):
                self._changing = kind
                break

    def beginning(self) -> str:
        """What is written of a call that waits."""
        more = self._next < len(self.row.kinds) and self._parts and not self._changing
        return f"{self.name}({', '.join(self._parts)}{', ' if more else ''}"

    def end(self, result: int) -> str:
        """The arguments that the end adds to :meth:`beginning`."""
        change, rest = self._ending(result)
        return change + (", " if rest and self._changing else "") + ", ".join(rest)

    def whole(self, result: int) -> str:
        """The name and all arguments."""
        change, rest = self._ending(result)
        start = ", ".join(self._parts) + change
        return f"{self.name}({start}{', ' if start and rest else ''}{', '.join(rest)}"

    def _ending(self, result: int) -> tuple[str, list[str]]:
        moment, kinds = self.moment, self.row.kinds
        moment.result = result
        change = ""
        if self._changing is not None and result >= 0:
            change = self._changing.change(moment, moment.words[self._next - 1], self._parts[-1])
        pairs = zip(kinds[self._next :], moment.words[self._next :], strict=False)
        return change, [part for kind, word in pairs if (part := kind.text(moment, word)) is not None]


class Tracer:
    """An observer of the boundary (:class:`skerry.unix.observe.Observer`).

    ``write`` is given text, in pieces of lines; ``describe`` gives an error number's words.
    """

    def __init__(self, write: Callable[[str], object], describe: Callable[[int], str]) -> None:
        self._write = write
        self._describe = describe
        self._lines: dict[Thread, _Line] = {}
        self._threads: set[Thread] = set()
        self._held: Thread | None = None  # whose call has begun and is not written
        self._speaking: Thread | None = None  # whose line is not ended
        self._later: dict[Thread, list[SignalInfo]] = {}  # signals that reached a thread in a call

    def started(self, thread: Thread, variables: int) -> None:
        """The first process has its program, as if it had executed it itself."""
        self._meet(thread)
        arguments = command_line(thread.process).split(b"\0")[:-1]
        strings = ", ".join(quoted(word[:STRING_LIMIT], len(word) > STRING_LIMIT) for word in arguments[:ITEM_LIMIT])
        more = ", ..." if len(arguments) > ITEM_LIMIT else ""
        environment = thread.user.get(reg.RSP) + 8 * (len(arguments) + 2)
        text = f"execve({quoted(thread.process.executable_path)}, [{strings}{more}], {environment:#x} /* {variables} vars */)"
        self._say(thread, f"{text.ljust(COLUMN)} = 0")

    # The observer
    def enter(self, thread: Thread, number: int, call: Call | None) -> None:
        self._meet(thread)
        user = thread.user
        name = call.name if call is not None else f"syscall_{number:#x}"
        moment = Moment(thread.process.memory, tuple(user.get(register) for register in ARGUMENTS), user.get(reg.RSP))
        self._release()
        self._lines[thread] = _Line(name, ROWS.get(name, UNKNOWN), moment)
        self._held = thread

    def wait(self, thread: Thread) -> None:
        if self._held is thread:
            self._release()

    def leave(self, thread: Thread, result: int) -> None:
        if any(info.signo == linux.SIGKILL for info in thread.process.pending):
            return  # it does not come back: the end says so
        line = self._lines.pop(thread, None)
        if line is None:
            return
        result = line.moment.result = c_long(result)
        self._finish(thread, line, result, self._result(thread, line, result))
        for info in self._later.pop(thread, ()):
            self._tell(thread, info)

    def signal(self, thread: Thread, info: SignalInfo) -> None:
        self._meet(thread)
        if thread in self._lines:
            self._later.setdefault(thread, []).append(info)
        elif info.signo != linux.SIGKILL:
            self._tell(thread, info)

    def fault(self, thread: Thread) -> None:
        """Nothing: its signal says it."""

    def end(self, thread: Thread, status: int) -> None:
        self._meet(thread)
        line = self._lines.pop(thread, None)
        if line is not None:
            self._finish(thread, line, None, "?")
        self._later.pop(thread, None)
        signo = status & 0x7F
        self._say(thread, f"+++ killed by {names.signal_name(signo)} +++" if signo else f"+++ exited with {status >> 8} +++")
        self._threads.discard(thread)

    # Lines
    def _meet(self, thread: Thread) -> None:
        if thread not in self._threads:
            if self._threads:
                self._interrupt()
                self._write(f"strace: Process {thread.tid} attached\n")
            self._threads.add(thread)

    def _prefix(self, thread: Thread) -> str:
        return f"[pid {thread.tid:5}] " if len(self._threads) > 1 else ""

    def _interrupt(self) -> None:
        """End the line that someone has begun."""
        self._release()
        if self._speaking is not None:
            self._speaking = None
            self._write(" <unfinished ...>\n")

    def _release(self) -> None:
        """Write the beginning that is held back."""
        thread, self._held = self._held, None
        if thread is not None and (line := self._lines.get(thread)) is not None:
            if self._speaking is not None:
                self._write(" <unfinished ...>\n")
            self._write(self._prefix(thread) + line.beginning())
            line.shown = True
            self._speaking = thread

    def _tell(self, thread: Thread, info: SignalInfo) -> None:
        name = names.signal_name(info.signo)
        self._say(thread, f"--- {name} {events.signal_information(info.pack())} ---")
        if info.signo in signals.STOPS and thread.process.actions[info.signo].handler == signals.SIG_DFL:
            self._say(thread, f"--- stopped by {name} ---")

    def _say(self, thread: Thread, text: str) -> None:
        self._interrupt()
        self._write(f"{self._prefix(thread)}{text}\n")

    def _finish(self, thread: Thread, line: _Line, ended: int | None, result: str) -> None:
        """Write the rest of a line; ``ended`` is the call's result, None if it has none because the thread is gone."""
        if self._held is thread:
            self._held = None
        prefix = self._prefix(thread)
        if line.shown and self._speaking is thread and self._held is None:
            self._speaking = None
            start = prefix + line.beginning()
            rest = line.end(ended) if ended is not None else " <unfinished ...>"
            self._write(f"{(start + rest + ')').ljust(COLUMN)} = {result}\n"[len(start) :])
            return
        self._interrupt()
        if line.shown:
            text = f"{prefix}<... {line.name} resumed>{line.end(ended) if ended is not None else ''})"
        else:
            text = f"{prefix}{line.whole(ended or 0)})"
        self._write(f"{text.ljust(COLUMN)} = {result}\n")

    def _result(self, thread: Thread, line: _Line, result: int) -> str:
        if -MAX_ERRNO <= result < 0:
            if result == -linux.EINTR and (thread.restart or line.name in RESTARTS):
                return "? " + RESTARTS.get(line.name, "ERESTARTSYS (To be restarted if SA_RESTART is set)")
            return f"-1 {names.error_name(-result)} ({self._describe(-result)})"
        note = ""
        if line.row.note is not None:
            with suppress(Fault):
                note = line.row.note(line.moment)
        return (line.row.result.text(line.moment, result) or "") + (f" ({note})" if note else "")
