"""Structures of the system-call interface, as data.

Source: the UAPI headers; the choice of fields is strace's.
"""

from __future__ import annotations

import struct
from datetime import datetime
from typing import Final

from skerry.abi import linux
from skerry.abi.fault import Fault
from skerry.unix.arguments import c_int
from skerry.unix.strace import names
from skerry.unix.strace.kinds import (
    ITEM_LIMIT,
    By,
    Custom,
    Field,
    Flags,
    Items,
    Moment,
    Named,
    Number,
    Record,
    Typed,
    buffer,
    flags,
    pointer,
    quoted,
    signal_set,
)

INT: Final = Number(signed=32)
LONG: Final = Number(signed=64)
UNSIGNED: Final = Number()
HEX: Final = Number("#x", special={0: "0"})
ADDRESS: Final = Custom(lambda moment, word: pointer(word))
SIGNAL: Final = Custom(lambda moment, word: names.signal_name(word & 0xFFFFFFFF) if word & 0xFFFFFFFF else "0")
SECOND: Final = 1_000_000_000

# Times
TIMESPEC: Final = Record(16, (Field("tv_sec", 0, "q", LONG), Field("tv_nsec", 8, "q", LONG)))
TIMEVAL: Final = Record(16, (Field("tv_sec", 0, "q", LONG), Field("tv_usec", 8, "q", LONG)))
ITIMERVAL: Final = Record(32, (Field("it_interval", 0, "", TIMEVAL), Field("it_value", 16, "", TIMEVAL)))
ITIMERSPEC: Final = Record(32, (Field("it_interval", 0, "", TIMESPEC), Field("it_value", 16, "", TIMESPEC)))


def date(seconds: int, fraction: int = 0, digits: int = 9) -> str:
    """A time as a date, in the command's time zone."""
    moment = datetime.fromtimestamp(seconds).astimezone()
    return f"{moment:%Y-%m-%dT%H:%M:%S}{f'.{fraction:0{digits}d}' if fraction else ''}{moment:%z}"


def _dated_timespec(moment: Moment, address: int) -> str:
    seconds, nanoseconds = struct.unpack("<qq", moment.memory.read(address, 16))
    if nanoseconds in (linux.UTIME_NOW, linux.UTIME_OMIT):
        return "UTIME_NOW" if nanoseconds == linux.UTIME_NOW else "UTIME_OMIT"
    return f"{TIMESPEC.text(moment, address)} /* {date(seconds, nanoseconds)} */"


def _dated_timeval(moment: Moment, address: int) -> str:
    seconds, microseconds = struct.unpack("<qq", moment.memory.read(address, 16))
    return f"{TIMEVAL.text(moment, address)} /* {date(seconds, microseconds, 6)} */"


DATE: Final = Custom(lambda moment, word: f"{word} /* {date(word)} */")
UTIMENS: Final = Items(16, "", Custom(_dated_timespec), fixed=2)
UTIMES: Final = Items(16, "", Custom(_dated_timeval), fixed=2)
UTIMBUF: Final = Record(16, (Field("actime", 0, "q", DATE), Field("modtime", 8, "q", DATE)))


# Files
def mode_text(mode: int) -> str:
    """``S_IFREG|0644``."""
    kind = names.FILE_TYPE.get(mode & linux.S_IFMT)
    special = [name for name in ("S_ISUID", "S_ISGID", "S_ISVTX") if mode & getattr(linux, name)]
    number = f"{mode & 0o777:03o}"
    return "|".join([*([kind] if kind else []), *special, number if number == "000" else "0" + number])


MODE: Final = Custom(lambda moment, word: octal(word & 0xFFFF))
FILE_MODE: Final = Custom(lambda moment, word: mode_text(word & 0xFFFF))


def octal(number: int) -> str:
    """``0644``, ``022``, ``000``."""
    return f"0{number:o}" if number >= 0o100 else f"{number:03o}"


def _is_device(data: bytes, at: int, code: str) -> bool:
    kind = struct.unpack_from(code, data, at)[0] & linux.S_IFMT
    return bool(kind in (linux.S_IFCHR, linux.S_IFBLK))


def device_text(number: int) -> str:
    """``makedev(0x1, 0x3)``."""
    major = number >> 8 & 0xFFF | number >> 32 & ~0xFFF
    minor = number & 0xFF | number >> 12 & 0xFFFFFF00
    return f"makedev({major:#x}, {minor:#x})"


