"""The name server of a system, and calls from outside to the ports that are checked in there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from skerry.abi import mach, machmsg
from skerry.abi.machmsg import FormatError
from skerry.abi.routine import CODE, routines
from skerry.lib.stubs import request as make_request
from skerry.mach import mach_port, right
from skerry.mach.kobject import ReplyPort
from skerry.mach.message import Data, Message, Rights
from skerry.mach.native import NativeTask
from skerry.mach.release import release
from skerry.mach.right import RightKind
from skerry.servers.name import NETNAME_NOT_CHECKED_IN, NameService

if TYPE_CHECKING:
    from skerry.mach.kernel import Kernel
    from skerry.mach.port import Port
    from skerry.machine.native_task import Template

PORT: Final = 0x1001  # the name server's name of its own port
_LOOK_UP: Final = next(row for row in routines(NameService) if row.name == "netname_look_up")
Outcome = tuple[int, bytes] | str  # id and body of an answer, or why there is none


class Names:
    """A name server, and the kernel's way to it."""

    def __init__(self, kernel: Kernel, template: Template) -> None:
        """Raises OSError, MachineError."""
        self._kernel = kernel
        self.task = NativeTask(kernel, template, "skerry.servers.name:main", arguments=[PORT])
        self.task.name = "name server"
        mach_port.mach_port_allocate_name(self.task, RightKind.RECEIVE, PORT)
        self._port: Port = self.task.space.lookup(PORT).port

    def send_right(self) -> Port:
        """A new one to the server's port."""
        return right.make_send(self._port)

    def call(self, name: str, number: int, body: bytes, answered: Callable[[Outcome], None]) -> None:
        """Send a simple message to the port that ``name`` means, and have the answer."""
        asked = make_request(_LOOK_UP, 0, ("", name))
        self._ask(self._port, asked.id, asked.body, lambda answer: self._found(answer, name, number, body, answered))

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
