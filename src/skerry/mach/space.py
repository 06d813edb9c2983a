"""A task's name space: 32-bit names to rights.

Invariants:
- A port has at most one name in a space for its send and receive rights, which share it (``Space.named``); each send-once right has a name
  of its own.
- An entry's types are RECEIVE, SEND or both, or exactly one of SEND_ONCE, PORT_SET, DEAD_NAME. ``urefs`` counts the send right's or dead
  name's user references, 1 to 65535; for the others it is 0.
- However many user references it has, a send right in a space counts once in ``port.sends``.
- An entry never names a dead port: the port's death makes it a dead name, or removes it.

Source: Mach 3 Kernel Interfaces, chapter 3.
"""

from __future__ import annotations

from typing import Final

from skerry.abi import mach
from skerry.mach import notify, right
from skerry.mach.errors import KernError, KernReturn
from skerry.mach.port import DEAD, Port, PortSet
from skerry.mach.release import release
from skerry.mach.right import RightKind

SEND: Final = mach.MACH_PORT_TYPE_SEND
RECEIVE: Final = mach.MACH_PORT_TYPE_RECEIVE
SEND_ONCE: Final = mach.MACH_PORT_TYPE_SEND_ONCE
PORT_SET: Final = mach.MACH_PORT_TYPE_PORT_SET
DEAD_NAME: Final = mach.MACH_PORT_TYPE_DEAD_NAME
MAX_NAMES: Final = 1 << 16  # in one space: what one task can make the kernel hold
FIRST_NAME: Final = 0x103  # names look like nothing else a program has


def is_valid(name: int) -> bool:
    """Whether ``name`` can name something."""
    return name not in (mach.MACH_PORT_NULL, mach.MACH_PORT_DEAD)


class Entry:
    """What one name stands for. ``request`` is the send-once right that a dead-name notification goes to, ``accepted`` likewise."""

    __slots__ = ("accepted", "name", "object", "request", "space", "types", "urefs")

    def __init__(self, space: Space, name: int, types: int, target: Port | PortSet | None, urefs: int) -> None:
        self.space = space
        self.name = name
        self.types = types
        self.object = target
        self.urefs = urefs
        self.request: Port | None = None
        self.accepted: Port | None = None

    @property
    def port(self) -> Port:
        """The port of a send, receive or send-once right."""
        assert isinstance(self.object, Port)
        return self.object

    @property
    def port_set(self) -> PortSet:
        assert isinstance(self.object, PortSet)
        return self.object

    def die(self) -> Port | None:
        """The port has died. The dead-name request that is to be answered now."""
        port, self.object = self.port, None
        del port.entries[self]
        self.space.named.pop(port, None)
        waiting, self.request = self.request, None
        assert not self.types & RECEIVE  # whoever destroys the receive right has taken it out
        self.types = DEAD_NAME
        self.urefs = max(self.urefs, 1)
        if waiting is not None:
            self.add_urefs(1)
        return waiting

    def add_urefs(self, count: int) -> None:
        """More user references, pegged at the maximum."""
        self.urefs = min(self.urefs + count, mach.MACH_PORT_UREFS_MAX)


