"""Tasks without memory, for tests of names and messages: real kernel objects, a clock that is set by hand."""

from __future__ import annotations

from skerry.abi import mach, machmsg
from skerry.abi.machmsg import UserMessage
from skerry.mach import mach_port as mp
from skerry.mach.ipc import ANY_SIZE, MessageCall, mach_msg
from skerry.mach.port import Port
from skerry.mach.processor import Processor
from skerry.mach.right import RightKind
from skerry.mach.space import Space

SEND, RECEIVE, SEND_ONCE = RightKind.SEND, RightKind.RECEIVE, RightKind.SEND_ONCE
MAKE_SEND, MAKE_SEND_ONCE = mach.MSG_TYPE_MAKE_SEND, mach.MSG_TYPE_MAKE_SEND_ONCE
MOVE_SEND, MOVE_SEND_ONCE, MOVE_RECEIVE = mach.MSG_TYPE_MOVE_SEND, mach.MSG_TYPE_MOVE_SEND_ONCE, mach.MSG_TYPE_MOVE_RECEIVE
COPY_SEND = mach.MSG_TYPE_COPY_SEND


class Clock:
    """Monotonic nanoseconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


class World:
    """One kernel's processor."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.processor = Processor(self.clock)

    def pass_time(self, milliseconds: int) -> None:
        self.clock.now += milliseconds * 1_000_000
        self.processor.run()


class Outcome:
    """What a call came to."""

    def __init__(self) -> None:
        self.code: int | None = None  # None: it still waits
        self.message: UserMessage | None = None
        self.call: MessageCall | None = None

    def __call__(self, code: int, message: UserMessage | None) -> None:
        assert self.code is None
        self.code, self.message = code, message

    @property
    def received(self) -> UserMessage:
        assert self.code == 0
        assert self.message is not None
        return self.message

    @property
    def items(self) -> tuple[machmsg.Item, ...]:
        assert self.received.items is not None
        return self.received.items

    @property
    def names(self) -> tuple[int, ...]:
        """Names of the first item."""
        return machmsg.names_in(self.items[0])


class NamesOnly:
    """A task with names and no memory."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.processor = world.processor
        self.space = Space()
        self.map = None

    def msg(
        self, message: UserMessage | bytes | None, option: int, size: int = ANY_SIZE, name: int = 0, timeout: int = 0, notify: int = 0
    ) -> Outcome:
        outcome = Outcome()
        outcome.call = mach_msg(self, message, option, outcome, receive_size=size, receive_name=name, timeout=timeout, notify_name=notify)
        return outcome

    def send(
        self, remote: int, remote_type: int = COPY_SEND, id: int = 1, local: int = 0, local_type: int = 0, *items: machmsg.Item
    ) -> Outcome:
        return self.msg(UserMessage(id, remote, local, remote_type, local_type, items or None), mach.MACH_SEND_MSG)

    def try_send(self, remote: int, remote_type: int = COPY_SEND, id: int = 1, *items: machmsg.Item) -> Outcome:
        message = UserMessage(id, remote, 0, remote_type, 0, items or None)
        return self.msg(message, mach.MACH_SEND_MSG | mach.MACH_SEND_TIMEOUT)

    def carry(self, remote: int, remote_type: int, disposition: int, *names: int) -> Outcome:
        """Send rights in a message."""
        return self.send(remote, remote_type, 1, 0, 0, machmsg.rights(disposition, *names))

    def receive(self, name: int, timeout: int | None = 0) -> Outcome:
        option = mach.MACH_RCV_MSG | (mach.MACH_RCV_TIMEOUT if timeout is not None else 0)
        return self.msg(None, option, name=name, timeout=timeout or 0)

    def new_port(self) -> int:
        return mp.mach_port_allocate(self, RECEIVE)

    def port(self, name: int) -> Port:
        return self.space.lookup(name).port

    def refs(self, name: int, kind: RightKind = SEND) -> int:
        return mp.mach_port_get_refs(self, name, kind)

    def give_send(self, name: int, other: NamesOnly) -> int:
        """A send right to our port for another task; its name there."""
        kind, port = mp.mach_port_extract_right(self, name, MAKE_SEND)
        return other.space.copyout(kind, port)

    def give_send_once(self, name: int, other: NamesOnly) -> int:
        kind, port = mp.mach_port_extract_right(self, name, MAKE_SEND_ONCE)
        return other.space.copyout(kind, port)

    def request(self, name: int, variant: int, waiting: int | None, sync: int = 0) -> Port | None:
        """Have a port of ours notified."""
        right = mp.mach_port_extract_right(self, waiting, MAKE_SEND_ONCE)[1] if waiting is not None else None
        return mp.mach_port_request_notification(self, name, variant, sync, right)
