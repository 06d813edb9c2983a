"""The line discipline of a terminal: what becomes of what is typed.

It knows bytes and modes alone: what is to be seen goes to its ``screen``, and for a character that is a signal it calls ``signal``.
Positions in the input are counted from the beginning of time, so that nothing moves when a reader takes some: what lies between
``_tail`` and ``_canon`` are whole lines (canonical mode), what lies between ``_canon`` and the end can still be edited.

Source: termios(3); drivers/tty/n_tty.c of Linux for what that leaves open (echo of control characters, erasing tabs, PARMRK).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from skerry.abi import linux
from skerry.abi import termios as t
from skerry.unix.screen import CONTROL, LOWER, OUTPUT_LIMIT, Echo, Screen

INPUT_LIMIT: Final = 4095  # bytes that were typed and not read
_EOF: Final = 0  # what stands in the input where a line was ended without a newline

_UPPER: Final = frozenset((*range(65, 91), *range(0xC0, 0xD7), *range(0xD8, 0xDF)))  # Latin-1, as the kernel's ctype
_ALPHANUMERIC: Final = frozenset(range(48, 58)) | _UPPER | LOWER


class LineDiscipline:
    """One terminal's input, between the keyboard and the program."""

    def __init__(self, signal: Callable[[int], None]) -> None:
        self.modes = t.Termios()
        self.screen = Screen(self.modes)
        self._signal = signal
        self._input = bytearray()
        self._tail = 0  # position of the first byte of _input
        self._canon = 0
        self._ends: deque[int] = deque()  # positions of the characters that end lines
        self._erasing = False  # an erasure is being printed (ECHOPRT)
        self._literal = False  # the next character stands for itself (LNEXT)

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
            self.screen.start()

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
        if self.screen.stopped and self.modes.iflag & (t.IXON | t.IXANY) == t.IXON | t.IXANY:
            self.screen.start()

    def _controls(self, char: int) -> bool:
        """Whether it was a character of flow control."""
        cc = self.modes.cc
        if self.modes.iflag & t.IXON and char in (cc[t.VSTART], cc[t.VSTOP]):
            if char == cc[t.VSTART]:
                self.screen.start()
            else:
                self.screen.stopped = True
            return True
        return False

    def _signals(self, char: int) -> bool:
        """Whether it was a character that is a signal."""
        cc = self.modes.cc
        if not self._local(t.ISIG) or char not in (cc[t.VINTR], cc[t.VQUIT], cc[t.VSUSP]):
            return False
        if not self._local(t.NOFLSH):
            self.flush_input()
            self.screen.forget_echo()
        self._signal(linux.SIGINT if char == cc[t.VINTR] else linux.SIGQUIT if char == cc[t.VQUIT] else linux.SIGTSTP)
        if self.modes.iflag & t.IXON:
            self.screen.start()
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
                self.screen.echo(Echo.BACK)
        elif key == self.modes.cc[t.VERASE] and not self._local(t.ECHOE):
            self._echo(key)
        elif char == 9:
            self._erase_tab(line)
        else:
            if char in CONTROL and self._local(t.ECHOCTL):
                self._echo_raw(b"\b \b")
            if char not in CONTROL or self._local(t.ECHOCTL):
                self._echo_raw(b"\b \b")

    def _erase_tab(self, line: int) -> None:
        """Go back to where the tab began: after the one before it, or where the line began, and what was typed since."""
        columns = 0
        for char in reversed(self._input[line:]):
            if char == 9:
                self.screen.echo(Echo.TAB, columns)
                return
            if char in CONTROL:
                columns += 2 if self._local(t.ECHOCTL) else 0
            elif not self._continues(char):
                columns += 1
        self.screen.echo(Echo.FIRST_TAB, columns)

    def _finish_erasing(self) -> None:
        if self._erasing:
            self._echo_raw(b"/")
            self._erasing = False

    # Echo
    def _mark_column(self) -> None:
        if self._canon == self._head:
            self.screen.echo(Echo.BEGIN)

    def _echo(self, char: int) -> None:
        self.screen.echo(Echo.CARET if char in CONTROL and char != 9 and self._local(t.ECHOCTL) else Echo.PLAIN, char)

    def _echo_raw(self, data: bytes) -> None:
        for char in data:
            self.screen.echo(Echo.PLAIN, char)
