"""The general registers of a trapped context, in the order of ``gregs`` in the Linux x86-64 ``ucontext``.

The kernel keeps them as one ``array('Q')``-like buffer of 23 words; this is the index of each.

Source: sys/ucontext.h (glibc), struct sigcontext in arch/x86/include/uapi/asm/sigcontext.h.
"""

from typing import Final

R8: Final = 0
R9: Final = 1
R10: Final = 2
R11: Final = 3
R12: Final = 4
R13: Final = 5
R14: Final = 6
R15: Final = 7
RDI: Final = 8
RSI: Final = 9
RBP: Final = 10
RBX: Final = 11
RDX: Final = 12
RAX: Final = 13
RCX: Final = 14
RSP: Final = 15
RIP: Final = 16
EFLAGS: Final = 17
CSGSFS: Final = 18
ERR: Final = 19
TRAPNO: Final = 20
OLDMASK: Final = 21
CR2: Final = 22

COUNT: Final = 23
