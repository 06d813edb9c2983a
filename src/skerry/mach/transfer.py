"""copyin and copyout: a message from the names and memory of the sender into the kernel, and from there into the receiver's.

The rights of the header are taken both or not at all. The body is taken item by item; what is wrong there destroys the message, as the
interface says. On the way out the receiver always gets the header; what cannot be given of the body is MACH_PORT_NULL or no memory.

Source: Mach 3 Kernel Interfaces, mach_msg (the outcomes of a failed send; MACH_RCV_HEADER_ERROR and _BODY_ERROR).
"""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Protocol

from skerry.abi import mach, machmsg
from skerry.abi.machmsg import UserMessage
from skerry.mach import notify, right
from skerry.mach.errors import KernError, KernReturn, MessageError
from skerry.mach.message import Data, Item, Memory, Message, Rights
from skerry.mach.port import DEAD, Port
from skerry.mach.release import destroy_message, release
from skerry.mach.right import CARRIED, RECEIVED, RightKind
from skerry.mach.space import RECEIVE, Entry, Space, is_valid

if TYPE_CHECKING:
    from skerry.mach.processor import Processor

SENDING: Final = frozenset(CARRIED) - {mach.MSG_TYPE_MOVE_RECEIVE}  # what a header may do
NULL: Final = mach.MACH_PORT_NULL


class VmMap(Protocol):
    """What out-of-line data need of a task's memory (:class:`skerry.mach.vm.VmMap`)."""

    def bring_in(self, address: int, length: int, access: int) -> None:
        """Have pages there that a pager brings. Raises KernError, and Absent: they are not there yet."""

    def copyin(self, address: int, length: int, destroy: bool) -> Any:
        """What the range holds now, to be given to another map. Raises KernError."""

    def copyout(self, copy: Any, length: int) -> int:
        """New memory that holds it; its address. Raises KernError."""


class Caller(Protocol):
    """A task, as far as messages need one. A server in the kernel's address space has no map: its out-of-line data are bytes."""

    @property
    def space(self) -> Space: ...
    @property
    def map(self) -> VmMap | None: ...
    @property
    def processor(self) -> Processor: ...


def bring_in(caller: Caller, user: UserMessage) -> None:
    """Have the memory there that a message takes along. Raises Absent (see ``paged``): it is on its way, and nothing has happened."""
    if caller.map is not None:
        for item in user.items or ():
            if not item.inline and isinstance(item.data, int):
                with suppress(KernError):  # copyin says what is wrong
                    caller.map.bring_in(item.data, item.length, mach.VM_PROT_READ)


def copyin(caller: Caller, user: UserMessage, cancel: int) -> Message:
    """The kernel's form of a message that the caller sends. ``cancel`` names the notify port of MACH_SEND_CANCEL, or is null.

    Raises MessageError: INVALID_HEADER, INVALID_NOTIFY, INVALID_DEST, INVALID_REPLY (nothing has happened); INVALID_RIGHT, INVALID_MEMORY,
    INVALID_TYPE, MSG_TOO_SMALL, NO_BUFFER (the message is destroyed).
    """
    message = _copyin_header(caller.space, user, cancel)
    message.size = machmsg.size_of(user)
    if user.items is None:
        message.body = user.body
        return message
    message.items = []
    try:
        for item in user.items:
            message.items.append(_copyin_item(caller, item, message))
        if user.defect:
            raise MessageError(user.defect)
    except MessageError:
        destroy_message(message)
        raise
    return message


def _copyin_header(space: Space, user: UserMessage, cancel: int) -> Message:
    if user.remote_type not in SENDING or (user.local_type not in SENDING if user.local_type else user.local != NULL):
        raise MessageError(mach.MACH_SEND_INVALID_HEADER)
    cancelled: Port | None = None
    if cancel != NULL:
        asked = space.entries.get(cancel)
        if asked is None or not asked.types & RECEIVE:
            raise MessageError(mach.MACH_SEND_INVALID_NOTIFY)
        cancelled = asked.port
    target = space.entries.get(user.remote)
    if target is None:
        raise MessageError(mach.MACH_SEND_INVALID_DEST)
    reply = None
    if is_valid(user.local):
        reply = space.entries.get(user.local)
        if reply is None or not space.may_copyin(reply, user.local_type):
            raise MessageError(mach.MACH_SEND_INVALID_REPLY)
    if target.object is None or not space.may_copyin(target, user.remote_type) or (reply is target and not _both(target, user)):
        raise MessageError(mach.MACH_SEND_INVALID_DEST)
    takes = [(0, target, user.remote_type)]
    if reply is not None:
        takes.append((1, reply, user.local_type))
    if reply is target:  # what copies needs the name that what moves may take away
        takes.sort(key=lambda take: take[2] == mach.MSG_TYPE_MOVE_SEND)
    return _take_header(space, user, takes, cancelled)


