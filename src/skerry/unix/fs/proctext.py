"""What the files of /proc say of a process, and of the system.

Times are in ticks of 10 ms; memory that is in use is what the host process behind a process has.

Source: proc(5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from skerry.abi import linux
from skerry.unix import accounting
from skerry.unix.memory import PAGE
from skerry.unix.process import INIT
from skerry.unix.syscalls.system import limit_of
from skerry.unix.vfs import path_of

if TYPE_CHECKING:
    from skerry.unix.fs.tmpfs import Directory
    from skerry.unix.inode import FileSystem
    from skerry.unix.process import Process, System, Thread
    from skerry.unix.signals import SignalInfo

SECOND: Final = 1_000_000_000
TICK: Final = 10_000_000
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
_HUGE_PAGE: Final = 2048  # kB


def leader(process: Process) -> Thread:
    return next(iter(process.threads.values()))


def run_state(process: Process, thread: Thread | None = None) -> str:
    """The letter of the state of a process, or of one thread (proc(5))."""
    if process.exit_status is not None:
        return "Z"
    first = thread or process.threads.get(process.pid)
    if first is not None and first.tracee is not None and (first.tracee.stop is not None or first.tracee.listening):
        return "t"
    if process.stopped and (first is None or first.tracee is None):
        return "T"
    threads = process.threads.values() if thread is None else (thread,)
    return "S" if all(t.activity is not None for t in threads) else "R"


def _tracer(process: Process, thread: Thread | None) -> int:
    """Who traces the thread, or the first one of the process; 0: nobody."""
    target = thread or process.threads.get(process.pid)
    return target.tracee.tracer.pid if target is not None and target.tracee is not None else 0


class _Parts(NamedTuple):
    """Bytes mapped, by what they are for."""

    text: int  # of the program itself
    libraries: int  # text of other files
    data: int
    stack: int


def _parts(process: Process) -> _Parts:
    text = libraries = stack = 0
    for mapping in process.memory.mappings():
        size = mapping.end - mapping.start
        if mapping.name == b"[stack]":
            stack += size
        elif mapping.protection & linux.PROT_EXEC:
            text, libraries = (text + size, libraries) if mapping.inode is process.executable else (text, libraries + size)
    return _Parts(text, libraries, process.memory.data(), stack)


def _shared(process: Process) -> int:
    """Bytes in use that are a file's."""
    return max(0, _resident(process) - process.memory.space.private_bytes()) if process.exit_status is None else 0


def _pending(queue: list[SignalInfo]) -> int:
    return sum({1 << (info.signo - 1) for info in queue})


def _vector(signals: int) -> str:
    return f"{signals & (1 << 64) - 1:016x}"


def _resident(process: Process) -> int:
    return process.memory.space.resident() if process.exit_status is None else 0


def _name(process: Process) -> bytes:
    return leader(process).name if process.threads else process.executable_path.rsplit(b"/", 1)[-1][:15]


def status(process: Process, thread: Thread | None = None) -> bytes:
    """/proc/PID/status, or that of one thread."""
    who = process.credentials
    held = who.capabilities
    size, resident = process.memory.total() >> 10, _resident(process) >> 10
    shared, parts = _shared(process) >> 10, _parts(process)
    count = process.system.platform.processors()
    state = run_state(process, thread)
    words = {"R": "running", "S": "sleeping", "T": "stopped", "t": "tracing stop", "Z": "zombie"}
    name, pid = (thread.name, thread.tid) if thread else (_name(process), process.pid)
    blocked = thread.mask if thread else leader(process).mask if process.threads else 0
    ignored = sum(1 << (number - 1) for number, action in process.actions.table.items() if action.handler == 1)
    caught = sum(1 << (number - 1) for number, action in process.actions.table.items() if action.handler > 1)
    first = thread or process.threads.get(process.pid)
    rules = first.seccomp if first is not None else None
    rows = [
        f"Name:\t{name.decode(errors='replace')}",
        f"Umask:\t{process.place.umask:04o}",
        f"State:\t{state} ({words[state]})",
        f"Tgid:\t{process.pid}",
        "Ngid:\t0",
        f"Pid:\t{pid}",
        f"PPid:\t{process.parent.pid if process.parent else INIT}",
        f"TracerPid:\t{_tracer(process, thread)}",
        f"Uid:\t{who.uid}\t{who.euid}\t{who.suid}\t{who.fsuid}",
        f"Gid:\t{who.gid}\t{who.egid}\t{who.sgid}\t{who.fsgid}",
        f"FDSize:\t{max(64, len(process.files.files))}",
        f"Groups:\t{' '.join(map(str, who.groups))} ",
        f"VmPeak:\t{size:8} kB",
        f"VmSize:\t{size:8} kB",
        f"VmLck:\t{process.memory.locked.bytes(process.memory) >> 10:8} kB",
        "VmPin:\t       0 kB",
        f"VmHWM:\t{resident:8} kB",
        f"VmRSS:\t{resident:8} kB",
        f"RssAnon:\t{resident - shared:8} kB",
        f"RssFile:\t{shared:8} kB",
        f"VmData:\t{parts.data >> 10:8} kB",
        f"VmStk:\t{parts.stack >> 10:8} kB",
        f"VmExe:\t{parts.text >> 10:8} kB",
        f"VmLib:\t{parts.libraries >> 10:8} kB",
        "VmSwap:\t       0 kB",
        f"Threads:\t{max(1, len(process.threads))}",
        f"SigQ:\t{len(process.pending)}/{limit_of(process, linux.RLIMIT_SIGPENDING)[0]}",
        f"SigPnd:\t{_vector(_pending(first.pending if first else []))}",
        f"ShdPnd:\t{_vector(_pending(process.pending))}",
        f"SigBlk:\t{_vector(blocked)}",
        f"SigIgn:\t{_vector(ignored)}",
        f"SigCgt:\t{_vector(caught)}",
        f"CapInh:\t{held.inheritable:016x}",
        f"CapPrm:\t{held.permitted:016x}",
        f"CapEff:\t{held.effective:016x}",
        f"CapBnd:\t{held.bounding:016x}",
        f"CapAmb:\t{held.ambient:016x}",
        f"NoNewPrivs:\t{process.no_new_privileges}",
        f"Seccomp:\t{rules.mode if rules else 0}",
        f"Seccomp_filters:\t{len(rules.filters) if rules else 0}",
        f"Cpus_allowed:\t{(1 << count) - 1:x}",
        f"Cpus_allowed_list:\t{span(count)}",
        "voluntary_ctxt_switches:\t0",
        "nonvoluntary_ctxt_switches:\t0",
    ]
    return ("\n".join(rows) + "\n").encode()


