"""/proc/PID/ns: the namespaces of a process. There is one of each kind, which all processes share.

Source: namespaces(7).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.unix.files import OpenFile
from skerry.unix.inode import FileSystem, Inode

if TYPE_CHECKING:
    from skerry.unix.process import Thread

NAMESPACE_FILE_SYSTEM: Final = FileSystem("nsfs", 4, 0x6E736673)
NAMESPACES: Final = {  # the first of each kind, as Linux numbers them
    b"cgroup": 4026531835,
    b"ipc": 4026531839,
    b"mnt": 4026531841,
    b"net": 4026531840,
    b"pid": 4026531836,
    b"pid_for_children": 4026531836,
    b"time": 4026531834,
    b"time_for_children": 4026531834,
    b"user": 4026531837,
    b"uts": 4026531838,
}


def text(name: bytes) -> bytes:
    """What the link of this name says."""
    return b"%s:[%d]" % (name.removesuffix(b"_for_children"), NAMESPACES[name])


class Namespace(Inode):
    """What a link in /proc/PID/ns leads to: two processes share a namespace if they have the same inode."""

    immutable = True

    def __init__(self, name: bytes, now: int) -> None:
        super().__init__(NAMESPACE_FILE_SYSTEM, NAMESPACES[name], linux.S_IFREG | 0o444, 0, 0, now)
        self._name = name

    def open(self, thread: Thread, flags: int) -> OpenFile:
        return OpenFile(self, flags, text(self._name))
