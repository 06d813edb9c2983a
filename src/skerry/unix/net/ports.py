"""The ports of one protocol: who is bound to each, who gets what arrives.

Source: ip(7), socket(7) on SO_REUSEADDR and SO_REUSEPORT.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from skerry.abi import linux, sockets
from skerry.unix.errors import LinuxError
from skerry.unix.net.addresses import ANY_4, ANY_6, Endpoint, is_any, is_mapped

if TYPE_CHECKING:
    from skerry.unix.net.inet import InetSocket

FIRST_EPHEMERAL: Final = 32768  # net.ipv4.ip_local_port_range
LAST_EPHEMERAL: Final = 60999
TIME_WAIT: Final = 60_000_000_000  # ns: TCP_TIMEWAIT_LEN, and net.ipv4.tcp_fin_timeout
MOST_HELD: Final = 4096
PRIVILEGED: Final = 1024  # below it only root may bind


def covers(own: bytes, only_v6: bool, host: bytes) -> bool:
    """Whether what is sent to ``host`` is for who is bound to ``own``."""
    return own == host or (is_mapped(host) and own == ANY_4) or (own == ANY_6 and not (only_v6 and is_mapped(host)))


class Claim(NamedTuple):
    """What a socket's being bound means to others who want the port."""

    host: bytes
    only_v6: bool
    uid: int
    reuse_address: bool
    reuse_port: bool

    def overlaps(self, other: Claim) -> bool:
        """Whether something could be for both."""
        return covers(self.host, self.only_v6, other.host) or covers(other.host, other.only_v6, self.host)

    def may_share(self, other: Claim) -> bool:
        """Whether both may have the port, though neither listens. Options are what they are now, as in Linux."""
        if not self.overlaps(other) or (self.reuse_address and other.reuse_address):
            return True
        return self.reuse_port and other.reuse_port and self.uid == other.uid


def claim(socket: InetSocket) -> Claim:
    """What a socket that is bound claims."""
    assert socket.local is not None
    reuse_address, reuse_port = socket.is_set(linux.SO_REUSEADDR), socket.is_set(linux.SO_REUSEPORT)
    return Claim(socket.local.host, socket.only_v6, socket.inode.uid, reuse_address, reuse_port)


class Ports:
    """Sockets by the port that they are bound to."""

    def __init__(self) -> None:
        self._users: dict[int, list[InetSocket]] = {}
        self._held: OrderedDict[tuple[int, Claim], int] = OrderedDict()  # ports that were closed: until when (ns, monotonic)
        self._next = FIRST_EPHEMERAL
        self._turn = 0

    def bind(self, socket: InetSocket, where: Endpoint) -> None:
        """Take a port, 0 for any that is free. Raises EADDRINUSE."""
        port = where.port or self._free_port()
        socket.local = Endpoint(where.host, port)
        wanted = claim(socket)
        users = self._users.get(port, ())
        if any(self._conflict(wanted, other) for other in users) or (self._held and self._is_held(port, wanted, socket)):
            socket.local = None
            raise LinuxError(linux.EADDRINUSE)
        self._users.setdefault(port, []).append(socket)

    def _conflict(self, wanted: Claim, other: InetSocket) -> bool:
        theirs = claim(other)
        if wanted.may_share(theirs):
            both = wanted.reuse_port and theirs.reuse_port and wanted.uid == theirs.uid
            return other.listening and not both and wanted.overlaps(theirs)
        return True

    def hold(self, socket: InetSocket) -> None:
        """The socket closed a connection before the other end did: the port stays claimed for a while (TIME_WAIT, FIN_WAIT)."""
        assert socket.local is not None
        now = socket.system.platform.monotonic()
        self._forget(now)
        key = socket.local.port, claim(socket)
        self._held[key] = now + TIME_WAIT
        self._held.move_to_end(key)

    def _forget(self, now: int) -> None:
        """Drop what is held no longer, and the oldest of what is too much: they stand in the order in which they end."""
        held = self._held
        while held and (len(held) > MOST_HELD or next(iter(held.values())) <= now):
            held.popitem(last=False)

    def _is_held(self, port: int, wanted: Claim, socket: InetSocket) -> bool:
        """Whether connections that were closed keep the port."""
        self._forget(socket.system.platform.monotonic())
        return any(number == port and not wanted.may_share(old) for number, old in self._held)

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
            and claim(socket).overlaps(claim(other))
            and not (socket.is_set(linux.SO_REUSEPORT) and other.is_set(linux.SO_REUSEPORT))
            for other in self._users[socket.local.port]
        )

    def find(self, where: Endpoint, accepts: Callable[[InetSocket], int]) -> InetSocket | None:
        """Who gets what is sent to ``where``: the best by ``accepts`` (0: not at all), then who is bound closest. Equals take turns."""
        best: list[InetSocket] = []
        best_score = 0
        for user in self._users.get(where.port, ()):
            score = accepts(user)
            assert user.local is not None
            if not score or not covers(user.local.host, user.only_v6, where.host):
                continue
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

    def group(self, where: Endpoint) -> list[InetSocket]:
        """All who are bound so that what is sent to the group ``where`` is for them, too."""
        found = []
        for user in self._users.get(where.port, ()):
            assert user.local is not None
            if covers(user.local.host, user.only_v6, where.host):
                found.append(user)
        return found

    def sockets(self) -> list[InetSocket]:
        """All that have a port."""
        return [user for users in self._users.values() for user in users]
