"""Memory that the kernel maps in native tasks, and data out of line."""

from __future__ import annotations

import os
import signal

import pytest
from tests.native.natives import Natives
from tests.native.test_messages import CLIENT, SERVER, pair

pytestmark = pytest.mark.machine


def test_vm_calls_on_oneself(natives: Natives) -> None:
    source = """
def main(channel):
    task = NativeTask(channel)
    kernel = task.kernel
    address = finish(kernel.vm_allocate(0, 10000, 1))
    memory = channel.memory(address, 12288)
    assert bytes(memory) == bytes(12288)
    memory[:5] = b"hello"
    assert finish(kernel.vm_read(address, 5)) == b"hello"
    finish(kernel.vm_write(address + 4096, bytes(range(200))))
    assert bytes(memory[4096:4296]) == bytes(range(200))
    finish(kernel.vm_deallocate(address, 10000))
    try:
        finish(kernel.vm_read(address, 5))
    except CallError as error:
        assert error.code == mach.KERN_INVALID_ADDRESS
    else:
        raise AssertionError("it is still there")
    for wrong in (0x1000, 1 << 63, 0x7FFFFFFFF000):
        try:
            finish(kernel.vm_allocate(wrong, 4096, 0))
        except CallError as error:
            assert error.code in (mach.KERN_INVALID_ADDRESS, mach.KERN_RESOURCE_SHORTAGE), error.code
        else:
            raise AssertionError("not the kernel's to map")
"""
    task = natives.start(source)
    assert natives.ended(task) == ""


def test_names_come_out_of_line(natives: Natives) -> None:
    source = """
def main(channel):
    task = NativeTask(channel)
    names, types = finish(task.kernel.mach_port_names())
    assert task.self_port in names and len(names) == len(types) == 2, names
"""
    assert natives.ended(natives.start(source)) == ""


@pytest.mark.parametrize("size", [1, 4095, 4097, 100_000, 16 << 20])
def test_data_out_of_line_arrive_and_nothing_is_left(natives: Natives, size: int) -> None:
    server = """
def main(channel, port):
    task = NativeTask(channel)
    request = task.inline(task.receive(port))
    reply = UserMessage(request.id + 100, request.remote, 0, request.remote_type, items=(machmsg.Item(9, 8, 8, bytes(8)), *request.items))
    task.send(reply)
    task.receive(port)
"""
    client = f"""
def main(channel, port):
    task = NativeTask(channel)
    data = (b"0123456789abcdef" * ({size} // 16 + 1))[:{size}]
    answer = finish(task.rpc(UserMessage(1, port, remote_type=COPY, items=(machmsg.Item(9, 8, {size}, data, False),))))
    assert answer.items[1].data == data
    task.receive(task.reply_port())
"""
    if size > 1 << 19:  # too much to come back inline
        server = server.replace("*request.items", "machmsg.Item(9, 8, len(request.items[0].data), request.items[0].data, False)")
    first, second = pair(natives, server, client)
    natives.run_until(lambda: (second.waits and len(second.space.entries) == 4) or not second.alive)
    assert second.last_words == ""
    assert first.map.regions == second.map.regions == []


def test_what_is_sent_is_what_it_was_when_it_was_sent(natives: Natives) -> None:
    source = """
def main(channel):
    task = NativeTask(channel)
    port = task.reply_port()
    address = finish(task.kernel.vm_allocate(0, 8192, 1))
    memory = channel.memory(address, 8192)
    memory[:3] = b"old"
    task.send(UserMessage(1, port, remote_type=MAKE, items=(machmsg.Item(9, 8, 8192, address, False),)))
    memory[:3] = b"new"
    (item,) = task.receive(port).items
    assert item.data != address
    assert bytes(channel.memory(item.data, 3)) == b"old"
    channel.memory(item.data, 3)[:] = b"own"
    assert bytes(memory[:3]) == b"new"
"""
    assert natives.ended(natives.start(source)) == ""


def test_killed_with_data_on_their_way(natives: Natives) -> None:
    """The receiver dies; the sender's memory and the kernel are well."""
    client = """
def main(channel, port):
    task = NativeTask(channel)
    for n in range(4):
        task.send(UserMessage(n, port, remote_type=COPY, items=(machmsg.Item(9, 8, 1 << 20, bytes(1 << 20), False),)))
    task.receive(task.reply_port())
"""
    first, second = pair(natives, "def main(channel, port):\n    NativeTask(channel)\n    while True: pass\n", client)
    port = first.space.lookup(SERVER).port
    natives.run_until(lambda: len(port.messages) == 4)
    os.kill(first.process.pid, signal.SIGKILL)
    natives.run_until(lambda: not first.alive)
    assert port.dead
    assert not port.messages
    assert second.map.regions == []
    assert CLIENT in second.space.entries
