"""The ports of one protocol: who is bound to each, who gets what arrives.

Source: ip(7), socket(7) on SO_REUSEADDR and SO_REUSEPORT.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from skerry.abi import linux, sockets
from skerry.unix.errors import LinuxError
from skerry.unix.net.addresses import ANY_4, ANY_6, Endpoint, is_any, is_mapped

if TYPE_CHECKING:
    from skerry.unix.net.inet import InetSocket

FIRST_EPHEMERAL: Final = 32768  # net.ipv4.ip_local_port_range
LAST_EPHEMERAL: Final = 60999
PRIVILEGED: Final = 1024  # below it only root may bind


def covers(bound: InetSocket, host: bytes) -> bool:
    """Whether what is sent to ``host`` is for a socket that is bound like this one."""
    assert bound.local is not None
    own = bound.local.host
    return own == host or (is_mapped(host) and own == ANY_4) or (own == ANY_6 and not (bound.only_v6 and is_mapped(host)))


def _overlap(one: InetSocket, two: InetSocket) -> bool:
    assert one.local is not None
    assert two.local is not None
    return covers(one, two.local.host) or covers(two, one.local.host)


class Ports:
    """Sockets by the port that they are bound to."""

    def __init__(self) -> None:
        self._users: dict[int, list[InetSocket]] = {}
        self._next = FIRST_EPHEMERAL
        self._turn = 0

    def bind(self, socket: InetSocket, where: Endpoint) -> None:
        """Take a port, 0 for any that is free. Raises EADDRINUSE."""
        port = where.port or self._free_port()
        socket.local = Endpoint(where.host, port)
        users = self._users.get(port, ())
        if any(self._conflict(socket, other) for other in users):
            socket.local = None
            raise LinuxError(linux.EADDRINUSE)
        self._users.setdefault(port, []).append(socket)

    def _conflict(self, socket: InetSocket, other: InetSocket) -> bool:
        if not _overlap(socket, other):
            return False
        if socket.is_set(linux.SO_REUSEPORT) and other.is_set(linux.SO_REUSEPORT) and socket.inode.uid == other.inode.uid:
            return False
        both = socket.is_set(linux.SO_REUSEADDR) and other.is_set(linux.SO_REUSEADDR)
        return not both or other.listening

    def add(self, socket: InetSocket) -> None:
        """An accepted connection, which has the port of its listener."""
        assert socket.local is not None
        self._users.setdefault(socket.local.port, []).append(socket)

    def remove(self, socket: InetSocket) -> None:
        """The socket was closed."""
        if socket.local is not None:
            users = self._users[socket.local.port]
            users.remove(socket)
            if not users:
                del self._users[socket.local.port]

    def _free_port(self) -> int:
        count = LAST_EPHEMERAL - FIRST_EPHEMERAL + 1
        for step in range(count):
            port = FIRST_EPHEMERAL + (self._next - FIRST_EPHEMERAL + step) % count
            if port not in self._users:
                self._next = port + 1
                return port
        raise LinuxError(linux.EADDRINUSE)

    def may_listen(self, socket: InetSocket) -> bool:
        """Whether no other socket listens where this one is bound, or all share the port."""
        assert socket.local is not None
        return not any(
            other is not socket
            and other.listening
            and _overlap(socket, other)
            and not (socket.is_set(linux.SO_REUSEPORT) and other.is_set(linux.SO_REUSEPORT))
            for other in self._users[socket.local.port]
        )

    def find(self, where: Endpoint, accepts: Callable[[InetSocket], int]) -> InetSocket | None:
        """Who gets what is sent to ``where``: the best by ``accepts`` (0: not at all), then who is bound closest. Equals take turns."""
        best: list[InetSocket] = []
        best_score = 0
        for user in self._users.get(where.port, ()):
            score = accepts(user)
            if not score or not covers(user, where.host):
                continue
            assert user.local is not None
            score = score * 4 + (0 if is_any(user.local.host) else 2) + (user.family == sockets.AF_INET)
            if score > best_score:
                best, best_score = [user], score
            elif score == best_score:
                best.append(user)
        if not best:
            return None
        self._turn += 1
        shared = all(user.is_set(linux.SO_REUSEPORT) for user in best)
        return best[self._turn % len(best)] if shared else best[-1]

    def sockets(self) -> list[InetSocket]:
        """All that have a port."""
        return [user for users in self._users.values() for user in users]
