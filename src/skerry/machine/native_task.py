"""Host processes of native tasks: servers in Python, forked from a warm template, that have a channel to the kernel and nothing else."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import signal
import socket
import struct
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Final, cast
from weakref import WeakSet

from skerry.abi.fault import Fault
from skerry.machine import _channel, host
from skerry.machine._host import Space
from skerry.machine.hardware import Machine, MachineError
from skerry.machine.interpreter import Interpreter
from skerry.machine.memory import HostFile
from skerry.machine.space import _ANONYMOUS, _FIXED, _MMAP, _MPROTECT, _MUNMAP, _NORESERVE, _PRIVATE, _SHARED, AddressSpace

SPIN_TICKS: Final = 200_000  # how long a task spins for an answer while it has its processor alone; about 80 µs
STILL: Final = ("T", "t", "Z", "X", "")  # states of a process that does not run: stopped, ended, gone
DEATH_SECONDS: Final = 2  # that the host may take to end a process
MAPPER_SECONDS: Final = 2  # one that takes longer is broken
SERVER_MAPPER_SECONDS: Final = 30  # the same for who serves programs, without whom there is no run
_DUP: Final = 32  # the mapper keeps the descriptor, and answers minus its number
_MAPPING: Final = struct.Struct("<IIQQQI4x")  # struct mapping in native/channel.c


class NativeProcess:
    """The host process of one native task. ``callback`` is called when it may have made a kernel call: look with ``channel.take``."""

    def __init__(self, machine: Machine, callback: Callable[[], None], beside_kernel: bool = False) -> None:
        """A channel without a process. ``beside_kernel``: it runs on the kernel's processor. Raises OSError."""
        self._machine = machine
        self.callback = callback
        self.pid = 0
        self.pidfd = -1
        self.alive = False
        self.stopped = False
        self._bell = machine.add_bell(self)
        try:
            spin = SPIN_TICKS if machine.processors > 1 and not beside_kernel else 0
            self.channel = _channel.make(machine.doorbell, self._bell, spin, len(machine.guest_processors), machine.apart)
            self.mapper, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        except OSError:
            machine.remove_bell(self._bell)
            raise
        self.mapper.settimeout(SERVER_MAPPER_SECONDS if beside_kernel else MAPPER_SECONDS)

    def started(self, pid: int, pidfd: int) -> None:
        """It has a process now."""
        self.pid, self.pidfd = pid, pidfd
        self.alive = True
        self.theirs.close()

    def stop(self) -> None:
        """Have it stand still; it does when this returns. Its mapper stands still, too."""
        self.stopped = True
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGSTOP)
        while host.process_state(self.pid) not in STILL:
            os.sched_yield()

    def go(self) -> None:
        """Undo ``stop``."""
        if self.stopped:
            self.stopped = False
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, signal.SIGCONT)

    def give_up(self) -> None:
        """End a process that does not do what it must; who watches ``pidfd`` sees it."""
        self.alive = False
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    def await_end(self) -> None:
        """Return when a process that is dying is gone, or should be by far."""
        if self.pidfd >= 0:
            poll = select.poll()
            poll.register(self.pidfd, select.POLLIN)
            poll.poll(DEATH_SECONDS * 1000)

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
            self.mapper.close()
            self.theirs.close()


