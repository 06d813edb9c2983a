"""Executing a program: the image in memory, and the first stack.

Source: execve(2); System V ABI x86-64, 3.4.1 (initial stack and auxiliary vector).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from skerry.abi import elf, linux
from skerry.abi import registers as reg
from skerry.unix import lifecycle
from skerry.unix.errors import LinuxError
from skerry.unix.memory import PAGE, Memory, page_up
from skerry.unix.vfs import full_path, require, resolve

if TYPE_CHECKING:
    from skerry.unix.inode import Inode
    from skerry.unix.process import Process, Thread

STACK_TOP: Final = 0x7FEF_FFFF_F000
PIE_BASE: Final = 0x5555_5555_4000
STACK_LIMIT: Final = 8 << 20
LEAST_STACK: Final = 2 << 20  # that is mapped, whatever the limit
LEAST_ARGUMENTS: Final = 128 << 10  # bytes of arguments and environment that may always be given, and the most
MOST_ARGUMENTS: Final = 6 << 20
SCRIPT_DEPTH: Final = 5
WORD: Final = (1 << 64) - 1
HEAD: Final = 4096  # bytes of a file that are looked at
CAPABILITIES: Final = 0x178BFBFF  # AT_HWCAP: CPUID leaf 1, EDX of every x86-64
PLATFORM: Final = b"x86_64\0"


class NotAProgram(LinuxError):
    """ENOEXEC, with the reason in words."""

    def __init__(self, reason: str) -> None:
        super().__init__(linux.ENOEXEC)
        self.reason = reason


class _Loaded:
    """Where an image lies: bytes from its link addresses, its entry, its headers, the end of its data."""

    def __init__(self, base: int, image: elf.Image) -> None:
        first = image.loads[0]
        self.entry = (base + image.entry) & WORD  # where headers lie, the program finds out
        self.headers = (base + first.address - first.offset + image.headers_offset) & WORD
        self.header_count = image.header_count
        self.end = max(base + s.address + s.memory_size for s in image.loads)
        self.base = base


class Program:
    """What is to run: the file at the end of all scripts, its interpreter, and the arguments that scripts put in front."""

    def __init__(self, thread: Thread, path: bytes, arguments: list[bytes], start: Inode, follow: bool = True) -> None:
        """Raises LinuxError; NotAProgram says why."""
        self.name = path
        self.arguments = arguments
        for _ in range(SCRIPT_DEPTH + 1):
            self.inode, self.path = _find(thread, path, start, follow)
            head = self.inode.read_at(0, HEAD)
            if head[:2] != b"#!":
                break
            line = head[2:].split(b"\n", 1)[0][:253].split(b"\0", 1)[0].strip(b" \t")
            interpreter, _, argument = line.partition(b" ") if b" " in line else line.partition(b"\t")
            if not interpreter:
                raise NotAProgram("its #! line names no interpreter")
            extra = [argument.strip(b" \t")] if argument.strip(b" \t") else []
            self.arguments = [interpreter, *extra, path, *self.arguments[1:]]
            path, start, follow = interpreter, thread.process.place.cwd, True
        else:
            raise LinuxError(linux.ELOOP)
        self.image = _parse(head)
        self.inode.prepare_program()
        self.interpreter: Inode | None = None
        for segment in self.image.segments:
            if segment.kind == elf.PT_INTERP:
                name = self.inode.read_at(segment.offset, min(segment.file_size, HEAD)).split(b"\0", 1)[0]
                self.interpreter, self.interpreter_path = _find(thread, name, thread.process.place.cwd, True)
                self.interpreter_image = _parse(self.interpreter.read_at(0, HEAD))
                self.interpreter.prepare_program()


def _parse(head: bytes) -> elf.Image:
    try:
        return elf.parse(head)
    except elf.ElfError as error:
        raise NotAProgram(str(error)) from None


def _find(thread: Thread, path: bytes, start: Inode, follow: bool) -> tuple[Inode, bytes]:
    """The file and its absolute path."""
    process = thread.process
    name = resolve(thread, process.place, process.credentials, path, start, follow)
    if name.inode is None:
        raise LinuxError(linux.ENOENT)
    if name.inode.is_symlink:
        raise LinuxError(linux.ELOOP)
    if not name.inode.is_regular:
        raise LinuxError(linux.EACCES)
    require(process.credentials, name.inode, linux.X_OK)
    if name.inode.writers:
        raise LinuxError(linux.ETXTBSY)
    return name.inode, full_path(name, process.place.root)


def argument_limit(process: Process) -> int:
    """Bytes that arguments, environment and the pointers to them may take: a quarter of the stack."""
    limit = process.limits.get(linux.RLIMIT_STACK, (STACK_LIMIT, 0))[0]
    return max(LEAST_ARGUMENTS, min(limit // 4, MOST_ARGUMENTS))


def execute(thread: Thread, program: Program, environment: list[bytes]) -> None:
    """Replace the thread's program. Whatever can be refused was refused before: an error from here on kills the process."""
    process = thread.process
    lifecycle.end_other_threads(thread)
    process.files.recall()
    if process.memory.references > 1 or process.memory.space.contexts > 1:  # what else runs there must not meet the new program
        space, user = process.memory.space.new_space()
        old, process.memory = process.memory, Memory(space)
        process.memory.inherit_limits(old)
        if thread.borrowed is not None:
            lifecycle.give_back(thread)
        else:
            thread.user.owner = None
            thread.user.terminate()
        old.release()
        thread.user = user
        user.owner = thread
        lifecycle.release_vfork_parent(process)
    else:
        process.memory.clear()
    user = thread.user
    lifecycle.lend_identity(thread)
    memory = process.memory
    base = PIE_BASE if program.image.kind == elf.ET_DYN else 0
    main = _load(memory, program.inode, program.image, base, program.path)
    memory.break_start = memory.break_end = page_up(main.end)
    entry, interpreter_base = main.entry, 0
    if program.interpreter is not None:
        size = max(s.address + s.memory_size for s in program.interpreter_image.loads)
        interpreter_base = memory.free_range(page_up(size)) if program.interpreter_image.kind == elf.ET_DYN else 0
        entry = _load(memory, program.interpreter, program.interpreter_image, interpreter_base, program.interpreter_path).entry
    limit = process.limits.get(linux.RLIMIT_STACK, (STACK_LIMIT, 0))[0]
    size = page_up(max(min(limit, 64 << 20), LEAST_STACK))
    memory.map(STACK_TOP - size, size, linux.PROT_READ | linux.PROT_WRITE, False, None, 0, b"[stack]")
    stack = _write_stack(process, memory, program, environment, main, interpreter_base)
    process.dumpable = 1
    user.set_registers(bytes(8 * reg.COUNT))
    user.set(reg.RIP, entry)
    user.set(reg.RSP, stack)
    user.set(reg.EFLAGS, 0x202)
    user.set(reg.CSGSFS, 0x002B000000000033)
    user.fs_base = user.gs_base = 0
    user.reset_xstate()
    process.executable, process.executable_path = program.inode, program.path
    program.inode.executed = True
    process.actions = process.actions.after_exec()
    process.has_executed = True
    process.aio = {}
    who = process.credentials
    who.capabilities = who.capabilities.after_exec(who.uid, who.euid)
    who.keep_capabilities = False
    thread.name = program.name.rsplit(b"/", 1)[-1][:15]
    thread.altstack = (0, linux.SS_DISABLE, 0)
    thread.clear_child_tid = thread.robust_list = 0
    if process.files.references > 1:
        process.files.references -= 1
        process.files = process.files.copy()
    for fd in list(process.files.close_on_exec):
        process.files.close(fd)


