"""Numbers of seccomp(2) and of classic BPF.

Source: include/uapi/linux/seccomp.h, bpf_common.h and filter.h of Linux.
"""

from typing import Final

SET_MODE_STRICT: Final = 0
SET_MODE_FILTER: Final = 1
GET_ACTION_AVAIL: Final = 2
GET_NOTIF_SIZES: Final = 3

MODE_DISABLED: Final = 0
MODE_STRICT: Final = 1
MODE_FILTER: Final = 2

FLAG_TSYNC: Final = 1
FLAG_LOG: Final = 2
FLAG_SPEC_ALLOW: Final = 4
FLAG_NEW_LISTENER: Final = 8
FLAG_TSYNC_ESRCH: Final = 16

RET_KILL_PROCESS: Final = 0x80000000
RET_KILL_THREAD: Final = 0
RET_TRAP: Final = 0x00030000
RET_ERRNO: Final = 0x00050000
RET_USER_NOTIF: Final = 0x7FC00000
RET_TRACE: Final = 0x7FF00000
RET_LOG: Final = 0x7FFC0000
RET_ALLOW: Final = 0x7FFF0000
ACTION: Final = 0xFFFF0000
DATA: Final = 0x0000FFFF
SYS_SECCOMP: Final = 1  # si_code of SIGSYS

DATA_SIZE: Final = 64  # struct seccomp_data
ARGUMENTS: Final = 8  # offset in it of what is not the number and the architecture

BPF_LD: Final = 0x00
BPF_LDX: Final = 0x01
BPF_ST: Final = 0x02
BPF_STX: Final = 0x03
BPF_ALU: Final = 0x04
BPF_JMP: Final = 0x05
BPF_RET: Final = 0x06
BPF_MISC: Final = 0x07
BPF_IMM: Final = 0x00
BPF_ABS: Final = 0x20
BPF_MEM: Final = 0x60
BPF_LEN: Final = 0x80
BPF_X: Final = 0x08
BPF_A: Final = 0x10
BPF_TXA: Final = 0x80
BPF_DIV: Final = 0x30
BPF_LSH: Final = 0x60
BPF_RSH: Final = 0x70
BPF_NEG: Final = 0x80
BPF_JA: Final = 0x00
