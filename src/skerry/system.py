"""Assembles a system out of a machine, a kernel and servers, and runs a program on it."""

from __future__ import annotations

import gc
import os
import resource
from typing import TYPE_CHECKING, Final

from skerry import first, mounts, networks
from skerry.lib.coroutine import Loop
from skerry.mach.kernel import Kernel
from skerry.machine import Machine, MachineError
from skerry.machine.stream import Stream, TerminalModes
from skerry.messages import say
from skerry.options import Options, UserError
from skerry.relay import SignalRelay
from skerry.run_limits import make_limits
from skerry.unix import signals
from skerry.unix.console import Console
from skerry.unix.fs.devpts import DevPts
from skerry.unix.glue.devices import StreamDevice
from skerry.unix.glue.mach import MachPlatform, serve
from skerry.unix.process import System
from skerry.unix.server import Server
from skerry.unix.syscalls.table import BY_NUMBER

if TYPE_CHECKING:
    from skerry.stats import Statistics
    from skerry.unix.observe import Observer
    from skerry.unix.strace import Tracer

LINGER: Final = 5_000_000_000  # ns that what was written to the network may take to be sent, when the system has ended
COLLECT_AFTER: Final = 50_000  # new objects; bench gcc: collecting every 700, as by default, costs 2 % of the server's time


def run(options: Options) -> int:
    """Run the program to its end; the exit status of the command. Raises UserError."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    statistics = _statistics() if options.stats else None
    try:
        with first.StandardStreams() as streams, TerminalModes(), Machine() as machine:
            status = _Run(machine, options, statistics).run(streams)
    except MachineError as error:
        raise UserError(str(error)) from error
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if statistics is not None:
        say(statistics.report(status))
    return status


def _statistics() -> Statistics:
    from skerry.stats import Statistics

    return Statistics()


class _Run:
    """One booted system and the program that it was booted for."""

    def __init__(self, machine: Machine, options: Options, statistics: Statistics | None) -> None:
        self.machine = machine
        self.options = options
        self.statistics = statistics
        self.kernel = Kernel(machine)
        self.platform = MachPlatform(self.kernel)
        self.loop = Loop(self.platform.monotonic)
        self.status = 0
        limits = make_limits(options, self.platform, say)
        names = mounts.make_root(self.platform, options.root, limits.storage)
        self.system = System(self.platform, names.root, self.loop)
        self.system.limits = limits
        self.system.hostname = os.uname().nodename.encode()
        self.system.on_end = self._ended
        self.tracer: Tracer | None = None
        self.server = self._make_server()
        mounts.mount_all(self.system, names, options.binds, self._terminals())

    def _make_server(self) -> Server:
        """The plain server, or one that is watched: who does not ask for it does not pay for it."""
        observers: list[Observer] = []
        if self.options.strace:
            from skerry.unix.strace import Tracer

            self.tracer = Tracer(say, os.strerror)
            observers.append(self.tracer)
            self.system.emulation = False
        if self.statistics is not None:
            observers.append(self.statistics)
            return self.statistics.measure(self.machine, self.kernel, self.system, BY_NUMBER, tuple(observers))
        if observers:
            from skerry.unix.observe import ObservedServer

            return ObservedServer(self.system, BY_NUMBER, tuple(observers))
        return Server(self.system, BY_NUMBER)

    def _ended(self, status: int) -> None:
        self.status = status
        self.kernel.halted = True

    def _terminals(self) -> DevPts:
        """/dev/pts, with the user's terminal if one was given."""
        devpts = DevPts(self.system, mounts.DEVPTS)
        descriptor = next((number for number in range(3) if os.isatty(number)), None)
        if descriptor is not None:
            console = Console(self.loop, StreamDevice(Stream(self.machine, descriptor)))
            console.inode = devpts.add(0, console, os.getuid())
            self.system.console = console
        return devpts

    def run(self, streams: first.StandardStreams) -> int:
        """Serve until the first process has ended; its exit status as the command's. Raises UserError."""
        thread = first.start(self.machine, self.system, self.options, streams)
        networks.attach(self.machine, thread, self.options)
        if self.tracer is not None:
            self.tracer.started(thread, len(self.options.environment))
        gc.freeze()  # what exists now stays
        gc.set_threshold(COLLECT_AFTER, 10, 10)
        serve(self.platform, self.server)
        self.system.limits.watch(self.system)
        with SignalRelay(self.machine, self.system):
            signals.resume(thread)
            if self.statistics is None:
                self.kernel.run(self.loop)
            else:
                self.kernel.run(self.statistics.measured(self.loop))
                self.statistics.stop()
        self.system.network.close(self.platform.monotonic() + LINGER)
        return 128 + (self.status & 0x7F) if self.status & 0x7F else self.status >> 8
