"""What /proc says of block devices.

Source: proc(5); block/genhd.c of Linux for the columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skerry.unix.disk import MAJOR, NAME

if TYPE_CHECKING:
    from skerry.unix.process import System


def devices(system: System) -> bytes:
    """/proc/devices."""
    blocks = b"%3d %s\n" % (MAJOR, NAME) if system.disks else b""
    return b"Character devices:\n  1 mem\n  5 /dev/tty\n136 pts\n250 rtc\n\nBlock devices:\n" + blocks


def partitions(system: System) -> bytes:
    """/proc/partitions: whole disks, in units of 1024 bytes."""
    rows = [b"%4d  %7d %10d %s\n" % (MAJOR, disk.minor, disk.size >> 10, disk.name) for disk in system.disks.values()]
    return b"major minor  #blocks  name\n\n" + b"".join(rows) if rows else b""


def statistics(system: System) -> bytes:
    """/proc/diskstats."""
    return b"".join(b"%4d %7d %s %s\n" % (MAJOR, d.minor, d.name, d.statistics().encode()) for d in system.disks.values())
