"""What a terminal shows: output processing (OPOST), the column that follows from it, and echo, which waits while output is stopped.

Source: termios(3); drivers/tty/n_tty.c of Linux for echo of control characters, erasing of tabs and what waits for XON.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from skerry.abi import termios as t

OUTPUT_LIMIT: Final = 8192  # bytes that were written and not shown, from which on a writer waits
ECHO_LIMIT: Final = 4096  # bytes of echo beyond it, which are lost
CONTROL: Final = frozenset((*range(32), 127))
LOWER: Final = frozenset((*range(97, 123), *range(0xDF, 0xF7), *range(0xF8, 0x100)))  # Latin-1, as the kernel's ctype


class Echo(Enum):
    """What is to be done for an echo; the number that goes with it is a character, or columns."""

    PLAIN = 1  # show the character
    CARET = 2  # show it as ^X
    BACK = 3  # the character before was part of one: a column fewer
    TAB = 4  # go back to where a tab began: columns since the tab before it
    FIRST_TAB = 5  # the same: columns since the line began
    BEGIN = 6  # a line begins here


class Screen:
    """The output of one terminal."""

    def __init__(self, modes: t.Termios) -> None:
        self.modes = modes
        self.output = bytearray()  # for the terminal emulator
        self.stopped = False
        self._column = 0
        self._line_column = 0  # where the line that is edited began
        self._kept: list[tuple[Echo, int]] = []

    def start(self) -> None:
        """Show again what is written, and what was kept of the echo."""
        if self.stopped:
            self.stopped = False
            kept, self._kept = self._kept, []
            for kind, number in kept:
                self._show(kind, number)

    def forget_echo(self) -> None:
        """Drop what was kept of it."""
        self._kept.clear()

    def write(self, data: bytes) -> int | None:
        """Show ``data`` as the modes say: how much of it; None while there is no room."""
        if not data:
            return 0
        room = OUTPUT_LIMIT - len(self.output)
        if self.stopped or room <= 0:
            return None
        if not self.modes.oflag & t.OPOST:
            self.output += data[:room]
            return min(room, len(data))
        done = 0
        for char in data:
            if len(self.output) >= OUTPUT_LIMIT:
                break
            self._process(char)
            done += 1
        return done

    def echo(self, kind: Echo, number: int = 0) -> None:
        """Show it, when output is not stopped."""
        if not self.stopped:
            self._show(kind, number)
        elif len(self._kept) < ECHO_LIMIT:
            self._kept.append((kind, number))

    def _show(self, kind: Echo, number: int) -> None:
        if kind is Echo.BEGIN:
            self._line_column = self._column
        elif kind is Echo.BACK:
            self._column = max(0, self._column - 1)
        elif len(self.output) >= OUTPUT_LIMIT + ECHO_LIMIT:
            pass  # nobody reads it
        elif kind is Echo.CARET:
            self.output += bytes((94, number ^ 0o100))
            self._column += 2
        elif kind is Echo.PLAIN and number == 0xFF:  # which Linux never processes
            self.output.append(number)
            self._column += 1
        elif kind is Echo.PLAIN and self.modes.oflag & t.OPOST:
            self._process(number)
        elif kind is Echo.PLAIN:
            self.output.append(number)
        else:
            back = 8 - (number + (self._line_column if kind is Echo.FIRST_TAB else 0)) % 8
            self.output += b"\b" * back
            self._column = max(0, self._column - back)

    def _process(self, char: int) -> None:
        oflag = self.modes.oflag
        output = self.output
        if char == 10:
            if oflag & t.ONLRET:
                self._column = 0
            if oflag & t.ONLCR:
                self._column = 0
                output.append(13)
            self._line_column = self._column
        elif char == 13:
            if oflag & t.ONOCR and not self._column:
                return
            if oflag & t.OCRNL:
                char = 10
            if not oflag & t.OCRNL or oflag & t.ONLRET:
                self._line_column = self._column = 0
        elif char == 9:
            spaces = 8 - self._column % 8
            self._column += spaces
            if oflag & t.XTABS == t.XTABS:
                output += b" " * spaces
                return
        elif char == 8:
            self._column = max(0, self._column - 1)
        elif char not in CONTROL:
            if oflag & t.OLCUC and char in LOWER:
                char -= 32
            if not self.modes.iflag & t.IUTF8 or char & 0xC0 != 0x80:
                self._column += 1
        output.append(char)
