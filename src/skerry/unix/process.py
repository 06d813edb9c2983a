"""Processes and threads of the Unix server: what there is of each. What they do stands in lifecycle, signals and the system calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from skerry.abi import linux
from skerry.lib.coroutine import Activity, Loop, Timer, WaitQueue
from skerry.unix.capabilities import of_user
from skerry.unix.fs.tmpfs import MemoryFileSystem
from skerry.unix.futex import Futexes
from skerry.unix.limits import Limits
from skerry.unix.mq import MessageQueues as PosixQueues
from skerry.unix.net.network import Network
from skerry.unix.quota import Quota
from skerry.unix.sysv.msg import MessageQueues
from skerry.unix.sysv.sem import SemaphoreSets, Undo
from skerry.unix.sysv.shm import Segments
from skerry.unix.usage import Usage
from skerry.unix.vfs import NameCache

if TYPE_CHECKING:
    from skerry.unix.accounting import IntervalTimer, ProcessorTimer
    from skerry.unix.aio import Context
    from skerry.unix.console import Console
    from skerry.unix.disk import BlockDevice
    from skerry.unix.entry import Handlers
    from skerry.unix.files import FileTable
    from skerry.unix.fs.tmpfs import Directory
    from skerry.unix.inode import FileSystem, Inode
    from skerry.unix.memory import Memory
    from skerry.unix.observe import Observer
    from skerry.unix.ptrace import Tracee
    from skerry.unix.rtc import RealTimeClock
    from skerry.unix.seccomp import Rules
    from skerry.unix.sessions import Terminal
    from skerry.unix.signals import Actions, SignalInfo
    from skerry.unix.substrate import Platform, UserThread
    from skerry.unix.timers import ProcessTimer


INIT: Final = 1  # the system itself: parent of orphans


class Credentials:
    """Who a process is: real, effective, saved and file-system ids, and groups."""

    def __init__(self, uid: int, gid: int, groups: tuple[int, ...] = ()) -> None:
        self.uid = self.euid = self.suid = self.fsuid = uid
        self.gid = self.egid = self.sgid = self.fsgid = gid
        self.groups = groups
        self.capabilities = of_user(uid)
        self.keep_capabilities = False  # PR_SET_KEEPCAPS
        self.secure_bits = 0  # kept, not obeyed

    def has(self, capability: int) -> bool:
        """Whether the effective set holds this bit."""
        return bool(self.capabilities.effective & capability)

    def in_group(self, gid: int) -> bool:
        """Whether files of the group ``gid`` are its group's."""
        return gid == self.fsgid or gid in self.groups

    def as_real(self) -> Credentials:
        """Those that access(2) asks with: the real ids in place of those for files."""
        held = self.capabilities
        effective = held.permitted if self.uid == 0 else 0
        if (self.uid, self.gid, effective) == (self.fsuid, self.fsgid, held.effective):
            return self
        real = self.copy()
        real.fsuid, real.fsgid, real.capabilities = self.uid, self.gid, replace(held, effective=effective)
        return real

    def copy(self) -> Credentials:
        """Those of a forked child."""
        new = Credentials(self.uid, self.gid, self.groups)
        new.__dict__.update(self.__dict__)
        return new


class Place:
    """Where path names start, and the umask: what CLONE_FS shares."""

    def __init__(self, root: Directory, cwd: Directory, umask: int = 0o022) -> None:
        self.root = root
        self.cwd = cwd
        self.umask = umask


class Process:
    """A Unix process: what its threads share."""

    def __init__(
        self,
        system: System,
        pid: int,
        parent: Process | None,
        memory: Memory,
        files: FileTable,
        place: Place,
        credentials: Credentials,
        actions: Actions,
    ) -> None:
        self.system = system
        self.pid = pid
        self.parent = parent
        self.pgid: int = parent.pgid if parent else pid
        self.sid: int = parent.sid if parent else pid
        self.terminal: Terminal | None = parent.terminal if parent else None  # that controls it
        self.hung_up_group = 0  # in the foreground of the terminal that its session had
        self.program: int = parent.program if parent else pid  # the process begun from outside that it descends from
        self.children: list[Process] = []
        self.threads: dict[int, Thread] = {}
        self.memory = memory
        self.files = files
        self.place = place
        self.credentials = credentials
        self.actions = actions
        self.pending: list[SignalInfo] = []
        self.signal_sent = WaitQueue()  # woken when a signal becomes pending, for the process or a thread of it
        self.timers: dict[int, ProcessTimer] = {}  # timer_create
        self.last_timer = -1
        self.aio: dict[int, Context] = {}  # io_setup
        self.limits: dict[int, tuple[int, int]] = dict(parent.limits) if parent else {}
        self.executable: Inode | None = parent.executable if parent else None
        self.executable_path: bytes = parent.executable_path if parent else b""
        self.strings: tuple[int, int, int] = parent.strings if parent else (0, 0, 0)  # where its arguments begin, end, its environment ends
        self.auxiliary: bytes = parent.auxiliary if parent else b""  # the auxiliary vector of its program
        self.exit_signal = linux.SIGCHLD
        self.exit_status: int | None = None  # as wait4 says it, once dead
        self.stopped = 0  # by which signal
        self.change: int | None = None  # a stop or continuation that wait has not reported, as a wait status
        self.child_changed = WaitQueue()
        self.ended = WaitQueue()  # woken when it is dead
        self.undo: Undo | None = None  # semaphore operations that its end undoes
        self.usage = Usage()  # once dead
        self.children_usage = Usage()  # of children that were waited for
        self.limit_timer: ProcessorTimer | None = None  # RLIMIT_CPU
        self.interval_timers: dict[int, IntervalTimer] = {}  # ITIMER_VIRTUAL, ITIMER_PROF
        self.nice: int = parent.nice if parent else 0
        self.io_priority: int = parent.io_priority if parent else 0
        self.policy: int = parent.policy if parent else linux.SCHED_OTHER
        self.static_priority: int = parent.static_priority if parent else 0
        self.alarm_due = 0  # ns; 0: none
        self.alarm_interval = 0
        self.alarm_timer: Timer | None = None
        self.started = system.platform.monotonic()
        self.dumpable = 1
        self.no_new_privileges = 0
        self.no_huge_pages: int = parent.no_huge_pages if parent else 0  # kept, not obeyed
        self.personality: int = parent.personality if parent else 0
        self.oom_score_adjustment: int = parent.oom_score_adjustment if parent else 0
        self.subreaper = False
        self.death_signal = 0  # sent when the parent dies
        self.tracees: list[Tracee] = []  # threads that it traces
        self.traced_leader: Tracee | None = None  # its first thread has ended and was traced
        self.parent_waits: WaitQueue | None = None  # of a vfork child that borrows nothing: woken when its parent may go on
        self.has_executed = False


