"""The host's network as the Unix server sees it: the same calls, with LinuxError for what the host refuses."""

from __future__ import annotations

from skerry.machine import network as host
from skerry.unix.glue.devices import translated


class ConnectionDevice:
    """A TCP connection (:class:`skerry.unix.substrate.HostConnection`)."""

    def __init__(self, connection: host.HostSocket) -> None:
        self.watch = translated(connection.watch)
        self.local = translated(connection.local)
        self.peer = translated(connection.peer)
        self.error = translated(connection.error)
        self.send = translated(connection.send)
        self.receive = translated(connection.receive)
        self.at_mark = translated(connection.at_mark)
        self.set_option = translated(connection.set_option)
        self.finish = translated(connection.finish)
        self.reset = translated(connection.reset)
        self.close = translated(connection.close)
        self.wait_writable = translated(connection.wait_writable)


class ListenerDevice:
    """A TCP port (:class:`skerry.unix.substrate.HostListener`)."""

    def __init__(self, listener: host.HostListener) -> None:
        self._accept = translated(listener.accept)
        self.watch = translated(listener.watch)
        self.local = translated(listener.local)
        self.open = translated(listener.open)
        self.shut = translated(listener.shut)
        self.close = translated(listener.close)

    def accept(self) -> ConnectionDevice | None:
        connection = self._accept()
        return None if connection is None else ConnectionDevice(connection)


class DatagramDevice:
    """A UDP socket (:class:`skerry.unix.substrate.HostDatagrams`)."""

    def __init__(self, datagrams: host.HostDatagrams) -> None:
        self.watch = translated(datagrams.watch)
        self.local = translated(datagrams.local)
        self.connect = translated(datagrams.connect)
        self.send = translated(datagrams.send)
        self.receive = translated(datagrams.receive)
        self.set_option = translated(datagrams.set_option)
        self.close = translated(datagrams.close)


class NetworkDevice:
    """The whole (:class:`skerry.unix.substrate.HostNetwork`)."""

    def __init__(self, network: host.HostNetwork) -> None:
        self._connect = translated(network.connect)
        self._datagrams = translated(network.datagrams)
        self.reaches = translated(network.reaches)
        self.addresses = translated(network.addresses)

    def connect(self, to: bytes, port: int) -> ConnectionDevice:
        return ConnectionDevice(self._connect(to, port))

    def datagrams(self, to: bytes) -> DatagramDevice:
        return DatagramDevice(self._datagrams(to))
