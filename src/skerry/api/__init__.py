"""Skerry from Python: systems, programs and native tasks. ``skerry`` re-exports it; docs/reference/python.md explains."""

from skerry.api.blocking import BlockingSystem, run
from skerry.api.errors import CallError, Error, NotFound, SystemEnded, Timeout
from skerry.api.process import DEVNULL, PIPE, STDOUT, Program, Result
from skerry.api.system import System
from skerry.api.task import Task

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
