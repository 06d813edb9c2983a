"""The traps by which the task that serves Unix programs reaches the kernel, and the events that the kernel sends it.

They are no messages, as Mach's own shortcuts are none: data in the form of ``values`` (or what stands at the number), the names being the
caller's names of ports. An answer is a code (a kern_return_t, or ERRNO and a Linux errno in the low byte) and data.
"""

from __future__ import annotations

import struct
from typing import Final

TRAP_BOOT: Final = -200  # (port of events, more ports to be called for...) -> what to run, and with which devices
TRAP_FIRST_SPACE: Final = -201  # -> a task, empty: BINDING
TRAP_FORK: Final = -202  # (task) -> a copy-on-write copy: BINDING
TRAP_CONTEXT: Final = -203  # (task) -> one more context: its index, bell and thread number
TRAP_END: Final = -204  # (task): it ends; the name is gone
TRAP_CHANGE: Final = -205  # NAME of a task, and CHANGEs: to its memory
TRAP_OBJECT: Final = -206  # (size) -> zero memory that can be mapped
TRAP_DESCRIPTOR: Final = -207  # (object) -> a descriptor of its contents
TRAP_RELEASE: Final = -208  # (name): no longer needed
TRAP_USAGE: Final = -209  # (task, which) -> what its host process has used
TRAP_HOST: Final = -210  # (name) -> a fact of the host
TRAP_MORE: Final = -212  # () -> the rest of an answer that was too long
TRAP_SAY: Final = -213  # (text): for the user
TRAP_DONE: Final = -214  # (exit status of the command, text or None)
TRAP_CLEAR: Final = -215  # (task): nothing is mapped any more
TRAP_STOP: Final = -217  # (): stop the command, as job control does; returns when it is continued
TRAP_REQUEST: Final = -218  # (number) -> what EVENT_REQUEST asks for: what, and its arguments
TRAP_ANSWER: Final = -219  # (number, part, whether it is the last): of the answer to it, a value
TRAP_PAGE_FAULT: Final = -220  # (task, address, access) -> KERN_SUCCESS: the page is there now; or why not
TRAP_BRING_IN: Final = -221  # (task, address, length, access) -> 1: the pages are there now
TRAP_TAKE_OVER: Final = -222  # (task, address, length) -> bytes of private memory that is paged from now on
TRAP_KEEP: Final = -223  # (bytes): so much pageable memory may stay in memory
TRAP_PAGING: Final = -224  # () -> bytes in memory, on the paging device, and that fit there
TRAPS: Final = range(-224, -199)

ERRNO: Final = 0xC000
MORE: Final = 0x1000  # the code of an answer of which there is more

NAME: Final = struct.Struct("<I")
CHANGE: Final = struct.Struct("<BBBxIQQQQ")  # kind, protection, shared, object's name, address, length, and what the kind says
MAP, UNMAP, PROTECT, ADVISE, MOVE = range(5)  # map: offset; advise: the advice; move: new address and length

USAGE, RESIDENT, PRIVATE, PROPORTIONAL = range(4)
THREAD: Final = 1 << 32  # and the number of a host thread: that of one thread

EVENT: Final = 3900  # id of a message to the task, with (kind, number, value): 8 bytes each, signed
EVENT_WORDS: Final = struct.Struct("<qqq")
EVENT_DEATH, EVENT_SIGNAL, EVENT_REQUEST = range(3)
# a task's host process is gone; a signal to the command; somebody outside asks for something
