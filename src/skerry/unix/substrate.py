"""What the Unix server asks of the kernel below it.

The core of the server is written against these protocols alone; ``unix/glue/`` ties them to Mach, to L4 and to the exokernel.
Addresses and lengths are bytes; times are nanoseconds. Every method that touches a program's memory raises
:class:`skerry.abi.fault.Fault` for an address that is not mapped for the access.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, Self

Buffer = bytes | bytearray | memoryview


class MemoryObject(Protocol):
    """Memory that can be mapped in many spaces and read and written by its owner: what backs a regular file.

    Contents are zero where nothing was written. ``size`` is in bytes; mappings past it fault with a bus error.
    """

    @property
    def size(self) -> int: ...
    def read(self, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes at ``offset``; fewer at the end."""

    def write(self, offset: int, data: Buffer) -> int: ...
    def resize(self, size: int) -> None: ...
    def seek(self, offset: int, whence: int) -> int:
        """SEEK_DATA or SEEK_HOLE from ``offset`` on; raises LinuxError(ENXIO) past the end."""

    def allocate(self, mode: int, offset: int, length: int) -> None:
        """fallocate(2): ``mode`` is FALLOC_FL_* bits; raises LinuxError."""

    @property
    def blocks(self) -> int:
        """Storage in units of 512 bytes."""

    def close(self) -> None:
        """Give the memory back; existing mappings stay."""


class UserSpace(Protocol):
    """The address space of a process. Ranges are whole pages; ``protection`` is PROT_* bits."""

    limit: int  # first address that is not the program's
    offsets: int  # descriptors below it can have their offset lent

    @property
    def contexts(self) -> int:
        """Flows of control that it ever had. A hostile one may run on when it should have stopped, for as long as the space is there."""

    def read(self, address: int, length: int) -> bytes: ...
    def read_into(self, address: int, buffer: bytearray | memoryview) -> None: ...
    def write(self, address: int, data: Buffer) -> None: ...
    def read_string(self, address: int, limit: int) -> bytes | None:
        """Bytes up to a NUL, without it; None if none comes within ``limit`` bytes."""

    def map(self, address: int, length: int, protection: int, shared: bool, backing: MemoryObject | None, offset: int) -> None:
        """Queue: map anonymous zero memory, or ``backing`` from ``offset``, at ``address`` in place of whatever was there.

        ``shared``: writes are seen by all that map it and by children; else copy-on-write. Raises LinuxError(ENOMEM) and the like.
        """

    def unmap(self, address: int, length: int) -> None: ...
    def protect(self, address: int, length: int, protection: int) -> None: ...
    def advise(self, address: int, length: int, advice: int) -> None:
        """MADV_DONTNEED, MADV_FREE, MADV_DONTFORK, MADV_DOFORK, MADV_WILLNEED as the host does it."""

    def take_over(self, address: int, length: int) -> int:
        """Have the private memory of the range paged from now on, where it is of no file; how many bytes of it were in memory.

        Only where the platform pages. Raises LinuxError.
        """

    def move(self, address: int, length: int, new_address: int, new_length: int) -> None:
        """Move mapped pages, contents included, to ``new_address`` (which may equal ``address``: grow or shrink in place)."""

    def flush(self) -> None:
        """Have the queued changes made (map, unmap, protect, move, advise); raises LinuxError(ENOMEM) and the like."""

    def clear(self) -> None:
        """Unmap everything of the program; its other threads must be gone."""

    def fork(self, registers: UserThread) -> tuple[UserSpace, UserThread]:
        """A copy-on-write copy of the space with one thread that stands where ``registers`` stands (not yet resumed)."""

    def new_space(self) -> tuple[UserSpace, UserThread]:
        """An empty space with one thread, for exec after vfork."""

    def new_thread(self, like: UserThread) -> UserThread:
        """One more thread in this space, its registers (XSTATE and bases included) a copy of ``like``; not yet resumed."""

    def lend_offset(self, descriptor: int, position: int, /) -> None:
        """Let the program's emulation library answer lseek on ``descriptor`` without a trap, from ``position`` on."""

    def offset(self, descriptor: int, /) -> int:
        """Where the program has moved a lent offset (0 to 2^63-1)."""

    def move_offset(self, descriptor: int, seen: int, new: int, /) -> None:
        """Move a lent offset, unless the program has moved it since it was ``seen``."""

    def recall_offset(self, descriptor: int, /) -> int:
        """End the loan: lseek traps again. The last offset."""

    def resident(self) -> int:
        """Bytes of memory that the space's program has in use."""

    def usage(self) -> tuple[int, int, int, int, int]:
        """Ticks in the program and in the host's kernel for it, small and large page faults, bytes of memory in use."""

    def private_bytes(self) -> int:
        """Of these, what is no file's; what is shared since fork counts in both spaces. Quick."""

    def proportional_bytes(self) -> tuple[int, int]:
        """Bytes of private and of shared memory in use, each page divided among the spaces that map it. Slow."""

    def cpu_time(self) -> int:
        """Processor time that the space's program has used, in nanoseconds."""

    def destroy(self) -> None:
        """End the space and all threads in it."""