def _load(memory: Memory, inode: Inode, image: elf.Image, base: int, path: bytes) -> _Loaded:
    """Map the segments of ``inode`` at ``base`` above their link addresses."""
    backing = inode.memory_object()
    for segment in image.loads:
        protection = (segment.flags & 4) >> 2 | segment.flags & 2 | (segment.flags & 1) << 2
        start = (base + segment.address) & ~(PAGE - 1)
        file_end = base + segment.address + segment.file_size
        memory_end = page_up(base + segment.address + segment.memory_size)
        mapped_end = page_up(file_end)
        if segment.file_size:
            memory.map_inode(start, mapped_end - start, protection, inode, backing, segment.offset & ~(PAGE - 1), path)
        else:
            mapped_end = start
        if memory_end > mapped_end:
            memory.map(mapped_end, memory_end - mapped_end, protection, False, None, 0)
        if segment.memory_size > segment.file_size and file_end % PAGE and protection & linux.PROT_WRITE:
            memory.write(file_end, bytes(min(mapped_end, memory_end) - file_end))
    return _Loaded(base, image)


def _write_stack(process: Process, memory: Memory, program: Program, environment: list[bytes], main: _Loaded, interpreter_base: int) -> int:
    """Strings, auxiliary vector, environment and arguments; the stack pointer to start with."""
    platform = process.system.platform
    random = platform.random(16)
    strings = bytearray()
    places: list[int] = []
    parts = [*program.arguments, *environment, program.name]
    for part in parts:
        places.append(len(strings))
        strings += part + b"\0"
    extra = len(strings)
    strings += PLATFORM + random
    strings_at = (STACK_TOP - 64 - len(strings)) & ~15
    arguments = [strings_at + place for place in places[: len(program.arguments)]]
    variables = [strings_at + place for place in places[len(program.arguments) : -1]]
    who = process.credentials
    process.strings = (strings_at, strings_at + places[len(program.arguments)], strings_at + places[-1])
    auxiliary = [
        (linux.AT_SYSINFO_EHDR, platform.clock_page()),
        (linux.AT_HWCAP, CAPABILITIES),
        (linux.AT_PAGESZ, PAGE),
        (linux.AT_CLKTCK, 100),
        (linux.AT_PHDR, main.headers),
        (linux.AT_PHENT, elf.PROGRAM_HEADER_SIZE),
        (linux.AT_PHNUM, main.header_count),
        (linux.AT_BASE, interpreter_base),
        (linux.AT_FLAGS, 0),
        (linux.AT_ENTRY, main.entry),
        (linux.AT_UID, who.uid),
        (linux.AT_EUID, who.euid),
        (linux.AT_GID, who.gid),
        (linux.AT_EGID, who.egid),
        (linux.AT_SECURE, 0),
        (linux.AT_RANDOM, strings_at + extra + len(PLATFORM)),
        (linux.AT_HWCAP2, 2),  # FSGSBASE may be used
        (linux.AT_EXECFN, strings_at + places[-1]),
        (linux.AT_PLATFORM, strings_at + extra),
        (linux.AT_MINSIGSTKSZ, 3632),
    ]
    words = [len(arguments), *arguments, 0, *variables, 0]
    first = len(words)
    for key, value in auxiliary:
        if value or key != linux.AT_SYSINFO_EHDR:
            words += (key, value)
    words += (linux.AT_NULL, 0)
    process.auxiliary = struct.pack(f"<{len(words) - first}Q", *words[first:])
    stack = (strings_at - 8 * len(words)) & ~15
    memory.write(stack, struct.pack(f"<{len(words)}Q", *words))
    memory.write(strings_at, bytes(strings))
    return stack
