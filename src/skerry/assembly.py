"""Unix with everything that the options of a run ask for, whatever kernel it is tied to."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from skerry import first, mounts
from skerry.devices import Devices
from skerry.lib.coroutine import Loop
from skerry.options import Net, Options, UserError
from skerry.run_limits import make_limits
from skerry.unix import signals
from skerry.unix.console import Console
from skerry.unix.fs.devpts import DevPts
from skerry.unix.glue.devices import StreamDevice
from skerry.unix.process import System, Thread
from skerry.unix.server import Server
from skerry.unix.syscalls.table import BY_NUMBER

if TYPE_CHECKING:
    from skerry.run_limits import LimitedPlatform
    from skerry.unix.observe import Observer
    from skerry.unix.strace import Tracer

COLLECT_AFTER: Final = 50_000  # new objects; bench gcc: collecting every 700, as by default, costs 2 % of the server's time
LINGER: Final = 5_000_000_000  # ns that what was written to the network may take to be sent, when the system has ended


class Assembly:
    """One system and the program that it is for."""

    def __init__(
        self,
        platform: LimitedPlatform,
        devices: Devices,
        options: Options,
        say: Callable[[str], None],
        ended: Callable[[int], None],
    ) -> None:
        """``say`` shows text to the user; ``ended`` is told the first process's wait status. Raises UserError."""
        self.options = options
        self._platform = platform
        self._devices = devices
        self._say = say
        self.loop = Loop(platform.monotonic)
        limits = make_limits(options, platform, say)
        self._root = mounts.Root(platform, devices, options, limits.storage)
        names = self._root.names
        self.system = System(platform, names.root, self.loop)
        self.system.limits = limits
        self.system.on_end = ended
        self._tracer: Tracer | None = None
        if options.disk_images:
            from skerry import disks

            disks.attach(self.system, devices, options.disk_images)
        self._thread: Thread | None = None
        self._is_prepared = self._may_run = False
        mounts.mount_all(self.system, devices, names, options.binds, self._terminals())
        mounts.attach_translators(self.system, devices, names, options.mounts)

    def make_server(self, observers: list[Observer], make: Callable[..., Server] | None = None) -> Server:
        """The plain server, or one that is watched: who does not ask for it does not pay for it. ``make``: in place of ObservedServer."""
        if self.options.strace:
            from skerry.unix.strace import Tracer

            self._tracer = Tracer(self._say, os.strerror)
            observers = [self._tracer, *observers]
            self.system.emulation = False
        if make is not None:
            return make(self.system, BY_NUMBER, tuple(observers))
        if observers:
            from skerry.unix.observe import ObservedServer

            return ObservedServer(self.system, BY_NUMBER, tuple(observers))
        return Server(self.system, BY_NUMBER)

    def _terminals(self) -> DevPts:
        """/dev/pts, with the user's terminal if one was given."""
        devpts = DevPts(self.system, mounts.DEVPTS)
        descriptor = self._devices.terminal
        if descriptor is not None:
            console = Console(self.loop, StreamDevice(self._devices.stream(descriptor)))
            console.inode = devpts.add(0, console, self._devices.identity.uid)
            self.system.console = console
        return devpts

    def start(self) -> None:
        """The first process, which stands still. Raises UserError."""
        if self.options.arguments:
            self._thread = first.start(self._devices, self.system, self.options, self._prepared)
        else:
            self._thread = first.hold(self._devices, self.system)
        first.take_host_name(self._thread)
        if self.options.net is not Net.NONE or self.options.publish:
            from skerry import networks

            networks.attach(self._devices, self._thread, self.options, self._say)
        gc.freeze()  # what exists now stays
        gc.set_threshold(COLLECT_AFTER, 10, 10)
        self.system.limits.watch(self.system)

    def _prepared(self, refused: UserError | None) -> None:
        if refused is not None:
            raise refused
        self._is_prepared = True
        self._run()

    def begin(self) -> None:
        """Let the program run as soon as it is loaded; UserError comes out of the loop if it cannot be. Without a program: nothing."""
        self._may_run = True
        self._run()

    def _run(self) -> None:
        thread = self._thread
        if self._is_prepared and self._may_run and thread is not None and not thread.dead:
            if self._tracer is not None:
                self._tracer.started(thread, len(self.options.environment))
            signals.resume(thread)

    def close(self) -> None:
        """The first process has ended: what was sent leaves, what is to be kept is kept. Raises UserError."""
        self.system.network.close(self._platform.monotonic() + LINGER)
        self._root.close()


def exit_status(status: int) -> int:
    """A wait status as a command's exit status."""
    return 128 + (status & 0x7F) if status & 0x7F else status >> 8
