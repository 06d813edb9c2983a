"""`--disk-image`: files of the host as block devices."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from skerry.machine.hostdisk import SECTOR, HostDisk
from skerry.options import DiskImage, Options, UserError
from skerry.unix.disk import MAJOR, MINORS, BlockDevice
from skerry.unix.fs.dev import device_number
from skerry.unix.glue.devices import DiskDevice

if TYPE_CHECKING:
    from skerry.devices import Devices
    from skerry.mach.kernel import Kernel
    from skerry.machine import Machine
    from skerry.unix.process import System

MAKE_ONE: Final = "give an image, such as truncate -s 1G FILE makes"


def open_all(machine: Machine, options: Options) -> list[HostDisk]:
    """The images of a run, in the kernel's process. Raises UserError."""
    return [_open(machine, image) for image in options.disk_images]


def _open(machine: Machine, image: DiskImage) -> HostDisk:
    try:
        return HostDisk(machine, image.path, image.writable)
    except OSError as error:
        raise UserError(f"--disk-image {image.text}: {_reason(error, image)}") from error


def _reason(error: OSError, image: DiskImage) -> str:
    match error.errno:
        case errno.EWOULDBLOCK:
            other = "it" if image.writable else "it to write"
            return f"another run, or this one under another name, has {other}: end that first, or give each a copy"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return f"{error.strerror}: change its mode{', or have it be ro' if image.writable else ''}"
        case errno.ENOENT | errno.EINVAL:
            return f"{error.strerror}: {MAKE_ONE}"
    return f"{error.strerror}"


def register(kernel: Kernel, images: list[DiskImage], disks: Sequence[HostDisk]) -> None:
    """Have native tasks that may open devices find them under their names, in records of a sector."""
    from skerry.mach.disk import Disk  # which the task that serves Unix has no use for

    for image, disk in zip(images, disks, strict=True):
        kernel.host.devices.register(image.name, Disk(disk.open(), disk.size // SECTOR, SECTOR, disk.writable))


def attach(system: System, devices: Devices, images: list[DiskImage]) -> None:
    """Give the system a block device for each image. Raises UserError."""
    owner = (devices.identity.uid, devices.identity.gid)
    for at, image in enumerate(images):
        try:
            disk = DiskDevice(devices.disk(at))
        except OSError as error:
            raise UserError(f"--disk-image {image.text}: {os.strerror(error.errno or errno.EIO)}") from error
        number = device_number(MAJOR, at * MINORS)
        system.disks[number] = BlockDevice(image.name.encode(), number, disk, owner)
