"""The machine as one object: it boots the template process, makes address spaces from it, and delivers traps and host events."""

from __future__ import annotations

import contextlib
import os
import platform
import random
import select
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol

from skerry.machine import _host
from skerry.machine._host import Context
from skerry.machine.space import AddressSpace

_STUB: Final = Path(__file__).with_name("stub")
SPIN_MICROSECONDS: Final = 80  # bench: a hand-off between two spinning cores takes 0.3 µs, waking a sleeping one 30 to 115


class MachineError(Exception):
    """The host lacks what the machine needs; the text says what, and what to do."""


class HostEvent:
    """Something on the host that a callback waits for; ``Machine.wait`` returns it when ``descriptor`` is ready, once per ``watch``."""

    __slots__ = ("callback", "descriptor")

    def __init__(self, descriptor: int, callback: Callable[[], None]) -> None:
        self.descriptor = descriptor
        self.callback = callback


class Rung(Protocol):
    """Who looks after something when a bell rings."""

    @property
    def callback(self) -> Callable[[], None]: ...


class Machine:
    """Traps, host events and address spaces of one system. A context manager: leaving it ends every guest process."""

    def __init__(self, apart: bool = False) -> None:
        """``apart``: a native task will receive the traps of contexts, not the kernel. Raises MachineError."""
        _check_host()
        self._host = _host.Machine()
        self.apart = apart
        self.processors = len(os.sched_getaffinity(0))
        self._affinity = os.sched_getaffinity(0)
        self.processor_numbers = sorted(self._affinity)  # of the host
        self.guest_processors = sorted(self._affinity)
        if self.processors > 1:  # the kernel on a core of its own, and spinning: no trap wakes a sleeping core
            own = random.choice(self.processor_numbers)  # any: other systems on this host take one, too
            self.guest_processors.remove(own)
            self.server_processors = [own]
            self._host.place(own, self.guest_processors, SPIN_MICROSECONDS)
        else:
            self.server_processors = self.guest_processors
        parts = _vdso_parts()
        try:
            self._template = AddressSpace(self._host.boot(_STUB.read_bytes(), parts, apart))
        except OSError as error:
            raise MachineError(f"cannot start a guest process ({error}): see `skerry doctor`") from error
        if apart:
            self._host.part()
        self.vdso = _host.VDSO_BASE - parts[0][0] if parts else 0  # address in every space, 0 if the host has none
        self.wait = self._host.wait
        self._spares: list[tuple[AddressSpace, Context]] = []

    def new_space(self) -> tuple[AddressSpace, Context]:
        """An empty space with one context, which waits for its registers and for ``resume``. Raises OSError."""
        if self.processors > 1:
            self._host.when_idle(self._make_spare)
        return self._spares.pop() if self._spares else self._template.fork()

    def _make_spare(self) -> None:
        """Have the next new space ready (0.4 ms), while there is nothing else to do."""
        if not self._spares:
            with contextlib.suppress(OSError):  # who asks for a space gets the error
                self._spares.append(self._template.fork())

    def make_room(self) -> None:
        """Let a context that has trapped sleep, not spin: another process, which it waits for, wants the processor."""
        self._host.make_room()

    def watch(self, event: HostEvent, readable: bool = True, writable: bool = False) -> None:
        """Have ``wait`` return ``event`` once."""
        self._host.watch(event.descriptor, (select.EPOLLIN if readable else 0) | (select.EPOLLOUT if writable else 0), event)

    def unwatch(self, event: HostEvent) -> None:
        """Stop watching."""
        self._host.unwatch(event.descriptor)

    @property
    def doorbell(self) -> int:
        """Descriptor of the page with the bells."""
        return self._host.doorbell

    def add_bell(self, caller: Rung) -> int:
        """Have ``wait`` return ``caller`` when this bell rings, which anybody who has the doorbell may do at any time; its number.

        Raises OSError (EAGAIN: there are no more).
        """
        return self._host.add_bell(caller)

    def remove_bell(self, bell: int) -> None:
        """The bell is free again."""
        self._host.remove_bell(bell)

    def call_receiver(self) -> None:
        """Let the task that receives the traps know that there are messages for it."""
        self._host.call_receiver()

    def placement(self) -> tuple[int, list[int], int]:
        """Where the receiver of traps runs (-1: anywhere), where contexts run, and for how long it spins (µs)."""
        if self.processors == 1:
            return -1, self.guest_processors, 0
        return self.server_processors[0], self.guest_processors, SPIN_MICROSECONDS

    @property
    def template(self) -> int:
        """Descriptor of the process that guest processes are copied from."""
        return self._template.host.pidfd

    @property
    def traps(self) -> int:
        """How many traps were taken."""
        return self._host.traps

    @property
    def host_calls(self) -> int:
        """How many changes of address spaces the host made."""
        return self._host.host_calls

    @staticmethod
    def monotonic() -> int:
        """Nanoseconds of a clock that is never set."""
        return time.monotonic_ns()

    def close(self) -> None:
        """End the template and stop watching; spaces end with their own ``kill``."""
        for space, _ in self._spares:
            space.kill()
        self._template.kill()
        self._host.close()
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, self._affinity)

    def __enter__(self) -> Machine:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _check_host() -> None:
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        raise MachineError(f"this host is {platform.system()} {platform.machine()}: Skerry needs Linux on x86-64")
    release = tuple(int(part) for part in platform.release().split("-")[0].split(".")[:2])
    if release < (5, 16):
        raise MachineError(f"this host's Linux is {platform.release()}: Skerry needs 5.16 or newer")


def _vdso_parts() -> tuple[tuple[int, int], ...]:
    """The mappings that make up the host's vDSO: (offset from the vDSO's address, size), lowest first, the vDSO last."""
    parts: list[tuple[int, int]] = []
    for line in Path("/proc/self/maps").read_text().splitlines():
        if line.endswith(("[vvar]", "[vvar_vclock]", "[vdso]")):
            start, end = (int(word, 16) for word in line.split()[0].split("-"))
            parts.append((start, end - start))
    parts.sort()
    return tuple((start - parts[-1][0], size) for start, size in parts)
