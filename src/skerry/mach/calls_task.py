"""The rows of what a task's port understands, but for the names of its rights (``calls_port``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from skerry.abi.kernel_calls import TaskPort
from skerry.mach import calls_memory, calls_port, gsync, right, scheduling
from skerry.mach import host as hosts
from skerry.mach import processor_set as sets
from skerry.mach import task as tasks
from skerry.mach import vm_calls as vm
from skerry.mach.call import NONE, PARTIAL, HeldOrNone, Rows, as_send, object_of, send_right
from skerry.mach.errors import KernError, KernReturn
from skerry.mach.processor_set import ProcessorSet
from skerry.mach.release import release
from skerry.mach.task import Task

if TYPE_CHECKING:
    from skerry.mach.port import Port

RANGES: Final = "a range of numbers goes to a port, in place of one number to an address in the task"
ROWS: Final = Rows(TaskPort, Task)
bind = ROWS.bind


def _task_create(parent: Task, inherit: int) -> HeldOrNone:
    try:
        child, thread = tasks.task_create(parent, bool(inherit))
    except OSError as error:
        raise KernError(KernReturn.RESOURCE_SHORTAGE) from error
    thread.terminate()
    return as_send(right.make_send(child.port))


def _set_special_port(task: Task, which: int, held: HeldOrNone) -> None:
    tasks.task_set_special_port(task, which, send_right(held))


def _emulation_vector(task: Task) -> tuple[list[int], list[Port]]:
    ranges = tasks.task_get_emulation_vector(task)
    return [number for first, last, _ in ranges for number in (first, last)], [port for _, _, port in ranges]


def _set_emulation_vector(task: Task, numbers: bytes, ports: list[Port]) -> None:
    words = [int.from_bytes(numbers[at : at + 4], "little") for at in range(0, len(numbers), 4)]
    if len(numbers) % 8 or len(words) != 2 * len(ports):
        raise KernError(KernReturn.INVALID_ARGUMENT)
    tasks.task_set_emulation_vector(task, [(words[2 * at], words[2 * at + 1], port) for at, port in enumerate(ports)])


def _assign(task: Task, held: HeldOrNone, assign_threads: int) -> None:
    sets.task_assign(task, object_of(held, ProcessorSet), bool(assign_threads))
    assert held is not None
    release(held)


def _assign_default(task: Task, assign_threads: int) -> None:
    sets.task_assign(task, task.kernel.host.default_set, bool(assign_threads))


def _get_assignment(task: Task) -> HeldOrNone:
    return as_send(right.make_send(scheduling.set_of(task).name_port))


def not_configured(*_arguments: Any) -> None:
    """mach_sample_*: a kernel without profiling answers so."""
    raise KernError(KernReturn.FAILURE)


def _machine_attribute(*_arguments: Any) -> None:
    raise KernError(KernReturn.INVALID_ARGUMENT)


def _thread_create(task: Task) -> HeldOrNone:
    return as_send(right.make_send(tasks.thread_create(task).port))


def _region(task: Task, address: int) -> tuple[Any, ...]:
    r = vm.vm_region(task.map, address)
    name = as_send(None if r.object is None else right.make_send(r.object.name))
    return r.address, r.size, r.protection, r.max_protection, r.inheritance, int(r.shared), name, r.offset


bind("task_create", _task_create)
bind("task_terminate", tasks.task_terminate)
bind("task_suspend", tasks.task_suspend)
bind("task_resume", tasks.task_resume)
bind("task_threads", tasks.task_threads)
bind("task_info", tasks.task_info)
bind("task_get_special_port", lambda task, which: as_send(tasks.task_get_special_port(task, which)))
bind("task_set_special_port", _set_special_port)
bind("task_set_emulation", lambda t, first, last, held: tasks.task_set_emulation(t, first, last, send_right(held)), PARTIAL, RANGES)
bind("task_get_emulation_vector", _emulation_vector, PARTIAL, RANGES)
bind("task_set_emulation_vector", _set_emulation_vector, PARTIAL, RANGES)
bind("task_priority", scheduling.task_priority, PARTIAL, "the host schedules; it is told the priority of a native task's thread alone")
bind("task_assign", _assign)
bind("task_assign_default", _assign_default)
bind("task_get_assignment", _get_assignment)
bind("mach_sample_task", not_configured, NONE, "KERN_FAILURE: this kernel does not profile; perf on the host does")
bind("mach_ports_register", tasks.mach_ports_register)
bind("mach_ports_lookup", tasks.mach_ports_lookup)
bind("thread_create", _thread_create, PARTIAL, "a native task has one thread: KERN_RESOURCE_SHORTAGE there")
bind("vm_allocate", lambda t, *a: vm.vm_allocate(t.map, *a))
bind("vm_deallocate", lambda t, *a: vm.vm_deallocate(t.map, *a))
bind("vm_protect", lambda t, *a: vm.vm_protect(t.map, *a))
bind("vm_inherit", lambda t, *a: vm.vm_inherit(t.map, *a))
bind("vm_read", lambda t, address, size: t.map.copyin(address, size, False))
bind("vm_write", lambda t, *a: vm.vm_write(t.map, *a))
bind("vm_copy", lambda t, *a: vm.vm_copy(t.map, *a))
bind("vm_region", _region)
bind("vm_statistics", lambda _task: hosts.vm_statistics())
bind("vm_machine_attribute", _machine_attribute, NONE, "KERN_INVALID_ARGUMENT, as on every i386: there are no such attributes")
bind("vm_map", calls_memory.map_object)
bind("vm_get_size_limit", lambda task: (task.map.size_limit, task.map.size_maximum))
bind("gsync_wait", gsync.gsync_wait)
bind("gsync_wake", gsync.gsync_wake)
bind("gsync_requeue", gsync.gsync_requeue)
calls_port.bind_to(ROWS)
