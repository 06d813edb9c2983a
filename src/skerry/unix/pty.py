"""Pseudoterminals: a terminal whose screen and keyboard are another open file, the master.

Source: pty(7), ioctl_tty(2); drivers/tty/pty.c of Linux for what hang-ups and packet mode do.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.abi import termios as t
from skerry.unix import sessions
from skerry.unix.capabilities import CAP_SYS_ADMIN
from skerry.unix.errors import LinuxError
from skerry.unix.files import OpenFile
from skerry.unix.readtimer import ReadTimer
from skerry.unix.screen import OUTPUT_LIMIT
from skerry.unix.sessions import Terminal
from skerry.unix.tty import LineDiscipline

if TYPE_CHECKING:
    from skerry.unix.inode import Inode
    from skerry.unix.process import System, Thread

SLAVE_MAJOR: Final = 136
TYPED_AT_ONCE: Final = 1024  # bytes: each is looked at
_TO_READ: Final = linux.POLLIN | linux.POLLRDNORM
_TO_WRITE: Final = linux.POLLOUT | linux.POLLWRNORM


class Pair(Terminal):
    """A master and its slave. ``on_end`` is called when no file is open any more, ``on_close`` when the master is closed."""

    def __init__(self, system: System, index: int, on_close: Callable[[], None]) -> None:
        super().__init__()
        self.system = system
        self.index = index
        self.device = SLAVE_MAJOR << 8 | (index & 0xFF) | (index & ~0xFF) << 12
        self.discipline = LineDiscipline(self._signal)
        self.window = bytes(8)  # struct winsize
        self.locked = True
        self.exclusive = False
        self.master: MasterFile | None = None
        self.slaves: list[SlaveFile] = []
        self.was_opened = False  # by a slave
        self.packet = False
        self.packet_status = 0
        self.inode: Inode | None = None  # the slave's
        self._on_close = on_close

    def _signal(self, signo: int) -> None:
        if self.foreground:
            sessions.signal_group(self.system, self.foreground, signo)

    def open(self, thread: Thread, flags: int) -> OpenFile:
        """The slave. Raises EIO, EBUSY."""
        if self.master is None or self.locked or self.inode is None:
            raise LinuxError(linux.EIO)
        if self.exclusive and thread.process.credentials.euid:
            raise LinuxError(linux.EBUSY)
        process = thread.process
        slave = SlaveFile(self.inode, flags, self)
        if not flags & linux.O_NOCTTY and slave.readable and sessions.may_acquire(process, self):
            sessions.acquire(process, self)
        return slave

    def changed(self) -> None:
        """Something can be read, written, or neither any more."""
        for slave in self.slaves:
            slave.changed.wake()
        if self.master is not None:
            self.master.changed.wake()

    def close_master(self) -> None:
        """The line is gone."""
        self.master = None
        self._on_close()
        sessions.hang_up(self.system, self)
        self.changed()

    def flush(self, typed: bool, shown: bool) -> None:
        """Drop what was typed and not read, what was written and not shown."""
        if typed:
            self.discipline.flush_input()
        if shown:
            self.discipline.screen.output.clear()
        if self.packet:
            self.packet_status |= (t.PKT_FLUSHREAD if typed else 0) | (t.PKT_FLUSHWRITE if shown else 0)
        self.changed()

    def set_modes(self, data: bytes, drop_input: bool) -> None:
        """TCSETS and its kin."""
        modes = self.discipline.modes
        before = self._flow()
        if drop_input:
            self.discipline.flush_input()
        self.discipline.set_modes(data)
        if self.packet and before != self._flow():
            self.packet_status &= ~(t.PKT_DOSTOP | t.PKT_NOSTOP)
            self.packet_status |= (
                t.PKT_DOSTOP if modes.iflag & t.IXON and modes.cc[t.VSTOP] == 19 and modes.cc[t.VSTART] == 17 else t.PKT_NOSTOP
            )
        self.changed()

    def _flow(self) -> tuple[int, int, int]:
        modes = self.discipline.modes
        return modes.iflag & t.IXON, modes.cc[t.VSTOP], modes.cc[t.VSTART]

    def set_window(self, window: bytes) -> None:
        """The screen has another size: the foreground group is told."""
        if window != self.window:
            self.window = window
            self._signal(linux.SIGWINCH)

    def control(self, thread: Thread, request: int, argument: int, file: MasterFile | SlaveFile) -> None:
        """The ioctls that both ends have. Raises LinuxError, Fault."""
        if sessions.control(thread, self, request, argument, file, file is self.master):
            return
        memory = thread.process.memory
        discipline = self.discipline
        if request in t.GETS:
            memory.write(argument, discipline.modes.pack(t.GETS[request]))
        elif request in t.SETS:
            size, drop = t.SETS[request]
            self.set_modes(memory.read(argument, size), drop)
        elif request == t.TIOCGLCKTRMIOS:
            memory.write(argument, discipline.modes.locked)
        elif request == t.TIOCSLCKTRMIOS:
            if not thread.process.credentials.has(CAP_SYS_ADMIN):
                raise LinuxError(linux.EPERM)
            discipline.modes.locked = memory.read(argument, t.TERMIOS_SIZE)
        elif request == linux.TIOCGWINSZ:
            memory.write(argument, self.window)
        elif request == linux.TIOCSWINSZ:
            self.set_window(memory.read(argument, 8))
        elif request in (linux.TCSBRK, t.TCSBRKP):
            pass  # nothing is ever on its way, and a break means nothing to a master
        elif request == linux.TIOCOUTQ:
            memory.write(argument, bytes(4))
        elif request == t.TIOCGETD:
            memory.write(argument, bytes(4))  # N_TTY
        elif request == t.TIOCGDEV:
            memory.write(argument, struct.pack("<I", self.device))
        elif request in (linux.TIOCEXCL, linux.TIOCNXCL):
            self.exclusive = request == linux.TIOCEXCL
        elif request == t.TIOCGEXCL:
            memory.write(argument, struct.pack("<i", self.exclusive))
        elif request == linux.TIOCSTI:
            raise LinuxError(linux.EIO)  # as Linux since 6.2: no typing for others
        else:
            raise LinuxError(linux.ENOTTY)


class MasterFile(OpenFile):
    """The end of the terminal emulator: it reads what is shown and writes what is typed."""

    asynchronous = True

    def __init__(self, inode: Inode, flags: int, pair: Pair) -> None:
        super().__init__(inode, flags, b"")
        self.pair = pair
        pair.master = self

    def read(self, count: int) -> bytes | None:
        pair = self.pair
        output = pair.discipline.screen.output
        if not count:
            return b""
        if pair.packet and pair.packet_status:
            status, pair.packet_status = pair.packet_status, 0
            return bytes((status,))
        if not output:
            if pair.was_opened and not pair.slaves:
                raise LinuxError(linux.EIO)
            return None
        if pair.packet:
            count -= 1
        data = bytes(output[:count])
        del output[:count]
        pair.changed()
        return b"\0" + data if pair.packet else data

    def write(self, data: bytes) -> int | None:
        pair = self.pair
        discipline = pair.discipline
        typed = data[: min(discipline.room(), TYPED_AT_ONCE)]
        discipline.receive(typed)
        pair.changed()
        if len(typed) < len(data) and discipline.room() > 0:
            pair.system.loop.call_at(0, pair.changed)  # the writer goes on when others have had their turn
        return len(typed) if typed or not data else None

    def poll(self) -> int:
        pair = self.pair
        bits = 0
        if pair.discipline.screen.output:
            bits |= _TO_READ
        if pair.packet and pair.packet_status:
            bits |= _TO_READ | linux.POLLPRI
        if pair.was_opened and not pair.slaves:
            bits |= linux.POLLHUP
        return bits | _TO_WRITE if pair.discipline.room() > 0 else bits

    def ioctl(self, thread: Thread, request: int, argument: int) -> int:
        pair = self.pair
        memory = thread.process.memory
        if request == linux.TIOCGPTN:
            memory.write(argument, struct.pack("<I", pair.index))
        elif request == linux.TIOCSPTLCK:
            pair.locked = memory.read(argument, 4) != bytes(4)
        elif request == linux.TIOCGPTLCK:
            memory.write(argument, struct.pack("<i", pair.locked))
        elif request == linux.TIOCGPTPEER:
            pair.locked, locked = False, pair.locked  # who has the master may open the slave
            try:
                slave = pair.open(thread, argument)
            finally:
                pair.locked = locked
            slave.path = b"/dev/pts/%d" % pair.index
            return thread.process.files.install(slave, bool(argument & linux.O_CLOEXEC))
        elif request == linux.TIOCPKT:
            pair.packet, pair.packet_status = memory.read(argument, 4) != bytes(4), 0
        elif request == t.TIOCGPKT:
            memory.write(argument, struct.pack("<i", pair.packet))
        elif request == t.TIOCSIG:
            if not 0 < argument <= 64:
                raise LinuxError(linux.EINVAL)
            if pair.foreground:
                sessions.signal_group(pair.system, pair.foreground, argument)
        elif request == linux.FIONREAD:
            memory.write(argument, struct.pack("<i", len(pair.discipline.screen.output)))
        elif request == linux.TCFLSH:
            pair.flush(argument in (1, 2), argument in (0, 2))  # what one end reads the other writes
        else:
            pair.control(thread, request, argument, self)
        return 0

    def close(self) -> None:
        self.pair.close_master()


class SlaveFile(OpenFile):
    """The end of the programs."""

    controlled = True
    asynchronous = True

    def __init__(self, inode: Inode, flags: int, pair: Pair) -> None:
        super().__init__(inode, flags, b"")
        self.pair = pair
        self._timer = ReadTimer(pair.system.loop, self.changed)
        pair.was_opened = True
        pair.slaves.append(self)

    def read(self, count: int) -> bytes | None:
        return None  # who reads matters: read_for

    def read_for(self, thread: Thread, count: int) -> bytes | None:
        pair = self.pair
        if pair.master is None:
            return b""  # hung up
        sessions.check_foreground(thread, pair, linux.SIGTTIN)
        if not count:
            return b""
        discipline = pair.discipline
        available = discipline.available()
        if discipline.canonical:
            if not available:
                return None
        elif not self._timer.is_over(available, count, discipline.modes.cc):
            return None
        data = discipline.take(count)
        pair.changed()
        return data

    def write(self, data: bytes) -> int | None:
        if self.pair.discipline.modes.lflag & t.TOSTOP:
            return None  # who writes matters: write_for
        return self._write(data)

    def write_for(self, thread: Thread, data: bytes) -> int | None:
        if self.pair.discipline.modes.lflag & t.TOSTOP:
            sessions.check_foreground(thread, self.pair, linux.SIGTTOU)
        return self._write(data)

    def _write(self, data: bytes) -> int | None:
        if self.pair.master is None:
            raise LinuxError(linux.EIO)
        done = self.pair.discipline.screen.write(data)
        if done:
            self.pair.changed()
        return done

    def poll(self) -> int:
        pair = self.pair
        if pair.master is None:
            return _TO_READ | _TO_WRITE | linux.POLLERR | linux.POLLHUP
        discipline = pair.discipline
        characters = discipline.modes.cc
        least = 1 if discipline.canonical or characters[t.VTIME] else max(1, characters[t.VMIN])
        bits = _TO_READ if discipline.available() >= least else 0
        if not discipline.screen.stopped and len(discipline.screen.output) < OUTPUT_LIMIT:
            bits |= _TO_WRITE
        return bits

    def ioctl(self, thread: Thread, request: int, argument: int) -> int:
        pair = self.pair
        if pair.master is None:
            raise LinuxError(linux.ENOTTY if request == linux.TIOCSPGRP else linux.EIO)
        if request in sessions.CHANGES:
            sessions.check_foreground(thread, pair, linux.SIGTTOU)
        if request == linux.FIONREAD:
            thread.process.memory.write(argument, struct.pack("<i", pair.discipline.queued()))
        elif request == linux.TCFLSH:
            if argument not in (0, 1, 2):
                raise LinuxError(linux.EINVAL)
            pair.flush(argument in (0, 2), argument in (1, 2))
        elif request == linux.TCXONC:
            self._flow(argument)
        else:
            pair.control(thread, request, argument, self)
        return 0

    def _flow(self, action: int) -> None:
        """tcflow(3): TCOOFF, TCOON, TCIOFF, TCION. Raises EINVAL."""
        pair = self.pair
        discipline = pair.discipline
        characters = discipline.modes.cc
        if action == 0:
            discipline.screen.stopped = True
        elif action == 1:
            discipline.screen.start()
        elif action in (2, 3):
            discipline.screen.output.append(characters[t.VSTOP if action == 2 else t.VSTART])
        else:
            raise LinuxError(linux.EINVAL)
        pair.changed()

    def close(self) -> None:
        self.pair.slaves.remove(self)
        self.pair.changed()
