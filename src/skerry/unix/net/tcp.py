"""TCP between two sockets of this system. There are no segments, no windows and no losses: what is sent has arrived, and a reset is a call.

What a program can see is kept: a connection that is not accepted yet, half-closed ends, resets by unread data or SO_LINGER 0, the
error that the first call reports and the end that the next one sees, urgent data and the mark before it, which reads stop at.

Source: tcp(7), RFC 9293; which error comes when is net/ipv4/tcp.c's.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from skerry.abi import linux, sockets
from skerry.unix.errors import LinuxError
from skerry.unix.net.addresses import Endpoint, is_any
from skerry.unix.net.inet import InetSocket
from skerry.unix.net.queue import END, PeerCredentials, Received
from skerry.unix.net.socket import READABLE, SHUT_BOTH, SHUT_READ, SHUT_WRITE, WRITABLE, Destination, Socket
from skerry.unix.net.stream import ConnectionSocket, State

if TYPE_CHECKING:
    from skerry.unix.files import OpenFile
    from skerry.unix.net.outside import Outside
    from skerry.unix.net.ports import Ports
    from skerry.unix.net.relay import OutsideEnd
    from skerry.unix.process import Process, System

WINDOW: Final = 1 << 18  # bytes on their way to an end whose buffers were not sized
SEND_BUFFER: Final = 16384  # net.ipv4.tcp_wmem and tcp_rmem: what SO_SNDBUF and SO_RCVBUF say at first
RECEIVE_BUFFER: Final = 131072


class TcpSocket(InetSocket, ConnectionSocket):
    """An end of a TCP connection, or a listener."""

    peer: TcpSocket | None

    def __init__(self, system: System, creator: Process, flags: int, family: int) -> None:
        super().__init__(system, creator, linux.SOCK_STREAM, sockets.IPPROTO_TCP, flags, family)
        self.send_buffer = SEND_BUFFER
        self.receive_buffer = RECEIVE_BUFFER
        self.waiting: deque[TcpSocket] = deque()  # a listener's: ends that connect while its queue is full
        self._listener: TcpSocket | None = None  # that this end waits for
        self._outside: OutsideEnd | None = None  # the same, where it is reached through the host's network
        self._told = True  # whether connect has reported how the last attempt went
        self._ended = False  # the other end will send no more
        self._ended_first = False  # this end said so before the other did
        self._over = False  # both have, or the connection was broken off; and the socket was not disconnected
        self._was_reset = False
        self._deaf = False  # it was shut down for reading
        self._mark: int | None = None  # how many bytes are before an urgent one that was not passed
        self._urgent_taken = False  # it was read out of band

    @property
    def ports(self) -> Ports:
        return self.system.network.tcp

    def window(self, peer: TcpSocket) -> int:
        """Bytes that may be on their way to ``peer``."""
        sized = self.send_buffer, peer.receive_buffer
        return WINDOW if sized == (SEND_BUFFER, RECEIVE_BUFFER) else sum(sized) // 2  # half of a buffer is overhead: tcp_adv_win_scale

    # Connecting
    def listen(self, backlog: int, process: Process) -> None:
        if self.state not in (State.CLOSED, State.LISTENING) or self._over:
            raise LinuxError(linux.EINVAL)
        self.bind_automatically()
        if self.state is State.CLOSED and not self.ports.may_listen(self):
            raise LinuxError(linux.EADDRINUSE)
        self.set_backlog(backlog)
        self.state = State.LISTENING
        self.shut = 0
        self._admit()
        self.changed.wake()
        self.system.network.listeners_changed(self)

    def connect(self, to: Endpoint, waits: bool) -> bool:
        """Begin or go on connecting; whether it is done. ``waits``: the caller waits for ``changed`` where it is not.

        Raises:
            LinuxError: EISCONN, ECONNREFUSED, ENETUNREACH, EADDRNOTAVAIL; where the caller does not wait, EINPROGRESS, then EALREADY.
        """
        if self._told:
            if self.state is not State.CLOSED or self._over:
                raise LinuxError(linux.EISCONN)
            self._begin(to)
            if not waits:
                raise LinuxError(linux.EINPROGRESS)
        if self.state is State.CONNECTING:
            if waits:
                return False
            raise LinuxError(linux.EALREADY)
        self._told = True
        if self.state is State.CONNECTED:
            return True
        self.shut = 0
        self.unbind()
        raise LinuxError(self.take_error() or linux.ECONNABORTED)

    def _begin(self, to: Endpoint) -> None:
        network = self.system.network
        where = self.route(to)
        try:
            self.bind_automatically()
        except LinuxError:
            raise LinuxError(linux.EADDRNOTAVAIL) from None
        assert self.local is not None
        listener = self.ports.find(where, lambda user: user.listening) if network.is_own(where.host) else None
        out = network.out(where) if listener is None else None
        try:
            far = self._call_out(out, where) if out is not None else None
        except LinuxError:
            self.unbind()
            raise
        if far is None:
            self.local = self.come_from(where.host)
        self.remote = where
        self.error = 0
        self._told = self._ended = self._ended_first = self._deaf = False
        self.incoming.clear()
        if far is not None:
            self.state = State.CONNECTING
            self._outside = far
        elif not isinstance(listener, TcpSocket) or listener.shut & SHUT_READ:
            self.refused(linux.ECONNREFUSED)
        else:
            self.begin(listener)

    def _call_out(self, out: Outside, where: Endpoint) -> OutsideEnd:
        """The far end of a connection through the host's network. Raises LinuxError: what the host says at once."""
        far = out.call(self, where)
        try:
            local = far.device.local()
        except LinuxError:
            far.give_up()
            raise
        if self._automatic:  # its name is what the other side sees
            self.ports.remove(self)
            self.local = Endpoint(*local)
            self.ports.add(self)
        elif self.local is not None and is_any(self.local.host):
            self.local = Endpoint(local[0], self.local.port)
        return far

    def begin(self, listener: TcpSocket) -> None:
        """Connect to ``listener``, or wait until it has room."""
        if listener.is_full:
            self.state = State.CONNECTING
            self._listener = listener
            listener.waiting.append(self)
        else:
            self._join(listener)

    def reached(self, far: OutsideEnd) -> None:
        """The host has connected."""
        self._outside = None
        self.peer = far
        self.state = State.CONNECTED
        self.changed.wake()

    def refused(self, error: int) -> None:
        """The connection was not made."""
        self.state = State.CLOSED
        self._listener = self._outside = None
        self.shut = SHUT_BOTH
        self.fail(error)

    def _join(self, listener: TcpSocket) -> None:
        """The connection is made; its other end waits to be accepted."""
        end = TcpSocket(self.system, listener.creator, 0, listener.family)
        end.options = dict(listener.options)
        end.linger = listener.linger
        end.send_buffer, end.receive_buffer = listener.send_buffer, listener.receive_buffer
        end.local, end.remote = self.remote, self.local
        end.peer = self
        self.peer = end
        end.state = self.state = State.CONNECTED
        self._listener = None
        self.ports.add(end)
        listener.offer(end)
        self.changed.wake()

    def accept(self) -> Socket | None:
        connection = super().accept()
        self._admit()
        return connection

    def _admit(self) -> None:
        while self.waiting and not self.is_full:
            self.waiting.popleft()._join(self)

    def set_outside(self, level: int, option: int, value: int) -> None:
        far = self._outside or self.peer
        if far is not None:
            far.take_option(level, option, value)

    def take_option(self, level: int, option: int, value: int) -> None:
        """An option of the other end, which means something to a connection with the outside."""

    def disconnect(self) -> None:
        self._part()
        self.state = State.CLOSED
        self.shut = self.error = 0
        self.remote = None
        self._told = True
        self._over = self._was_reset = False
        self.unbind()

    # Data
    def send(
        self, data: bytes, to: Destination | None, rights: tuple[OpenFile, ...] = (), credentials: PeerCredentials | None = None
    ) -> int | None:
        if self.error or self.shut & SHUT_WRITE or self.state is not State.CONNECTED:
            if self.state is State.CONNECTING:
                return None
            raise LinuxError(self.take_error() or linux.EPIPE)
        peer = self.peer
        if not data:
            return 0
        if peer is None:
            self.broken(linux.ECONNRESET)  # so answers an end that was closed
            return min(len(data), self.send_buffer)
        if peer._deaf and peer.shut & SHUT_WRITE:
            peer.broken(linux.ECONNRESET)
            self.broken(linux.ECONNRESET)  # so answers an end that neither reads nor writes any more
            return len(data)
        queue = peer.incoming
        count = self.fits(len(data), queue.length, self.window(peer))
        if count < len(data):
            queue.blocked.add(self)
        if not count:
            return None
        queue.append_bytes(data if count == len(data) else data[:count], b"", None)
        peer.changed.wake()
        return count

    def send_urgent(self, data: bytes) -> int | None:
        """The same with MSG_OOB: the last byte is urgent."""
        done = self.send(data, None)
        if done and self.peer is not None:
            self.peer.take_urgent()
        return done

    def take_urgent(self) -> None:
        """The last byte that came is urgent; what was before it is not any more, and is lost where it is next."""
        if self._mark == 0 and not self.is_set(sockets.SO_OOBINLINE):
            self.incoming.stream(1, False)
        self._mark = self.incoming.length - 1
        self._urgent_taken = False
        if self.owner is not None:
            self.owner.send_urgent()
        self.changed.wake()

    def receive_urgent(self, peek: bool) -> Received:
        """The byte that came out of band. Raises EINVAL where there is none, it was taken, or it comes inline."""
        if self._mark is None or self._urgent_taken or self.is_set(sockets.SO_OOBINLINE):
            raise LinuxError(linux.EINVAL)
        byte = self.incoming.stream(self._mark + 1, True).data[self._mark :]
        self._urgent_taken = not peek
        return Received(byte, 1)

    @property
    def at_mark(self) -> bool:
        return self._mark == 0

    def _receive_marked(self, mark: int, count: int, peek: bool) -> Received | None:
        """What comes before the urgent byte; or what follows it, with it if that is wanted inline. None: that was all."""
        if mark:
            received = self.take_in(min(count, mark), peek)
            if not peek:
                self._mark = mark - len(received.data)
            return received
        if not self.is_set(sockets.SO_OOBINLINE):
            if peek:
                data = self.incoming.stream(count + 1, True).data[1:]
                return Received(data, len(data)) if data else None
            self.incoming.stream(1, False)
        elif peek:
            return self.take_in(count, True)
        self._mark = None
        return self.take_in(count, False) if self.incoming else None

    def receive(self, count: int, peek: bool, waits: bool = True) -> Received | None:
        if self.incoming:
            if self._mark is None:
                return self.take_in(count, peek)
            received = self._receive_marked(self._mark, count, peek) if count else END
            if received is not None:
                return received
        if self._ended:
            return END
        self.raise_error()
        if self.shut & SHUT_READ:
            return END
        if self.state not in (State.CONNECTED, State.CONNECTING):
            raise LinuxError(linux.ENOTCONN)
        return None

    def poll(self) -> int:
        state, shut = self.state, self.shut
        if state is State.LISTENING:
            return READABLE if self.pending else 0
        bits = linux.POLLERR if self.error else 0
        if shut == SHUT_BOTH or state is State.CLOSED:
            bits |= linux.POLLHUP
        if shut & SHUT_READ:
            bits |= READABLE | linux.POLLRDHUP
        if state is State.CONNECTING:
            return bits
        if length := self.incoming.length:
            if length > 1 or self._mark != 0 or self.is_set(sockets.SO_OOBINLINE):
                bits |= READABLE
            if self._mark is not None and not self._urgent_taken:
                bits |= linux.POLLPRI
        peer = self.peer
        if peer is None or shut & SHUT_WRITE or peer.incoming.length * 3 <= self.window(peer) * 2:
            bits |= WRITABLE
        else:
            peer.incoming.blocked.add(self)
        return bits

    def waiting_bytes(self) -> int:
        return self.incoming.length if self._mark is None or self.is_set(sockets.SO_OOBINLINE) else self._mark

    def unsent(self) -> int:
        return self.peer.not_taken() if self.peer is not None else 0

    def not_taken(self) -> int:
        """Bytes that were sent here and have not arrived."""
        return 0

    # Ending
    def shut_down(self, bits: int) -> None:
        was_connected = self.state is not State.CLOSED
        if self.listening and bits & SHUT_READ:
            self._stop_listening()  # it is as if it had never listened
            self.changed.wake()
            return
        self._deaf |= bool(bits & SHUT_READ)
        if bits & SHUT_WRITE and not self.shut & SHUT_WRITE and self.peer is not None:
            self._ended_first = not self._ended
            self.shut |= SHUT_WRITE
            self.peer.finish()
            if self._ended:
                self._complete()
        self.shut |= bits
        self.changed.wake()
        if not was_connected:
            raise LinuxError(linux.ENOTCONN)  # and yet it is done, as in Linux

    def finish(self) -> None:
        """The other end will send no more."""
        self._ended = True
        self.shut |= SHUT_READ
        if self.shut & SHUT_WRITE:
            self._complete()
        self.changed.wake()

    is_here = True  # and not the far end of a connection with the outside

    def _complete(self) -> None:
        """Both ends have sent all: the connection is no more. What was not read stays."""
        peer = self.peer
        if not self.is_here or (peer is not None and not peer.is_here):
            return
        for end in (self, peer):
            if end is not None:
                end.state = State.CLOSED
                end._over = True
                end.peer = None

    def parted(self) -> None:
        """The other end, which had ended already, was closed."""

    def broken(self, error: int) -> None:
        """The connection is no more: ECONNRESET by the other end, or what the host's network says."""
        self.peer = None
        self.state = State.CLOSED
        self._over = self._was_reset = True
        self.shut = SHUT_BOTH
        self.fail(linux.EPIPE if self._ended and error == linux.ECONNRESET else error)

    def _part(self) -> None:
        """Give up what the socket is connected to, or waits for: with a reset, if something was not read or shall not linger."""
        if self._listener is not None:
            self._listener.waiting.remove(self)
            self._listener = None
        if self._outside is not None:
            self._outside.give_up()
            self._outside = None
        peer, self.peer = self.peer, None
        was_connected, self.state = self.state is State.CONNECTED or (self._over and not self._was_reset), State.CLOSED
        reset = bool(self.incoming) or self.linger == (1, 0)
        if was_connected and not reset and not self._automatic and (self._ended_first or not self._ended):
            self.ports.hold(self)
        if peer is not None:
            peer.peer = None
            if reset:
                peer.broken(linux.ECONNRESET)
            elif not self.shut & SHUT_WRITE:
                peer.finish()
            else:
                peer.parted()
        self.incoming.clear()

    def _stop_listening(self) -> None:
        for end in self.pending:
            end.linger = (1, 0)
            end.close()
        self.pending.clear()
        waiting, self.waiting = self.waiting, deque()
        for caller in waiting:
            caller.refused(linux.ECONNREFUSED)
        if self.listening:
            self.state = State.CLOSED
            self.system.network.listeners_changed(self)

    def close(self) -> None:
        self._stop_listening()
        self._part()
        self.ports.remove(self)
