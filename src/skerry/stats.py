"""What a run took: counted at the boundary of the server and around the kernel's waits.

A system without statistics holds none of this. Times are wall-clock nanoseconds of the kernel's thread: while it waits, programs run
(or sleep); the rest is the kernel's and the servers' own.
"""

from __future__ import annotations

import resource
from collections import Counter
from collections.abc import Callable
from textwrap import wrap
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any, Final, Protocol

from skerry.unix.observe import ObservedServer, Observer

if TYPE_CHECKING:
    from skerry.lib.coroutine import Loop
    from skerry.mach.kernel import Colocated
    from skerry.unix.process import System, Thread
    from skerry.unix.signals import SignalInfo
    from skerry.unix.substrate import UserThread
    from skerry.unix.syscalls.table import Call

CLONES: Final = frozenset(("fork", "vfork", "clone", "clone3"))
UNKNOWN: Final = "unknown numbers"  # one entry: a program can make up four billion
WIDTH: Final = 100
SHOWN: Final = 25  # calls that are listed


class _Call:
    """The calls of one name."""

    __slots__ = ("clones", "count", "errors", "missing", "served", "waited", "waits")

    def __init__(self, name: str, missing: bool) -> None:
        self.count = self.errors = self.waits = 0
        self.served = self.waited = 0  # ns
        self.missing = missing
        self.clones = name in CLONES


class _Open:
    """A call that is being made."""

    __slots__ = ("call", "since", "waiting")

    def __init__(self, call: _Call) -> None:
        self.call = call
        self.since = perf_counter_ns()
        self.waiting = False


class MeasuredServer(ObservedServer):
    """An observed server that knows how long it works."""

    busy = 0  # ns

    def system_call(self, user: UserThread, number: int) -> None:
        start = perf_counter_ns()
        super().system_call(user, number)
        self.busy += perf_counter_ns() - start

    def fault(self, user: UserThread, signo: int, code: int, address: int) -> None:
        start = perf_counter_ns()
        super().fault(user, signo, code, address)
        self.busy += perf_counter_ns() - start


