"""Structures that describe the system, terminals and sockets.

Source: the UAPI headers; the choice of fields is strace's.
"""

from __future__ import annotations

import struct
from typing import Final

from skerry.unix.strace import names
from skerry.unix.strace.kinds import (
    By,
    Custom,
    Field,
    Items,
    Moment,
    Named,
    Record,
    Typed,
    flags,
    pointer,
    quoted,
)
from skerry.unix.strace.structures import INT, LONG, UNSIGNED, iovec

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
