"""Host calls that Python's ``os`` does not have. Each raises OSError."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ctypes import CDLL

_RENAMEAT2 = 316  # asm/unistd_64.h
_FALLOCATE = 285
_SYNCFS = 306


@cache
def _library() -> CDLL:
    import ctypes  # takes 2 ms, and few runs need it

    return ctypes.CDLL(None, use_errno=True)


def _call(number: int, *arguments: int | bytes) -> None:
    import ctypes

    words = [argument if isinstance(argument, bytes) else ctypes.c_long(argument) for argument in arguments]
    if _library().syscall(ctypes.c_long(number), *words) < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def rename(source: int, name: bytes, target: int, new_name: bytes, flags: int) -> None:
    """renameat2(2): ``flags`` are RENAME_*; the names are relative to the directory descriptors."""
    _call(_RENAMEAT2, source, name, target, new_name, flags)


def allocate(descriptor: int, mode: int, offset: int, length: int) -> None:
    """fallocate(2): ``mode`` is FALLOC_FL_* bits; bytes."""
    _call(_FALLOCATE, descriptor, mode, offset, length)


def sync_file_system(descriptor: int) -> None:
    """syncfs(2): have all of the file system that it is on reach the disk."""
    _call(_SYNCFS, descriptor)
