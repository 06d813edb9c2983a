"""The memory of a process: its mappings, the break, and access to its bytes.

The list of mappings is sorted and without overlap; neighbours that continue each other are one. What the mappings mean is done by the
space below (:class:`skerry.unix.substrate.UserSpace`); this is what mmap, mremap and /proc/PID/maps have to know of it.
"""

from __future__ import annotations

import struct
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.abi.fault import Fault
from skerry.unix.errors import LinuxError
from skerry.unix.mlock import Locked

if TYPE_CHECKING:
    from skerry.unix.files import OpenFile
    from skerry.unix.inode import Inode
    from skerry.unix.limits import MemoryLimit
    from skerry.unix.substrate import MemoryObject, UserSpace, UserThread

PAGE: Final = 4096
PATH_MAX: Final = 4096
STRINGS: Final = 4 * PAGE  # bytes that are read at once where strings are
MMAP_TOP: Final = 0x7FEF_0000_0000  # mappings are placed downwards from here; the stack lies above
LOWEST: Final = 0x10000


def page_up(length: int) -> int:
    """``length`` rounded up to whole pages."""
    return (length + PAGE - 1) & ~(PAGE - 1)


class Mapping:
    """A range of pages of one kind; ``offset`` is bytes into ``inode``."""

    __slots__ = ("end", "identity", "inode", "may_write", "name", "offset", "protection", "shared", "start")

    def __init__(
        self,
        start: int,
        end: int,
        protection: int,
        shared: bool,
        inode: Inode | None,
        offset: int,
        name: bytes,
        may_write: bool = True,
    ) -> None:
        self.start = start
        self.end = end
        self.protection = protection
        self.shared = shared
        self.inode = inode
        self.offset = offset
        self.name = name  # path of the file, or [heap], [stack]
        self.may_write = may_write  # whether PROT_WRITE may be given: not to a shared mapping of a file that was opened read-only
        self.identity: object = object() if shared else None  # of anonymous shared memory: the same in every process that inherited it

    def part(self, start: int, end: int) -> Mapping:
        """The same, from ``start`` to ``end``."""
        piece = Mapping(start, end, self.protection, self.shared, self.inode, self.offset + start - self.start, self.name, self.may_write)
        piece.identity = self.identity
        return piece

    def continues(self, before: Mapping) -> bool:
        """Whether ``before`` and this are one mapping in two pieces."""
        return (
            before.end == self.start
            and before.protection == self.protection
            and before.shared == self.shared
            and before.may_write == self.may_write
            and before.inode is self.inode
            and before.name == self.name
            and (self.inode is None or before.offset + before.end - before.start == self.offset)
            and (not self.shared or before.identity is self.identity)
        )


def _start_of(mapping: Mapping) -> int:
    return mapping.start


