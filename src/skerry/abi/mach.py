"""Numbers and layouts of the Mach 3 kernel interface.

A message is a header of 24 bytes and, where ``MSGH_BITS_COMPLEX`` is set, items: a type descriptor (4 bytes, or 12 in the long form)
and the data it describes, inline, or out of line as an 8-byte address. Everything is little endian and aligned to 4 bytes.

Source: Mach 3 Kernel Interfaces (Loepere, 1992), chapters 2 to 7 and appendix; message ids: the order of routines in mach.defs,
mach_port.defs, notify.defs, exc.defs. Addresses are 8 bytes here, as the machine's are: there the layout departs from the 32-bit manual.
"""

from __future__ import annotations

import struct
from typing import Final

# kern_return_t
KERN_SUCCESS: Final = 0
KERN_INVALID_ADDRESS: Final = 1
KERN_PROTECTION_FAILURE: Final = 2
KERN_NO_SPACE: Final = 3
KERN_INVALID_ARGUMENT: Final = 4
KERN_FAILURE: Final = 5
KERN_RESOURCE_SHORTAGE: Final = 6
KERN_NOT_RECEIVER: Final = 7
KERN_NO_ACCESS: Final = 8
KERN_MEMORY_FAILURE: Final = 9
KERN_MEMORY_ERROR: Final = 10
KERN_NOT_IN_SET: Final = 12
KERN_NAME_EXISTS: Final = 13
KERN_ABORTED: Final = 14
KERN_INVALID_NAME: Final = 15
KERN_INVALID_TASK: Final = 16
KERN_INVALID_RIGHT: Final = 17
KERN_INVALID_VALUE: Final = 18
KERN_UREFS_OVERFLOW: Final = 19
KERN_INVALID_CAPABILITY: Final = 20
KERN_RIGHT_EXISTS: Final = 21
KERN_INVALID_HOST: Final = 22
KERN_MEMORY_PRESENT: Final = 23
KERN_WRITE_PROTECTION_FAILURE: Final = 24
KERN_TERMINATED: Final = 26
KERN_TIMEDOUT: Final = 27
KERN_INTERRUPTED: Final = 28

# What mig servers answer
MIG_TYPE_ERROR: Final = -300
MIG_BAD_ID: Final = -303
MIG_BAD_ARGUMENTS: Final = -304
MIG_SERVER_DIED: Final = -308

# mach_msg_return_t
MACH_MSG_SUCCESS: Final = 0
MACH_MSG_IPC_SPACE: Final = 0x2000  # extra bits: no room for a name; for memory; in the kernel
MACH_MSG_VM_SPACE: Final = 0x1000
MACH_MSG_IPC_KERNEL: Final = 0x0800
MACH_MSG_VM_KERNEL: Final = 0x0400
MACH_SEND_IN_PROGRESS: Final = 0x10000001
MACH_SEND_INVALID_DATA: Final = 0x10000002
MACH_SEND_INVALID_DEST: Final = 0x10000003
MACH_SEND_TIMED_OUT: Final = 0x10000004
MACH_SEND_WILL_NOTIFY: Final = 0x10000005
MACH_SEND_NOTIFY_IN_PROGRESS: Final = 0x10000006
MACH_SEND_INTERRUPTED: Final = 0x10000007
MACH_SEND_MSG_TOO_SMALL: Final = 0x10000008
MACH_SEND_INVALID_REPLY: Final = 0x10000009
MACH_SEND_INVALID_RIGHT: Final = 0x1000000A
MACH_SEND_INVALID_NOTIFY: Final = 0x1000000B
MACH_SEND_INVALID_MEMORY: Final = 0x1000000C
MACH_SEND_NO_BUFFER: Final = 0x1000000D
MACH_SEND_NO_NOTIFY: Final = 0x1000000E
MACH_SEND_INVALID_TYPE: Final = 0x1000000F
MACH_SEND_INVALID_HEADER: Final = 0x10000010
MACH_RCV_IN_PROGRESS: Final = 0x10004001
MACH_RCV_INVALID_NAME: Final = 0x10004002
MACH_RCV_TIMED_OUT: Final = 0x10004003
MACH_RCV_TOO_LARGE: Final = 0x10004004
MACH_RCV_INTERRUPTED: Final = 0x10004005
MACH_RCV_PORT_CHANGED: Final = 0x10004006
MACH_RCV_INVALID_NOTIFY: Final = 0x10004007
MACH_RCV_INVALID_DATA: Final = 0x10004008
MACH_RCV_PORT_DIED: Final = 0x10004009
MACH_RCV_IN_SET: Final = 0x1000400A
MACH_RCV_HEADER_ERROR: Final = 0x1000400B
MACH_RCV_BODY_ERROR: Final = 0x1000400C

