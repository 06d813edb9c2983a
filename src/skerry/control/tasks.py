"""Tasks, ports and rights of a kernel, as they are shown.

A port has a number while it is looked at once; nothing of it stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from skerry.mach.kobject import ObjectPort
from skerry.mach.movable import OwnMemory
from skerry.mach.native import NativeTask
from skerry.mach.port import Port, PortSet
from skerry.mach.space import DEAD_NAME, PORT_SET, RECEIVE, SEND, SEND_ONCE
from skerry.machine import MemoryObject, host

if TYPE_CHECKING:
    from skerry.mach.kernel import Kernel
    from skerry.mach.space import Entry
    from skerry.mach.task import Task
    from skerry.mach.vm import Region

RIGHTS: Final = ((RECEIVE, "receive"), (SEND, "send"), (SEND_ONCE, "send-once"), (PORT_SET, "port set"), (DEAD_NAME, "dead name"))


def task_name(task: Task) -> str:
    """What a task is called: the entry of a native one, else the number of its host process."""
    return task.name if isinstance(task, NativeTask) else f"task {task.map.space.host.pid}"


def describe_tasks(kernel: Kernel) -> list[dict[str, Any]]:
    """Every task: its host process (0: ended), kind, name, threads, rights, suspensions, mapped and resident bytes, processor time (ns)."""
    found = []
    for task in kernel.tasks:
        pid = task.map.space.host.pid
        found.append(
            {
                "host_pid": pid,
                "inner_pid": _inner(task),
                "kind": "native" if isinstance(task, NativeTask) else "unix",
                "name": task_name(task),
                "threads": len(task.threads),
                "rights": len(task.space.entries),
                "suspended": task.suspend_count,
                "mapped": sum(region.end - region.start for region in task.map.regions),
                "memory": host.resident(pid),
                "time": host.cpu_time(pid),
            }
        )
    return found


def _inner(task: Task) -> int:
    """The number that the task's process has in the namespace of its kind."""
    try:
        return host.inner_number(task.map.space.host.pidfd)
    except OSError:  # it has just ended
        return 0


def describe_memory(kernel: Kernel, host_pid: int) -> list[dict[str, Any]] | None:
    """What the kernel has mapped in a task: start, end, protection (VM_PROT_*), shared, offset, what is behind; None: no such task."""
    task = next((task for task in kernel.tasks if task.map.space.host.pid == host_pid), None)
    if task is None:
        return None
    return [
        {
            "start": region.start,
            "end": region.end,
            "protection": region.protection,
            "maximum": region.maximum,
            "shared": region.shared,
            "offset": region.offset,
            "behind": _behind(region),
        }
        for region in task.map.regions
    ]


def _behind(region: Region) -> str:
    if region.pages is not None:
        return "pager"
    if region.object is None or isinstance(region.object, OwnMemory):
        return "anonymous"
    return "memory object" if isinstance(region.object, MemoryObject) else "file"


class _Numbers:
    """Numbers of the ports seen, and the ports."""

    def __init__(self) -> None:
        self.ports: dict[Port, int] = {}

    def of(self, port: Port) -> int:
        return self.ports.setdefault(port, len(self.ports) + 1)


def describe_ports(kernel: Kernel) -> dict[str, Any]:
    """``tasks``: each with the rights that it names; ``ports``: every port that some task names, or that is one's own."""
    numbers = _Numbers()
    names = {task.space: task_name(task) for task in kernel.tasks}
    tasks = []
    for task in kernel.tasks:
        for port in (*task.special_ports.values(), *task.registered):
            numbers.of(port)
        rights = [_right(entry, numbers) for entry in task.space.entries.values()]
        tasks.append({"host_pid": task.map.space.host.pid, "name": task_name(task), "rights": rights})
    ports = []
    for port, number in numbers.ports.items():
        receiver = names.get(port.receiver) if port.receiver is not None else None
        ports.append(
            {
                "port": number,
                "receiver": receiver,
                "kind": _kind(port, receiver),
                "senders": sorted(
                    names[entry.space] for entry in port.entries if entry.types & (SEND | SEND_ONCE) and entry.space in names
                ),
                "sends": port.sends,
                "send_onces": port.send_onces,
                "queued": len(port.messages),
                "messages": [{"id": message.id, "bytes": message.size} for message in port.messages],
                "limit": port.limit,
                "blocked": len(port.blocked),
                "waiting": len(port.receivers if port.port_set is None else port.port_set.receivers),
                "sequence": port.sequence,
            }
        )
    return {"tasks": tasks, "ports": ports}


def _right(entry: Entry, numbers: _Numbers) -> dict[str, Any]:
    kinds = [word for bit, word in RIGHTS if entry.types & bit]
    right: dict[str, Any] = {"name": entry.name, "right": " ".join(kinds), "references": entry.urefs}
    if isinstance(entry.object, Port):
        right["port"] = numbers.of(entry.object)
    elif isinstance(entry.object, PortSet):
        right["members"] = [numbers.of(port) for port in entry.object.members]
    return right


def _kind(port: Port, receiver: str | None) -> str:
    """What receives there."""
    if isinstance(port.kernel_object, ObjectPort):
        return type(port.kernel_object.target).__name__
    if port.kernel_object is not None:
        return "kernel"
    if port.traps is not None:
        return "system calls"
    return "messages" if receiver is not None else "in transit"
