"""The ways between a system and the host's network: `--net` and `--publish`."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from skerry.abi import linux
from skerry.first import read_file
from skerry.machine.network import HostDatagrams, HostListener, HostNetwork, pack_host
from skerry.options import Net, Options, Publish, UserError
from skerry.reach import REACH
from skerry.unix.glue.network import DatagramDevice, ListenerDevice, NetworkDevice
from skerry.unix.net.outside import Outside
from skerry.unix.net.publish import PublishedDatagrams, PublishedPort

if TYPE_CHECKING:
    from skerry.devices import Devices
    from skerry.unix.process import System, Thread

_RESOLVER = b"/etc/resolv.conf"
_MOST = 1 << 16  # bytes of it that are read


def attach(devices: Devices, thread: Thread, options: Options, say: Callable[[str], None]) -> None:
    """Give the system that ``thread`` is the first of the ways that were asked for. Raises UserError."""
    system = thread.process.system
    servers = _name_servers(thread) if options.net is not Net.NONE else frozenset()
    device = devices.network(REACH[options.net], servers)
    if options.net is not Net.NONE:
        system.network.outside = Outside(NetworkDevice(device))
    for publish in options.publish:
        _publish(system, device, publish, say)


def _name_servers(thread: Thread) -> frozenset[bytes]:
    """The name servers of the resolver inside: one on the host's loopback (systemd-resolved, dnsmasq) must be asked there."""
    servers = set()
    for line in read_file(thread, _RESOLVER, _MOST).decode(errors="replace").splitlines():
        match line.split():
            case ["nameserver", address, *_]:
                try:
                    servers.add(pack_host(address))
                except ValueError:  # the resolver skips it, too
                    continue
    return frozenset(servers)


def _publish(system: System, device: HostNetwork, publish: Publish, say: Callable[[str], None]) -> None:
    try:
        if publish.datagrams:
            made: HostDatagrams | HostListener = device.published_datagrams(publish.host, publish.host_port)
        else:
            made = device.listener(publish.host, publish.host_port)
            made.open()
            made.shut()
    except OSError as error:
        raise UserError(f"--publish {publish.text}: {_reason(error)}") from error
    if not publish.host_port:
        say(f"skerry: --publish {publish.text}: the host's port is {made.local()[1]}\n")
    if publish.datagrams:
        datagrams = PublishedDatagrams(system, publish.port, DatagramDevice(made))  # type: ignore[arg-type]
        system.network.published_datagrams.append(datagrams)
        return

    def refuse(error: int) -> None:
        say(f"skerry: --publish {publish.text}: cannot be opened: {os.strerror(error)}\n")

    system.network.published.append(PublishedPort(system, publish.port, ListenerDevice(made), refuse))  # type: ignore[arg-type]


def _reason(error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return "the host's port is taken: choose another, or 0 for any that is free"
        case errno.EACCES:
            return "the host gives ports below 1024 to root alone: choose another"
        case errno.EADDRNOTAVAIL | linux.EAFNOSUPPORT:
            return "that is no address of this host: choose another, or leave it out"
    return f"{error.strerror}"
