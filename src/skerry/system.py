"""Assembles a system out of a machine, a kernel and servers, and runs a program on it."""

from __future__ import annotations

import resource
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from skerry import first, guardian, relay, users
from skerry.abi import mach, traps
from skerry.assembly import Assembly, exit_status
from skerry.control.door import Door
from skerry.devices import OwnDevices
from skerry.grants import Grants, boot_data
from skerry.mach.kernel import Kernel
from skerry.mach.native import NativeTask
from skerry.mach.processor import NEVER
from skerry.mach.serving import Serving
from skerry.machine import Machine, MachineError
from skerry.machine.native_task import Template
from skerry.machine.stream import TerminalModes
from skerry.messages import say
from skerry.options import Config, Options, UserError
from skerry.unix import signals
from skerry.unix.glue.mach import MachPlatform, serve

if TYPE_CHECKING:
    from collections.abc import Callable

    from skerry.control.desk import Desk
    from skerry.control.programs import Owner
    from skerry.machine.owners import Owners
    from skerry.stats import Statistics
    from skerry.translators import Translators
    from skerry.users import Identity


OWN_FAILURE: Final = 125
GUARDIAN_DIED: Final = b"the reincarnation server has died, and with it what starts servers: the run is ended"


class _Nothing:
    """The run loop of a kernel that has no server in its address space (:class:`skerry.mach.kernel.Colocated`)."""

    def run_ready(self) -> None:
        pass

    def next_deadline(self) -> int:
        return NEVER


NOTHING: Final = _Nothing()


def run(options: Options, owner: Owner | None = None) -> int:
    """Run the program to its end; the exit status of the command. ``owner``: a system without a program, that is controlled from outside.

    Raises UserError.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    statistics = _statistics() if options.stats and options.config is Config.MACH_COLOCATED else None
    try:
        with (
            first.StandardStreams() as streams,
            TerminalModes(),
            Machine(options.config is Config.MACH) as machine,
            _translators(options) as attached,
        ):
            if options.config is Config.MACH:
                status = _run_as_task(machine, options, streams.open, owner, attached)
            else:
                status = _run_colocated(machine, options, streams.open, statistics, owner, attached)
    except MachineError as error:
        raise UserError(str(error)) from error
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if statistics is not None:
        say(statistics.report(status))
    return status


def _translators(options: Options) -> AbstractContextManager[Translators | None]:
    if not options.mounts:
        return nullcontext()
    from skerry.translators import Translators

    return Translators(options.mounts, say)


def _devices(machine: Machine, options: Options, streams: list[int], owners: Owners, identity: Identity, owner: Owner | None) -> OwnDevices:
    if owner is None:
        return OwnDevices(machine, options, streams, owners, identity)
    from skerry.control.programs import ProgramDevices

    owner.devices = ProgramDevices(machine, options, owners, identity)
    return owner.devices


def _run_as_task(machine: Machine, options: Options, streams: list[int], owner: Owner | None, attached: Translators | None) -> int:
    """Unix in a task of its own, until it is done; its exit status as the command's. Raises UserError, MachineError."""
    owners, identity = users.who(options)
    options = users.with_variables(options, identity)
    devices = _devices(machine, options, streams, owners, identity, owner)
    grants = Grants(devices, options)
    kernel = Kernel(machine)
    if attached is not None:
        devices.translators = attached.attach(kernel)
    outcome: list[tuple[int, bytes | None]] = []

    def done(status: int, text: bytes | None) -> None:
        outcome.append((status, text))
        kernel.halted = True

    boot = boot_data(devices, options, machine.processors, machine.vdso, relay.can_be_continued())
    tell = say if owner is None else owner.say
    serving = Serving(kernel, boot, tell, relay.stop_command, done)
    modules = [
        "skerry.unix_task",
        *guardian.MODULES,
        "ctypes",
        "skerry.unix.fs.upperdir",
        "skerry.control.calls",
        *(["skerry.unix.strace", "skerry.unix.observe"] if options.strace else []),
        *(["skerry.stats"] if options.stats else []),
    ]
    with Template(machine, modules) as template:
        servers = guardian.Guardian(kernel, template, grants.open, tell, lambda: done(OWN_FAILURE, GUARDIAN_DIED))
        task = NativeTask(kernel, template, "skerry.unix_task:main", bootstrap=servers.bootstrap(), serving=serving)
        task.special_ports[mach.TASK_EXCEPTION_PORT] = serving.watch(task, lambda: done(OWN_FAILURE, b""))
        deliver = partial(serving.post, traps.EVENT_SIGNAL, value=0)
        passing_on = relay.SignalRelay(machine, devices.terminal is not None, deliver)
        with passing_on, Door(machine, kernel, options, serving.request, owner):
            kernel.run(NOTHING)
    grants.close()
    status, text = outcome[0]
    if text is not None:
        raise UserError(text.decode() or f"the Unix server has died, and its processes with it:\n{task.last_words}", status)
    return status


def _statistics() -> Statistics:
    from skerry.stats import Statistics

    return Statistics()


def _run_colocated(
    machine: Machine,
    options: Options,
    streams: list[int],
    statistics: Statistics | None,
    owner: Owner | None,
    attached: Translators | None,
) -> int:
    """Unix in the kernel's address space, until the first process has ended; its exit status as the command's. Raises UserError."""
    kernel = Kernel(machine)
    platform = MachPlatform(kernel)
    statuses: list[int] = []

    def ended(status: int) -> None:
        statuses.append(status)
        kernel.halted = True

    owners, identity = users.who(options)
    options = users.with_variables(options, identity)
    devices = _devices(machine, options, streams, owners, identity, owner)
    if attached is not None:
        devices.translators = attached.attach(kernel)
    tell = say if owner is None else owner.say
    assembly = Assembly(platform, devices, options, tell, ended)
    if statistics is None:
        server = assembly.make_server([])
    else:
        server = assembly.make_server([statistics], statistics.measuring(machine, kernel))
    thread = assembly.start()
    serve(platform, server)
    system = assembly.system

    def desk(what: bytes, arguments: tuple[Any, ...], answer: Callable[[Any], None]) -> None:
        if not desks:
            from skerry.control.desk import Desk

            desks.append(Desk(system, devices, options, server, lambda space: space.host_pid, lambda: serve(platform, server)))
        desks[0].do(what, arguments, answer)

    desks: list[Desk] = []
    if system.console is not None and relay.can_be_continued():
        relay.stop_with(system, relay.stop_command)
    with relay.SignalRelay(machine, system.console is not None, lambda number: relay.deliver(system, number)):
        if options.arguments:
            signals.resume(thread)
        with Door(machine, kernel, options, desk, owner):
            if statistics is None:
                kernel.run(assembly.loop)
            else:
                kernel.run(statistics.measured(assembly.loop))
                statistics.stop()
    assembly.close()
    return exit_status(statuses[0])
