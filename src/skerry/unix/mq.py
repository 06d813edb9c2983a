"""POSIX message queues: files of a file system of their own, whose contents are messages in order of priority.

A queue's messages are sent and received as a whole; the oldest of the highest priority comes first. One process may have itself told, once,
that a message came to the empty queue while nobody waited for one.

Source: mq_overview(7), mq_open(3), mq_notify(3); Linux, ipc/mqueue.c.
"""

from __future__ import annotations

from bisect import insort
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.lib.coroutine import WaitQueue
from skerry.unix import signals
from skerry.unix.capabilities import CAP_SYS_RESOURCE
from skerry.unix.errors import LinuxError
from skerry.unix.files import OpenFile
from skerry.unix.fs.tmpfs import Directory, MemoryFileSystem
from skerry.unix.inode import Inode

if TYPE_CHECKING:
    from skerry.unix.net.netlink import NetlinkSocket
    from skerry.unix.process import Credentials, Process, System, Thread

MAGIC: Final = 0x19800202
PRIORITIES: Final = 32768
MESSAGES: Final = 10  # in a queue, unless it is made for others; who has no CAP_SYS_RESOURCE cannot have more
MESSAGE_SIZE: Final = 8192
MOST_MESSAGES: Final = 65536
LARGEST_MESSAGE: Final = 1 << 24
QUEUES: Final = 256  # of a system
SI_MESGQ: Final = -3
COOKIE: Final = 32  # bytes
NOTIFY_WOKENUP: Final = 1
NOTIFY_REMOVED: Final = 2
_NODE: Final = 48  # bytes that a place for a message costs, and a priority


class Signal:
    """A process is told by a signal."""

    def __init__(self, process: Process, signo: int, value: int) -> None:
        self.process = process
        self.signo = signo
        self.value = value

    def message_came(self, sender: Process) -> None:
        if self.process.exit_status is None:
            signals.send(self.process, signals.from_process(self.signo, SI_MESGQ, sender, self.value))


class Cookie:
    """A thread of the C library is told through a netlink socket, with the bytes that it gave (SIGEV_THREAD)."""

    def __init__(self, socket: NetlinkSocket, cookie: bytes) -> None:
        self.socket = socket
        self.cookie = cookie[:-1]

    def message_came(self, sender: Process) -> None:
        self.socket.deliver(self.cookie + bytes((NOTIFY_WOKENUP,)))

    def removed(self) -> None:
        self.socket.deliver(self.cookie + bytes((NOTIFY_REMOVED,)))


class MessageQueue(Inode):
    """A queue; ``creator`` is whose RLIMIT_MSGQUEUE it counts against."""

    fs: MessageQueues

    def __init__(self, fs: MessageQueues, ino: int, mode: int, uid: int, gid: int, now: int, maximum: int, message_size: int) -> None:
        super().__init__(fs, ino, mode, uid, gid, now)
        self.size = 80
        self.creator = uid
        self.maximum = maximum  # messages
        self.message_size = message_size  # bytes
        self.messages: list[tuple[int, int, bytes]] = []  # minus the priority, order of arrival, text
        self.arrivals = 0
        self.arrived = WaitQueue()
        self.left = WaitQueue()
        self.receivers = 0  # that wait
        self.notified: Process | None = None
        self.notification: Signal | Cookie | None = None  # None: it is told nothing

    @property
    def cost(self) -> int:
        """Bytes that it may take."""
        return cost(self.maximum, self.message_size)

    @property
    def blocks(self) -> int:
        return 0

    def open(self, thread: Thread, flags: int) -> OpenFile:
        return QueueFile(self, flags, b"")

    def truncate(self, size: int, now: int) -> None:
        """O_TRUNC changes nothing."""

    def try_send(self, text: bytes, priority: int, sender: Process) -> bool:
        """Whether there was room."""
        if len(self.messages) >= self.maximum:
            return False
        was_empty = not self.messages
        self.arrivals += 1
        insort(self.messages, (-priority, self.arrivals, text))
        self.atime = self.mtime = self.ctime = self.fs.now()
        if was_empty and not self.receivers:
            self._notify(sender)
        self.arrived.wake()
        return True

    def try_receive(self) -> tuple[int, bytes] | None:
        """Priority and text of the next message; None if there is none."""
        if not self.messages:
            return None
        priority, _, text = self.messages.pop(0)
        self.atime = self.ctime = self.fs.now()
        self.left.wake()
        return -priority, text

    def _notify(self, sender: Process) -> None:
        what = self.notification
        self.notified = self.notification = None
        if what is not None:
            what.message_came(sender)

    def forget(self, process: Process) -> None:
        """``process`` is not to be told any more, if it was to be."""
        if self.notified is process:
            what = self.notification
            self.notified = self.notification = None
            if isinstance(what, Cookie):
                what.removed()


