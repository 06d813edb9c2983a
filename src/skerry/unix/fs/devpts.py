"""/dev/pts: the slaves of pseudoterminals by number, and /dev/ptmx and /dev/tty, which stand beside it.

Source: pts(4), tty(4).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.unix.errors import LinuxError
from skerry.unix.files import OpenFile
from skerry.unix.fs.tmpfs import Directory, MemoryFileSystem
from skerry.unix.inode import FileSystem, Inode
from skerry.unix.pty import MasterFile, Pair
from skerry.unix.sessions import Terminal

if TYPE_CHECKING:
    from skerry.unix.process import System, Thread

MAGIC: Final = 0x1CD1
TTY_GROUP: Final = 5
FIRST_INO: Final = 3  # that of terminal 0
LIMIT: Final = 4096  # terminals at a time: /proc/sys/kernel/pty/max


class DevPts(MemoryFileSystem):
    """The terminals that there are, by number."""

    def __init__(self, system: System, device: int) -> None:
        super().__init__(system.platform, device, "devpts", MAGIC)
        self.system = system
        self.terminals: dict[int, TerminalInode] = {}
        self.root = _Root(self)

    def add(self, number: int, terminal: Terminal, uid: int) -> TerminalInode:
        """Give the terminal its name."""
        inode = TerminalInode(self, FIRST_INO + number, terminal, uid, self.now())
        self.terminals[number] = inode
        return inode

    def open_pair(self, inode: Inode, thread: Thread, flags: int) -> OpenFile:
        """A new pseudoterminal: its master. Raises ENOSPC."""
        number = next((n for n in range(LIMIT) if n not in self.terminals), None)
        if number is None:
            raise LinuxError(linux.ENOSPC)
        pair = Pair(self.system, number, lambda: self._remove(number))
        pair.inode = self.add(number, pair, thread.process.credentials.fsuid)
        return MasterFile(inode, flags, pair)

    def _remove(self, number: int) -> None:
        del self.terminals[number]
        self.system.names.forget()


class TerminalInode(Inode):
    """A terminal's name."""

    def __init__(self, fs: FileSystem, ino: int, terminal: Terminal, uid: int, now: int) -> None:
        super().__init__(fs, ino, linux.S_IFCHR | 0o620, uid, TTY_GROUP, now)
        self.rdev = terminal.device
        self._terminal = terminal

    def open(self, thread: Thread, flags: int) -> OpenFile:
        return self._terminal.open(thread, flags)


class MultiplexInode(Inode):
    """/dev/ptmx: opening it makes a pseudoterminal."""

    def __init__(self, fs: FileSystem, ino: int, devpts: DevPts, now: int) -> None:
        super().__init__(fs, ino, linux.S_IFCHR | 0o666, 0, TTY_GROUP, now)
        self.rdev = 5 << 8 | 2
        self._devpts = devpts

    def open(self, thread: Thread, flags: int) -> OpenFile:
        return self._devpts.open_pair(self, thread, flags)


class ControllingInode(Inode):
    """/dev/tty: the terminal that controls whoever opens it."""

    def __init__(self, fs: FileSystem, ino: int, now: int) -> None:
        super().__init__(fs, ino, linux.S_IFCHR | 0o666, 0, TTY_GROUP, now)
        self.rdev = 5 << 8

    def open(self, thread: Thread, flags: int) -> OpenFile:
        terminal = thread.process.terminal
        if terminal is None:
            raise LinuxError(linux.ENXIO)
        return terminal.open(thread, flags | linux.O_NOCTTY)


class _Root(Directory):
    """The directory; names come and go by themselves."""

    def __init__(self, fs: DevPts) -> None:
        super().__init__(fs, 1, linux.S_IFDIR | 0o755, 0, 0, fs.now())
        self._devpts = fs
        self._multiplex = MultiplexInode(fs, 2, fs, fs.now())

    def lookup(self, name: bytes) -> Inode:
        if name == b"ptmx":
            return self._multiplex
        if name.isdigit() and (name == b"0" or not name.startswith(b"0")):
            found = self._devpts.terminals.get(int(name[:9]))
            if found is not None:
                return found
        raise LinuxError(linux.ENOENT)

    def entries(self) -> Iterable[tuple[bytes, Inode]]:
        return [(b"ptmx", self._multiplex), *((b"%d" % number, inode) for number, inode in sorted(self._devpts.terminals.items()))]

    def _add(self, name: bytes, child: Inode, now: int) -> None:
        raise LinuxError(linux.EPERM)

    def _remove(self, name: bytes, now: int) -> None:
        raise LinuxError(linux.EPERM)


def add_devices(dev: Directory, devpts: DevPts, now: int) -> None:
    """Put /dev/tty and /dev/ptmx into ``dev``."""
    fs = dev.fs
    dev.children[b"tty"] = ControllingInode(fs, fs.next_ino(), now)
    dev.children[b"ptmx"] = MultiplexInode(fs, fs.next_ino(), devpts, now)
