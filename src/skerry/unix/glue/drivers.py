"""Devices that driver tasks serve, as objects that make their calls by messages.

A driver may die at any moment, and another is there a little later: a call that was under way then is made again, as the same transaction,
so that it is done once. Interrupts are not lost either (``skerry.abi.driving``). A driver that is given up raises EIO from then on, and
whoever waits for an interrupt of it is called, to find that out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from skerry.abi import driving, linux, mach, machmsg, traps, values
from skerry.lib.channel import Channel, MessageFailure, NativeTask
from skerry.lib.driver import DriverPort, GuardianPort
from skerry.lib.stubs import CallError, client, finish
from skerry.machine import host
from skerry.machine.remote import RemoteDevice, RemoteFile

REPEATABLE: Final = frozenset(
    (b"time", b"stat", b"list", b"look", b"readlink", b"attributes", b"statfs", b"readable", b"writable")
)  # they change nothing
OPENING: Final = frozenset((b"open", b"make_file", b"make_unnamed"))  # their results have contents of files
ENDING: Final = frozenset((b"close", b"reset"))  # after which an object calls nobody
ATTEMPTS: Final = 8  # for one call; a driver that dies of it dies of it again
LOW: Final = 0xFFFFFFFF  # the half of an interrupt's number that is the client's own
FORGOTTEN: Final = 32  # objects that are given up in one call
SERVICES: Final = {
    b"stream": "console",
    b"network": "network",
    b"clock": "clock",
    b"disk": "disk",
}  # that serve what a run is given; else files

Waiting = tuple[int, bytes, Callable[[], None]]  # an object of a device, one of its methods, and the callback that it was given


class Driver:
    """One driver's device, as its client has it."""

    def __init__(self, drivers: Drivers, name: str) -> None:
        """Raises OSError."""
        self._drivers = drivers
        port = self._port(name)
        self._calls: Any = client(DriverPort, drivers.task, port)
        self._number = self._repeat(self._calls.driver_attach, drivers.interrupts) << driving.CLIENT_SHIFT
        self._callbacks = Callbacks(drivers)
        drivers.watch(port, self._callbacks)
        self._transaction = 0
        self._unneeded: list[int] = []

    def _port(self, name: str) -> int:
        try:
            port: int = finish(self._drivers.guardian.service_look_up(name))
        except (CallError, MessageFailure) as error:
            raise OSError(linux.ENODEV, f"no driver serves {name}") from error
        return port

    def call(self, target: int, method: bytes, arguments: tuple[Any, ...]) -> Any:
        """The result of an object's method. Raises OSError."""
        if len(self._unneeded) >= FORGOTTEN:
            unneeded, self._unneeded = self._unneeded, []
            self._repeat(self._calls.device_forget, unneeded)
        given: list[int] = []  # numbers of callbacks

        def number_of(callback: Callable[[], None]) -> int:
            number, is_new = self._callbacks.number((target, method, callback))
            given.extend([number] * is_new)
            return int(self._number | number)

        packed = values.pack(*arguments, name_of=_number_of_object, number_of=number_of)
        if method in ENDING:
            self._callbacks.drop_object(target)
        try:
            return self._call(target, method, packed)
        except OSError:
            self._callbacks.drop(given)
            raise

    def _call(self, target: int, method: bytes, packed: bytes) -> Any:
        transaction = 0
        if method not in REPEATABLE:
            self._transaction += 1
            transaction = self._number | self._transaction & 0xFFFFFFFF
        if method not in OPENING:
            result = self._repeat(self._calls.device_invoke, transaction, target, method, packed)
            return values.unpack(result, self._object_of)[0]
        result, files = self._repeat(self._calls.device_open, transaction, target, method, packed)
        return values.unpack(result, lambda number, description: self._object_of(number, description, files))[0]

    def _repeat(self, routine: Callable[..., Any], *arguments: Any) -> Any:
        for _ in range(ATTEMPTS):
            try:
                result: Any = finish(routine(*arguments))
                return result
            except CallError as error:
                if error.code != mach.MIG_SERVER_DIED:
                    raise _error(error.code) from None
            except MessageFailure as failure:
                raise OSError(linux.EIO, "the driver is given up") from failure
        raise OSError(linux.EIO, "the driver dies of this call")

    def _object_of(self, number: int, description: tuple[bool, Any], files: list[int] | None = None) -> Any:
        is_file, attributes = description
        if not is_file:
            return RemoteDevice(number, attributes, self.call, self._unneeded_object)
        if files is None:
            raise OSError(linux.EIO, "contents without a right to them")
        return RemoteFile(files[number], self._drivers.descriptor, self._drivers.forget)

    def _unneeded_object(self, number: int) -> None:
        self._unneeded.append(number)


