"""What a run is given of the host: directories, disk images, standard streams, the network, and who it runs as."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from skerry.machine import Machine
from skerry.machine.hostnode import HostNode
from skerry.machine.hosttree import HostTree
from skerry.machine.layernode import LayerNode
from skerry.machine.owners import Owners
from skerry.machine.stream import Stream
from skerry.options import Options, UserError
from skerry.users import Identity

if TYPE_CHECKING:
    from skerry.control.programs import Owner
    from skerry.machine.clock import HostClock
    from skerry.machine.hostdisk import HostDisk
    from skerry.machine.network import HostNetwork, Reach
    from skerry.machine.translator import TranslatorDevice


class OpenLayer(Protocol):
    """The directory that keeps the writable layer."""

    path_below: bytes  # where it lies within the root, b"" if it does not
    upper: LayerNode
    work: LayerNode

    def error(self, what: str, advice: str) -> UserError:
        """What is wrong with the layer, and what to do."""

    def close(self) -> None: ...


class Devices(Protocol):
    """Opens devices of the host; each call raises OSError."""

    identity: Identity
    streams: list[int]  # which of descriptors 0 to 2 are open
    terminal: int | None  # the first of them that is a terminal

    def tree(self, path: bytes, without: bytes) -> HostTree:
        """A directory, to be read; what is at the path ``without`` in it does not show."""

    def node(self, path: bytes, writable: bool) -> HostNode:
        """A directory that shows the host's changes, and may be changed if ``writable``."""

    def layer(self) -> OpenLayer:
        """The layer that was asked for. Raises UserError."""

    def find(self, path: bytes) -> bytes:
        """Where the host has the program that was named, for advice; b"" if it has none."""

    def stream(self, descriptor: int) -> Stream:
        """A standard stream."""

    def network(self, reach: Reach, servers: frozenset[bytes]) -> HostNetwork:
        """The host's network; ``servers``: hosts on its loopback that may be asked for names."""

    def clock(self) -> HostClock:
        """The real-time clock."""

    def disk(self, number: int) -> HostDisk:
        """Disk image ``number`` of the options."""

    def translator(self, number: int) -> TranslatorDevice:
        """Who answers for mount ``number`` of the options."""


class OwnLayer:
    """A layer opened in this process (:class:`OpenLayer`)."""

    def __init__(self, options: Options, owners: Owners) -> None:
        """Raises UserError, OSError."""
        from skerry.layer.store import Layer

        layer = Layer.open("--upper", options.upper, options.root)
        try:
            for bind in options.binds:
                layer.require_apart(bind)
            layer.note_owners(owners)
        except (UserError, OSError):
            layer.close()
            raise
        self.path_below = layer.path_below(options.root)
        self.upper = layer.part("upper", owners)
        self.work = layer.part("work", owners)
        self.error = layer.error
        self.close = layer.close


class OwnDevices:
    """The devices, opened in this process (:class:`Devices`)."""

    def __init__(self, machine: Machine, options: Options, streams: list[int], owners: Owners, identity: Identity) -> None:
        self._machine = machine
        self._options = options
        self._owners = owners
        self.identity = identity
        self.translators: Sequence[TranslatorDevice] = ()
        self.disks: Sequence[HostDisk] = ()
        self.streams = streams
        self.terminal = next((number for number in range(3) if os.isatty(number)), None)

    def tree(self, path: bytes, without: bytes) -> HostTree:
        return HostTree(path, self._owners, without)

    def node(self, path: bytes, writable: bool) -> HostNode:
        return HostNode.directory(path, writable, self._owners)

    def layer(self) -> OwnLayer:
        return OwnLayer(self._options, self._owners)

    def find(self, path: bytes) -> bytes:
        found = os.path.abspath(path)
        return found if os.path.exists(found) else b""

    def stream(self, descriptor: int) -> Stream:
        return Stream(self._machine, descriptor)

    def clock(self) -> HostClock:
        from skerry.machine.clock import HostClock

        return HostClock(self._machine)

    def disk(self, number: int) -> HostDisk:
        return self.disks[number]

    def translator(self, number: int) -> TranslatorDevice:
        return self.translators[number]

    def network(self, reach: Reach, servers: frozenset[bytes]) -> HostNetwork:
        from skerry.machine.network import HostNetwork

        return HostNetwork(self._machine, reach, servers)


def own_devices(
    machine: Machine, options: Options, streams: list[int], owners: Owners, identity: Identity, owner: Owner | None
) -> OwnDevices:
    """The devices of a run, or those of a system that ``owner`` controls. Raises UserError."""
    if owner is None:
        devices = OwnDevices(machine, options, streams, owners, identity)
    else:
        from skerry.control.programs import ProgramDevices

        devices = owner.devices = ProgramDevices(machine, options, owners, identity)
    if options.disk_images:
        from skerry import disks

        devices.disks = disks.open_all(machine, options)
    return devices
