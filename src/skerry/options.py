"""What `skerry run` was asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class UserError(Exception):
    """The command cannot be done as it was given; the text says what is wrong and what to do. ``status`` is the exit status."""

    def __init__(self, text: str, status: int = 125) -> None:
        super().__init__(text)
        self.status = status


class Config(Enum):
    """Which kernel, and where Unix runs."""

    MACH_COLOCATED = "mach-colocated"  # in the kernel's address space
    MACH = "mach"  # in a task of its own


class Writes(Enum):
    """What becomes of writes in a directory that was bound."""

    LAYER = ""  # they stay inside, in memory
    REFUSED = "ro"  # EROFS
    THROUGH = "rw"  # the host's files change


@dataclass(frozen=True, slots=True)
class Bind:
    """The host directory ``source`` is shown at ``place`` inside."""

    source: bytes
    place: bytes
    writes: Writes = Writes.LAYER


@dataclass(frozen=True, slots=True)
class Mount:
    """A translator serves the tree at ``place``: the class in a user's file (``FILE.py:CLASS``), or an fsspec URL."""

    source: str
    place: bytes
    is_url: bool
    writable: bool  # a URL's files may be changed; a class says that itself
    text: str  # as it was given


@dataclass(frozen=True, slots=True)
class DiskImage:
    """The host file at ``path`` is the block device /dev/``name`` inside."""

    name: str
    path: bytes
    writable: bool  # what is written goes to the file
    text: str  # as it was given


class Net(Enum):
    """What a program reaches beyond its own loopback."""

    NONE = "none"
    HOST = "host"  # the host's network, but not what listens on the host's loopback
    HOST_AND_LOOPBACK = "host,lo"  # that too, where nobody inside listens


@dataclass(frozen=True, slots=True)
class Publish:
    """A port of the host that leads to a port inside. ``host`` is 16 bytes, an IPv4 one mapped; ``text``: as it was given."""

    host: bytes
    host_port: int  # 0: any that is free
    port: int
    datagrams: bool  # UDP
    text: str


@dataclass(frozen=True, slots=True)
class Options:
    """One run. Paths are the host's, as bytes; ``environment`` is the program's, whole."""

    arguments: list[bytes]  # of the program; none: the system waits for programs from outside
    config: Config = Config.MACH_COLOCATED
    root: bytes = b"/"
    upper: str = ""  # host directory that keeps what is written; "": it is gone at the end
    user: str = ""  # who the program is inside: NAME, UID or UID:GID; "": who gives the command
    binds: list[Bind] = field(default_factory=list)
    mounts: list[Mount] = field(default_factory=list)
    disk_images: list[DiskImage] = field(default_factory=list)
    environment: list[bytes] = field(default_factory=list)
    directory: bytes = b"/"  # to start in
    directory_given: bool = False  # False: where the command was given; the root if that cannot be seen inside
    memory: int = 0  # bytes that all processes and the files in memory may have in use; 0: no limit, as with those below
    swap: int = 0  # bytes of programs' memory that may be paged out beyond ``memory``; 0: none is
    swap_directory: str = ""  # where the host's file for it is made; "": in the usual place
    disk: int = 0  # bytes that files may have stored in memory
    processes: int = 0  # processes and threads that there may be
    processors: float = 0.0  # that may be kept busy
    timeout: int = 0  # ns until all processes are killed
    net: Net = Net.NONE
    publish: list[Publish] = field(default_factory=list)
    strace: bool = False
    stats: bool = False
    trace: str = ""  # host file that what happens is written to; "": none