DEVICE: Final = Custom(lambda moment, word: device_text(word))
STAT: Final = Record(
    144,
    (
        Field("st_mode", 24, "I", FILE_MODE),
        Field("st_rdev", 40, "Q", DEVICE, lambda data: _is_device(data, 24, "<I")),
        Field("st_size", 48, "q", LONG, lambda data: not _is_device(data, 24, "<I")),
    ),
    more=True,
)
STATX: Final = Record(
    256,
    (
        Field("stx_mask", 0, "I", Flags(names.STATX)),
        Field("stx_attributes", 8, "Q", Flags(names.STATX_ATTRIBUTES)),
        Field("stx_mode", 28, "H", FILE_MODE),
        Field("stx_size", 40, "Q", UNSIGNED),
    ),
    more=True,
)
STATFS: Final = Record(
    120,
    (
        Field("f_type", 0, "q", Named(names.FILE_SYSTEM)),
        Field("f_bsize", 8, "q", LONG),
        Field("f_blocks", 16, "Q", UNSIGNED),
        Field("f_bfree", 24, "Q", UNSIGNED),
        Field("f_bavail", 32, "Q", UNSIGNED),
        Field("f_files", 40, "Q", UNSIGNED),
        Field("f_ffree", 48, "Q", UNSIGNED),
        Field("f_fsid", 56, "", Record(8, (Field("val", 0, "", Items(4, "I", HEX, fixed=2)),))),
        Field("f_namelen", 64, "q", LONG),
        Field("f_frsize", 72, "q", LONG),
        Field("f_flags", 80, "q", Flags(names.MOUNTED)),
    ),
)
FLOCK: Final = Record(
    32,
    (
        Field("l_type", 0, "h", Named(names.LOCK_TYPE)),
        Field("l_whence", 2, "h", Named(names.WHENCE)),
        Field("l_start", 8, "q", LONG),
        Field("l_len", 16, "q", LONG),
    ),
)
FLOCK_FOUND: Final = Record(32, (*FLOCK.fields, Field("l_pid", 24, "i", INT)))
OPEN_FLAGS: Final = Typed(linux.O_ACCMODE, names.ACCESS_MODE, names.OPEN)
OPEN_HOW: Final = Record(
    24,
    (
        Field("flags", 0, "Q", OPEN_FLAGS),
        Field(
            "mode",
            8,
            "Q",
            MODE,
            lambda data: bool(struct.unpack_from("<Q", data)[0] & (linux.O_CREAT | linux.O_TMPFILE & ~linux.O_DIRECTORY)),
        ),
        Field("resolve", 16, "Q", Flags(names.RESOLVE)),
    ),
)


def iovec(moment: Moment, address: int, count: int, length: int | None) -> str:
    """An array of iovec; ``length`` bytes of it hold data, none: only the addresses are known."""
    if not address:
        return "NULL"
    shown = min(count, ITEM_LIMIT)
    try:
        words = moment.memory.read_words(address, 2 * shown)
    except Fault:
        return pointer(address)
    parts = []
    for base, size in zip(words[::2], words[1::2], strict=True):
        if length is None:
            text = pointer(base)
        else:
            text = buffer(moment, base, min(size, length))
            length -= min(size, length)
        parts.append(f"{{iov_base={text}, iov_len={size}}}")
    return "[" + ", ".join(parts) + (", ...]" if count > shown else "]")


READ_VECTOR: Final = Custom(lambda moment, word: iovec(moment, word, moment.words[2], moment.result if moment.result >= 0 else None))
WRITE_VECTOR: Final = Custom(lambda moment, word: iovec(moment, word, moment.words[2], 1 << 62))


_ENTRY_HEADER: Final = 19  # bytes of a directory entry before its name


def entries(moment: Moment, address: int) -> str:
    """How many directory entries getdents64 gave."""
    data = moment.memory.read(address, moment.result)
    place = count = 0
    while place + _ENTRY_HEADER <= len(data):
        place += max(struct.unpack_from("<H", data, place + 16)[0], _ENTRY_HEADER)
        count += 1
    return f"{address:#x} /* {count} entr{'y' if count == 1 else 'ies'} */"


def residency(moment: Moment, address: int) -> str:
    """What mincore says of each page."""
    pages = (moment.words[1] + 4095) // 4096
    data = moment.memory.read(address, min(pages, ITEM_LIMIT))
    return "[" + ", ".join(str(byte) for byte in data) + (", ...]" if pages > len(data) else "]")


