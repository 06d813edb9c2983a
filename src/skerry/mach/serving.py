"""The kernel's side of a task that serves programs: the traps of ``abi.traps``.

The task receives its programs' traps itself: the kernel maps their channels into it, once for each space, and is not on the way any more.
What only the kernel can do, the task asks for here: making and ending tasks, changing their memory, and what its devices do. Objects are
named as everywhere, by rights in the task's name space; what the task sends is checked like what any task sends.

Source: Golub et al. 1990, section 3 (the emulation library's short way to the server); the exokernel's secure bindings.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol
from weakref import WeakKeyDictionary

from skerry.abi import mach, machmsg, traps, values
from skerry.mach import message as messages
from skerry.mach import notify, pageable, right
from skerry.mach.errors import KernError, KernReturn
from skerry.mach.kernel import Kernel
from skerry.mach.kobject import ObjectPort, new_object_port
from skerry.mach.native import NativeTask
from skerry.mach.port import Port
from skerry.mach.release import release
from skerry.mach.right import RightKind
from skerry.mach.space import DEAD_NAME, SEND
from skerry.mach.task import Task, task_create
from skerry.mach.thread import Thread
from skerry.machine import Context, HostFile, MemoryObject, device, host
from skerry.machine.native_task import NativeSpace

PART: Final = 1 << 20  # bytes of an answer at a time
CHANNELS_FIRST: Final = 0x1800_0000_0000  # in the serving task's space: where channels are mapped
CHANNELS_END: Final = NativeSpace.LAST
LONGEST_ANSWER: Final = 256 << 20  # bytes, to a request
CHANGES: Final = 4096  # in one trap, at most
BROUGHT_IN: Final = 1 << 20  # bytes that are to be there together, at most


class Paging(Protocol):
    """What pages programs' memory; sizes are bytes."""

    def keep(self, size: int) -> None: ...
    def state(self) -> tuple[int, int, int]: ...


