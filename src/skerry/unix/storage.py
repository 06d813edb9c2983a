"""The memory that files take, and the limit on it (``--disk``, ``--memory``).

Every file system in memory reports what it is about to store. ``_bound`` is never less than what is stored: it is counted anew only when it
reaches the limit, because files also shrink, are overwritten, and go. A file that nobody has any more is not counted: references are weak.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol
from weakref import WeakSet

from skerry.abi import linux
from skerry.unix.errors import LinuxError

if TYPE_CHECKING:
    from skerry.unix.inode import Inode

NODE: Final = 1024  # bytes that an inode costs beside its contents
KNOWN: Final = 768  # bytes that one costs whose contents are the host's


class Stored(Protocol):
    """What a limit counts."""

    @property
    def stored(self) -> int:
        """Bytes that its contents take."""


class Storage:
    """Counts what is stored, up to ``limit`` bytes; ``full`` is called whenever something is refused."""

    def __init__(self, limit: int, full: Callable[[], None]) -> None:
        self.limit = limit
        self._room = limit
        self.tell = full
        self._bound = 0
        self._nodes: WeakSet[Inode] = WeakSet()
        self._files: WeakSet[Stored] = WeakSet()
        self._marked: WeakSet[Inode] = WeakSet()
        self.looked_at = 0  # files of the host that are known: of these there are no more than the host has
        self.mapped: WeakSet[Inode] = WeakSet()  # files that programs have mapped to write: they can grow without a call
        self.on_mapped: Callable[[], None] | None = None

    def used(self) -> int:
        """Bytes that are stored now."""
        attributes = (len(name) + len(value) for inode in self._marked for name, value in (inode.xattrs or {}).items())
        return sum(file.stored for file in self._files) + self.nodes() + sum(attributes)

    def nodes(self) -> int:
        """Bytes of them that are inodes."""
        return NODE * len(self._nodes)

    def uncounted(self) -> int:
        """Bytes, about, that it takes to know the host's files."""
        return KNOWN * self.looked_at

    def leave(self, room: int) -> None:
        """Have files make do with ``room`` bytes, if that is less than their limit: the rest of the memory is in use."""
        self._room = min(self.limit, room)

    def left(self) -> int:
        """Bytes that may still be stored."""
        return max(0, self._room - self.used())

    def take(self, count: int) -> bool:
        """Whether ``count`` bytes may surely be stored; they are counted if so. Quick."""
        if self._bound + count > self._room:
            return False
        self._bound += count
        return True

    def note_mapped(self, file: Inode) -> None:
        """``file`` is about to be mapped to be written."""
        self.mapped.add(file)
        if self.on_mapped is not None:
            self.on_mapped()

    def reserve(self, count: int) -> int:
        """How many of ``count`` bytes may be stored. Raises ENOSPC if it is none."""
        if self._bound + count > self._room:
            self._bound = self.used()
            count = min(count, self._room - self._bound)
            if count <= 0:
                self.tell()
                raise LinuxError(linux.ENOSPC)
        self._bound += count
        return count

    def require(self, count: int) -> None:
        """Raises ENOSPC unless all of ``count`` bytes may be stored."""
        if count and self.reserve(count) < count:
            self.tell()
            raise LinuxError(linux.ENOSPC)

    def add_node(self, node: Inode) -> None:
        """A new inode. Raises ENOSPC."""
        self.require(NODE)
        self._nodes.add(node)

    def count(self) -> None:
        """Something was added that no room was reserved for."""
        self._bound = self.used()

    def note_node(self, node: Inode) -> None:
        """The same, where room was required before."""
        self._nodes.add(node)

    def add_attribute(self, inode: Inode, size: int) -> None:
        """``inode`` gets an extended attribute of ``size`` bytes, name included. Raises ENOSPC."""
        self.require(size)
        self._marked.add(inode)

    def add_file(self, file: Stored) -> None:
        """A file whose contents are in memory from now on."""
        self._files.add(file)
