"""A pager that shows a file as memory, of which only what is touched is ever read.

The file is behind an open device's port (device_read, device_write): a disk of this machine, or whatever server answers these calls, on
another machine, too. So it can be larger than all memory. It is shown read-only unless it is asked to be written.
"""

from __future__ import annotations

from skerry.abi import mach
from skerry.abi.kernel_calls import DevicePort
from skerry.lib.channel import Channel
from skerry.lib.pager import Backing, PageError, PagerService
from skerry.lib.service import Service
from skerry.lib.stubs import CallError, client

PAGE = mach.PAGE_SIZE


class RemoteFile(Backing):
    """One file. Its pages stay in memory when nobody has it mapped, as long as the kernel likes."""

    may_cache = True

    def __init__(self, device: DevicePort, writable: bool) -> None:
        self.lock = mach.VM_PROT_NONE if writable else mach.VM_PROT_WRITE
        self._device = device

    async def read(self, offset: int, length: int) -> bytes | None:
        try:
            return await self._device.device_read(0, offset // PAGE, length)
        except CallError as error:
            raise PageError(f"the file cannot be read: {error.code}") from error

    async def write(self, offset: int, data: bytes, dirty: bool) -> None:
        await self._device.device_write(0, offset // PAGE, data)

    async def unlock(self, offset: int, length: int, access: int) -> int | None:
        """Nothing is locked but writing, and that for good."""
        return None


def main(channel: Channel, port: int, device: int, writable: int) -> None:
    """The pager's program. ``port``: the name of the receive right that is the file's; ``device``: of the device with the file."""
    service = Service(channel)
    PagerService(service).serve_object(port, RemoteFile(client(DevicePort, service, device), bool(writable)))
    service.run()