class Callbacks:
    """Who waits for interrupts of one driver. Each is called once; a call that is made again before that takes the place of the first."""

    def __init__(self, drivers: Drivers) -> None:
        self._drivers = drivers
        self._waiting: dict[int, Waiting] = {}  # by the low half of the interrupt's number
        self._numbers: dict[Waiting, int] = {}

    def number(self, waiting: Waiting) -> tuple[int, bool]:
        """The low half of the number of the interrupt that is waited for, and whether it is new."""
        known = self._numbers.get(waiting)
        if known is not None:
            return known, False
        number = self._drivers.new_number(self)
        self._waiting[number] = waiting
        self._numbers[waiting] = number
        return number, True

    def take(self, number: int) -> Callable[[], None]:
        """Who waits for that interrupt, and waits no more."""
        waiting = self._waiting.pop(number)
        del self._numbers[waiting]
        self._drivers.forget_number(number)
        return waiting[2]

    def drop(self, numbers: list[int]) -> None:
        """These interrupts do not come."""
        for number in numbers:
            if number in self._waiting:
                self.take(number)

    def drop_object(self, target: int) -> None:
        """Nor do those of this object."""
        self.drop([number for number, waiting in self._waiting.items() if waiting[0] == target])

    def call_all(self) -> None:
        """No interrupt will come any more."""
        for number in list(self._waiting):
            if number in self._waiting:  # one of those before may have had it dropped
                self.take(number)()


class Drivers:
    """All drivers that a run needs, and where their interrupts come to."""

    def __init__(self, channel: Channel, descriptor: Callable[[int], int], forget: Callable[[int], None]) -> None:
        """``descriptor``: fetch one of a file by the name of its port; ``forget``: give up such a name. Raises CallError."""
        self.task = NativeTask(channel)
        self.descriptor = descriptor
        self.forget = forget
        self.interrupts = self.task.reply_port()
        self.guardian = client(GuardianPort, self.task, finish(self.task.kernel.task_get_special_port(mach.TASK_BOOTSTRAP_PORT)))
        self._drivers: dict[str, Driver] = {}
        self._last_number = 0
        self._waiting: dict[int, Callbacks] = {}  # by the low half of the number of an interrupt that somebody waits for
        self._given_up: dict[int, Callable[[], None]] = {}  # called when the port of a driver dies

    def open(self, kind: bytes, *arguments: Any) -> Any:
        """What the run was given of that kind. Raises OSError."""
        name = SERVICES.get(kind, "files")
        driver = self._drivers.get(name)
        if driver is None:
            driver = self._drivers[name] = Driver(self, name)
        return driver.call(0, kind, arguments)

    def new_number(self, callbacks: Callbacks) -> int:
        """The low half of the number of an interrupt that one of ``callbacks`` waits for; not given again soon."""
        self._last_number = (self._last_number + 1) & LOW
        self._waiting[self._last_number] = callbacks
        return self._last_number

    def forget_number(self, number: int) -> None:
        """Nobody waits for that interrupt any more."""
        del self._waiting[number]

    def watch(self, port: int, callbacks: Callbacks) -> None:
        """Call those who wait for interrupts of the driver at ``port`` when it is given up. Raises OSError: it is."""
        try:
            finish(self.task.kernel.mach_port_request_notification(port, mach.NOTIFY_DEAD_NAME, 1, self.interrupts))
        except CallError as error:
            raise OSError(linux.EIO, "the driver is given up") from error
        self._given_up[port] = callbacks.call_all

    def take_message(self, message: bytes) -> None:
        """Do what a message to ``interrupts`` is for; an interrupt that was sent twice, or what is none, is nothing."""
        try:
            received = machmsg.parse(message)
            (item,) = machmsg.parse_items(received.body)
        except (machmsg.FormatError, ValueError):
            return
        if not isinstance(item.data, bytes):
            return
        if received.id == mach.NOTIFY_DEAD_NAME and item.number == 1:
            self._given_up.pop(int.from_bytes(item.data, "little"), _nothing)()
        elif received.id == driving.INTERRUPT and item.bits == 64:
            for number in memoryview(item.data).cast("Q"):
                callbacks = self._waiting.get(number & LOW)
                if callbacks is not None:
                    callbacks.take(number & LOW)()


def _nothing() -> None:
    pass


def _number_of_object(target: Any) -> tuple[int, None]:
    return target.name, None


def _error(code: int) -> OSError:
    if code & traps.ERRNO == traps.ERRNO and code > 0:
        return OSError(code & 0xFF, host.error_text(code & 0xFF))
    return OSError(
        {mach.KERN_NO_SPACE: linux.EMFILE, mach.KERN_INVALID_ARGUMENT: linux.EINVAL}.get(code, linux.EIO), f"the driver says {code}"
    )