def _both(entry: Entry, user: UserMessage) -> bool:
    """Whether one name can give both the destination and the reply right."""
    moves = (user.remote_type, user.local_type)
    if mach.MSG_TYPE_MOVE_SEND_ONCE in moves:
        return False
    return moves.count(mach.MSG_TYPE_MOVE_SEND) < 2 or entry.urefs >= 2


def _take_header(space: Space, user: UserMessage, takes: list[tuple[int, Entry, int]], cancelled: Port | None) -> Message:
    """``takes``: 0 for the destination or 1 for the reply, its entry, its disposition."""
    ports: list[Port | None] = [None, DEAD if user.local == mach.MACH_PORT_DEAD else None]
    for which, entry, disposition in takes:
        name = entry.name
        ports[which], left, request = space.copyin(entry, disposition)
        if request is not None:
            if request is cancelled and which == 0:
                request.send_onces -= 1
            else:
                left += notify.port_deleted(request, name)
        release(*left)
    remote, local = ports
    assert remote is not None
    return Message(user.id, remote, CARRIED[user.remote_type], local, CARRIED[user.local_type] if user.local_type else None)


def _copyin_item(caller: Caller, item: machmsg.Item, message: Message) -> Item:
    if not item.is_rights:
        if item.inline:
            assert isinstance(item.data, bytes)
            return Data(item.name, item.bits, item.number, item.data)
        return Memory(item.name, item.bits, item.number, _copyin_memory(caller, item))
    names = item.data
    if not item.inline:
        if item.length > mach.MESSAGE_SIZE_MAX:
            raise MessageError(mach.MACH_SEND_NO_BUFFER)
        names = _bytes_of(_copyin_memory(caller, item))
    assert isinstance(names, bytes)
    return _copyin_rights(caller.space, item, struct.unpack(f"<{item.number}I", names), message)


def _copyin_memory(caller: Caller, item: machmsg.Item) -> Any:
    if isinstance(item.data, bytes):
        return item.data
    if item.length == 0:
        return b""
    if caller.map is None:
        raise MessageError(mach.MACH_SEND_INVALID_MEMORY)
    try:
        return caller.map.copyin(item.data, item.length, item.deallocate)
    except KernError as error:
        raise MessageError(mach.MACH_SEND_INVALID_MEMORY) from error


def _bytes_of(copy: Any) -> bytes:
    return copy if isinstance(copy, bytes) else copy.contents()


def _copyin_rights(space: Space, item: machmsg.Item, names: tuple[int, ...], message: Message) -> Rights:
    rights = Rights(CARRIED[item.name], [], item.inline)
    assert message.items is not None
    message.items.append(rights)  # so that a failure releases what was taken
    for name in names:
        rights.ports.append(_copyin_right(space, name, item.name, message))
    message.items.pop()
    return rights


def _copyin_right(space: Space, name: int, disposition: int, message: Message) -> Port | None:
    if not is_valid(name):
        return DEAD if name == mach.MACH_PORT_DEAD else None
    entry = space.entries.get(name)
    if entry is None or not space.may_copyin(entry, disposition):
        raise MessageError(mach.MACH_SEND_INVALID_RIGHT)
    port, left, request = space.copyin(entry, disposition)
    if request is not None:
        left += notify.port_deleted(request, name)
    if disposition == mach.MSG_TYPE_MOVE_RECEIVE:
        if right.leads_to(port, message.remote):
            message.circular = True
        else:
            port.destination = message.remote
    release(*left)
    return port


def copyout(caller: Caller, message: Message, sequence: int, notify_name: int) -> tuple[int, UserMessage]:
    """Give a message to who received it: mach_msg_return_t, and what it reads. ``notify_name``: the port of MACH_RCV_NOTIFY, or null."""
    space = caller.space
    if message.remote.dead:
        local = mach.MACH_PORT_DEAD
    else:
        entry = space.named.get(message.remote)
        local = entry.name if entry is not None else NULL
    try:
        remote = _copyout_reply(space, message, notify_name)
    except MessageError as error:
        return error.code, _header_only(message, local, sequence)
    local_type = RECEIVED[message.remote_kind]
    remote_type = RECEIVED[message.local_kind] if message.local_kind is not None else 0
    _use_up_destination(message)
    code, items = _copyout_items(caller, message)
    return code, UserMessage(message.id, remote, local, remote_type, local_type, items, message.body, sequence, message.size)


def copyout_header(caller: Caller, message: Message, sequence: int) -> UserMessage:
    """A message that is too large for its receiver: it is destroyed, and the header is all that is read."""
    entry = caller.space.named.get(message.remote)
    return _header_only(message, entry.name if entry is not None else NULL, sequence)


