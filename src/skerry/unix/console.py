"""The streams that the system was given, a terminal among them, as open files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.abi import termios as t
from skerry.unix import sessions
from skerry.unix.arguments import c_int
from skerry.unix.errors import LinuxError
from skerry.unix.files import OpenFile
from skerry.unix.inode import FileSystem, Inode
from skerry.unix.readtimer import ReadTimer
from skerry.unix.sessions import Terminal

if TYPE_CHECKING:
    from skerry.lib.coroutine import Loop
    from skerry.unix.process import Thread
    from skerry.unix.substrate import StreamDevice

STREAM_FILE_SYSTEM: Final = FileSystem("pipefs", 24, 0x50495045)


class StreamFile(OpenFile):
    """A stream of the host."""

    asynchronous = True

    def __init__(self, inode: Inode, flags: int, path: bytes, device: StreamDevice) -> None:
        super().__init__(inode, flags, path)
        self.device = device
        self.pollable = device.is_terminal or device.kind in (linux.S_IFIFO, linux.S_IFSOCK)
        self._subscribed = False
        self._subscribed_writable = False

    def read(self, count: int) -> bytes | None:
        data = self.device.read(count)
        if data is None:
            self._subscribe()
        return data

    def write(self, data: bytes) -> int | None:
        done = self.device.write(data)
        if done is None or done < len(data):
            self._subscribe_writable()
        return done

    def truncate(self, size: int) -> None:
        self.inode.truncate(size, self.inode.mtime)

    def seek(self, offset: int, whence: int) -> int:
        if self.device.kind != linux.S_IFREG:
            raise LinuxError(linux.ESPIPE)
        return self.device.seek(offset, whence)

    def poll(self) -> int:
        bits = 0
        if self.writable:
            if self.device.writable():
                bits |= linux.POLLOUT | linux.POLLWRNORM
            else:
                self._subscribe_writable()
        if self.readable:
            if self.device.readable():
                bits |= linux.POLLIN | linux.POLLRDNORM
            else:
                self._subscribe()
        return bits

    def _subscribe(self) -> None:
        if not self._subscribed:
            self.device.subscribe(self._ready)
            self._subscribed = True

    def _ready(self) -> None:
        self._subscribed = False
        self.changed.wake()

    def _subscribe_writable(self) -> None:
        if not self._subscribed_writable:
            self.device.subscribe_writable(self._ready_to_write)
            self._subscribed_writable = True

    def _ready_to_write(self) -> None:
        self._subscribed_writable = False
        self.changed.wake()


class StreamInode(Inode):
    """A stream's inode; opening it again, through /dev/stdout for example, gives the same stream."""

    def __init__(self, device: StreamDevice, ino: int, owner: tuple[int, int], now: int) -> None:
        super().__init__(STREAM_FILE_SYSTEM, ino, device.mode, *owner, now)
        self.rdev = device.rdev
        self._device = device

    def open(self, thread: Thread, flags: int) -> OpenFile:
        return StreamFile(self, flags, b"", self._device)

    def truncate(self, size: int, now: int) -> None:
        if self._device.kind != linux.S_IFREG:
            raise LinuxError(linux.EINVAL)
        self._device.truncate(size)


def make_stream(device: StreamDevice, flags: int, number: int, owner: tuple[int, int], now: int) -> StreamFile:
    """The open file of standard stream ``number``, which is no terminal."""
    return StreamFile(StreamInode(device, number + 3, owner, now), flags, b"pipe:[%d]" % number, device)


class Console(Terminal):
    """The user's own terminal. Its line discipline is the host's; who may use it is decided here."""

    device = 136 << 8  # /dev/pts/0

    def __init__(self, loop: Loop, stream: StreamDevice) -> None:
        super().__init__()
        self.loop = loop
        self.modes = t.Termios()
        self.inode: Inode | None = None
        self._stream = stream
        self.look()

    def look(self) -> None:
        """Learn the modes that the host's terminal has now."""
        self.modes.set(self._stream.control(linux.TCGETS, bytes(t.TERMIOS_SIZE)))

    def open(self, thread: Thread, flags: int) -> OpenFile:
        process = thread.process
        file = self.file(self._stream, flags)
        if not flags & linux.O_NOCTTY and file.readable and sessions.may_acquire(process, self):
            sessions.acquire(process, self)
        return file

    def file(self, stream: StreamDevice, flags: int) -> ConsoleFile:
        """An open file of it that uses ``stream``."""
        assert self.inode is not None
        return ConsoleFile(self.inode, flags, stream, self)


class ConsoleFile(StreamFile):
    """The console, open."""

    controlled = True

    def __init__(self, inode: Inode, flags: int, device: StreamDevice, console: Console) -> None:
        super().__init__(inode, flags, b"", device)
        self.console = console
        self._timer = ReadTimer(console.loop, self.changed)

    def read(self, count: int) -> bytes | None:
        return None  # who reads matters: read_for

    def read_for(self, thread: Thread, count: int) -> bytes | None:
        sessions.check_foreground(thread, self.console, linux.SIGTTIN)
        modes = self.console.modes
        if modes.lflag & t.ICANON or not count:
            return super().read(count) if count else b""
        available = self._available()
        if not self._timer.is_over(available, count, modes.cc) and (available or not self.device.readable()):
            self._subscribe()
            return None
        if available:
            return super().read(min(count, available))  # more than that would wait for MIN and TIME
        return super().read(count) if self.device.readable() else b""

    def _available(self) -> int:
        return int.from_bytes(self.device.control(linux.FIONREAD, bytes(4)), "little")

    def write(self, data: bytes) -> int | None:
        return None if self.console.modes.lflag & t.TOSTOP else super().write(data)

    def write_for(self, thread: Thread, data: bytes) -> int | None:
        if self.console.modes.lflag & t.TOSTOP:
            sessions.check_foreground(thread, self.console, linux.SIGTTOU)
        return super().write(data)

    def ioctl(self, thread: Thread, request: int, argument: int) -> int:
        console = self.console
        memory = thread.process.memory
        if request in sessions.CHANGES:
            sessions.check_foreground(thread, console, linux.SIGTTOU)
        if sessions.control(thread, console, request, argument, self):
            return 0
        if request in t.GETS:
            memory.write(argument, self.device.control(request, bytes(t.GETS[request])))
        elif request in t.SETS:
            size, drop = t.SETS[request]
            if drop:
                self.device.control(linux.TCFLSH, 0)
            self.device.control(t.AT_ONCE[size], memory.read(argument, size))
            console.look()
        elif request in (linux.TCFLSH, linux.TCXONC):
            self.device.control(request, c_int(argument))
        elif request in (linux.TCSBRK, t.TCSBRKP):
            pass  # not waited for: what is shown may be stopped, and the whole system would wait
        elif request in (linux.FIONREAD, linux.TIOCOUTQ):
            memory.write(argument, self.device.control(request, bytes(4)))
        elif request == linux.TIOCGWINSZ:
            memory.write(argument, self.device.control(request, bytes(8)))
        elif request == linux.TIOCSWINSZ:
            self.device.control(request, memory.read(argument, 8))
        else:
            raise LinuxError(linux.ENOTTY)  # TIOCSTI above all: it would type into the shell outside
        return 0
