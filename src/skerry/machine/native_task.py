"""Host processes of native tasks: servers in Python, forked from a warm template, that have a channel to the kernel and nothing else."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, cast

from skerry.machine import _channel
from skerry.machine._host import Space
from skerry.machine.hardware import Machine, MachineError
from skerry.machine.space import AddressSpace

ANSWER_SECONDS: Final = 20  # a template that takes longer is broken
SPIN_TICKS: Final = 200_000  # how long a task spins for an answer while it has its processor alone; about 80 µs
_START: Final = "import sys; sys.path[:] = {path!r}; from skerry.machine.template import main; main({kernel}, {modules!r}, {processors!r})"


class NativeProcess:
    """The host process of one native task. ``callback`` is called when it may have made a kernel call: look with ``channel.take``."""

    def __init__(self, machine: Machine, callback: Callable[[], None]) -> None:
        """A channel without a process. Raises OSError."""
        self._machine = machine
        self.callback = callback
        self.pid = 0
        self.pidfd = -1
        self.alive = False
        self._bell = machine.add_bell(self)
        try:
            spin = SPIN_TICKS if machine.processors > 1 else 0
            self.channel = _channel.make(machine.doorbell, self._bell, spin, len(machine.guest_processors))
        except OSError:
            machine.remove_bell(self._bell)
            raise

    def started(self, pid: int, pidfd: int) -> None:
        """It has a process now."""
        self.pid, self.pidfd = pid, pidfd
        self.alive = True

    def kill(self) -> None:
        """End the process; the channel is closed. Twice is harmless."""
        if self.pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):  # it has ended
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
            os.close(self.pidfd)
            self.pidfd = -1
        self.alive = False
        if self._bell >= 0:
            self._machine.remove_bell(self._bell)
            self._bell = -1
            self.channel.close()


class NativeSpace(AddressSpace):
    """A native task's address space as the kernel sees it: the process maps its own memory, and the kernel can map nothing in it."""

    __slots__ = ("process",)

    def __init__(self, process: NativeProcess) -> None:
        self.process = process
        self.host = cast(Space, process)  # of which pid, pidfd and alive are asked
        self.limit = 0

    def flush(self) -> None:
        """Nothing is ever queued."""

    def fork(self) -> Any:
        """A process of Python with a channel cannot be copied: raises OSError."""
        raise OSError("a native task has no copies")

    def new_context(self) -> Any:
        """It has the context that it was started with: raises OSError."""
        raise OSError("a native task has one context")

    def kill(self) -> None:
        self.process.kill()


class Template:
    """The warm template process. A context manager: leaving it ends the template and every task that it has forked."""

    def __init__(self, machine: Machine, modules: Sequence[str]) -> None:
        """Start it; ``modules`` are imported before anything is forked. Raises MachineError."""
        self._machine = machine
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket = ours
        ours.settimeout(ANSWER_SECONDS)
        path = [str(Path(__file__).parents[2]), *(entry for entry in sys.path if entry)]
        program = _START.format(path=path, kernel=os.getpid(), modules=list(modules), processors=machine.guest_processors)
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0),
            (os.POSIX_SPAWN_DUP2, theirs.fileno(), 3),
        ]
        try:
            self._pid = os.posix_spawn(sys.executable, [sys.executable, "-I", "-S", "-c", program], {}, file_actions=actions)
        finally:
            theirs.close()
        if self._receive()[0] != b"ready":
            self.close()
            raise MachineError("the template of native tasks does not start: what it said stands above")

    def spawn(
        self, callback: Callable[[], None], entry: str, source: str | None = None, arguments: Sequence[str | int] = ()
    ) -> NativeProcess:
        """Fork a process that runs ``entry`` (see ``template``).

        Raises OSError, ValueError (the image is over 1 MiB), MachineError (the template is gone).
        """
        image = json.dumps({"entry": entry, "source": source, "arguments": list(arguments)}).encode()
        process = NativeProcess(self._machine, callback)
        try:
            process.channel.put_image(image)
            socket.send_fds(self._socket, [b"fork"], [process.channel.descriptor, self._machine.doorbell])
            said, descriptors = self._receive()
            if not descriptors:
                if said.startswith(b"error"):
                    raise OSError(int(said[6:]), os.strerror(int(said[6:])))
                raise MachineError("the template of native tasks is gone")
        except BaseException:
            process.kill()
            raise
        process.started(int(said), descriptors[0])
        return process

    def _receive(self) -> tuple[bytes, list[int]]:
        try:
            said, descriptors, _, _ = socket.recv_fds(self._socket, 64, 1, socket.MSG_CMSG_CLOEXEC)
        except OSError:
            return b"", []
        return said, list(descriptors)

    def close(self) -> None:
        """End the template; its tasks die with it."""
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):  # the machine may have reaped it
                os.waitpid(self._pid, 0)
            self._pid = 0
        self._socket.close()

    def __enter__(self) -> Template:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
