"""Assembles a system out of a machine, a kernel and servers, and runs a program on it."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

from skerry import first, relay, users
from skerry.assembly import Assembly, exit_status
from skerry.devices import OwnDevices
from skerry.mach.kernel import Kernel
from skerry.machine import Machine, MachineError
from skerry.machine.stream import TerminalModes
from skerry.messages import say
from skerry.options import Options, UserError
from skerry.unix import signals
from skerry.unix.glue.mach import MachPlatform, serve

if TYPE_CHECKING:
    from skerry.stats import Statistics


def run(options: Options) -> int:
    """Run the program to its end; the exit status of the command. Raises UserError."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    statistics = _statistics() if options.stats else None
    try:
        with first.StandardStreams() as streams, TerminalModes(), Machine() as machine:
            status = _run_colocated(machine, options, streams.open, statistics)
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


def _run_colocated(machine: Machine, options: Options, streams: list[int], statistics: Statistics | None) -> int:
    """Unix in the kernel's address space, until the first process has ended; its exit status as the command's. Raises UserError."""
    kernel = Kernel(machine)
    platform = MachPlatform(kernel)
    statuses: list[int] = []

    def ended(status: int) -> None:
        statuses.append(status)
        kernel.halted = True

    owners, identity = users.who(options)
    options = users.with_variables(options, identity)
    devices = OwnDevices(machine, options, streams, owners, identity)
    assembly = Assembly(platform, devices, options, say, ended)
    if statistics is None:
        server = assembly.make_server([])
    else:
        server = assembly.make_server([statistics], statistics.measuring(machine, kernel))
    thread = assembly.start()
    serve(platform, server)
    system = assembly.system
    if system.console is not None and relay.can_be_continued():
        relay.stop_with(system, relay.stop_command)
    with relay.SignalRelay(machine, system.console is not None, lambda number: relay.deliver(system, number)):
        signals.resume(thread)
        if statistics is None:
            kernel.run(assembly.loop)
        else:
            kernel.run(statistics.measured(assembly.loop))
            statistics.stop()
    assembly.close()
    return exit_status(statuses[0])
