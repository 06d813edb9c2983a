"""Skerry: a microkernel operating system in Python that runs real, unmodified Linux programs.

From Python::

    import skerry

    result = skerry.run(["python3", "-c", "print(6 * 7)"], timeout=5, memory="256M")
    print(result.status, result.text)

docs/reference/python.md tells all of it. The names below are imported when they are first used: the kernel and its tasks need none of them.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skerry.api import (
        DEVNULL,
        PIPE,
        STDOUT,
        BlockingSystem,
        CallError,
        Error,
        NotFound,
        Program,
        Result,
        System,
        SystemEnded,
        Task,
        Timeout,
        run,
    )

__all__ = [
    "DEVNULL",
    "PIPE",
    "STDOUT",
    "BlockingSystem",
    "CallError",
    "Error",
    "NotFound",
    "Program",
    "Result",
    "System",
    "SystemEnded",
    "Task",
    "Timeout",
    "run",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'skerry' has no attribute {name!r}")
    from skerry import api

    return getattr(api, name)
