"""Paging of programs' memory (``--swap``): a file of the host as the paging device, and the default pager that serves from it.

The file has no name, and is gone with the run. A default pager that dies takes along where on the device each page was: who touches memory
that it had gets a fault (SIGBUS), and another takes care of what is paged out from then on.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from skerry.abi import mach
from skerry.mach import mach_port as mp
from skerry.mach import pageable, right
from skerry.mach.disk import Disk
from skerry.mach.kernel import Kernel
from skerry.mach.memory_host import vm_set_default_memory_manager
from skerry.mach.native import NativeTask
from skerry.mach.right import RightKind
from skerry.machine import HostFile
from skerry.machine.native_task import Template
from skerry.options import Options, UserError

MODULES: Final = ("skerry.servers.default_pager",)  # that the template must import
PAGE: Final = mach.PAGE_SIZE
PORT: Final = 0x1001  # names of rights that the pager starts with
DEVICE: Final = 0x1002
STARTS: Final = 8  # of a pager in one run: what dies so often will not live
PLACE: Final = "/var/tmp"  # on a disk, where /tmp may be memory


class Paging:
    """What the Unix server has of it (:class:`skerry.unix.substrate.Paging`), and the pager's life."""

    def __init__(self, kernel: Kernel, template: Template, options: Options, say: Callable[[str], None]) -> None:
        """Raises UserError, OSError, MachineError."""
        self._kernel = kernel
        self._template = template
        self._say = say
        self._starts = 0
        self._pages = options.swap // PAGE
        kernel.resident.room = self._pages
        kernel.host.devices.register("paging", Disk(_paging_file(options), self._pages))
        self._start()

    def _start(self) -> None:
        self._starts += 1
        task = NativeTask(self._kernel, self._template, "skerry.servers.default_pager:main", arguments=[PORT, DEVICE])
        task.name = "default pager"
        mp.mach_port_allocate_name(task, RightKind.RECEIVE, PORT)
        device = self._kernel.host.devices.open(mach.D_READ | mach.D_WRITE, b"paging")
        task.space.copyout_name(RightKind.SEND, right.make_send(device), DEVICE)
        vm_set_default_memory_manager(self._kernel, right.make_send(task.space.lookup(PORT).port))
        self._kernel.default_pager = task
        task.on_end = self._ended

    def _ended(self) -> None:
        self._kernel.default_pager = None
        again = self._starts < STARTS and not self._kernel.halted
        what = "another has been started" if again else "nothing is paged out any more"
        self._say(f"skerry: --swap: the default pager has died, and memory that it kept is lost; {what}\n")
        if again:
            self._start()

    def keep(self, size: int) -> None:
        """Have at most ``size`` bytes of pageable memory in memory."""
        pageable.keep(self._kernel, size // PAGE)

    def state(self) -> tuple[int, int, int]:
        """Bytes of pageable memory that are in memory, that are on the device, and that fit there."""
        resident = self._kernel.resident
        return resident.count * PAGE, resident.out * PAGE, self._pages * PAGE


@contextmanager
def _allowed(number: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno != number:
            raise


def _paging_file(options: Options) -> HostFile:
    directory = options.swap_directory or PLACE
    try:
        file = HostFile(os.open(directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600))
        file.resize(options.swap)
        with _allowed(errno.EOPNOTSUPP):  # of some file systems: there a disk that gets full costs what was paged out
            file.allocate(0, 0, options.swap)
    except OSError as error:
        raise UserError(f"--swap: no such file can be made in {directory} ({error.strerror}): give another directory: SIZE:DIR") from error
    return file