def _header_only(message: Message, local: int, sequence: int) -> UserMessage:
    kind = RECEIVED[message.remote_kind]
    destroy_message(message)
    return UserMessage(message.id, local=local, local_type=kind, sequence=sequence, size=message.size)


def _copyout_reply(space: Space, message: Message, notify_name: int) -> int:
    asked = None
    if notify_name != NULL:
        asked = space.entries.get(notify_name)
        if asked is None or not asked.types & RECEIVE:
            raise MessageError(mach.MACH_RCV_INVALID_NOTIFY)
    if message.local is None or message.local_kind is None:
        return NULL
    try:
        name = space.copyout(message.local_kind, message.local)
    except KernError as error:
        raise MessageError(mach.MACH_RCV_HEADER_ERROR | mach.MACH_MSG_IPC_SPACE) from error
    message.local = None
    if asked is not None and is_valid(name):
        request_dead_name(space.entries[name], right.make_send_once(asked.port))
    return name


def request_dead_name(entry: Entry, waiting: Port) -> None:
    """Have ``waiting`` told when the name dies; who waited before is told that its right was not used."""
    previous, entry.request = entry.request, waiting
    if previous is not None:
        release((RightKind.SEND_ONCE, previous))


def _use_up_destination(message: Message) -> None:
    """The right that carried the message here has done so."""
    port = message.remote
    if port.dead:
        return
    if message.remote_kind is RightKind.SEND_ONCE:
        port.send_onces -= 1
    else:
        release((RightKind.SEND, port))


def _copyout_items(caller: Caller, message: Message) -> tuple[int, tuple[machmsg.Item, ...] | None]:
    if message.items is None:
        return mach.MACH_MSG_SUCCESS, None
    code = mach.MACH_MSG_SUCCESS
    items = []
    for item in message.items:
        failed, read = _copyout_item(caller, item)
        code |= failed
        items.append(read)
    message.items = []
    return (code | mach.MACH_RCV_BODY_ERROR if code else code), tuple(items)


def _copyout_item(caller: Caller, item: Item) -> tuple[int, machmsg.Item]:
    if isinstance(item, Data):
        return 0, machmsg.Item(item.name, item.bits, item.number, item.data)
    if isinstance(item, Memory):
        return _copyout_memory(caller, item.name, item.bits, item.number, item.copy)
    failed = 0
    names = []
    for port in item.ports:
        try:
            names.append(caller.space.copyout(item.kind, port))
        except KernError:
            failed = mach.MACH_MSG_IPC_SPACE
            names.append(NULL)
            assert port is not None
            release((item.kind, port))
    data = struct.pack(f"<{len(names)}I", *names)
    if item.inline:
        return failed, machmsg.Item(RECEIVED[item.kind], machmsg.PORT_NAME_BITS, len(names), data)
    more, read = _copyout_memory(caller, RECEIVED[item.kind], machmsg.PORT_NAME_BITS, len(names), data)
    return failed | more, read


def _copyout_memory(caller: Caller, name: int, bits: int, number: int, copy: Any) -> tuple[int, machmsg.Item]:
    length = (number * bits + 7) // 8
    if caller.map is None:
        return 0, machmsg.Item(name, bits, number, _bytes_of(copy), False)
    if length == 0:
        return 0, machmsg.Item(name, bits, 0, 0, False)
    try:
        return 0, machmsg.Item(name, bits, number, caller.map.copyout(copy, length), False)
    except KernError as error:
        failed = mach.MACH_MSG_VM_SPACE if error.code is KernReturn.NO_SPACE else mach.MACH_MSG_VM_KERNEL
        return failed, machmsg.Item(name, bits, 0, 0, False)


def copyout_pseudo(caller: Caller, message: Message) -> tuple[int, UserMessage]:
    """Give a message that could not be sent back to its sender, under whatever names its rights get. Error bits, and the message."""
    code, remote = _give_back(caller.space, message.remote_kind, message.remote)
    more, local = (0, NULL) if message.local_kind is None else _give_back(caller.space, message.local_kind, message.local)
    body_code, items = _copyout_items(caller, message)
    remote_type = RECEIVED[message.remote_kind]
    local_type = RECEIVED[message.local_kind] if message.local_kind is not None else 0
    code |= more | (body_code & (mach.MACH_MSG_IPC_SPACE | mach.MACH_MSG_VM_SPACE | mach.MACH_MSG_VM_KERNEL))
    return code, UserMessage(message.id, remote, local, remote_type, local_type, items, message.body, 0, message.size)


def _give_back(space: Space, kind: RightKind, port: Port | None) -> tuple[int, int]:
    try:
        return 0, space.copyout(kind, port)
    except KernError:
        assert port is not None
        release((kind, port))
        return mach.MACH_MSG_IPC_SPACE, NULL
