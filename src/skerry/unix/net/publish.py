"""Ports of the host that lead into the system: who connects to one is connected to whoever listens on the port inside.

A TCP port of the host is open while somebody listens inside; else the host refuses connections, as it does where nobody listens. At most
one connection waits here for room in the listener's queue; the others wait in the host's. Each client of a UDP port has a socket of its
own inside, by which the server tells them apart; the one that was silent longest gives way.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from skerry.abi import linux, sockets
from skerry.lib.coroutine import Watch
from skerry.unix.errors import LinuxError
from skerry.unix.net.addresses import LOOPBACK_4, LOOPBACK_6, Endpoint
from skerry.unix.net.relay import OutsideEnd
from skerry.unix.net.stream import State
from skerry.unix.net.tcp import TcpSocket
from skerry.unix.net.udp import UdpSocket

if TYPE_CHECKING:
    from skerry.unix.net.inet import InetSocket
    from skerry.unix.process import System
    from skerry.unix.substrate import HostDatagrams, HostListener

CLIENTS: Final = 256  # of a UDP port that are remembered
LARGEST: Final = 65535  # bytes that a datagram can have
AT_ONCE: Final = 64  # datagrams that are taken before others have their turn
PAUSE: Final = 50_000_000  # ns until the next try, where the host has no descriptor left


class PublishedPort:
    """A TCP port. ``refuse`` is told, by an errno, that the host would not open it."""

    def __init__(self, system: System, port: int, device: HostListener, refuse: Callable[[int], None]) -> None:
        self._system = system
        self._port = port
        self._device = device
        self._refuse = refuse
        self._open = False
        self._waiting: Watch | None = None  # of a connection for which the listener has no room

    def _listener(self) -> tuple[TcpSocket, Endpoint] | None:
        """Who listens, and where it is called."""
        for host in (LOOPBACK_4, LOOPBACK_6):
            where = Endpoint(host, self._port)
            found = self._system.network.tcp.find(where, lambda user: user.listening)
            if isinstance(found, TcpSocket):
                return found, where
        return None

    def look(self, changed: InetSocket) -> None:
        """``changed`` listens, or does no longer."""
        if changed.local is None or changed.local.port != self._port:
            return
        wanted = self._listener() is not None
        if wanted == self._open:
            return
        try:
            if wanted:
                self._device.open()
                self._device.watch(True, False, self._called)
            else:
                self._device.watch(False, False, self._called)
                self._device.shut()
            self._open = wanted
        except LinuxError as error:
            self._refuse(error.errno)

    def _watch(self) -> None:
        """Wait for the next connection."""
        try:
            self._device.watch(True, False, self._called)
        except LinuxError as error:  # nobody drives it any more
            self._open = False
            self._refuse(error.errno)

    def _called(self) -> None:
        found = self._listener()
        if found is None or not self._open:
            return
        end = None
        try:
            connection = self._device.accept()
            if connection is not None:
                end = OutsideEnd(found[0], connection)
                end.arrive(*found)
        except LinuxError as error:  # the client has gone already, or the host has no descriptor left
            if end is not None:
                end.refused(error.errno)
            if error.errno in (linux.EMFILE, linux.ENFILE, linux.ENOMEM, linux.ENOBUFS):
                self._system.loop.call_at(self._system.platform.monotonic() + PAUSE, self._called)
                return
        if end is not None and end.state is State.CONNECTING:
            self._waiting = Watch(end.changed, lambda: self._go_on(end))
        else:
            self._watch()

    def _go_on(self, end: OutsideEnd) -> None:
        """The connection that waited has room, or is gone."""
        if end.state is not State.CONNECTING and self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
            if self._open:
                self._watch()

    def close(self) -> None:
        """The system has ended."""
        self._open = False
        with suppress(LinuxError):  # nobody drives it any more
            self._device.close()


class PublishedDatagrams:
    """A UDP port."""

    def __init__(self, system: System, port: int, device: HostDatagrams) -> None:
        self._system = system
        self._port = port
        self._device = device
        self._clients: dict[tuple[bytes, int], UdpSocket] = {}  # the one that was silent longest first
        device.watch(True, False, self._arrived)

    def _arrived(self) -> None:
        for _ in range(AT_ONCE):
            try:
                received = self._device.receive(LARGEST)
            except LinuxError:  # a client is gone
                continue
            if received is None:
                break
            data, host, port = received
            self._bring_in(data, (host, port))
        with suppress(LinuxError):  # nobody drives it any more: what comes is lost, as datagrams may be
            self._device.watch(True, False, self._arrived)

    def close(self) -> None:
        """The system has ended."""
        with suppress(LinuxError):
            self._device.close()

    def _bring_in(self, data: bytes, client: tuple[bytes, int]) -> None:
        for host in (LOOPBACK_4, LOOPBACK_6):
            where = Endpoint(host, self._port)
            if self._system.network.udp.find(where, lambda user: 1) is not None:
                with suppress(LinuxError):  # lost, as datagrams may be
                    self._socket(client, where).send(data, where)
                return

    def _socket(self, client: tuple[bytes, int], where: Endpoint) -> UdpSocket:
        """The socket that stands for a client inside. Raises LinuxError."""
        socket = self._clients.pop(client, None)
        if socket is None:
            assert self._system.first is not None
            family = sockets.AF_INET if where.host == LOOPBACK_4 else sockets.AF_INET6
            made = socket = UdpSocket(self._system, self._system.first, 0, family)
            socket.connect(where, False)
            Watch(socket.changed, lambda: self._answer(made, client))
        self._clients[client] = socket
        if len(self._clients) > CLIENTS:
            self._clients.pop(next(iter(self._clients))).close()
        return socket

    def _answer(self, socket: UdpSocket, client: tuple[bytes, int]) -> None:
        while socket.incoming:
            with suppress(LinuxError):
                self._device.send(socket.incoming.record(LARGEST, False).data, client)