class _MeasuredLoop:
    """The server's loop, timed."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self.next_deadline = loop.next_deadline
        self.busy = 0

    def run_ready(self) -> None:
        start = perf_counter_ns()
        self._loop.run_ready()
        self.busy += perf_counter_ns() - start


class Measured(Protocol):
    """What waits for traps, and counts them."""

    wait: Callable[[int], Any]

    @property
    def traps(self) -> int: ...
    @property
    def host_calls(self) -> int: ...


class Messenger(Protocol):
    """What counts messages."""

    messages: int


class Statistics:
    """An observer of the boundary (:class:`skerry.unix.observe.Observer`) that counts, and reports at the end."""

    def __init__(self, used: Callable[[int], Any] = resource.getrusage) -> None:
        """``used`` tells what this process and the programs have used: getrusage(2)."""
        self._used = used
        self._began = perf_counter_ns()
        self._booted = self._stopped = self._began
        self._calls: dict[str, _Call] = {}
        self._open: dict[Thread, _Open] = {}
        self._counts: Counter[str] = Counter()
        self._waited = 0
        self._loop: _MeasuredLoop | None = None

    def measuring(self, machine: Measured, kernel: Messenger) -> Callable[..., MeasuredServer]:
        """What makes the server to boot; the machine's waits are timed from then on."""

        def make(system: System, calls: dict[int, Call], observers: tuple[Observer, ...]) -> MeasuredServer:
            self._machine, self._kernel, self._system = machine, kernel, system
            self._server = MeasuredServer(system, calls, observers)
            machine.wait = self._timed(machine.wait)
            return self._server

        return make

    def measured(self, loop: Loop) -> Colocated:
        """The loop to run; the system has booted."""
        self._booted = perf_counter_ns()
        self._loop = _MeasuredLoop(loop)
        return self._loop

    def stop(self) -> None:
        """The first process has ended."""
        self._stopped = perf_counter_ns()

    def _timed(self, wait: Callable[[int], Any]) -> Callable[[int], Any]:
        def timed(deadline: int) -> Any:
            start = perf_counter_ns()
            event = wait(deadline)
            self._waited += perf_counter_ns() - start
            return event

        return timed

    # The observer
    def enter(self, thread: Thread, number: int, call: Call | None) -> None:
        name = call.name if call is not None else UNKNOWN
        entry = self._calls.get(name)
        if entry is None:
            entry = self._calls[name] = _Call(name, call is None or call.handler is None)
        entry.count += 1
        self._open[thread] = _Open(entry)

    def wait(self, thread: Thread) -> None:
        opened = self._open.get(thread)
        if opened is not None and not opened.waiting:
            now = perf_counter_ns()
            opened.call.served += now - opened.since
            opened.call.waits += 1
            opened.since, opened.waiting = now, True

    def leave(self, thread: Thread, result: int) -> None:
        opened = self._open.pop(thread, None)
        if opened is None:
            return
        elapsed = perf_counter_ns() - opened.since
        call = opened.call
        if opened.waiting:
            call.waited += elapsed
        else:
            call.served += elapsed
        if -4095 <= result < 0:
            call.errors += 1
        elif result > 0 and call.clones:
            self._counts["processes" if result in self._system.processes else "threads"] += 1

    def signal(self, thread: Thread, info: SignalInfo) -> None:
        self._counts["signals"] += 1

    def fault(self, thread: Thread) -> None:
        self._counts["faults"] += 1

    def end(self, thread: Thread, status: int) -> None:
        self._open.pop(thread, None)

    # The report
    def report(self, status: int) -> str:
        """The whole of it, to be written when the machine is closed."""
        ended = perf_counter_ns()
        return "\n".join((*self._summary(ended, status), "", *self._times(ended), "", *self._table(), *self._missing(), ""))

    def _summary(self, ended: int, status: int) -> list[str]:
        programs = self._used(resource.RUSAGE_CHILDREN)
        own = self._used(resource.RUSAGE_SELF)
        counts = self._counts
        waits = sum(call.waits for call in self._calls.values())
        executed = 1 + sum(call.count - call.errors for name, call in self._calls.items() if name in ("execve", "execveat"))
        rows = (
            ("traps", self._machine.traps, f"{self._kernel.messages} as messages to the server"),
            ("system calls", sum(call.count for call in self._calls.values()), f"{waits} had to wait"),
            ("faults", counts["faults"], f"sent as signals; the host resolved {programs.ru_minflt + programs.ru_majflt} others"),
            ("signals", counts["signals"], "delivered or ignored"),
            (
                "processes",
                counts["processes"] + 1,
                f"{counts['threads']} more threads, {executed} programs executed",
            ),
            ("maps", self._machine.host_calls, "changes of address spaces made by the host"),
            ("peak memory", f"{own.ru_maxrss >> 10} MiB", f"of kernel and servers; {programs.ru_maxrss >> 10} MiB of the largest program"),
        )
        head = f"skerry: {(ended - self._began) / 1e9:.3f} s, exit status {status}"
        return [head, "", *(f"{name:<14}{value!s:>10}   {note}" for name, value, note in rows)]

    def _times(self, ended: int) -> list[str]:
        loop = self._loop.busy if self._loop is not None else 0
        servers = self._server.busy + loop
        total = max(ended - self._began, 1)
        boot = self._booted - self._began
        rows = (
            ("start", boot, "machine, kernel, server and first program"),
            ("programs", self._waited, "they run or sleep, and the kernel waits"),
            ("kernel", max(self._stopped - self._booted - self._waited - servers, 0), "takes traps and sends messages"),
            ("servers", servers, "Unix"),
            ("end", ended - self._stopped, "memory and processes are given back"),
        )
        lines = [f"{'time':<14}{'ms':>10}{'share':>8}"]
        lines += [f"{name:<14}{time / 1e6:>10.1f}{100 * time / total:>7.1f}%   {note}" for name, time, note in rows]
        own, programs = self._used(resource.RUSAGE_SELF), self._used(resource.RUSAGE_CHILDREN)
        lines.append(
            f"processors: {own.ru_utime * 1e3:.0f} ms kernel and servers, {programs.ru_utime * 1e3:.0f} ms programs,"
            f" {(own.ru_stime + programs.ru_stime) * 1e3:.0f} ms in the host's kernel for both"
        )
        return lines

    def _table(self) -> list[str]:
        lines = [f"{'system call':<22}{'calls':>8}{'errors':>8}{'served ms':>12}{'µs/call':>10}{'waits':>8}{'waited ms':>12}"]
        ordered = sorted(self._calls.items(), key=lambda item: (-item[1].count, item[0]))
        for name, call in ordered[:SHOWN]:
            waits = f"{call.waits:>8}{call.waited / 1e6:>12.1f}" if call.waits else ""
            average = call.served / call.count / 1e3
            lines.append(f"{name:<22}{call.count:>8}{call.errors or '':>8}{call.served / 1e6:>12.2f}{average:>10.1f}{waits}")
        rest = ordered[SHOWN:]
        if rest:
            count, served = sum(call.count for _, call in rest), sum(call.served for _, call in rest)
            lines.append(f"{f'{len(rest)} others':<22}{count:>8}{'':>8}{served / 1e6:>12.2f}")
        return lines

    def _missing(self) -> list[str]:
        missing = [f"{name} ({call.count})" for name, call in sorted(self._calls.items()) if call.missing]
        text = f"missing (ENOSYS): {', '.join(missing)}"
        return wrap(text, WIDTH, subsequent_indent="  ", break_long_words=False) if missing else []
