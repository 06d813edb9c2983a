"""Processes and threads of the Unix server."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from skerry.lib.coroutine import Activity, Loop, WaitQueue

if TYPE_CHECKING:
    from skerry.unix.files import FileTable
    from skerry.unix.fs.tmpfs import Directory
    from skerry.unix.inode import Inode
    from skerry.unix.memory import Memory
    from skerry.unix.substrate import Platform, UserThread
    from skerry.unix.vfs import Namespace


class Credentials:
    """Who a process is: real, effective, saved and file-system ids, and groups."""

    def __init__(self, uid: int, gid: int, groups: tuple[int, ...] = ()) -> None:
        self.uid = self.euid = self.suid = self.fsuid = uid
        self.gid = self.egid = self.sgid = self.fsgid = gid
        self.groups = groups


class Place:
    """Where path names start, and the umask: what CLONE_FS shares."""

    def __init__(self, root: Directory, cwd: Directory, umask: int = 0o022) -> None:
        self.root = root
        self.cwd = cwd
        self.umask = umask


class Process:
    """A Unix process: what its threads share."""

    def __init__(self, system: System, pid: int, parent: Process | None) -> None:
        self.system = system
        self.pid = pid
        self.parent = parent
        self.pgid = pid
        self.sid = pid
        self.children: list[Process] = []
        self.threads: dict[int, Thread] = {}
        self.memory: Memory
        self.files: FileTable
        self.place: Place
        self.credentials: Credentials
        self.executable: Inode | None = None
        self.executable_path = b""
        self.arguments: list[bytes] = []
        self.environment: list[bytes] = []
        self.exit_status: int | None = None  # as wait4 says it, once dead
        self.child_changed = WaitQueue()


class Thread:
    """A thread of a process: one flow of control that makes system calls."""

    def __init__(self, process: Process, tid: int, user: UserThread) -> None:
        self.process = process
        self.tid = tid
        self.user = user
        self.activity: Activity | None = None  # the system call that it is blocked in


class System:
    """One booted Unix: the tables that all processes share. Holds no behaviour of its own."""

    def __init__(self, platform: Platform, namespace: Namespace, loop: Loop) -> None:
        self.platform = platform
        self.namespace = namespace
        self.loop = loop
        self.processes: dict[int, Process] = {}
        self.hostname = b"skerry"
        self.boot_time = platform.realtime()
        self.on_first_exit: Callable[[int], Any] | None = None  # told the wait status of the first process