# mach_msg options
MACH_SEND_MSG: Final = 0x001
MACH_RCV_MSG: Final = 0x002
MACH_SEND_TIMEOUT: Final = 0x010
MACH_SEND_NOTIFY: Final = 0x020
MACH_SEND_INTERRUPT: Final = 0x040
MACH_SEND_CANCEL: Final = 0x080
MACH_RCV_TIMEOUT: Final = 0x100
MACH_RCV_NOTIFY: Final = 0x200
MACH_RCV_INTERRUPT: Final = 0x400
MACH_RCV_LARGE: Final = 0x800

# Names and rights
MACH_PORT_NULL: Final = 0
MACH_PORT_DEAD: Final = 0xFFFFFFFF
MACH_PORT_RIGHT_SEND: Final = 0
MACH_PORT_RIGHT_RECEIVE: Final = 1
MACH_PORT_RIGHT_SEND_ONCE: Final = 2
MACH_PORT_RIGHT_PORT_SET: Final = 3
MACH_PORT_RIGHT_DEAD_NAME: Final = 4
MACH_PORT_TYPE_SEND: Final = 0x00010000
MACH_PORT_TYPE_RECEIVE: Final = 0x00020000
MACH_PORT_TYPE_SEND_ONCE: Final = 0x00040000
MACH_PORT_TYPE_PORT_SET: Final = 0x00080000
MACH_PORT_TYPE_DEAD_NAME: Final = 0x00100000
MACH_PORT_TYPE_DNREQUEST: Final = 0x80000000
MACH_PORT_TYPE_MAREQUEST: Final = 0x40000000
MACH_PORT_QLIMIT_DEFAULT: Final = 5
MACH_PORT_QLIMIT_MAX: Final = 16
MACH_PORT_UREFS_MAX: Final = 0xFFFF

# Header bits: disposition of the remote port, of the local port, and whether there are rights or memory in the body
MSGH_BITS_REMOTE_MASK: Final = 0x000000FF
MSGH_BITS_LOCAL_MASK: Final = 0x0000FF00
MSGH_BITS_COMPLEX: Final = 0x80000000
MSGH_BITS_UNUSED: Final = 0x7FFF0000

# Type names
MSG_TYPE_UNSTRUCTURED: Final = 0
MSG_TYPE_BOOLEAN: Final = 0
MSG_TYPE_INTEGER_16: Final = 1
MSG_TYPE_INTEGER_32: Final = 2
MSG_TYPE_CHAR: Final = 8
MSG_TYPE_BYTE: Final = 9
MSG_TYPE_REAL: Final = 10
MSG_TYPE_INTEGER_64: Final = 11
MSG_TYPE_STRING: Final = 12
MSG_TYPE_PORT_NAME: Final = 15
MSG_TYPE_MOVE_RECEIVE: Final = 16
MSG_TYPE_MOVE_SEND: Final = 17
MSG_TYPE_MOVE_SEND_ONCE: Final = 18
MSG_TYPE_COPY_SEND: Final = 19
MSG_TYPE_MAKE_SEND: Final = 20
MSG_TYPE_MAKE_SEND_ONCE: Final = 21
MSG_TYPE_PORT_RECEIVE: Final = MSG_TYPE_MOVE_RECEIVE  # as received
MSG_TYPE_PORT_SEND: Final = MSG_TYPE_MOVE_SEND
MSG_TYPE_PORT_SEND_ONCE: Final = MSG_TYPE_MOVE_SEND_ONCE

# Type descriptors: name 8 bits, size in bits 8, number 12, inline 1, longform 1, deallocate 1, unused 1
TYPE_INLINE: Final = 1 << 28
TYPE_LONGFORM: Final = 1 << 29
TYPE_DEALLOCATE: Final = 1 << 30
TYPE_UNUSED: Final = 1 << 31

