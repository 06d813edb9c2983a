"""What the host's port stands for as far as memory objects go: limits, the default pager, and objects that nobody has mapped."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from skerry.mach import right
from skerry.mach.errors import KernError, KernReturn
from skerry.mach.pageout import Resident
from skerry.mach.port import Port

if TYPE_CHECKING:
    from skerry.mach.gsync import GsyncWait
    from skerry.mach.memory_object import ManagedObject
    from skerry.mach.native import NativeTask

PAGER_LIMIT: Final = 10_000  # ms that a pager may take for a request
CACHED: Final = 64  # objects that stay although nobody has them mapped


class MemoryHost:
    """The part of the kernel that all memory objects share."""

    def __init__(self) -> None:
        self.pager_limit = PAGER_LIMIT
        self.resident = Resident()
        self.default_manager: Port | None = None  # a send right
        self.default_pager: NativeTask | None = None  # who receives there, if the kernel's own operations may wait for it
        self._cached: dict[ManagedObject, None] = {}
        self.word_waits: dict[Any, deque[GsyncWait]] = {}  # who waits at words of memory, by word (``gsync``)

    def cache(self, memory_object: ManagedObject) -> None:
        """Keep an object that nobody has mapped; the one that has been kept longest may have to go."""
        self._cached[memory_object] = None
        if len(self._cached) > CACHED:
            oldest = next(iter(self._cached))
            del self._cached[oldest]
            oldest.terminate()

    def uncache(self, memory_object: ManagedObject) -> None:
        """It is not to be kept any longer: terminate it, if that was all that held it."""
        if memory_object in self._cached:
            del self._cached[memory_object]
            memory_object.terminate()

    def take_cached(self, memory_object: ManagedObject) -> None:
        """It is mapped again, or gone."""
        self._cached.pop(memory_object, None)


def vm_set_default_memory_manager(host: MemoryHost, manager: Port | None) -> Port | None:
    """Have ``manager`` (a send right, taken over) page internal memory from now on; None changes nothing. A send right to the one before.

    Objects that have a pager keep it. Raises INVALID_ARGUMENT (a port of the kernel's, or a dead one).
    """
    before = host.default_manager
    if manager is None:
        return None if before is None else right.copy_send(before)
    if manager.dead or manager.kernel_object is not None:
        raise KernError(KernReturn.INVALID_ARGUMENT)
    host.default_manager = manager
    return before
