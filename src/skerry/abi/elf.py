"""The parts of an ELF64 file that make a program.

Source: System V ABI, chapters 4 and 5; elf(5).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

PT_LOAD: Final = 1
PT_INTERP: Final = 3
PT_GNU_STACK: Final = 0x6474E551
ET_EXEC: Final = 2
ET_DYN: Final = 3
EM_X86_64: Final = 62
PF_X: Final = 1

HEADER_SIZE: Final = 64
PROGRAM_HEADER_SIZE: Final = 56
_HEADER: Final = struct.Struct("<16sHHIQQQIHHHHHH")
_PROGRAM_HEADER: Final = struct.Struct("<IIQQQQQQ")
_MACHINES: Final = {3: "i386", 40: "ARM", 183: "AArch64", 243: "RISC-V", 21: "PowerPC64", 8: "MIPS", 22: "S/390"}


class ElfError(Exception):
    """The file is not a program that can run here; the text says why."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A program header: ``flags`` are PF_X 1, PF_W 2, PF_R 4; all else is bytes."""

    kind: int
    flags: int
    offset: int
    address: int
    file_size: int
    memory_size: int


@dataclass(frozen=True, slots=True)
class Image:
    """What the headers say."""

    kind: int  # ET_EXEC or ET_DYN
    entry: int
    headers_offset: int
    header_count: int
    segments: tuple[Segment, ...]

    @property
    def loads(self) -> list[Segment]:
        return [s for s in self.segments if s.kind == PT_LOAD]


def parse(head: bytes) -> Image:
    """The image whose file begins with ``head`` (its headers must be within). Raises ElfError."""
    if head[:4] != b"\x7fELF":
        raise ElfError("not an ELF file")
    if len(head) < HEADER_SIZE:
        raise ElfError("the ELF header is cut short")
    ident, kind, machine, _version, entry, offset, _sections, _flags, _size, entry_size, count, *_rest = _HEADER.unpack_from(head)
    if ident[4] != 2 or machine != EM_X86_64:
        raise ElfError(f"a program for {_MACHINES.get(machine, f'machine {machine}')}{'' if ident[4] == 2 else ', 32 bits'}: not x86-64")
    if kind not in (ET_EXEC, ET_DYN):
        raise ElfError("an ELF file, but not a program")
    if entry_size != PROGRAM_HEADER_SIZE or not count or offset + count * PROGRAM_HEADER_SIZE > len(head):
        raise ElfError("the program headers are broken")
    segments = []
    for index in range(count):
        kind_, flags, file_offset, address, _physical, file_size, memory_size, _align = _PROGRAM_HEADER.unpack_from(
            head, offset + index * PROGRAM_HEADER_SIZE
        )
        segments.append(Segment(kind_, flags, file_offset, address, file_size, memory_size))
    image = Image(kind, entry, offset, count, tuple(segments))
    loads = image.loads
    if not loads:
        raise ElfError("there is nothing to load in it")
    for s in loads:
        if s.file_size > s.memory_size or s.address + s.memory_size >= 1 << 47 or (s.address - s.offset) % 4096:
            raise ElfError("a segment is broken")
    return image
