"""Devices by message: the master port opens, a port of its own stands for each opening.

A device is what :class:`Device` says; ``DeviceMaster.register`` adds one. What cannot be answered yet is answered later: a read's ``ready``
is called when it is worth another try. A reply goes where the request says, so a client may send a request and take the reply when it
likes (device_read_request and the like are this, in Mach).

An opening ends with device_close, or when nobody has a right to its port any more.

Source: Mach 3 Kernel Interfaces, chapter 10; device.defs, device_types.h.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol
from weakref import ref

from skerry.abi import mach
from skerry.mach.call import Later
from skerry.mach.errors import CallFailure, KernError, KernReturn
from skerry.mach.kobject import ReplyPort, new_object_port
from skerry.mach.port import Port
from skerry.mach.release import release
from skerry.mach.right import RightKind
from skerry.mach.vm import page_up
from skerry.machine import HostFile, MemoryObject
from skerry.machine import host as machine_host

if TYPE_CHECKING:
    from skerry.mach.kernel import Kernel

LARGEST: Final = 16 << 20  # bytes of one read
OPENINGS: Final = 4096
TICK: Final = 10  # ms


class Device(Protocol):
    """A device. Its methods raise CallFailure with a D_* code."""

    exclusive: bool  # may be open once only

    def open(self, mode: int) -> None: ...
    def close(self) -> None: ...
    def read(self, record: int, count: int) -> bytes | None:
        """Up to ``count`` bytes from ``record`` on; b"" at the end; None: nothing yet."""

    def when_readable(self, ready: Callable[[], None]) -> None:
        """Call ``ready`` once when a read that gave None is worth another try."""

    def write(self, record: int, data: bytes) -> int:
        """Write at ``record``; how many bytes."""

    def memory(self) -> tuple[HostFile, int]:
        """The memory that it shows, and how many bytes of it."""

    def get_status(self, flavor: int) -> list[int]: ...
    def set_status(self, flavor: int, status: list[int]) -> None: ...


class Plain:
    """A device without an end, a size or a state; what it does not override it cannot do."""

    exclusive = False
    record_size = 1

    def open(self, mode: int) -> None:
        """Nothing is needed."""

    def close(self) -> None:
        """Nothing is held."""

    def read(self, record: int, count: int) -> bytes | None:
        raise CallFailure(mach.D_INVALID_OPERATION)

    def when_readable(self, ready: Callable[[], None]) -> None:
        ready()

    def write(self, record: int, data: bytes) -> int:
        raise CallFailure(mach.D_READ_ONLY)

    def memory(self) -> tuple[HostFile, int]:
        raise CallFailure(mach.D_INVALID_OPERATION)

    def get_status(self, flavor: int) -> list[int]:
        if flavor in (mach.DEV_GET_SIZE, mach.DEV_GET_RECORDS):
            return [0, self.record_size]
        raise CallFailure(mach.D_INVALID_OPERATION)

    def set_status(self, flavor: int, status: list[int]) -> None:
        raise CallFailure(mach.D_INVALID_OPERATION)


class Null(Plain):
    """Ends at once, and takes everything."""

    def read(self, record: int, count: int) -> bytes:
        return b""

    def write(self, record: int, data: bytes) -> int:
        return len(data)


class Zero(Null):
    """Zeros without end."""

    def read(self, record: int, count: int) -> bytes:
        return bytes(count)


class Random(Plain):
    """The host's random numbers."""

    def read(self, record: int, count: int) -> bytes:
        return machine_host.random(count)