def span(count: int) -> str:
    """``count`` processors as a list of ranges."""
    return f"0-{count - 1}" if count > 1 else "0"


def process_stat(process: Process, thread: Thread | None = None) -> bytes:
    """/proc/PID/stat: 52 fields; or that of one thread, which differs in number, name and blocked signals."""
    terminal = process.terminal
    fields = [0] * 52
    fields[3] = process.parent.pid if process.parent else INIT
    fields[4], fields[5] = process.pgid, process.sid
    fields[6], fields[7] = (terminal.device, terminal.foreground or -1) if terminal is not None else (0, -1)
    own = accounting.thread_usage(thread) if thread is not None and not thread.dead else accounting.usage(process)
    for index, used in enumerate((own, process.children_usage)):
        fields[9 + index], fields[11 + index] = used.small_faults, used.large_faults
        fields[13 + 2 * index], fields[14 + 2 * index] = (used.time - used.system) // TICK, used.system // TICK
    fields[17], fields[18], fields[19] = 20 + process.nice, process.nice, max(1, len(process.threads))
    fields[21] = process.started // TICK
    fields[22], fields[23], fields[24] = process.memory.total(), _resident(process) // PAGE, (1 << 64) - 1
    fields[27] = next((m.end - 16 for m in process.memory.mappings() if m.name == b"[stack]"), 0)  # where it begins
    fields[31] = (thread.mask if thread else leader(process).mask if process.threads else 0) & (1 << 31) - 1
    fields[37] = process.exit_signal
    fields[47], fields[48], fields[50] = process.strings
    fields[49] = fields[48]
    fields[39], fields[40] = process.static_priority, process.policy
    rest = " ".join(map(str, fields[3:]))
    tid, name = (thread.tid, thread.name) if thread else (process.pid, _name(process))
    return b"%d (%s) %s %s\n" % (tid, name, run_state(process, thread).encode(), rest.encode())