class Borrowed:
    """The state of a vfork parent whose thread below the child uses until it execs or exits."""

    def __init__(self, parent: Thread) -> None:
        user = parent.user
        self.parent = parent
        self.registers = user.registers()
        self.xstate = user.xstate()
        self.fs_base = user.fs_base
        self.gs_base = user.gs_base


class Thread:
    """A thread of a process: one flow of control that makes system calls."""

    def __init__(self, process: Process, tid: int, user: UserThread) -> None:
        self.process = process
        self.tid = tid
        self.user = user
        self.name = b""
        self.activity: Activity | None = None  # the system call that it is blocked in
        self.call = -1  # the number of the system call that it is in; -1: none, or not to be restarted
        self.restart = False  # that call was broken off and may be made again
        self.restarts_always = False  # and is made again whatever the signal's handler says
        self.restarts_unhandled = False  # and is made again if no handler runs, and only then
        self.kept_deadline = 0  # of a sleep that was broken off and is made again (ns, monotonic)
        self.in_server = True  # its registers are ours; False: the program runs
        self.mask = 0  # blocked signals, bit n-1 for signal n
        self.saved_mask: int | None = None  # what sigsuspend and ppoll put back
        self.pending: list[SignalInfo] = []
        self.altstack = (0, linux.SS_DISABLE, 0)  # address, flags, size
        self.clear_child_tid = 0
        self.affinity = 0  # processors that it may run on, bit n for number n; 0: all. Kept, not obeyed
        self.timer_slack = 50_000  # ns; kept, not obeyed
        self.robust_list = 0
        self.borrowed: Borrowed | None = None
        self.tracee: Tracee | None = None  # it is traced
        self.seccomp: Rules | None = None  # what it may call
        self.handlers = process.system.handlers  # of its system calls: what is called, with how many arguments
        self.dead = False


class System:
    """One booted Unix: the tables that all processes share. Holds no behaviour of its own."""

    def __init__(self, platform: Platform, root: Directory, loop: Loop) -> None:
        self.platform = platform
        self.root = root
        self.loop = loop
        self.console: Console | None = None  # the terminal of who gave the command
        self.names = NameCache()
        self.futexes = Futexes()
        self.network = Network()
        self.segments = Segments()
        self.semaphores = SemaphoreSets()
        self.queues = MessageQueues()
        self.processes: dict[int, Process] = {}
        self.last_pid = INIT
        self.last_ino = 0
        self.last_device = 0  # of a file system that a program mounted
        self.mounted: list[FileSystem] = []  # by programs
        self.disks: dict[int, BlockDevice] = {}  # by number
        self.clock: RealTimeClock | None = None  # since somebody has opened it
        self.last_cookie = 0  # of a move that inotify reported
        self.hostname = b"skerry"
        self.domain = b"(none)"
        self.boot_time = platform.realtime()
        self.inotify_instances = Quota(128, linux.EMFILE)
        self.inotify_watches = Quota(65_536, linux.ENOSPC)
        self.epoll_watches = Quota(1 << 20, linux.ENOSPC)
        self.limits = Limits()
        self.first: Process | None = None
        self.handlers: Handlers = {}  # of all system calls; the server's table, filled in when it is made
        self.observers: tuple[Observer, ...] = ()
        self.emulation = True  # programs' emulation libraries answer what they can; False: every call traps, to be seen
        self.on_end: Callable[[int], Any] | None = None  # told the wait status of the first process
        self.on_stop: Callable[[], Any] | None = None  # told that the first process was stopped, by whom who can continue it is outside

    @cached_property
    def shared_memory(self) -> MemoryFileSystem:
        """Where files without names live: memfd_create, System V shared memory."""
        return MemoryFileSystem(self.platform, 1, storage=self.limits.storage)

    @cached_property
    def message_files(self) -> PosixQueues:
        """POSIX message queues, and their names."""
        return PosixQueues(self)

    def new_pid(self) -> int:
        """A number that no process, thread, group or session has."""
        self.last_pid += 1
        return self.last_pid
