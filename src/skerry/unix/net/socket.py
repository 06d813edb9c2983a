"""What all sockets have in common: an open file with options, an error to report, a queue of what came, and two directions to shut down.

``shut`` has the bits SHUT_READ (nothing more will come) and SHUT_WRITE (nothing more may be sent). An operation that would block returns
None; the system calls wait for ``changed``. Families and kinds override what means something to them, and the rest raises as in Linux.

Source: socket(7).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from skerry.abi import linux, sockets
from skerry.lib.coroutine import NEVER
from skerry.unix.errors import LinuxError
from skerry.unix.files import DESCRIPTION, OpenFile
from skerry.unix.inode import FileSystem, Inode
from skerry.unix.net import interfaces
from skerry.unix.net.queue import PeerCredentials, Received, ReceiveQueue

if TYPE_CHECKING:
    from skerry.unix.net.addresses import Endpoint
    from skerry.unix.process import Process, System, Thread

SOCKET_FILE_SYSTEM: Final = FileSystem("sockfs", 8, 0x534F434B)
BUFFER: Final = 212992  # net.core.wmem_default
SHUT_READ: Final = 1
SHUT_WRITE: Final = 2
SHUT_BOTH: Final = 3
READABLE: Final = linux.POLLIN | linux.POLLRDNORM
WRITABLE: Final = linux.POLLOUT | linux.POLLWRNORM
BAND_WRITABLE: Final = WRITABLE | linux.POLLWRBAND  # what all but TCP say


class Socket(OpenFile):
    """An open socket."""

    asynchronous = True
    family: int

    def __init__(self, system: System, creator: Process, kind: int, protocol: int, flags: int) -> None:
        system.last_ino += 1
        who = creator.credentials
        inode = Inode(SOCKET_FILE_SYSTEM, system.last_ino, linux.S_IFSOCK | 0o777, who.fsuid, who.fsgid, system.platform.realtime())
        super().__init__(inode, linux.O_RDWR | flags, b"socket:[%d]" % inode.ino)
        self.system = system
        self.creator = creator
        self.kind = kind  # SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET
        self.protocol = protocol
        self.incoming = ReceiveQueue()
        self.shut = 0
        self.error = 0  # SO_ERROR
        self.send_buffer = BUFFER
        self.receive_buffer = BUFFER
        self.receive_timeout = 0  # ns; 0: none
        self.send_timeout = 0
        self.linger: tuple[int, int] = (0, 0)  # on, seconds
        self.options: dict[tuple[int, int], int] = {}  # (level, option): what was set
        self.passes_credentials = False
        self.interface = b""  # the interface that it is bound to
        self.last_sender: PeerCredentials = (creator.pid, who.euid, who.egid)

    def take_error(self) -> int:
        """The pending error, which is reported once; 0 for none."""
        error, self.error = self.error, 0
        return error

    def raise_error(self) -> None:
        """Raises the pending error, if there is one."""
        if self.error:
            raise LinuxError(self.take_error())

    def fail(self, error: int) -> None:
        """Something went wrong that the next call is to report."""
        self.error = error
        self.changed.wake()

    def deadline(self, writing: bool) -> int:
        timeout = self.send_timeout if writing else self.receive_timeout
        return self.system.platform.monotonic() + timeout if timeout else NEVER

    @property
    def held(self) -> int:
        return DESCRIPTION + self.incoming.size

    # Names
    def local_address(self) -> bytes:
        """getsockname: struct sockaddr."""
        raise NotImplementedError

    def peer_address(self) -> bytes:
        """getpeername: struct sockaddr. Raises ENOTCONN."""
        raise LinuxError(linux.ENOTCONN)

    # Connections
    @property
    def listening(self) -> bool:
        return False

    @property
    def connected(self) -> bool:
        return False

    def listen(self, backlog: int, process: Process) -> None:
        """Raises EOPNOTSUPP, EINVAL, EADDRINUSE."""
        raise LinuxError(linux.EOPNOTSUPP)

    def accept(self) -> Socket | None:
        """The next connection; None if there is none yet. Raises EINVAL (it does not listen), EOPNOTSUPP."""
        raise LinuxError(linux.EOPNOTSUPP)

    def disconnect(self) -> None:
        """connect to an address of family AF_UNSPEC."""
        raise LinuxError(linux.EINVAL)

    def shut_down(self, bits: int) -> None:
        """shutdown(2): SHUT_* bits. Raises ENOTCONN."""
        raise NotImplementedError

    # Data
    def send(
        self, data: bytes, to: Destination | None, rights: tuple[OpenFile, ...] = (), credentials: PeerCredentials | None = None
    ) -> int | None:
        """Send to ``to``, or to the peer; how many bytes it were, or None where it would block.

        Raises:
            LinuxError: EPIPE, ENOTCONN, EDESTADDRREQ, EMSGSIZE, ECONNREFUSED, ECONNRESET, EISCONN.
        """
        raise NotImplementedError

    def receive(self, count: int, peek: bool, waits: bool = True) -> Received | None:
        """Bytes, or a record cut to ``count``; empty at the end; None where it would block.

        ``waits``: the caller would wait; only then has a datagram socket that was shut down an end.

        Raises:
            LinuxError: ENOTCONN, ECONNRESET, ECONNREFUSED, EINVAL.
        """
        raise NotImplementedError

    def read(self, count: int) -> bytes | None:
        received = self.receive(count, False, not self.nonblocking)
        if received is None:
            return None
        received.drop_rights()
        return received.data

    def write(self, data: bytes) -> int | None:
        return self.send(data, None, (), self.last_sender)

    def ioctl(self, thread: Thread, request: int, argument: int) -> int:
        memory = thread.process.memory
        if request == linux.FIONREAD:
            if self.listening:
                raise LinuxError(linux.EINVAL)
            memory.write(argument, self.waiting_bytes().to_bytes(4, "little"))
            return 0
        if request == sockets.SIOCOUTQ:
            memory.write(argument, self.unsent().to_bytes(4, "little"))
            return 0
        if request == sockets.SIOCATMARK and self.kind == linux.SOCK_STREAM:
            memory.write(argument, int(self.at_mark).to_bytes(4, "little"))
            return 0
        if request == linux.FIOASYNC:
            return 0
        return interfaces.ioctl(thread, request, argument)

    @property
    def at_mark(self) -> bool:
        """Whether the next byte is urgent."""
        return False

    def waiting_bytes(self) -> int:
        """FIONREAD: bytes that can be read, or the length of the next datagram."""
        return self.incoming.length if self.kind != linux.SOCK_DGRAM else self.incoming.first_length

    def unsent(self) -> int:
        """SIOCOUTQ: bytes that a local peer has not read, or that have not arrived."""
        return 0

    def fits(self, size: int, used: int, capacity: int) -> int:
        """How many of ``size`` bytes of a stream may go into a queue that counts ``used``; 0 while it is more than three quarters full."""
        room = capacity - used
        return size if room >= size else room if room * 4 >= capacity else 0


Destination: TypeAlias = "Socket | Endpoint"
