"""Starts the reincarnation server of a run whose servers are tasks, with the devices that the run was given."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from skerry.mach import mach_port as mp
from skerry.mach import right
from skerry.mach.driving import DrivenDevice, Factory
from skerry.mach.native import NativeTask
from skerry.mach.right import RightKind

if TYPE_CHECKING:
    from skerry.mach.kernel import Kernel
    from skerry.mach.port import Port
    from skerry.machine.native_task import Template

DESCRIPTION: Final = Path(__file__).parent / "servers" / "services.json"
METHODS: Final = {  # of devices: what the run was given, by what it is (``grants``)
    "files": (b"tree", b"node", b"layer", b"find", b"translator"),
    "console": (b"stream",),
    "network": (b"network",),
    "disk": (b"disk",),
    "clock": (b"clock",),
}
PORT: Final = 0x1001  # names of rights that the server starts with
FACTORY: Final = 0x1002
FIRST_DEVICE: Final = 0x1003


class Guardian:
    """The reincarnation server, as the kernel's process has it."""

    def __init__(
        self,
        kernel: Kernel,
        template: Template,
        open: Callable[..., Any],
        say: Callable[[str], None],
        ended: Callable[[], None],
        description: str | None = None,
        methods: Mapping[str, Collection[bytes]] = METHODS,
    ) -> None:
        """``open`` opens what the run was given; ``ended`` is called when the server has died. ``description``: DESCRIPTION's text.

        ``methods``: of devices, by name. A service that needs a device which is not among them does not exist.

        Raises OSError, MachineError.
        """
        self.factory = Factory(kernel, template, say)
        self.devices = {name: DrivenDevice(kernel, open, its) for name, its in methods.items()}
        names = {name: FIRST_DEVICE + at for at, name in enumerate(self.devices)}
        arguments: list[str | int] = [PORT, FACTORY, description or DESCRIPTION.read_text(), json.dumps(names)]
        self.task = NativeTask(kernel, template, "skerry.servers.reincarnation:main", arguments=arguments)
        self.task.name = "reincarnation"
        mp.mach_port_allocate_name(self.task, RightKind.RECEIVE, PORT)
        self.port = self.task.space.lookup(PORT).port  # where services are looked up
        self.task.space.copyout_name(RightKind.SEND, right.make_send(self.factory.port), FACTORY)
        for name, device in self.devices.items():
            self.task.space.copyout_name(RightKind.SEND, right.make_send(device.port), names[name])
        self.factory.watch(self.task, lambda _task: ended())

    def bootstrap(self) -> Port:
        """A send right to where services are looked up."""
        return right.make_send(self.port)
