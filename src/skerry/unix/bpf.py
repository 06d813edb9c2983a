"""Classic BPF as seccomp runs it: programs are checked once, and then cannot loop, leave themselves or read what was not written.

Words have 32 bits. The data is struct seccomp_data, read as words at offsets that are multiples of 4.

Source: bpf(4) of 4.4BSD; bpf_check_classic (net/core/filter.c) and seccomp_check_filter (kernel/seccomp.c) of Linux.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from skerry.abi import seccomp as sc

MOST: Final = 4096  # instructions of a program
SIZE: Final = 8  # bytes of one
_CELLS: Final = 16
_WORD: Final = (1 << 32) - 1
_K: Final = 0

_ALU: Final[dict[int, Callable[[int, int], int]]] = {
    0x00: lambda a, b: a + b & _WORD,
    0x10: lambda a, b: a - b & _WORD,
    0x20: lambda a, b: a * b & _WORD,
    0x30: lambda a, b: a // b,
    0x40: lambda a, b: a | b,
    0x50: lambda a, b: a & b,
    0x60: lambda a, b: a << (b & 31) & _WORD,
    0x70: lambda a, b: a >> (b & 31),
    0xA0: lambda a, b: a ^ b,
}
_COMPARE: Final[dict[int, Callable[[int, int], bool]]] = {
    0x10: lambda a, b: a == b,
    0x20: lambda a, b: a > b,
    0x30: lambda a, b: a >= b,
    0x40: lambda a, b: bool(a & b),
}
_LOADS: Final = {  # code of a load into A, or with BPF_LDX into X: what it loads
    sc.BPF_LD | sc.BPF_IMM,
    sc.BPF_LD | sc.BPF_ABS,
    sc.BPF_LD | sc.BPF_MEM,
    sc.BPF_LD | sc.BPF_LEN,
    sc.BPF_LDX | sc.BPF_IMM,
    sc.BPF_LDX | sc.BPF_MEM,
    sc.BPF_LDX | sc.BPF_LEN,
}
_OTHERS: Final = {
    sc.BPF_ST,
    sc.BPF_STX,
    sc.BPF_RET | _K,
    sc.BPF_RET | sc.BPF_A,
    sc.BPF_MISC,
    sc.BPF_MISC | sc.BPF_TXA,
    sc.BPF_JMP | sc.BPF_JA,
    sc.BPF_ALU | sc.BPF_NEG,
}


class BadProgram(Exception):
    """The program cannot be run."""


class Program:
    """A checked program."""

    def __init__(self, code: bytes) -> None:
        """``code``: struct sock_filter, one behind the other. Raises BadProgram."""
        self._code = [struct.unpack_from("<HBBI", code, at) for at in range(0, len(code) - SIZE + 1, SIZE)]
        if not 0 < len(self._code) <= MOST:
            raise BadProgram
        for at, (operation, yes, no, k) in enumerate(self._code):
            self._check(at, operation, yes, no, k)
        if self._code[-1][0] not in (sc.BPF_RET | _K, sc.BPF_RET | sc.BPF_A):
            raise BadProgram
        self._check_cells()

    def __len__(self) -> int:
        return len(self._code)

    def _check(self, at: int, operation: int, yes: int, no: int, k: int) -> None:
        """One instruction by itself: known, with a constant that makes sense, and jumping within the program."""
        kind, rest = operation & 7, operation & 0xF0
        left = len(self._code) - at - 1
        good = operation in _LOADS or operation in _OTHERS
        if operation == sc.BPF_LD | sc.BPF_ABS:
            good = k < sc.DATA_SIZE and k % 4 == 0
        elif (kind in (sc.BPF_LD, sc.BPF_LDX) and rest == sc.BPF_MEM) or kind in (sc.BPF_ST, sc.BPF_STX):
            good = good and k < _CELLS
        elif operation == sc.BPF_JMP | sc.BPF_JA:
            good = k < left
        elif kind == sc.BPF_JMP:
            good = operation <= 0xFF and rest in _COMPARE and max(yes, no) < left
        elif kind == sc.BPF_ALU and rest != sc.BPF_NEG:
            good = operation <= 0xFF and rest in _ALU
            if not operation & sc.BPF_X and ((rest == sc.BPF_DIV and not k) or (rest in (sc.BPF_LSH, sc.BPF_RSH) and k > 31)):
                good = False
        if not good:
            raise BadProgram

    def _check_cells(self) -> None:
        """No cell of the scratch memory is read that was not written on every way to there."""
        known = [_WORD] * len(self._code)
        written = 0
        for at, (operation, yes, no, k) in enumerate(self._code):
            written &= known[at]
            kind = operation & 7
            if kind in (sc.BPF_ST, sc.BPF_STX):
                written |= 1 << k
            elif kind in (sc.BPF_LD, sc.BPF_LDX) and operation & 0xE0 == sc.BPF_MEM:
                if not written >> k & 1:
                    raise BadProgram
            elif kind == sc.BPF_JMP:
                for target in (k,) if operation == sc.BPF_JMP else (yes, no):
                    known[at + 1 + target] &= written
                written = _WORD
            elif kind == sc.BPF_RET:
                written = _WORD

    def run(self, data: bytes) -> tuple[int, bool]:
        """The result for these 64 bytes, and whether it may be another for other arguments of the same call."""
        code = self._code
        words = struct.unpack("<16I", data)
        a = x = at = 0
        cells = [0] * _CELLS
        varies = False
        while True:
            operation, yes, no, k = code[at]
            at += 1
            kind, rest = operation & 7, operation & 0xF0
            if kind == sc.BPF_JMP:
                if rest == sc.BPF_JA:
                    at += k
                else:
                    at += yes if _COMPARE[rest](a, x if operation & sc.BPF_X else k) else no
            elif kind == sc.BPF_LD:
                if rest == sc.BPF_ABS:
                    varies = varies or k >= sc.ARGUMENTS
                    a = words[k >> 2]
                else:
                    a = cells[k] if rest == sc.BPF_MEM else sc.DATA_SIZE if rest == sc.BPF_LEN else k
            elif kind == sc.BPF_RET:
                return (a if operation & sc.BPF_A else k), varies
            elif kind == sc.BPF_ALU:
                if rest == sc.BPF_NEG:
                    a = -a & _WORD
                    continue
                operand = x if operation & sc.BPF_X else k
                if rest == sc.BPF_DIV and not operand:
                    return 0, varies
                a = _ALU[rest](a, operand)
            elif kind == sc.BPF_LDX:
                x = cells[k] if rest == sc.BPF_MEM else sc.DATA_SIZE if rest == sc.BPF_LEN else k
            elif kind == sc.BPF_ST:
                cells[k] = a
            elif kind == sc.BPF_STX:
                cells[k] = x
            elif operation & sc.BPF_TXA:
                a = x
            else:
                x = a
