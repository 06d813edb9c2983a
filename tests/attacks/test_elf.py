"""Broken programs: execve of 500 mutations of a good one ends in an errno, a signal, or a program that runs; the server goes on."""

from __future__ import annotations

import random
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from sandbox import Build, survived

pytestmark = [pytest.mark.machine, pytest.mark.slow]

MUTATIONS = 500
SOURCE = """
    .globl _start
_start:
    mov data(%rip), %edi
    mov $231, %eax
    syscall
    .data
data:
    .long 42
    .bss
    .space 10000
"""
WORDS = (
    0,
    1,
    2,
    3,
    0x38,
    0x40,
    0xFFF,
    0x1000,
    0x10000,
    0x7FFF_FFFF,
    0x8000_0000,
    1 << 40,
    0x7FEF_FFFF_F000,
    0x7FEF_FFFF_E000,
    0x7FF0_0000_0000,
)
HUGE = (0x7FFF_FFFF_F000, 1 << 47, 1 << 62, (1 << 63) - 1, 1 << 63, (1 << 64) - 0x1000, (1 << 64) - 1)
HEADERS = 64 + 4 * 56


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A small program that exits with 42."""
    place = tmp_path_factory.mktemp("elf")
    (place / "good.s").write_text(SOURCE)
    subprocess.run(["gcc", "-nostdlib", "-static", "-no-pie", "good.s", "-o", "good"], cwd=place, check=True)
    assert subprocess.run([place / "good"], check=False).returncode == 42
    return (place / "good").read_bytes()


def mutate(image: bytes, random: random.Random) -> bytes:
    """One of: bytes of the headers changed, a field changed to a word of note, program headers repeated, the file cut."""
    new = bytearray(image)
    kind = random.randrange(5)
    if kind == 0:
        for _ in range(random.randint(1, 8)):
            new[random.randrange(4, HEADERS)] = random.randrange(256)
    elif kind <= 2:
        for _ in range(random.randint(1, 3)):
            at = random.choice((24, 32, *range(64, HEADERS, 8)))
            struct.pack_into("<Q", new, at, random.choice(WORDS + HUGE))
    elif kind == 3:
        count = random.choice((0, 5, 20, 72, 200, 65535))
        header = bytes(new[64:120])
        new[64 : 64 + 56 * min(count, 72)] = b"".join(
            header[:16] + struct.pack("<Q", 0x400000 + (n << random.choice((12, 16, 36)))) + header[24:] for n in range(min(count, 72))
        )
        struct.pack_into("<H", new, 56, count)
    else:
        del new[random.randrange(len(new)) :]
    return bytes(new)


def put(place: Path, files: dict[str, bytes]) -> None:
    for name, contents in files.items():
        path = place / name
        path.write_bytes(contents)
        path.chmod(0o755)


def counts(lines: dict[str, str]) -> dict[str, int]:
    return {name: int(lines[name]) for name in ("refused", "died", "ran", "ended", "killed")}


def test_mutated_programs(build: Build, good: bytes, tmp_path: Path) -> None:
    chance = random.Random(20)
    put(tmp_path, {"good": good, **{str(n): mutate(good, chance) for n in range(MUTATIONS)}})
    seen = counts(survived(build("runner"), "/programs", "--bind", f"{tmp_path}:/programs").lines)
    assert sum(seen.values()) == MUTATIONS + 1
    assert seen["ran"] >= 1  # the good one at least
    assert min(seen["refused"], seen["died"]) > 50


def interpreter(name: bytes) -> Callable[[bytes], bytes]:
    """The program with its first segment turned into PT_INTERP with ``name``."""

    def change(image: bytes) -> bytes:
        at = len(image)
        count = struct.unpack_from("<H", image, 56)[0]
        new = bytearray(image + name)
        struct.pack_into("<IIQQQQQQ", new, 64 + 56 * (count - 1), 3, 4, at, 0, 0, len(name), len(name), 1)
        return bytes(new)

    return change


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("no-interpreter", interpreter(b"/nonexistent\0")),
        ("itself", interpreter(b"/programs/itself\0")),
        ("directory", interpreter(b"/\0")),
        ("empty-name", interpreter(b"\0")),
        ("long-name", interpreter(b"/" + b"x" * 100_000 + b"\0")),
        ("nul-inside", interpreter(b"/bin/\0sh\0")),
        ("device", interpreter(b"/dev/zero\0")),
        ("script", lambda good: b"#!/programs/script\n"),
        ("script-nothing", lambda good: b"#!\n"),
        ("script-nul", lambda good: b"#!/bin/sh\0x\n"),
        ("script-long", lambda good: b"#!" + b"/" * 5000),
        ("script-directory", lambda good: b"#!/\n"),
        ("only-magic", lambda good: b"\x7fELF"),
        ("empty", lambda good: b""),
    ],
)
def test_odd_programs_are_refused(build: Build, good: bytes, tmp_path: Path, name: str, image: Callable[[bytes], bytes]) -> None:
    put(tmp_path, {name: image(good)})
    seen = counts(survived(build("runner"), "/programs", "--bind", f"{tmp_path}:/programs").lines)
    works = {"itself": "ran", "script-nul": "ended"}  # maps itself twice; the name of a script's interpreter ends at the NUL
    assert seen["refused"] + seen["died"] + seen.get(works.get(name, ""), 0) == 1, seen
