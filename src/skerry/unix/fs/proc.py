"""/proc, as programs read it: generated when it is looked at.

Source: proc(5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from skerry.abi import linux
from skerry.unix import inotify
from skerry.unix.errors import LinuxError
from skerry.unix.files import OpenFile
from skerry.unix.fs import namespaces, procdetail, procdisk, procmem, procnet, proctext
from skerry.unix.fs.generated import GeneratedDirectory, GeneratedFile, GeneratedLink, GeneratedTree, ProcessDirectory
from skerry.unix.fs.tmpfs import MemoryFileSystem
from skerry.unix.inode import Inode
from skerry.unix.memory import PAGE
from skerry.unix.process import Process, System, Thread
from skerry.unix.syscalls.system import RELEASE
from skerry.unix.sysv import msg, sem, shm
from skerry.unix.sysv.identifiers import MOST
from skerry.unix.vfs import path_of

PROC_MAGIC: Final = 0x9FA0
_PRIVATE: Final = (b"environ", b"auxv", b"syscall")  # for who may trace the process
_DELETED: Final = b" (deleted)"
_FILE_SYSTEMS: Final = b"nodev\tproc\nnodev\ttmpfs\nnodev\tdevtmpfs\nnodev\toverlay\n"


class Proc:
    """Makes the inodes of /proc for one system."""

    def __init__(self, system: System, device: int) -> None:
        self.system = system
        self.fs = MemoryFileSystem(system.platform, device, "proc", PROC_MAGIC)
        self.fs.supports_xattrs = False
        self._files: dict[bytes, Callable[[], bytes]] = {
            b"filesystems": lambda: _FILE_SYSTEMS,
            b"meminfo": lambda: proctext.meminfo(system),
            b"cpuinfo": lambda: proctext.cpuinfo(system),
            b"stat": lambda: proctext.stat(system),
            b"uptime": lambda: proctext.uptime(system),
            b"loadavg": lambda: proctext.loadavg(system),
            b"vmstat": lambda: proctext.vmstat(system),
            b"swaps": lambda: proctext.swaps(system),
            b"devices": lambda: procdisk.devices(system),
            b"partitions": lambda: procdisk.partitions(system),
            b"diskstats": lambda: procdisk.statistics(system),
            b"version": lambda: b"Linux version " + RELEASE + b" (skerry) #1 SMP Skerry\n",
            b"cmdline": lambda: b"skerry\n",
            b"sys/kernel/ngroups_max": lambda: b"65536\n",
            b"sys/kernel/pid_max": lambda: b"4194304\n",
            b"sys/kernel/cap_last_cap": lambda: b"40\n",
            b"sys/kernel/osrelease": lambda: RELEASE + b"\n",
            b"sys/kernel/ostype": lambda: b"Linux\n",
            b"sys/kernel/domainname": lambda: system.domain + b"\n",
            b"sys/kernel/hostname": lambda: system.hostname + b"\n",
            b"sys/kernel/random/uuid": self._uuid,
            b"sys/kernel/random/entropy_avail": lambda: b"256\n",
            b"sys/vm/overcommit_memory": lambda: b"0\n",
            b"sys/vm/max_map_count": lambda: b"65530\n",
            b"sys/kernel/random/boot_id": lambda: self._boot_id,
            b"sys/fs/inotify/max_queued_events": lambda: b"%d\n" % inotify.MAX_QUEUED,
            b"sys/fs/inotify/max_user_instances": lambda: b"%d\n" % system.inotify_instances.limit,
            b"sys/fs/inotify/max_user_watches": lambda: b"%d\n" % system.inotify_watches.limit,
            b"sys/fs/epoll/max_user_watches": lambda: b"%d\n" % system.epoll_watches.limit,
            b"sys/kernel/threads-max": lambda: b"8000\n",
            b"sys/kernel/version": lambda: b"#1 SMP Skerry\n",
            b"sys/kernel/yama/ptrace_scope": lambda: b"0\n",
            b"sys/vm/swappiness": lambda: b"60\n",
            b"sys/fs/file-max": lambda: b"1048576\n",
            b"sys/fs/nr_open": lambda: b"1048576\n",
            b"sys/fs/file-nr": lambda: b"%d\t0\t1048576\n" % sum(len(p.files.files) for p in system.processes.values()),
            b"sys/kernel/shmmax": lambda: b"%d\n" % shm.LARGEST,
            b"sys/kernel/shmall": lambda: b"%d\n" % (shm.LARGEST >> 12),
            b"sys/kernel/shmmni": lambda: b"%d\n" % MOST,
            b"sys/kernel/sem": lambda: b"%d\t%d\t%d\t%d\n" % (sem.SET_MAX, sem.ALL_MAX, sem.OPERATIONS_MAX, MOST),
            b"sys/kernel/msgmax": lambda: b"%d\n" % msg.MESSAGE_MAX,
            b"sys/kernel/msgmnb": lambda: b"%d\n" % msg.QUEUE_BYTES,
            b"sys/kernel/msgmni": lambda: b"%d\n" % MOST,
            b"sysvipc/shm": lambda: procdetail.shared_segments(system),
            b"sysvipc/sem": lambda: procdetail.semaphore_sets(system),
            b"sysvipc/msg": lambda: procdetail.message_queues(system),
            b"sys/fs/pipe-max-size": lambda: b"1048576\n",
        }
        self._boot_id = self._uuid()
        self._files.update(procnet.files(system.network))
        self._tree = GeneratedTree(self.fs, self._files)

    def root(self) -> GeneratedDirectory:
        def names() -> Iterable[bytes]:
            return [*self._tree.names(b""), *(b"%d" % pid for pid in self.system.processes), b"self", b"thread-self", b"mounts"]

        self._root = GeneratedDirectory(self.fs, names, self._make)
        return self._root

    def _walk(self, path: bytes) -> Inode:
        """What lies at ``path`` below the root. Raises ENOENT."""
        inode: Inode = self._root
        for name in path.split(b"/"):
            inode = inode.lookup(name)
        return inode

    def _make(self, name: bytes) -> Inode | None:
        found = self._tree.make(name)
        if found is not None:
            return found
        if name == b"self":
            own: Callable[[Thread | None], bytes] = lambda t: b"%d" % (t.process.pid if t else 0)  # noqa: E731
            return GeneratedLink(self.fs, own, lambda t: self._walk(own(t)))
        if name == b"thread-self":
            target: Callable[[Thread | None], bytes] = lambda t: b"%d/task/%d" % (t.process.pid, t.tid) if t else b""  # noqa: E731
            return GeneratedLink(self.fs, target, lambda t: self._walk(target(t)))
        if name == b"mounts":
            return GeneratedLink(self.fs, lambda thread: b"self/mounts")
        process = self.system.processes.get(int(name)) if name.isdigit() else None
        return self._process(process) if process is not None else None

    def _process(self, process: Process, thread: Thread | None = None) -> GeneratedDirectory:
        """/proc/PID; with ``thread``, /proc/PID/task/TID."""
        files: dict[bytes, Callable[[], bytes]] = {
            b"maps": lambda: process.memory.text() + _vdso(process.system.platform.clock_page()),
            b"status": lambda: proctext.status(process, thread),
            b"stat": lambda: proctext.process_stat(process, thread),
            b"statm": lambda: proctext.statm(process),
            b"cmdline": lambda: procdetail.command_line(process),
            b"environ": lambda: procdetail.environment(process),
            b"limits": lambda: proctext.limits(process),
            b"mounts": lambda: proctext.mounts(process.system),
            b"mountinfo": lambda: proctext.mountinfo(process.system),
            b"oom_score": lambda: b"0\n",
            b"wchan": lambda: b"0",
            b"personality": lambda: b"%08x\n" % process.personality,
            b"cgroup": lambda: b"0::/\n",
            b"loginuid": lambda: b"4294967295\n",
            b"coredump_filter": lambda: b"00000033\n",
            b"smaps_rollup": lambda: procdetail.memory_sum(process),
            b"auxv": lambda: process.auxiliary,
            b"syscall": lambda: procmem.system_call(process, thread),
        }
        if thread is not None:
            files[b"children"] = lambda: procdetail.children(process)
        writable: dict[bytes, tuple[Callable[[], bytes], Callable[[bytes], None]]] = {
            b"comm": (lambda: _named(process, thread), lambda data: _rename(process, thread, data)),
            b"oom_score_adj": (lambda: b"%d\n" % process.oom_score_adjustment, lambda data: _adjust(process, data)),
        }
        links: dict[bytes, tuple[Callable[[Thread | None], bytes], Callable[[Thread], Inode | None]]] = {
            b"exe": (lambda _: process.executable_path, lambda _: process.executable),
            b"cwd": (lambda _: path_of(process.place.cwd, process.place.root), lambda _: process.place.cwd),
            b"root": (lambda _: b"/", lambda _: process.place.root),
        }
        names = [*files, *writable, *links, b"mem", b"fd", b"fdinfo", b"ns", *([b"task"] if thread is None else [])]

        def make(name: bytes) -> Inode | None:
            if name in files:
                file = GeneratedFile(self.fs, files[name])
                if name in _PRIVATE:
                    file.mode, file.uid, file.gid = linux.S_IFREG | 0o400, process.credentials.euid, process.credentials.egid
                return file
            if name in writable:
                return GeneratedFile(self.fs, *writable[name])
            if name in links:
                return GeneratedLink(self.fs, *links[name])
            if name == b"mem":
                return procmem.MemoryInode(self.fs, process)
            if name == b"fd":
                return GeneratedDirectory(self.fs, fds, make_fd)
            if name == b"fdinfo":
                return GeneratedDirectory(self.fs, fds, make_information)
            if name == b"ns":
                return GeneratedDirectory(self.fs, lambda: namespaces.NAMESPACES, make_namespace)
            if name == b"task" and thread is None:
                return GeneratedDirectory(self.fs, tids, make_task)
            return None

        def fds() -> list[bytes]:
            return [b"%d" % fd for fd in sorted(process.files.files)]

        def make_information(name: bytes) -> Inode | None:
            file = process.files.files.get(int(name)) if name.isdigit() else None
            return GeneratedFile(self.fs, lambda: procdetail.file_information(process, int(name), file)) if file is not None else None

        def make_namespace(name: bytes) -> Inode | None:
            if name not in namespaces.NAMESPACES:
                return None
            return GeneratedLink(self.fs, lambda _: namespaces.text(name), lambda _: namespaces.Namespace(name, self.fs.now()))

        def make_task(name: bytes) -> Inode | None:
            task = process.threads.get(int(name)) if name.isdigit() else None
            return self._process(process, task) if task is not None else None

        def tids() -> list[bytes]:
            return [b"%d" % tid for tid in process.threads]

        def make_fd(name: bytes) -> Inode | None:
            file = process.files.files.get(int(name)) if name.isdigit() else None
            return GeneratedLink(self.fs, lambda _: _path_now(file), lambda _: file.inode) if file is not None else None

        directory = GeneratedDirectory(self.fs, lambda: names, make) if thread else ProcessDirectory(self.fs, lambda: names, make)
        if isinstance(directory, ProcessDirectory):
            directory.process = process
        directory.uid, directory.gid = process.credentials.euid, process.credentials.egid
        return directory

    def _uuid(self) -> bytes:
        text = self.system.platform.random(16).hex()
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}\n".encode()


def _vdso(address: int) -> bytes:
    """Its line of /proc/PID/maps: it lies above all that a process maps."""
    line = f"{address:08x}-{address + PAGE:08x} r-xp 00000000 00:00 0"
    return line.ljust(73).encode() + b"[vdso]\n" if address else b""


def _path_now(file: OpenFile) -> bytes:
    """Where the file was opened, and whether it is gone from there."""
    gone = file.inode.nlink == 0 and file.path[:1] == b"/" and not file.path.endswith(_DELETED)
    return file.path + _DELETED if gone else file.path


def _named(process: Process, thread: Thread | None) -> bytes:
    """comm."""
    if thread is None and process.threads:
        thread = proctext.leader(process)
    return (thread.name if thread is not None else b"") + b"\n"


def _rename(process: Process, thread: Thread | None, name: bytes) -> None:
    """A write to comm."""
    if thread is None and process.threads:
        thread = proctext.leader(process)
    if thread is not None:
        thread.name = name.rstrip(b"\n")[:15]


def _adjust(process: Process, text: bytes) -> None:
    """A write to oom_score_adj, which is kept and not obeyed. Raises EINVAL."""
    try:
        value = int(text)
    except ValueError:
        raise LinuxError(linux.EINVAL) from None
    if not -1000 <= value <= 1000:
        raise LinuxError(linux.EINVAL)
    process.oom_score_adjustment = value
