"""Devices that driver tasks serve, as objects that make their calls by messages.

A driver may die at any moment, and another is there a little later: a call that was under way then is made again, as the same transaction,
so that it is done once. Interrupts are not lost either (``skerry.abi.driving``). What cannot be had any more raises EIO.
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

REPEATABLE: Final = frozenset((b"stat", b"list", b"readlink", b"attributes", b"statfs", b"readable", b"writable"))  # they change nothing
OPENING: Final = frozenset((b"open", b"make_file", b"make_unnamed"))  # their results have contents of files
ATTEMPTS: Final = 8  # for one call; a driver that dies of it dies of it again
FORGOTTEN: Final = 32  # objects that are given up in one call
SERVICES: Final = {b"stream": "console", b"network": "network", b"disk": "disk"}  # that serve what a run is given; else files


class Driver:
    """One driver's device, as its client has it."""

    def __init__(self, drivers: Drivers, name: str) -> None:
        """Raises OSError."""
        self._drivers = drivers
        self._calls: Any = client(DriverPort, drivers.task, self._port(name))
        self._number = self._repeat(self._calls.driver_attach, drivers.interrupts) << driving.CLIENT_SHIFT
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
        packed = values.pack(*arguments, name_of=_number_of_object, number_of=self._number_of)
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

    def _number_of(self, callback: Callable[[], None]) -> int:
        return int(self._number | self._drivers.callback_number(callback))


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
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._last_callback = 0

    def open(self, kind: bytes, *arguments: Any) -> Any:
        """What the run was given of that kind. Raises OSError."""
        name = SERVICES.get(kind, "files")
        driver = self._drivers.get(name)
        if driver is None:
            driver = self._drivers[name] = Driver(self, name)
        return driver.call(0, kind, arguments)

    def callback_number(self, callback: Callable[[], None]) -> int:
        """The low half of the number of an interrupt that calls ``callback``, once."""
        self._last_callback = (self._last_callback + 1) & 0xFFFFFFFF
        self._callbacks[self._last_callback] = callback
        return self._last_callback

    def take_interrupts(self, message: bytes) -> None:
        """Do what a message to ``interrupts`` is for; one that a driver sent twice, or that is none, is nothing."""
        try:
            (item,) = machmsg.parse_items(machmsg.parse(message).body)
        except (machmsg.FormatError, ValueError):
            return
        if isinstance(item.data, bytes) and item.bits == 64:
            for number in memoryview(item.data).cast("Q"):
                self._callbacks.pop(number & 0xFFFFFFFF, _nothing)()


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
