"""Touching a program's memory: the one error of it, and what the processor says of a fault."""

from __future__ import annotations

from typing import Final

from skerry.abi import mach

_WRITE: Final = 2  # bits of the processor's error code of a page fault (Intel SDM, volume 3, 4.7)
_FETCH: Final = 16


class Fault(Exception):
    """An address that a program gave is not mapped, or not for this access.

    ``args[0]`` is the address. A Unix server turns it into ``EFAULT``, a Mach kernel into ``KERN_INVALID_ADDRESS``.
    """


def fault_access(error: int) -> int:
    """The access that faulted (VM_PROT_*), of the processor's error code."""
    return mach.VM_PROT_WRITE if error & _WRITE else mach.VM_PROT_EXECUTE if error & _FETCH else mach.VM_PROT_READ
