"""Numbers of ptrace(2) on x86-64: requests, options, events, and the layout of what they move.

Source: sys/ptrace.h and sys/user.h (glibc), include/uapi/linux/ptrace.h and elf.h (Linux).
"""

from typing import Final

TRACEME: Final = 0
PEEKTEXT: Final = 1
PEEKDATA: Final = 2
PEEKUSER: Final = 3
POKETEXT: Final = 4
POKEDATA: Final = 5
POKEUSER: Final = 6
CONT: Final = 7
KILL: Final = 8
SINGLESTEP: Final = 9
GETREGS: Final = 12
SETREGS: Final = 13
GETFPREGS: Final = 14
SETFPREGS: Final = 15
ATTACH: Final = 16
DETACH: Final = 17
SYSCALL: Final = 24
ARCH_PRCTL: Final = 30
SYSEMU: Final = 31
SYSEMU_SINGLESTEP: Final = 32
SETOPTIONS: Final = 0x4200
GETEVENTMSG: Final = 0x4201
GETSIGINFO: Final = 0x4202
SETSIGINFO: Final = 0x4203
GETREGSET: Final = 0x4204
SETREGSET: Final = 0x4205
SEIZE: Final = 0x4206
INTERRUPT: Final = 0x4207
LISTEN: Final = 0x4208
PEEKSIGINFO: Final = 0x4209
GETSIGMASK: Final = 0x420A
SETSIGMASK: Final = 0x420B
GET_SYSCALL_INFO: Final = 0x420E

O_TRACESYSGOOD: Final = 1
O_TRACEFORK: Final = 2
O_TRACEVFORK: Final = 4
O_TRACECLONE: Final = 8
O_TRACEEXEC: Final = 16
O_TRACEVFORKDONE: Final = 32
O_TRACEEXIT: Final = 64
O_TRACESECCOMP: Final = 128
O_EXITKILL: Final = 1 << 20
O_SUSPEND_SECCOMP: Final = 1 << 21
O_MASK: Final = 0x3000FF

EVENT_FORK: Final = 1
EVENT_VFORK: Final = 2
EVENT_CLONE: Final = 3
EVENT_EXEC: Final = 4
EVENT_VFORK_DONE: Final = 5
EVENT_EXIT: Final = 6
EVENT_SECCOMP: Final = 7
EVENT_STOP: Final = 128

SYSCALL_INFO_NONE: Final = 0
SYSCALL_INFO_ENTRY: Final = 1
SYSCALL_INFO_EXIT: Final = 2
SYSCALL_INFO_SECCOMP: Final = 3
PEEKSIGINFO_SHARED: Final = 1

NT_PRSTATUS: Final = 1
NT_PRFPREG: Final = 2
NT_X86_XSTATE: Final = 0x202
AUDIT_ARCH_X86_64: Final = 0xC000003E

USER_SIZE: Final = 928  # struct user, as the kernel has it
DEBUG_REGISTERS: Final = 848  # offset in it of the eight debug registers