class UserThread(Protocol):
    """A thread of a program, while it is stopped in the server: its registers can be read and written.

    ``get``/``set`` take the indices of :mod:`skerry.abi.registers`. The bases stand apart as a signal frame does not hold them.
    """

    fs_base: int
    gs_base: int
    owner: Any  # the server's thread that runs on it

    def call(self, function: Callable[..., Any], first: object, count: int) -> Any:
        """``function(first, ...)`` with the first ``count`` argument registers of a system call."""

    def get(self, register: int) -> int: ...
    def set(self, register: int, value: int) -> None: ...
    def registers(self) -> bytes:
        """All 23 general registers, 8 bytes each, little endian."""

    def set_registers(self, registers: bytes) -> None: ...
    def xstate(self) -> bytes:
        """The floating-point and vector state in the standard XSAVE format of a signal frame (``fpstate``)."""

    def set_xstate(self, state: bytes) -> None: ...
    def reset_xstate(self) -> None:
        """The state that a new program starts with."""

    def resume(self) -> None:
        """Run the program from its registers."""

    def resume_with(self, value: int, /) -> None:
        """The same, with ``value`` (modulo 2^64) in RAX: what a system call returned."""

    def interrupt(self) -> None:
        """Bring a running thread into the server; it arrives as an interruption. Harmless if it is there already."""

    def set_identity(self, pid: int, tid: int) -> None:
        """What the emulation library answers to getpid and gettid in this thread."""

    def usage(self) -> tuple[int, int, int, int, int]:
        """What it has used: processor time (ns), ticks in the program and in the host's kernel for it, small and large page faults.

        Of a thread that took over the context of one that has ended, that one's too.
        """

    def page_in(self, address: int, arrived: Callable[[bool], None]) -> bool:
        """The server could not touch ``address``: have the page come, if a pager has it; ``arrived`` says whether it did, at once or later.

        False (and no call): there is no such page.
        """

    def terminate(self) -> None:
        """End this thread alone."""


class Clock(Protocol):
    """The host's real-time clock. Times are nanoseconds since 1970. Raises LinuxError."""

    def time(self) -> int: ...
    def alarm(self, due: int, ring: Callable[[], None]) -> None:
        """Call ``ring`` once, when it is ``due``."""


class Paging(Protocol):
    """Memory of programs that need not all be in memory (``UserSpace.take_over``)."""

    def keep(self, size: int) -> None:
        """Have at most ``size`` bytes of it in memory, now and later; what cannot go out stays."""

    def state(self) -> tuple[int, int, int]:
        """Bytes of it that are in memory, that are on the paging device, and that fit there."""


class Platform(Protocol):
    """The rest of what the server needs of the system below it."""

    @property
    def paging(self) -> Paging | None:
        """None: all memory of programs stays in memory."""

    def new_memory_object(self, size: int) -> MemoryObject:
        """Zero memory that can be mapped; raises LinuxError(ENOMEM)."""

    def monotonic(self) -> int: ...
    def realtime(self) -> int: ...
    def processors(self) -> int: ...
    def processor_facts(self) -> str:
        """What /proc/cpuinfo says of every processor: model, features."""

    def processor_caches(self) -> Sequence[tuple[int, str, str, int, int, int, bool]]:
        """The caches of a processor: level, type, size (``48K``), bytes in a line, sets, ways, and whether other cores share it."""

    def memory_bytes(self) -> tuple[int, int]:
        """Total and available memory."""

    def random(self, length: int) -> bytes: ...
    def processor_time(self) -> int:
        """Processor time that the system itself and the programs that have ended have used, in nanoseconds."""

    def own_bytes(self) -> int:
        """Bytes of private memory that the system itself has, programs' not counted."""

    def trim(self) -> None:
        """Give the host back what the system has and does not use."""

    def pause(self, nanoseconds: int) -> None:
        """Let nothing of the system run for so long; programs that make no call run on."""

    def first_space(self) -> tuple[UserSpace, UserThread]:
        """An empty space with one thread, for the first program."""

    def clock_page(self) -> int:
        """Address of the vDSO that every space maps (AT_SYSINFO_EHDR), or 0."""


