"""Devices of the machine as the Unix server sees them: the same calls, with LinuxError for what the host refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from skerry.abi import linux
from skerry.machine.hosttree import HostTree
from skerry.machine.memory import HostFile
from skerry.machine.stream import Stream
from skerry.unix.errors import LinuxError

Arguments = ParamSpec("Arguments")
Value = TypeVar("Value")


def translated(call: Callable[Arguments, Value]) -> Callable[Arguments, Value]:
    """``call`` with LinuxError in place of OSError."""

    def translate(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Value:
        try:
            return call(*args, **kwargs)
        except OSError as error:
            raise LinuxError(error.errno or linux.EIO) from None

    return translate


class TreeDevice:
    """A host directory (:class:`skerry.unix.substrate.HostTree`)."""

    def __init__(self, tree: HostTree) -> None:
        self.stat = translated(tree.stat)
        self.list = translated(tree.list)
        self.readlink = translated(tree.readlink)
        self._open = translated(tree.open)

    def open(self, path: bytes) -> HostFile:
        return self._open(path)


class StreamDevice:
    """A stream (:class:`skerry.unix.substrate.StreamDevice`)."""

    def __init__(self, stream: Stream) -> None:
        self.is_terminal = stream.is_terminal
        self.kind = stream.kind
        self.rdev = stream.rdev
        self.readable = stream.readable
        self.read = translated(stream.read)
        self.write = translated(stream.write)
        self.control = translated(stream.control)
        self.seek = translated(stream.seek)
        self.subscribe = stream.subscribe
