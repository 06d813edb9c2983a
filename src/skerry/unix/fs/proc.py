"""/proc, as programs read it: generated when it is looked at.

Source: proc(5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.unix.errors import LinuxError
from skerry.unix.files import OpenFile, RegularFile
from skerry.unix.fs.tmpfs import Directory, MemoryFileSystem
from skerry.unix.inode import Inode
from skerry.unix.memory import PAGE
from skerry.unix.process import INIT, Process, System, Thread
from skerry.unix.syscalls.system import RELEASE, limit_of
from skerry.unix.vfs import path_of

if TYPE_CHECKING:
    from skerry.unix.substrate import Buffer

PROC_MAGIC: Final = 0x9FA0
_LIMITS: Final = (
    ("Max cpu time", 0, "seconds"),
    ("Max file size", 1, "bytes"),
    ("Max data size", 2, "bytes"),
    ("Max stack size", 3, "bytes"),
    ("Max core file size", 4, "bytes"),
    ("Max resident set", 5, "bytes"),
    ("Max processes", 6, "processes"),
    ("Max open files", 7, "files"),
    ("Max locked memory", 8, "bytes"),
    ("Max address space", 9, "bytes"),
)
_DELETED: Final = b" (deleted)"
_FILE_SYSTEMS: Final = b"nodev\tproc\nnodev\ttmpfs\nnodev\tdevtmpfs\nnodev\toverlay\n"
_MOUNTS: Final = (("overlay", "/", "overlay"), ("proc", "/proc", "proc"), ("devtmpfs", "/dev", "devtmpfs"), ("tmpfs", "/tmp", "tmpfs"))


class ProcFile(Inode):
    """A file whose contents a function gives."""

    def __init__(self, fs: MemoryFileSystem, contents: Callable[[], bytes], mode: int = 0o444) -> None:
        super().__init__(fs, fs.next_ino(), linux.S_IFREG | mode, 0, 0, fs.now())
        self._contents = contents

    def open(self, thread: Thread, flags: int) -> OpenFile:
        return SnapshotFile(self, flags, self._contents())


class SnapshotFile(RegularFile):
    """The contents as they were when the file was opened."""

    def __init__(self, inode: Inode, flags: int, contents: bytes) -> None:
        super().__init__(inode, flags, b"")
        self._data = contents

    def read_at(self, count: int, offset: int) -> bytes:
        return self._data[offset : offset + count]

    def read(self, count: int) -> bytes | None:
        data = self._data[self.position : self.position + count]
        self.position += len(data)
        return data

    def write_at(self, data: bytes, offset: int) -> int:
        return len(data) if isinstance(self.inode, ProcFile) and self.inode.mode & 0o200 else self._refuse(data)

    def _refuse(self, data: Buffer) -> int:
        raise LinuxError(linux.EINVAL)


class ProcLink(Inode):
    """A link whose target a function gives; ``where`` is the inode itself, for magic links."""

    def __init__(
        self, fs: MemoryFileSystem, target: Callable[[Thread | None], bytes], where: Callable[[Thread], Inode | None] | None = None
    ) -> None:
        super().__init__(fs, fs.next_ino(), linux.S_IFLNK | 0o777, 0, 0, fs.now())
        self._target = target
        self._where = where

    def readlink(self) -> bytes:
        return self._target(None)

    def readlink_for(self, thread: Thread) -> bytes:
        return self._target(thread)

    def follow(self, thread: Thread) -> Inode | None:
        return self._where(thread) if self._where is not None else None


class ProcDirectory(Directory):
    """A directory whose names a function gives."""

    def __init__(self, fs: MemoryFileSystem, names: Callable[[], Iterable[bytes]], make: Callable[[bytes], Inode | None]) -> None:
        super().__init__(fs, fs.next_ino(), linux.S_IFDIR | 0o555, 0, 0, fs.now())
        self._names = names
        self._make = make

    def lookup(self, name: bytes) -> Inode:
        child = self._make(name)
        if child is None:
            raise LinuxError(linux.ENOENT)
        if isinstance(child, Directory):
            child.parent, child.name = self, name
        return child

    def entries(self) -> Iterable[tuple[bytes, Inode]]:
        return [(name, child) for name in self._names() if (child := self._make(name)) is not None]

    def create(self, name: bytes, mode: int, uid: int, gid: int, now: int, rdev: int = 0) -> Inode:
        raise LinuxError(linux.ENOENT)

    def _add(self, name: bytes, child: Inode, now: int) -> None:
        raise LinuxError(linux.EPERM)

    def _remove(self, name: bytes, now: int) -> None:
        raise LinuxError(linux.EPERM)


class Proc:
    """Makes the inodes of /proc for one system."""

    def __init__(self, system: System, device: int) -> None:
        self.system = system
        self.fs = MemoryFileSystem(system.platform, device, "proc", PROC_MAGIC)
        self._files: dict[bytes, Callable[[], bytes]] = {
            b"filesystems": lambda: _FILE_SYSTEMS,
            b"meminfo": self._meminfo,
            b"cpuinfo": self._cpuinfo,
            b"stat": self._stat,
            b"uptime": lambda: b"%.2f 0.00\n" % (self._uptime() / 1e9),
            b"loadavg": lambda: b"0.00 0.00 0.00 1/%d %d\n" % (len(system.processes), system.last_pid),
            b"version": lambda: b"Linux version " + RELEASE + b" (skerry) #1 SMP Skerry\n",
            b"cmdline": lambda: b"skerry\n",
            b"sys/kernel/ngroups_max": lambda: b"65536\n",
            b"sys/kernel/pid_max": lambda: b"4194304\n",
            b"sys/kernel/cap_last_cap": lambda: b"40\n",
            b"sys/kernel/osrelease": lambda: RELEASE + b"\n",
            b"sys/kernel/ostype": lambda: b"Linux\n",
            b"sys/kernel/hostname": lambda: system.hostname + b"\n",
            b"sys/kernel/random/uuid": self._uuid,
            b"sys/kernel/random/entropy_avail": lambda: b"256\n",
            b"sys/vm/overcommit_memory": lambda: b"0\n",
            b"sys/vm/max_map_count": lambda: b"65530\n",
            b"sys/fs/file-max": lambda: b"1048576\n",
        }

    def root(self) -> ProcDirectory:
        return self._directory(b"")

    def _directory(self, prefix: bytes) -> ProcDirectory:
        def names() -> Iterable[bytes]:
            found = {path[len(prefix) :].split(b"/")[0] for path in self._files if path.startswith(prefix)}
            if not prefix:
                found |= {b"%d" % pid for pid in self.system.processes} | {b"self", b"thread-self", b"mounts"}
            return sorted(found)

        return ProcDirectory(self.fs, names, lambda name: self._make(prefix, name))

    def _make(self, prefix: bytes, name: bytes) -> Inode | None:
        path = prefix + name
        contents = self._files.get(path)
        if contents is not None:
            return ProcFile(self.fs, contents)
        if any(known.startswith(path + b"/") for known in self._files):
            return self._directory(path + b"/")
        if prefix:
            return None
        if name == b"self":
            return ProcLink(self.fs, lambda thread: b"%d" % (thread.process.pid if thread else 0), lambda t: self._process(t.process))
        if name == b"thread-self":
            target: Callable[[Thread | None], bytes] = lambda t: b"%d/task/%d" % (t.process.pid, t.tid) if t else b""  # noqa: E731
            return ProcLink(self.fs, target, lambda t: self._process(t.process))
        if name == b"mounts":
            return ProcLink(self.fs, lambda thread: b"self/mounts")
        process = self.system.processes.get(int(name)) if name.isdigit() else None
        return self._process(process) if process is not None else None

    def _process(self, process: Process) -> ProcDirectory:
        files: dict[bytes, Callable[[], bytes]] = {
            b"maps": lambda: process.memory.text() + _vdso(process.system.platform.clock_page()),
            b"status": lambda: _status(process),
            b"stat": lambda: _process_stat(process),
            b"statm": lambda: b"%d 0 0 0 0 0 0\n" % (process.memory.total() >> 12),
            b"cmdline": lambda: b"".join(a + b"\0" for a in process.arguments),
            b"environ": lambda: b"".join(e + b"\0" for e in process.environment),
            b"limits": lambda: _limits(process),
            b"mounts": lambda: "".join(f"{s} {p} {k} rw 0 0\n" for s, p, k in _MOUNTS).encode(),
            b"mountinfo": lambda: "".join(f"{20 + i} 1 0:{i} / {p} rw - {k} {s} rw\n" for i, (s, p, k) in enumerate(_MOUNTS)).encode(),
            b"cgroup": lambda: b"0::/\n",
            b"loginuid": lambda: b"4294967295\n",
            b"coredump_filter": lambda: b"00000033\n",
        }
        comm: Callable[[], bytes] = lambda: _leader(process).name + b"\n" if process.threads else b"\n"  # noqa: E731
        writable = {b"comm": comm, b"oom_score_adj": lambda: b"0\n"}
        links: dict[bytes, tuple[Callable[[Thread | None], bytes], Callable[[Thread], Inode | None]]] = {
            b"exe": (lambda _: process.executable_path, lambda _: process.executable),
            b"cwd": (lambda _: path_of(process.place.cwd, process.place.root), lambda _: process.place.cwd),
            b"root": (lambda _: b"/", lambda _: process.place.root),
        }
        names = [*files, *writable, *links, b"fd", b"task"]

        def make(name: bytes) -> Inode | None:
            if name in files:
                return ProcFile(self.fs, files[name])
            if name in writable:
                return ProcFile(self.fs, writable[name], 0o644)
            if name in links:
                return ProcLink(self.fs, *links[name])
            if name == b"fd":
                return ProcDirectory(self.fs, lambda: [b"%d" % fd for fd in sorted(process.files.files)], make_fd)
            if name == b"task":
                tasks: Callable[[bytes], Inode | None] = lambda n: self._process(process) if n in tids() else None  # noqa: E731
                return ProcDirectory(self.fs, tids, tasks)
            return None

        def tids() -> list[bytes]:
            return [b"%d" % tid for tid in process.threads]

        def make_fd(name: bytes) -> Inode | None:
            file = process.files.files.get(int(name)) if name.isdigit() else None
            return ProcLink(self.fs, lambda _: _path_now(file), lambda _: file.inode) if file is not None else None

        directory = ProcDirectory(self.fs, lambda: names, make)
        directory.uid, directory.gid = process.credentials.euid, process.credentials.egid
        return directory

    def _uptime(self) -> int:
        return self.system.platform.realtime() - self.system.boot_time

    def _meminfo(self) -> bytes:
        total, available = (n >> 10 for n in self.system.platform.memory_bytes())
        rows = (("MemTotal", total), ("MemFree", available), ("MemAvailable", available), ("Cached", 0), ("SwapTotal", 0), ("SwapFree", 0))
        return "".join(f"{name + ':':<16}{value:>8} kB\n" for name, value in rows).encode()

    def _cpuinfo(self) -> bytes:
        one = "processor\t: {0}\nvendor_id\t: Skerry\nmodel name\t: Skerry virtual processor\nflags\t\t: fpu sse sse2\n\n"
        return "".join(one.format(n) for n in range(self.system.platform.processors())).encode()

    def _stat(self) -> bytes:
        count = self.system.platform.processors()
        rows = ["cpu  0 0 0 0 0 0 0 0 0 0", *(f"cpu{n} 0 0 0 0 0 0 0 0 0 0" for n in range(count))]
        rows += [f"btime {self.system.boot_time // 1_000_000_000}", f"processes {self.system.last_pid}"]
        return ("\n".join(rows) + "\n").encode()

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


def _leader(process: Process) -> Thread:
    return next(iter(process.threads.values()))


def _state(process: Process) -> str:
    if process.exit_status is not None:
        return "Z"
    if process.stopped:
        return "T"
    return "S" if all(t.activity is not None for t in process.threads.values()) else "R"


def _status(process: Process) -> bytes:
    who = process.credentials
    name = _leader(process).name.decode(errors="replace") if process.threads else ""
    size = process.memory.total() >> 10
    rows = [
        f"Name:\t{name}",
        f"Umask:\t{process.place.umask:04o}",
        f"State:\t{_state(process)}",
        f"Tgid:\t{process.pid}",
        f"Pid:\t{process.pid}",
        f"PPid:\t{process.parent.pid if process.parent else INIT}",
        "TracerPid:\t0",
        f"Uid:\t{who.uid}\t{who.euid}\t{who.suid}\t{who.fsuid}",
        f"Gid:\t{who.gid}\t{who.egid}\t{who.sgid}\t{who.fsgid}",
        f"Groups:\t{' '.join(map(str, who.groups))}",
        f"VmPeak:\t{size:8} kB",
        f"VmSize:\t{size:8} kB",
        f"VmRSS:\t{size:8} kB",
        f"Threads:\t{len(process.threads)}",
        f"NoNewPrivs:\t{process.no_new_privileges}",
        "Cpus_allowed:\t" + f"{(1 << process.system.platform.processors()) - 1:x}",
    ]
    return ("\n".join(rows) + "\n").encode()


def _process_stat(process: Process) -> bytes:
    name = _leader(process).name if process.threads else b""
    ticks = (process.started // 10_000_000) % (1 << 31)
    parent = process.parent.pid if process.parent else INIT
    fields = [parent, process.pgid, process.sid, 0, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 20, 0, len(process.threads), 0, ticks]
    fields += [process.memory.total(), 0, (1 << 64) - 1, *[0] * 27]
    return b"%d (%s) %s " % (process.pid, name, _state(process).encode()) + " ".join(map(str, fields)).encode() + b"\n"


def _limits(process: Process) -> bytes:
    rows = [f"{'Limit':<26}{'Soft Limit':<21}{'Hard Limit':<21}Units"]
    for name, which, unit in _LIMITS:
        soft, hard = ("unlimited" if v == linux.RLIM_INFINITY else str(v) for v in limit_of(process, which))
        rows.append(f"{name:<26}{soft:<21}{hard:<21}{unit}")
    return ("\n".join(rows) + "\n").encode()
