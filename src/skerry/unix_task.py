"""The program of the task that serves Unix (``--config mach``): it boots, and serves until its first process has ended."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from skerry import relayed
from skerry.abi import traps, values
from skerry.assembly import Assembly, exit_status
from skerry.control.desk import Desk
from skerry.grants import GrantedDevices
from skerry.lib.channel import Channel
from skerry.machine._host import Machine
from skerry.options import Bind, DiskImage, Mount, Net, Options, Publish, UserError, Writes
from skerry.unix.glue.task import KernelLink, RunLoop, TaskPlatform
from skerry.users import Identity

if TYPE_CHECKING:
    from skerry.stats import Statistics

PART: Final = 1 << 19  # bytes of an answer that go in one trap


def main(channel: Channel, machine: Machine) -> None:
    """What the template runs."""
    link = KernelLink(channel)
    try:
        status = _run(link, machine)
    except UserError as error:
        link.ask(traps.TRAP_DONE, error.status, str(error).encode())
    else:
        link.ask(traps.TRAP_DONE, status, None)


def _run(link: KernelLink, machine: Machine) -> int:
    fields, binds, mounts, images, publish, net, who, streams, terminal, processors, clock_page, continues = link.ask(
        traps.TRAP_BOOT, link.events, link.drivers.interrupts
    )
    options = _options(fields, binds, mounts, images, publish, net)
    devices = GrantedDevices(link.drivers.open, options, Identity(*who), streams, terminal)
    platform = TaskPlatform(link, machine, processors, clock_page, bool(options.swap))
    run_loop = RunLoop(platform)
    statuses: list[int] = []

    def ended(status: int) -> None:
        statuses.append(status)
        run_loop.halted = True

    def say(text: str) -> None:
        link.ask(traps.TRAP_SAY, text.encode(errors="backslashreplace"))

    assembly = Assembly(platform, devices, options, say, ended)
    statistics = _statistics(link) if options.stats else None
    if statistics is None:
        server = assembly.make_server([])
    else:
        server = assembly.make_server([statistics], statistics.measuring(run_loop, link))
    assembly.start()
    system = assembly.system
    link.on_signal = lambda number, _sender: relayed.deliver(system, number)
    if system.console is not None and continues:
        relayed.stop_with(system, lambda: link.ask(traps.TRAP_STOP))
    desk = Desk(system, devices, options, server, lambda space: space.host_pid, lambda: None)

    def asked(number: int) -> None:
        what, *arguments = link.ask(traps.TRAP_REQUEST, number)
        desk.do(what, tuple(arguments), lambda answer: give(number, values.pack(answer)))

    def give(number: int, answer: bytes) -> None:
        for start in range(0, len(answer), PART):
            link.ask(traps.TRAP_ANSWER, number, answer[start : start + PART], start + PART >= len(answer))

    link.on_request = asked
    if options.trace:
        desk.do(b"trace", (), lambda answer: None)  # from the first call on
    assembly.begin()
    run_loop.run(server, assembly.loop if statistics is None else statistics.measured(assembly.loop))
    desk.close()
    assembly.close()
    status = exit_status(statuses[0])
    if statistics is not None:
        statistics.stop()
        say(statistics.report(status))
    return status


def _statistics(link: KernelLink) -> Statistics:
    from skerry.stats import Statistics

    return Statistics(lambda who: SimpleNamespace(**link.ask(traps.TRAP_HOST, b"own_usage" if who == 0 else b"programs_usage")))


def _options(
    fields: dict[str, Any],
    binds: list[tuple[bytes, bytes, str]],
    mounts: list[tuple[Any, ...]],
    images: list[tuple[Any, ...]],
    publish: list[tuple[Any, ...]],
    net: str,
) -> Options:
    shown = [Bind(source, place, Writes(writes)) for source, place, writes in binds]
    attached = [Mount(*item) for item in mounts]
    disks = [DiskImage(*item) for item in images]
    published = [Publish(*item) for item in publish]
    return Options(**fields, binds=shown, mounts=attached, disk_images=disks, publish=published, net=Net(net))
