"""The name server: a name for a send right, within one machine.

A name belongs to who checked it in: the same signature replaces or removes it, and nobody else can. A signature is a port; holding a send
right to it proves who one is. When the port of a name dies, the name goes with it.

One that a reincarnation server has started has the names of those before it: what a client is told to be checked in outlives the server.

Source: the netname server of Mach (netname.defs: ids 1040 to 1042; netname_defs.h: codes).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from struct import Struct
from typing import Any, Final, Protocol

from skerry.abi import mach
from skerry.lib.channel import Channel, NativeTask
from skerry.lib.coroutine import WaitQueue
from skerry.lib.driver import GuardianPort
from skerry.lib.service import Answer, Service
from skerry.lib.stubs import CallError, CopySend, Dispatcher, Text80, client, finish, routine

NETNAME_SUCCESS: Final = 0
NETNAME_NOT_YOURS: Final = 1000
NETNAME_NOT_CHECKED_IN: Final = 1001
NETNAME_NO_SUCH_HOST: Final = 1002
MAX_NAMES: Final = 4096  # what clients can make the server hold
ATTEMPTS: Final = 8  # for one call of publish and look_up
_NUMBERS: Final = Struct("<QQ")  # of a signature and a port that are kept


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


class Memory:
    """The names, as the reincarnation server keeps them: the rights, and a note for each name with the numbers of its two."""

    def __init__(self, guardian: GuardianPort) -> None:
        self._guardian = guardian
        self._kept: dict[str, list[int]] = {}  # numbers by name
        self._uses: dict[int, int] = {}  # of numbers
        self._busy = False
        self._free = WaitQueue()

    async def remember(self, name: str, signature: int, port: int) -> None:
        """Keep a name, in place of what was kept of it. Raises CallError."""
        await self._enter()
        numbers: list[int] = []
        try:
            for right in (signature, port):
                number = await self._guardian.service_keep(right)
                self._uses[number] = self._uses.get(number, 0) + 1
                numbers.append(number)
            await self._guardian.service_note(name, _NUMBERS.pack(*numbers))
            numbers, self._kept[name] = self._kept.get(name, []), numbers
        finally:  # those of before, or those that are of no use
            await self._drop(numbers)
            self._leave()

    async def forget(self, name: str) -> None:
        """Keep it no longer."""
        await self._enter()
        try:
            await self._guardian.service_note(name, b"")
            await self._drop(self._kept.pop(name, []))
        finally:
            self._leave()

    async def recall(self, rights: dict[int, int]) -> dict[str, tuple[int, int]]:
        """Signatures and ports by name, out of ``rights`` by number. A name that has lost one of them is forgotten."""
        name, note = await self._guardian.service_notes("")
        while note:
            self._kept[name] = list(_NUMBERS.unpack(note))
            for number in self._kept[name]:
                self._uses[number] = self._uses.get(number, 0) + 1
            name, note = await self._guardian.service_notes(name)
        found: dict[str, tuple[int, int]] = {}
        for name, (signature, port) in list(self._kept.items()):
            if signature in rights and port in rights:
                found[name] = (rights[signature], rights[port])
            else:
                await self.forget(name)
        return found

    async def _drop(self, numbers: list[int]) -> None:
        for number in numbers:
            self._uses[number] -= 1
            if not self._uses[number]:
                del self._uses[number]
                with suppress(CallError):  # its port has died
                    await self._guardian.service_drop(number)

    async def _enter(self) -> None:
        """One change is made after the other."""
        while self._busy:
            await self._free.wait()
        self._busy = True

    def _leave(self) -> None:
        self._busy = False
        self._free.wake_some(1)


class NameServer:
    """The table of names."""

    def __init__(self, service: Service, memory: Memory | None = None) -> None:
        """``memory`` outlives it."""
        self._service = service
        self._memory = memory
        self._names: dict[str, tuple[int, int]] = {}  # signature, port: one user reference each
        self._uses: dict[int, int] = {}  # of ports: by how many names

    async def restore(self, memory: Memory, rights: dict[int, int]) -> None:
        """Have the names that are remembered; ``rights``, by number, are ours."""
        for name, (signature, port) in (await memory.recall(rights)).items():
            try:
                self._add(name, signature, port)
            except CallError:  # it has died
                await memory.forget(name)
                continue
            for right in (signature, port):
                finish(self._service.kernel.mach_port_mod_refs(right, mach.MACH_PORT_RIGHT_SEND, 1))
        for right in rights.values():
            self._service.deallocate(right)

    async def netname_check_in(self, name: str, signature: int, port: int) -> None:
        known = self._names.get(name)
        if signature == mach.MACH_PORT_DEAD:
            raise CallError(mach.KERN_INVALID_CAPABILITY)
        if known is not None and known[0] != signature:
            raise CallError(NETNAME_NOT_YOURS)
        if known is None and len(self._names) >= MAX_NAMES:
            raise CallError(mach.KERN_RESOURCE_SHORTAGE)
        self._add(name, signature, port)
        if known is not None:
            self._release(*known)
        if self._memory is not None:
            with suppress(CallError):  # it has died meanwhile: the name goes with it
                await self._memory.remember(name, signature, port)

    def _add(self, name: str, signature: int, port: int) -> None:
        if port not in self._uses:
            self._service.on_death(port, lambda: self._died(port))
        self._uses[port] = self._uses.get(port, 0) + 1
        self._names[name] = (signature, port)

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
        self._service.deallocate(signature)
        if self._memory is not None:
            await self._memory.forget(name)

    def _died(self, port: int) -> None:
        for name in [name for name, known in self._names.items() if known[1] == port]:
            self._release(*self._names.pop(name))
            if self._memory is not None:
                self._service.start(self._memory.forget(name))

    def _release(self, signature: int, port: int) -> None:
        self._uses[port] -= 1
        if not self._uses[port]:
            del self._uses[port]
        self._service.deallocate(signature)
        self._service.deallocate(port)


def start(channel: Channel) -> None:
    """The program of one that the reincarnation server has started."""
    service = Service(channel)
    bootstrap = finish(service.kernel.task_get_special_port(mach.TASK_BOOTSTRAP_PORT))
    port, _, rights, numbers = finish(client(GuardianPort, service.task, bootstrap).service_check_in())
    memory = Memory(client(GuardianPort, service, bootstrap))
    server = NameServer(service, memory)

    async def begin() -> None:
        await server.restore(memory, dict(zip(numbers, rights, strict=True)))
        service.serve(port, Dispatcher(NameService, server).answer)

    service.start(begin())
    service.run()


def publish(service: Service, name: str, answer: Answer) -> int:
    """Serve ``answer`` at a new port that is checked in under ``name``; the port. The caller's bootstrap port is the name server's.

    Raises CallError: those of ``netname_check_in``.
    """
    port = service.new_port()
    finish(service.kernel.mach_port_insert_right(port, port))
    _ask(service.task, lambda names: names.netname_check_in(name, port, port))
    service.serve(port, answer)
    return port


def look_up(task: NativeTask, name: str) -> int:
    """A send right to what is checked in under ``name``. Raises CallError: those of ``netname_look_up``."""
    port: int = _ask(task, lambda names: names.netname_look_up("", name))
    return port


def _ask(task: NativeTask, call: Callable[[NameService], Any]) -> Any:
    """The result of a call that may be made twice: the server may die of it, and be there again. Raises CallError."""
    names = client(NameService, task, finish(task.kernel.task_get_special_port(mach.TASK_BOOTSTRAP_PORT)))
    for _ in range(ATTEMPTS):
        try:
            return finish(call(names))
        except CallError as error:
            if error.code != mach.MIG_SERVER_DIED:
                raise
    raise CallError(mach.MIG_SERVER_DIED)


def main(channel: Channel, port: int) -> None:
    """The server's program. ``port``: the name of its receive right."""
    service = Service(channel)
    service.serve(port, Dispatcher(NameService, NameServer(service)).answer)
    service.run()
