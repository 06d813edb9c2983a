"""Programs and native tasks that are begun from outside, by who has the full control of a system; when he goes, the system ends."""

from __future__ import annotations

import os
import socket
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from skerry.control.attendant import small
from skerry.control.desk import DONE
from skerry.control.names import GONE, Names
from skerry.devices import OwnDevices
from skerry.mach import right
from skerry.mach.native import NativeTask
from skerry.mach.release import release
from skerry.mach.right import RightKind
from skerry.machine import HostEvent, Machine, MachineError
from skerry.machine.native_task import Template
from skerry.machine.stream import GivenStream, Stream

if TYPE_CHECKING:
    from skerry.control.attendant import Attendant
    from skerry.control.connection import Connection
    from skerry.mach.port import Port
    from skerry.machine.owners import Owners
    from skerry.options import Options
    from skerry.users import Identity

DEVICES: Final = "devices"  # the master device port, where there are disks: what native tasks look up
MODULES: Final = ("skerry.servers.reincarnation", "skerry.servers.name", "skerry.lib.service", "skerry.lib.pager", "skerry.lib.kernel")


class ProgramDevices(OwnDevices):
    """The host's devices, and the streams that programs are given one by one."""

    def __init__(self, machine: Machine, options: Options, owners: Owners, identity: Identity) -> None:
        super().__init__(machine, options, [], owners, identity)
        self.terminal = None
        self._given: dict[int, GivenStream] = {}

    def give(self, descriptor: int) -> None:
        """Have a stream of this descriptor, which is taken over."""
        self._given[descriptor] = GivenStream(self._machine, descriptor)
        self.streams.append(descriptor)

    def take_back(self, descriptors: list[int]) -> None:
        """Close streams that were given."""
        for descriptor in descriptors:
            self.streams.remove(descriptor)
            self._given.pop(descriptor).close()

    def stream(self, descriptor: int) -> Stream:
        return self._given[descriptor]


