"""Sessions, process groups, and the terminals that control them.

A session has at most one terminal; one of its groups is in the foreground there. What a process of another group does to the terminal
stops its group (SIGTTIN, SIGTTOU), unless nobody is left who could continue it: then the group is *orphaned*, and the call fails.

Source: POSIX.1-2017, General Terminal Interface and 2.2; credentials(7), setsid(2), ioctl_tty(2); drivers/tty/tty_jobctrl.c of Linux.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.abi import termios as t
from skerry.lib.coroutine import Interrupted
from skerry.unix import signals
from skerry.unix.errors import LinuxError

if TYPE_CHECKING:
    from skerry.unix.files import OpenFile
    from skerry.unix.process import Process, System, Thread

CHANGES: Final = frozenset((*t.SETS, linux.TCFLSH, linux.TCXONC, linux.TCSBRK, t.TCSBRKP))  # what a background process may not do


class Terminal:
    """A terminal as sessions know it."""

    device = 0  # as st_rdev holds it

    def __init__(self) -> None:
        self.session = 0
        self.foreground = 0  # process group

    def open(self, thread: Thread, flags: int) -> OpenFile:
        """What opening /dev/tty gives. Raises LinuxError."""
        raise LinuxError(linux.ENXIO)


def members(system: System, group: int) -> list[Process]:
    """The processes of a group."""
    return [process for process in system.processes.values() if process.pgid == group]


def signal_group(system: System, group: int, *numbers: int) -> None:
    """The kernel sends each member the signals, in this order."""
    for process in members(system, group):
        for number in numbers:
            signals.send(process, signals.SignalInfo(number))


def is_orphaned(system: System, group: int, leaving: Process | None = None) -> bool:
    """Whether no member of the group has a parent in another group of its session. ``leaving`` is not counted any more."""
    for process in members(system, group):
        if process is leaving or process.exit_status is not None:
            continue
        parent = process.parent
        if parent is None:
            if process is system.first:
                return False  # its parent is outside
        elif parent.pgid != group and parent.sid == process.sid and parent.exit_status is None:
            return False
    return True


def may_stop(process: Process) -> bool:
    """Whether SIGTSTP, SIGTTIN and SIGTTOU stop it by default: there is somebody who can continue it."""
    system = process.system
    return not is_orphaned(system, process.pgid) and (process is not system.first or system.on_stop is not None)


def check_foreground(thread: Thread, terminal: Terminal, signo: int) -> None:
    """Stop the caller's group by SIGTTIN or SIGTTOU (``signo``) if the terminal controls it and it is in the background.

    Raises:
        Interrupted: the signal was sent, and breaks off the call.
        LinuxError: EIO, where the signal would not stop it (for SIGTTOU only if its group is orphaned).
    """
    process = thread.process
    if process.terminal is not terminal or terminal.foreground in (0, process.pgid):
        return
    if thread.mask >> (signo - 1) & 1 or process.actions[signo].handler == signals.SIG_IGN:
        if signo == linux.SIGTTIN:
            raise LinuxError(linux.EIO)
        return
    if not may_stop(process):
        raise LinuxError(linux.EIO)
    signal_group(process.system, process.pgid, signo)
    raise Interrupted


def acquire(process: Process, terminal: Terminal) -> None:
    """The terminal controls the session that ``process`` leads."""
    process.terminal = terminal
    terminal.session = process.sid
    terminal.foreground = process.pgid


def may_acquire(process: Process, terminal: Terminal) -> bool:
    """Whether opening the terminal makes it the controlling one."""
    return process.pid == process.sid and process.terminal is None and not terminal.session


def release(system: System, terminal: Terminal) -> None:
    """It controls its session no more."""
    for process in system.processes.values():
        if process.terminal is terminal:
            process.terminal = None
    terminal.session = terminal.foreground = 0


def give_up(process: Process) -> None:
    """The process lets go of its controlling terminal: as a leader for its whole session, whose foreground group is hung up."""
    terminal = process.terminal
    if terminal is None:
        group, process.hung_up_group = process.hung_up_group, 0
    elif process.pid == process.sid == terminal.session:
        group = terminal.foreground
        release(process.system, terminal)
    else:
        process.terminal = None
        return
    if group:
        signal_group(process.system, group, linux.SIGHUP, linux.SIGCONT)


def hang_up(system: System, terminal: Terminal) -> None:
    """The line is gone: the session's leader is told, and when it ends, the foreground group."""
    leader = system.processes.get(terminal.session)
    group = terminal.foreground
    release(system, terminal)
    if leader is not None and leader.exit_status is None:
        leader.hung_up_group = group
        signals.send(leader, signals.SignalInfo(linux.SIGHUP))
        signals.send(leader, signals.SignalInfo(linux.SIGCONT))


def leave(process: Process) -> None:
    """The process is ending: its terminal is free if it led the session, and stopped groups that it leaves orphaned are hung up."""
    system = process.system
    if process.pid == process.sid:
        give_up(process)
    if not any(other.stopped for other in system.processes.values()):
        return
    groups = {child.pgid for child in process.children if child.sid == process.sid}
    parent = process.parent
    if parent is not None and parent.sid == process.sid and parent.pgid != process.pgid:
        groups.add(process.pgid)
    for group in groups:
        if any(member.stopped for member in members(system, group)) and is_orphaned(system, group, process):
            signal_group(system, group, linux.SIGHUP, linux.SIGCONT)


def control(thread: Thread, terminal: Terminal, request: int, argument: int, file: OpenFile, is_master: bool = False) -> bool:
    """Do the ioctl if it is one of job control, else False. Raises ENOTTY, EPERM, ESRCH, EINVAL, EIO, Fault."""
    process = thread.process
    memory = process.memory
    if request in (linux.TIOCGPGRP, linux.TIOCGSID):
        if process.terminal is not terminal and not is_master:
            raise LinuxError(linux.ENOTTY)
        if request == linux.TIOCGSID and not terminal.session:
            raise LinuxError(linux.ENOTTY)
        memory.write(argument, struct.pack("<i", terminal.foreground if request == linux.TIOCGPGRP else terminal.session))
        return True
    if request == linux.TIOCSPGRP:
        _set_foreground(thread, terminal, argument)
        return True
    if request == linux.TIOCSCTTY:
        if process.pid == process.sid == terminal.session:
            return True
        if process.pid != process.sid or process.terminal is not None:
            raise LinuxError(linux.EPERM)
        if terminal.session:
            if argument != 1 or process.credentials.euid:
                raise LinuxError(linux.EPERM)
            release(process.system, terminal)
        if not file.readable and process.credentials.euid:
            raise LinuxError(linux.EPERM)
        acquire(process, terminal)
        return True
    if request == linux.TIOCNOTTY:
        if process.terminal is not terminal:
            raise LinuxError(linux.ENOTTY)
        give_up(process)
        return True
    return False


def _set_foreground(thread: Thread, terminal: Terminal, argument: int) -> None:
    """tcsetpgrp(3)."""
    process = thread.process
    try:
        check_foreground(thread, terminal, linux.SIGTTOU)
    except LinuxError:
        raise LinuxError(linux.ENOTTY) from None
    if process.terminal is not terminal or terminal.session != process.sid:
        raise LinuxError(linux.ENOTTY)
    (group,) = struct.unpack("<i", process.memory.read(argument, 4))
    if group < 0:
        raise LinuxError(linux.EINVAL)
    found = members(process.system, group)
    if not found:
        raise LinuxError(linux.ESRCH)
    if found[0].sid != process.sid:
        raise LinuxError(linux.EPERM)
    terminal.foreground = group