class QueueFile(OpenFile):
    """An open message queue: reading it says how full it is."""

    inode: MessageQueue

    def __init__(self, inode: MessageQueue, flags: int, path: bytes) -> None:
        super().__init__(inode, flags, path)
        inode.fs.open_files.add(self)

    def read(self, count: int) -> bytes | None:
        data = self.read_at(count, self.position)
        self.position += len(data)
        return data

    def read_at(self, count: int, offset: int) -> bytes:
        queue = self.inode
        size = sum(len(text) for _, _, text in queue.messages)
        pid = queue.notified.pid if queue.notified is not None else 0
        what = queue.notification
        signo = what.signo if isinstance(what, Signal) else 0
        kind = 2 if isinstance(what, Cookie) else int(what is None and queue.notified is not None)
        return (b"QSIZE:%-10d NOTIFY:%-5d SIGNO:%-5d NOTIFY_PID:%-6d\n" % (size, kind, signo, pid))[offset : offset + count]

    def truncate(self, size: int) -> None:
        """Changes nothing."""

    def poll(self) -> int:
        bits = linux.POLLIN | linux.POLLRDNORM if self.inode.messages else 0
        if len(self.inode.messages) < self.inode.maximum:
            bits |= linux.POLLOUT | linux.POLLWRNORM
        return bits

    def seek(self, offset: int, whence: int) -> int:
        if whence not in (linux.SEEK_SET, linux.SEEK_CUR) or (offset := offset + self.position * (whence == linux.SEEK_CUR)) < 0:
            raise LinuxError(linux.EINVAL)
        self.position = offset
        return offset

    def close(self) -> None:
        queue = self.inode
        queue.fs.open_files.discard(self)
        who = queue.notified
        if who is not None and all(file.inode is not queue for file in who.files.files.values()):
            queue.forget(who)


class QueueDirectory(Directory):
    """/dev/mqueue: nothing but queues can be in it."""

    fs: MessageQueues

    def create(self, name: bytes, mode: int, uid: int, gid: int, now: int, rdev: int = 0) -> Inode:
        if mode & linux.S_IFMT != linux.S_IFREG:
            raise LinuxError(linux.EPERM)
        return self.make_queue(name, mode, uid, gid, now, MESSAGES, MESSAGE_SIZE)

    def make_queue(self, name: bytes, mode: int, uid: int, gid: int, now: int, maximum: int, message_size: int) -> MessageQueue:
        """A new queue; the limits were checked. Raises ENAMETOOLONG."""
        queue = MessageQueue(self.fs, self.fs.next_ino(), mode, uid, gid, now, maximum, message_size)
        self._add(name, queue, now)
        return queue

    def create_unnamed(self, mode: int, uid: int, gid: int, now: int) -> Inode:
        raise LinuxError(linux.EOPNOTSUPP)

    def symlink(self, name: bytes, target: bytes, uid: int, gid: int, now: int) -> Inode:
        raise LinuxError(linux.EPERM)

    def link(self, name: bytes, inode: Inode, now: int) -> None:
        raise LinuxError(linux.EPERM)

    def rename(self, name: bytes, to: Inode, new_name: bytes, now: int, exchange: bool = False) -> None:
        raise LinuxError(linux.EPERM)


class MessageQueues(MemoryFileSystem):
    """All queues of a system."""

    def __init__(self, system: System) -> None:
        super().__init__(system.platform, 2, "mqueue", MAGIC)
        self.root = QueueDirectory(self, self.next_ino(), linux.S_IFDIR | 0o1777, 0, 0, self.now())
        self.open_files: set[QueueFile] = set()

    def queues(self) -> set[MessageQueue]:
        """Those that have a name, and those that are still open."""
        named = {queue for _, queue in self.root.entries() if isinstance(queue, MessageQueue)}
        return named | {file.inode for file in self.open_files}

    def require(self, who: Credentials, maximum: int, message_size: int, limit: int) -> None:
        """Raises EINVAL, ENOSPC, EMFILE where ``who`` may not make such a queue; ``limit``: RLIMIT_MSGQUEUE."""
        may_more = who.has(CAP_SYS_RESOURCE)
        most, largest = (MOST_MESSAGES, LARGEST_MESSAGE) if may_more else (MESSAGES, MESSAGE_SIZE)
        if not 0 < maximum <= most or not 0 < message_size <= largest:
            raise LinuxError(linux.EINVAL)
        queues = self.queues()
        if len(queues) >= QUEUES and not may_more:
            raise LinuxError(linux.ENOSPC)
        if sum(queue.cost for queue in queues if queue.creator == who.fsuid) + cost(maximum, message_size) > limit:
            raise LinuxError(linux.EMFILE)


def cost(maximum: int, message_size: int) -> int:
    """Bytes that a queue counts for."""
    return maximum * (message_size + _NODE) + min(maximum, PRIORITIES) * _NODE
