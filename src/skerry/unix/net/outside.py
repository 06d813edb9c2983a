"""The way out: connections and datagrams that leave the system through the host's network.

Source: what a NAT does (RFC 5382, RFC 4787): a port that a program was bound to inside says nothing of the host's.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from skerry.unix.errors import LinuxError
from skerry.unix.net.addresses import Endpoint, pack_endpoint
from skerry.unix.net.queue import OVERHEAD, Packet, Segment
from skerry.unix.net.relay import OutsideEnd

if TYPE_CHECKING:
    from skerry.unix.net.tcp import TcpSocket
    from skerry.unix.net.udp import UdpSocket
    from skerry.unix.substrate import HostDatagrams, HostNetwork

LARGEST: Final = 65535  # bytes that a datagram can have
AT_ONCE: Final = 64  # datagrams that are taken before others have their turn
HOPS: Final = 64  # of what comes: the host does not say


class Outside:
    """The host's network, for the sockets of a system."""

    def __init__(self, device: HostNetwork) -> None:
        self._device = device
        self.addresses = device.addresses()

    def reaches(self, where: Endpoint) -> bool:
        """Whether something may be sent there."""
        return self._device.reaches(*where)

    def call(self, caller: TcpSocket, where: Endpoint) -> OutsideEnd:
        """The far end of a connection that is being made. Raises LinuxError: what the host says at once."""
        far = OutsideEnd(caller, self._device.connect(*where))
        try:
            for (level, option), value in caller.options.items():
                far.device.set_option(level, option, value)
            far.call(caller)
        except LinuxError:
            far.close()
            raise
        return far

    def datagrams(self, socket: UdpSocket, host: bytes) -> OutsideDatagrams:
        """A way for datagrams of ``socket`` to hosts of the family of ``host``, and back."""
        return OutsideDatagrams(socket, self._device.datagrams(host))


class OutsideDatagrams:
    """What a UDP socket has outside: a port of the host. What comes there is put into the socket's queue while it has room."""

    def __init__(self, socket: UdpSocket, device: HostDatagrams) -> None:
        self._socket = socket
        self._device = device
        for (level, option), value in socket.options.items():
            device.set_option(level, option, value)
        self._listen()

    def _listen(self) -> None:
        self._device.watch(True, False, self._arrived)

    def connect(self, where: Endpoint) -> bytes:
        """Send there, and hear of nobody else; the host that it is sent from. Raises LinuxError."""
        self._device.connect(*where)
        return self._device.local()[0]

    def send(self, data: bytes, to: Endpoint | None) -> int | None:
        """Send to ``to``, or where it is connected; None while the host has no room. Raises LinuxError."""
        done = self._device.send(data, to)
        if done is None:
            self._device.watch(True, True, self._arrived)
        return done

    def set_option(self, level: int, option: int, value: int) -> None:
        """An option of the socket. Raises LinuxError."""
        self._device.set_option(level, option, value)

    def _arrived(self) -> None:
        socket = self._socket
        try:
            for _ in range(AT_ONCE):
                received = self._device.receive(LARGEST)
                if received is None:
                    break
                data, host, port = received
                if socket.incoming.size + len(data) + OVERHEAD > socket.receive_buffer:
                    continue  # lost, as in Linux
                segment = Segment(data, pack_endpoint(socket.family, Endpoint(host, port)), (), None)
                segment.packet = Packet(self._device.local()[0], HOPS, 0)
                socket.incoming.append(segment)
        except LinuxError as error:
            socket.error = error.errno if socket.remote is not None else 0
        try:
            self._listen()
        except LinuxError as error:  # nobody drives it any more
            socket.error = error.errno
        socket.changed.wake()

    def close(self) -> None:
        """The socket has no use for it any more."""
        with suppress(LinuxError):  # nobody drives it any more
            self._device.close()