HEADER: Final = struct.Struct("<IIIIII")  # bits, size, remote port, local port, sequence number, id
HEADER_SIZE: Final = 24
SHORT_TYPE: Final = struct.Struct("<I")
LONG_TYPE: Final = struct.Struct("<IHHI")  # flags, name, size in bits, number
POINTER: Final = struct.Struct("<Q")
MESSAGE_SIZE_MAX: Final = 1 << 20  # bytes inline; larger data goes out of line

# Notifications (ids: octal 0100 and what follows)
NOTIFY_PORT_DELETED: Final = 65
NOTIFY_MSG_ACCEPTED: Final = 66
NOTIFY_PORT_DESTROYED: Final = 69
NOTIFY_NO_SENDERS: Final = 70
NOTIFY_SEND_ONCE: Final = 71
NOTIFY_DEAD_NAME: Final = 72

# Special ports
TASK_KERNEL_PORT: Final = 1
TASK_EXCEPTION_PORT: Final = 3
TASK_BOOTSTRAP_PORT: Final = 4
THREAD_KERNEL_PORT: Final = 1
THREAD_EXCEPTION_PORT: Final = 3
TASK_PORT_REGISTER_MAX: Final = 4

# Virtual memory
PAGE_SIZE: Final = 4096
VM_PROT_NONE: Final = 0
VM_PROT_READ: Final = 1
VM_PROT_WRITE: Final = 2
VM_PROT_EXECUTE: Final = 4
VM_PROT_DEFAULT: Final = 3
VM_PROT_ALL: Final = 7
VM_INHERIT_SHARE: Final = 0
VM_INHERIT_COPY: Final = 1
VM_INHERIT_NONE: Final = 2

VM_WIRE_NONE: Final = 0
VM_WIRE_CURRENT: Final = 1
VM_WIRE_FUTURE: Final = 2
NO_SIZE_LIMIT: Final = (1 << 64) - 1

# Waits at words of memory (GNU Mach)
GSYNC_SHARED: Final = 1  # the word is known by its memory object, not by its address
GSYNC_QUAD: Final = 2  # two words are compared
GSYNC_TIMED: Final = 4
GSYNC_BROADCAST: Final = 8  # all who wait
GSYNC_MUTATE: Final = 16  # the word is set before

# Memory objects
VM_PROT_NO_CHANGE: Final = 8  # a lock value: leave the lock as it is
MEMORY_OBJECT_COPY_NONE: Final = 0
MEMORY_OBJECT_COPY_CALL: Final = 1
MEMORY_OBJECT_COPY_DELAY: Final = 2
MEMORY_OBJECT_COPY_TEMPORARY: Final = 3
MEMORY_OBJECT_RETURN_NONE: Final = 0
MEMORY_OBJECT_RETURN_DIRTY: Final = 1
MEMORY_OBJECT_RETURN_ALL: Final = 2

# Exceptions: type; code and subcode say more (bad access: a kern_return_t and the address)
EXC_BAD_ACCESS: Final = 1
EXC_BAD_INSTRUCTION: Final = 2
EXC_ARITHMETIC: Final = 3
EXC_EMULATION: Final = 4
EXC_SOFTWARE: Final = 5
EXC_BREAKPOINT: Final = 6

# Thread states
X86_64_THREAD_STATE: Final = 4  # 23 general registers in the order of skerry.abi.registers, then the bases of FS and GS
X86_64_FLOAT_STATE: Final = 5  # XSAVE area

# Scheduling
PRIORITY_LEVELS: Final = 32  # 0 is the highest
PRIORITY_USER: Final = 12
PRIORITY_SYSTEM: Final = 6

POLICY_TIMESHARE: Final = 1
POLICY_FIXEDPRI: Final = 2
SWITCH_OPTION_NONE: Final = 0
SWITCH_OPTION_DEPRESS: Final = 1
SWITCH_OPTION_WAIT: Final = 2

