"""A log of the messages between tasks, kept by the kernel while somebody traces it.

While it is on it is the observer of this process's kernel (``mach.message.Observer``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from skerry.abi import traps
from skerry.control.tasks import task_name
from skerry.mach.message import OBSERVATION
from skerry.mach.port import Port
from skerry.mach.task import Task

if TYPE_CHECKING:
    from skerry.mach.kernel import Kernel
    from skerry.mach.message import Message
    from skerry.mach.space import Space

MOST: Final = 500_000
LENGTH: Final = 1000  # ns that a message is drawn with, where there is room
KERNEL: Final = "kernel"
_TRAPS: Final = {value: name for name, value in vars(traps).items() if name.startswith("TRAP_")}


class MessageLog:
    """What is noted: (when (ns), task, "send" or "receive", number of the message, id, bytes, the other side)."""

    def __init__(self, kernel: Kernel) -> None:
        self._clock = kernel.machine.monotonic
        self._kernel = kernel
        self._notes: list[tuple[int, str, str, int, int, int, str]] = []
        self._traps: list[tuple[int, int, str, str]] = []
        self._names: dict[Space, str] = {}
        self._lost = 0
        self._last = 0
        self._under_way: dict[Message, int] = {}  # sent, and not yet received: its number

    def start(self) -> None:
        """Be told from now on."""
        OBSERVATION.observer = self

    def stop(self) -> None:
        """Be told no more. Twice is harmless."""
        if OBSERVATION.observer is self:
            OBSERVATION.observer = None
        self._under_way.clear()

    # What it is told
    def sent(self, sender: object, message: Message) -> None:
        self._last += 1
        self._under_way[message] = self._last
        self._note(self._name(sender), "send", self._last, message.id, message.size, self._receiver(message.remote))

    def delivered(self, port: Port, message: Message) -> None:
        if message not in self._under_way and message.thread is None:
            self.sent(None, message)
        if port.kernel_object is not None:
            self.received(None, message)

    def received(self, receiver: object, message: Message) -> None:
        number = self._under_way.pop(message, None)
        if number is not None:
            self._note(self._name(receiver), "receive", number, message.id, message.size, "")

    def exchanged(self, sender: object, port: Port, id: int, size: int) -> None:
        self._last += 1
        name, other = self._name(sender), self._receiver(port)
        self._note(name, "send", self._last, id, size, other)
        self._note(other, "receive", self._last, id, size, name)

    def trapped(self, task: object, number: int, serve: Callable[[], tuple[int, bytes]]) -> tuple[int, bytes]:
        since = self._clock()
        answer = serve()
        if len(self._traps) < MOST:
            self._traps.append((since, self._clock(), self._name(task), _TRAPS.get(number, str(number))))
        return answer

    # Notes
    def _name(self, task: object) -> str:
        if not isinstance(task, Task):
            return KERNEL
        name = self._names.get(task.space)
        if name is None:
            name = task_name(task)
            if name in self._names.values():  # another has it
                name += f" ({task.map.space.host.pid})"
            self._names[task.space] = name
        return name

    def _receiver(self, port: Port) -> str:
        if port.receiver is None:
            return KERNEL
        name = self._names.get(port.receiver)
        return name or next((self._name(task) for task in self._kernel.tasks if task.space is port.receiver), KERNEL)

    def _note(self, who: str, what: str, message: int, id: int, size: int, other: str) -> None:
        if len(self._notes) < MOST:
            self._notes.append((self._clock(), who, what, message, id, size, other))
        else:
            self._lost += 1

    def events(self, process: int) -> list[dict[str, Any]]:
        """As trace events: each task is a thread of ``process``; an arrow leads from each message's sender to its receiver.

        Slices of one thread lie in or beside each other, as viewers want it: traps have a thread of their own.
        """
        threads: dict[str, int] = {}
        events: list[dict[str, Any]] = []
        last: dict[int, dict[str, Any]] = {}  # the slice of each thread that may be cut short
        for when, who, what, number, id, size, other in self._notes:
            tid = threads.setdefault(who, len(threads) + 1)
            if tid in last:
                last[tid]["dur"] = min(LENGTH, when - last[tid]["at"]) / 1000
                del last[tid]["at"]
            base = {"pid": process, "tid": tid, "ts": when / 1000, "cat": "message"}
            label = f"{what} {id}" + (f" to {other}" if what == "send" else "")
            arguments = {"id": id, "bytes": size, "message": number}
            last[tid] = base | {"ph": "X", "at": when, "dur": LENGTH / 1000, "name": label, "args": arguments}
            flow = {"ph": "s"} if what == "send" else {"ph": "f", "bp": "e"}
            events += [last[tid], base | flow | {"id": number, "name": "message"}]
        for event in last.values():
            del event["at"]
        for since, until, who, name in self._traps:
            tid = threads.setdefault(f"{who}: traps", len(threads) + 1)
            span = {"pid": process, "tid": tid, "ts": since / 1000, "dur": (until - since) / 1000}
            events.append(span | {"ph": "X", "cat": "trap", "name": name})
        return [*events, *self._metadata(process, threads)]

    def _metadata(self, process: int, threads: dict[str, int]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        if self._lost:
            when = self._clock() / 1000
            found.append({"ph": "i", "s": "g", "pid": process, "tid": 0, "ts": when, "name": f"{self._lost} messages were lost"})
        if threads:
            found.append({"ph": "M", "name": "process_name", "pid": process, "tid": 0, "args": {"name": "tasks and messages (Mach)"}})
        for who, tid in threads.items():
            found.append({"ph": "M", "name": "thread_name", "pid": process, "tid": tid, "args": {"name": who}})
        return found
