"""What Skerry needs of its host, and what makes it better: looked up without starting anything, and without the native parts."""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import shutil
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

KERNEL: Final = (5, 16)  # futex_waitv; close_range, pidfd and openat2 are older
MEMORY: Final = 256 << 20
MAPPINGS: Final = 65530
DESCRIPTORS: Final = 4096
AT_HWCAP2: Final = 26
HWCAP2_FSGSBASE: Final = 2
PR_SET_SYSCALL_USER_DISPATCH: Final = 59


class Verdict(Enum):
    """Whether it will do."""

    GOOD = 0
    WEAK = 1  # slower, or less hardened
    MISSING = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked for, what is there, and what to do if that is not enough."""

    name: str
    verdict: Verdict
    found: str
    advice: str = ""


def _judge(name: str, good: bool, found: str, advice: str, otherwise: Verdict = Verdict.MISSING) -> Finding:
    return Finding(name, Verdict.GOOD if good else otherwise, found, "" if good else advice)


def examine() -> Iterator[Finding]:
    """Everything, the indispensable first."""
    system, machine = platform.system(), platform.machine()
    yield _judge("system", (system, machine) == ("Linux", "x86_64"), f"{system} {machine}", "Skerry needs Linux on x86-64")
    release = platform.release()
    advice = f"boot Linux {KERNEL[0]}.{KERNEL[1]} or newer"
    yield _judge("kernel", _version(release) >= KERNEL, release, advice)
    fsgsbase = bool(_auxiliary(AT_HWCAP2) & HWCAP2_FSGSBASE)
    yield _judge("FSGSBASE", fsgsbase, "usable" if fsgsbase else "not usable", "boot without nofsgsbase, on a processor of 2012 or later")
    actions = _read("/proc/sys/kernel/seccomp/actions_avail").split()
    yield _judge("seccomp filters", "trap" in actions, " ".join(actions) or "none", "use a kernel with CONFIG_SECCOMP_FILTER")
    dispatch = _has_user_dispatch()
    advice = "traps go through the seccomp filter, which is slower: a kernel with CONFIG_GENERIC_ENTRY has it"
    yield _judge("user dispatch", dispatch, "there" if dispatch else "not there", advice, Verdict.WEAK)
    yield _native_parts()
    yield _ptrace()
    yield _memfd()
    yield _memory()
    overcommit = _number("/proc/sys/vm/overcommit_memory", 0)
    advice = "large mappings will be refused: sysctl vm.overcommit_memory=0"
    yield _judge("overcommit", overcommit != 2, f"vm.overcommit_memory={overcommit}", advice, Verdict.WEAK)
    mappings = _number("/proc/sys/vm/max_map_count", MAPPINGS)
    advice = f"programs with many mappings will fail: sysctl vm.max_map_count={MAPPINGS}"
    yield _judge("mappings", mappings >= MAPPINGS, f"{mappings} for each process", advice, Verdict.WEAK)
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    advice = f"few processes will run at a time: raise the hard limit (ulimit -Hn) to {DESCRIPTORS} or more"
    yield _judge("descriptors", descriptors >= DESCRIPTORS, f"{descriptors} at most", advice, Verdict.WEAK)
    processes = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    found = "no limit" if processes == resource.RLIM_INFINITY else f"{processes} at most"
    yield _judge(
        "processes", processes == resource.RLIM_INFINITY or processes >= 256, found, "raise the hard limit (ulimit -Hu)", Verdict.WEAK
    )
    yield _namespaces()
    processors = len(os.sched_getaffinity(0))
    advice = "a kernel with a processor of its own is faster"
    yield _judge("processors", processors > 1, str(processors), advice, Verdict.WEAK)


def _native_parts() -> Finding:
    here = Path(__file__).parent.parent / "machine"
    built = bool(list(here.glob("_host.*.so"))) and (here / "stub").exists()
    compiler = shutil.which("cc") or shutil.which("gcc")
    if built:
        return Finding("native parts", Verdict.GOOD, "built")
    return Finding(
        "native parts",
        Verdict.MISSING,
        f"not built; compiler: {compiler or 'none'}",
        "make install" if compiler else "install a C compiler (Debian: gcc), then make install",
    )


def _ptrace() -> Finding:
    scope = _number("/proc/sys/kernel/yama/ptrace_scope", 0)
    good = scope < 2 or (scope == 2 and os.geteuid() == 0)
    return _judge("reading guests", good, f"kernel.yama.ptrace_scope={scope}", "sysctl kernel.yama.ptrace_scope=1")


def _memfd() -> Finding:
    noexec = _number("/proc/sys/vm/memfd_noexec", 0)
    return _judge("memory files", noexec < 2, f"vm.memfd_noexec={noexec}", "guests start from one: sysctl vm.memfd_noexec=0")


def _memory() -> Finding:
    line = next((line for line in _read("/proc/meminfo").splitlines() if line.startswith("MemAvailable")), "x 0")
    available = int(line.split()[1]) << 10
    return _judge("memory", available >= MEMORY, f"{available >> 20} MiB available", f"give {MEMORY >> 20} MiB or more")


def _namespaces() -> Finding:
    most = _number("/proc/sys/user/max_user_namespaces", 0)
    closed = (
        _number("/proc/sys/kernel/unprivileged_userns_clone", 1) == 0
        or _number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", 0) == 1
    )
    good = most > 0 and (not closed or os.geteuid() == 0)
    advice = "guests lack a second wall: sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0"
    return _judge("user namespaces", good, "usable" if good else "closed to this user", advice, Verdict.WEAK)


def _version(release: str) -> tuple[int, ...]:
    words = release.split("-")[0].split(".")[:2]
    return tuple(int(word) if word.isdecimal() else 0 for word in words)


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _number(path: str, missing: int) -> int:
    text = _read(path).strip()
    return int(text) if text.lstrip("-").isdecimal() else missing


def _auxiliary(key: int) -> int:
    """A value of the auxiliary vector that this process was started with; 0 if it has none."""
    data = Path("/proc/self/auxv").read_bytes()
    return next((value for found, value in struct.iter_unpack("<QQ", data[: len(data) & ~15]) if found == key), 0)


def _has_user_dispatch() -> bool:
    """Whether prctl takes PR_SYS_DISPATCH_OFF, which changes nothing."""
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.prctl(PR_SET_SYSCALL_USER_DISPATCH, 0, 0, 0, 0) == 0)
