"""Structures of the system-call interface, as data: numbers, times, files.

Source: the UAPI headers; the choice of fields is strace's.
"""

from __future__ import annotations

import struct
from datetime import datetime
from typing import Final

from skerry.abi import linux
from skerry.abi.fault import Fault
from skerry.unix.strace import names
from skerry.unix.strace.kinds import (
    ITEM_LIMIT,
    Custom,
    Ending,
    Field,
    Flags,
    Items,
    Moment,
    Named,
    Number,
    Record,
    Typed,
    buffer,
    pointer,
)

INT: Final = Number(signed=32)
LONG: Final = Number(signed=64)
UNSIGNED: Final = Number()
HEX: Final = Number("#x", special={0: "0"})
ADDRESS: Final = Custom(lambda moment, word: pointer(word))
SIGNAL: Final = Custom(lambda moment, word: names.signal_name(word & 0xFFFFFFFF) if word & 0xFFFFFFFF else "0")
LAST_DATE: Final = 221_845_392_000  # the year 9000

# Times
TIMESPEC: Final = Record(16, (Field("tv_sec", 0, "q", LONG), Field("tv_nsec", 8, "q", LONG)))
TIMEVAL: Final = Record(16, (Field("tv_sec", 0, "q", LONG), Field("tv_usec", 8, "q", LONG)))
ITIMERVAL: Final = Record(32, (Field("it_interval", 0, "", TIMEVAL), Field("it_value", 16, "", TIMEVAL)))
ITIMERSPEC: Final = Record(32, (Field("it_interval", 0, "", TIMESPEC), Field("it_value", 16, "", TIMESPEC)))


def date(seconds: int, fraction: int = 0, digits: int = 9) -> str:
    """A time as a date, in the command's time zone; a time before 1970 or after the year 9000 as the number that it is."""
    if not 0 <= seconds < LAST_DATE:
        return str(seconds)
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
OWNER: Final = Record(8, (Field("type", 0, "i", Named(names.OWNER)), Field("pid", 4, "i", INT)))
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


READ_VECTOR: Final = Ending(
    Custom(lambda moment, word: iovec(moment, word, moment.words[2], moment.result if moment.result >= 0 else None))
)
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