def statm(process: Process) -> bytes:
    """/proc/PID/statm, in pages."""
    parts = _parts(process)
    sizes = (process.memory.total(), _resident(process), _shared(process), parts.text, 0, parts.data + parts.stack, 0)
    return (" ".join(str(size // PAGE) for size in sizes) + "\n").encode()


def limits(process: Process) -> bytes:
    """/proc/PID/limits."""
    rows = [f"{'Limit':<26}{'Soft Limit':<21}{'Hard Limit':<21}Units"]
    for name, which, unit in _LIMITS:
        soft, hard = ("unlimited" if v == linux.RLIM_INFINITY else str(v) for v in limit_of(process, which))
        rows.append(f"{name:<26}{soft:<21}{hard:<21}{unit}")
    return ("\n".join(rows) + "\n").encode()


def meminfo(system: System) -> bytes:
    """/proc/meminfo: the host's memory is ours; how it is used is not told apart."""
    total, available = (size >> 10 for size in system.platform.memory_bytes())
    swap, unused = (size >> 10 for size in system.limits.swap())
    known = {"MemTotal": total, "MemFree": available, "MemAvailable": available, "SwapTotal": swap, "SwapFree": unused}
    known |= {"CommitLimit": total + swap, "Hugepagesize": _HUGE_PAGE}
    names = """
    MemTotal MemFree MemAvailable Buffers Cached SwapCached Active Inactive SwapTotal SwapFree Dirty Writeback AnonPages Mapped Shmem
    Slab SReclaimable SUnreclaim KernelStack PageTables CommitLimit Committed_AS VmallocTotal VmallocUsed Hugepagesize"""
    return "".join(f"{name + ':':<16}{known.get(name, 0):>8} kB\n" for name in names.split()).encode()


def swaps(system: System) -> bytes:
    """/proc/swaps: the paging device, if there is one."""
    size, unused = (size >> 10 for size in system.limits.swap())
    row = f"{'/dev/paging':<40}partition\t{size}\t{size - unused}\t-2\n" if size else ""
    return f"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n{row}".encode()


def cpuinfo(system: System) -> bytes:
    """/proc/cpuinfo: the host's processors, as many as we have."""
    count = system.platform.processors()
    facts = system.platform.processor_facts()
    blocks = []
    for number in range(count):
        place = f"physical id\t: 0\nsiblings\t: {count}\ncore id\t\t: {number}\ncpu cores\t: {count}\napicid\t\t: {number}\n"
        blocks.append(f"processor\t: {number}\n{facts}{place}\n")
    return "".join(blocks).encode()


def _used(system: System) -> int:
    """Processor time of all processes that there are, and of those that were waited for."""
    return sum(accounting.used(process) + process.children_usage.time for process in system.processes.values())


def _runnable(system: System) -> int:
    return sum(1 for process in system.processes.values() if run_state(process) == "R")


def stat(system: System) -> bytes:
    """/proc/stat: time is spent in programs, or idle."""
    platform = system.platform
    count = platform.processors()
    used = _used(system) // TICK
    idle = max(0, (platform.realtime() - system.boot_time) // TICK * count - used)
    rows = [f"cpu  {used} 0 0 {idle} 0 0 0 0 0 0"]
    rows += [f"cpu{number} {used // count} 0 0 {idle // count} 0 0 0 0 0 0" for number in range(count)]
    rows += ["intr 0", "ctxt 0", f"btime {(platform.realtime() - platform.monotonic()) // SECOND}", f"processes {system.last_pid}"]
    rows += [f"procs_running {_runnable(system)}", "procs_blocked 0", "softirq 0"]
    return ("\n".join(rows) + "\n").encode()


def uptime(system: System) -> bytes:
    """/proc/uptime: as CLOCK_BOOTTIME counts, which programs read without asking us."""
    up = system.platform.monotonic()
    return b"%.2f %.2f\n" % (up / SECOND, up * system.platform.processors() / SECOND)


def loadavg(system: System) -> bytes:
    """/proc/loadavg: nobody samples the load, so it is what is runnable now."""
    threads = sum(len(process.threads) for process in system.processes.values())
    now = float(_runnable(system))
    return b"%.2f %.2f %.2f %d/%d %d\n" % (now, now, now, _runnable(system), threads, system.last_pid)


def vmstat(system: System) -> bytes:
    """/proc/vmstat: what vmstat(8) needs."""
    _, available = system.platform.memory_bytes()
    return b"nr_free_pages %d\npgpgin 0\npgpgout 0\npswpin 0\npswpout 0\npgfault 0\npgmajfault 0\n" % (available // PAGE)


def _mounted(fs: FileSystem, path: bytes) -> list[tuple[bytes, FileSystem]]:
    """``fs`` at ``path``, and what is mounted below, in the order of mounting."""
    found = [(path, fs)]
    for directory in fs.covered:
        over = directory.covered_by  # type: ignore[attr-defined]  # only directories are covered
        place = path_of(over, _top(over))
        found += _mounted(over.fs, place)
    return found


def _top(directory: Directory) -> Directory:
    while directory.parent is not directory:
        directory = directory.parent
    return directory


def _rows(system: System) -> list[tuple[str, str, str, int]]:
    """Place, kind, options and device of each mount."""
    rows = []
    for path, fs in _mounted(system.root.fs, b"/"):
        place = path.decode(errors="surrogateescape")
        for letter in "\\ \t\n":
            place = place.replace(letter, f"\\{ord(letter):03o}")
        rows.append((place, fs.kind, "ro" if fs.read_only else "rw", fs.device))
    return rows


def mounts(system: System) -> bytes:
    """/proc/PID/mounts."""
    lines = [f"{kind} {place} {kind} {options},relatime 0 0\n" for place, kind, options, _ in _rows(system)]
    return "".join(lines).encode(errors="surrogateescape")


def mountinfo(system: System) -> bytes:
    """/proc/PID/mountinfo: every mount but the first is said to be on the first."""
    lines = []
    for number, (place, kind, options, device) in enumerate(_rows(system)):
        where = f"{20 + number} {20 if number else 1} {device >> 8}:{device & 255} / {place}"
        lines.append(f"{where} {options},relatime - {kind} {kind} {options}\n")
    return "".join(lines).encode(errors="surrogateescape")
