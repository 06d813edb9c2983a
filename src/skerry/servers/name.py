"""The name server: a name for a send right, within one machine.

A name belongs to who checked it in: the same signature replaces or removes it, and nobody else can. A signature is a port; holding a send
right to it proves who one is. When the port of a name dies, the name goes with it.

Source: the netname server of Mach (netname.defs: ids 1040 to 1042; netname_defs.h: codes).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from skerry.abi import mach
from skerry.lib.channel import Channel, NativeTask
from skerry.lib.driver import GuardianPort
from skerry.lib.service import Answer, Service
from skerry.lib.stubs import CallError, CopySend, Dispatcher, Text80, client, finish, routine

NETNAME_SUCCESS: Final = 0
NETNAME_NOT_YOURS: Final = 1000
NETNAME_NOT_CHECKED_IN: Final = 1001
NETNAME_NO_SUCH_HOST: Final = 1002
MAX_NAMES: Final = 4096  # what clients can make the server hold


class NameService(Protocol):
    """Names are at most 80 bytes."""

    @routine(1040)
    async def netname_check_in(self, name: Text80, signature: CopySend, port: CopySend) -> None:
        """Have ``name`` mean ``port``.

        Raises CallError: NOT_YOURS (another's), RESOURCE_SHORTAGE (too many names), INVALID_CAPABILITY (a dead signature), INVALID_NAME (no
        live port).
        """

    @routine(1041)
    async def netname_look_up(self, host: Text80, name: Text80) -> CopySend:
        """A send right. ``host``: "" or "*", this machine. Raises CallError: NOT_CHECKED_IN, NO_SUCH_HOST (any other)."""

    @routine(1042)
    async def netname_check_out(self, name: Text80, signature: CopySend) -> None:
        """Forget ``name``. Raises CallError: NOT_CHECKED_IN, NOT_YOURS."""


class NameServer:
    """The table of names."""

    def __init__(self, deallocate: Callable[[int], None], on_death: Callable[[int, Callable[[], None]], None]) -> None:
        """What it needs of a service: giving up a right, and word of the death of a port."""
        self._deallocate = deallocate
        self._on_death = on_death
        self._names: dict[str, tuple[int, int]] = {}  # signature, port: one user reference each
        self._uses: dict[int, int] = {}  # of ports: by how many names

    async def netname_check_in(self, name: str, signature: int, port: int) -> None:
        known = self._names.get(name)
        if signature == mach.MACH_PORT_DEAD:
            raise CallError(mach.KERN_INVALID_CAPABILITY)
        if known is not None and known[0] != signature:
            raise CallError(NETNAME_NOT_YOURS)
        if known is None and len(self._names) >= MAX_NAMES:
            raise CallError(mach.KERN_RESOURCE_SHORTAGE)
        if port not in self._uses:
            self._on_death(port, lambda: self._died(port))
        self._uses[port] = self._uses.get(port, 0) + 1
        self._names[name] = (signature, port)
        if known is not None:
            self._release(*known)

    async def netname_look_up(self, host: str, name: str) -> int:
        if host not in ("", "*"):
            raise CallError(NETNAME_NO_SUCH_HOST)
        known = self._names.get(name)
        if known is None:
            raise CallError(NETNAME_NOT_CHECKED_IN)
        return known[1]

    async def netname_check_out(self, name: str, signature: int) -> None:
        known = self._names.get(name)
        if known is None:
            raise CallError(NETNAME_NOT_CHECKED_IN)
        if known[0] != signature:
            raise CallError(NETNAME_NOT_YOURS)
        del self._names[name]
        self._release(*known)
        self._deallocate(signature)

    def _died(self, port: int) -> None:
        for name in [name for name, known in self._names.items() if known[1] == port]:
            self._release(*self._names.pop(name))

    def _release(self, signature: int, port: int) -> None:
        self._uses[port] -= 1
        if not self._uses[port]:
            del self._uses[port]
        self._deallocate(signature)
        self._deallocate(port)


def start(channel: Channel) -> None:
    """The program of one that the reincarnation server has started."""
    task = NativeTask(channel)
    guardian = client(GuardianPort, task, finish(task.kernel.task_get_special_port(mach.TASK_BOOTSTRAP_PORT)))
    main(channel, finish(guardian.service_check_in())[0])


def publish(service: Service, name: str, answer: Answer) -> int:
    """Serve ``answer`` at a new port that is checked in under ``name``; the port. The caller's bootstrap port is the name server's.

    Raises CallError: those of ``netname_check_in``.
    """
    port = service.new_port()
    finish(service.kernel.mach_port_insert_right(port, port))
    finish(_names(service.task).netname_check_in(name, port, port))
    service.serve(port, answer)
    return port


def look_up(task: NativeTask, name: str) -> int:
    """A send right to what is checked in under ``name``. Raises CallError: those of ``netname_look_up``."""
    port: int = finish(_names(task).netname_look_up("", name))
    return port


def _names(task: NativeTask) -> NameService:
    return client(NameService, task, finish(task.kernel.task_get_special_port(mach.TASK_BOOTSTRAP_PORT)))


def main(channel: Channel, port: int) -> None:
    """The server's program. ``port``: the name of its receive right."""
    service = Service(channel)
    server = NameServer(service.deallocate, service.on_death)
    service.serve(port, Dispatcher(NameService, server).answer)
    service.run()
