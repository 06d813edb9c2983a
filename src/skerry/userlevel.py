"""A system whose Unix and drivers are tasks (``--config mach``): the kernel's part of it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from skerry import guardian, relay, users
from skerry.abi import mach, traps
from skerry.control.door import Door
from skerry.devices import own_devices
from skerry.grants import Grants, boot_data
from skerry.mach.kernel import Alone, Kernel
from skerry.mach.native import NativeTask
from skerry.mach.serving import Serving
from skerry.machine import Machine
from skerry.machine.native_task import Template
from skerry.messages import say
from skerry.options import Options, UserError

if TYPE_CHECKING:
    from skerry.control.programs import Owner
    from skerry.translators import Translators

OWN_FAILURE: Final = 125
GUARDIAN_DIED: Final = b"the reincarnation server has died, and with it what starts servers: the run is ended"


def run(
    machine: Machine, options: Options, streams: list[int], owner: Owner | None, attached: Translators | None, template: Template
) -> int:
    """Unix in a task of its own, until it is done; its exit status as the command's. ``template``: ``warm``'s.

    Raises UserError, MachineError.
    """
    owners, identity = users.who(options)
    options = users.with_variables(options, identity)
    devices = own_devices(machine, options, streams, owners, identity, owner)
    grants = Grants(devices, options)
    kernel = Kernel(machine)
    kernel.prepare()  # while the template starts
    if attached is not None:
        devices.translators = attached.attach(kernel)
    if options.disk_images:
        from skerry import disks

        disks.register(kernel, options.disk_images, devices.disks)
    outcome: list[tuple[int, bytes | None]] = []

    def done(status: int, text: bytes | None) -> None:
        outcome.append((status, text))
        kernel.halted = True

    boot = boot_data(devices, options, machine.processors, machine.vdso, relay.can_be_continued())
    tell = say if owner is None else owner.say
    serving = Serving(kernel, boot, tell, relay.stop_command, done)
    if options.swap:
        from skerry.paging import Paging

        serving.paging = Paging(kernel, template, options, tell)
    servers = guardian.Guardian(kernel, template, grants.open, tell, lambda: done(OWN_FAILURE, GUARDIAN_DIED))
    task = NativeTask(kernel, template, "skerry.unix_task:main", bootstrap=servers.bootstrap(), serving=serving)
    task.special_ports[mach.TASK_EXCEPTION_PORT] = serving.watch(task, lambda: done(OWN_FAILURE, b""))
    deliver = partial(serving.post, traps.EVENT_SIGNAL, value=0)
    passing_on = relay.SignalRelay(machine, devices.terminal is not None, deliver)
    with passing_on, Door(machine, kernel, options, serving.request, owner):
        kernel.run(Alone())
    grants.close()
    status, text = outcome[0]
    if text is not None:
        raise UserError(text.decode() or f"the Unix server has died, and its processes with it:\n{task.last_words}", status)
    return status
