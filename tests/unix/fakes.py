"""A machine made of Python objects: Unix runs on it without address spaces, contexts or a kernel.

The server, its calls, its processes and its file systems are the real ones; what the machine gives (memory, clocks, threads) is here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from skerry.abi import linux
from skerry.abi import registers as reg
from skerry.abi.fault import Fault
from skerry.lib.coroutine import Loop
from skerry.unix import signals
from skerry.unix.errors import LinuxError
from skerry.unix.files import FileTable
from skerry.unix.fs.tmpfs import Directory, MemoryFileSystem
from skerry.unix.memory import Memory
from skerry.unix.process import Credentials, Place, Process, System, Thread
from skerry.unix.server import Server
from skerry.unix.syscalls.table import BY_NUMBER

PAGE = 4096
ARENA = 0x10000  # where a program keeps what it hands to calls
ARENA_SIZE = 1 << 20
NUMBERS = {call.name: number for number, call in BY_NUMBER.items()}
ARGUMENTS = (reg.RDI, reg.RSI, reg.RDX, reg.R10, reg.R8, reg.R9)
Buffer = bytes | bytearray | memoryview


class FakeMemory:
    """A memory object."""

    def __init__(self, size: int) -> None:
        self.data = bytearray(size)

    @property
    def size(self) -> int:
        return len(self.data)

    @property
    def blocks(self) -> int:
        return (len(self.data) + 511) // 512

    def read(self, offset: int, length: int) -> bytes:
        return bytes(self.data[offset : offset + length])

    def write(self, offset: int, data: Buffer) -> int:
        if offset + len(data) > len(self.data):
            self.resize(offset + len(data))
        self.data[offset : offset + len(data)] = data
        return len(data)

    def resize(self, size: int) -> None:
        if size > 1 << 30:
            raise LinuxError(linux.ENOSPC)
        del self.data[size:]
        self.data.extend(bytes(size - len(self.data)))

    def seek(self, offset: int, whence: int) -> int:
        return offset if whence == linux.SEEK_DATA else self.size

    def allocate(self, mode: int, offset: int, length: int) -> None:
        if not mode & linux.FALLOC_FL_PUNCH_HOLE:
            return
        self.data[offset : offset + length] = bytes(length)

    def close(self) -> None:
        pass


@dataclass
class Page:
    """A mapped page: of a backing object (shared), or a copy of one that was made when it was first needed (private)."""

    protection: int
    shared: bool
    backing: Any
    offset: int
    private: bytearray | None = None

    def bytes(self) -> bytes:
        if self.private is not None:
            return bytes(self.private)
        return self.backing.read(self.offset, PAGE).ljust(PAGE, b"\0")

    def write(self, at: int, data: bytes) -> None:
        if self.shared:
            room = max(0, self.backing.size - self.offset - at)
            self.backing.write(self.offset + at, data[:room])
        else:
            if self.private is None:
                self.private = bytearray(self.bytes())
            self.private[at : at + len(data)] = data


class FakeSpace:
    """An address space."""

    limit = 0x7FF000000000
    offsets = 512

    def __init__(self) -> None:
        self.pages: dict[int, Page] = {}
        self.lent: dict[int, int] = {}
        self.destroyed = False
        self.used_time = 0

    def lend_offset(self, descriptor: int, position: int) -> None:
        self.lent[descriptor] = position

    def offset(self, descriptor: int) -> int:
        return self.lent[descriptor]

    def move_offset(self, descriptor: int, seen: int, new: int) -> None:
        if self.lent[descriptor] == seen:
            self.lent[descriptor] = new

    def recall_offset(self, descriptor: int) -> int:
        return self.lent.pop(descriptor)

    def _page(self, address: int, access: int) -> Page:
        page = self.pages.get(address // PAGE)
        if page is None or not page.protection & access:
            raise Fault(address)
        return page

    def read(self, address: int, length: int) -> bytes:
        out = bytearray()
        while len(out) < length:
            at = address + len(out)
            page = self._page(at, linux.PROT_READ)
            out += page.bytes()[at % PAGE : at % PAGE + length - len(out)]
        return bytes(out)

    def read_into(self, address: int, buffer: bytearray | memoryview) -> None:
        buffer[:] = self.read(address, len(buffer))

    def write(self, address: int, data: Buffer) -> None:
        done = 0
        while done < len(data):
            at = address + done
            step = min(PAGE - at % PAGE, len(data) - done)
            self._page(at, linux.PROT_WRITE).write(at % PAGE, bytes(data[done : done + step]))
            done += step

    def read_string(self, address: int, limit: int) -> bytes | None:
        out = bytearray()
        while len(out) < limit:
            byte = self.read(address + len(out), 1)
            if byte == b"\0":
                return bytes(out)
            out += byte
        return None

    def map(self, address: int, length: int, protection: int, shared: bool, backing: Any, offset: int) -> None:
        for at in range(0, length, PAGE):
            if backing is None:
                page = Page(protection, shared, FakeMemory(PAGE), 0)
            else:
                page = Page(protection, shared, backing, offset + at)
            self.pages[(address + at) // PAGE] = page

    def unmap(self, address: int, length: int) -> None:
        for at in range(0, length, PAGE):
            self.pages.pop((address + at) // PAGE, None)

    def protect(self, address: int, length: int, protection: int) -> None:
        for at in range(0, length, PAGE):
            self.pages[(address + at) // PAGE].protection = protection

    def advise(self, address: int, length: int, advice: int) -> None:
        pass

    def move(self, address: int, length: int, new_address: int, new_length: int) -> None:
        moved = [self.pages.pop((address + at) // PAGE) for at in range(0, length, PAGE)]
        for index, page in enumerate(moved[: new_length // PAGE]):
            self.pages[new_address // PAGE + index] = page

    def flush(self) -> None:
        pass

    def clear(self) -> None:
        self.pages.clear()

    def fork(self, user: FakeThread) -> tuple[FakeSpace, FakeThread]:
        child = FakeSpace()
        for number, page in self.pages.items():
            private = page.private if page.shared or page.private is None else bytearray(page.private)
            child.pages[number] = Page(page.protection, page.shared, page.backing, page.offset, private)
        return child, self.new_thread(user)

    def new_space(self) -> tuple[FakeSpace, FakeThread]:
        return FakeSpace(), FakeThread()

    def new_thread(self, like: FakeThread) -> FakeThread:
        thread = FakeThread()
        thread.words = list(like.words)
        return thread

    def resident(self) -> int:
        return len(self.pages) * PAGE

    def usage(self) -> tuple[int, int, int, int, int]:
        return 3, 1, 10, 2, len(self.pages) * PAGE

    def private_bytes(self) -> int:
        return len(self.pages) * PAGE

    def proportional_bytes(self) -> tuple[int, int]:
        return len(self.pages) * PAGE, 0

    def cpu_time(self) -> int:
        return self.used_time

    def destroy(self) -> None:
        self.destroyed = True


class FakeThread:
    """A thread of a program: registers, and whether it runs."""

    def __init__(self) -> None:
        self.words = [0] * reg.COUNT
        self.fs_base = self.gs_base = 0
        self.owner: Any = None
        self.running = False
        self.terminated = False

    def call(self, function: Callable[..., Any], first: object, count: int) -> Any:
        return function(first, *(self.words[index] for index in ARGUMENTS[:count]))

    def get(self, register: int) -> int:
        return self.words[register]

    def set(self, register: int, value: int) -> None:
        self.words[register] = value & 0xFFFFFFFFFFFFFFFF

    def registers(self) -> bytes:
        return b"".join(word.to_bytes(8, "little") for word in self.words)

    def set_registers(self, registers: bytes) -> None:
        self.words = [int.from_bytes(registers[at : at + 8], "little") for at in range(0, len(registers), 8)]

    def xstate(self) -> bytes:
        return bytes(576)

    def set_xstate(self, state: bytes) -> None:
        pass

    def reset_xstate(self) -> None:
        pass

    def page_in(self, address: int, arrived: Callable[[bool], None]) -> bool:
        return False  # no pager has any

    def resume(self) -> None:
        self.running = True

    def resume_with(self, value: int) -> None:
        self.set(reg.RAX, value)
        self.resume()

    def interrupt(self) -> None:
        pass

    def set_identity(self, pid: int, tid: int) -> None:
        pass

    def usage(self) -> tuple[int, int, int, int, int]:
        return 7_000_000, 2, 1, 5, 1

    def terminate(self) -> None:
        self.terminated = True
        self.running = False


class FakePlatform:
    """Clocks that a test moves, and memory."""

    def __init__(self) -> None:
        self.time = 1_600_000_000_000_000_000
        self.passed = 0
        self.own = 50 << 20
        self.unused = 0  # bytes of them that trim gives back

    def new_memory_object(self, size: int) -> FakeMemory:
        return FakeMemory(size)

    def monotonic(self) -> int:
        return self.passed

    def realtime(self) -> int:
        self.time += 1000
        return self.time

    def processors(self) -> int:
        return 2

    def processor_facts(self) -> str:
        return "model name\t: fake\n"

    def processor_caches(self) -> list[tuple[int, str, str, int, int, int, bool]]:
        return [(1, "Data", "32K", 64, 64, 8, False), (2, "Unified", "4096K", 64, 4096, 16, True)]

    def memory_bytes(self) -> tuple[int, int]:
        return (1 << 30, 1 << 29)

    def random(self, length: int) -> bytes:
        return bytes(length)

    def processor_time(self) -> int:
        return 0

    def own_bytes(self) -> int:
        return self.own

    def trim(self) -> None:
        self.own -= self.unused
        self.unused = 0

    def pause(self, nanoseconds: int) -> None:
        self.passed += nanoseconds

    def first_space(self) -> tuple[FakeSpace, FakeThread]:
        return FakeSpace(), FakeThread()

    def clock_page(self) -> int:
        return 0


class Unix:
    """A booted system; ``root`` is in memory unless one is given."""

    def __init__(self, root: Callable[[FakePlatform], Directory] | None = None) -> None:
        self.platform = FakePlatform()
        self.loop = Loop(self.platform.monotonic)
        if root is None:
            fs = MemoryFileSystem(self.platform, 1)
            self.root = Directory(fs, fs.next_ino(), linux.S_IFDIR | 0o755, 0, 0, 0)
        else:
            self.root = root(self.platform)
        self.system = System(self.platform, self.root, self.loop)
        self.server = Server(self.system, BY_NUMBER)

    def program(self, uid: int = 0, gid: int = 0) -> Program:
        """A first process, or one more that has no parent."""
        space, user = self.platform.first_space()
        pid = self.system.new_pid()
        place = Place(self.root, self.root, 0o022)
        process = Process(self.system, pid, None, Memory(space), FileTable(), place, Credentials(uid, gid), signals.Actions())
        self.system.first = self.system.first or process
        self.system.processes[pid] = process
        thread = Thread(process, pid, user)
        process.threads[pid] = thread
        user.owner = thread
        return Program(self, thread)

    def sleep(self, nanoseconds: int) -> None:
        """Let time pass."""
        self.platform.passed += nanoseconds
        self.loop.run_ready()


@dataclass
class Program:
    """A thread of a program, which makes system calls when the test says so."""

    unix: Unix
    thread: Thread
    used: int = field(default=0)

    def __post_init__(self) -> None:
        memory = self.thread.process.memory
        if memory.find(ARENA) is None:
            memory.map(ARENA, ARENA_SIZE, linux.PROT_READ | linux.PROT_WRITE, False, None, 0)

    @property
    def user(self) -> Any:
        return self.thread.user

    def room(self, size: int) -> int:
        """The address of ``size`` bytes; earlier rooms may be used again once all are."""
        size = (size + 15) & ~15
        if self.used + size > ARENA_SIZE:
            self.used = 0
        self.used += size
        return ARENA + self.used - size

    def poke(self, data: bytes) -> int:
        """Put bytes into the program's memory; their address."""
        address = self.room(len(data))
        self.thread.process.memory.write(address, data)
        return address

    def peek(self, address: int, length: int) -> bytes:
        return self.thread.process.memory.read(address, length)

    def start(self, name: str, *arguments: int | bytes) -> None:
        """Make a call; bytes are passed as the address of a string."""
        user = self.user
        for register, argument in zip(ARGUMENTS, arguments, strict=False):
            user.set(register, self.poke(argument + b"\0") if isinstance(argument, bytes) else argument)
        user.running = False
        self.unix.server.system_call(user, NUMBERS[name])
        self.unix.loop.run_ready()

    @property
    def result(self) -> int | None:
        """Of the last call: negative errno or value; None while it waits."""
        self.unix.loop.run_ready()
        if not self.user.running:
            return None
        word = self.user.get(reg.RAX)
        return word - (1 << 64) if word >> 63 else word

    def call(self, name: str, *arguments: int | bytes) -> int:
        """Make a call that does not wait."""
        self.start(name, *arguments)
        result = self.result
        assert result is not None, f"{name} waits"
        return result

    def fork(self) -> Program:
        """The child, which returns from fork."""
        pid = self.call("fork")
        child = self.unix.system.processes[pid].threads[pid]
        return Program(self.unix, child)
