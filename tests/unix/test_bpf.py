"""Classic BPF: programs that pass the check end, with a word, whatever the data; the others are refused."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skerry.unix.bpf import BadProgram, Program

LD_ABS, LD_IMM, LD_MEM, LDX_IMM, LDX_MEM, ST, STX = 0x20, 0x00, 0x60, 0x01, 0x61, 0x02, 0x03
RET_K, RET_A, TAX, TXA, JA, JEQ, JGT_X, ADD, DIV, DIV_X, LSH, NEG = 0x06, 0x16, 0x07, 0x87, 0x05, 0x15, 0x2D, 0x04, 0x34, 0x3C, 0x64, 0x84
Instruction = tuple[int, int, int, int]
CODES = (LD_ABS, LD_IMM, LD_MEM, LDX_IMM, LDX_MEM, ST, STX, RET_K, RET_A, TAX, TXA, JA, JEQ, JGT_X, ADD, DIV, DIV_X, LSH, NEG, 0x28, 0xFFFF)


def code(*instructions: Instruction) -> bytes:
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in instructions)


def run(*instructions: Instruction, words: tuple[int, ...] = (0,) * 16) -> int:
    return Program(code(*instructions)).run(struct.pack("<16I", *words))[0]


@pytest.mark.parametrize(
    ("instructions", "result"),
    [
        ([(LD_ABS, 0, 0, 4), (RET_A, 0, 0, 0)], 7),
        ([(LD_IMM, 0, 0, 0xFFFFFFFF), (ADD, 0, 0, 2), (RET_A, 0, 0, 0)], 1),
        ([(LD_IMM, 0, 0, 9), (ST, 0, 0, 3), (LD_IMM, 0, 0, 1), (LDX_MEM, 0, 0, 3), (TXA, 0, 0, 0), (RET_A, 0, 0, 0)], 9),
        ([(LD_IMM, 0, 0, 5), (JEQ, 1, 0, 5), (RET_K, 0, 0, 1), (RET_K, 0, 0, 2)], 2),
        ([(LD_IMM, 0, 0, 5), (NEG, 0, 0, 0), (RET_A, 0, 0, 0)], 0xFFFFFFFB),
        ([(LD_IMM, 0, 0, 5), (LDX_IMM, 0, 0, 0), (DIV_X, 0, 0, 0), (RET_K, 0, 0, 3)], 0),  # division by zero ends it
        ([(JA, 0, 0, 1), (RET_K, 0, 0, 1), (RET_K, 0, 0, 2)], 2),
    ],
)
def test_results(instructions: list[Instruction], result: int) -> None:
    assert run(*instructions, words=(1, 7, *[0] * 14)) == result


def test_says_whether_arguments_were_looked_at() -> None:
    data = bytes(64)
    assert Program(code((LD_ABS, 0, 0, 0), (RET_A, 0, 0, 0))).run(data) == (0, False)
    assert Program(code((LD_ABS, 0, 0, 16), (RET_A, 0, 0, 0))).run(data) == (0, True)


@given(
    st.lists(
        st.tuples(st.sampled_from(CODES), st.integers(0, 6), st.integers(0, 6), st.one_of(st.integers(0, 70), st.integers(0, 0xFFFFFFFF))),
        max_size=30,
    ),
    st.binary(min_size=64, max_size=64),
)
@settings(max_examples=400)
def test_what_passes_the_check_ends_with_a_word(instructions: list[Instruction], data: bytes) -> None:
    try:
        program = Program(code(*instructions, (RET_A, 0, 0, 0)))
    except BadProgram:
        return
    result, _ = program.run(data)
    assert 0 <= result < 1 << 32
