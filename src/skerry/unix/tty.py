"""The line discipline of a terminal: what becomes of what is typed, and of what is written.

It knows bytes and modes alone: what it sends to the screen it appends to ``output``, and for a character that is a signal it calls
``signal``. Positions in the input are counted from the beginning of time, so that nothing moves when a reader takes some: what lies between
``_tail`` and ``_canon`` are whole lines (canonical mode), what lies between ``_canon`` and the end can still be edited.

Source: termios(3); drivers/tty/n_tty.c of Linux for what that leaves open (echo of control characters, erasing tabs, PARMRK).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from skerry.abi import linux
from skerry.abi import termios as t

INPUT_LIMIT: Final = 4095  # bytes that were typed and not read
OUTPUT_LIMIT: Final = 8192  # bytes that were written and not shown, from which on a writer waits
ECHO_LIMIT: Final = 4096  # bytes of echo beyond it, which are lost
_EOF: Final = 0  # what stands in the input where a line was ended without a newline

_CONTROL: Final = frozenset((*range(32), 127))
_UPPER: Final = frozenset((*range(65, 91), *range(0xC0, 0xD7), *range(0xD8, 0xDF)))  # Latin-1, as the kernel's ctype
_ALPHANUMERIC: Final = frozenset((*range(48, 58), *range(97, 123), *range(0xDF, 0xF7), *range(0xF8, 0x100))) | _UPPER


class LineDiscipline:
    """One terminal's input and output between the program and the screen."""

    def __init__(self, signal: Callable[[int], None]) -> None:
        self.modes = t.Termios()
        self.output = bytearray()  # to the screen
        self.stopped = False  # by XOFF
        self._signal = signal
        self._input = bytearray()
        self._tail = 0  # position of the first byte of _input
        self._canon = 0
        self._ends: deque[int] = deque()  # positions of the characters that end lines
        self._column = 0
        self._canon_column = 0  # where the line that is edited began
        self._erasing = False  # an erasure is being printed (ECHOPRT)
        self._literal = False  # the next character stands for itself (LNEXT)
        self._kept: list[tuple[int, bool]] = []  # echo that waits for XON: character, whether to be shown as it is

    # Modes
    def _local(self, flag: int) -> bool:
        return bool(self.modes.lflag & flag)

    @property
    def canonical(self) -> bool:
        """Whether lines are edited before they are read."""
        return self.modes.lflag & (t.ICANON | t.EXTPROC) == t.ICANON

    def set_modes(self, data: bytes) -> None:
        """Become what TCSETS and its kin were given."""
        modes = self.modes
        before, flow = modes.lflag, modes.iflag & t.IXON
        modes.set(data)
        modes.cflag = modes.cflag & ~(t.CSIZE | t.PARENB) | t.CS8 | t.CREAD  # a pseudoterminal has no others
        if (before ^ modes.lflag) & (t.ICANON | t.EXTPROC):
            self._ends.clear()
            if not self._local(t.ICANON) or not self._input:
                self._canon = self._tail
            else:
                self._canon = self._head
                self._ends.append(self._head - 1)
            self._erasing = self._literal = False
        if flow and not modes.iflag & t.IXON:
            self.start()

    # Reading
    @property
    def _head(self) -> int:
        return self._tail + len(self._input)

    def available(self) -> int:
        """Bytes that can be read: of whole lines, where they are edited."""
        return self._canon - self._tail if self.canonical else len(self._input)

    def queued(self) -> int:
        """The same without the marks of ends of file: FIONREAD."""
        if not self.canonical:
            return len(self._input)
        return self.available() - sum(1 for at in self._ends if self._input[at - self._tail] == _EOF)

    def take(self, count: int) -> bytes:
        """Remove up to ``count`` bytes, at most a line in canonical mode; b"" is the end of file. Only while some are available."""
        if not self.canonical:
            return self._remove(count)
        length = self._ends[0] - self._tail + 1 if self._ends else self._canon - self._tail
        if length <= count:
            return self._end_line(length)
        data = self._remove(count)
        if self._ends and self._ends[0] == self._tail and self._input[0] == _EOF:
            self._end_line(1)  # who filled the buffer sees no end of file after it
        return data

    def _end_line(self, length: int) -> bytes:
        data = self._remove(length)
        if self._ends:
            self._ends.popleft()
            if data[-1] == _EOF:
                return data[:-1]
        return data

    def _remove(self, count: int) -> bytes:
        data = bytes(self._input[:count])
        del self._input[:count]
        self._tail += len(data)
        self._canon = max(self._canon, self._tail)
        return data

    def flush_input(self) -> None:
        """Drop what was typed and not read."""
        self._tail = self._canon = self._head
        self._input.clear()
        self._ends.clear()
        self._erasing = False

    # Input
    def room(self) -> int:
        """How many bytes ``receive`` takes now. A line that never ends is no reason to wait: what is too much is lost."""
        left = INPUT_LIMIT - len(self._input)
        if self.modes.iflag & t.PARMRK:
            left //= 3
        if left > 0:
            return left
        return OUTPUT_LIMIT if self.modes.lflag & t.ICANON and self._canon == self._tail else 0

    def receive(self, data: bytes) -> None:
        """These characters were typed."""
        iflag, lflag = self.modes.iflag, self.modes.lflag
        cooked_input = t.ISTRIP | t.IUCLC | t.IGNCR | t.ICRNL | t.INLCR | t.IXON | t.PARMRK
        if not iflag & cooked_input and not lflag & (t.ICANON | t.ISIG | t.ECHO) and not self._literal:
            self._input += data[: INPUT_LIMIT - len(self._input)]
            return
        for char in data:
            self._receive(char)

    def _receive(self, char: int) -> None:
        modes = self.modes
        iflag, lflag = modes.iflag, modes.lflag
        if iflag & t.ISTRIP:
            char &= 0x7F
        if iflag & t.IUCLC and lflag & t.IEXTEN and char in _UPPER:
            char += 32
        if self._literal:
            self._literal = False
            self._plain(char)
        elif lflag & t.EXTPROC:
            self._put(char)
        elif not char:  # what the disabled special characters are
            self._plain(char)
        elif not self._controls(char) and not self._signals(char):
            self._typed(char)

    def _typed(self, char: int) -> None:
        """It is input: of a line, or by itself."""
        iflag = self.modes.iflag
        self._start_by_any()
        meant = char
        if char == 13:
            if iflag & t.IGNCR:
                return
            if iflag & t.ICRNL:
                meant = 10
        elif char == 10 and iflag & t.INLCR:
            meant = 13
        if not self._local(t.ICANON) or not self._edits(meant):
            self._plain(meant, newline=char == 13 and meant == 10)

    def _start_by_any(self) -> None:
        if self.stopped and self.modes.iflag & (t.IXON | t.IXANY) == t.IXON | t.IXANY:
            self.start()

    def _controls(self, char: int) -> bool:
        """Whether it was a character of flow control."""
        cc = self.modes.cc
        if self.modes.iflag & t.IXON and char in (cc[t.VSTART], cc[t.VSTOP]):
            if char == cc[t.VSTART]:
                self.start()
            else:
                self.stop()
            return True
        return False

    def stop(self) -> None:
        """Nothing reaches the screen until ``start``."""
        self.stopped = True

    def start(self) -> None:
        """Show again what is written, and what was kept of the echo."""
        if self.stopped:
            self.stopped = False
            kept, self._kept = self._kept, []
            for char, raw in kept:
                self._show(char, raw)

    def _signals(self, char: int) -> bool:
        """Whether it was a character that is a signal."""
        cc = self.modes.cc
        if not self._local(t.ISIG) or char not in (cc[t.VINTR], cc[t.VQUIT], cc[t.VSUSP]):
            return False
        if not self._local(t.NOFLSH):
            self.flush_input()
            self._kept.clear()
        self._signal(linux.SIGINT if char == cc[t.VINTR] else linux.SIGQUIT if char == cc[t.VQUIT] else linux.SIGTSTP)
        if self.modes.iflag & t.IXON:
            self.start()
        if self._local(t.ECHO):
            self._echo(char)
        return True

    def _edits(self, char: int) -> bool:
        """Whether it was a character that edits or ends the line."""
        cc = self.modes.cc
        extended = self._local(t.IEXTEN)
        if char in (cc[t.VERASE], cc[t.VKILL]) or (char == cc[t.VWERASE] and extended):
            self._erase(char)
        elif char == cc[t.VLNEXT] and extended:
            self._literal = True
            if self._local(t.ECHO):
                self._finish_erasing()
                if self._local(t.ECHOCTL):
                    self._echo_raw(b"^\b")
        elif char == cc[t.VREPRINT] and extended and self._local(t.ECHO):
            self._finish_erasing()
            self._echo(char)
            self._echo_raw(b"\n")
            for other in self._input[self._canon - self._tail :]:
                self._echo(other)
        elif char == 10:
            if self._local(t.ECHO | t.ECHONL):
                self._echo_raw(b"\n")
            self._end(char)
        elif char == cc[t.VEOF]:
            self._end(_EOF)
        elif char == cc[t.VEOL] or (char == cc[t.VEOL2] and extended):
            if self._local(t.ECHO):
                self._mark_column()
                self._echo(char)
            self._end(char)
        else:
            return False
        return True

    def _end(self, char: int) -> None:
        """The line is over: it can be read."""
        if len(self._input) > INPUT_LIMIT:
            del self._input[-1]
        self._ends.append(self._head)
        self._input.append(char)
        self._canon = self._head

    def _plain(self, char: int, newline: bool = False) -> None:
        """It stands for itself. ``newline``: it is one that was typed as a carriage return, and is shown as one."""
        self._start_by_any()
        if self._local(t.ECHO):
            self._finish_erasing()
            if newline:
                self._echo_raw(b"\n")
            else:
                self._mark_column()
                self._echo(char)
        if char == 0xFF and self.modes.iflag & t.PARMRK:
            self._put(char)
        self._put(char)

    def _put(self, char: int) -> None:
        if len(self._input) < INPUT_LIMIT:
            self._input.append(char)

    # Erasing
    def _continues(self, char: int) -> bool:
        return bool(self.modes.iflag & t.IUTF8) and char & 0xC0 == 0x80

    def _erase(self, key: int) -> None:
        """A character, a word or the line, by ``key``."""
        cc = self.modes.cc
        line = self._canon - self._tail  # where it begins in _input
        if len(self._input) == line:
            return
        one = key == cc[t.VERASE]
        whole = not one and key != cc[t.VWERASE]
        if whole and not self._local(t.ECHO):
            del self._input[line:]
            return
        if whole and self.modes.lflag & (t.ECHOK | t.ECHOKE | t.ECHOE) != t.ECHOK | t.ECHOKE | t.ECHOE:
            del self._input[line:]
            self._finish_erasing()
            self._echo(key)
            if self._local(t.ECHOK):
                self._echo_raw(b"\n")
            return
        in_word = False
        while len(self._input) > line:
            start = len(self._input) - 1
            while self._continues(self._input[start]) and start > line:
                start -= 1
            char = self._input[start]
            if self._continues(char):
                break
            if not whole and not one:
                if char in _ALPHANUMERIC or char == 95:
                    in_word = True
                elif in_word:
                    break
            gone = bytes(self._input[start:])
            del self._input[start:]
            if self._local(t.ECHO):
                self._show_erasure(key, gone, line)
            if one:
                break
        if len(self._input) == line and self._local(t.ECHO):
            self._finish_erasing()

    def _show_erasure(self, key: int, gone: bytes, line: int) -> None:
        char = gone[0]
        if self._local(t.ECHOPRT):
            if not self._erasing:
                self._echo_raw(b"\\")
                self._erasing = True
            self._echo(char)
            for more in gone[1:]:
                self._echo_raw(bytes((more,)))
                self._column = max(0, self._column - 1)
        elif key == self.modes.cc[t.VERASE] and not self._local(t.ECHOE):
            self._echo(key)
        elif char == 9:
            self._erase_tab(line)
        else:
            if char in _CONTROL and self._local(t.ECHOCTL):
                self._echo_raw(b"\b \b")
            if char not in _CONTROL or self._local(t.ECHOCTL):
                self._echo_raw(b"\b \b")

    def _erase_tab(self, line: int) -> None:
        """Go back to where the tab began: after the one before it, or where the line began, and what was typed since."""
        column = 0
        for char in reversed(self._input[line:]):
            if char == 9:
                break
            if char in _CONTROL:
                column += 2 if self._local(t.ECHOCTL) else 0
            elif not self._continues(char):
                column += 1
        else:
            column += self._canon_column
        back = 8 - column % 8
        if not self.stopped:
            self.output += b"\b" * back
        self._column = max(0, self._column - back)

    def _finish_erasing(self) -> None:
        if self._erasing:
            self._echo_raw(b"/")
            self._erasing = False

    # Echo and output
    def _mark_column(self) -> None:
        if self._canon == self._head:
            self._canon_column = self._column

    def _echo(self, char: int) -> None:
        self._queue_echo(char, False)

    def _echo_raw(self, data: bytes) -> None:
        for char in data:
            self._queue_echo(char, True)

    def _queue_echo(self, char: int, raw: bool) -> None:
        if not self.stopped:
            self._show(char, raw)
        elif len(self._kept) < ECHO_LIMIT:
            self._kept.append((char, raw))

    def _show(self, char: int, raw: bool) -> None:
        if len(self.output) >= OUTPUT_LIMIT + ECHO_LIMIT:
            return
        if not raw and char in _CONTROL and char != 9 and self._local(t.ECHOCTL):
            self.output += bytes((94, char ^ 0o100))
            self._column += 2
        elif self.modes.oflag & t.OPOST:
            self._process(char)
        else:
            self.output.append(char)

    def write(self, data: bytes) -> int | None:
        """Bring ``data`` to the screen, as the modes say: how much of it; None while there is no room."""
        room = OUTPUT_LIMIT - len(self.output)
        if self.stopped or (room <= 0 and data):
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

    def _process(self, char: int) -> None:
        """Output processing (OPOST) of one character."""
        oflag = self.modes.oflag
        output = self.output
        if char == 10:
            if oflag & t.ONLRET:
                self._column = 0
            if oflag & t.ONLCR:
                self._column = 0
                output.append(13)
            self._canon_column = self._column
        elif char == 13:
            if oflag & t.ONOCR and not self._column:
                return
            if oflag & t.OCRNL:
                char = 10
            if not oflag & t.OCRNL or oflag & t.ONLRET:
                self._canon_column = self._column = 0
        elif char == 9:
            spaces = 8 - self._column % 8
            self._column += spaces
            if oflag & t.XTABS == t.XTABS:
                output += b" " * spaces
                return
        elif char == 8:
            self._column = max(0, self._column - 1)
        elif char not in _CONTROL:
            if oflag & t.OLCUC and (97 <= char < 123 or (0xE0 <= char < 0xFF and char != 0xF7)):
                char -= 32
            if not self._continues(char):
                self._column += 1
        output.append(char)
