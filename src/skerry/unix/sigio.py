"""Signals from files: to the owner of a description when it becomes ready (O_ASYNC), or when a directory changes (F_NOTIFY).

A wake of a file's ``changed`` queue may come before the change is complete: who finds nothing to tell then looks once more, later.

Source: fcntl(2), "Managing signals" and "File and directory change notification".
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.lib.coroutine import Timer, WaitQueue, Watch
from skerry.unix import notify, sessions, signals
from skerry.unix.errors import LinuxError
from skerry.unix.fs.tmpfs import Directory

if TYPE_CHECKING:
    from skerry.unix.files import OpenFile
    from skerry.unix.inode import Inode
    from skerry.unix.process import Process, System, Thread

F_OWNER_TID: Final = 0
F_OWNER_PID: Final = 1
F_OWNER_PGRP: Final = 2

POLL_IN: Final = 1  # si_code: why
POLL_OUT: Final = 2
POLL_MSG: Final = 3
POLL_ERR: Final = 4
POLL_PRI: Final = 5
POLL_HUP: Final = 6
_BANDS: Final = {  # si_band, which says the same
    POLL_IN: linux.POLLIN | linux.POLLRDNORM,
    POLL_OUT: linux.POLLOUT | linux.POLLWRNORM | linux.POLLWRBAND,
    POLL_MSG: linux.POLLIN | linux.POLLRDNORM | linux.POLLMSG,
    POLL_ERR: linux.POLLERR,
    POLL_PRI: linux.POLLPRI | linux.POLLRDBAND,
    POLL_HUP: linux.POLLHUP | linux.POLLERR,
}

DN_ACCESS: Final = 0x1
DN_MODIFY: Final = 0x2
DN_CREATE: Final = 0x4
DN_DELETE: Final = 0x8
DN_RENAME: Final = 0x10
DN_ATTRIB: Final = 0x20
DN_MULTISHOT: Final = 0x80000000
_CHANGES: Final = {
    notify.IN_ACCESS: DN_ACCESS,
    notify.IN_MODIFY: DN_MODIFY,
    notify.IN_CREATE: DN_CREATE,
    notify.IN_MOVED_TO: DN_CREATE,
    notify.IN_DELETE: DN_DELETE,
    notify.IN_MOVED_FROM: DN_DELETE,
    notify.IN_ATTRIB: DN_ATTRIB,
}


class Owner:
    """Who gets a description's signals, which signal that is, and for what it is sent."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.kind = F_OWNER_PID
        self.who = 0  # thread, process or group, as ``kind`` says; 0: nobody
        self.signo = 0  # 0: SIGIO, which tells nothing
        self.uid = self.euid = 0  # of who chose the owner
        self.readiness: Readiness | None = None  # O_ASYNC
        self.directory: DirectoryChanges | None = None  # F_NOTIFY

    def set(self, setter: Process, kind: int, who: int) -> None:
        """Raises EINVAL, ESRCH."""
        if kind not in (F_OWNER_TID, F_OWNER_PID, F_OWNER_PGRP):
            raise LinuxError(linux.EINVAL)
        if who and not _exists(self.system, kind, who):
            raise LinuxError(linux.ESRCH)
        self.kind, self.who = kind, who
        self.uid, self.euid = setter.credentials.uid, setter.credentials.euid

    def send(self, reason: int, fd: int) -> None:
        """Signal the owner, as far as who chose it may."""
        if self.signo:
            info = signals.SignalInfo(self.signo, reason, struct.pack("<qi", _BANDS[reason], fd))
        else:
            info = signals.SignalInfo(linux.SIGIO)
        self._deliver(info)

    def send_urgent(self) -> None:
        """Urgent data has come: SIGURG."""
        self._deliver(signals.SignalInfo(linux.SIGURG))

    def _deliver(self, info: signals.SignalInfo) -> None:
        if self.kind == F_OWNER_TID:
            thread = _thread(self.system, self.who)
            if thread is not None and self._may_signal(thread.process):
                signals.send_to_thread(thread, info)
            return
        targets = sessions.members(self.system, self.who) if self.kind == F_OWNER_PGRP else [self.system.processes.get(self.who)]
        for process in targets:
            if process is not None and self._may_signal(process):
                signals.send(process, info)

    def _may_signal(self, target: Process) -> bool:
        whom = target.credentials
        return self.euid == 0 or self.uid in (whom.uid, whom.suid) or self.euid in (whom.uid, whom.suid)


def _thread(system: System, tid: int) -> Thread | None:
    return next((process.threads[tid] for process in system.processes.values() if tid in process.threads), None)


def _exists(system: System, kind: int, who: int) -> bool:
    if kind == F_OWNER_TID:
        return _thread(system, who) is not None
    return bool(sessions.members(system, who)) if kind == F_OWNER_PGRP else who in system.processes


def owner_of(system: System, file: OpenFile) -> Owner:
    """The description's owner, which may be nobody."""
    if file.owner is None:
        file.owner = Owner(system)
    return file.owner


