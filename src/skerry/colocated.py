"""A system whose Unix is in the kernel's address space (``--config mach-colocated``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skerry import relay, relayed, users
from skerry.assembly import Assembly, exit_status
from skerry.control.door import Door
from skerry.devices import own_devices
from skerry.mach.kernel import Kernel
from skerry.machine import Machine
from skerry.messages import say
from skerry.options import Options
from skerry.unix.glue.mach import MachPlatform, serve

if TYPE_CHECKING:
    from collections.abc import Callable

    from skerry.control.desk import Desk
    from skerry.control.programs import Owner
    from skerry.paging import Paging
    from skerry.stats import Statistics
    from skerry.translators import Translators


def run(
    machine: Machine,
    options: Options,
    streams: list[int],
    statistics: Statistics | None,
    owner: Owner | None,
    attached: Translators | None,
) -> int:
    """Unix in the kernel's address space, until the first process has ended; its exit status as the command's.

    Raises UserError, MachineError.
    """
    kernel = Kernel(machine)
    if not options.swap:
        return _run(kernel, None, options, streams, statistics, owner, attached)
    from skerry import paging
    from skerry.machine.native_task import Template

    with Template(machine, paging.MODULES) as template:
        pages = paging.Paging(kernel, template, options, say if owner is None else owner.say)
        return _run(kernel, pages, options, streams, statistics, owner, attached)


def _run(
    kernel: Kernel,
    paging: Paging | None,
    options: Options,
    streams: list[int],
    statistics: Statistics | None,
    owner: Owner | None,
    attached: Translators | None,
) -> int:
    machine = kernel.machine
    platform = MachPlatform(kernel, paging)
    statuses: list[int] = []

    def ended(status: int) -> None:
        statuses.append(status)
        kernel.halted = True

    owners, identity = users.who(options)
    options = users.with_variables(options, identity)
    devices = own_devices(machine, options, streams, owners, identity, owner)
    if attached is not None:
        devices.translators = attached.attach(kernel)
    if options.disk_images:
        from skerry import disks

        disks.register(kernel, options.disk_images, devices.disks)
    tell = say if owner is None else owner.say
    assembly = Assembly(platform, devices, options, tell, ended)
    if statistics is None:
        server = assembly.make_server([])
    else:
        server = assembly.make_server([statistics], statistics.measuring(machine, kernel))
    assembly.start()
    serve(platform, server)
    system = assembly.system

    def desk(what: bytes, arguments: tuple[Any, ...], answer: Callable[[Any], None]) -> None:
        if not desks:
            from skerry.control.desk import Desk

            desks.append(Desk(system, devices, options, server, lambda space: space.host_pid, lambda: serve(platform, server)))
        desks[0].do(what, arguments, answer)

    desks: list[Desk] = []
    if system.console is not None and relay.can_be_continued():
        relayed.stop_with(system, relay.stop_command)
    passing_on = relay.SignalRelay(machine, system.console is not None, lambda number: relayed.deliver(system, number))
    with passing_on, Door(machine, kernel, options, desk, owner):
        assembly.begin()
        if statistics is None:
            kernel.run(assembly.loop)
        else:
            kernel.run(statistics.measured(assembly.loop))
            statistics.stop()
        for asked in desks:
            asked.close()
    assembly.close()
    return exit_status(statuses[0])
