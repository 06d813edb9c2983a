"""The C header of the kernel interface for native code: message layouts, ids, and a structure for each request.

It is made from the declarations; `skerry calls --mach --header` prints it. A request's structure holds the items in order; ``NAME_INIT``
gives the type descriptors and the id, so that ports and values alone are left to fill in. Data of any length go out of line: an address of
memory that the kernel has mapped. A test compiles it and compares bytes.
"""

from __future__ import annotations

from typing import Final

from skerry.abi import mach
from skerry.abi.routine import Block, Right, RightArray, Routine, Type, Word, Words, routines

PREFIXES: Final = (
    *("KERN_", "MIG_", "MACH_MSG_", "MACH_SEND_", "MACH_RCV_", "MACH_PORT_", "MSG_TYPE_", "TYPE_", "TRAP_MACH_", "NOTIFY_", "VM_"),
    *("EXC_", "TASK_", "THREAD_", "HOST_", "PROCESSOR_", "POLICY_", "SWITCH_", "D_", "DEV_", "MEMORY_OBJECT_"),
)
TOP: Final = """/* The kernel interface of Skerry's Mach: made by `skerry calls --mach --header`, not to be edited. */
#ifndef SKERRY_MACH_H
#define SKERRY_MACH_H
#include <stdint.h>

typedef uint32_t mach_port_t;
typedef struct { uint32_t bits, size; mach_port_t remote, local; uint32_t sequence, id; } mach_msg_header_t;
typedef struct { uint32_t word; } mach_msg_type_t;       /* name 8 bits, size 8, number 12, flags 4 */
typedef struct { uint32_t flags; uint16_t name, size; uint32_t number; } mach_msg_type_long_t;

#define MACH_MSGH_BITS(remote, local) ((remote) | (local) << 8)
#define MACH_MSGH_BITS_COMPLEX 0x80000000u
#pragma pack(push, 4)
"""
BOTTOM: Final = "#pragma pack(pop)\n#endif\n"
_WORDS: Final = {"<i": "int32_t", "<I": "uint32_t", "<Q": "uint64_t"}


def _short(name: int, bits: int, number: int) -> str:
    return f"{{0x{name | bits << 8 | number << 16 | mach.TYPE_INLINE:08x}u}}"


def _fields(form: Type, name: str) -> tuple[str, str]:
    """The declaration of an item, and the initializer of its descriptor."""
    if isinstance(form, Word):
        return f"mach_msg_type_t {name}_type; {_WORDS[form.code]} {name};", f".{name}_type = {_short(form.type_name, form.bits, 1)}"
    if isinstance(form, Right):
        return f"mach_msg_type_t {name}_type; mach_port_t {name};", f".{name}_type = {_short(form.disposition, 32, 1)}"
    if isinstance(form, Block) and form.limit <= 128:
        kind = mach.MSG_TYPE_STRING if form.text else mach.MSG_TYPE_BYTE
        return f"mach_msg_type_t {name}_type; char {name}[{form.limit}];", f".{name}_type = {_short(kind, 8, form.limit)}"
    kind, bits = _element(form)
    declared = f"mach_msg_type_long_t {name}_type; uint64_t {name}; /* an address; set {name}_type.number */"
    return declared, f".{name}_type = {{0x{mach.TYPE_LONGFORM:08x}u, {kind}, {bits}, 0}}"


def _element(form: Type) -> tuple[int, int]:
    if isinstance(form, Words):
        return (mach.MSG_TYPE_INTEGER_64 if form.code == "Q" else mach.MSG_TYPE_INTEGER_32), form.bits
    if isinstance(form, RightArray):
        return form.disposition, 32
    return mach.MSG_TYPE_BYTE, 8


def is_complex(row: Routine) -> bool:
    """Whether a request carries rights or memory."""
    return any(not isinstance(form, Word) and not (isinstance(form, Block) and form.limit <= 128) for form in row.arguments)


def _request(row: Routine) -> str:
    items = [_fields(form, name) for form, name in zip(row.arguments, row.names, strict=True)]
    declared = " ".join(("mach_msg_header_t head;", *(field for field, _ in items)))
    bits = "MACH_MSGH_BITS(19, 21)" + (" | MACH_MSGH_BITS_COMPLEX" if is_complex(row) else "")
    head = f".head = {{{bits}, sizeof(struct {row.name}_request), 0, 0, 0, {row.id}}}"
    initial = ", ".join((head, *(value for _, value in items)))
    return f"#define ID_{row.name} {row.id}\nstruct {row.name}_request {{ {declared} }};\n#define {row.name}_INIT {{ {initial} }}\n"


def header(*interfaces: type) -> str:
    """The text of the header, with the requests of these interfaces."""
    values = {name: value for name, value in vars(mach).items() if isinstance(value, int) and name.startswith(PREFIXES)}
    constants = "".join(f"#define {name} {hex(value) + 'u' if value >= 0 else f'({value})'}\n" for name, value in values.items())
    requests = "".join(_request(row) for interface in interfaces for row in routines(interface))
    return TOP + constants + requests + BOTTOM
