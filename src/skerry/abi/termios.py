"""Terminal modes: the numbers of struct ktermios, and its forms that ioctl hands over.

Source: asm-generic/termbits.h, asm-generic/ioctls.h, asm/termbits.h; termios(3), ioctl_tty(2).
"""

from __future__ import annotations

import struct
from typing import Final

from skerry.abi.linux import TCGETA, TCGETS, TCSETA, TCSETS, TCSETSF, TCSETSW

# c_iflag
IGNBRK: Final = 0o1
BRKINT: Final = 0o2
PARMRK: Final = 0o10
ISTRIP: Final = 0o40
INLCR: Final = 0o100
IGNCR: Final = 0o200
ICRNL: Final = 0o400
IUCLC: Final = 0o1000
IXON: Final = 0o2000
IXANY: Final = 0o4000
IXOFF: Final = 0o10000
IMAXBEL: Final = 0o20000
IUTF8: Final = 0o40000

# c_oflag
OPOST: Final = 0o1
OLCUC: Final = 0o2
ONLCR: Final = 0o4
OCRNL: Final = 0o10
ONOCR: Final = 0o20
ONLRET: Final = 0o40
XTABS: Final = 0o14000  # all bits of TABDLY

# c_cflag
CSIZE: Final = 0o60
CS8: Final = 0o60
CREAD: Final = 0o200
PARENB: Final = 0o400

# c_lflag
ISIG: Final = 0o1
ICANON: Final = 0o2
ECHO: Final = 0o10
ECHOE: Final = 0o20
ECHOK: Final = 0o40
ECHONL: Final = 0o100
NOFLSH: Final = 0o200
TOSTOP: Final = 0o400
ECHOCTL: Final = 0o1000
ECHOPRT: Final = 0o2000
ECHOKE: Final = 0o4000
IEXTEN: Final = 0o100000
EXTPROC: Final = 0o200000

# indices of c_cc
VINTR: Final = 0
VQUIT: Final = 1
VERASE: Final = 2
VKILL: Final = 3
VEOF: Final = 4
VTIME: Final = 5
VMIN: Final = 6
VSTART: Final = 8
VSTOP: Final = 9
VSUSP: Final = 10
VEOL: Final = 11
VREPRINT: Final = 12
VWERASE: Final = 14
VLNEXT: Final = 15
VEOL2: Final = 16
NCCS: Final = 19

# ioctl
TCSETAW: Final = 0x5407
TCSETAF: Final = 0x5408
TIOCGETD: Final = 0x5424
TIOCSETD: Final = 0x5423
TCSBRKP: Final = 0x5425
TIOCGPKT: Final = 0x80045438
TIOCGEXCL: Final = 0x80045440
TIOCGDEV: Final = 0x80045432
TIOCGLCKTRMIOS: Final = 0x5456
TIOCSLCKTRMIOS: Final = 0x5457
TIOCVHANGUP: Final = 0x5437
TIOCCONS: Final = 0x541D
TIOCSIG: Final = 0x40045436
TCGETS2: Final = 0x802C542A
TCSETS2: Final = 0x402C542B
TCSETSW2: Final = 0x402C542C
TCSETSF2: Final = 0x402C542D

# bits of the first byte that a master in packet mode reads
PKT_FLUSHREAD: Final = 1
PKT_FLUSHWRITE: Final = 2
PKT_STOP: Final = 4
PKT_START: Final = 8
PKT_NOSTOP: Final = 16
PKT_DOSTOP: Final = 32

_TERMIOS: Final = struct.Struct("<IIIIB19s")  # what TCGETS gives
_SPEEDS: Final = struct.Struct("<II")  # what TCGETS2 adds
_TERMIO: Final = struct.Struct("<HHHHB8sx")  # what TCGETA gives
TERMIOS_SIZE: Final = _TERMIOS.size
TERMIOS2_SIZE: Final = _TERMIOS.size + _SPEEDS.size
TERMIO_SIZE: Final = _TERMIO.size

