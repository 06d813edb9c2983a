"""The tree of names that programs see: the root under a layer in memory, the file systems of the system, and what was bound."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.options import Bind, Mount, Options, UserError, Writes
from skerry.unix.answers import NotYet
from skerry.unix.errors import LinuxError
from skerry.unix.fs.cow import CowFileSystem
from skerry.unix.fs.dev import add_clock, make_dev
from skerry.unix.fs.hostdir import HostDirectoryFileSystem
from skerry.unix.fs.proc import Proc
from skerry.unix.fs.sys import make_sys
from skerry.unix.fs.tmpfs import Directory, MemoryFileSystem
from skerry.unix.fs.upper import UpperFileSystem
from skerry.unix.fs.upperdir import count_all
from skerry.unix.glue.devices import ClockDevice, LayerDevice, NodeDevice, TranslatedTree, TreeDevice
from skerry.unix.storage import Storage
from skerry.unix.vfs import Namespace, mount

if TYPE_CHECKING:
    from skerry.devices import Devices, OpenLayer
    from skerry.unix.fs.devpts import DevPts
    from skerry.unix.process import System
    from skerry.unix.substrate import Platform

DEVICE: Final = 64  # device number of the first file system
FIRST_BIND: Final = 16  # the binds' numbers start here
FIRST_TRANSLATOR: Final = 1024
IN_MEMORY: Final = ((b"/tmp", 0o1777), (b"/run", 0o755), (b"/dev/shm", 0o1777))
SYS: Final = DEVICE + 8
DEVPTS: Final = DEVICE + 9


class Root:
    """The root file system, and the layer that keeps what is written there, if one was asked for."""

    def __init__(self, platform: Platform, devices: Devices, options: Options, storage: Storage | None) -> None:
        """``storage`` counts what is kept in memory. Raises UserError."""
        self.layer: OpenLayer | None = None
        if not options.upper:
            self.names = Namespace(CowFileSystem(platform, DEVICE, _tree(devices, options.root, "--root"), storage).root())
            return
        self.layer = layer = devices.layer()
        tree = _tree(devices, options.root, "--root", layer.path_below)
        kept = Storage(options.disk, storage.tell) if options.disk and storage is not None else None
        fs = UpperFileSystem(platform, DEVICE, tree, LayerDevice(layer.upper), LayerDevice(layer.work), kept)
        try:
            root = fs.root()
            if kept is not None:
                count_all(root)
        except LinuxError as error:
            raise layer.error(os.strerror(error.errno), "it is damaged: give another directory") from error
        self.names = Namespace(root)

    def close(self) -> None:
        """Have the layer keep the last of it, and let others use it. Raises UserError."""
        if self.layer is None:
            return
        fs = self.names.root.fs
        assert isinstance(fs, UpperFileSystem)
        try:
            fs.write_times()
        except LinuxError as error:
            raise self.layer.error(os.strerror(error.errno), "what was written is kept, but not all times of files are") from error
        finally:
            self.layer.close()


def _open_clock(devices: Devices) -> ClockDevice:
    try:
        return ClockDevice(devices.clock())
    except OSError as error:
        raise LinuxError(error.errno or linux.EIO) from error


def mount_all(system: System, devices: Devices, names: Namespace, binds: list[Bind], devpts: DevPts) -> None:
    """Mount what belongs to every system, then ``binds``. Raises UserError."""
    platform = system.platform
    now = platform.realtime()
    disks = system.disks.values()
    dev = make_dev(platform, DEVICE + 1, devpts, disks)
    add_clock(dev, system, lambda: _open_clock(devices))
    mount(names.make_directory(b"/dev", 0o755, now), dev)
    mount(names.make_directory(b"/dev/pts", 0o755, now), devpts.root)
    mount(names.make_directory(b"/dev/mqueue", 0o755, now), system.message_files.root)
    mount(names.make_directory(b"/proc", 0o755, now), Proc(system, DEVICE + 2).root())
    mount(names.make_directory(b"/sys", 0o755, now), make_sys(platform, SYS, disks))
    for number, (path, mode) in enumerate(IN_MEMORY, DEVICE + 3):
        fs = MemoryFileSystem(platform, number, storage=system.limits.storage)
        mount(names.make_directory(path, 0o755, now), Directory(fs, fs.next_ino(), linux.S_IFDIR | mode, 0, 0, now))
    for number, bind in enumerate(binds, DEVICE + FIRST_BIND):
        root = _bound(platform, devices, number, bind, system.limits.storage)
        try:
            mount(_mount_point(names, bind.place, now), root)
        except LinuxError as error:
            raise UserError(
                f"--bind: {bind.place.decode(errors='replace')} inside: {os.strerror(error.errno)}: choose another place"
            ) from error


def attach_translators(system: System, devices: Devices, names: Namespace, mounts: list[Mount]) -> None:
    """Mount the trees that translators serve. Raises UserError."""
    platform = system.platform
    owner = (devices.identity.uid, devices.identity.gid)
    for number, asked in enumerate(mounts):
        from skerry.unix.fs.translator import TranslatorFileSystem

        tree = TranslatedTree(devices.translator(number))
        fs = TranslatorFileSystem(platform, DEVICE + FIRST_TRANSLATOR + number, tree, owner)
        try:
            mount(_mount_point(names, asked.place, platform.realtime()), fs.root())
        except LinuxError as error:
            place = asked.place.decode(errors="replace")
            raise UserError(f"--mount {asked.text}: {place} inside: {os.strerror(error.errno)}: choose another place") from error
        except NotYet:
            raise UserError(f"--mount {asked.text}: it lies in another mount: choose another place") from None


def _mount_point(names: Namespace, path: bytes, now: int) -> Directory:
    """The directory to cover: where something is mounted already, the one below that, so that the new one takes its place."""
    found = names.make_directory(path, 0o755, now)
    below = found.parent.lookup(found.name) if found.name else found
    return below if isinstance(below, Directory) and below.covered_by is found else found


def _bound(platform: Platform, devices: Devices, number: int, bind: Bind, storage: Storage | None) -> Directory:
    if bind.writes is Writes.LAYER:
        return CowFileSystem(platform, number, _tree(devices, bind.source, "--bind"), storage).root()
    try:
        node = devices.node(bind.source, bind.writes is Writes.THROUGH)
    except OSError as error:
        raise _not_a_directory("--bind", bind.source, error) from error
    return HostDirectoryFileSystem(platform, number, NodeDevice(node)).root()


def _tree(devices: Devices, path: bytes, option: str, without: bytes = b"") -> TreeDevice:
    try:
        return TreeDevice(devices.tree(path, without))
    except OSError as error:
        raise _not_a_directory(option, path, error) from error


def _not_a_directory(option: str, path: bytes, error: OSError) -> UserError:
    return UserError(f"{option} {path.decode(errors='replace')}: {error.strerror}: give a directory")
