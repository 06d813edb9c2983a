"""A native task's view of the kernel: messages, and the few traps that are none.

What comes from the machine is a :class:`Channel`; :class:`NativeTask` makes calls of it. A failed send or receive raises MessageFailure;
what a message carried (rights, for example) has then been destroyed by the kernel, or is in ``MessageFailure.message``.

Source: Mach 3 Kernel Interfaces, mach_msg, mach_reply_port, mach_task_self, mach_host_self.
"""

from __future__ import annotations

from typing import Final, Protocol

from skerry.abi import mach, machmsg
from skerry.abi.machmsg import Item, UserMessage
from skerry.lib.kernel import TaskPort
from skerry.lib.stubs import client, finish, routines

LARGEST: Final = mach.MESSAGE_SIZE_MAX  # bytes
LARGEST_COPY: Final = 64 << 20  # bytes out of line that are turned into bytes of Python
_GIVEN_BACK: Final = (mach.MACH_SEND_TIMED_OUT, mach.MACH_SEND_INTERRUPTED)
EXTRA: Final = mach.MACH_MSG_IPC_SPACE | mach.MACH_MSG_VM_SPACE | mach.MACH_MSG_IPC_KERNEL | mach.MACH_MSG_VM_KERNEL
routines(TaskPort)  # while the template of native tasks imports this: each of them needs it


class Channel(Protocol):
    """What the machine gives a native task. Both calls return when the kernel has answered."""

    def msg(
        self, message: bytes | None, option: int, receive_size: int, receive_name: int, timeout: int, notify: int, /
    ) -> tuple[int, bytes]:
        """mach_msg: the code, and the bytes of what was received."""

    def trap(self, number: int, data: bytes = ..., /) -> int:
        """The call TRAP_* that takes nothing and gives a name."""

    def ask(self, number: int, data: bytes, /) -> tuple[int, bytes]:
        """A call of ``skerry.abi.traps``: its code and data."""

    def memory(self, address: int, length: int, /) -> memoryview:
        """Memory that the kernel has mapped."""

    def clock(self) -> int:
        """Monotonic time (ns)."""


class MessageFailure(Exception):
    """mach_msg ended with ``code`` (mach_msg_return_t).

    ``message``: what could not be sent, given back; or what there is of a message that was received with errors.
    """

    def __init__(self, code: int, message: UserMessage | None = None) -> None:
        super().__init__(f"mach_msg: {code:#x}")
        self.code = code
        self.message = message


class NativeTask:
    """The task that this code runs in."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.self_port = channel.trap(mach.TRAP_MACH_TASK_SELF)
        self.kernel = client(TaskPort, self, self.self_port)
        self.reply_name = channel.trap(mach.TRAP_MACH_REPLY_PORT)  # where blocking calls are answered

    def reply_port(self) -> int:
        """A new receive right; MACH_PORT_NULL if there is no room for one."""
        return self.channel.trap(mach.TRAP_MACH_REPLY_PORT)

    def host_self(self) -> int:
        """A send right to the host's port."""
        return self.channel.trap(mach.TRAP_MACH_HOST_SELF)

    def send(self, message: UserMessage, timeout: int | None = None) -> None:
        """Send; wait for room at most ``timeout`` ms (None: for ever). Raises MessageFailure."""
        option = mach.MACH_SEND_MSG | (mach.MACH_SEND_TIMEOUT if timeout is not None else 0)
        code, data = self.channel.msg(self._pack(message), option, 0, mach.MACH_PORT_NULL, timeout or 0, mach.MACH_PORT_NULL)
        _check(code, data)

    def receive(self, name: int, timeout: int | None = None, size: int = LARGEST, option: int = 0) -> UserMessage | None:
        """The next message of a port or port set; None if none came within ``timeout`` ms. ``option``: more MACH_RCV_* bits.

        Raises MessageFailure.
        """
        option |= mach.MACH_RCV_MSG | (mach.MACH_RCV_TIMEOUT if timeout is not None else 0)
        code, data = self.channel.msg(None, option, size, name, timeout or 0, mach.MACH_PORT_NULL)
        return None if code == mach.MACH_RCV_TIMED_OUT else _check(code, data)

    def send_and_receive(self, message: UserMessage, name: int, timeout: int | None = None) -> UserMessage | None:
        """Send to where sending never waits (a send-once right), then ``receive``, in one call. Raises MessageFailure."""
        option = mach.MACH_SEND_MSG | mach.MACH_RCV_MSG | (mach.MACH_RCV_TIMEOUT if timeout is not None else 0)
        code, data = self.channel.msg(self._pack(message), option, LARGEST, name, timeout or 0, mach.MACH_PORT_NULL)
        return None if code == mach.MACH_RCV_TIMED_OUT else _check(code, data)

    async def rpc(self, request: UserMessage) -> UserMessage:
        """Send ``request`` with a reply right, and wait for the answer; the whole task waits. Raises MessageFailure."""
        message = with_reply(request, self.reply_name)
        option = mach.MACH_SEND_MSG | mach.MACH_RCV_MSG
        code, data = self.channel.msg(self._pack(message), option, LARGEST, self.reply_name, 0, mach.MACH_PORT_NULL)
        answer = _check(code, data)
        assert answer is not None
        return self.inline(answer)

    # Data out of line
    def _pack(self, message: UserMessage) -> bytes:
        """The bytes of a message; what is out of line and in bytes goes into memory that the message takes along. Raises CallError."""
        if message.items is not None and any(not item.inline and isinstance(item.data, bytes) for item in message.items):
            message = message._replace(items=tuple(self._out_of_line(item) for item in message.items))
        return machmsg.pack(message)

    def _out_of_line(self, item: Item) -> Item:
        if item.inline or not isinstance(item.data, bytes):
            return item
        if not item.data:
            return item._replace(data=0, number=0)
        address: int = finish(self.kernel.vm_allocate(0, len(item.data), 1))
        self.channel.memory(address, len(item.data))[:] = item.data
        return item._replace(data=address, deallocate=True)

    def inline(self, message: UserMessage) -> UserMessage:
        """``message`` with its data out of line as bytes; their memory is given back. More than LARGEST_COPY are none."""
        if message.items is None or all(item.inline for item in message.items):
            return message
        return message._replace(items=tuple(self._inline(item) for item in message.items))

    def _inline(self, item: Item) -> Item:
        if isinstance(item.data, bytes):
            return item
        data = b""
        if item.length:
            if item.length <= LARGEST_COPY:
                data = bytes(self.channel.memory(item.data, item.length))
            finish(self.kernel.vm_deallocate(item.data, item.length))
        return Item(item.name, item.bits, item.number if data else 0, data)


def with_reply(request: UserMessage, reply_name: int) -> UserMessage:
    """``request``, to be answered at ``reply_name`` by a send-once right."""
    return UserMessage(
        request.id, request.remote, reply_name, request.remote_type, mach.MSG_TYPE_MAKE_SEND_ONCE, request.items, request.body
    )


def _check(code: int, data: bytes) -> UserMessage | None:
    message = machmsg.parse(data) if data else None
    if code != mach.MACH_MSG_SUCCESS:
        raise MessageFailure(code & ~EXTRA if code & ~EXTRA in _GIVEN_BACK else code, message)
    return message