# Flavours of *_info: arrays of natural_t
TASK_BASIC_INFO: Final = 1  # suspend count, base priority, virtual and resident size, user time and system time (s, µs)
TASK_EVENTS_INFO: Final = 2  # faults, zero fills, reactivations, pageins, copy faults, messages sent and received
TASK_THREAD_TIMES_INFO: Final = 3  # user time, system time
THREAD_BASIC_INFO: Final = 1  # user time, system time, usage, base and current priority, state, flags, suspend count, sleep time
THREAD_SCHED_INFO: Final = 2  # policy, its data, base, maximum and current priority, depressed, priority before that
TH_STATE_RUNNING: Final = 1
TH_STATE_STOPPED: Final = 2
TH_STATE_WAITING: Final = 3
HOST_BASIC_INFO: Final = 1  # processors at most and now, bytes of memory, type and subtype of processor
HOST_PROCESSOR_SLOTS: Final = 2
HOST_SCHED_INFO: Final = 3  # smallest timeout and quantum (ms)
HOST_LOAD_INFO: Final = 4  # three averages and three Mach factors, times 1000
PROCESSOR_BASIC_INFO: Final = 1  # type, subtype, running, slot, is master
PROCESSOR_SET_BASIC_INFO: Final = 1  # processors, tasks, threads, load average, Mach factor
PROCESSOR_SET_SCHED_INFO: Final = 2  # enabled policies, maximum priority
CPU_TYPE_X86_64: Final = 25
LOAD_SCALE: Final = 1000

# Devices: modes, codes, flavours
D_READ: Final = 1
D_WRITE: Final = 2
D_NODELAY: Final = 4
D_NOWAIT: Final = 8
D_SUCCESS: Final = 0
D_IO_ERROR: Final = 2500
D_WOULD_BLOCK: Final = 2501
D_NO_SUCH_DEVICE: Final = 2502
D_ALREADY_OPEN: Final = 2503
D_DEVICE_DOWN: Final = 2504
D_INVALID_OPERATION: Final = 2505
D_INVALID_RECNUM: Final = 2506
D_INVALID_SIZE: Final = 2507
D_NO_MEMORY: Final = 2508
D_READ_ONLY: Final = 2509
IO_INBAND_MAX: Final = 128  # bytes
DEV_GET_SIZE: Final = 0  # bytes of the device (0: unknown), bytes of a record
DEV_GET_RECORDS: Final = 1  # records of the device (0: unknown), bytes of a record

# Traps: numbers are negative; positive ones and 0 to -9 belong to Unix
TRAP_MACH_MSG: Final = -25
TRAP_MACH_REPLY_PORT: Final = -26
TRAP_MACH_THREAD_SELF: Final = -27
TRAP_MACH_TASK_SELF: Final = -28
TRAP_MACH_HOST_SELF: Final = -29
TRAP_EVC_WAIT: Final = -17
TRAP_SWTCH_PRI: Final = -59
TRAP_SWTCH: Final = -60
TRAP_THREAD_SWITCH: Final = -61
TRAP_FAULT: Final = -98  # our own: a native task touched memory that is not there; 8 bytes address, 8 bytes VM_PROT_*
TRAP_LAST_WORDS: Final = -99  # our own: a native task ends, and says why
TRAP_FIRST: Final = 0xFFFFFFFF - 8  # as the 32-bit number that a context shows: -9; smaller ones are Mach's
SYSTEM_CALL_LAST: Final = 0xFFFFFFFF  # numbers are 32 bits wide

# Message ids of kernel calls; a reply has the id of its request plus 100
REPLY_ID: Final = 100
ID_TASK_CREATE: Final = 2007
ID_TASK_TERMINATE: Final = 2008
ID_TASK_GET_EMULATION_VECTOR: Final = 2009
ID_TASK_SET_EMULATION_VECTOR: Final = 2010
ID_TASK_THREADS: Final = 2011
ID_TASK_INFO: Final = 2012
ID_THREAD_TERMINATE: Final = 2016
ID_THREAD_GET_STATE: Final = 2017
ID_THREAD_SET_STATE: Final = 2018
ID_THREAD_INFO: Final = 2019
ID_VM_ALLOCATE: Final = 2021
ID_VM_DEALLOCATE: Final = 2023
ID_VM_PROTECT: Final = 2024
ID_VM_INHERIT: Final = 2025
ID_VM_READ: Final = 2026
ID_VM_WRITE: Final = 2027
ID_VM_COPY: Final = 2028
ID_VM_REGION: Final = 2029
ID_MACH_PORTS_REGISTER: Final = 2033
ID_MACH_PORTS_LOOKUP: Final = 2034
ID_MEMORY_OBJECT_DATA_PROVIDED: Final = 2038
ID_MEMORY_OBJECT_DATA_UNAVAILABLE: Final = 2039
ID_MEMORY_OBJECT_GET_ATTRIBUTES: Final = 2040
ID_VM_SET_DEFAULT_MEMORY_MANAGER: Final = 2041
ID_MEMORY_OBJECT_LOCK_REQUEST: Final = 2044
ID_TASK_SUSPEND: Final = 2056
ID_TASK_RESUME: Final = 2057
ID_TASK_GET_SPECIAL_PORT: Final = 2058
ID_TASK_SET_SPECIAL_PORT: Final = 2059
ID_THREAD_CREATE: Final = 2061
ID_THREAD_SUSPEND: Final = 2062
ID_THREAD_RESUME: Final = 2063
ID_THREAD_ABORT: Final = 2064
ID_THREAD_GET_SPECIAL_PORT: Final = 2067
ID_THREAD_SET_SPECIAL_PORT: Final = 2068
ID_TASK_SET_EMULATION: Final = 2070
ID_VM_MAP: Final = 2089
ID_MEMORY_OBJECT_DATA_ERROR: Final = 2090
ID_MEMORY_OBJECT_SET_ATTRIBUTES: Final = 2091
ID_MEMORY_OBJECT_DESTROY: Final = 2092
ID_MEMORY_OBJECT_DATA_SUPPLY: Final = 2093
ID_MEMORY_OBJECT_READY: Final = 2094
ID_MEMORY_OBJECT_CHANGE_ATTRIBUTES: Final = 2095

