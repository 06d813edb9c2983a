"""System calls on sockets: there is no address family yet, so no descriptor is one.

``socket`` says so; the others say that the descriptor is none (programs ask getpeername of their standard input to learn who started them).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skerry.abi import linux
from skerry.unix.arguments import c_int
from skerry.unix.errors import LinuxError

if TYPE_CHECKING:
    from skerry.unix.process import Thread


def sys_socket(thread: Thread, family: int, kind: int, protocol: int) -> int:
    raise LinuxError(linux.EAFNOSUPPORT)


def sys_on_socket(thread: Thread, fd: int) -> int:
    """Any call whose first argument must be a socket."""
    thread.process.files[c_int(fd)]  # EBADF comes first
    raise LinuxError(linux.ENOTSOCK)
