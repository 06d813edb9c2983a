"""What every driver serves, and what the reincarnation server is to a server that it has started.

A client attaches itself once, with a port for interrupts; its number goes into the high half (``driving.CLIENT_SHIFT``) of its transactions
and of the numbers that stand for its callbacks. Arguments and results are ``values``, with objects as numbers: ``skerry.abi.driving``.
"""

from __future__ import annotations

from typing import Annotated, Protocol

from skerry.abi import mach
from skerry.lib.stubs import Block, CopySend, Data, MakeSend, MoveReceive, Natural, Naturals, Ports, RightArray, Text80, routine, routines

MovePorts = Annotated[list[int], RightArray(mach.MSG_TYPE_MOVE_SEND, mach.MSG_TYPE_PORT_SEND)]
Method = Annotated[bytes, Block(80)]
Note = Annotated[bytes, Block(256)]


class DriverPort(Protocol):
    """A driver's service. Codes: a kern_return_t, or ``traps.ERRNO`` and the errno of the device."""

    @routine(5600)
    async def driver_attach(self, interrupts: MakeSend) -> Natural:
        """A client's number. INTERRUPT messages for it go to ``interrupts``. Whoever attaches the same port again is the same client."""

    @routine(5601)
    async def device_invoke(self, transaction: Natural, target: Natural, method: Method, arguments: Data) -> Data:
        """The result of a method of an object of the device, 0 being the device. ``transaction``: not made twice; 0: it may be.

        Raises CallError: INVALID_NAME (no such object), INVALID_ARGUMENT (no such method, or not what it takes); what the device says.
        """

    @routine(5602)
    async def device_open(self, transaction: Natural, target: Natural, method: Method, arguments: Data) -> tuple[Data, MovePorts]:
        """The same for a method whose result has contents of files: they are rights to the kernel's objects."""

    @routine(5603)
    async def device_forget(self, objects: Naturals) -> None:
        """Objects are no longer needed."""


class GuardianPort(Protocol):
    """The bootstrap port of what the reincarnation server starts, and of its clients."""

    @routine(5700)
    async def service_check_in(self) -> tuple[MoveReceive, Ports, Ports, Naturals]:
        """The receive right of the caller's service, its devices, and the rights kept by those before it, with their numbers.

        It waits until the one before is gone. Raises CallError: INVALID_TASK (the port is no service's).
        """

    @routine(5701)
    async def service_keep(self, right: CopySend) -> Natural:
        """Keep a send right for those who come after the caller, as long as its port lives; a number for it, never used for another.

        A right that is kept already has the number that it has.

        Raises CallError: INVALID_TASK, RESOURCE_SHORTAGE (too many).
        """

    @routine(5704)
    async def service_drop(self, number: Natural) -> None:
        """Keep the right of that number no longer. Raises CallError: INVALID_TASK, INVALID_ARGUMENT (there is none)."""

    @routine(5705)
    async def service_note(self, key: Text80, value: Note) -> None:
        """Keep a note for those who come after the caller, in place of one with that key; an empty one is none.

        Raises CallError: INVALID_TASK, RESOURCE_SHORTAGE (too many).
        """

    @routine(5706)
    async def service_notes(self, after: Text80) -> tuple[Text80, Note]:
        """The first note with a key behind ``after``, in their order; ("", b"") if there is none. Raises CallError: INVALID_TASK."""

    @routine(5702)
    async def service_look_up(self, name: Text80) -> CopySend:
        """A send right to a service, which is started if it is not running. Raises CallError: INVALID_NAME."""

    @routine(5703)
    async def service_status(self) -> Data:
        """What there is, as JSON: name, state, and how often it was started, of each service."""


routines(DriverPort)  # see lib.channel
routines(GuardianPort)
