"""Host calls that Python's ``os`` does not have. Each raises OSError."""

from __future__ import annotations

import os
import struct
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ctypes import CDLL

_RENAMEAT2 = 316  # asm/unistd_64.h
_FALLOCATE = 285
_SYNCFS = 306
_TIMERFD_CREATE = 283
_TIMERFD_SETTIME = 286
_CLOCK_REALTIME = 0
_NONBLOCK_CLOEXEC = 0x80800
_ABSOLUTE = 1


@cache
def _library() -> CDLL:
    import ctypes  # takes 2 ms, and few runs need it

    return ctypes.CDLL(None, use_errno=True)


def _call(number: int, *arguments: int | bytes) -> int:
    import ctypes

    words = [argument if isinstance(argument, bytes) else ctypes.c_long(argument) for argument in arguments]
    result: int = _library().syscall(ctypes.c_long(number), *words)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def rename(source: int, name: bytes, target: int, new_name: bytes, flags: int) -> None:
    """renameat2(2): ``flags`` are RENAME_*; the names are relative to the directory descriptors."""
    _call(_RENAMEAT2, source, name, target, new_name, flags)


def trim() -> None:
    """malloc_trim(3): the host gets back what this process keeps and does not use. Nothing happens where the C library has no such call."""
    trim = getattr(_library(), "malloc_trim", None)
    if trim is not None:
        trim(0)


def allocate(descriptor: int, mode: int, offset: int, length: int) -> None:
    """fallocate(2): ``mode`` is FALLOC_FL_* bits; bytes."""
    _call(_FALLOCATE, descriptor, mode, offset, length)


def sync_file_system(descriptor: int) -> None:
    """syncfs(2): have all of the file system that it is on reach the disk."""
    _call(_SYNCFS, descriptor)


def make_timer() -> int:
    """timerfd_create(2): a descriptor of a timer on CLOCK_REALTIME, which does not block."""
    return _call(_TIMERFD_CREATE, _CLOCK_REALTIME, _NONBLOCK_CLOEXEC)


def set_timer(descriptor: int, due: int) -> None:
    """timerfd_settime(2): let it expire once, at ``due`` (ns since 1970)."""
    _call(_TIMERFD_SETTIME, descriptor, _ABSOLUTE, struct.pack("<4q", 0, 0, *divmod(due, 1_000_000_000)), 0)