class NativeSpace(AddressSpace):
    """A native task's address space as the kernel sees it: the range that the kernel maps. What Python maps for itself lies elsewhere.

    Changes are made at once, by the task's mapper thread; a task whose mapper does not answer in time is killed. As in every space, ``map``
    and the like raise OSError, ``read`` and ``write`` Fault.
    """

    __slots__ = ("process",)

    FIRST: Final = 0x1000_0000_0000  # the host places nothing here by itself
    LAST: Final = 0x2000_0000_0000

    def __init__(self, process: NativeProcess) -> None:
        self.process = process
        self.host = cast(Space, process)  # of which pid, pidfd and alive are asked
        self.limit = self.LAST
        self.read = self._read
        self.read_into = self._read_into
        self.write = self._write

    def map(self, address: int, length: int, protection: int, shared: bool, backing: HostFile | None, offset: int) -> None:
        flags = (_SHARED if shared else _PRIVATE) | _FIXED | (_ANONYMOUS | _NORESERVE if backing is None else 0)
        self._call(_MMAP, address, length, protection, flags, offset, [] if backing is None else [backing.descriptor])

    def unmap(self, address: int, length: int) -> None:
        self._call(_MUNMAP, address, length)

    def protect(self, address: int, length: int, protection: int) -> None:
        self._call(_MPROTECT, address, length, protection)

    def map_channel(self, address: int, length: int, descriptor: int, offset: int) -> None:
        """Map a part of the channel of a space whose contexts the task serves."""
        self._call(_MMAP, address, length, 3, _SHARED | _FIXED | _NORESERVE, offset, [descriptor])

    def give(self, descriptor: int) -> int:
        """Let the task have a descriptor of the same file; its number there. Raises OSError."""
        try:
            self._call(_DUP, self.FIRST, 1, descriptors=[descriptor])
        except OSError as error:
            if error.errno is not None and error.errno < 0:
                return -error.errno
            raise
        raise OSError(errno.EBADF, "the task was given nothing")

    def has_written(self, address: int, length: int) -> bool:
        """Whether a private mapping of a memory object holds pages that its process has written."""
        try:
            return host.has_private_pages(self.process.pid, address, length)
        except OSError:
            return True

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

    def _call(
        self, number: int, address: int, length: int, protection: int = 0, flags: int = 0, offset: int = 0, descriptors: Sequence[int] = ()
    ) -> None:
        if address < self.FIRST or length <= 0 or address + length > self.LAST:
            raise OSError(errno.EINVAL, "not in the range that the kernel maps")
        if not self.process.alive:
            raise OSError(errno.ESRCH, "the process is gone")
        if self.process.stopped:
            raise OSError(errno.EBUSY, "the process is stopped")
        try:
            socket.send_fds(self.process.mapper, [_MAPPING.pack(number, protection, address, length, offset, flags)], descriptors)
            answer = self.process.mapper.recv(4)
        except OSError:
            answer = b""
        if len(answer) != 4:
            self.process.give_up()
            raise OSError(errno.ESRCH, "the mapper does not answer")
        error = int.from_bytes(answer, "little", signed=True)
        if error:
            raise OSError(error, "mapping in a native task")

    def _read(self, address: int, length: int, /) -> bytes:
        buffer = bytearray(length)
        self._read_into(address, buffer)
        return bytes(buffer)

    def _read_into(self, address: int, buffer: bytearray | memoryview, /) -> None:
        if len(buffer) and not (self.process.alive and _channel.read_memory(self.process.pid, address, buffer)):
            raise Fault(address)

    def _write(self, address: int, data: bytes | bytearray | memoryview, /) -> None:
        if len(data) and not (self.process.alive and _channel.write_memory(self.process.pid, address, data)):
            raise Fault(address)


class Template:
    """The warm template process. A context manager: leaving it ends the template and every task that it has forked."""

    def __init__(
        self,
        machine: Machine,
        modules: Sequence[str],
        optional: Sequence[str] = (),
        wait: bool = True,
        interpreter: Interpreter | None = None,
    ) -> None:
        """Start it; ``modules`` are imported before anything is forked, and those ``optional`` that can be.

        ``interpreter``: one that was begun before, and may have imported some of them. Raises OSError, MachineError.

        Without ``wait`` it is waited for by the first ``spawn``, which raises for it.

        Where a task is to serve programs (``Machine.apart``), all tasks live in the namespaces of the programs' processes.
        """
        self._machine = machine
        self._interpreter = interpreter or Interpreter(modules, optional, machine.processor_numbers)
        processors = machine.server_processors if machine.apart else machine.guest_processors
        with contextlib.suppress(OSError):  # it is gone, as will be seen
            order = json.dumps({"modules": list(modules), "optional": list(optional), "processors": processors})
            self._interpreter.send(order.encode(), [machine.template] if machine.apart else [])
        self._processes: WeakSet[NativeProcess] = WeakSet()
        self._is_ready = False
        if wait:
            self._wait()

    def _wait(self) -> None:
        if self._interpreter.receive()[0] != b"ready":
            self.close()
            raise MachineError("the template of native tasks does not start: what it said stands above")
        self._is_ready = True

    def spawn(
        self,
        callback: Callable[[], None],
        entry: str,
        source: str | None = None,
        arguments: Sequence[str | int] = (),
        serves_unix: bool = False,
    ) -> NativeProcess:
        """Fork a process that runs ``entry`` (see ``template``). ``serves_unix``: it is given the contexts that the kernel makes.

        Raises OSError, ValueError (the image is over 1 MiB), MachineError (the template is gone).
        """
        if not self._is_ready:
            self._wait()
        place = self._machine.placement() if serves_unix else None
        image = json.dumps({"entry": entry, "source": source, "arguments": list(arguments), "place": place}).encode()
        process = NativeProcess(self._machine, callback, self._machine.apart)
        try:
            process.channel.put_image(image)
            self._interpreter.send(b"fork", [process.channel.descriptor, self._machine.doorbell, process.theirs.fileno()])
            said, descriptors = self._interpreter.receive()
            if not descriptors:
                if said.startswith(b"error"):
                    raise OSError(int(said[6:]), os.strerror(int(said[6:])))
                raise MachineError("the template of native tasks is gone")
        except BaseException:
            process.kill()
            raise
        process.started(int(said), descriptors[0])
        self._processes.add(process)
        return process

    def close(self) -> None:
        """End the template; its tasks die with it, and are gone when this returns."""
        self._interpreter.close()
        for process in self._processes:
            process.await_end()

    def __enter__(self) -> Template:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
