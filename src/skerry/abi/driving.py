"""The traps of drivers and of the reincarnation server: what a right to a device's port, or to the factory's, is good for.

Data are ``values``; the first is the caller's name of the right. An answer is a code (a kern_return_t, or ``traps.ERRNO`` and a Linux errno
in the low byte) and data.

A device of a driver has objects: 0 is the device itself, the others are what was opened of it, by numbers that are never used again. In the
bytes of arguments and results an object stands as its number; contents of files and of memory, in a result, as an index into the list of
their ports. A callback stands as a number, which becomes an interrupt. A call with a transaction (not 0) that is made again gets the first
one's answer: the high half is the client's number, and the last transaction of each client is remembered.

Interrupts are kept until they are acknowledged. So all that a driver knows can be had again by the next driver of that device.
"""

from __future__ import annotations

from typing import Final

TRAP_INVOKE: Final = -220  # (device, transaction, object, method, arguments as bytes) -> (result as bytes, names of files)
TRAP_INTERRUPTS: Final = -221  # (device, receive right): where interrupts go from now on, those that are not acknowledged first
TRAP_ACKNOWLEDGE: Final = -222  # (device, interrupts...): they have arrived
TRAP_FORGET: Final = -223  # (device, objects...): nobody needs them any more
TRAP_START: Final = -224  # (factory, entry, bootstrap right, what it is called where tasks are shown) -> a task
TRAP_REPORT: Final = -225  # (factory, text): for the user
TRAP_REST: Final = -226  # () -> the rest of an answer that was too long
DRIVER_TRAPS: Final = range(-226, -219)

INTERRUPT: Final = 3901  # id of a message with the numbers of interrupts: natural_t, one item
CLIENT_SHIFT: Final = 32  # of a client's number in those of its transactions and interrupts