class Serving:
    """What the kernel keeps for one serving task.

    ``boot``: what TRAP_BOOT gives. ``say`` shows text to the user, ``stop`` stops the command until it is
    continued, ``done`` takes the end of it all: an exit status, and what to say or None.
    """

    def __init__(
        self,
        kernel: Kernel,
        boot: tuple[Any, ...],
        say: Callable[[str], None],
        stop: Callable[[], None],
        done: Callable[[int, bytes | None], None],
    ) -> None:
        self._kernel = kernel
        self._boot = boot
        self._say = say
        self._done = done
        self._rest = b""
        self._next_channel = CHANNELS_FIRST
        self._port = Port()  # where its programs' exceptions would go: the kernel is told only of their ends
        self._port.receive_traps(self)
        self._events: Port | None = None
        self._named = 0  # the name of the last object in the trap's data
        self._cookies: dict[Task, int] = {}
        self._outer: WeakKeyDictionary[Task, dict[int, int]] = WeakKeyDictionary()  # numbers of host threads by those inside
        self._ports: dict[Any, Port] = {}  # of devices and memory
        self.task: NativeTask | None = None
        self.paging: Paging | None = None
        self._requests: dict[int, tuple[tuple[Any, ...], Callable[[Any], None]]] = {}
        self._last_request = 0
        self._answers: dict[int, bytearray] = {}  # what has come of them
        self._calls: dict[int, Callable[..., Any]] = {
            traps.TRAP_BOOT: self._boot_data,
            traps.TRAP_FIRST_SPACE: self._first_space,
            traps.TRAP_FORK: self._fork,
            traps.TRAP_CONTEXT: self._context,
            traps.TRAP_END: self._end,
            traps.TRAP_CLEAR: self._clear,
            traps.TRAP_OBJECT: self._object,
            traps.TRAP_DESCRIPTOR: self._descriptor,
            traps.TRAP_RELEASE: self._release,
            traps.TRAP_USAGE: self._usage,
            traps.TRAP_HOST: self._host,
            traps.TRAP_SAY: self._say_text,
            traps.TRAP_DONE: self._end_all,
            traps.TRAP_STOP: stop,
            traps.TRAP_REQUEST: self._request,
            traps.TRAP_ANSWER: self._answer,
            traps.TRAP_PAGE_FAULT: self._page_fault,
            traps.TRAP_BRING_IN: self._bring_in,
            traps.TRAP_TAKE_OVER: self._take_over,
            traps.TRAP_KEEP: self._keep,
            traps.TRAP_PAGING: self._paging_state,
        }

    # The boundary
    def trap(self, task: NativeTask, number: int, data: bytes) -> tuple[int, bytes]:
        """Do what the trap asks: a code and data. Never raises."""
        self.task = task
        if number == traps.TRAP_MORE:
            return self._part(self._rest)
        try:
            if number == traps.TRAP_CHANGE:
                self._change(data)
                return mach.KERN_SUCCESS, b""
            result = self._calls[number](*values.unpack(data, self._object_of))
            return self._part(values.pack(result, name_of=self._name_of))
        except KernError as error:
            return error.code, b""
        except OSError as error:
            return traps.ERRNO | (error.errno or 5) & 0xFF, b""
        except (TypeError, ValueError, LookupError, OverflowError, values.ValueFormatError):
            return mach.KERN_INVALID_ARGUMENT, b""

    def _part(self, data: bytes) -> tuple[int, bytes]:
        self._rest = data[PART:]
        return (traps.MORE if self._rest else mach.KERN_SUCCESS), data[:PART]

    # Names
    def _object_of(self, name: int, _description: Any = None) -> Any:
        """What a send right of the task stands for. Raises INVALID_NAME."""
        assert self.task is not None
        self._named = name
        entry = self.task.space.entries.get(name)
        if entry is None or not entry.types & SEND or not isinstance(entry.port.kernel_object, ObjectPort):
            raise KernError(KernReturn.INVALID_NAME)
        return entry.port.kernel_object.target

    def _name_of(self, target: Any) -> tuple[int, tuple[Any, ...]]:
        """A new reference to a device, for the task, and what goes along with it. Raises NO_SPACE."""
        if not device.is_device(target):
            raise values.ValueFormatError(f"{type(target).__name__} is no device")
        port = self._ports.get(target)
        if port is None:
            port = self._ports[target] = new_object_port(self._kernel, target)
        return self._insert(port), device.describe(target)

    def _insert(self, port: Port) -> int:
        assert self.task is not None
        held = right.make_send(port)
        try:
            return self.task.space.copyout(RightKind.SEND, held)
        except KernError:
            release((RightKind.SEND, held))
            raise

    def _task(self, target: Any) -> Task:
        if not isinstance(target, Task) or target is self.task:
            raise KernError(KernReturn.INVALID_TASK)
        if not target.alive:
            raise KernError(KernReturn.TERMINATED)
        return target

    # Events
    def post(self, kind: int, number: int, value: int) -> None:
        """Send the task an event."""
        task = self.task
        if self._events is None or task is None or not task.alive:
            return
        words = machmsg.Item(mach.MSG_TYPE_INTEGER_64, 64, 3, traps.EVENT_WORDS.pack(kind, number, value))
        once = right.make_send_once(self._events)
        release(*notify.post(messages.simple(traps.EVENT, once, RightKind.SEND_ONCE, words)))

    def request(self, what: bytes, arguments: tuple[Any, ...], answered: Callable[[Any], None]) -> None:
        """Ask the task for something; ``answered`` is called with its answer, if ever it comes."""
        self._last_request += 1
        self._requests[self._last_request] = ((what, *arguments), answered)
        self.post(traps.EVENT_REQUEST, self._last_request, 0)

    def _request(self, number: int) -> tuple[Any, ...]:
        return self._requests[number][0]

    def _answer(self, number: int, part: bytes, is_last: int) -> None:
        answer = self._answers.setdefault(number, bytearray())
        if number not in self._requests or len(answer) + len(part) > LONGEST_ANSWER:
            raise KernError(KernReturn.INVALID_ARGUMENT)
        answer += part
        if is_last:
            (result,) = values.unpack(bytes(self._answers.pop(number)))
            self._requests.pop(number)[1](result)

    def watch(self, task: NativeTask, ended: Callable[[], None]) -> Port:
        """A send right to a port: as the exception port of the serving task it has ``ended`` called when the task dies."""
        port = Port()
        port.receive_traps(_Watch(task, ended))
        return right.make_send(port)

    # What programs' contexts cause here (mach.port.TrapReceiver): the task has all of it but the end
    def system_call(self, thread: Thread) -> None:
        """Never: the task receives them."""

    interruption = system_call

    def exception(self, thread: Thread, code: int) -> None:
        self.system_call(thread)

    def death(self, task: Task) -> None:
        """The host process of a program's task is gone."""
        cookie = self._cookies.pop(task, None)
        task.terminate()
        if cookie is not None:
            self.post(traps.EVENT_DEATH, cookie, 0)

    # The traps
    def _boot_data(self, events: int, *ports: int) -> tuple[Any, ...]:
        """``ports``: more that the task looks at when it is called."""
        assert self.task is not None
        self._events = self.task.space.lookup_right(events, RightKind.RECEIVE).port
        for name in (events, *ports):
            self.task.space.lookup_right(name, RightKind.RECEIVE).port.ring = self._kernel.machine.call_receiver
        for number in self._requests:  # that came too early
            self.post(traps.EVENT_REQUEST, number, 0)
        return self._boot

    def _first_space(self) -> tuple[Any, ...]:
        return self._bind(*self._kernel.first_task(self._port))

    def _fork(self, parent: Any) -> tuple[Any, ...]:
        return self._bind(*task_create(self._task(parent)))

    def _bind(self, task: Task, thread: Thread) -> tuple[Any, ...]:
        """Map the channel of a new task into the serving one: name, address, process number inside, and the first context."""
        assert self.task is not None
        task.served = True
        space = task.map.space.host
        layout = device.CHANNEL_PARTS
        address = self._next_channel
        try:
            server = self.task.map.space
            assert isinstance(server, NativeSpace)
            for start, end in layout:
                server.map_channel(address + start, end - start, space.channel, start)
            bound = (self._insert(task.port), address, host.inner_number(space.pidfd), *_facts(thread.context))
        except (OSError, KernError):
            task.terminate()
            raise
        self._next_channel += device.CHANNEL_SIZE
        if self._next_channel + device.CHANNEL_SIZE > CHANNELS_END:
            self._next_channel = CHANNELS_FIRST
        self._cookies[task] = address
        return bound

    def _context(self, target: Any) -> tuple[int, int, int]:
        return _facts(self._task(target).new_thread().context)

    def _end(self, target: Any) -> None:
        assert self.task is not None
        if not isinstance(target, Task) or target is self.task:
            raise KernError(KernReturn.INVALID_TASK)
        self._cookies.pop(target, None)
        target.terminate()
        entry = self.task.space.entries.get(self._named)
        if entry is not None and entry.types & DEAD_NAME:
            release(*self.task.space.delete(entry))

    def _clear(self, target: Any) -> None:
        task = self._task(target)
        task.map.clear()
        task.map.space.flush()

    def _change(self, data: bytes) -> None:
        """Make changes of a task's memory, in order; the first that fails ends it. Raises OSError, ValueError, KernError."""
        task = self._task(self._object_of(*traps.NAME.unpack_from(data)))
        vm = task.map
        records = data[traps.NAME.size :]
        if len(records) % traps.CHANGE.size or len(records) > CHANGES * traps.CHANGE.size:
            raise KernError(KernReturn.INVALID_ARGUMENT)
        for kind, protection, shared, name, address, length, third, fourth in traps.CHANGE.iter_unpack(records):
            if kind == traps.MAP:
                backing = self._object_of(name) if name else None
                if backing is not None and not isinstance(backing, HostFile):
                    raise KernError(KernReturn.INVALID_ARGUMENT)
                vm.map_noted(address, length, protection & 7, bool(shared), backing, third)
            elif kind == traps.UNMAP:
                vm.unmap_noted(address, length)
            elif kind == traps.PROTECT:
                vm.protect_noted(address, length, protection & 7)
            elif kind == traps.ADVISE:
                vm.advise_noted(address, length, third)
            elif kind == traps.MOVE:
                vm.move_noted(address, length, third, fourth)
            else:
                raise KernError(KernReturn.INVALID_ARGUMENT)
        vm.space.flush()

    # Memory that is paged
    def _page_fault(self, target: Any, address: int, access: int) -> int:
        return int(pageable.fault(self._task(target).map, self._kernel, address, access & mach.VM_PROT_ALL))

    def _bring_in(self, target: Any, address: int, length: int, access: int) -> int:
        if length > BROUGHT_IN:
            raise KernError(KernReturn.INVALID_ARGUMENT)
        return int(pageable.bring_in(self._task(target).map, self._kernel, address, length, access & mach.VM_PROT_ALL))

    def _take_over(self, target: Any, address: int, length: int) -> int:
        vm = self._task(target).map
        if self.paging is None:
            raise KernError(KernReturn.FAILURE)
        return pageable.take_over(vm, self._kernel, *vm.whole_pages(address, length))

    def _keep(self, size: int) -> None:
        if self.paging is not None:
            self.paging.keep(size)

    def _paging_state(self) -> tuple[int, int, int]:
        return (0, 0, 0) if self.paging is None else self.paging.state()

    def _object(self, size: int) -> MemoryObject:
        return MemoryObject(size)

    def _descriptor(self, target: Any) -> int:
        assert self.task is not None
        server = self.task.map.space
        if not isinstance(target, HostFile) or not isinstance(server, NativeSpace):
            raise KernError(KernReturn.INVALID_ARGUMENT)
        return server.give(target.descriptor)

    def _release(self, name: int) -> None:
        """One of the references that the task was given. Raises INVALID_NAME, INVALID_RIGHT."""
        assert self.task is not None
        entry = self.task.space.lookup(name)
        if not entry.types & (SEND | DEAD_NAME):
            raise KernError(KernReturn.INVALID_RIGHT)
        port = entry.port if entry.types & SEND else None
        self.task.space.drop_urefs(entry, 1)
        if port is not None and port.sends == 0 and isinstance(port.kernel_object, ObjectPort):
            self._ports.pop(port.kernel_object.target, None)

    def _usage(self, target: Any, which: int) -> Any:
        task = self._task(target)
        pid = task.map.space.host.pid
        if which & traps.THREAD:
            inner = which & ~traps.THREAD
            known = self._outer.setdefault(task, {})
            if inner not in known:
                known.update(host.outer_numbers(pid))
            return host.thread_usage(pid, known.get(inner, 0))
        return (host.usage, host.resident, host.private_bytes, host.proportional_bytes)[which](pid)

    def _host(self, name: bytes) -> Any:
        fact = device.FACTS[name.decode("ascii")]()
        if name == b"own_bytes" and self.task is not None:
            fact += host.private_bytes(self.task.process.pid)
        return fact

    def _say_text(self, text: bytes) -> None:
        self._say(text.decode(errors="replace"))

    def _end_all(self, status: int, text: bytes | None) -> None:
        self._done(status, text)


class _Watch:
    """Learns of the end of the serving task (mach.port.TrapReceiver)."""

    def __init__(self, task: NativeTask, ended: Callable[[], None]) -> None:
        self._task = task
        self._ended = ended

    def system_call(self, thread: Thread) -> None:
        """Never: it has no contexts."""

    interruption = system_call

    def exception(self, thread: Thread, code: int) -> None:
        """Never."""

    def death(self, task: Task) -> None:
        task.terminate()
        if task is self._task:
            self._ended()


def _facts(context: Context) -> tuple[int, int, int]:
    return context.index, context.bell, context.tid
