"""What a kernel call can answer.

Raised where an error is found; converted at two boundaries only: ``calls.invoke`` for kernel calls, ``ipc.mach_msg`` for messages.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from skerry.abi import mach


class KernReturn(IntEnum):
    """kern_return_t."""

    SUCCESS = mach.KERN_SUCCESS
    INVALID_ADDRESS = mach.KERN_INVALID_ADDRESS
    PROTECTION_FAILURE = mach.KERN_PROTECTION_FAILURE
    NO_SPACE = mach.KERN_NO_SPACE
    INVALID_ARGUMENT = mach.KERN_INVALID_ARGUMENT
    FAILURE = mach.KERN_FAILURE
    RESOURCE_SHORTAGE = mach.KERN_RESOURCE_SHORTAGE
    NOT_RECEIVER = mach.KERN_NOT_RECEIVER
    NO_ACCESS = mach.KERN_NO_ACCESS
    MEMORY_FAILURE = mach.KERN_MEMORY_FAILURE
    MEMORY_ERROR = mach.KERN_MEMORY_ERROR
    NOT_IN_SET = mach.KERN_NOT_IN_SET
    NAME_EXISTS = mach.KERN_NAME_EXISTS
    ABORTED = mach.KERN_ABORTED
    INVALID_NAME = mach.KERN_INVALID_NAME
    INVALID_TASK = mach.KERN_INVALID_TASK
    INVALID_RIGHT = mach.KERN_INVALID_RIGHT
    INVALID_VALUE = mach.KERN_INVALID_VALUE
    UREFS_OVERFLOW = mach.KERN_UREFS_OVERFLOW
    INVALID_CAPABILITY = mach.KERN_INVALID_CAPABILITY
    RIGHT_EXISTS = mach.KERN_RIGHT_EXISTS
    INVALID_HOST = mach.KERN_INVALID_HOST
    MEMORY_PRESENT = mach.KERN_MEMORY_PRESENT
    WRITE_PROTECTION_FAILURE = mach.KERN_WRITE_PROTECTION_FAILURE
    TERMINATED = mach.KERN_TERMINATED
    TIMEDOUT = mach.KERN_TIMEDOUT
    INTERRUPTED = mach.KERN_INTERRUPTED


class KernError(Exception):
    """A kernel call failed with ``code``."""

    def __init__(self, code: KernReturn) -> None:
        super().__init__(code.name)
        self.code = code


class CallFailure(Exception):
    """A call on an object whose codes are no kern_return_t (a device: D_*) failed with ``code``."""

    def __init__(self, code: int) -> None:
        super().__init__(str(code))
        self.code: Final = code


class MessageError(Exception):
    """A send or receive failed with ``code``, a mach_msg_return_t."""

    def __init__(self, code: int) -> None:
        super().__init__(f"{code:#x}")
        self.code: Final = code
