"""The mach_port_* calls: what a task does to its names.

Each takes the task whose names are meant; a name is an int. Every call raises KernError and changes nothing when it does.

Source: Mach 3 Kernel Interfaces, chapter 3; where that is silent, GNU Mach, ipc/mach_port.c and ipc/ipc_right.c.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from skerry.abi import mach
from skerry.mach import notify
from skerry.mach.errors import KernError, KernReturn
from skerry.mach.port import Port, PortSet
from skerry.mach.release import release
from skerry.mach.right import CARRIED, RightKind
from skerry.mach.space import DEAD_NAME, PORT_SET, RECEIVE, SEND, SEND_ONCE, Entry, Space, is_valid


class Task(Protocol):
    """Whoever has names."""

    space: Space


PORT_RIGHTS: Final = SEND | RECEIVE | SEND_ONCE


@dataclass(frozen=True, slots=True)
class PortStatus:
    """mach_port_status."""

    port_set: int  # name, or MACH_PORT_NULL
    sequence: int
    make_sends: int
    queue_limit: int
    message_count: int
    send_onces: int
    has_senders: bool
    port_destroyed: bool
    no_senders: bool


def mach_port_names(task: Task) -> list[tuple[int, int]]:
    """Every name with its type."""
    return [(name, _type(entry)) for name, entry in task.space.entries.items()]


def mach_port_type(task: Task, name: int) -> int:
    """MACH_PORT_TYPE_* bits. Raises INVALID_NAME."""
    return _type(task.space.lookup(name))


def _type(entry: Entry) -> int:
    types = entry.types
    if entry.request is not None:
        types |= mach.MACH_PORT_TYPE_DNREQUEST
    if entry.accepted is not None:
        types |= mach.MACH_PORT_TYPE_MAREQUEST
    return types


def mach_port_rename(task: Task, old: int, new: int) -> None:
    """Call what is called ``old`` ``new``. Raises INVALID_VALUE (no name), NAME_EXISTS, INVALID_NAME."""
    if not is_valid(new):
        raise KernError(KernReturn.INVALID_VALUE)
    entry = task.space.lookup(old)
    if new in task.space.entries:
        raise KernError(KernReturn.NAME_EXISTS)
    task.space.rename(entry, new)


def mach_port_allocate(task: Task, kind: RightKind) -> int:
    """A new port, port set or dead name (with one reference). Raises INVALID_VALUE for other rights, NO_SPACE."""
    return _allocate(task.space, kind, None)


def mach_port_allocate_name(task: Task, kind: RightKind, name: int) -> None:
    """The same, under ``name``. Raises INVALID_VALUE (right, or no name), NAME_EXISTS, NO_SPACE."""
    if not is_valid(name):
        raise KernError(KernReturn.INVALID_VALUE)
    if name in task.space.entries:
        raise KernError(KernReturn.NAME_EXISTS)
    _allocate(task.space, kind, name)


def _allocate(space: Space, kind: RightKind, name: int | None) -> int:
    if kind is RightKind.RECEIVE:
        return space.add(RECEIVE, Port(), 0, name).name
    if kind is RightKind.PORT_SET:
        return space.add(PORT_SET, PortSet(), 0, name).name
    if kind is RightKind.DEAD_NAME:
        return space.add(DEAD_NAME, None, 1, name).name
    raise KernError(KernReturn.INVALID_VALUE)


def mach_port_destroy(task: Task, name: int) -> None:
    """Release every right under ``name``. Raises INVALID_NAME."""
    task.space.destroy(task.space.lookup(name))


def mach_port_deallocate(task: Task, name: int) -> None:
    """Release one reference of a send right or dead name, or a send-once right. Raises INVALID_NAME, INVALID_RIGHT."""
    entry = task.space.lookup(name)
    if entry.types & SEND_ONCE:
        task.space.destroy(entry)
    elif entry.types & (SEND | DEAD_NAME):
        task.space.drop_urefs(entry, 1)
    else:
        raise KernError(KernReturn.INVALID_RIGHT)


def mach_port_get_refs(task: Task, name: int, kind: RightKind) -> int:
    """User references of that right under ``name``: 0 if it is not there. Raises INVALID_NAME."""
    entry = task.space.lookup(name)
    if not entry.types & kind.type:
        return 0
    return entry.urefs if kind in (RightKind.SEND, RightKind.DEAD_NAME) else 1


def mach_port_mod_refs(task: Task, name: int, kind: RightKind, delta: int) -> None:
    """Add ``delta`` to the user references under ``name``; at zero, release the right.

    Args:
        delta: references to add, negative to drop; the count stays within 0..MACH_PORT_UREFS_MAX. For rights that are not counted (receive,
            send-once, port set) 0 or -1.

    Raises INVALID_NAME, INVALID_RIGHT, INVALID_VALUE (below zero), UREFS_OVERFLOW.
    """
    space = task.space
    entry = space.lookup_right(name, kind)
    if kind in (RightKind.SEND, RightKind.DEAD_NAME):
        urefs = entry.urefs + delta
        if urefs < 0:
            raise KernError(KernReturn.INVALID_VALUE)
        if urefs > mach.MACH_PORT_UREFS_MAX:
            raise KernError(KernReturn.UREFS_OVERFLOW)
        if delta > 0:
            entry.urefs = urefs
        elif delta:
            space.drop_urefs(entry, -delta)
    elif delta not in (0, -1):
        raise KernError(KernReturn.INVALID_VALUE)
    elif delta and kind is RightKind.RECEIVE:
        space.destroy_receive(entry)
    elif delta:
        space.destroy(entry)


def mach_port_set_qlimit(task: Task, name: int, limit: int) -> None:
    """Queue at most ``limit`` messages, 0 to 16; senders that wait go on if there is room now.

    Raises INVALID_VALUE, INVALID_NAME, INVALID_RIGHT.
    """
    if not 0 <= limit <= mach.MACH_PORT_QLIMIT_MAX:
        raise KernError(KernReturn.INVALID_VALUE)
    port = task.space.lookup_right(name, RightKind.RECEIVE).port
    port.limit = limit
    port.admit()


def mach_port_set_mscount(task: Task, name: int, count: int) -> None:
    """Set the make-send count. Raises INVALID_NAME, INVALID_RIGHT."""
    task.space.lookup_right(name, RightKind.RECEIVE).port.make_sends = count


def mach_port_set_seqno(task: Task, name: int, number: int) -> None:
    """Set the sequence number of the next message. Raises INVALID_NAME, INVALID_RIGHT."""
    task.space.lookup_right(name, RightKind.RECEIVE).port.sequence = number


def mach_port_get_receive_status(task: Task, name: int) -> PortStatus:
    """Raises INVALID_NAME, INVALID_RIGHT."""
    port = task.space.lookup_right(name, RightKind.RECEIVE).port
    return PortStatus(
        _set_name(task.space, port.port_set),
        port.sequence,
        port.make_sends,
        port.limit,
        len(port.messages),
        port.send_onces,
        port.sends > 0,
        port.port_destroyed is not None,
        port.no_senders is not None,
    )


def _set_name(space: Space, port_set: PortSet | None) -> int:
    if port_set is None:
        return mach.MACH_PORT_NULL
    return next(name for name, entry in space.entries.items() if entry.object is port_set)


def mach_port_get_set_status(task: Task, name: int) -> list[int]:
    """Names of the members. Raises INVALID_NAME, INVALID_RIGHT."""
    port_set = task.space.lookup_right(name, RightKind.PORT_SET).port_set
    return [task.space.named[port].name for port in port_set.members]


def mach_port_move_member(task: Task, member: int, after: int) -> None:
    """Move a receive right into the set ``after``, at once out of any other; MACH_PORT_NULL: out of its set.

    Raises INVALID_NAME, INVALID_RIGHT (no receive right, or no set), NOT_IN_SET.
    """
    port = task.space.lookup_right(member, RightKind.RECEIVE).port
    port_set = None
    if after != mach.MACH_PORT_NULL:
        port_set = task.space.lookup_right(after, RightKind.PORT_SET).port_set
    elif port.port_set is None:
        raise KernError(KernReturn.NOT_IN_SET)
    if port_set is not None and port.port_set is port_set:
        return
    port.leave_set()
    if port_set is not None:
        port.join(port_set)


def mach_port_request_notification(task: Task, name: int, variant: int, sync: int, waiting: Port | None) -> Port | None:
    """Have ``waiting``, a send-once right (None: nobody), told of something about ``name``; who was to be told until now is returned.

    Args:
        variant: NOTIFY_PORT_DESTROYED (sync 0), NOTIFY_NO_SENDERS (at once if there are none and ``sync`` send rights have been made), or
            NOTIFY_DEAD_NAME (at once if the name is dead and ``sync`` is not 0).

    The previous right is the caller's. Raises INVALID_VALUE, INVALID_NAME, INVALID_RIGHT, INVALID_CAPABILITY (a dead right),
    INVALID_ARGUMENT (the name is dead and sync is 0), UREFS_OVERFLOW; ``waiting`` is then the caller's still.
    """
    if waiting is not None and waiting.dead:
        raise KernError(KernReturn.INVALID_CAPABILITY)
    if variant == mach.NOTIFY_DEAD_NAME:
        return _request_dead_name(task.space.lookup(name), sync != 0, waiting)
    if variant == mach.NOTIFY_NO_SENDERS:
        return _request_no_senders(task.space.lookup_right(name, RightKind.RECEIVE).port, sync, waiting)
    if variant != mach.NOTIFY_PORT_DESTROYED or sync != 0:
        raise KernError(KernReturn.INVALID_VALUE)
    port = task.space.lookup_right(name, RightKind.RECEIVE).port
    previous, port.port_destroyed = port.port_destroyed, waiting
    return previous


def _request_dead_name(entry: Entry, immediate: bool, waiting: Port | None) -> Port | None:
    if entry.types & PORT_RIGHTS:
        previous, entry.request = entry.request, waiting
        return previous
    if not entry.types & DEAD_NAME:
        raise KernError(KernReturn.INVALID_RIGHT)
    if not immediate or waiting is None:
        raise KernError(KernReturn.INVALID_ARGUMENT)
    if entry.urefs == mach.MACH_PORT_UREFS_MAX:
        raise KernError(KernReturn.UREFS_OVERFLOW)
    entry.urefs += 1
    release(*notify.dead_name(waiting, entry.name))
    return None


def _request_no_senders(port: Port, sync: int, waiting: Port | None) -> Port | None:
    previous = port.no_senders
    if waiting is not None and port.sends == 0 and sync <= port.make_sends:
        port.no_senders = None
        release(*notify.no_senders(waiting, port.make_sends))
    else:
        port.no_senders = waiting
    return previous


def mach_port_insert_right(task: Task, name: int, port: Port | None, kind: RightKind) -> None:
    """Give the task a right, which the caller holds, under ``name``.

    Raises INVALID_VALUE (no name, or no port right), INVALID_CAPABILITY (null or dead), NAME_EXISTS, RIGHT_EXISTS (the task has the port
    under another name), UREFS_OVERFLOW, NO_SPACE; the right is then the caller's still.
    """
    if not is_valid(name) or kind not in (RightKind.SEND, RightKind.RECEIVE, RightKind.SEND_ONCE):
        raise KernError(KernReturn.INVALID_VALUE)
    if port is None or port.dead:
        raise KernError(KernReturn.INVALID_CAPABILITY)
    task.space.copyout_name(kind, port, name)


def mach_port_extract_right(task: Task, name: int, disposition: int) -> tuple[RightKind, Port]:
    """Take a right out of the task, as a message that carries it would (MSG_TYPE_*). Raises INVALID_VALUE, INVALID_NAME, INVALID_RIGHT."""
    if disposition not in CARRIED:
        raise KernError(KernReturn.INVALID_VALUE)
    entry = task.space.lookup(name)
    if not task.space.may_copyin(entry, disposition):
        raise KernError(KernReturn.INVALID_RIGHT)
    port, left, request = task.space.copyin(entry, disposition)
    if request is not None:
        left += notify.port_deleted(request, name)
    release(*left)
    return CARRIED[disposition], port