class Space:
    """The names of one task."""

    def __init__(self) -> None:
        self.alive = True
        self.most = MAX_NAMES
        self.entries: dict[int, Entry] = {}
        self.named: dict[Port, Entry] = {}  # where send and receive rights are
        self._last = FIRST_NAME - 4

    # Look up
    def lookup(self, name: int) -> Entry:
        """Raises INVALID_NAME."""
        entry = self.entries.get(name)
        if entry is None:
            raise KernError(KernReturn.INVALID_NAME)
        return entry

    def lookup_right(self, name: int, kind: RightKind) -> Entry:
        """Raises INVALID_NAME, INVALID_RIGHT."""
        entry = self.lookup(name)
        if not entry.types & kind.type:
            raise KernError(KernReturn.INVALID_RIGHT)
        return entry

    # Names
    def add(self, types: int, target: Port | PortSet | None, urefs: int, name: int | None = None) -> Entry:
        """A new entry, under ``name`` (which must be free) or a new one. Raises NO_SPACE."""
        if not self.alive or len(self.entries) >= self.most:
            raise KernError(KernReturn.NO_SPACE)
        if name is None:
            name = self._free_name()
        self.entries[name] = entry = Entry(self, name, types, target, urefs)
        if isinstance(target, Port):
            target.entries[entry] = None
            if types & (SEND | RECEIVE):
                self.named[target] = entry
                if types & RECEIVE:
                    target.receiver = self
        return entry

    def _free_name(self) -> int:
        name = self._last
        while True:
            name += 4
            if name >= mach.MACH_PORT_DEAD:
                name = FIRST_NAME
            if name not in self.entries:
                self._last = name
                return name

    def rename(self, entry: Entry, name: int) -> None:
        """Call it ``name``, which is free."""
        del self.entries[entry.name]
        entry.name = name
        self.entries[name] = entry

    def forget(self, entry: Entry) -> None:
        """The entry is gone. Its rights have been taken out before."""
        del self.entries[entry.name]
        if isinstance(entry.object, Port):
            del entry.object.entries[entry]
            if self.named.get(entry.object) is entry:
                del self.named[entry.object]
        entry.object = None
        if entry.accepted is not None:
            entry.name = mach.MACH_PORT_NULL  # what the notification will say

    def delete(self, entry: Entry) -> list[right.Held]:
        """Forget the entry and tell who asked about it (port_deleted); what is left to release."""
        request, entry.request = entry.request, None
        name = entry.name
        self.forget(entry)
        return [] if request is None else notify.port_deleted(request, name)

    # Rights under a name
    def destroy(self, entry: Entry) -> None:
        """Release every right under the name."""
        target, types = entry.object, entry.types
        if types & RECEIVE:
            request, entry.request = entry.request, None
            port, name = entry.port, entry.name
            self.forget(entry)
            left = notify.port_deleted(request, name) if request is not None else []
            if types & SEND:
                left.append((RightKind.SEND, port))
            release((RightKind.RECEIVE, port), *left)
            return
        left = self.delete(entry)
        if isinstance(target, PortSet):
            target.destroy()
        elif isinstance(target, Port):
            left.append((RightKind.SEND if types & SEND else RightKind.SEND_ONCE, target))
        release(*left)

    def drop_urefs(self, entry: Entry, count: int) -> None:
        """Take ``count`` user references (no more than there are) off a send right or dead name; the last one takes the right."""
        entry.urefs -= count
        if entry.urefs:
            return
        if entry.types & DEAD_NAME:
            release(*self.delete(entry))
            return
        port = entry.port
        release(*self.remove_send(entry), (RightKind.SEND, port))

    def remove_send(self, entry: Entry) -> list[right.Held]:
        """The entry's send right is the caller's now. What is left to release."""
        entry.urefs = 0
        if entry.types & RECEIVE:
            entry.types = RECEIVE
            return []
        return self.delete(entry)

    def destroy_receive(self, entry: Entry) -> None:
        """Destroy the receive right; a send right beside it becomes a dead name (unless the port goes to who asked for it)."""
        if entry.types & SEND:
            port = entry.port
            entry.types = SEND
            release((RightKind.RECEIVE, port))
        else:
            self.destroy(entry)

    # Rights into and out of the space
    def may_copyin(self, entry: Entry, disposition: int) -> bool:
        """Whether a right of that disposition can be taken from the entry; a dead name gives a dead right."""
        if disposition in (mach.MSG_TYPE_MAKE_SEND, mach.MSG_TYPE_MAKE_SEND_ONCE, mach.MSG_TYPE_MOVE_RECEIVE):
            return bool(entry.types & RECEIVE)
        if entry.types & DEAD_NAME:
            return True
        return bool(entry.types & (SEND_ONCE if disposition == mach.MSG_TYPE_MOVE_SEND_ONCE else SEND))

    def copyin(self, entry: Entry, disposition: int) -> tuple[Port, list[right.Held], Port | None]:
        """Take a right that ``may_copyin`` allows.

        Returns the port, what is left to release, and the dead-name request that the move of the name has ended: the caller notifies.
        """
        if disposition == mach.MSG_TYPE_MAKE_SEND:
            return right.make_send(entry.port), [], None
        if disposition == mach.MSG_TYPE_MAKE_SEND_ONCE:
            return right.make_send_once(entry.port), [], None
        if disposition == mach.MSG_TYPE_MOVE_RECEIVE:
            return self._take_receive(entry)
        if entry.types & DEAD_NAME:
            if disposition != mach.MSG_TYPE_COPY_SEND:
                self.drop_urefs(entry, 1)
            return DEAD, [], None
        port = entry.port
        if disposition == mach.MSG_TYPE_MOVE_SEND_ONCE:
            return port, [], self._take_name(entry)
        if disposition == mach.MSG_TYPE_COPY_SEND or entry.urefs > 1:
            if disposition == mach.MSG_TYPE_MOVE_SEND:
                entry.urefs -= 1
            return right.copy_send(port), [], None
        entry.urefs = 0
        if entry.types & RECEIVE:
            entry.types = RECEIVE
            return port, [], None
        return port, [], self._take_name(entry)

    def _take_receive(self, entry: Entry) -> tuple[Port, list[right.Held], Port | None]:
        port = entry.port
        request = None
        if entry.types & SEND:
            entry.types = SEND
        else:
            request = self._take_name(entry)
        right.move_receive(port)
        return port, [], request

    def _take_name(self, entry: Entry) -> Port | None:
        request, entry.request = entry.request, None
        self.forget(entry)
        return request

    def copyout(self, kind: RightKind, port: Port | None) -> int:
        """Give the space a right; its name there. The right is the caller's still if this raises NO_SPACE."""
        if port is None:
            return mach.MACH_PORT_NULL
        if port.dead:
            return mach.MACH_PORT_DEAD
        if kind is RightKind.SEND_ONCE:
            return self.add(SEND_ONCE, port, 0).name
        entry = self.named.get(port)
        if entry is None:
            entry = self.add(kind.type, port, 1 if kind is RightKind.SEND else 0)
        else:
            self._join(entry, kind, 1)
        if kind is RightKind.RECEIVE:
            port.destination = None
        return entry.name

    def _join(self, entry: Entry, kind: RightKind, urefs: int) -> None:
        """One more right to a port that has a name here."""
        port = entry.port
        if kind is RightKind.RECEIVE:
            entry.types |= RECEIVE
            port.receiver = self
        elif entry.types & SEND:
            entry.add_urefs(urefs)
            port.sends -= 1  # the space's send right counts once
        else:
            entry.types |= SEND
            entry.urefs = urefs

    def copyout_name(self, kind: RightKind, port: Port, name: int) -> None:
        """Give the space a right under ``name``.

        Raises NAME_EXISTS, RIGHT_EXISTS, UREFS_OVERFLOW, NO_SPACE; the right is then the caller's.

        Source: mach_port_insert_right.
        """
        entry = self.entries.get(name)
        known = None if kind is RightKind.SEND_ONCE else self.named.get(port)
        if entry is None:
            if known is not None:
                raise KernError(KernReturn.RIGHT_EXISTS)
            self.add(kind.type, port, 1 if kind is RightKind.SEND else 0, name)
        elif entry is not known:
            raise KernError(KernReturn.NAME_EXISTS if known is None else KernReturn.RIGHT_EXISTS)
        elif kind is RightKind.SEND and entry.urefs == mach.MACH_PORT_UREFS_MAX:
            raise KernError(KernReturn.UREFS_OVERFLOW)
        else:
            self._join(entry, kind, 1)
        if kind is RightKind.RECEIVE:
            port.destination = None

    def terminate(self) -> None:
        """The task is gone, and its rights with it."""
        self.alive = False
        for entry in sorted(self.entries.values(), key=lambda entry: not entry.types & RECEIVE):
            if self.entries.get(entry.name) is entry:
                self.destroy(entry)
