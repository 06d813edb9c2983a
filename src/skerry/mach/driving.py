"""Devices of the machine for drivers that are tasks, and the factory of such tasks: the kernel's side of ``abi.driving``.

A driver holds a send right to the port of a :class:`DrivenDevice` and nothing else. What must not be lost when it dies is kept here: what
was opened of the device, the answers to the last transactions, and the interrupts that nobody has acknowledged.

Source: Liedtke 1996, section 2 (drivers at user level); Herder et al. 2007 for drivers that are started anew under their clients;
device_intr_register of GNU Mach for interrupts as messages.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, Final

from skerry.abi import driving, mach, machmsg, traps, values
from skerry.mach import message as messages
from skerry.mach import notify, right
from skerry.mach.errors import KernError, KernReturn
from skerry.mach.kobject import ObjectPort, new_object_port
from skerry.mach.port import Port
from skerry.mach.release import release
from skerry.mach.right import RightKind
from skerry.mach.space import SEND
from skerry.machine import HostFile, device
from skerry.machine.hardware import MachineError

if TYPE_CHECKING:
    from skerry.mach.kernel import Kernel
    from skerry.mach.native import NativeTask
    from skerry.mach.task import Task
    from skerry.mach.thread import Thread
    from skerry.machine.native_task import Template

PART: Final = 1 << 20  # bytes of an answer at a time
OBJECTS: Final = 1 << 16  # of one device
CLIENTS: Final = 64  # of one device, whose last transactions are remembered
LAST_WORDS: Final = 2000  # characters
Answer = tuple[int, bytes, tuple[Port, ...]]  # code, result, files


class DrivenDevice:
    """A device that a driver drives. ``open(method, *arguments)`` is a call on object 0, by one of ``methods``."""

    def __init__(self, kernel: Kernel, open: Callable[..., Any], methods: Collection[bytes]) -> None:
        self._kernel = kernel
        self._open = open
        self._methods = methods
        self._objects: dict[int, Any] = {}
        self._last_object = 0
        self._answers: dict[int, tuple[int, Answer]] = {}  # by client: its last transaction
        self._pending: dict[int, None] = {}  # interrupts, oldest first
        self._interrupts: Port | None = None
        self.port = new_object_port(kernel, self)

    # Calls
    def invoke(self, transaction: int, number: int, method: bytes, arguments: bytes) -> Answer:
        """Make a call, if that transaction was not made before. Never raises for what the call is."""
        client = transaction >> driving.CLIENT_SHIFT
        known = self._answers.get(client)
        if transaction and known is not None and known[0] == transaction:
            return known[1]
        answer = self._invoke(number, method, arguments)
        if transaction:
            self._answers.pop(client, None)
            if len(self._answers) >= CLIENTS:
                del self._answers[next(iter(self._answers))]
            self._answers[client] = (transaction, answer)
        return answer

    def _invoke(self, number: int, method: bytes, arguments: bytes) -> Answer:
        files: list[Port] = []
        try:
            given = values.unpack(arguments, self._object, self._callback)
            if number:
                result = device.call(self._object(number), str(method, "ascii"), tuple(given))
            elif method in self._methods:
                result = self._open(method, *given)
            else:
                raise KernError(KernReturn.INVALID_ARGUMENT)
            return mach.KERN_SUCCESS, values.pack(result, name_of=lambda target: self._describe(target, files)), tuple(files)
        except KernError as error:
            return error.code, b"", ()
        except OSError as error:
            return traps.ERRNO | (error.errno or 5) & 0xFF, b"", ()
        except (TypeError, ValueError, KeyError, OverflowError, AttributeError, values.ValueFormatError):  # not what the method takes
            return mach.KERN_INVALID_ARGUMENT, b"", ()

    def _object(self, number: int, _description: Any = None) -> Any:
        try:
            return self._objects[number]
        except KeyError:
            raise KernError(KernReturn.INVALID_NAME) from None

    def _describe(self, target: Any, files: list[Port]) -> tuple[int, tuple[Any, ...]]:
        if not device.is_device(target):
            raise values.ValueFormatError(f"{type(target).__name__} is no device")
        if isinstance(target, HostFile):
            files.append(new_object_port(self._kernel, target))
            return len(files) - 1, device.describe(target)
        if len(self._objects) >= OBJECTS:
            raise KernError(KernReturn.NO_SPACE)
        self._last_object += 1
        self._objects[self._last_object] = target
        return self._last_object, device.describe(target)

    def forget(self, *numbers: int) -> None:
        """Objects that nobody needs any more."""
        for number in numbers:
            self._objects.pop(number, None)

    # Interrupts
    def _callback(self, number: int) -> Callable[[], None]:
        return lambda: self._interrupt(number)

    def _interrupt(self, number: int) -> None:
        self._pending[number] = None
        self._post([number])

    def register(self, port: Port) -> None:
        """Send interrupts to ``port`` from now on; first those that are not acknowledged."""
        self._interrupts = port
        self._post(list(self._pending))

    def _post(self, numbers: list[int]) -> None:
        if self._interrupts is None or self._interrupts.dead or not numbers:
            return
        once = right.make_send_once(self._interrupts)
        release(*notify.post(messages.simple(driving.INTERRUPT, once, RightKind.SEND_ONCE, machmsg.naturals(*numbers))))

    def acknowledge(self, *numbers: int) -> None:
        """These have arrived."""
        for number in numbers:
            self._pending.pop(number, None)


class Factory:
    """Starts native tasks: whoever has a right to its port may, from modules that the template has imported."""

    def __init__(self, kernel: Kernel, template: Template, say: Callable[[str], None]) -> None:
        self._kernel = kernel
        self._template = template
        self._say = say
        self._words = ""  # the last of a task that ended by an error
        self.tasks: dict[NativeTask, None] = {}  # that live
        self.port = new_object_port(kernel, self)

    def start(self, entry: str, bootstrap: Port, name: str) -> NativeTask:
        """A task ``name`` that runs ``entry``; ``bootstrap``, a send right that is taken over on success, is its bootstrap port.

        Raises KernError: RESOURCE_SHORTAGE (the host starts no process).
        """
        from skerry.mach.native import NativeTask  # which offers these traps to its tasks

        try:
            task = NativeTask(self._kernel, self._template, entry, bootstrap=bootstrap)
        except (OSError, MachineError) as error:
            raise KernError(KernReturn.RESOURCE_SHORTAGE) from error
        task.name = name
        self.tasks[task] = None
        self.watch(task, self._forget)
        return task

    @staticmethod
    def watch(task: NativeTask, ended: Callable[[NativeTask], None]) -> None:
        """Have ``ended`` called when the task's process is gone; the task is terminated by then."""
        port = Port()
        port.receive_traps(_Watch(ended))
        task.special_ports[mach.TASK_EXCEPTION_PORT] = right.make_send(port)

    def _forget(self, task: NativeTask) -> None:
        self._words = task.last_words or self._words
        self.tasks.pop(task, None)

    def report(self, text: bytes) -> None:
        """Show text to the user, and what the last task that ended by an error has said. Raises INVALID_ARGUMENT."""
        if not isinstance(text, bytes):
            raise KernError(KernReturn.INVALID_ARGUMENT)
        self._say(f"skerry: {text.decode(errors='replace')}\n{self._words[-LAST_WORDS:]}")
        self._words = ""


