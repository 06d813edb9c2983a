"""Scenarios: what one native task does, as the body of its ``main``, with short names for calls, rights and messages."""

from __future__ import annotations

from tests.native.natives import Natives

from skerry.abi import mach
from skerry.mach import right
from skerry.mach.native import NativeTask
from skerry.mach.port import Port
from skerry.mach.right import RightKind

PRIV, MASTER = 0x5001, 0x5002  # names of send rights: the privileged host port, the device master
PEER, INBOX = 0x2001, 0x1001  # names, in tasks that talk to each other
HELPERS = f"""
from skerry.lib.kernel import ThreadPort, HostPort, HostPrivPort, DeviceMasterPort, DevicePort
PRIV, MASTER, PEER, INBOX = {PRIV}, {MASTER}, {PEER}, {INBOX}
RECEIVE, SEND, SEND_ONCE, SET, DEAD = {mach.MACH_PORT_RIGHT_RECEIVE}, {mach.MACH_PORT_RIGHT_SEND}, 2, 3, 4
PAGE = 4096
class Calls:
    "Calls on a port, finished at once."
    def __init__(self, interface, task, port):
        self.stub, self.interface, self.port = client(interface, task, port), interface, port
    def __getattr__(self, name):
        return lambda *arguments: finish(getattr(self.stub, name)(*arguments))
def code(call, *arguments):
    try:
        call(*arguments)
    except CallError as error:
        return error.code
    return 0
def names_of(message):
    "The names in each of its items."
    return [machmsg.names_in(item) for item in message.items]
def word(message):
    "The number that a notification carries."
    (item,) = message.items or machmsg.parse_items(message.body)
    return int.from_bytes(item.data, "little")
def main(channel, *arguments):
    task = NativeTask(channel)
    me = Calls(TaskPort, task, task.self_port)
    def msg(message, option, name=0, timeout=0, notify=0, size=1 << 20):
        "mach_msg: the code, and the message if there is one."
        data = machmsg.pack(message) if isinstance(message, UserMessage) else message
        result, answer = channel.msg(data, option, size, name, timeout, notify)
        return result, machmsg.parse(answer) if answer else None
    def post(port, kind=COPY, id=0, reply=0, reply_kind=0, *items, more=0, timeout=0, notify=0):
        "Send without waiting: the code, and what came back."
        message = UserMessage(id, port, reply, kind, reply_kind, items or None)
        return msg(message, mach.MACH_SEND_MSG | mach.MACH_SEND_TIMEOUT | more, 0, timeout, notify)
    def poll(name, more=0, notify=0, size=1 << 20):
        "Receive without waiting: the code, and the message."
        return msg(None, mach.MACH_RCV_MSG | mach.MACH_RCV_TIMEOUT | more, name, 0, notify, size)
    def got(name):
        "The message that is there."
        result, message = poll(name)
        assert result == 0, hex(result)
        return message
    def empty(name):
        return poll(name)[0] == mach.MACH_RCV_TIMED_OUT
    def with_send(port=0):
        "A receive right (new, if none is given) with a send right under the same name."
        port = port or task.reply_port()
        me.mach_port_insert_right(port, port)
        return port
    def foreign(count=1):
        "A port, and a name that is a send right alone: its receive right is on its way to another port of ours."
        port, away = with_send(), task.reply_port()
        me.mach_port_mod_refs(port, SEND, count - 1)
        assert post(away, MAKE, 0, 0, 0, machmsg.rights(MOVE_RECEIVE, port))[0] == 0
        return port, away
    def status(port):
        "Set, sequence number, make-send count, limit, messages, send-once rights, senders, port-destroyed, no-senders."
        return me.mach_port_get_receive_status(port)
    def refs(name, kind=SEND):
        return me.mach_port_get_refs(name, kind)
    def kind_of(name):
        return me.mach_port_type(name) & 0x3FFFFFFF
    def ask(name, variant, sync=0, at=0):
        "Have ``at`` notified: the send-once right that was, 0 if none."
        return me.mach_port_request_notification(name, variant, sync, at)
    def told(at, id, number=None):
        "Whether the next message of ``at`` is that notification."
        message = got(at)
        assert message.id == id, message
        assert number is None or word(message) == number, message
        return True
"""


def indented(body: str) -> str:
    return "".join(f"    {line}\n" if line.strip() else "\n" for line in body.strip("\n").splitlines())


def start(natives: Natives, body: str, *arguments: str | int) -> NativeTask:
    """A task that does ``body``; it holds PRIV and MASTER."""
    task = natives.start(HELPERS + indented(body), *arguments)
    ours = natives.kernel.host
    for name, port in ((PRIV, ours.priv_port), (MASTER, ours.devices.port)):
        natives.give_send(task, port, name)
    return task


def perform(natives: Natives, body: str) -> NativeTask:
    """A task that does ``body`` to its end, without an error; nothing of it is left."""
    task = start(natives, body)
    natives.succeeds(task)
    assert task.space.entries == {}
    assert task.map.regions == []
    return task


def peers(natives: Natives, *bodies: str) -> tuple[Port, list[NativeTask]]:
    """Tasks that do ``bodies``: the first has the receive right INBOX, the others a send right PEER to it."""
    tasks = [start(natives, body) for body in bodies]
    inbox = natives.new_port(tasks[0], INBOX)
    for task in tasks[1:]:
        natives.give_send(task, inbox, PEER)
    return inbox, tasks


def give_task(task: NativeTask, other: NativeTask, name: int) -> None:
    """Let ``task`` call ``other``'s task by ``name``, and its thread by the next one."""
    for at, port in ((name, other.port), (name + 1, other.thread.port)):
        task.space.copyout_name(RightKind.SEND, right.make_send(port), at)
