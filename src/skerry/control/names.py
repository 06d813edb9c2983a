"""The name server of a system, and calls from outside to the ports that are checked in there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from skerry.abi import mach, machmsg
from skerry.abi.machmsg import FormatError
from skerry.abi.routine import CODE, routines
from skerry.guardian import Guardian
from skerry.lib.driver import GuardianPort
from skerry.lib.stubs import request as make_request
from skerry.mach import notify, right
from skerry.mach.kobject import ReplyPort, new_object_port
from skerry.mach.message import Data, Message, Rights
from skerry.mach.release import release
from skerry.mach.right import RightKind
from skerry.servers.name import NETNAME_NOT_CHECKED_IN, NameService
from skerry.servers.reincarnation import NAME_SERVER

if TYPE_CHECKING:
    from skerry.mach.kernel import Kernel
    from skerry.mach.port import Port
    from skerry.machine.native_task import Template

ATTEMPTS: Final = 8  # to ask a name server that dies of it
GONE: Final = "the name server is given up, and names mean nothing any more: see what was said of it"
_LOOK_UP_SERVICE: Final = next(row for row in routines(GuardianPort) if row.name == "service_look_up")
_CHECK_IN: Final = next(row for row in routines(NameService) if row.name == "netname_check_in")
_LOOK_UP: Final = next(row for row in routines(NameService) if row.name == "netname_look_up")
Outcome = tuple[int, bytes] | str  # id and body of an answer, or why there is none


class Names:
    """A name server, which a reincarnation server starts, anew when it dies; and the kernel's way to it."""

    def __init__(self, kernel: Kernel, template: Template, say: Callable[[str], None], known: dict[str, Port]) -> None:
        """``say`` shows text to the user; ``known``: ports of the kernel that are checked in first. Raises OSError, MachineError."""
        self._kernel = kernel
        self._known = known
        self._signature = new_object_port(kernel, self)  # that those are checked in with: nobody else has a right to it
        self._guardian = Guardian(kernel, template, _nothing, say, lambda: say(f"skerry: {GONE}\n"), methods={})
        self._port: Port | None = None
        self._waiting: list[Callable[[Port | None], None]] = []  # for the port

    def find(self, found: Callable[[Port | None], None]) -> None:
        """Call ``found`` with the server's port, or None: there will be none."""
        if self._port is not None:
            found(None if self._port.dead else self._port)
            return
        self._waiting.append(found)
        if len(self._waiting) == 1:
            asked = make_request(_LOOK_UP_SERVICE, 0, (NAME_SERVER,))
            self._ask(self._guardian.port, asked.id, asked.body, self._is_there)

    def _is_there(self, answer: Message) -> None:
        code, ports = _parts(answer)
        if not code and ports:
            self._port = right.copy_send(ports[0])  # what the answer carries is given up
            for name, port in self._known.items():
                self._check_in(self._port, name, port)
        waiting, self._waiting = self._waiting, []
        for found in waiting:
            found(self._port)

    def _check_in(self, names: Port, name: str, port: Port) -> None:
        message = Message(_CHECK_IN.id, right.make_send(names), RightKind.SEND)
        kind: Any = _CHECK_IN.arguments[0]
        text = kind.pack(name)
        rights = [Rights(RightKind.SEND, [right.make_send(each)]) for each in (self._signature, port)]
        message.items = [Data(text.name, text.bits, text.number, bytes(text.data)), *rights]
        message.size = mach.HEADER_SIZE + 16 * len(message.items)
        release(*notify.post(message))

    def close(self) -> None:
        """Nobody asks any more."""
        for task in [*self._guardian.factory.tasks, self._guardian.task]:
            task.terminate()

    def call(self, name: str, number: int, body: bytes, answered: Callable[[Outcome], None]) -> None:
        """Send a simple message to the port that ``name`` means, and have the answer."""
        asked = make_request(_LOOK_UP, 0, ("", name))

        def look_up(port: Port | None, attempts: int = ATTEMPTS) -> None:
            if port is None:
                answered(GONE)
                return
            self._ask(port, asked.id, asked.body, lambda answer: found(port, answer, attempts))

        def found(port: Port, answer: Message, attempts: int) -> None:
            if answer.id == mach.NOTIFY_SEND_ONCE and attempts > 1 and not port.dead:  # the server has died of it: there is another
                look_up(port, attempts - 1)
            else:
                self._found(answer, name, number, body, answered)

        self.find(look_up)

    def _found(self, answer: Message, name: str, number: int, body: bytes, answered: Callable[[Outcome], None]) -> None:
        code, ports = _parts(answer)
        if code == NETNAME_NOT_CHECKED_IN:
            answered(f"no task has checked in the name {name}: start the one that does, and wait until it has")
        elif code or not ports:
            answered(f"the name server cannot say what {name} is (code {code})")
        else:
            self._ask(ports[0], number, body, lambda message: answered(_simple(message)))

    def _ask(self, port: Port, number: int, body: bytes, answered: Callable[[Message], None]) -> None:
        processor = self._kernel.processor
        reply = ReplyPort(processor, answered)
        message = Message(number, right.make_send(port), RightKind.SEND, reply.port, RightKind.SEND_ONCE)
        message.body = body
        message.size = mach.HEADER_SIZE + len(body)
        if port.dead:
            release((RightKind.SEND_ONCE, reply.port))
        else:
            port.deliver(message)
        processor.make_ready(lambda: None)
        processor.run()


def _nothing(*_arguments: object) -> None:
    """There are no devices to be opened."""


def _parts(answer: Message) -> tuple[int, list[Port]]:
    """The code of an answer, and the ports in it."""
    if answer.items is None:
        try:
            return CODE.unpack(machmsg.parse_items(answer.body)[0]), []
        except (FormatError, ValueError, IndexError):
            return mach.MIG_TYPE_ERROR, []
    code = next((int.from_bytes(item.data[:4], "little") for item in answer.items if isinstance(item, Data)), mach.MIG_TYPE_ERROR)
    return code, [port for item in answer.items if isinstance(item, Rights) for port in item.ports if port is not None]


def _simple(answer: Message) -> Outcome:
    if answer.items is not None:
        return "the answer carries rights or memory out of line, which do not leave the system: let the call return numbers and bytes"
    return answer.id, answer.body