# Messages of the kernel to pagers (memory_object.defs, memory_object_default.defs)
ID_MEMORY_OBJECT_INIT: Final = 2200
ID_MEMORY_OBJECT_TERMINATE: Final = 2201
ID_MEMORY_OBJECT_COPY: Final = 2202
ID_MEMORY_OBJECT_DATA_REQUEST: Final = 2203
ID_MEMORY_OBJECT_DATA_UNLOCK: Final = 2204
ID_MEMORY_OBJECT_LOCK_COMPLETED: Final = 2206
ID_MEMORY_OBJECT_SUPPLY_COMPLETED: Final = 2207
ID_MEMORY_OBJECT_DATA_RETURN: Final = 2208
ID_MEMORY_OBJECT_CHANGE_COMPLETED: Final = 2209
ID_MEMORY_OBJECT_CREATE: Final = 2250
ID_MEMORY_OBJECT_DATA_INITIALIZE: Final = 2251
ID_EXCEPTION_RAISE: Final = 2400
ID_MACH_PORT_NAMES: Final = 3200
ID_MACH_PORT_TYPE: Final = 3201
ID_MACH_PORT_RENAME: Final = 3202
ID_MACH_PORT_ALLOCATE_NAME: Final = 3203
ID_MACH_PORT_ALLOCATE: Final = 3204
ID_MACH_PORT_DESTROY: Final = 3205
ID_MACH_PORT_DEALLOCATE: Final = 3206
ID_MACH_PORT_GET_REFS: Final = 3207
ID_MACH_PORT_MOD_REFS: Final = 3208
ID_MACH_PORT_SET_QLIMIT: Final = 3210
ID_MACH_PORT_SET_MSCOUNT: Final = 3211
ID_MACH_PORT_GET_SET_STATUS: Final = 3212
ID_MACH_PORT_MOVE_MEMBER: Final = 3213
ID_MACH_PORT_REQUEST_NOTIFICATION: Final = 3214
ID_MACH_PORT_INSERT_RIGHT: Final = 3215
ID_MACH_PORT_EXTRACT_RIGHT: Final = 3216
ID_MACH_PORT_GET_RECEIVE_STATUS: Final = 3217
ID_MACH_PORT_SET_SEQNO: Final = 3218

ID_GSYNC_WAIT: Final = 4204  # gnumach.defs of GNU Mach
ID_GSYNC_WAKE: Final = 4205
ID_GSYNC_REQUEUE: Final = 4206
ID_VM_WIRE_ALL: Final = 4207
ID_VM_SET_SIZE_LIMIT: Final = 4215
ID_VM_GET_SIZE_LIMIT: Final = 4216

ID_MACH_SAMPLE_TASK: Final = 2910  # these two are our own: no definition of theirs has been found
ID_MACH_SAMPLE_THREAD: Final = 2911

# Messages that the kernel sends for a thread which trapped; these ids are our own
ID_SYSTEM_CALL: Final = 2900
ID_INTERRUPTION: Final = 2901
ID_DEATH: Final = 2902
