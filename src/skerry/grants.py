"""The devices of a run whose Unix is a task: opened in the kernel's process, used from the task."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from skerry.devices import OpenLayer, OwnDevices
from skerry.machine.clock import HostClock
from skerry.machine.hostdisk import HostDisk
from skerry.machine.hostnode import HostNode
from skerry.machine.hosttree import HostTree
from skerry.machine.network import HostDatagrams, HostListener, HostNetwork, Reach
from skerry.machine.stream import Stream
from skerry.machine.translator import TranslatorDevice
from skerry.options import Net, Options, Publish, UserError, Writes
from skerry.reach import REACH
from skerry.users import Identity

USER_ERROR = b"user"  # an answer that is a UserError: its text and status follow


class Grants:
    """Opens for the task what the options name, and nothing else."""

    def __init__(self, devices: OwnDevices, options: Options) -> None:
        self._devices = devices
        self._readable = {options.root, *(bind.source for bind in options.binds)}
        self._writable = {bind.source for bind in options.binds if bind.writes is Writes.THROUGH}
        self._has_layer = bool(options.upper)
        self._options = options
        self._layer: OpenLayer | None = None

    def open(self, kind: bytes, *arguments: Any) -> Any:
        """A device. Raises OSError, KeyError, ValueError."""
        opens: dict[bytes, Callable[..., Any]] = {
            b"tree": self._tree,
            b"node": self._node,
            b"layer": self._open_layer,
            b"stream": self._stream,
            b"find": self._find,
            b"network": self._network,
            b"disk": self._devices.disk,
            b"clock": self._devices.clock,
            b"translator": self._devices.translator,
        }
        return opens[kind](*arguments)

    def _tree(self, path: bytes, without: bytes) -> HostTree:
        self._check(path in self._readable)
        return self._devices.tree(path, without)

    def _node(self, path: bytes, writable: bool) -> HostNode:
        self._check(path in (self._writable if writable else self._readable))
        return self._devices.node(path, bool(writable))

    def _open_layer(self) -> Any:
        self._check(self._has_layer and self._layer is None)
        try:
            self._layer = layer = self._devices.layer()
        except UserError as error:
            return USER_ERROR, str(error), error.status
        return layer.path_below, layer.upper, layer.work

    def _find(self, path: bytes) -> bytes:
        self._check(not self._options.arguments or path == self._options.arguments[0])
        return self._devices.find(path)

    def _stream(self, descriptor: int) -> Stream:
        self._check(descriptor in self._devices.streams)
        return self._devices.stream(descriptor)

    def _network(self, servers: tuple[bytes, ...]) -> HostNetwork:
        self._check(self._options.net is not Net.NONE or bool(self._options.publish))
        return _GrantedNetwork(self._devices.network(REACH[self._options.net], frozenset(servers)), self._options.publish)

    @staticmethod
    def _check(granted: bool) -> None:
        if not granted:
            raise PermissionError(1, os.strerror(1))

    def close(self) -> None:
        """The run is over."""
        if self._layer is not None:
            self._layer.close()


class _GrantedNetwork(HostNetwork):
    """The network, with only those ports of the host that are published."""

    def __init__(self, network: HostNetwork, published: list[Publish]) -> None:
        self.__dict__.update(vars(network))
        self._published = published

    def listener(self, host: bytes, port: int) -> HostListener:
        self._check(host, port, False)
        return super().listener(host, port)

    def published_datagrams(self, host: bytes, port: int) -> HostDatagrams:
        self._check(host, port, True)
        return super().published_datagrams(host, port)

    def _check(self, host: bytes, port: int, datagrams: bool) -> None:
        if not any((p.host, p.host_port, p.datagrams) == (host, port, datagrams) for p in self._published):
            raise PermissionError(1, os.strerror(1))


class _RemoteLayer:
    """A layer that the kernel's process has opened (:class:`skerry.devices.OpenLayer`)."""

    def __init__(self, options: Options, path_below: bytes, upper: Any, work: Any) -> None:
        self._options = options
        self.path_below = path_below
        self.upper = upper
        self.work = work

    def error(self, what: str, advice: str) -> UserError:
        return UserError(f"--upper {self._options.upper}: {what}: {advice}")

    def close(self) -> None:
        """The kernel's process does that."""


class GrantedDevices:
    """The devices as the task has them (:class:`skerry.devices.Devices`); ``open`` asks for them."""

    def __init__(self, open: Callable[..., Any], options: Options, identity: Identity, streams: list[int], terminal: int | None) -> None:
        self._open = open
        self._options = options
        self.identity = identity
        self.streams = streams
        self.terminal = terminal

    def tree(self, path: bytes, without: bytes) -> HostTree:
        tree: HostTree = self._open(b"tree", path, without)
        return tree

    def node(self, path: bytes, writable: bool) -> HostNode:
        node: HostNode = self._open(b"node", path, writable)
        return node

    def layer(self) -> OpenLayer:
        found = self._open(b"layer")
        if found[0] == USER_ERROR:
            raise UserError(found[1], found[2])
        return _RemoteLayer(self._options, *found)

    def find(self, path: bytes) -> bytes:
        return bytes(self._open(b"find", path))

    def stream(self, descriptor: int) -> Stream:
        stream: Stream = self._open(b"stream", descriptor)
        return stream

    def clock(self) -> HostClock:
        clock: HostClock = self._open(b"clock")
        return clock

    def disk(self, number: int) -> HostDisk:
        disk: HostDisk = self._open(b"disk", number)
        return disk

    def translator(self, number: int) -> TranslatorDevice:
        device: TranslatorDevice = self._open(b"translator", number)
        return device

    def network(self, reach: Reach, servers: frozenset[bytes]) -> HostNetwork:
        network: HostNetwork = self._open(b"network", tuple(servers))
        return network


def boot_data(devices: OwnDevices, options: Options, processors: int, clock_page: int, continues: bool) -> tuple[Any, ...]:
    """What the task needs to know to start."""
    identity = devices.identity
    apart = ("binds", "mounts", "disk_images", "publish", "net", "config")
    fields = {name: getattr(options, name) for name in options.__slots__ if name not in apart}
    publish = [tuple(getattr(item, name) for name in item.__slots__) for item in options.publish]
    binds = [(bind.source, bind.place, bind.writes.value) for bind in options.binds]
    mounts = [tuple(getattr(mount, name) for name in mount.__slots__) for mount in options.mounts]
    images = [tuple(getattr(image, name) for name in image.__slots__) for image in options.disk_images]
    who = (identity.uid, identity.gid, tuple(identity.groups), tuple(identity.variables))
    return (
        fields,
        binds,
        mounts,
        images,
        publish,
        options.net.value,
        who,
        devices.streams,
        devices.terminal,
        processors,
        clock_page,
        continues,
    )
