"""System-call arguments arrive as unsigned 64-bit words; here is what C makes of them."""


def c_int(word: int) -> int:
    """The low 32 bits as a signed int."""
    return ((word & 0xFFFFFFFF) ^ 0x80000000) - 0x80000000


def c_long(word: int) -> int:
    """All 64 bits as a signed long."""
    return ((word & 0xFFFFFFFFFFFFFFFF) ^ 0x8000000000000000) - 0x8000000000000000
