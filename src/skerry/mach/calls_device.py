"""The rows of what the master device port and the ports of open devices understand. Their codes are D_*."""

from __future__ import annotations

from typing import Final

from skerry.abi import mach
from skerry.abi.kernel_calls import DeviceMasterPort, DevicePort
from skerry.mach import right
from skerry.mach.call import NONE, Rows, as_send
from skerry.mach.device import DeviceMaster, OpenDevice
from skerry.mach.errors import CallFailure

MASTER: Final = Rows(DeviceMasterPort, DeviceMaster)
DEVICE: Final = Rows(DevicePort, OpenDevice)


def _set_status(opening: OpenDevice, flavor: int, status: bytes) -> None:
    if len(status) % 4:
        raise CallFailure(mach.D_INVALID_SIZE)
    opening.device.set_status(flavor, [int.from_bytes(status[at : at + 4], "little") for at in range(0, len(status), 4)])


def _set_filter(*_arguments: object) -> None:
    raise CallFailure(mach.D_INVALID_OPERATION)


MASTER.bind("device_open", lambda master, mode, name: as_send(right.make_send(master.open(mode, name))))
DEVICE.bind("device_close", OpenDevice.close)
DEVICE.bind("device_read", lambda opening, mode, record, count: opening.read(mode, record, count))
DEVICE.bind("device_read_inband", lambda opening, mode, record, count: opening.read(mode, record, count, mach.IO_INBAND_MAX))
DEVICE.bind("device_write", lambda opening, _mode, record, data: opening.write(record, data))
DEVICE.bind("device_write_inband", lambda opening, _mode, record, data: opening.write(record, data, mach.IO_INBAND_MAX))
DEVICE.bind("device_get_status", lambda opening, flavor: opening.device.get_status(flavor))
DEVICE.bind("device_set_status", _set_status)
DEVICE.bind("device_map", lambda opening, protection, offset, size, _unmap: as_send(right.make_send(opening.map(protection, offset, size))))
DEVICE.bind("device_set_filter", _set_filter, NONE, "D_INVALID_OPERATION: no device receives packets")
