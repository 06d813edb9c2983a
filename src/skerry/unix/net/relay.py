"""The far end of a TCP connection that leads out of the system, or into it: what the near end sends goes to a connection of the host.

The near end is a socket like any other, whose peer this is. Its queue takes what the host's connection has not taken yet, and the host is
read only while the near end has room, so that whoever is slow slows the other side. An end, an error and a reset cross in both directions.

Invariant: the device is watched for reading while there is room for what comes, for writing while there is something to send.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from skerry.lib.coroutine import Watch
from skerry.unix.errors import LinuxError
from skerry.unix.net.addresses import Endpoint
from skerry.unix.net.socket import SHUT_BOTH, SHUT_WRITE
from skerry.unix.net.stream import State
from skerry.unix.net.tcp import TcpSocket

if TYPE_CHECKING:
    from skerry.unix.substrate import HostConnection

STEP: Final = 1 << 16  # bytes that are moved at a time


class OutsideEnd(TcpSocket):
    """The end that is not here. It has no port, no descriptor, and no program."""

    is_here = False

    def __init__(self, near: TcpSocket, device: HostConnection) -> None:
        """``near``: the socket that connects, or the listener that is called."""
        super().__init__(near.system, near.creator, 0, near.family)
        self.device = device
        self._finished = False  # the host's end was told that no more comes
        self._due = False  # to move what can be moved
        self._watch = Watch(self.changed, self._later)
        self.system.network.ends.add(self)

    # A connection that a program makes
    def call(self, caller: TcpSocket) -> None:
        """Wait for the host to connect. Raises LinuxError."""
        self._caller: TcpSocket | None = caller
        self.device.watch(False, True, self._called)

    def give_up(self) -> None:
        """Whoever waited for the connection does not any more."""
        self._caller = None
        self._close(False)

    def _called(self) -> None:
        caller, self._caller = self._caller, None
        if caller is None:
            return
        try:
            error = self.device.error()
        except LinuxError as failure:
            error = failure.errno
        if error:
            self._close(False)
            caller.refused(error)
            return
        self.local, self.remote = caller.remote, caller.local
        self.state = State.CONNECTED
        self.peer = caller
        caller.reached(self)
        self.pump()

    # A connection that somebody outside makes
    def arrive(self, listener: TcpSocket, port: Endpoint) -> None:
        """Connect to ``listener``, which is called at ``port``, as soon as it has room. Raises LinuxError."""
        self.local = Endpoint(*self.device.peer())
        self.remote = port
        self.begin(listener)
        if self.state is State.CONNECTED:
            self.pump()

    def refused(self, error: int) -> None:
        self._close(True)

    # Data
    def _later(self) -> None:
        """Something has changed, and whoever changed it may be about to wait for what follows: move what can be moved after that."""
        if not self._due:
            self._due = True
            self.system.loop.call_at(0, self.pump)

    def pump(self) -> None:
        """Move what can be moved."""
        self._due = False
        if self.state is not State.CONNECTED:
            return
        try:
            full = self._send_out()
            room = self._take_in()
            if self.state is not State.CONNECTED:
                return
            if self.peer is None and not full:
                self._close(False)
            else:
                self.device.watch(room, full, self.pump)
        except LinuxError as error:
            self._broken(error.errno)

    def _send_out(self) -> bool:
        """Whether something is left to send, for which the host has no room. Raises LinuxError."""
        while self.incoming:
            mark = self._mark
            data = self.incoming.stream(min(STEP, mark or 1) if mark is not None else STEP, True).data
            done = self.device.send(data, mark == 0)
            if done is None:
                return True
            self.incoming.stream(done, False)
            if mark is not None:
                self._mark = mark - done if mark else None
        if self._ended and not self._finished:
            self._finished = True
            self.device.finish()
        return False

    def _take_in(self) -> bool:
        """Whether the near end has room for more. Raises LinuxError."""
        while (near := self.peer) is not None and not self.shut & SHUT_WRITE:
            window = self.window(near)
            room = self.fits(window, near.incoming.length, window)
            if not room:
                near.incoming.blocked.add(self)
                return False
            urgent = self.device.at_mark()
            data = self.device.receive(1 if urgent else min(room, STEP))
            if data is None:
                return True
            if data and urgent:
                self.send_urgent(data)
            elif data:
                self.send(data, None)
            else:
                self.shut_down(SHUT_WRITE)
        return False

    def not_taken(self) -> int:
        return self.incoming.length

    # Ending
    def _broken(self, error: int) -> None:
        near, self.peer = self.peer, None
        self._close(False)
        if near is not None:
            near.broken(error)

    def broken(self, error: int) -> None:
        """The near end broke the connection off."""
        self._close(True)

    def parted(self) -> None:
        self._later()

    def flush(self, deadline: int) -> None:
        """The system has ended: send what was written, until ``deadline`` (ns, monotonic)."""
        clock = self.system.platform.monotonic
        try:
            while self.state is State.CONNECTED and self._send_out():
                left = (deadline - clock()) // 1_000_000
                if left <= 0 or not self.device.wait_writable(left):
                    break
        except LinuxError:  # nobody is left to be told
            pass
        self._close(False)

    def _close(self, reset: bool) -> None:
        self._watch.cancel()
        self.peer = None
        self.state = State.CLOSED
        self.shut = SHUT_BOTH
        self.incoming.clear()
        self.changed.wake()
        self.system.network.ends.discard(self)
        with suppress(LinuxError):  # nobody drives it any more
            if reset:
                self.device.reset()
            else:
                self.device.close()

    def close(self) -> None:
        self._close(False)

    def take_option(self, level: int, option: int, value: int) -> None:
        self.device.set_option(level, option, value)
