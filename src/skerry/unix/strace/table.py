"""How each system call is written: its arguments in order, and its result. One declaration per call.

A call that is not declared is written with its registers in hexadecimal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from skerry.abi import linux
from skerry.unix.arguments import c_int
from skerry.unix.strace import commands, events, facts, names, structures
from skerry.unix.strace.commands import TEXT, WORD32
from skerry.unix.strace.kinds import (
    After,
    Bytes,
    Changed,
    Custom,
    Flags,
    Items,
    Kind,
    Moment,
    Named,
    Number,
    Strings,
    Text,
    Typed,
    flags,
    pointed,
)
from skerry.unix.strace.structures import ADDRESS, HEX, INT, LONG, MODE, OPEN_FLAGS, SIGNAL, UNSIGNED

Note = Callable[[Moment], str]


class Row:
    """Arguments; how a result that is not an error is written; and what stands behind it in parentheses."""

    __slots__ = ("kinds", "note", "result")

    def __init__(self, *kinds: Kind, result: Kind = LONG, note: Note | None = None) -> None:
        self.kinds = kinds
        self.result = result
        self.note = note


FD: Final = INT
DIRECTORY: Final = Number(signed=32, special={linux.AT_FDCWD: "AT_FDCWD"})
ID: Final = Custom(lambda moment, word: "-1" if c_int(word) == -1 else str(word & 0xFFFFFFFF))
PATH: Final = Text(limit=4096)
PROTECTION: Final = Flags(names.PROTECTION, "PROT_NONE")
ACCESS: Final = Flags(names.ACCESS, "F_OK")
TIMESPEC: Final = structures.TIMESPEC
TIMEVAL: Final = structures.TIMEVAL
CLOCK: Final = Named(names.CLOCK)
FD_PAIR: Final = After(Items(4, "i", INT, fixed=2))
READ: Final = After(Bytes())
DAYTIME: Final = After(pointed("q", structures.DATE))


def _new_mode(index: int) -> Kind:
    """The mode of a file that open may make; its flags are argument ``index``."""
    makes = linux.O_CREAT | linux.O_TMPFILE & ~linux.O_DIRECTORY
    return Custom(lambda moment, word: structures.octal(word & 0xFFFF) if moment.words[index] & makes else None)


def _new_device(index: int) -> Kind:
    """The device that mknod makes, if it makes one; the mode is argument ``index``."""

    def text(moment: Moment, word: int) -> str | None:
        devices = (linux.S_IFCHR, linux.S_IFBLK)
        return structures.device_text(word) if moment.words[index] & linux.S_IFMT in devices else None

    return Custom(text)


def _polled(time: int) -> Note:
    """The note of poll; ``time`` is the argument that ppoll leaves the rest of its time in."""

    def note(moment: Moment) -> str:
        if not moment.result:
            return "Timeout"
        left = f", left {TIMESPEC.text(moment, moment.words[time])}" if time and moment.words[time] else ""
        return events.ready_descriptors(moment) + left

    return note


def _selected(time: Kind) -> Note:
    def note(moment: Moment) -> str:
        if not moment.result:
            return "Timeout"
        parts = []
        for name, word in zip(("in", "out", "except"), moment.words[1:4], strict=True):
            text = events.descriptor_set(moment, word)
            parts += [f"{name} {text}"] if text not in ("NULL", "[]") else []
        parts += [f"left {time.text(moment, moment.words[4])}"] if moment.words[4] else []
        return ", ".join(parts)

    return note


SIGNAL_SET: Final = events.SIGNAL_SET
STAT: Final = After(structures.STAT)
SIZE: Final = UNSIGNED
IDS: Final = Items(4, "I", ID, count=0)
SOCKET: Final = (Named(names.FAMILY), facts.SOCKET_TYPE, Named(names.PROTOCOL))
MESSAGE_FLAGS: Final = Flags(names.MESSAGE)
LENGTH: Final = pointed("I", UNSIGNED)
ACCEPT: Final = (FD, After(facts.FILLED_ADDRESS), Changed(LENGTH))
OPTION: Final = (FD, Named(names.SOCKET_LEVEL), facts.SOCKET_OPTION)
OFFSET: Final = pointed("q", LONG)
RUSAGE: Final = After(events.RUSAGE)
SCHEDULER: Final = Named(names.SCHEDULER)
RANGE: Final = (ADDRESS, SIZE)
AT: Final = Flags(names.AT)
OPEN_BITS: Final = Flags(names.OPEN)
FILE_MODE: Final = structures.FILE_MODE
CACHE: Final = ADDRESS
EPOLLED: Final = After(Items(12, "", events.EPOLL_EVENT))
IPC_MODE: Final = Custom(
    lambda moment, word: f"{flags(word & 0o7000, names.IPC)}|0{word & 0o777:o}" if word & 0o7000 else f"0{word & 0o777:o}"
)

REFUSED: Final = (
    "pivot_root",
    "settimeofday",
    "mount",
    "umount2",
    "swapon",
    "swapoff",
    "reboot",
    "iopl",
    "ioperm",
    "init_module",
    "delete_module",
    "quotactl",
    "clock_settime",
    "kexec_load",
    "perf_event_open",
    "fanotify_init",
    "open_by_handle_at",
    "setns",
    "finit_module",
    "kexec_file_load",
    "bpf",
    "userfaultfd",
    "open_tree",
    "move_mount",
    "fsopen",
    "fspick",
    "mount_setattr",
    "quotactl_fd",
    "syslog",
)
ROWS: Final[dict[str, Row]] = {
    # What is refused, whatever the arguments are
    **dict.fromkeys(REFUSED, Row()),
    # Descriptors
    "read": Row(FD, READ, SIZE),
    "write": Row(FD, Bytes(2), SIZE),
    "pread64": Row(FD, READ, SIZE, LONG),
    "pwrite64": Row(FD, Bytes(2), SIZE, LONG),
    "readv": Row(FD, structures.READ_VECTOR, SIZE),
    "writev": Row(FD, structures.WRITE_VECTOR, SIZE),
    "preadv": Row(FD, structures.READ_VECTOR, SIZE, LONG),
    "pwritev": Row(FD, structures.WRITE_VECTOR, SIZE, LONG),
    "preadv2": Row(FD, structures.READ_VECTOR, SIZE, LONG, HEX),
    "pwritev2": Row(FD, structures.WRITE_VECTOR, SIZE, LONG, HEX),
    "lseek": Row(FD, LONG, Named(names.WHENCE)),
    "close": Row(FD),
    "close_range": Row(WORD32, WORD32, Flags(names.CLOSE_RANGE)),
    "dup": Row(FD),
    "dup2": Row(FD, FD),
    "dup3": Row(FD, FD, OPEN_BITS),
    "fcntl": Row(FD, Named(names.FCNTL), commands.FCNTL, result=commands.FCNTL_RESULT, note=commands.fcntl_note),
    "ioctl": Row(FD, Named(names.IOCTL), commands.IOCTL),
    "flock": Row(FD, Flags(names.FLOCK)),
    "pipe": Row(FD_PAIR),
    "pipe2": Row(FD_PAIR, OPEN_BITS),
    "fsync": Row(FD),
    "fdatasync": Row(FD),
    "syncfs": Row(FD),
    "sync": Row(),
    "ftruncate": Row(FD, LONG),
    "fallocate": Row(FD, Flags(names.FALLOCATE), LONG, LONG),
    "fadvise64": Row(FD, LONG, SIZE, Named(names.FILE_ADVICE)),
    "readahead": Row(FD, LONG, SIZE),
    "sync_file_range": Row(FD, LONG, LONG, Flags(names.SYNC_RANGE)),
    "sendfile": Row(FD, FD, Changed(OFFSET), SIZE),
    "copy_file_range": Row(FD, OFFSET, FD, OFFSET, SIZE, UNSIGNED),
    "splice": Row(FD, OFFSET, FD, OFFSET, SIZE, Flags(names.SPLICE)),
    "tee": Row(FD, FD, SIZE, Flags(names.SPLICE)),
    "vmsplice": Row(FD, Custom(lambda moment, word: structures.iovec(moment, word, moment.words[2], 1 << 62)), SIZE, Flags(names.SPLICE)),
    "getdents": Row(FD, ADDRESS, SIZE),
    "getdents64": Row(FD, After(Custom(structures.entries)), SIZE),
    # Paths
    "open": Row(PATH, OPEN_FLAGS, _new_mode(1)),
    "openat": Row(DIRECTORY, PATH, OPEN_FLAGS, _new_mode(2)),
    "openat2": Row(DIRECTORY, PATH, structures.OPEN_HOW, SIZE),
    "creat": Row(PATH, MODE),
    "mkdir": Row(PATH, MODE),
    "mkdirat": Row(DIRECTORY, PATH, MODE),
    "mknod": Row(PATH, FILE_MODE, _new_device(1)),
    "mknodat": Row(DIRECTORY, PATH, FILE_MODE, _new_device(2)),
    "symlink": Row(PATH, PATH),
    "symlinkat": Row(PATH, DIRECTORY, PATH),
    "link": Row(PATH, PATH),
    "linkat": Row(DIRECTORY, PATH, DIRECTORY, PATH, AT),
    "unlink": Row(PATH),
    "unlinkat": Row(DIRECTORY, PATH, AT),
    "rmdir": Row(PATH),
    "rename": Row(PATH, PATH),
    "renameat": Row(DIRECTORY, PATH, DIRECTORY, PATH),
    "renameat2": Row(DIRECTORY, PATH, DIRECTORY, PATH, Flags(names.RENAME)),
    "chdir": Row(PATH),
    "fchdir": Row(FD),
    "chroot": Row(PATH),
    "getcwd": Row(After(Text(4096)), SIZE),
    "readlink": Row(PATH, READ, SIZE),
    "readlinkat": Row(DIRECTORY, PATH, READ, SIZE),
    "access": Row(PATH, ACCESS),
    "faccessat": Row(DIRECTORY, PATH, ACCESS),
    "faccessat2": Row(DIRECTORY, PATH, ACCESS, Flags(names.AT_ACCESS)),
    "truncate": Row(PATH, LONG),
    "statfs": Row(PATH, After(structures.STATFS)),
    "fstatfs": Row(FD, After(structures.STATFS)),
    # Attributes
    "stat": Row(PATH, STAT),
    "lstat": Row(PATH, STAT),
    "fstat": Row(FD, STAT),
    "newfstatat": Row(DIRECTORY, PATH, STAT, AT),
    "statx": Row(DIRECTORY, PATH, Flags(names.AT_STATX, "AT_STATX_SYNC_AS_STAT"), Flags(names.STATX), After(structures.STATX)),
    "chmod": Row(PATH, MODE),
    "fchmod": Row(FD, MODE),
    "fchmodat": Row(DIRECTORY, PATH, MODE),
    "chown": Row(PATH, ID, ID),
    "lchown": Row(PATH, ID, ID),
    "fchown": Row(FD, ID, ID),
    "fchownat": Row(DIRECTORY, PATH, ID, ID, AT),
    "utimensat": Row(DIRECTORY, PATH, structures.UTIMENS, AT),
    "utimes": Row(PATH, structures.UTIMES),
    "futimesat": Row(DIRECTORY, PATH, structures.UTIMES),
    "utime": Row(PATH, structures.UTIMBUF),
    "getxattr": Row(PATH, TEXT, READ, SIZE),
    "lgetxattr": Row(PATH, TEXT, READ, SIZE),
    "fgetxattr": Row(FD, TEXT, READ, SIZE),
    "setxattr": Row(PATH, TEXT, Bytes(3), SIZE, Flags(names.XATTR)),
    "lsetxattr": Row(PATH, TEXT, Bytes(3), SIZE, Flags(names.XATTR)),
    "fsetxattr": Row(FD, TEXT, Bytes(3), SIZE, Flags(names.XATTR)),
    "listxattr": Row(PATH, READ, SIZE),
    "llistxattr": Row(PATH, READ, SIZE),
    "flistxattr": Row(FD, READ, SIZE),
    "removexattr": Row(PATH, TEXT),
    "lremovexattr": Row(PATH, TEXT),
    "fremovexattr": Row(FD, TEXT),
    # Memory
    "mmap": Row(ADDRESS, SIZE, PROTECTION, Typed(0xF, names.MAP_TYPE, names.MAP), FD, HEX, result=ADDRESS),
    "munmap": Row(*RANGE),
    "mprotect": Row(*RANGE, PROTECTION),
    "mremap": Row(*RANGE, SIZE, Flags(names.MREMAP), commands.NEW_ADDRESS, result=ADDRESS),
    "brk": Row(ADDRESS, result=ADDRESS),
    "madvise": Row(*RANGE, Named(names.ADVICE)),
    "msync": Row(*RANGE, Flags(names.MSYNC)),
    "mincore": Row(*RANGE, After(Custom(structures.residency))),
    "mlock": Row(*RANGE),
    "mlock2": Row(*RANGE, HEX),
    "munlock": Row(*RANGE),
    "mlockall": Row(Flags(names.MLOCKALL)),
    "munlockall": Row(),
    "memfd_create": Row(TEXT, Flags(names.MEMFD)),
    "mbind": Row(*RANGE, INT, ADDRESS, UNSIGNED, HEX),
    "set_mempolicy": Row(INT, ADDRESS, UNSIGNED),
    "get_mempolicy": Row(ADDRESS, ADDRESS, UNSIGNED, ADDRESS, HEX),
    "move_pages": Row(INT, UNSIGNED, ADDRESS, ADDRESS, ADDRESS, HEX),
    "process_vm_readv": Row(INT, ADDRESS, UNSIGNED, ADDRESS, UNSIGNED, HEX),
    "process_vm_writev": Row(INT, ADDRESS, UNSIGNED, ADDRESS, UNSIGNED, HEX),
    # Processes
    "seccomp": Row(Named(names.SECCOMP), HEX, ADDRESS),
    "ptrace": Row(Named(names.PTRACE), INT, ADDRESS, HEX),
    "kcmp": Row(INT, INT, INT, UNSIGNED, UNSIGNED),
    "unshare": Row(HEX),
    "sched_setattr": Row(INT, ADDRESS, UNSIGNED),
    "sched_getattr": Row(INT, ADDRESS, UNSIGNED, UNSIGNED),
    "fork": Row(),
    "vfork": Row(),
    "clone": Row(*commands.CLONE),
    "clone3": Row(events.CLONE_ARGUMENTS, SIZE),
    "execve": Row(PATH, Strings(), Strings(counted=True)),
    "execveat": Row(DIRECTORY, PATH, Strings(), Strings(counted=True), AT),
    "exit": Row(INT),
    "exit_group": Row(INT),
    "wait4": Row(INT, After(Custom(events.reaped)), Flags(names.WAIT), RUSAGE),
    "waitid": Row(Named(names.WAIT_KIND), INT, After(events.SIGINFO), Flags(names.WAIT), RUSAGE),
    "set_tid_address": Row(ADDRESS),
    "set_robust_list": Row(ADDRESS, SIZE),
    "get_robust_list": Row(INT, After(pointed("Q", ADDRESS)), After(pointed("Q", UNSIGNED))),
    "rseq": Row(ADDRESS, HEX, HEX, HEX),
    "getpid": Row(),
    "gettid": Row(),
    "getppid": Row(),
    "getpgid": Row(INT),
    "getpgrp": Row(),
    "getsid": Row(INT),
    "setsid": Row(),
    "setpgid": Row(INT, INT),
    "pidfd_open": Row(INT, OPEN_BITS),
    "pidfd_send_signal": Row(FD, SIGNAL, events.SIGINFO, UNSIGNED),
    "pidfd_getfd": Row(FD, FD, UNSIGNED),
    "futex": Row(*commands.FUTEX),
    "futex_waitv": Row(ADDRESS, WORD32, HEX, TIMESPEC, CLOCK),
    # Signals
    "rt_sigaction": Row(SIGNAL, events.SIGACTION, After(events.SIGACTION), SIZE),
    "rt_sigprocmask": Row(Named(names.SIGNAL_HOW), SIGNAL_SET, After(SIGNAL_SET), SIZE),
    "rt_sigpending": Row(After(SIGNAL_SET), SIZE),
    "rt_sigreturn": Row(commands.FRAME_MASK),
    "rt_sigsuspend": Row(SIGNAL_SET, SIZE),
    "rt_sigtimedwait": Row(SIGNAL_SET, After(events.SIGINFO), TIMESPEC, SIZE, note=lambda moment: names.signal_name(moment.result)),
    "rt_sigqueueinfo": Row(INT, SIGNAL, events.SIGINFO),
    "rt_tgsigqueueinfo": Row(INT, INT, SIGNAL, events.SIGINFO),
    "sigaltstack": Row(events.STACK, After(events.STACK)),
    "kill": Row(INT, SIGNAL),
    "tkill": Row(INT, SIGNAL),
    "tgkill": Row(INT, INT, SIGNAL),
    "pause": Row(),
    "alarm": Row(WORD32),
    "getitimer": Row(Named(names.INTERVAL_TIMER), After(structures.ITIMERVAL)),
    "setitimer": Row(Named(names.INTERVAL_TIMER), structures.ITIMERVAL, After(structures.ITIMERVAL)),
    "timer_create": Row(CLOCK, ADDRESS, After(pointed("i", INT))),
    "timer_settime": Row(INT, Flags(names.TIMER), structures.ITIMERSPEC, After(structures.ITIMERSPEC)),
    "timer_gettime": Row(INT, After(structures.ITIMERSPEC)),
    "timer_getoverrun": Row(INT),
    "timer_delete": Row(INT),
    # Waiting
    "poll": Row(events.POLL, WORD32, INT, note=_polled(0)),
    "ppoll": Row(events.POLL, WORD32, TIMESPEC, SIGNAL_SET, SIZE, note=_polled(2)),
    "select": Row(INT, *(events.FD_SET,) * 3, TIMEVAL, note=_selected(TIMEVAL)),
    "pselect6": Row(INT, *(events.FD_SET,) * 3, TIMESPEC, events.PSELECT_MASK, note=_selected(TIMESPEC)),
    "epoll_create": Row(INT),
    "epoll_create1": Row(Flags(names.EPOLL_CREATE)),
    "epoll_ctl": Row(FD, Named(names.EPOLL_COMMAND), FD, events.EPOLL_EVENT),
    "epoll_wait": Row(FD, EPOLLED, INT, INT),
    "epoll_pwait": Row(FD, EPOLLED, INT, INT, SIGNAL_SET, SIZE),
    "epoll_pwait2": Row(FD, EPOLLED, INT, TIMESPEC, SIGNAL_SET, SIZE),
    "eventfd": Row(WORD32),
    "eventfd2": Row(WORD32, Flags(names.EVENTFD)),
    "signalfd": Row(FD, SIGNAL_SET, SIZE),
    "signalfd4": Row(FD, SIGNAL_SET, SIZE, Flags(names.SIGNALFD)),
    "timerfd_create": Row(CLOCK, Flags(names.TIMERFD)),
    "timerfd_settime": Row(FD, Flags(names.TIMERFD_SET), structures.ITIMERSPEC, After(structures.ITIMERSPEC)),
    "timerfd_gettime": Row(FD, After(structures.ITIMERSPEC)),
    "inotify_init": Row(),
    "inotify_init1": Row(Flags(names.INOTIFY)),
    "inotify_add_watch": Row(FD, PATH, Flags(names.INOTIFY_EVENTS)),
    "inotify_rm_watch": Row(FD, INT),
    # Time
    "clock_gettime": Row(CLOCK, After(TIMESPEC)),
    "clock_settime": Row(CLOCK, TIMESPEC),
    "clock_getres": Row(CLOCK, After(TIMESPEC)),
    "clock_nanosleep": Row(CLOCK, Flags(names.TIMER), TIMESPEC, commands.TIME_LEFT),
    "nanosleep": Row(TIMESPEC, commands.TIME_LEFT),
    "gettimeofday": Row(After(TIMEVAL), ADDRESS),
    "time": Row(DAYTIME, note=lambda moment: structures.date(moment.result)),
    "times": Row(After(facts.TMS)),
    "adjtimex": Row(ADDRESS),
    "clock_adjtime": Row(CLOCK, ADDRESS),
    # Asynchronous input and output
    "io_setup": Row(UNSIGNED, ADDRESS),
    "io_destroy": Row(ADDRESS),
    "io_submit": Row(ADDRESS, LONG, ADDRESS),
    "io_getevents": Row(ADDRESS, LONG, LONG, ADDRESS, TIMESPEC),
    "io_pgetevents": Row(ADDRESS, LONG, LONG, ADDRESS, TIMESPEC, ADDRESS),
    "io_cancel": Row(ADDRESS, ADDRESS, ADDRESS),
    # Identity
    "getuid": Row(),
    "geteuid": Row(),
    "getgid": Row(),
    "getegid": Row(),
    "getresuid": Row(*(After(pointed("I", ID)),) * 3),
    "getresgid": Row(*(After(pointed("I", ID)),) * 3),
    "setuid": Row(ID),
    "setgid": Row(ID),
    "setreuid": Row(ID, ID),
    "setregid": Row(ID, ID),
    "setresuid": Row(ID, ID, ID),
    "setresgid": Row(ID, ID, ID),
    "setfsuid": Row(ID),
    "setfsgid": Row(ID),
    "getgroups": Row(INT, After(Items(4, "I", ID))),
    "setgroups": Row(INT, IDS),
    "capget": Row(facts.CAPABILITY_HEADER, After(facts.CAPABILITIES)),
    "capset": Row(facts.CAPABILITY_HEADER, facts.CAPABILITIES),
    # The system
    "uname": Row(After(facts.UTSNAME)),
    "sethostname": Row(Bytes(1), SIZE),
    "setdomainname": Row(Bytes(1), SIZE),
    "sysinfo": Row(After(facts.SYSINFO)),
    "getrlimit": Row(Named(names.RESOURCE), After(events.RLIMIT)),
    "setrlimit": Row(Named(names.RESOURCE), events.RLIMIT),
    "prlimit64": Row(INT, Named(names.RESOURCE), events.RLIMIT, After(events.RLIMIT)),
    "getrusage": Row(Named(names.RUSAGE), RUSAGE),
    "getrandom": Row(After(Bytes(hexadecimal=True)), SIZE, Flags(names.RANDOM)),
    "arch_prctl": Row(Named(names.ARCH_PRCTL), commands.ARCH_PRCTL),
    "prctl": Row(Named(names.PRCTL), *commands.PRCTL, note=commands.prctl_note),
    "umask": Row(MODE, result=MODE),
    "personality": Row(HEX, note=lambda moment: "PER_LINUX" if not moment.result else ""),
    "membarrier": Row(Named(names.MEMBARRIER_COMMAND), UNSIGNED, result=commands.MEMBARRIER_RESULT, note=commands.membarrier_note),
    "sched_yield": Row(),
    "sched_getaffinity": Row(INT, SIZE, After(facts.AFFINITY)),
    "sched_setaffinity": Row(INT, SIZE, facts.AFFINITY),
    "sched_getscheduler": Row(INT, note=lambda moment: names.SCHEDULER.get(moment.result, "")),
    "sched_setscheduler": Row(INT, SCHEDULER, pointed("i", INT)),
    "sched_getparam": Row(INT, After(pointed("i", INT))),
    "sched_setparam": Row(INT, pointed("i", INT)),
    "sched_get_priority_max": Row(SCHEDULER),
    "sched_get_priority_min": Row(SCHEDULER),
    "sched_rr_get_interval": Row(INT, After(TIMESPEC)),
    "getpriority": Row(Named(names.PRIORITY), INT),
    "setpriority": Row(Named(names.PRIORITY), INT, INT),
    "ioprio_get": Row(Named(names.IO_PRIORITY), INT),
    "ioprio_set": Row(Named(names.IO_PRIORITY), INT, INT),
    "getcpu": Row(After(pointed("I", UNSIGNED)), After(pointed("I", UNSIGNED)), CACHE),
    "acct": Row(PATH),
    # Sockets
    "socket": Row(*SOCKET),
    "socketpair": Row(*SOCKET, FD_PAIR),
    "connect": Row(FD, facts.SOCKET_ADDRESS, UNSIGNED),
    "bind": Row(FD, facts.SOCKET_ADDRESS, UNSIGNED),
    "listen": Row(FD, INT),
    "accept": Row(*ACCEPT),
    "accept4": Row(*ACCEPT, Flags(names.SOCKET_FLAGS)),
    "getsockname": Row(*ACCEPT),
    "getpeername": Row(*ACCEPT),
    "sendto": Row(FD, Bytes(2), SIZE, MESSAGE_FLAGS, facts.DESTINATION, UNSIGNED),
    "recvfrom": Row(FD, READ, SIZE, MESSAGE_FLAGS, After(facts.FILLED_ADDRESS), After(LENGTH)),
    "sendmsg": Row(FD, facts.MESSAGE, MESSAGE_FLAGS),
    "recvmsg": Row(FD, After(facts.MESSAGE), MESSAGE_FLAGS),
    "sendmmsg": Row(FD, ADDRESS, WORD32, MESSAGE_FLAGS),
    "recvmmsg": Row(FD, ADDRESS, WORD32, MESSAGE_FLAGS, TIMESPEC),
    "shutdown": Row(FD, Named(names.SHUTDOWN)),
    "setsockopt": Row(*OPTION, pointed("i", INT), UNSIGNED),
    "getsockopt": Row(*OPTION, After(pointed("i", INT)), After(LENGTH)),
    # System V IPC
    "shmget": Row(HEX, SIZE, IPC_MODE),
    "shmat": Row(INT, ADDRESS, HEX, result=ADDRESS),
    "shmdt": Row(ADDRESS),
    "shmctl": Row(INT, HEX, ADDRESS),
    "semget": Row(HEX, INT, IPC_MODE),
    "semop": Row(INT, ADDRESS, UNSIGNED),
    "semtimedop": Row(INT, ADDRESS, UNSIGNED, TIMESPEC),
    "semctl": Row(INT, INT, HEX, ADDRESS),
    "msgget": Row(HEX, IPC_MODE),
    "name_to_handle_at": Row(DIRECTORY, PATH, ADDRESS, ADDRESS, AT),
    "mq_open": Row(TEXT, OPEN_FLAGS, FILE_MODE, ADDRESS),
    "mq_unlink": Row(TEXT),
    "mq_timedsend": Row(FD, Bytes(2), SIZE, UNSIGNED, TIMESPEC),
    "mq_timedreceive": Row(FD, READ, SIZE, After(pointed("I", UNSIGNED)), TIMESPEC),
    "mq_notify": Row(FD, ADDRESS),
    "mq_getsetattr": Row(FD, ADDRESS, ADDRESS),
    "msgsnd": Row(INT, ADDRESS, SIZE, Flags(names.IPC)),
    "msgrcv": Row(INT, ADDRESS, SIZE, LONG, Flags(names.IPC)),
    "msgctl": Row(INT, HEX, ADDRESS),
}

RESTARTS: Final = {  # what a broken-off call reports, where it is not ERESTARTSYS
    **dict.fromkeys(("pause", "rt_sigsuspend", "select", "pselect6", "ppoll"), "ERESTARTNOHAND (To be restarted if no handler)"),
    **dict.fromkeys(("nanosleep", "clock_nanosleep", "poll"), "ERESTART_RESTARTBLOCK (Interrupted by signal)"),
}
