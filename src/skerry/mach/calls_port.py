"""The rows of the mach_port_* calls: what a task's port understands about the names of its rights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from skerry.mach import mach_port as mp
from skerry.mach.call import HeldOrNone, Rows
from skerry.mach.errors import KernError, KernReturn
from skerry.mach.right import RightKind

if TYPE_CHECKING:
    from skerry.mach.task import Task


def _kind(number: int) -> RightKind:
    try:
        return RightKind(number)
    except ValueError:
        raise KernError(KernReturn.INVALID_VALUE) from None


def _request_notification(task: Task, name: int, variant: int, sync: int, held: HeldOrNone) -> HeldOrNone:
    if held is not None and held[0] is not RightKind.SEND_ONCE:
        raise KernError(KernReturn.INVALID_CAPABILITY)
    previous = mp.mach_port_request_notification(task, name, variant, sync, held[1] if held else None)
    return None if previous is None else (RightKind.SEND_ONCE, previous)


def _insert_right(task: Task, name: int, held: HeldOrNone) -> None:
    kind, port = held if held is not None else (RightKind.SEND, None)
    mp.mach_port_insert_right(task, name, port, kind)


def _receive_status(task: Task, name: int) -> tuple[int, ...]:
    s = mp.mach_port_get_receive_status(task, name)
    counts = (s.port_set, s.sequence, s.make_sends, s.queue_limit, s.message_count, s.send_onces)
    return (*counts, int(s.has_senders), int(s.port_destroyed), int(s.no_senders))


def _names(task: Task) -> tuple[list[int], list[int]]:
    pairs = mp.mach_port_names(task)
    return [name for name, _ in pairs], [types for _, types in pairs]


def bind_to(rows: Rows) -> None:
    """Bind them."""
    bind = rows.bind
    bind("mach_port_names", _names)
    bind("mach_port_type", mp.mach_port_type)
    bind("mach_port_rename", mp.mach_port_rename)
    bind("mach_port_allocate_name", lambda t, kind, name: mp.mach_port_allocate_name(t, _kind(kind), name))
    bind("mach_port_allocate", lambda t, kind: mp.mach_port_allocate(t, _kind(kind)))
    bind("mach_port_destroy", mp.mach_port_destroy)
    bind("mach_port_deallocate", mp.mach_port_deallocate)
    bind("mach_port_get_refs", lambda t, name, kind: mp.mach_port_get_refs(t, name, _kind(kind)))
    bind("mach_port_mod_refs", lambda t, name, kind, delta: mp.mach_port_mod_refs(t, name, _kind(kind), delta))
    bind("mach_port_set_qlimit", mp.mach_port_set_qlimit)
    bind("mach_port_set_mscount", mp.mach_port_set_mscount)
    bind("mach_port_set_seqno", mp.mach_port_set_seqno)
    bind("mach_port_get_set_status", mp.mach_port_get_set_status)
    bind("mach_port_move_member", mp.mach_port_move_member)
    bind("mach_port_request_notification", _request_notification)
    bind("mach_port_insert_right", _insert_right)
    bind("mach_port_extract_right", mp.mach_port_extract_right)
    bind("mach_port_get_receive_status", _receive_status)