class Translator(Protocol):
    """Who answers for a directory tree, by the calls of :mod:`skerry.lib.translator`. Every call ends within a limit."""

    def ask(self, method: bytes, arguments: tuple[Any, ...], done: Callable[[], None], /) -> int:
        """Make a call; ``done`` is called once when it has ended. A number for it."""

    def take(self, number: int, /) -> tuple[int, Any] | None:
        """An errno, or 0 and what the call returned; None while it has not ended."""

    def drop(self, number: int, /) -> None:
        """Nobody waits for this call any more."""


class Disk(Translator, Protocol):
    """A disk: bytes at offsets below its size, which never changes. It is asked as a translator is, for ``flush`` alone, without arguments.

    Raises LinuxError with what the host says.
    """

    size: int  # bytes, whole sectors of 512
    writable: bool

    def contents(self) -> MemoryObject:
        """What is read, written and mapped, within the size."""

    def discard(self, offset: int, length: int, /) -> None:
        """Nobody needs what the range holds; raises LinuxError(EOPNOTSUPP)."""

    def zero(self, offset: int, length: int, /) -> None:
        """Have the range hold zeros; raises LinuxError(EOPNOTSUPP)."""


ThreadTrap = Callable[["UserThread", int, int, int], None]  # thread, signal number, code, address


Attributes = tuple[int, int, int, int, int, int, int, int, int, int, int, int]
"""mode, ino, dev, nlink, uid, gid, rdev, size, atime, mtime, ctime (ns), blocks (512 bytes)."""


class HostFile(MemoryObject, Protocol):
    """An open file of the host."""

    def append(self, data: Buffer) -> tuple[int, int]:
        """Write at the end, wherever that is by now; the count, and the position after it."""

    def sync(self) -> None: ...


class HostNode(Protocol):
    """An object in a directory of the host that may be changed, as a device. Names are single components.

    No symbolic link is followed and nothing outside can be reached. Every call raises LinuxError with the host's errno; a change raises
    EROFS where the node is not ``writable``.
    """

    writable: bool

    def stat(self) -> Attributes: ...
    def statfs(self) -> tuple[int, int, int, int, int, int]: ...
    def change_mode(self, mode: int) -> None: ...
    def change_owner(self, uid: int, gid: int) -> None: ...
    def change_times(self, access: int, modification: int) -> None: ...
    def attributes(self) -> dict[bytes, bytes]:
        """The extended attributes that programs may see (``user.``); none where the host keeps none."""

    def set_attribute(self, name: bytes, value: bytes) -> None:
        """Raises ENOSPC, EOPNOTSUPP, EPERM for a name that is not a program's, and the like."""

    def remove_attribute(self, name: bytes) -> None:
        """Raises ENODATA."""

    def lookup(self, name: bytes) -> Self:
        """What is called ``name``; a symbolic link itself."""

    def list(self) -> list[tuple[bytes, int, int]]:
        """Name, inode number and type bits of each entry."""

    def make_file(self, name: bytes, mode: int, uid: int, gid: int) -> tuple[Self, HostFile]:
        """A new file, open to read and write."""

    def make_unnamed(self, mode: int, uid: int, gid: int) -> tuple[Self, HostFile]: ...
    def make_directory(self, name: bytes, mode: int, uid: int, gid: int) -> Self: ...
    def make_special(self, name: bytes, mode: int, uid: int, gid: int) -> Self: ...
    def make_link(self, name: bytes, target: bytes, uid: int, gid: int) -> Self: ...
    def link(self, node: Self, name: bytes) -> None: ...
    def unlink(self, name: bytes) -> None: ...
    def rmdir(self, name: bytes) -> None: ...
    def rename(self, name: bytes, to: Self, new_name: bytes, flags: int) -> None:
        """``flags``: RENAME_EXCHANGE, RENAME_NOREPLACE."""

    def readlink(self) -> bytes: ...
    def open(self, write: bool) -> HostFile:
        """The contents of a regular file; EINVAL for anything else."""

    def sync(self) -> None: ...


class LayerNode(HostNode, Protocol):
    """An object in a directory of the host that keeps a writable layer.

    Whatever mode, owner, kind and extended attributes it was given, it has.
    """

    def is_whiteout(self) -> bool:
        """Whether it says that a name is gone."""

    def is_opaque(self) -> bool:
        """Whether a directory hides the one below."""

    def set_opaque(self) -> None: ...
    def set_origin(self, text: bytes) -> None:
        """Note what the object was that this is a changed copy of; b"": it is none any more."""

    def make_whiteout(self, name: bytes, access: int, modification: int) -> None:
        """Say that ``name`` is gone; the times (ns) are kept with that."""

    def make_device(self, name: bytes, mode: int, uid: int, gid: int, rdev: int) -> Self: ...
    def sync_all(self) -> None:
        """Have the whole layer reach the disk."""


