"""The streams that the system was given, a terminal among them, as open files."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.unix.errors import LinuxError
from skerry.unix.files import OpenFile
from skerry.unix.inode import FileSystem, Inode

if TYPE_CHECKING:
    from skerry.unix.process import Thread
    from skerry.unix.substrate import StreamDevice

STREAM_FILE_SYSTEM: Final = FileSystem("devpts", 24, 0x1CD1)
_ARGUMENT_SIZE: Final = {
    linux.TCGETS: 36,
    linux.TCSETS: 36,
    linux.TCSETSW: 36,
    linux.TCSETSF: 36,
    linux.TIOCGWINSZ: 8,
    linux.TIOCSWINSZ: 8,
    linux.FIONREAD: 4,
    linux.TIOCOUTQ: 4,
}
_READS: Final = frozenset((linux.TCGETS, linux.TIOCGWINSZ, linux.FIONREAD, linux.TIOCOUTQ))


class Terminal:
    """Who may read from the terminal: what its streams and /dev/tty share."""

    def __init__(self) -> None:
        self.foreground = 0  # process group
        self.session = 0


class StreamFile(OpenFile):
    """A stream of the host."""

    def __init__(self, inode: Inode, flags: int, path: bytes, device: StreamDevice, terminal: Terminal) -> None:
        super().__init__(inode, flags, path)
        self.device = device
        self.terminal = terminal
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
            self._subscribed = True
            self.device.subscribe(self._ready)

    def _ready(self) -> None:
        self._subscribed = False
        self.changed.wake()

    def _subscribe_writable(self) -> None:
        if not self._subscribed_writable:
            self._subscribed_writable = True
            self.device.subscribe_writable(self._ready_to_write)

    def _ready_to_write(self) -> None:
        self._subscribed_writable = False
        self.changed.wake()

    def ioctl(self, thread: Thread, request: int, argument: int) -> int:
        if not self.device.is_terminal:
            raise LinuxError(linux.ENOTTY)
        memory = thread.process.memory
        if request == linux.TIOCGPGRP:
            memory.write(argument, struct.pack("<i", self.terminal.foreground or thread.process.pgid))
        elif request == linux.TIOCSPGRP:
            (self.terminal.foreground,) = struct.unpack("<i", memory.read(argument, 4))
        elif request == linux.TIOCGSID:
            memory.write(argument, struct.pack("<i", self.terminal.session or thread.process.sid))
        elif request == linux.TIOCSCTTY:
            self.terminal.session = thread.process.sid
        elif request in _READS:
            memory.write(argument, self.device.control(request, bytes(_ARGUMENT_SIZE[request])))
        elif request in _ARGUMENT_SIZE:
            self.device.control(request, memory.read(argument, _ARGUMENT_SIZE[request]))
        else:
            raise LinuxError(linux.ENOTTY)
        return 0


class StreamInode(Inode):
    """A stream's inode; opening it again, through /dev/stdout for example, gives the same stream."""

    def __init__(self, device: StreamDevice, ino: int, owner: tuple[int, int], now: int, terminal: Terminal) -> None:
        super().__init__(STREAM_FILE_SYSTEM, ino, device.mode, *owner, now)
        self.rdev = device.rdev
        self._device = device
        self._terminal = terminal

    def open(self, thread: Thread, flags: int) -> OpenFile:
        return StreamFile(self, flags, b"", self._device, self._terminal)

    def truncate(self, size: int, now: int) -> None:
        if self._device.kind != linux.S_IFREG:
            raise LinuxError(linux.EINVAL)
        self._device.truncate(size)


def make_stream(device: StreamDevice, flags: int, terminal: Terminal, number: int, owner: tuple[int, int], now: int) -> StreamFile:
    """The open file of standard stream ``number``."""
    inode = StreamInode(device, number + 3, owner, now, terminal)
    return StreamFile(inode, flags, b"/dev/pts/0" if device.is_terminal else b"pipe:[%d]" % number, device, terminal)
