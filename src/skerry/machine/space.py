"""An address space: a host process that runs only guest code and the stub.

The host calls that change it are made by its mapper, in batches: ``map`` and the like queue, ``flush`` has them made. Whoever resumes a
context of the space flushes first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from skerry.machine import _host, host
from skerry.machine._host import Context, Space
from skerry.machine.memory import HostFile

# Host system-call numbers and flags of the mapper's repertoire (asm/unistd_64.h, asm-generic/mman.h).
_MMAP: Final = 9
_MPROTECT: Final = 10
_MUNMAP: Final = 11
_MREMAP: Final = 25
_MADVISE: Final = 28
_SHARED: Final = 0x01
_PRIVATE: Final = 0x02
_FIXED: Final = 0x10
_ANONYMOUS: Final = 0x20
_NORESERVE: Final = 0x4000
_MAYMOVE_FIXED: Final = 3
_NO_DESCRIPTOR: Final = (1 << 64) - 1
_PAGE: Final = 4096


class AddressSpace:
    """The pages that the contexts of one host process see. Ranges are whole pages below ``limit``.

    ``read``, ``read_into``, ``write`` and ``read_string`` raise :class:`skerry.abi.fault.Fault`; what changes the space raises OSError,
    with ESRCH when its process is gone, and ValueError for a range that reaches the stub.
    """

    __slots__ = ("host", "limit", "read", "read_into", "read_string", "write")

    OFFSETS: Final = _host.OFFSET_COUNT  # descriptors whose offset can be lent (``host.lend_offset`` and its kin)

    def __init__(self, host: Space) -> None:
        self.host = host
        self.limit = _host.USER_LIMIT
        self.read = host.read
        self.read_into = host.read_into
        self.write = host.write
        self.read_string = host.read_string

    def map(self, address: int, length: int, protection: int, shared: bool, backing: HostFile | None, offset: int) -> None:
        """Map zero memory, or ``backing`` from ``offset``, in place of what was there; copy-on-write unless ``shared``."""
        self._check(address, length)
        flags = (_SHARED if shared else _PRIVATE) | _FIXED
        if backing is None:
            flags |= _ANONYMOUS | _NORESERVE
            self.host.call(_MMAP, address, length, protection, flags, _NO_DESCRIPTOR, 0)
        else:
            self.host.call(_MMAP, address, length, protection, flags, 0, offset, backing.descriptor)

    def unmap(self, address: int, length: int) -> None:
        """Take the range out of the space."""
        self._check(address, length)
        self.host.call(_MUNMAP, address, length)

    def protect(self, address: int, length: int, protection: int) -> None:
        """Change what may be done with mapped pages (PROT_* bits)."""
        self._check(address, length)
        self.host.call(_MPROTECT, address, length, protection)

    def advise(self, address: int, length: int, advice: int) -> None:
        """MADV_* as the host does it."""
        self._check(address, length)
        self.host.call(_MADVISE, address, length, advice)

    def move(self, address: int, length: int, new_address: int, new_length: int) -> None:
        """Move mapped pages, contents included; in place it grows or shrinks."""
        self._check(address, length)
        self._check(new_address, new_length)
        if address == new_address:
            self.host.call(_MREMAP, address, length, new_length, 0)
        else:
            self.host.call(_MREMAP, address, length, new_length, _MAYMOVE_FIXED, new_address)

    def clear(self) -> None:
        """Unmap everything below the stub."""
        self.host.call(_MUNMAP, 0, self.limit)

    def has_written(self, address: int, length: int) -> bool:
        """Whether a private mapping may hold pages that its process has written: yes, where nobody looks."""
        return True

    def present(self, address: int, length: int) -> Iterator[tuple[int, int]]:
        """Where pages of the process's own are in memory, or swapped by the host: runs, address and length. Raises OSError."""
        found = host.private_pages(self.host.pid, address, length)
        start = found.find(1)
        while start >= 0:
            end = found.find(0, start)
            if end < 0:
                end = len(found)
            yield address + start * _PAGE, (end - start) * _PAGE
            start = found.find(1, end)

    def flush(self) -> None:
        """Have the queued changes made."""
        self.host.flush()

    def fork(self) -> tuple[AddressSpace, Context]:
        """A copy-on-write copy, with one context that waits for its registers and for ``resume``."""
        space, context = self.host.fork()
        return AddressSpace(space), context

    def new_context(self) -> Context:
        """One more flow of control, which waits for its registers and for ``resume``."""
        return self.host.new_context()

    def kill(self) -> None:
        """End the process and all contexts in it."""
        self.host.kill()

    def _check(self, address: int, length: int) -> None:
        if address < 0 or length <= 0 or address + length > self.limit:
            raise ValueError(f"range {address:#x}+{length:#x} is not the program's")
