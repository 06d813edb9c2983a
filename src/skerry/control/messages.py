"""A log of the messages between tasks, kept by the kernel while somebody traces it.

While it is on, the methods that send and receive are covered by ones that note who and when; while it is off, nothing of it is there.
A process has one kernel: the classes' methods are covered, so that tasks that begin meanwhile are seen, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from skerry.abi import mach, traps
from skerry.control.tasks import task_name
from skerry.mach.exchange import Exchange
from skerry.mach.ipc import MessageCall
from skerry.mach.native import NativeTask
from skerry.mach.port import Port, Receiver
from skerry.mach.serving import Serving
from skerry.mach.task import Task

if TYPE_CHECKING:
    from skerry.mach.kernel import Kernel
    from skerry.mach.message import Message
    from skerry.mach.space import Space

MOST: Final = 500_000
LENGTH: Final = 1000  # ns that a message is drawn with, where there is room
KERNEL: Final = "kernel"
COVERED: Final[tuple[tuple[type, str], ...]] = (
    (MessageCall, "_send"),
    (MessageCall, "_received"),
    (Receiver, "complete"),
    (Exchange, "perform"),
    (Port, "deliver"),
    (Serving, "trap"),
)
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
        self._originals: list[Callable[..., Any]] = []

    def start(self) -> None:
        """Cover the methods."""
        self._originals = [getattr(owner, name) for owner, name in COVERED]
        send, received, complete, perform, deliver, trap = self._originals

        def logged_send(call: MessageCall, message: Message) -> None:
            self._sent(call._caller, message)
            send(call, message)

        def logged_received(call: MessageCall, code: int, message: Message | None, number: int) -> None:
            self._taken(call._caller, message)
            received(call, code, message, number)

        def logged_complete(receiver: Receiver, code: int, message: Message | None, number: int) -> None:
            call = getattr(receiver._continuation, "__self__", None)
            if isinstance(call, MessageCall):
                self._taken(call._caller, message)
            complete(receiver, code, message, number)

        def logged_deliver(port: Port, message: Message) -> None:
            if message not in self._under_way and message.thread is None:
                self._sent(None, message)
            if port.kernel_object is not None:
                self._taken(None, message)
            deliver(port, message)

        def logged_perform(exchange: Exchange, data: bytes, receive_size: int, receive_name: int) -> bool:
            _, size, remote, _, _, number = mach.HEADER.unpack_from(data) if len(data) >= mach.HEADER_SIZE else (0,) * 6
            entry = exchange._task.space.entries.get(remote)
            port = entry.object if entry is not None else None
            if not perform(exchange, data, receive_size, receive_name):
                return False
            if isinstance(port, Port):
                self._both(self._name(exchange._task), self._receiver(port), number, size)
            return True

        def logged_trap(serving: Serving, task: NativeTask, number: int, data: bytes) -> tuple[int, bytes]:
            since = self._clock()
            answer: tuple[int, bytes] = trap(serving, task, number, data)
            if len(self._traps) < MOST:
                self._traps.append((since, self._clock(), self._name(task), _TRAPS.get(number, str(number))))
            return answer

        covers = (logged_send, logged_received, logged_complete, logged_perform, logged_deliver, logged_trap)
        for (owner, name), cover in zip(COVERED, covers, strict=True):
            setattr(owner, name, cover)

    def stop(self) -> None:
        """Uncover them. Twice is harmless."""
        for (owner, name), original in zip(COVERED, self._originals, strict=False):
            setattr(owner, name, original)
        self._originals = []
        self._under_way.clear()

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

    def _sent(self, sender: object, message: Message) -> None:
        self._last += 1
        self._under_way[message] = self._last
        self._note(self._name(sender), "send", self._last, message.id, message.size, self._receiver(message.remote))

    def _taken(self, receiver: object, message: Message | None) -> None:
        number = self._under_way.pop(message, None) if message is not None else None
        if message is not None and number is not None:
            self._note(self._name(receiver), "receive", number, message.id, message.size, "")

    def _both(self, sender: str, receiver: str, id: int, size: int) -> None:
        self._last += 1
        self._note(sender, "send", self._last, id, size, receiver)
        self._note(receiver, "receive", self._last, id, size, sender)

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
