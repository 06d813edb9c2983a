"""What Mach's rights, messages and memory are, in the simplest form: the reference that the kernel is compared with.

Tasks are numbers, names are those that the kernel gives. Nothing is counted: how many rights to a port there are is found by looking for
them. A page is one value. Messages in memory hold values, so a copy is a copy.

Source: Mach 3 Kernel Interfaces, chapters 2 to 4.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from skerry.abi import mach

SEND, ONCE, RECEIVE = "send", "once", "receive"
KINDS = {
    mach.MSG_TYPE_MOVE_RECEIVE: RECEIVE,
    mach.MSG_TYPE_MOVE_SEND: SEND,
    mach.MSG_TYPE_COPY_SEND: SEND,
    mach.MSG_TYPE_MAKE_SEND: SEND,
    mach.MSG_TYPE_MOVE_SEND_ONCE: ONCE,
    mach.MSG_TYPE_MAKE_SEND_ONCE: ONCE,
}


@dataclass(eq=False)
class Port:
    """A port: its queue, and what is kept of it. A dead one has neither."""

    alive: bool = True
    limit: int = mach.MACH_PORT_QLIMIT_DEFAULT
    made: int = 0
    sequence: int = 0
    queue: list[Message] = field(default_factory=list)
    no_senders: Port | None = None  # who is to be told
    destroyed: Port | None = None


Right = tuple[str, Port | None]  # None: the dead right


@dataclass(eq=False)
class Message:
    """A message on its way: ``kind`` of the right that carries it, the rights that it carries, and its memory, page by page."""

    id: int
    port: Port
    kind: str
    reply: Right | None = None
    rights: list[Right] = field(default_factory=list)
    pages: list[int] | None = None
    word: int | None = None  # of a notification

    @property
    def held(self) -> list[Right]:
        """Every right in it but that which carries it."""
        return [*self.rights, *([self.reply] if self.reply else [])]


@dataclass(eq=False)
class Entry:
    """What a name stands for: a receive and a send right of one port, a send-once right, a set, or a dead name."""

    port: Port | None = None
    receive: bool = False
    sends: int = 0
    once: bool = False
    is_set: bool = False
    dead: int = 0
    request: Port | None = None  # who is told when it dies


class Tasks:
    """All there is."""

    def __init__(self, count: int) -> None:
        self.names: list[dict[int, Entry]] = [{} for _ in range(count)]
        self.sets: list[dict[Port, int]] = [{} for _ in range(count)]  # port: the name of the set that it is in
        self.pages: list[dict[int, tuple[int, int]]] = [{} for _ in range(count)]  # address: protection and value
        self.ports: list[Port] = []

    def entry_of(self, who: int, port: Port) -> int | None:
        """The name of a port's send or receive right."""
        return next((name for name, entry in self.names[who].items() if entry.port is port and not entry.once), None)

    def messages(self) -> list[Message]:
        return [message for port in self.ports for message in port.queue]

    # What is counted
    def senders(self, port: Port) -> int:
        """Send rights: one for each task that names any, one for each in a message."""
        named = sum(1 for names in self.names for entry in names.values() if entry.port is port and entry.sends)
        carried = sum(message.held.count((SEND, port)) + (message.port is port and message.kind == SEND) for message in self.messages())
        return named + carried

    def onces(self, port: Port) -> int:
        """Send-once rights: names, messages, and requests for notifications."""
        entries = [entry for names in self.names for entry in names.values()]
        named = sum(1 for entry in entries if entry.port is port and entry.once)
        asked = sum(1 for entry in entries if entry.request is port)
        asked += sum((each.no_senders is port) + (each.destroyed is port) for each in self.ports)
        carried = sum(message.held.count((ONCE, port)) + (message.port is port and message.kind == ONCE) for message in self.messages())
        return named + asked + carried

    def carrier(self, port: Port) -> Message | None:
        """The message that the receive right is in."""
        return next((message for message in self.messages() if (RECEIVE, port) in message.rights), None)

    def leads_to(self, port: Port, destination: Port) -> bool:
        """Whether a message at ``destination`` lies, at last, in ``port``'s queue."""
        step: Port | None = destination
        while step is not None:
            if step is port:
                return True
            carrier = self.carrier(step)
            step = carrier.port if carrier is not None else None
        return False

    # Giving up
    def release(self, right: Right) -> None:
        kind, port = right
        if port is None or not port.alive:
            return
        if kind == ONCE:
            self.tell(port, mach.NOTIFY_SEND_ONCE, None)
        elif kind == SEND:
            self.look_for_senders(port)
        else:
            self.destroy(port)

    def look_for_senders(self, port: Port) -> None:
        """A send right is gone."""
        if port.alive and port.no_senders is not None and self.senders(port) == 0:
            waiting, port.no_senders = port.no_senders, None
            self.tell(waiting, mach.NOTIFY_NO_SENDERS, port.made)

    def destroy(self, port: Port) -> None:
        """The receive right, which is nowhere any more, is given up."""
        if port.destroyed is not None:
            waiting, port.destroyed = port.destroyed, None
            port.made = port.sequence = 0
            self.tell(waiting, mach.NOTIFY_PORT_DESTROYED, None, (RECEIVE, port))
            return
        port.alive = False
        queue, port.queue = port.queue, []
        waiting, port.no_senders = port.no_senders, None
        for names in self.names:
            for name, entry in list(names.items()):
                if entry.port is port:
                    entry.port, entry.dead, entry.sends, entry.once = None, entry.sends or 1, 0, False
                    if entry.request is not None:
                        request, entry.request = entry.request, None
                        entry.dead += 1
                        self.tell(request, mach.NOTIFY_DEAD_NAME, name)
        if waiting is not None:
            self.release((ONCE, waiting))
        for message in queue:
            self.drop(message)

    def drop(self, message: Message) -> None:
        """A message that nobody receives; it is in no queue."""
        for right in message.held:
            self.release(right)
        if message.kind == SEND:
            self.look_for_senders(message.port)

    def tell(self, port: Port, id: int, word: int | None, *rights: Right) -> None:
        """A notification; the send-once right that it goes by is used up."""
        message = Message(id, port, ONCE, None, list(rights), None, word)
        if not port.alive or any(self.leads_to(carried, port) for kind, carried in rights if kind == RECEIVE and carried is not None):
            self.drop(message)
        else:
            port.queue.append(message)

    def forget(self, who: int, name: int) -> None:
        """The name is gone, and its rights elsewhere."""
        entry = self.names[who].pop(name)
        if entry.request is not None:
            self.tell(entry.request, mach.NOTIFY_PORT_DELETED, name)

    def forget_if_empty(self, who: int, name: int) -> None:
        entry = self.names[who][name]
        if not (entry.receive or entry.sends or entry.once or entry.is_set or entry.dead):
            self.forget(who, name)

    def lose_receive(self, who: int, name: int) -> Port:
        """Take the receive right out of a name."""
        entry = self.names[who][name]
        assert entry.port is not None
        entry.receive = False
        self.sets[who].pop(entry.port, None)
        return entry.port

    # Rights under names
    def drop_sends(self, who: int, name: int, count: int) -> None:
        """Give up user references of a send right or dead name."""
        entry = self.names[who][name]
        port = entry.port
        if entry.dead:
            entry.dead -= count
        else:
            entry.sends -= count
        gone = port is not None and not entry.sends
        self.forget_if_empty(who, name)
        if gone:
            assert port is not None
            self.look_for_senders(port)

    def destroy_name(self, who: int, name: int) -> None:
        """mach_port_destroy."""
        entry = self.names[who][name]
        port, receive, once, sends = entry.port, entry.receive, entry.once, entry.sends
        if receive:
            self.lose_receive(who, name)
        if entry.is_set:
            self.sets[who] = {port: name_ for port, name_ in self.sets[who].items() if name_ != name}
        self.forget(who, name)
        if port is None:
            return
        if receive:
            self.destroy(port)
        if sends:
            self.look_for_senders(port)
        if once:
            self.release((ONCE, port))

    def can_take(self, who: int, name: int, disposition: int) -> bool:
        """Whether the name gives a right of that disposition."""
        entry = self.names[who].get(name)
        if entry is None:
            return False
        if disposition in (mach.MSG_TYPE_MAKE_SEND, mach.MSG_TYPE_MAKE_SEND_ONCE, mach.MSG_TYPE_MOVE_RECEIVE):
            return entry.receive
        if entry.dead:
            return True
        return entry.once if disposition == mach.MSG_TYPE_MOVE_SEND_ONCE else entry.sends > 0

    def take(self, who: int, name: int, disposition: int) -> Right:
        """The right; what is moved is the name's no more."""
        entry = self.names[who][name]
        port, kind = entry.port, KINDS[disposition]
        if disposition == mach.MSG_TYPE_MAKE_SEND:
            assert port is not None
            port.made = (port.made + 1) & 0xFFFFFFFF
        elif disposition == mach.MSG_TYPE_MOVE_RECEIVE:
            port = self.lose_receive(who, name)
            port.made = port.sequence = 0
        elif entry.dead and disposition != mach.MSG_TYPE_COPY_SEND:
            entry.dead -= 1
        elif disposition == mach.MSG_TYPE_MOVE_SEND:
            entry.sends -= 1
        elif disposition == mach.MSG_TYPE_MOVE_SEND_ONCE:
            entry.once = False
        self.forget_if_empty(who, name)
        return kind, port

    def give(self, who: int, right: Right, name: int) -> None:
        """The task got a right under ``name``: it must be the one that it has to be."""
        kind, port = right
        names = self.names[who]
        if port is None or not port.alive:
            assert name == mach.MACH_PORT_DEAD, (right, name)
            return
        known = None if kind == ONCE else self.entry_of(who, port)
        if known is None:
            assert name not in names
            assert name not in (mach.MACH_PORT_NULL, mach.MACH_PORT_DEAD)
            names[name] = Entry(port)
        else:
            assert name == known
        if kind == ONCE:
            names[name].once = True
        elif kind == SEND:
            names[name].sends += 1
        else:
            names[name].receive = True