class Memory:
    """The memory of a process; threads (and a vfork child, until it execs) share one."""

    def __init__(self, space: UserSpace) -> None:
        self.references = 1  # processes that use it
        self.limit = 1 << 62  # RLIMIT_AS, bytes
        self.data_limit = 1 << 62  # RLIMIT_DATA: writable memory that is the program's own, bytes
        self.run_limit: MemoryLimit | None = None  # on all processes together
        self._adopt(space)
        self._mappings: list[Mapping] = []
        self._total = 0
        self._watched: set[Inode] = set()  # shared mappings of files whose memory may be replaced
        self._filled = MMAP_TOP  # from here up there is no room for ``_sought`` bytes: where the search for a place goes on
        self._sought = 0
        self.break_start = 0
        self.break_end = 0
        self.locked = Locked()

    def _adopt(self, space: UserSpace) -> None:
        self.space = space
        self.read = space.read
        self.read_into = space.read_into
        self.write = space.write
        self.read_string = space.read_string

    # Bytes
    def read_path(self, address: int) -> bytes:
        """A path name; raises Fault, ENAMETOOLONG."""
        path = self.read_string(address, PATH_MAX)
        if path is None:
            raise LinuxError(linux.ENAMETOOLONG)
        return path

    def read_words(self, address: int, count: int) -> tuple[int, ...]:
        """``count`` unsigned 64-bit words."""
        return struct.unpack(f"<{count}Q", self.read(address, 8 * count))

    def read_strings(self, address: int, limit: int) -> list[bytes]:
        """The strings of a NULL-terminated array of pointers, as exec takes them; raises Fault, E2BIG."""
        strings: list[bytes] = []
        if not address:
            return strings
        total, block_at, block = 0, 0, b""  # strings mostly lie one behind the other: read what follows with the first
        while True:
            step = max(1, min(64, (PAGE - address % PAGE) // 8))
            for pointer in self.read_words(address, step):
                if not pointer:
                    return strings
                start = pointer - block_at
                end = block.find(b"\0", start) if 0 <= start < len(block) else -1
                if end < 0:
                    try:
                        block_at, block, start = pointer, self.read(pointer, STRINGS - pointer % PAGE), 0
                    except Fault:
                        block = b""
                    end = block.find(b"\0")
                string = block[start:end] if end >= 0 else self.read_string(pointer, 131072)
                if string is None or (total := total + len(string) + 9) > limit:
                    raise LinuxError(linux.E2BIG)
                strings.append(string)
            address += 8 * step

    # Mappings
    def mappings(self) -> list[Mapping]:
        return self._mappings

    def find(self, address: int) -> Mapping | None:
        """The mapping that holds ``address``."""
        index = bisect_right(self._mappings, address, key=_start_of) - 1
        if index >= 0 and self._mappings[index].end > address:
            return self._mappings[index]
        return None

    def total(self) -> int:
        """Bytes mapped."""
        return self._total

    def free_range(self, length: int, hint: int = 0) -> int:
        """Where ``length`` bytes can be mapped: at ``hint`` if that is free, else as high as possible; raises ENOMEM."""
        if hint >= LOWEST and hint + length <= MMAP_TOP and not self._overlaps(hint, hint + length):
            return hint
        top = self._filled if length >= self._sought else MMAP_TOP
        mappings = self._mappings
        for index in range(bisect_left(mappings, top, key=_start_of) - 1, -1, -1):
            mapping = mappings[index]
            if mapping.end <= top - length:
                break
            top = min(top, mapping.start)
        if top - length < LOWEST:
            raise LinuxError(linux.ENOMEM)
        self._filled, self._sought = top, length
        return top - length

    def is_free(self, address: int, length: int) -> bool:
        """Whether nothing is mapped there."""
        return not self._overlaps(address, address + length)

    def is_mapped(self, address: int, length: int) -> bool:
        """Whether every page is mapped there."""
        end = address + length
        while address < end:
            mapping = self.find(address)
            if mapping is None:
                return False
            address = mapping.end
        return True

    def _overlaps(self, start: int, end: int) -> bool:
        index = bisect_right(self._mappings, start, key=_start_of)
        if index and self._mappings[index - 1].end > start:
            return True
        return index < len(self._mappings) and self._mappings[index].start < end

    def map(self, address: int, length: int, protection: int, shared: bool, file: OpenFile | None, offset: int, name: bytes = b"") -> None:
        """Map at ``address``, in place of what was there. Raises ENOMEM, ENODEV, EACCES."""
        if self.total() + length > self.limit or address + length > self.space.limit:
            raise LinuxError(linux.ENOMEM)
        if protection & linux.PROT_WRITE and (file is None or not shared):
            self.require_data(length, shared)
        backing, inode, may_write = None, None, True
        if file is not None:
            inode, name = file.inode, file.path
            may_write = file.writable or not shared
            backing = file.shared_memory_object() if shared and may_write else file.memory_object()
            if shared and inode.is_replaced_later(self):
                self._watched.add(inode)
        self.space.map(address, length, protection & 7, shared, backing, offset)
        self._insert(Mapping(address, address + length, protection & 7, shared, inode, offset, name, may_write))

    def require_data(self, length: int, shared: bool = False) -> None:
        """``length`` bytes of memory are to be made that the program may fill. Raises ENOMEM where the limits forbid it."""
        if self.data_limit < 1 << 62 and not shared and self.data() + length > self.data_limit:
            raise LinuxError(linux.ENOMEM)
        if self.run_limit is not None:
            self.run_limit.reserve(length)

    def data(self) -> int:
        """Bytes of writable memory that is not shared, the stack apart: what RLIMIT_DATA counts."""
        writable = linux.PROT_WRITE
        return sum(m.end - m.start for m in self._mappings if m.protection & writable and not m.shared and m.name != b"[stack]")

    def inherit_limits(self, other: Memory) -> None:
        """Have the limits of ``other``: after fork and exec."""
        self.limit, self.data_limit, self.run_limit = other.limit, other.data_limit, other.run_limit

    def commit(self, address: int, length: int) -> None:
        """Have a mapping made now; if the space refuses it, it is forgotten. Raises LinuxError."""
        try:
            self.space.flush()
        except LinuxError:
            self._cut(address, address + length)
            raise

    def map_inode(self, address: int, length: int, protection: int, inode: Inode, backing: MemoryObject, offset: int, name: bytes) -> None:
        """Map a part of a program's file, copy-on-write. Raises ENOMEM."""
        if self.total() + length > self.limit or address + length > self.space.limit:
            raise LinuxError(linux.ENOMEM)
        self.space.map(address, length, protection, False, backing, offset)
        self._insert(Mapping(address, address + length, protection, False, inode, offset, name))

    def replace(self, inode: Inode, backing: MemoryObject) -> None:
        """``inode``'s contents are in ``backing`` from now on: have its shared mappings show that. Raises LinuxError."""
        self._watched.discard(inode)
        if not self.references:
            return
        for mapping in self._mappings:
            if mapping.shared and mapping.inode is inode:
                self.space.map(mapping.start, mapping.end - mapping.start, mapping.protection, True, backing, mapping.offset)
        self.space.flush()

    def unmap(self, address: int, length: int) -> None:
        """Take pages out; holes are skipped."""
        if self._cut(address, address + length):
            self.space.unmap(address, length)

    def protect(self, address: int, length: int, protection: int) -> None:
        """Raises ENOMEM where something is not mapped, EACCES where a shared mapping may not be written."""
        end = address + length
        pieces = self._cut(address, end)
        if protection & linux.PROT_WRITE and not all(piece.may_write for piece in pieces):
            for piece in pieces:
                self._insert(piece)
            raise LinuxError(linux.EACCES)
        covered = sum(piece.end - piece.start for piece in pieces)
        for piece in pieces:
            if covered == length:
                piece.protection = protection & 7
            self._insert(piece)
        if covered != length:
            raise LinuxError(linux.ENOMEM)
        self.space.protect(address, length, protection & 7)

    def remap(self, address: int, length: int, new_length: int, flags: int, new_address: int) -> int:
        """mremap: where the pages are now. Raises EFAULT, EINVAL, ENOMEM."""
        mapping = self.find(address)
        if mapping is None or mapping.end < address + length:
            raise LinuxError(linux.EFAULT)
        if flags & linux.MREMAP_FIXED:
            target = new_address
            self.unmap(target, new_length)
        elif new_length <= length:
            if new_length < length:
                self.unmap(address + new_length, length - new_length)
            return address
        elif mapping.end == address + length and not self._overlaps(mapping.end, address + new_length):
            target = address
        elif flags & linux.MREMAP_MAYMOVE:
            target = self.free_range(new_length)
        else:
            raise LinuxError(linux.ENOMEM)
        if self.total() + new_length - length > self.limit:
            raise LinuxError(linux.ENOMEM)
        if new_length > length and mapping.protection & linux.PROT_WRITE and not mapping.shared:
            self.require_data(new_length - length)
        piece = mapping.part(address, address + length)
        self.space.move(address, length, target, new_length)
        self._cut(address, address + length)
        piece.start, piece.end = target, target + new_length
        self._insert(piece)
        return target

    def set_break(self, address: int) -> int:
        """brk: the new break, or the old one where it cannot be."""
        old, new = page_up(self.break_end), page_up(address)
        if address < self.break_start or address > self.break_start + (1 << 40):
            return self.break_end
        if new > old:
            if self._overlaps(old, new) or self.total() + new - old > self.limit:
                return self.break_end
            try:
                self.map(old, new - old, linux.PROT_READ | linux.PROT_WRITE, False, None, 0, b"[heap]")
            except LinuxError:
                return self.break_end
        elif new < old:
            self.unmap(new, old - new)
        self.break_end = address
        return address

    def _cut(self, start: int, end: int) -> list[Mapping]:
        """Take [start, end) out of the list; what was there, in order."""
        mappings = self._mappings
        first = bisect_right(mappings, start, key=_start_of)
        if first and mappings[first - 1].end > start:
            first -= 1
        last = first
        removed: list[Mapping] = []
        kept: list[Mapping] = []
        while last < len(mappings) and mappings[last].start < end:
            mapping = mappings[last]
            if mapping.start < start:
                kept.append(mapping.part(mapping.start, start))
            removed.append(mapping.part(max(start, mapping.start), min(end, mapping.end)))
            if mapping.end > end:
                kept.append(mapping.part(end, mapping.end))
            last += 1
        if first == last:
            return removed
        mappings[first:last] = kept
        self._filled = MMAP_TOP
        for piece in removed:
            self._total -= piece.end - piece.start
        return removed

    def _insert(self, mapping: Mapping) -> None:
        self._cut(mapping.start, mapping.end)
        self._total += mapping.end - mapping.start
        mappings = self._mappings
        index = bisect_right(mappings, mapping.start, key=_start_of)
        if index < len(mappings) and mappings[index].continues(mapping):
            mapping.end = mappings.pop(index).end
        if index and mapping.continues(mappings[index - 1]):
            mappings[index - 1].end = mapping.end
        else:
            mappings.insert(index, mapping)

    # Processes
    def fork(self, user: UserThread) -> tuple[Memory, UserThread]:
        """The copy-on-write memory of a child, and its thread, which stands where ``user`` stands."""
        space, thread = self.space.fork(user)
        child = Memory(space)
        child.inherit_limits(self)
        child.break_start, child.break_end = self.break_start, self.break_end
        child._mappings = [m.part(m.start, m.end) for m in self._mappings]
        child._total = self._total
        child._watched = {inode for inode in self._watched if inode.is_replaced_later(child)}
        return child, thread

    def clear(self) -> None:
        """Empty it, for exec."""
        self.space.clear()
        self._mappings = []
        self._filled = MMAP_TOP
        self._total = 0
        self._watched.clear()
        self.locked.clear()

    def release(self) -> None:
        """A process that used it is gone; the last one ends the space."""
        self.references -= 1
        if self.references == 0:
            self.space.destroy()

    def text(self) -> bytes:
        """/proc/PID/maps."""
        lines = []
        for m in self._mappings:
            flags = "".join(letter if m.protection & bit else "-" for letter, bit in (("r", 1), ("w", 2), ("x", 4)))
            device, ino = (m.inode.fs.device, m.inode.ino) if m.inode is not None else (0, 0)
            head = f"{m.start:08x}-{m.end:08x} {flags}{'s' if m.shared else 'p'} {m.offset:08x} {device >> 8:02x}:{device & 255:02x} {ino}"
            lines.append(head.ljust(73).encode() + m.name if m.name else head.encode() + b" ")
        return b"\n".join([*lines, b""])