class _Watch:
    """Learns of the end of a task (mach.port.TrapReceiver)."""

    def __init__(self, ended: Callable[[NativeTask], None]) -> None:
        self._ended = ended

    def system_call(self, thread: Thread) -> None:
        """Never: it has no contexts."""

    interruption = system_call

    def exception(self, thread: Thread, code: int) -> None:
        """Never."""

    def death(self, task: Task) -> None:
        task.terminate()
        self._ended(task)  # type: ignore[arg-type]  # the factory watches nothing else


class DriverTraps:
    """The traps of one native task."""

    def __init__(self, task: NativeTask) -> None:
        self._task = task
        self._rest = b""
        self._calls: dict[int, Callable[..., Any]] = {
            driving.TRAP_INVOKE: self._invoke,
            driving.TRAP_INTERRUPTS: self._interrupts,
            driving.TRAP_ACKNOWLEDGE: lambda name, *numbers: self._target(name, DrivenDevice).acknowledge(*numbers),
            driving.TRAP_FORGET: lambda name, *numbers: self._target(name, DrivenDevice).forget(*numbers),
            driving.TRAP_START: self._start,
            driving.TRAP_REPORT: lambda name, text: self._target(name, Factory).report(text),
        }

    def trap(self, number: int, data: bytes) -> tuple[int, bytes]:
        """Do what the trap asks: a code and data. Never raises."""
        if number == driving.TRAP_REST:
            return self._part(self._rest)
        try:
            result = self._calls[number](*values.unpack(data))
        except KernError as error:
            return error.code, b""
        except (TypeError, ValueError, KeyError, values.ValueFormatError):
            return mach.KERN_INVALID_ARGUMENT, b""
        if number == driving.TRAP_INVOKE:
            code, answer = result
            return (code, b"") if code else self._part(answer)
        return mach.KERN_SUCCESS, values.pack(result)

    def _part(self, data: bytes) -> tuple[int, bytes]:
        self._rest = data[PART:]
        return (traps.MORE if self._rest else mach.KERN_SUCCESS), data[:PART]

    def _target(self, name: int, kind: type[Any]) -> Any:
        entry = self._task.space.entries.get(name)
        if entry is None or not entry.types & SEND or not isinstance(entry.port.kernel_object, ObjectPort):
            raise KernError(KernReturn.INVALID_NAME)
        target = entry.port.kernel_object.target
        if not isinstance(target, kind):
            raise KernError(KernReturn.INVALID_ARGUMENT)
        return target

    def _insert(self, port: Port) -> int:
        held = right.make_send(port)
        try:
            return self._task.space.copyout(RightKind.SEND, held)
        except KernError:
            release((RightKind.SEND, held))
            raise

    def _invoke(self, name: int, transaction: int, number: int, method: bytes, arguments: bytes) -> tuple[int, bytes]:
        code, result, files = self._target(name, DrivenDevice).invoke(transaction, number, method, arguments)
        return code, b"" if code else values.pack(result, tuple(self._insert(port) for port in files))

    def _interrupts(self, name: int, receive: int) -> None:
        self._target(name, DrivenDevice).register(self._task.space.lookup_right(receive, RightKind.RECEIVE).port)

    def _start(self, name: int, entry: str, bootstrap: int, called: str) -> int:
        factory: Factory = self._target(name, Factory)
        if not isinstance(entry, str) or not isinstance(called, str):
            raise KernError(KernReturn.INVALID_ARGUMENT)
        held = right.copy_send(self._task.space.lookup_right(bootstrap, RightKind.SEND).port)
        try:
            task = factory.start(entry, held, called)
        except KernError:
            release((RightKind.SEND, held))
            raise
        return self._insert(task.port)
