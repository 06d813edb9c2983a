"""Messages between native tasks: real mach_msg bytes through real channels."""

from __future__ import annotations

import os
import signal

import pytest
from tests.native.natives import Natives

from skerry.mach.native import NativeTask

pytestmark = pytest.mark.machine

SERVER, CLIENT = 0x1001, 0x2001  # names

ECHO = """
def main(channel, port):
    task = NativeTask(channel)
    request = task.receive(port)
    while True:
        reply = UserMessage(request.id + 100, request.remote, 0, request.remote_type, 0, None, request.body)
        request = task.send_and_receive(reply, port)
"""


def pair(natives: Natives, server: str, client: str) -> tuple[NativeTask, NativeTask]:
    """Two tasks; the client has a send right under its name CLIENT to the server's port SERVER."""
    first = natives.start(server, SERVER)
    port = natives.new_port(first, SERVER)
    second = natives.start(client, CLIENT)
    natives.give_send(second, port, CLIENT)
    return first, second


def test_rpc_brings_the_body_back(natives: Natives) -> None:
    client = """
def main(channel, server):
    task = NativeTask(channel)
    for n in range(50):
        answer = finish(task.rpc(UserMessage(n, server, remote_type=COPY, body=bytes([n]) * 4)))
        assert (answer.id, answer.body) == (n + 100, bytes([n]) * 4), answer
"""
    _, second = pair(natives, ECHO, client)
    assert natives.ended(second) == ""


@pytest.mark.parametrize("size", [0, 4, 512, 64 << 10, (1 << 20) - 24])
def test_bodies_of_all_sizes_arrive_whole(natives: Natives, size: int) -> None:
    client = f"""
def main(channel, server):
    task = NativeTask(channel)
    body = bytes(range(256)) * ({size} // 256) + bytes({size} % 256)
    assert finish(task.rpc(UserMessage(1, server, remote_type=COPY, body=body))).body == body
"""
    _, second = pair(natives, ECHO, client)
    assert natives.ended(second) == ""


def test_rights_move_between_tasks(natives: Natives) -> None:
    """A receive right goes to the server with a message already queued at it; a send right and a send-once right go and are used there."""
    server = """
def main(channel, port):
    task = NativeTask(channel)
    message = task.receive(port)
    receive, send, once = message.items
    assert [item.name for item in message.items] == [MOVE_RECEIVE, MOVE, MOVE_ONCE], message
    first = task.receive(machmsg.names_in(receive)[0], timeout=0)
    assert first.body == b"early"+bytes(3), first
    task.send(UserMessage(7, machmsg.names_in(send)[0], remote_type=COPY))
    task.send(UserMessage(8, machmsg.names_in(once)[0], remote_type=MOVE_ONCE))
"""
    client = """
def main(channel, server):
    task = NativeTask(channel)
    goes, stays, answers = task.reply_port(), task.reply_port(), task.reply_port()
    task.send(UserMessage(5, goes, remote_type=MAKE, body=b"early"+bytes(3)))
    rights = machmsg.rights(MOVE_RECEIVE, goes), machmsg.rights(MAKE, stays), machmsg.rights(ONCE, answers)
    task.send(UserMessage(6, server, remote_type=COPY, items=rights))
    assert task.receive(stays).id == 7
    assert task.receive(answers).id == 8
    try:
        task.receive(goes, timeout=0)
    except MessageFailure as failure:
        assert failure.code == mach.MACH_RCV_INVALID_NAME
    else:
        raise AssertionError("the receive right is still here")
"""
    first, second = pair(natives, server, client)
    assert natives.ended(second) == ""
    assert natives.ended(first) == ""


def test_killed_task_leaves_a_dead_name_and_the_kernel_well(natives: Natives) -> None:
    client = """
def main(channel, server):
    task = NativeTask(channel)
    notify = task.reply_port()
    kernel = client(TaskPort, task, task.self_port)
    finish(kernel.mach_port_request_notification(server, mach.NOTIFY_DEAD_NAME, 0, notify))
    told = task.receive(notify)
    (item,) = machmsg.parse_items(told.body)
    assert (told.id, int.from_bytes(item.data, "little")) == (mach.NOTIFY_DEAD_NAME, server), told
    assert finish(kernel.mach_port_type(server)) == mach.MACH_PORT_TYPE_DEAD_NAME
"""
    first, second = pair(natives, ECHO, client)
    natives.run_until(lambda: second.space.entries[CLIENT].request is not None)
    os.kill(first.process.pid, signal.SIGKILL)
    assert natives.ended(second) == ""
    assert not first.alive
    assert first.space.entries == {}


def test_killed_while_it_calls_and_while_it_waits(natives: Natives) -> None:
    """Tasks killed at whatever they do leave nothing in the kernel."""
    busy = """
def main(channel, port):
    task = NativeTask(channel)
    while True:
        task.send(UserMessage(1, port, remote_type=MAKE, body=bytes(1000)))
        task.receive(port)
"""
    for _ in range(20):
        task = natives.start(busy, SERVER)
        natives.new_port(task, SERVER)
        calls = natives.kernel.messages
        natives.run_until(lambda before=calls: natives.kernel.messages > before + 20)
        os.kill(task.process.pid, signal.SIGKILL)
        natives.ended(task)
        assert task.space.entries == {}


def test_receive_timeout_and_full_queue(natives: Natives) -> None:
    source = """
def main(channel):
    task = NativeTask(channel)
    port = task.reply_port()
    start = channel.clock()
    assert task.receive(port, timeout=20) is None
    assert channel.clock() - start >= 20_000_000
    for n in range(mach.MACH_PORT_QLIMIT_DEFAULT):
        task.send(UserMessage(n, port, remote_type=MAKE), timeout=0)
    try:
        task.send(UserMessage(9, port, remote_type=MAKE), timeout=0)
    except MessageFailure as failure:
        assert (failure.code, failure.message.remote) == (mach.MACH_SEND_TIMED_OUT, port)
    else:
        raise AssertionError("there was room")
    assert [task.receive(port, timeout=0).id for _ in range(5)] == [0, 1, 2, 3, 4]
"""
    assert natives.ended(natives.start(source)) == ""


def test_large_message_stays_if_asked(natives: Natives) -> None:
    source = """
def main(channel):
    task = NativeTask(channel)
    port = task.reply_port()
    task.send(UserMessage(1, port, remote_type=MAKE, body=bytes(100)))
    code, data = channel.msg(None, mach.MACH_RCV_MSG | mach.MACH_RCV_LARGE, 64, port, 0, 0)
    assert code == mach.MACH_RCV_TOO_LARGE and mach.HEADER.unpack(data)[1] == 124, (code, data)
    assert task.receive(port).body == bytes(100)
"""
    assert natives.ended(natives.start(source)) == ""


def test_kernel_calls_answer_with_codes(natives: Natives) -> None:
    source = """
def main(channel):
    task = NativeTask(channel)
    kernel = client(TaskPort, task, task.self_port)
    def code(call):
        try:
            finish(call)
        except CallError as error:
            return error.code
        return 0
    assert code(kernel.mach_port_deallocate(0x9999)) == mach.KERN_INVALID_NAME
    assert code(kernel.mach_port_set_qlimit(task.reply_port(), 99)) == mach.KERN_INVALID_VALUE
    assert code(kernel.mach_port_allocate(77)) == mach.KERN_INVALID_VALUE
    assert code(kernel.mach_port_allocate_name(1, task.self_port)) == mach.KERN_NAME_EXISTS
    finish(kernel.task_terminate())
    raise AssertionError("it goes on")
"""
    task = natives.start(source)
    assert natives.ended(task) == ""