class Time(Plain):
    """This system's time: seconds since 1970, microseconds, seconds again (three 64-bit words).

    Mapped, it is that of the last TICK. Who reads it reads it again where the two seconds differ.
    """

    record_size = 24

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._shown: ref[MemoryObject] | None = None

    def open(self, mode: int) -> None:
        if mode & mach.D_WRITE:
            raise CallFailure(mach.D_READ_ONLY)

    def read(self, record: int, count: int) -> bytes:
        return self._now()[:count]

    def _now(self) -> bytes:
        seconds, rest = divmod(self._kernel.host.time(), 1_000_000_000)
        return struct.pack("<3Q", seconds, rest // 1000, seconds)

    def memory(self) -> tuple[HostFile, int]:
        page = self._shown() if self._shown is not None else None
        if page is None:
            try:
                page = MemoryObject(mach.PAGE_SIZE)
            except OSError as error:
                raise CallFailure(mach.D_NO_MEMORY) from error
            self._shown = ref(page)
            self._tick()
        return page, self.record_size

    def _tick(self) -> None:
        """Show the time, and again in a while, as long as anybody has the page. The last word changes first, and the first one last."""
        page = self._shown() if self._shown is not None else None
        if page is not None:
            now = self._now()
            for at in (16, 8, 0):
                page.write(at, now[at : at + 8])
            self._kernel.processor.call_after(TICK, self._tick)


class CharacterStream(Protocol):
    """A byte stream of the machine's (``skerry.machine.stream.Stream``)."""

    def read(self, count: int) -> bytes | None: ...
    def write(self, data: bytes) -> int | None: ...
    def subscribe(self, callback: Callable[[], None]) -> None: ...


class Console(Plain):
    """The console: what is typed, and what is shown."""

    def __init__(self, typed: CharacterStream, shown: CharacterStream) -> None:
        self._typed = typed
        self._shown = shown

    def read(self, record: int, count: int) -> bytes | None:
        try:
            return self._typed.read(count)
        except OSError as error:
            raise CallFailure(mach.D_IO_ERROR) from error

    def when_readable(self, ready: Callable[[], None]) -> None:
        self._typed.subscribe(ready)

    def write(self, record: int, data: bytes) -> int:
        try:
            return self._shown.write(data) or 0
        except OSError as error:
            raise CallFailure(mach.D_IO_ERROR) from error


class DeviceMaster:
    """Who opens devices by name."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.port: Port = new_object_port(kernel, self)
        self.openings: set[OpenDevice] = set()
        self._devices: dict[str, Device] = {"null": Null(), "zero": Zero(), "random": Random(), "time": Time(kernel)}

    def register(self, name: str, device: Device) -> None:
        """Have device_open find ``device`` under ``name``."""
        self._devices[name] = device

    def open(self, mode: int, name: bytes) -> Port:
        """device_open: a port for the opening.

        Raises NO_SUCH_DEVICE, ALREADY_OPEN, INVALID_OPERATION (mode), NO_MEMORY; the device's own.
        """
        device = self._devices.get(name.rstrip(b"\0").decode("latin-1"))
        if device is None:
            raise CallFailure(mach.D_NO_SUCH_DEVICE)
        if mode & ~(mach.D_READ | mach.D_WRITE | mach.D_NODELAY | mach.D_NOWAIT):
            raise CallFailure(mach.D_INVALID_OPERATION)
        if device.exclusive and any(opening.device is device for opening in self.openings):
            raise CallFailure(mach.D_ALREADY_OPEN)
        if len(self.openings) >= OPENINGS:
            raise CallFailure(mach.D_NO_MEMORY)
        device.open(mode)
        opening = OpenDevice(self, device, mode)
        self.openings.add(opening)
        opening.port = new_object_port(self.kernel, opening)
        opening.port.no_senders = ReplyPort(self.kernel.processor, lambda _message: opening.close()).port
        return opening.port


class OpenDevice:
    """One opening of a device."""

    port: Port

    def __init__(self, master: DeviceMaster, device: Device, mode: int) -> None:
        self._master = master
        self.device = device
        self.mode = mode
        self._waiting: list[Later] = []

    def close(self) -> None:
        """device_close: reads that wait end with D_DEVICE_DOWN, and the port dies."""
        if self in self._master.openings:
            self._master.openings.remove(self)
            self.device.close()
            for later in self._waiting:
                later.finish(mach.D_DEVICE_DOWN)
            self._waiting.clear()
            release((RightKind.RECEIVE, self.port))

    def _require(self, mode: int) -> None:
        if self not in self._master.openings:
            raise CallFailure(mach.D_DEVICE_DOWN)
        if not self.mode & mode:
            raise CallFailure(mach.D_READ_ONLY if mode == mach.D_WRITE else mach.D_INVALID_OPERATION)

    def read(self, mode: int, record: int, count: int, largest: int = LARGEST) -> bytes | Later:
        """device_read, from ``record`` on, at most ``count`` bytes. With D_NOWAIT in ``mode`` or in that of the opening it never waits.

        Raises INVALID_SIZE, INVALID_OPERATION (not open for that), WOULD_BLOCK, DEVICE_DOWN; the device's own.
        """
        self._require(mach.D_READ)
        if not 0 <= count <= largest:
            raise CallFailure(mach.D_INVALID_SIZE)
        data = self.device.read(record, count)
        if data is not None:
            return data
        if (mode | self.mode) & mach.D_NOWAIT:
            raise CallFailure(mach.D_WOULD_BLOCK)
        later = Later()
        self._waiting.append(later)
        self.device.when_readable(lambda: self._again(later, record, count))
        return later

    def _again(self, later: Later, record: int, count: int) -> None:
        if later not in self._waiting:
            return
        try:
            data = self.device.read(record, count)
        except CallFailure as failure:
            self._waiting.remove(later)
            later.finish(failure.code)
            return
        if data is None:
            self.device.when_readable(lambda: self._again(later, record, count))
        else:
            self._waiting.remove(later)
            later.finish(mach.D_SUCCESS, data)

    def write(self, record: int, data: bytes, largest: int = LARGEST) -> int:
        """device_write: how many bytes. Raises READ_ONLY (or not open for that), INVALID_SIZE, DEVICE_DOWN; the device's own."""
        self._require(mach.D_WRITE)
        if len(data) > largest:
            raise CallFailure(mach.D_INVALID_SIZE)
        return self.device.write(record, data)

    def map(self, protection: int, offset: int, size: int) -> Port:
        """device_map: a port for the memory of the device, or ``size`` bytes of it from ``offset`` on.

        Raises INVALID_ARGUMENT (protection, offset not at a page); INVALID_OPERATION (the device has none, or not open for that),
        READ_ONLY, INVALID_SIZE (not that much), DEVICE_DOWN.
        """
        from skerry.mach.device_memory import DeviceMemory  # few runs map any

        if protection & ~mach.VM_PROT_ALL or offset % mach.PAGE_SIZE:
            raise KernError(KernReturn.INVALID_ARGUMENT)
        memory, length = self.device.memory()
        self._require(mach.D_READ)
        if protection & mach.VM_PROT_WRITE:
            self._require(mach.D_WRITE)
        if not 0 < size <= page_up(length) - offset:
            raise CallFailure(mach.D_INVALID_SIZE)
        return DeviceMemory(memory, offset, min(size, length - offset), protection).new_port(self._master.kernel)