class Programs:
    """The requests that begin something. ``owner`` is the process that has the control."""

    def __init__(self, attendant: Attendant, devices: ProgramDevices, modules: list[str], owner: int, say: Callable[[str], None]) -> None:
        """``say`` shows text to the user. Raises OSError: the owner has gone."""
        self._say = say
        self._attendant = attendant
        self._devices = devices
        self._modules = modules
        self._template: Template | None = None
        self._tasks: dict[int, NativeTask] = {}
        self._last_task = 0
        self._names: Names | None = None
        self.requests: dict[str, Callable[[Connection, dict[str, Any]], None]] = {
            "start": self._start,
            "signal": self._signal,
            "begin task": self._begin_task,
            "end task": self._end_task,
            "call": self._call,
            "close": lambda connection, request: self.left(),
        }
        self._owner = HostEvent(os.pidfd_open(owner), self.left)
        attendant.machine.watch(self._owner)

    def left(self) -> None:
        """Who has the control has gone: the system ends."""
        self._attendant.ask_unix(b"end", (), lambda answer: None)

    def close(self) -> None:
        """The system has ended."""
        self._attendant.machine.unwatch(self._owner)
        os.close(self._owner.descriptor)
        for task in list(self._tasks.values()):
            task.terminate()
        if self._names is not None:
            self._names.close()
        if self._template is not None:
            self._template.close()

    # Programs
    def _start(self, connection: Connection, request: dict[str, Any]) -> None:
        count = int(request["count"])
        given, connection.descriptors = connection.descriptors[:count], connection.descriptors[count:]
        streams = dict(zip(request["numbers"], given, strict=True))
        for descriptor in given:
            self._devices.give(descriptor)
        variables = {entry.partition(b"=")[0]: entry for entry in self._attendant.options.environment}
        for key, value in request["environment"].items():
            variables[os.fsencode(key)] = os.fsencode(f"{key}={value}")

        def began(answer: Any) -> None:
            if answer[0] != DONE:
                self._devices.take_back(given)
                connection.refuse(request, answer[1], answer[2])
                return
            pid = answer[1]
            connection.answer(request, pid)
            self._attendant.ask_unix(b"wait", (pid,), lambda answer: ended(pid, answer))

        def ended(pid: int, answer: Any) -> None:
            self._devices.take_back(given)
            status, time, system, peak = answer[1]
            connection.send({"ended": pid, "status": status, "time": time, "system": system, "peak": peak})

        arguments = [os.fsencode(word) for word in request["arguments"]]
        directory = os.fsencode(request["directory"])
        self._attendant.ask_unix(b"start", (arguments, list(variables.values()), directory, streams), began)

    def _signal(self, connection: Connection, request: dict[str, Any]) -> None:
        self._attendant.unix(connection, request, b"signal", small(request["program"]), small(request["signal"]), give=lambda count: count)

    # Native tasks
    def _begin_task(self, connection: Connection, request: dict[str, Any]) -> None:
        def begin(names: Port | None) -> None:
            if names is None:
                connection.refuse(request, f"the native task does not start: {GONE}")
                return
            try:
                self._begin(connection, request, right.make_send(names))
            except (OSError, MachineError) as error:
                connection.refuse(request, f"the native task does not start: {error}")

        try:
            self._name_server().find(begin)
        except (OSError, MachineError) as error:
            connection.refuse(request, f"the native task does not start: {error}")

    def _begin(self, connection: Connection, request: dict[str, Any], names: Port) -> None:
        """``names``: a send right, which is taken over. Raises OSError, MachineError."""
        template = self._ready_template()
        try:
            task = NativeTask(self._attendant.kernel, template, request["entry"], request["source"], request["arguments"], bootstrap=names)
        except (OSError, MachineError):
            release((RightKind.SEND, names))
            raise
        task.name = request["name"] or task.name
        self._last_task += 1
        number = self._last_task
        self._tasks[number] = task

        def ended() -> None:
            del self._tasks[number]
            connection.send({"task ended": number, "error": task.last_words})

        task.on_end = ended
        connection.answer(request, {"task": number, "host_pid": task.map.space.host.pid})

    def _end_task(self, connection: Connection, request: dict[str, Any]) -> None:
        task = self._tasks.get(int(request["task"]))
        if task is not None:
            task.terminate()
        connection.answer(request, task is not None)

    def _call(self, connection: Connection, request: dict[str, Any]) -> None:
        def answered(found: tuple[int, bytes] | str) -> None:
            if isinstance(found, str):
                connection.refuse(request, found)
            else:
                connection.answer(request, [found[0], b64encode(found[1]).decode()])

        try:
            self._name_server().call(request["port"], int(request["number"]), b64decode(request["body"]), answered)
        except (OSError, MachineError) as error:
            connection.refuse(request, f"the name server does not start: {error}")

    def _ready_template(self) -> Template:
        if self._template is None:
            self._template = Template(self._attendant.machine, [*MODULES, *self._modules])
        return self._template

    def _name_server(self) -> Names:
        if self._names is None:
            kernel = self._attendant.kernel
            known = {DEVICES: kernel.host.devices.port} if self._attendant.options.disk_images else {}
            self._names = Names(kernel, self._ready_template(), self._say, known)
        return self._names


class Owner:
    """Who began the system to control it (:class:`skerry.control.door.Control`): the socket's other end, in the process ``pid``."""

    def __init__(self, sock: socket.socket, pid: int, modules: list[str]) -> None:
        """``modules`` can be imported by native tasks."""
        self._socket = sock
        self._pid = pid
        self._modules = modules
        self._programs: Programs | None = None
        self._connection: Connection | None = None
        self._unsaid: list[str] = []  # before there was a connection
        self.devices: ProgramDevices | None = None  # of the system

    def begin(self, attendant: Attendant) -> None:
        assert self.devices is not None
        self._programs = attendant.programs = Programs(attendant, self.devices, self._modules, self._pid, self.say)
        self._connection = connection = attendant.admit(self._socket.dup(), True)  # a failure is said by the other
        for text in self._unsaid:
            self.say(text)
        attendant.ask_unix(b"processes", (), lambda answer: connection.send({"ready": os.getpid()}))  # Unix has booted

    def say(self, text: str) -> None:
        """What the system has to tell its user."""
        if self._connection is None:
            self._unsaid.append(text)
        else:
            self._connection.send({"said": text})

    def end(self) -> None:
        if self._programs is not None:
            self._programs.close()