class HostTree(Protocol):
    """A directory of the host as a device. Paths are relative to it, without leading slash; b"" is the directory itself.

    No symbolic link is followed and nothing outside can be reached. Every call raises LinuxError with the host's errno.
    """

    def stat(self, path: bytes) -> Attributes: ...
    def look(self, path: bytes, names: bytes) -> list[tuple[bytes, Attributes, bytes]]:
        """Each of ``names`` (separated by NULs) in a directory, its attributes, and the target of a symbolic link: one call for many.

        Those are left out that cannot be looked at.
        """

    def list(self, path: bytes) -> list[tuple[bytes, int, int]]:
        """Name, inode number and type bits of each entry."""

    def readlink(self, path: bytes) -> bytes: ...
    def open(self, path: bytes) -> HostFile: ...
    def attributes(self, path: bytes) -> dict[bytes, bytes]:
        """The extended attributes that programs may see (``user.``) of a regular file or directory; none where the host keeps none."""


class StreamDevice(Protocol):
    """A byte stream of the host that was given to the system: a terminal, a pipe, a file."""

    is_terminal: bool
    mode: int  # of the host's descriptor, as stat gives it
    kind: int  # S_IFMT bits of the host's descriptor
    rdev: int

    def readable(self) -> bool:
        """Whether read would not block."""

    def read(self, count: int) -> bytes | None:
        """Bytes; b"" at the end; None where it would block."""

    def write(self, data: bytes) -> int | None: ...
    def control(self, request: int, argument: bytes | int) -> bytes:
        """An ioctl of the host's terminal; raises LinuxError."""

    def seek(self, offset: int, whence: int) -> int: ...
    def truncate(self, size: int) -> None: ...
    def writable(self) -> bool:
        """Whether write would not block."""

    def subscribe(self, callback: Callable[[], None]) -> None:
        """Call once when it becomes readable."""

    def subscribe_writable(self, callback: Callable[[], None]) -> None:
        """Call once when it becomes writable."""


class HostConnection(Protocol):
    """A TCP connection through the host's network; ``send`` and ``receive`` return None where they would block.

    Hosts are 16 bytes (an IPv4 one is mapped). Every call raises LinuxError with the host's errno, of this and the protocols below.
    """

    def watch(self, readable: bool, writable: bool, callback: Callable[[], None], /) -> None:
        """Call once when it becomes one of the two; this takes the place of an earlier call, and with neither, nothing is waited for."""

    def local(self) -> tuple[bytes, int]:
        """Host and port of this end."""

    def peer(self) -> tuple[bytes, int]: ...
    def error(self) -> int:
        """How connecting went, once it is writable: 0 or an errno."""

    def send(self, data: bytes, urgent: bool, /) -> int | None: ...
    def receive(self, count: int, /) -> bytes | None:
        """Bytes, up to those that are urgent; b"" at the end."""

    def at_mark(self) -> bool:
        """Whether the next byte is urgent."""

    def set_option(self, level: int, option: int, value: int, /) -> None: ...
    def finish(self) -> None:
        """Nothing more will be sent."""

    def reset(self) -> None:
        """Break it off."""

    def close(self) -> None: ...
    def wait_writable(self, milliseconds: int, /) -> bool:
        """Wait until something can be sent, when the system has ended; whether it can."""


class HostListener(Protocol):
    """A TCP port of the host; it refuses connections while it is not open."""

    def watch(self, readable: bool, writable: bool, callback: Callable[[], None], /) -> None: ...
    def local(self) -> tuple[bytes, int]: ...
    def open(self) -> None: ...
    def shut(self) -> None: ...
    def accept(self) -> HostConnection | None: ...
    def close(self) -> None: ...


class HostDatagrams(Protocol):
    """A UDP socket of the host."""

    def watch(self, readable: bool, writable: bool, callback: Callable[[], None], /) -> None: ...
    def local(self) -> tuple[bytes, int]: ...
    def connect(self, host: bytes, port: int, /) -> None: ...
    def send(self, data: bytes, to: tuple[bytes, int] | None, /) -> int | None:
        """To ``to``, or where it is connected."""

    def receive(self, count: int, /) -> tuple[bytes, bytes, int] | None:
        """A datagram, and the host and port that it came from."""

    def set_option(self, level: int, option: int, value: int, /) -> None: ...
    def close(self) -> None: ...


class HostNetwork(Protocol):
    """The host's network as a device."""

    def reaches(self, host: bytes, port: int, /) -> bool:
        """Whether something may be sent there."""

    def addresses(self) -> list[bytes]:
        """What is sent far away comes from these hosts: at most one of each family."""

    def connect(self, host: bytes, port: int, /) -> HostConnection:
        """Begin a connection; it becomes writable when it is made, or has failed."""

    def datagrams(self, host: bytes, /) -> HostDatagrams:
        """A UDP socket that can send to hosts of the same family as ``host``."""
