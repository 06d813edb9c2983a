"""The one table of kernel calls, and the two ways to make one: ``invoke`` from the kernel's address space, a message to the object's port
from anywhere.

A row says name, message id, arguments, results, and how far it goes. A call is a function of the object that the port stands for and the
arguments; the boundary here releases the rights of a call that failed, and turns KernError into a kern_return_t. The form of the
messages is in ``wire``.

Not here yet (see the issue on the whole of Mach): memory objects by message, processor sets, scheduling, devices.

Source: Mach 3 Kernel Interfaces; ids: mach.defs, mach_port.defs, exc.defs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from skerry.abi import mach
from skerry.mach import mach_port as mp
from skerry.mach import right
from skerry.mach import task as tasks
from skerry.mach import thread as threads
from skerry.mach import vm_calls as vm
from skerry.mach.errors import KernError, KernReturn
from skerry.mach.port import Port
from skerry.mach.release import release
from skerry.mach.right import RightKind
from skerry.mach.task import Task
from skerry.mach.thread import Thread

if TYPE_CHECKING:
    from skerry.mach.kernel import Kernel


class Kind(Enum):
    """What an argument or result is, in Python and in a message."""

    INT = "int"  # 32 bits, signed
    NAME = "name"  # 32 bits, unsigned: a name of the target task, or a count
    NATURAL = "natural"  # 64 bits, unsigned
    BYTES = "bytes"  # inline or out of line; as a result, bytes or a vm.MemoryCopy
    NAMES = "names"  # an array of NAME
    RIGHT = "right"  # (RightKind, Port) or None
    SENDS = "sends"  # ports, a send right to each


INT, NAME, NATURAL, BYTES, NAMES, RIGHT, SENDS = Kind
Held = tuple[RightKind, Port] | None


@dataclass(frozen=True, slots=True)
class Call:
    """A row. ``support``: full or partial; ``note`` says what is missing."""

    name: str
    id: int
    target: type
    function: Callable[..., Any]
    arguments: tuple[Kind, ...] = ()
    results: tuple[Kind, ...] = ()
    support: str = "full"
    note: str = ""


def _kind(number: int) -> RightKind:
    try:
        return RightKind(number)
    except ValueError:
        raise KernError(KernReturn.INVALID_VALUE) from None


def _send_right(held: Held) -> Port | None:
    """The port of a send right (or of none). Raises INVALID_CAPABILITY for other rights."""
    if held is None:
        return None
    if held[0] is not RightKind.SEND:
        raise KernError(KernReturn.INVALID_CAPABILITY)
    return held[1]


def _as_send(port: Port | None) -> Held:
    return None if port is None else (RightKind.SEND, port)


def _request_notification(task: Task, name: int, variant: int, sync: int, held: Held) -> Held:
    if held is not None and held[0] is not RightKind.SEND_ONCE:
        raise KernError(KernReturn.INVALID_CAPABILITY)
    previous = mp.mach_port_request_notification(task, name, variant, sync, held[1] if held else None)
    return None if previous is None else (RightKind.SEND_ONCE, previous)


def _insert_right(task: Task, name: int, held: Held) -> None:
    kind, port = held if held is not None else (RightKind.SEND, None)
    mp.mach_port_insert_right(task, name, port, kind)


def _receive_status(task: Task, name: int) -> tuple[int, ...]:
    s = mp.mach_port_get_receive_status(task, name)
    counts = (s.port_set, s.sequence, s.make_sends, s.queue_limit, s.message_count, s.send_onces)
    return (*counts, int(s.has_senders), int(s.port_destroyed), int(s.no_senders))


def _names(task: Task) -> tuple[list[int], list[int]]:
    pairs = mp.mach_port_names(task)
    return [name for name, _ in pairs], [types for _, types in pairs]


def _region(task: Task, address: int) -> tuple[int, ...]:
    r = vm.vm_region(task.map, address)
    return r.address, r.size, r.protection, r.max_protection, r.inheritance, int(r.shared), r.offset


def _task_create(parent: Task, inherit: int) -> Port:
    try:
        child, thread = tasks.task_create(parent, bool(inherit))
    except OSError as error:
        raise KernError(KernReturn.RESOURCE_SHORTAGE) from error
    thread.terminate()
    return right.make_send(child.port)


def _set_emulation(task: Task, first: int, last: int, held: Held) -> None:
    tasks.task_set_emulation(task, first, last, _send_right(held))


def _emulation_vector(task: Task) -> tuple[list[int], list[Port]]:
    ranges = tasks.task_get_emulation_vector(task)
    return [number for first, last, _ in ranges for number in (first, last)], [port for _, _, port in ranges]


NO_OBJECTS: Final = "memory objects do not come by message yet: zero memory only"

TABLE: Final = (
    Call("task_create", mach.ID_TASK_CREATE, Task, _task_create, (INT,), (SENDS,)),
    Call("task_terminate", mach.ID_TASK_TERMINATE, Task, tasks.task_terminate),
    Call("task_suspend", mach.ID_TASK_SUSPEND, Task, tasks.task_suspend),
    Call("task_resume", mach.ID_TASK_RESUME, Task, tasks.task_resume),
    Call("task_threads", mach.ID_TASK_THREADS, Task, lambda t: [tasks.task_threads(t)], (), (SENDS,)),
    Call("task_info", mach.ID_TASK_INFO, Task, tasks.task_info, (), (INT, INT, NATURAL), "partial", "basic flavour, without times"),
    Call(
        "task_get_special_port",
        mach.ID_TASK_GET_SPECIAL_PORT,
        Task,
        lambda t, which: _as_send(tasks.task_get_special_port(t, which)),
        (INT,),
        (RIGHT,),
    ),
    Call(
        "task_set_special_port",
        mach.ID_TASK_SET_SPECIAL_PORT,
        Task,
        lambda t, which, held: tasks.task_set_special_port(t, which, _send_right(held)),
        (INT, RIGHT),
    ),
    Call(
        "task_set_emulation",
        mach.ID_TASK_SET_EMULATION,
        Task,
        _set_emulation,
        (NAME, NAME, RIGHT),
        (),
        "partial",
        "a range of numbers goes to a port, in place of one number to an address in the task",
    ),
    Call(
        "task_get_emulation_vector", mach.ID_TASK_GET_EMULATION_VECTOR, Task, _emulation_vector, (), (NAMES, SENDS), "partial", "as above"
    ),
    Call("mach_ports_register", mach.ID_MACH_PORTS_REGISTER, Task, tasks.mach_ports_register, (SENDS,)),
    Call("mach_ports_lookup", mach.ID_MACH_PORTS_LOOKUP, Task, lambda t: [tasks.mach_ports_lookup(t)], (), (SENDS,)),
    Call("thread_create", mach.ID_THREAD_CREATE, Task, lambda t: [[right.make_send(tasks.thread_create(t).port)]], (), (SENDS,)),
    Call("thread_terminate", mach.ID_THREAD_TERMINATE, Thread, threads.thread_terminate),
    Call("thread_suspend", mach.ID_THREAD_SUSPEND, Thread, threads.thread_suspend),
    Call("thread_resume", mach.ID_THREAD_RESUME, Thread, threads.thread_resume),
    Call("thread_abort", mach.ID_THREAD_ABORT, Thread, threads.thread_abort),
    Call("thread_get_state", mach.ID_THREAD_GET_STATE, Thread, threads.thread_get_state, (INT,), (BYTES,)),
    Call("thread_set_state", mach.ID_THREAD_SET_STATE, Thread, threads.thread_set_state, (INT, BYTES)),
    Call("thread_info", mach.ID_THREAD_INFO, Thread, threads.thread_info, (), (INT, INT), "partial", "basic flavour, without times"),
    Call(
        "thread_get_special_port",
        mach.ID_THREAD_GET_SPECIAL_PORT,
        Thread,
        lambda t, which: _as_send(threads.thread_get_special_port(t, which)),
        (INT,),
        (RIGHT,),
    ),
    Call(
        "thread_set_special_port",
        mach.ID_THREAD_SET_SPECIAL_PORT,
        Thread,
        lambda t, which, held: threads.thread_set_special_port(t, which, _send_right(held)),
        (INT, RIGHT),
    ),
    Call("vm_allocate", mach.ID_VM_ALLOCATE, Task, lambda t, *a: vm.vm_allocate(t.map, *a), (NATURAL, NATURAL, INT), (NATURAL,)),
    Call("vm_deallocate", mach.ID_VM_DEALLOCATE, Task, lambda t, *a: vm.vm_deallocate(t.map, *a), (NATURAL, NATURAL)),
    Call("vm_protect", mach.ID_VM_PROTECT, Task, lambda t, *a: vm.vm_protect(t.map, *a), (NATURAL, NATURAL, INT, INT)),
    Call("vm_inherit", mach.ID_VM_INHERIT, Task, lambda t, *a: vm.vm_inherit(t.map, *a), (NATURAL, NATURAL, INT)),
    Call("vm_read", mach.ID_VM_READ, Task, lambda t, address, size: t.map.copyin(address, size, False), (NATURAL, NATURAL), (BYTES,)),
    Call("vm_write", mach.ID_VM_WRITE, Task, lambda t, *a: vm.vm_write(t.map, *a), (NATURAL, BYTES)),
    Call("vm_copy", mach.ID_VM_COPY, Task, lambda t, *a: vm.vm_copy(t.map, *a), (NATURAL, NATURAL, NATURAL)),
    Call("vm_region", mach.ID_VM_REGION, Task, _region, (NATURAL,), (NATURAL, NATURAL, INT, INT, INT, INT, NATURAL)),
    Call(
        "vm_map",
        mach.ID_VM_MAP,
        Task,
        lambda t, address, size, anywhere, *a: vm.vm_map(t.map, address, size, anywhere, None, 0, False, *a),
        (NATURAL, NATURAL, INT, INT, INT, INT),
        (NATURAL,),
        "partial",
        NO_OBJECTS,
    ),
    Call("mach_port_names", mach.ID_MACH_PORT_NAMES, Task, _names, (), (NAMES, NAMES)),
    Call("mach_port_type", mach.ID_MACH_PORT_TYPE, Task, mp.mach_port_type, (NAME,), (NAME,)),
    Call("mach_port_rename", mach.ID_MACH_PORT_RENAME, Task, mp.mach_port_rename, (NAME, NAME)),
    Call(
        "mach_port_allocate_name",
        mach.ID_MACH_PORT_ALLOCATE_NAME,
        Task,
        lambda t, kind, name: mp.mach_port_allocate_name(t, _kind(kind), name),
        (INT, NAME),
    ),
    Call("mach_port_allocate", mach.ID_MACH_PORT_ALLOCATE, Task, lambda t, kind: mp.mach_port_allocate(t, _kind(kind)), (INT,), (NAME,)),
    Call("mach_port_destroy", mach.ID_MACH_PORT_DESTROY, Task, mp.mach_port_destroy, (NAME,)),
    Call("mach_port_deallocate", mach.ID_MACH_PORT_DEALLOCATE, Task, mp.mach_port_deallocate, (NAME,)),
    Call(
        "mach_port_get_refs",
        mach.ID_MACH_PORT_GET_REFS,
        Task,
        lambda t, name, kind: mp.mach_port_get_refs(t, name, _kind(kind)),
        (NAME, INT),
        (NAME,),
    ),
    Call(
        "mach_port_mod_refs",
        mach.ID_MACH_PORT_MOD_REFS,
        Task,
        lambda t, name, kind, delta: mp.mach_port_mod_refs(t, name, _kind(kind), delta),
        (NAME, INT, INT),
    ),
    Call("mach_port_set_qlimit", mach.ID_MACH_PORT_SET_QLIMIT, Task, mp.mach_port_set_qlimit, (NAME, INT)),
    Call("mach_port_set_mscount", mach.ID_MACH_PORT_SET_MSCOUNT, Task, mp.mach_port_set_mscount, (NAME, NAME)),
    Call("mach_port_set_seqno", mach.ID_MACH_PORT_SET_SEQNO, Task, mp.mach_port_set_seqno, (NAME, NAME)),
    Call(
        "mach_port_get_set_status",
        mach.ID_MACH_PORT_GET_SET_STATUS,
        Task,
        lambda t, name: [mp.mach_port_get_set_status(t, name)],
        (NAME,),
        (NAMES,),
    ),
    Call("mach_port_move_member", mach.ID_MACH_PORT_MOVE_MEMBER, Task, mp.mach_port_move_member, (NAME, NAME)),
    Call(
        "mach_port_request_notification",
        mach.ID_MACH_PORT_REQUEST_NOTIFICATION,
        Task,
        _request_notification,
        (NAME, INT, NAME, RIGHT),
        (RIGHT,),
    ),
    Call("mach_port_insert_right", mach.ID_MACH_PORT_INSERT_RIGHT, Task, _insert_right, (NAME, RIGHT)),
    Call("mach_port_extract_right", mach.ID_MACH_PORT_EXTRACT_RIGHT, Task, mp.mach_port_extract_right, (NAME, INT), (RIGHT,)),
    Call("mach_port_get_receive_status", mach.ID_MACH_PORT_GET_RECEIVE_STATUS, Task, _receive_status, (NAME,), (NAME,) * 9),
)
BY_NAME: Final = {call.name: call for call in TABLE}
BY_ID: Final = {call.id: call for call in TABLE}


def invoke(kernel: Kernel, name: str, target: Task | Thread, *arguments: Any) -> tuple[KernReturn, tuple[Any, ...]]:
    """Make a call from the kernel's address space: the code, and the results if it is SUCCESS. Rights of a failed call are released."""
    outcome = perform(BY_NAME[name], target, arguments)
    kernel.processor.run()
    return outcome


def perform(call: Call, target: Any, arguments: tuple[Any, ...]) -> tuple[KernReturn, tuple[Any, ...]]:
    """The boundary: KernError becomes a code here. The results are one for each kind of ``call.results``."""
    try:
        if not isinstance(target, call.target):
            raise KernError(KernReturn.INVALID_ARGUMENT)
        result = call.function(target, *arguments)
    except KernError as error:
        release(*_rights_in(call, arguments))
        return error.code, ()
    if len(call.results) == 0:
        return KernReturn.SUCCESS, ()
    if len(call.results) > 1 or isinstance(result, list):
        return KernReturn.SUCCESS, tuple(result)
    return KernReturn.SUCCESS, ([result] if call.results == (SENDS,) else result,)


def _rights_in(call: Call, arguments: tuple[Any, ...]) -> list[right.Held]:
    held: list[right.Held] = []
    for kind, argument in zip(call.arguments, arguments, strict=True):
        if kind is RIGHT and argument is not None:
            held.append(argument)
        elif kind is SENDS:
            held += [(RightKind.SEND, port) for port in argument]
    return held
