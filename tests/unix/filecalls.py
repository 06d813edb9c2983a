"""The file system calls of one program, on the host's Linux or on ours, encoded once; every call gives (errno, value)."""

from __future__ import annotations

import ctypes
import os
import struct
from dataclasses import dataclass
from typing import Protocol

from fakes import NUMBERS, Program

from skerry.abi import linux

Outcome = tuple[int, object]


class Caller(Protocol):
    """Who makes raw calls."""

    def raw(self, name: str, *arguments: int | bytes) -> int: ...
    def room(self, size: int) -> int: ...
    def peek(self, address: int, length: int) -> bytes: ...
    def poke(self, data: bytes) -> int: ...


class Native:
    """Calls of the host's Linux."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._libc.syscall.restype = ctypes.c_long
        self._kept: list[object] = []

    def raw(self, name: str, *arguments: int | bytes) -> int:
        words = [a if isinstance(a, bytes) else ctypes.c_long(a) for a in arguments]
        result = int(self._libc.syscall(ctypes.c_long(NUMBERS[name]), *words))
        return result if result >= 0 else -ctypes.get_errno()

    def room(self, size: int) -> int:
        buffer = ctypes.create_string_buffer(max(size, 1))
        self._kept = [*self._kept[-8:], buffer]
        return ctypes.addressof(buffer)

    def poke(self, data: bytes) -> int:
        address = self.room(len(data))
        ctypes.memmove(address, data, len(data))
        return address

    def peek(self, address: int, length: int) -> bytes:
        return ctypes.string_at(address, length)


@dataclass
class Ours:
    """Calls of a program of ours."""

    program: Program

    def raw(self, name: str, *arguments: int | bytes) -> int:
        return self.program.call(name, *arguments)

    def room(self, size: int) -> int:
        return self.program.room(size)

    def poke(self, data: bytes) -> int:
        return self.program.poke(data)

    def peek(self, address: int, length: int) -> bytes:
        return self.program.peek(address, length)


class Files:
    """What a program does with files below the directory descriptor ``base``. Descriptors are numbered by ``slots``."""

    def __init__(self, caller: Caller, base: int) -> None:
        self.caller = caller
        self.base = base
        self.slots: dict[int, int] = {}
        self.ino = 0  # of what stat last looked at

    def _outcome(self, result: int, value: object = None) -> Outcome:
        return (-result, None) if result < 0 else (0, value)

    def open(self, slot: int, path: bytes, flags: int, mode: int) -> Outcome:
        self.close(slot)
        fd = self.caller.raw("openat", self.base, path, flags | linux.O_CLOEXEC, mode)
        if fd >= 0:
            self.slots[slot] = fd
        return self._outcome(fd)

    def close(self, slot: int) -> Outcome:
        if slot not in self.slots:
            return (linux.EBADF, None)
        return self._outcome(self.caller.raw("close", self.slots.pop(slot)))

    def close_all(self) -> None:
        for slot in list(self.slots):
            self.close(slot)
        self.caller.raw("close", self.base)

    def _fd(self, slot: int) -> int:
        return self.slots.get(slot, -1)

    def read(self, slot: int, count: int) -> Outcome:
        buffer = self.caller.room(count)
        result = self.caller.raw("read", self._fd(slot), buffer, count)
        return self._outcome(result, self.caller.peek(buffer, result) if result > 0 else b"")

    def pread(self, slot: int, count: int, offset: int) -> Outcome:
        buffer = self.caller.room(count)
        result = self.caller.raw("pread64", self._fd(slot), buffer, count, offset)
        return self._outcome(result, self.caller.peek(buffer, result) if result > 0 else b"")

    def write(self, slot: int, data: bytes) -> Outcome:
        result = self.caller.raw("write", self._fd(slot), self.caller.poke(data), len(data))
        return self._outcome(result, result)

    def pwrite(self, slot: int, data: bytes, offset: int) -> Outcome:
        result = self.caller.raw("pwrite64", self._fd(slot), self.caller.poke(data), len(data), offset)
        return self._outcome(result, result)

    def lseek(self, slot: int, offset: int, whence: int) -> Outcome:
        result = self.caller.raw("lseek", self._fd(slot), offset, whence)
        return self._outcome(result, result)

    def ftruncate(self, slot: int, size: int) -> Outcome:
        return self._outcome(self.caller.raw("ftruncate", self._fd(slot), size))

    def fallocate(self, slot: int, mode: int, offset: int, length: int) -> Outcome:
        return self._outcome(self.caller.raw("fallocate", self._fd(slot), mode, offset, length))

    def fstat(self, slot: int) -> Outcome:
        buffer = self.caller.room(144)
        return self._stat(self.caller.raw("fstat", self._fd(slot), buffer), buffer)

    def stat(self, path: bytes, flags: int) -> Outcome:
        buffer = self.caller.room(144)
        return self._stat(self.caller.raw("newfstatat", self.base, path, buffer, flags), buffer)

    def _stat(self, result: int, buffer: int) -> Outcome:
        if result < 0:
            return (-result, None)
        _, self.ino, nlink, mode, uid, gid, _, size = struct.unpack_from("<QQQIIIxxxxQq", self.caller.peek(buffer, 144))
        return (0, (nlink, oct(mode), uid, gid, size if mode & linux.S_IFMT != linux.S_IFDIR else 0))

    def list(self, path: bytes) -> Outcome:
        fd = self.caller.raw("openat", self.base, path, linux.O_RDONLY | linux.O_DIRECTORY | linux.O_NOFOLLOW, 0)
        if fd < 0:
            return (-fd, None)
        entries: list[tuple[bytes, int]] = []
        buffer = self.caller.room(256)
        while (count := self.caller.raw("getdents64", fd, buffer, 256)) > 0:
            data = self.caller.peek(buffer, count)
            while data:
                _ino, _next, length, kind = struct.unpack_from("<QqHB", data)
                entries.append((data[19:length].split(b"\0")[0], kind))
                data = data[length:]
        self.caller.raw("close", fd)
        return self._outcome(count, sorted(entries))

    def mkdir(self, path: bytes, mode: int) -> Outcome:
        return self._outcome(self.caller.raw("mkdirat", self.base, path, mode))

    def mkfifo(self, path: bytes, mode: int) -> Outcome:
        return self._outcome(self.caller.raw("mknodat", self.base, path, linux.S_IFIFO | mode, 0))

    def unlink(self, path: bytes, flags: int) -> Outcome:
        return self._outcome(self.caller.raw("unlinkat", self.base, path, flags))

    def symlink(self, target: bytes, path: bytes) -> Outcome:
        return self._outcome(self.caller.raw("symlinkat", target, self.base, path))

    def readlink(self, path: bytes) -> Outcome:
        buffer = self.caller.room(100)
        result = self.caller.raw("readlinkat", self.base, path, buffer, 100)
        return self._outcome(result, self.caller.peek(buffer, result) if result > 0 else None)

    def link(self, old: bytes, new: bytes, flags: int) -> Outcome:
        return self._outcome(self.caller.raw("linkat", self.base, old, self.base, new, flags))

    def rename(self, old: bytes, new: bytes, flags: int) -> Outcome:
        return self._outcome(self.caller.raw("renameat2", self.base, old, self.base, new, flags))

    def chmod(self, path: bytes, mode: int) -> Outcome:
        return self._outcome(self.caller.raw("fchmodat", self.base, path, mode))

    def access(self, path: bytes, mode: int) -> Outcome:
        return self._outcome(self.caller.raw("faccessat", self.base, path, mode))


def native_files(directory: str) -> Files:
    """On the host, below ``directory``."""
    return Files(Native(), os.open(directory, os.O_RDONLY | os.O_DIRECTORY))


def our_files(program: Program) -> Files:
    """On ours, below the root."""
    caller = Ours(program)
    return Files(caller, caller.raw("openat", linux.AT_FDCWD, b"/", linux.O_RDONLY | linux.O_DIRECTORY, 0))