class Readiness:
    """Signals the owner when a file is ready, until it is closed or the owner wants no more."""

    def __init__(self, owner: Owner, file: OpenFile, fd: int) -> None:
        self._owner = owner
        self._file = file
        self._fd = fd
        self._before = file.poll()
        self._look: Timer | None = None
        self._watch = Watch(file.changed, self._woken)
        if file.closed is None:
            file.closed = WaitQueue()
        self._closed = Watch(file.closed, self.cancel)

    def _woken(self) -> None:
        if not self._tell() and self._look is None:
            loop = self._owner.system.loop
            self._look = loop.call_at(loop.clock(), self._look_again)

    def _look_again(self) -> None:
        self._look = None
        self._tell()

    def _tell(self) -> bool:
        before, self._before = self._before, self._file.poll()
        now = self._before
        if now & linux.POLLERR & ~before:
            self._owner.send(POLL_ERR, self._fd)
        elif now & linux.POLLHUP & ~before:
            is_pipe = self._file.inode.mode & linux.S_IFMT == linux.S_IFIFO
            self._owner.send(POLL_IN if is_pipe else POLL_HUP, self._fd)
        elif now & linux.POLLIN:
            self._owner.send(POLL_IN, self._fd)
        elif now & linux.POLLOUT & ~before:
            self._owner.send(POLL_OUT, self._fd)
        else:
            return False
        return True

    def cancel(self) -> None:
        self._watch.cancel()
        self._closed.cancel()
        if self._look is not None:
            self._look.cancel()


def set_asynchronous(thread: Thread, file: OpenFile, fd: int, on: bool) -> None:
    """O_ASYNC on or off, of a file that can. A terminal without an owner gets its group in the foreground, or else the caller."""
    owner = owner_of(thread.process.system, file)
    if owner.readiness is not None:
        owner.readiness.cancel()
        owner.readiness = None
    file.flags &= ~linux.O_ASYNC
    if on:
        file.flags |= linux.O_ASYNC
        owner.readiness = Readiness(owner, file, fd)
        if file.controlled and not owner.who:
            terminal = thread.process.terminal
            if terminal is not None and terminal.foreground:
                owner.set(thread.process, F_OWNER_PGRP, terminal.foreground)
            else:
                owner.set(thread.process, F_OWNER_PID, thread.process.pid)


class DirectoryChanges:
    """Signals the owner when something happens to an entry of a directory; without DN_MULTISHOT, once."""

    def __init__(self, owner: Owner, file: OpenFile, fd: int, mask: int) -> None:
        self.mask = mask
        self._owner = owner
        self._inode = file.inode
        self._fd = fd
        self._left = 0  # the cookie of an entry that moved away
        notify.watch(file.inode, self)
        if file.closed is None:
            file.closed = WaitQueue()
        self._closed = Watch(file.closed, self.end)

    def event(self, mask: int, name: bytes = b"", cookie: int = 0) -> None:
        if not name:
            return
        bits = sum(bit for event, bit in _CHANGES.items() if mask & event)
        if mask & notify.IN_MOVED_TO and cookie == self._left:
            bits |= DN_RENAME
        if mask & notify.IN_MOVED_FROM:
            self._left = cookie
        bits &= self.mask
        if not bits:
            return
        self._owner.send(POLL_MSG, self._fd)
        if not self.mask & DN_MULTISHOT:
            self.end()

    def new_cookie(self) -> int:
        return notify.new_cookie(self._owner.system)

    def is_open(self, inode: Inode) -> bool:
        return notify.is_open(self._owner.system, inode)

    def end(self) -> None:
        """Watch no more."""
        self._closed.cancel()
        notify.unwatch(self._inode, self)
        self._owner.directory = None


def set_notification(thread: Thread, file: OpenFile, fd: int, mask: int) -> None:
    """F_NOTIFY: what is wanted adds up; nothing wanted ends it. Raises ENOTDIR."""
    owner = owner_of(thread.process.system, file)
    mask &= 0xFFFFFFFF
    if not mask & ~DN_MULTISHOT:
        if owner.directory is not None:
            owner.directory.end()
        return
    inode = file.inode
    if not isinstance(inode, Directory):
        raise LinuxError(linux.ENOTDIR)
    if not owner.who:
        owner.set(thread.process, F_OWNER_PID, thread.process.pid)
    if owner.directory is None:
        owner.directory = DirectoryChanges(owner, file, fd, mask)
        notify.adopt_entries(inode)
    else:
        owner.directory.mask |= mask


def fcntl(thread: Thread, file: OpenFile, fd: int, command: int, argument: int) -> int | None:
    """The commands of fcntl(2) on owners and notification; None for any other. Raises EINVAL, ENOTDIR, ESRCH, Fault."""
    process = thread.process
    if command == linux.F_NOTIFY:
        set_notification(thread, file, fd, argument)
        return 0
    owner = owner_of(process.system, file) if command in _CHANGING else file.owner or Owner(process.system)
    if command == linux.F_SETOWN:
        who = (argument & 0xFFFFFFFF ^ 0x80000000) - 0x80000000
        if who == -0x80000000:
            raise LinuxError(linux.EINVAL)
        owner.set(process, F_OWNER_PID if who >= 0 else F_OWNER_PGRP, abs(who))
    elif command == linux.F_GETOWN:
        return -owner.who if owner.kind == F_OWNER_PGRP else owner.who
    elif command == linux.F_SETOWN_EX:
        owner.set(process, *struct.unpack("<ii", process.memory.read(argument, 8)))
    elif command == linux.F_GETOWN_EX:
        process.memory.write(argument, struct.pack("<ii", owner.kind, owner.who))
    elif command == linux.F_SETSIG:
        if not 0 <= argument <= signals.LAST:
            raise LinuxError(linux.EINVAL)
        owner.signo = argument
    elif command == linux.F_GETSIG:
        return owner.signo
    else:
        return None
    return 0


_CHANGING: Final = (linux.F_SETOWN, linux.F_SETOWN_EX, linux.F_SETSIG)
