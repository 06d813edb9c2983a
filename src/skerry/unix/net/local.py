"""Local sockets (AF_UNIX): names, connected streams and sequences of packets, and datagrams.

Source: unix(7); the order of checks is net/unix/af_unix.c's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.unix.errors import LinuxError
from skerry.unix.net.addresses import pack_local
from skerry.unix.net.queue import END, OVERHEAD, PeerCredentials, Received, ReceiveQueue, Segment
from skerry.unix.net.socket import BAND_WRITABLE, READABLE, SHUT_BOTH, SHUT_READ, SHUT_WRITE, Destination, Socket
from skerry.unix.net.stream import ConnectionSocket, State

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

    from skerry.unix.files import OpenFile
    from skerry.unix.inode import Inode
    from skerry.unix.process import Process, System

NOBODY: Final[PeerCredentials] = (0, 0xFFFFFFFF, 0xFFFFFFFF)  # SO_PEERCRED of a socket that has no peer
QUEUED_DATAGRAMS: Final = 10  # net.unix.max_dgram_qlen


def credentials_of(process: Process) -> PeerCredentials:
    """Of a process, as its peer sees them."""
    who = process.credentials
    return (process.pid, who.euid, who.egid)


class LocalSocket(Socket):
    """A socket that has, or can have, a name on this system."""

    family = linux.AF_UNIX

    def __init__(self, system: System, creator: Process, kind: int, flags: int) -> None:
        super().__init__(system, creator, kind, 0, flags)
        self.incoming.flight = system.network.flight
        self.name = b""
        self.peer_credentials = NOBODY
        self._named: Inode | None = None
        system.network.local_sockets.add(self)

    @property
    def carrier(self) -> LocalSocket:
        return self

    def queues(self) -> Iterable[ReceiveQueue]:
        """Where messages are that can be received by this socket alone."""
        return (self.incoming,)

    def local_address(self) -> bytes:
        return pack_local(self.name)

    @property
    def source(self) -> bytes:
        """What its messages come from: nothing while it has no name."""
        return pack_local(self.name) if self.name else b""

    def bind(self, name: bytes, inode: Inode | None) -> None:
        """Take a name: an abstract one, or a path, whose ``inode`` was made for it. Raises EADDRINUSE."""
        if inode is not None:
            inode.socket = self
            self._named = inode
        else:
            names = self.system.network.local
            if (self.kind, name) in names:
                raise LinuxError(linux.EADDRINUSE)
            names[self.kind, name] = self
        self.name = name

    def bind_automatically(self) -> None:
        """Take an abstract name that nobody has: five hexadecimal digits. Raises ENOSPC."""
        names = self.system.network.local
        for number in range(1 << 20):
            name = b"\0%05x" % number
            if (self.kind, name) not in names:
                self.bind(name, None)
                return
        raise LinuxError(linux.ENOSPC)

    def name_itself(self) -> None:
        """Whoever wants credentials (SO_PASSCRED) is known by a name when it sends or connects. Raises ENOSPC."""
        if self.passes_credentials and not self.name:
            self.bind_automatically()

    def join(self, other: Self) -> None:
        """Connect the two to each other."""
        raise NotImplementedError

    def give_name_up(self) -> None:
        """The socket was closed: nobody can reach it any more. A path stays, and refuses."""
        if self._named is not None:
            self._named.socket = None
        elif self.name:
            del self.system.network.local[self.kind, self.name]


class LocalConnection(LocalSocket, ConnectionSocket):
    """SOCK_STREAM and SOCK_SEQPACKET."""

    peer_name = b""  # kept when the peer is closed

    def queues(self) -> Iterable[ReceiveQueue]:
        return (self.incoming, *(end.incoming for end in self.pending))

    def peer_address(self) -> bytes:
        if not self.connected:
            raise LinuxError(linux.ENOTCONN)
        return pack_local(self.peer_name)

    def join(self, other: Self) -> None:
        for one, two in ((self, other), (other, self)):
            one.state = State.CONNECTED
            one.peer = two
            one.peer_name = two.name

    def listen(self, backlog: int, process: Process) -> None:
        if not self.name or self.state not in (State.CLOSED, State.LISTENING):
            raise LinuxError(linux.EINVAL)
        self.state = State.LISTENING
        self.set_backlog(backlog)
        self.peer_credentials = credentials_of(process)
        self.wake_callers()

    def connect(self, listener: Socket, process: Process) -> bool:
        """Whether a connection was made: if not, the listener has too many that wait. Raises EPROTOTYPE, ECONNREFUSED, EISCONN, EINVAL."""
        if not isinstance(listener, LocalConnection) or listener.kind != self.kind:
            raise LinuxError(linux.EPROTOTYPE)
        if not listener.listening or listener.shut & SHUT_READ:
            raise LinuxError(linux.ECONNREFUSED)
        if listener.is_full:
            listener.callers.add(self)
            return False
        if self.state is not State.CLOSED:
            raise LinuxError(linux.EISCONN if self.connected else linux.EINVAL)
        self.name_itself()
        end = type(self)(self.system, listener.creator, self.kind, 0)
        end.name = listener.name
        end._named = None
        end.passes_credentials = listener.passes_credentials
        end.peer_credentials = credentials_of(process)
        self.peer_credentials = listener.peer_credentials
        self.join(end)
        listener.offer(end)
        return True

    def give_name_up(self) -> None:
        if self.system.network.local.get((self.kind, self.name)) is self or self._named is not None:
            super().give_name_up()

    def send(
        self, data: bytes, to: Destination | None, rights: tuple[OpenFile, ...] = (), credentials: PeerCredentials | None = None
    ) -> int | None:
        if not self.connected:
            raise LinuxError(linux.ENOTCONN)
        peer = self.peer
        if self.shut & SHUT_WRITE or peer is None or peer.shut & SHUT_READ:
            raise LinuxError(linux.EPIPE)
        queue = peer.incoming
        if self.kind == linux.SOCK_STREAM:
            if not data:
                return 0
            count = self.fits(len(data), queue.size, self.send_buffer)
            if count < len(data):
                queue.blocked.add(self)
            if not count:
                return None
            data = data[:count]
            if rights:
                queue.append(Segment(data, self.source, rights, credentials))
            else:
                queue.append_bytes(data, self.source, credentials)
        else:
            if len(data) > self.send_buffer - 32:
                raise LinuxError(linux.EMSGSIZE)
            self.name_itself()
            if queue.size and queue.size + len(data) + OVERHEAD > self.send_buffer:
                queue.blocked.add(self)
                return None
            queue.append(Segment(data, self.source, rights, credentials))
        peer.changed.wake()
        return len(data)

    def receive(self, count: int, peek: bool, waits: bool = True) -> Received | None:
        if self.incoming:
            return self.take_in(count, peek)
        if not self.connected:
            raise LinuxError(linux.EINVAL if self.kind == linux.SOCK_STREAM else linux.ENOTCONN)
        self.raise_error()
        return END if self.shut & SHUT_READ else None

    def poll(self) -> int:
        if self.listening:
            return READABLE if self.pending else 0
        bits = linux.POLLERR if self.error else 0
        if self.shut == SHUT_BOTH or self.state is State.CLOSED:
            bits |= linux.POLLHUP
        if self.shut & SHUT_READ:
            bits |= READABLE | linux.POLLRDHUP
        if self.incoming:
            bits |= READABLE
        peer = self.peer
        if peer is None or peer.incoming.size * 4 <= self.send_buffer:
            bits |= BAND_WRITABLE
        else:
            peer.incoming.blocked.add(self)
        return bits

    def shut_down(self, bits: int) -> None:
        self.shut |= bits
        peer = self.peer
        if peer is not None:
            peer.shut |= (SHUT_WRITE if bits & SHUT_READ else 0) | (SHUT_READ if bits & SHUT_WRITE else 0)
            peer.changed.wake()
        if self.listening:
            self.wake_callers()
        self.changed.wake()

    def close(self) -> None:
        self.give_name_up()
        for end in self.pending:
            end.abandon(True)
        self.pending.clear()
        self.wake_callers()
        self.abandon(False)

    def abandon(self, unaccepted: bool) -> None:
        """This end is gone: the other hears of it, and that what it sent was not read."""
        peer, self.peer = self.peer, None
        if peer is not None:
            peer.peer = None
            peer.shut = SHUT_BOTH
            if self.incoming or unaccepted:
                peer.error = linux.ECONNRESET
            peer.changed.wake()
        self.incoming.clear()


class LocalDatagram(LocalSocket):
    """SOCK_DGRAM: whoever knows the name may send."""

    def __init__(self, system: System, creator: Process, kind: int, flags: int) -> None:
        super().__init__(system, creator, kind, flags)
        self.peer: LocalDatagram | None = None
        self.gone = False
        self.senders: set[LocalDatagram] = set()  # sockets that are connected to this one

    @property
    def connected(self) -> bool:
        return self.peer is not None

    def peer_address(self) -> bytes:
        if self.peer is None:
            raise LinuxError(linux.ENOTCONN)
        return pack_local(self.peer.name)

    def check(self, receiver: Socket) -> LocalDatagram:
        """``receiver``, if it takes datagrams from here. Raises EPROTOTYPE, EPERM."""
        if not isinstance(receiver, LocalDatagram):
            raise LinuxError(linux.EPROTOTYPE)
        if receiver.peer is not None and receiver.peer is not self:
            raise LinuxError(linux.EPERM)
        return receiver

    def connect(self, receiver: Socket, process: Process) -> bool:
        """Send to ``receiver`` from now on, and take from nobody else. Raises EPROTOTYPE, EPERM."""
        receiver = self.check(receiver)
        self.name_itself()
        self.disconnect()
        self.peer = receiver
        receiver.senders.add(self)
        return True

    def disconnect(self) -> None:
        if self.peer is not None:
            self.peer.senders.discard(self)
            self.peer = None
            self.incoming.clear()

    def join(self, other: Self) -> None:
        self.peer, other.peer = other, self
        self.senders.add(other)
        other.senders.add(self)

    def _is_full(self, receiver: LocalDatagram, size: int) -> bool:
        queue = receiver.incoming
        if receiver.peer is not self and receiver is not self and len(queue.segments) > QUEUED_DATAGRAMS:
            return True
        return bool(queue.size) and queue.size + size + OVERHEAD > self.send_buffer

    def send(
        self, data: bytes, to: Destination | None, rights: tuple[OpenFile, ...] = (), credentials: PeerCredentials | None = None
    ) -> int | None:
        self.raise_error()
        if len(data) > self.send_buffer - 32:
            raise LinuxError(linux.EMSGSIZE)
        self.name_itself()
        receiver = self.peer if to is None else to
        if receiver is None:
            raise LinuxError(linux.ENOTCONN)
        assert isinstance(receiver, LocalDatagram)
        if self.shut & SHUT_WRITE or receiver.shut & SHUT_READ:
            raise LinuxError(linux.EPIPE)
        if receiver.gone:
            if receiver is self.peer:
                self.disconnect()
            raise LinuxError(linux.ECONNREFUSED)
        if to is not None:
            self.check(receiver)
        if self._is_full(receiver, len(data)):
            receiver.incoming.blocked.add(self)
            return None
        receiver.incoming.append(Segment(data, self.source, rights, credentials))
        receiver.changed.wake()
        return len(data)

    def receive(self, count: int, peek: bool, waits: bool = True) -> Received | None:
        if self.incoming:
            return self.incoming.record(count, peek)
        self.raise_error()
        return END if waits and self.shut & SHUT_READ else None

    def poll(self) -> int:
        bits = linux.POLLERR if self.error else 0
        if self.shut == SHUT_BOTH:
            bits |= linux.POLLHUP
        if self.shut & SHUT_READ:
            bits |= READABLE | linux.POLLRDHUP
        if self.incoming:
            bits |= READABLE
        peer = self.peer
        if peer is not None and (peer.incoming.size * 4 > self.send_buffer or self._is_full(peer, 0)):
            peer.incoming.blocked.add(self)
        else:
            bits |= BAND_WRITABLE
        return bits

    def shut_down(self, bits: int) -> None:
        self.shut |= bits
        self.changed.wake()

    def unsent(self) -> int:
        return self.peer.incoming.length if self.peer is not None else 0

    def close(self) -> None:
        self.gone = True
        self.give_name_up()
        if self.peer is not None:
            self.peer.senders.discard(self)
        for sender in self.senders:
            sender.changed.wake()
        self.senders.clear()
        self.incoming.clear()