GETS: Final = {TCGETS: TERMIOS_SIZE, TCGETS2: TERMIOS2_SIZE, TCGETA: TERMIO_SIZE}  # how much each hands over
SETS: Final = {  # the same, and whether what was typed is dropped
    TCSETS: (TERMIOS_SIZE, False),
    TCSETSW: (TERMIOS_SIZE, False),
    TCSETSF: (TERMIOS_SIZE, True),
    TCSETS2: (TERMIOS2_SIZE, False),
    TCSETSW2: (TERMIOS2_SIZE, False),
    TCSETSF2: (TERMIOS2_SIZE, True),
    TCSETA: (TERMIO_SIZE, False),
    TCSETAW: (TERMIO_SIZE, False),
    TCSETAF: (TERMIO_SIZE, True),
}
AT_ONCE: Final = {TERMIOS_SIZE: TCSETS, TERMIOS2_SIZE: TCSETS2, TERMIO_SIZE: TCSETA}  # those that wait for nothing


class Termios:
    """The modes of a terminal; at first those of a terminal that was just opened."""

    __slots__ = ("cc", "cflag", "iflag", "ispeed", "lflag", "line", "locked", "oflag", "ospeed")

    def __init__(self) -> None:
        self.iflag = ICRNL | IXON
        self.oflag = OPOST | ONLCR
        self.cflag = 0o17 | CS8 | CREAD  # B38400
        self.lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN
        self.line = 0
        self.cc = b"\3\34\177\25\4\0\1\0\21\23\32\0\22\17\27\26\0".ljust(NCCS, b"\0")
        self.ispeed = self.ospeed = 38400
        self.locked = bytes(TERMIOS_SIZE)  # as TCGETS: flags and characters that are not 0 do not change

    def pack(self, size: int) -> bytes:
        """As TCGETS, TCGETS2 or TCGETA give it; ``size`` says which."""
        if size == TERMIO_SIZE:
            flags = (self.iflag, self.oflag, self.cflag, self.lflag)
            return _TERMIO.pack(*(bits & 0xFFFF for bits in flags), self.line, self.cc[:8])
        words = _TERMIOS.pack(self.iflag, self.oflag, self.cflag, self.lflag, self.line, self.cc)
        return words if size == TERMIOS_SIZE else words + _SPEEDS.pack(self.ispeed, self.ospeed)

    def set(self, data: bytes) -> None:
        """Become what TCSETS, TCSETS2 or TCSETA was given, but for what is locked; the length says which."""
        old = self.pack(TERMIOS_SIZE)
        self._replace(data)
        if any(self.locked):
            self._replace(_merge(old, self.pack(TERMIOS_SIZE), self.locked))

    def _replace(self, data: bytes) -> None:
        if len(data) == TERMIO_SIZE:
            *flags, self.line, characters = _TERMIO.unpack(data)
            old = (self.iflag, self.oflag, self.cflag, self.lflag)
            self.iflag, self.oflag, self.cflag, self.lflag = (a & ~0xFFFF | b for a, b in zip(old, flags, strict=True))
            self.cc = characters + self.cc[8:]
            return
        self.iflag, self.oflag, self.cflag, self.lflag, self.line, self.cc = _TERMIOS.unpack(data[:TERMIOS_SIZE])
        if len(data) == TERMIOS2_SIZE:
            self.ispeed, self.ospeed = _SPEEDS.unpack(data[TERMIOS_SIZE:])


def _merge(old: bytes, new: bytes, locked: bytes) -> bytes:
    """``new`` with what is locked as in ``old``: flags bit by bit, the line discipline and the characters whole."""
    flags = _TERMIOS.size - NCCS - 1
    masks = locked[:flags] + bytes(255 if byte else 0 for byte in locked[flags:])
    return bytes(a & mask | b & ~mask for a, b, mask in zip(old, new, masks, strict=True))