# Waiting
def _poll_entry(moment: Moment, address: int) -> str:
    fd, events, _revents = struct.unpack("<ihh", moment.memory.read(address, 8))
    return f"{{fd={fd}, events={flags(events & 0xFFFF, names.POLL)}}}" if fd >= 0 else f"{{fd={fd}}}"


POLL: Final = Items(8, "", Custom(_poll_entry), count=1)


def ready_descriptors(moment: Moment) -> str:
    """What poll found, and the time that was left."""
    count, address = moment.words[1] & 0xFFFFFFFF, moment.words[0]
    parts = []
    for place in range(min(count, 1024)):
        fd, _events, revents = struct.unpack("<ihh", moment.memory.read(address + 8 * place, 8))
        if revents:
            parts.append(f"{{fd={fd}, revents={flags(revents & 0xFFFF, names.POLL)}}}")
    return "[" + ", ".join(parts) + "]"


def descriptor_set(moment: Moment, address: int) -> str:
    """``[3 5]`` of select's argument."""
    if not address:
        return "NULL"
    count = min(max(c_int(moment.words[0]), 0), 1024)
    bits = int.from_bytes(moment.memory.read(address, (count + 63) // 64 * 8), "little")
    return "[" + " ".join(str(fd) for fd in range(count) if bits >> fd & 1) + "]"


FD_SET: Final = Custom(descriptor_set)
EPOLL_EVENT: Final = Record(
    12,
    (
        Field("events", 0, "I", Flags(names.EPOLL)),
        Field("data", 4, "", Record(8, (Field("u32", 0, "I", UNSIGNED), Field("u64", 0, "Q", UNSIGNED)))),
    ),
)


# Signals
def signal_set_at(moment: Moment, address: int) -> str:
    """The set at an address."""
    return signal_set(struct.unpack("<Q", moment.memory.read(address, 8))[0]) if address else "NULL"


SIGNAL_SET: Final = Custom(signal_set_at)
SIGNAL_MASK: Final = Custom(lambda moment, word: signal_set(word))
HANDLER: Final = Custom(lambda moment, word: {0: "SIG_DFL", 1: "SIG_IGN"}.get(word) or pointer(word))
SIGACTION: Final = Record(
    32,
    (
        Field("sa_handler", 0, "Q", HANDLER),
        Field("sa_mask", 24, "Q", SIGNAL_MASK),
        Field("sa_flags", 8, "Q", Flags(names.SIGNAL_ACTION)),
        Field("sa_restorer", 16, "Q", ADDRESS, lambda data: bool(struct.unpack_from("<Q", data, 8)[0] & 0x4000000)),
    ),
)
STACK: Final = Record(
    24,
    (Field("ss_sp", 0, "Q", ADDRESS), Field("ss_flags", 8, "I", Flags(names.STACK)), Field("ss_size", 16, "Q", UNSIGNED)),
)
PSELECT_MASK: Final = Record(16, (Field("sigmask", 0, "Q", SIGNAL_SET), Field("sigsetsize", 8, "Q", UNSIGNED)))


def signal_information(data: bytes) -> str:
    """struct siginfo, 128 bytes."""
    signo, _errno, code = struct.unpack_from("<iii", data)
    first, second, third, utime, stime = struct.unpack_from("<iIi4xqq", data, 16)
    (address,) = struct.unpack_from("<Q", data, 16)
    (value,) = struct.unpack_from("<Q", data, 24)
    name = names.signal_name(signo)
    number = second - (second >> 31 << 32)
    parts = [f"si_signo={name}"]
    if signo == linux.SIGCHLD and code > 0 and code != linux.SI_KERNEL:
        child = names.CHILD_CODE.get(code, str(code))
        status = str(third) if code == linux.CLD_EXITED else names.signal_name(third)
        parts += [
            f"si_code={child}",
            f"si_pid={first}",
            f"si_uid={number}",
            f"si_status={status}",
            f"si_utime={utime}",
            f"si_stime={stime}",
        ]
    elif 0 < code < linux.SI_KERNEL:
        parts += [f"si_code={names.FAULT_CODE.get(signo, {}).get(code, code)}", f"si_addr={pointer(address)}"]
    else:
        parts.append(f"si_code={names.SIGNAL_CODE.get(code, code)}")
        if code in (linux.SI_USER, linux.SI_TKILL, linux.SI_QUEUE):
            parts += [f"si_pid={first}", f"si_uid={number}"]
        if code == linux.SI_QUEUE:
            parts += [f"si_int={c_int(value)}", f"si_ptr={pointer(value)}"]
    return "{" + ", ".join(parts) + "}"


SIGINFO: Final = Custom(lambda moment, word: signal_information(moment.memory.read(word, 128)) if word else "NULL")


# Processes
def wait_status(status: int) -> str:
    """A wait status in the macros that take it apart."""
    signo = status & 0x7F
    if status == 0xFFFF:
        return "WIFCONTINUED(s)"
    if status & 0xFF == 0x7F:
        return f"WIFSTOPPED(s) && WSTOPSIG(s) == {names.signal_name(status >> 8)}"
    if signo:
        return f"WIFSIGNALED(s) && WTERMSIG(s) == {names.signal_name(signo)}{' && WCOREDUMP(s)' if status & 0x80 else ''}"
    return f"WIFEXITED(s) && WEXITSTATUS(s) == {status >> 8}"


def reaped(moment: Moment, address: int) -> str:
    """The status that wait4 wrote, if there was a child."""
    if not moment.result:
        return pointer(address)
    return f"[{{{wait_status(struct.unpack('<I', moment.memory.read(address, 4))[0])}}}]"


RUSAGE: Final = Record(144, (Field("ru_utime", 0, "", TIMEVAL), Field("ru_stime", 16, "", TIMEVAL)), more=True)


def _limit(moment: Moment, value: int) -> str:
    if value == linux.RLIM_INFINITY:
        return "RLIM64_INFINITY"
    return f"{value // 1024}*1024" if value > 1024 and value % 1024 == 0 else str(value)


RLIMIT: Final = Record(16, (Field("rlim_cur", 0, "Q", Custom(_limit)), Field("rlim_max", 8, "Q", Custom(_limit))))


def clone_flags(word: int) -> str:
    """Flags, and the signal in the low byte."""
    parts = [flags(word & ~0xFF, names.CLONE)] if word & ~0xFF else []
    return "|".join([*parts, *([names.signal_name(word & 0xFF)] if word & 0xFF else [])]) or "0"


def _clone_arguments(moment: Moment, address: int) -> str:
    words = moment.memory.read_words(address, 8)
    bits, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls = words
    parts = [f"flags={flags(bits, names.CLONE)}"]
    parts += [f"pidfd={pointer(pidfd)}"] if bits & linux.CLONE_PIDFD else []
    parts += [f"child_tid={pointer(child_tid)}"] if bits & (linux.CLONE_CHILD_SETTID | linux.CLONE_CHILD_CLEARTID) else []
    parts += [f"parent_tid={pointer(parent_tid)}"] if bits & linux.CLONE_PARENT_SETTID else []
    parts += [
        f"exit_signal={names.signal_name(exit_signal) if exit_signal else 0}",
        f"stack={pointer(stack)}",
        f"stack_size={stack_size:#x}",
    ]
    parts += [f"tls={pointer(tls)}"] if bits & linux.CLONE_SETTLS else []
    return "{" + ", ".join(parts) + "}"


CLONE_ARGUMENTS: Final = Custom(_clone_arguments)

# The system


def _c_string(moment: Moment, address: int) -> str:
    return quoted(moment.memory.read(address, 65).split(b"\0")[0])


UTSNAME: Final = Record(
    390,
    (
        Field("sysname", 0, "", Custom(_c_string)),
        Field("nodename", 65, "", Custom(_c_string)),
    ),
    more=True,
)


SYSINFO: Final = Record(
    112,
    (
        Field("uptime", 0, "q", LONG),
        Field("loads", 8, "", Items(8, "Q", UNSIGNED, fixed=3)),
        *(
            Field(name, 32 + 8 * index, "Q", UNSIGNED)
            for index, name in enumerate(("totalram", "freeram", "sharedram", "bufferram", "totalswap", "freeswap"))
        ),
        Field("procs", 80, "H", UNSIGNED),
        Field("totalhigh", 88, "Q", UNSIGNED),
        Field("freehigh", 96, "Q", UNSIGNED),
        Field("mem_unit", 104, "I", UNSIGNED),
    ),
)
TMS: Final = Record(
    32, tuple(Field(name, 8 * i, "q", LONG) for i, name in enumerate(("tms_utime", "tms_stime", "tms_cutime", "tms_cstime")))
)
CAPABILITY_VERSION: Final = {0x20080522: "_LINUX_CAPABILITY_VERSION_3", 0x20071026: "_LINUX_CAPABILITY_VERSION_2"}
CAPABILITY_HEADER: Final = Record(8, (Field("version", 0, "I", Named(CAPABILITY_VERSION)), Field("pid", 4, "i", INT)))


def _capabilities(moment: Moment, address: int) -> str:
    words = struct.unpack("<6I", moment.memory.read(address, 24))
    parts = []
    for index, name in enumerate(("effective", "permitted", "inheritable")):
        bits = words[index] | words[index + 3] << 32
        known = [f"1<<{names.CAPABILITY.get(n, n)}" for n in range(64) if bits >> n & 1]
        parts.append(f"{name}={'|'.join(known) or 0}")
    return "{" + ", ".join(parts) + "}"


CAPABILITIES: Final = Custom(lambda moment, word: _capabilities(moment, word) if word else "NULL")
WINSIZE: Final = Record(
    8, tuple(Field(name, 2 * index, "H", UNSIGNED) for index, name in enumerate(("ws_row", "ws_col", "ws_xpixel", "ws_ypixel")))
)
_SPEEDS: Final = {0: "B0", 0xD: "B9600", 0xE: "B19200", 0xF: "B38400", 0x1001: "B57600", 0x1002: "B115200"}


def _termios(moment: Moment, address: int) -> str:
    _input, output, control, local = struct.unpack("<4I", moment.memory.read(address, 16))
    switches = (("opost", output & 1), ("isig", local & 1), ("icanon", local & 2), ("echo", local & 8))
    words = " ".join(name if on else "-" + name for name, on in switches)
    return f"{{{_SPEEDS.get(control & 0x100F, hex(control & 0x100F))} {words} ...}}"


TERMIOS: Final = Custom(_termios)
AFFINITY: Final = Custom(lambda moment, word: _processors(moment, word))


def _processors(moment: Moment, address: int) -> str:
    length = min(moment.result or moment.words[1], 128)
    bits = int.from_bytes(moment.memory.read(address, length), "little")
    return "[" + " ".join(str(n) for n in range(8 * length) if bits >> n & 1) + "]"


def _socket_address(moment: Moment, address: int, length: int) -> str:
    if not address:
        return "NULL"
    data = moment.memory.read(address, min(length, 128))
    if len(data) < 2:
        return pointer(address)
    (family,) = struct.unpack_from("<H", data)
    text = f"sa_family={names.FAMILY.get(family, hex(family))}"
    if family == 1 and len(data) > 2:
        path = data[2:]
        text += f", sun_path=@{quoted(path[1:])}" if path[:1] == b"\0" else f", sun_path={quoted(path.split(bytes(1))[0])}"
    elif family == 2 and len(data) >= 8:
        text += f', sin_port=htons({int.from_bytes(data[2:4], "big")}), sin_addr=inet_addr("{".".join(map(str, data[4:8]))}")'
    elif family == 10 and len(data) >= 24:
        text += f", sin6_port=htons({int.from_bytes(data[2:4], 'big')}), sin6_addr={data[8:24].hex()}"
    return "{" + text + "}"


SOCKET_ADDRESS: Final = Custom(lambda moment, word: _socket_address(moment, word, moment.words[2] & 0xFFFFFFFF))


def _filled_address(moment: Moment, address: int) -> str:
    at = moment.words[5] if len(moment.words) > 5 and moment.words[4] == address else moment.words[2]
    return _socket_address(moment, address, struct.unpack("<I", moment.memory.read(at, 4))[0] if at else 0)


FILLED_ADDRESS: Final = Custom(_filled_address)
DESTINATION: Final = Custom(lambda moment, word: _socket_address(moment, word, moment.words[5] & 0xFFFFFFFF))


def _message(moment: Moment, address: int) -> str:
    if not address:
        return "NULL"
    name, name_length, vector, count, control, control_length, bits = struct.unpack("<QI4xQQQQi", moment.memory.read(address, 52))
    length = moment.result if moment.result > 0 else 1 << 62
    parts = [f"msg_name={_socket_address(moment, name, name_length)}", f"msg_namelen={name_length}"]
    parts += [f"msg_iov={iovec(moment, vector, count, length)}", f"msg_iovlen={count}"]
    parts += [f"msg_control={pointer(control)}"] if control else []
    parts += [f"msg_controllen={control_length}", f"msg_flags={flags(bits, names.MESSAGE)}"]
    return "{" + ", ".join(parts) + "}"


MESSAGE: Final = Custom(_message)
SOCKET_OPTION: Final = By(1, {1: Named(names.SOCKET_OPTION), 6: Named(names.TCP_OPTION)}, INT)
SOCKET_TYPE: Final = Typed(0xF, names.SOCKET_TYPE, names.SOCKET_FLAGS)
