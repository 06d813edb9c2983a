"""Native tasks that are suspended by a message to their task's or thread's port: in a call, in their program, by themselves, in the end."""

from __future__ import annotations

import os

import pytest
from tests.native.natives import Natives
from tests.native.test_messages import pair

from skerry.abi import mach
from skerry.mach import calls
from skerry.mach.errors import KernReturn
from skerry.mach.native import NativeTask
from skerry.machine import host

pytestmark = pytest.mark.machine

COUNTER = """
def main(channel):
    task = NativeTask(channel)
    memory = channel.memory(finish(task.kernel.vm_allocate(0, 4096, 1)), 4096)
    task.send(UserMessage(1, task.reply_port(), remote_type=MAKE))
    while True:
        memory[0] = (memory[0] + 1) % 256
"""
WAITER = """
def main(channel, port):
    task = NativeTask(channel)
    assert task.receive(port).id == 1
"""


def counted(task: NativeTask) -> bytes:
    return task.map.space.read(task.map.regions[0].start, 1)


def counts(task: NativeTask) -> bool:
    """Whether it makes no more calls."""
    return any(entry.types & mach.MACH_PORT_TYPE_RECEIVE and entry.port.messages for entry in task.space.entries.values()) and (
        not task.process.channel.owes
    )


def call(natives: Natives, name: str, task: NativeTask, *arguments: object) -> int:
    return calls.invoke(natives.kernel, name, task if name.startswith(("task", "vm")) else task.thread, *arguments)[0]


@pytest.mark.parametrize("kind", ["task", "thread"])
def test_running_program_stands_still_and_goes_on(natives: Natives, kind: str) -> None:
    task = natives.start(COUNTER)
    natives.run_until(lambda: counts(task))
    assert call(natives, f"{kind}_suspend", task) == 0
    assert host.process_state(task.process.pid) == "T"
    before = counted(task)
    assert counted(task) == before
    assert call(natives, "vm_allocate", task, 0, 4096, 1) == KernReturn.RESOURCE_SHORTAGE
    assert call(natives, f"{kind}_resume", task) == 0
    while counted(task) == before:
        os.sched_yield()
    assert call(natives, f"{kind}_resume", task) == KernReturn.FAILURE


def test_task_that_waits_gets_its_message_when_it_is_resumed(natives: Natives) -> None:
    sender = """
def main(channel, port):
    task = NativeTask(channel)
    task.send(UserMessage(1, port, remote_type=COPY))
    task.receive(task.reply_port())
"""
    first, second = pair(natives, WAITER, "def main(channel, port):\n    NativeTask(channel).receive(port)\n")
    natives.run_until(lambda: first.waits)
    assert call(natives, "task_suspend", first) == 0
    third = natives.start(sender, 0x2001)
    natives.give_send(third, first.space.lookup(0x1001).port, 0x2001)
    natives.run_until(lambda: third.waits and len(third.space.entries) == 4)
    port = first.space.lookup(0x1001).port
    assert (port.messages, first.waits) == (port.messages.__class__(), False)
    assert first.process.channel.owes
    assert call(natives, "task_resume", first) == 0
    assert natives.ended(first) == ""
    assert natives.ended(second)


def test_task_suspends_itself_and_gets_its_answer_later(natives: Natives) -> None:
    source = """
def main(channel):
    task = NativeTask(channel)
    finish(task.kernel.task_suspend())
    task.reply_port()
"""
    task = natives.start(source)
    natives.run_until(lambda: task.suspend_count == 1)
    assert task.process.channel.owes
    assert len(task.space.entries) == 2
    assert call(natives, "task_resume", task) == 0
    assert natives.ended(task) == ""


def test_suspended_task_can_be_ended(natives: Natives) -> None:
    task = natives.start(COUNTER)
    natives.run_until(lambda: counts(task))
    pid = task.process.pid
    assert call(natives, "task_suspend", task) == 0
    assert call(natives, "task_terminate", task) == 0
    assert not task.alive
    while host.process_state(pid) not in ("Z", "X", ""):
        os.sched_yield()


def test_call_that_rang_as_the_task_was_stopped_is_answered_on_resume(natives: Natives) -> None:
    """The kernel takes the call of a stopped task, and the answer waits."""
    source = """
def main(channel):
    task = NativeTask(channel)
    while True:
        channel.trap(mach.TRAP_MACH_THREAD_SELF)
"""
    task = natives.start(source)
    natives.run_until(lambda: len(task.space.entries) == 3)
    for _ in range(20):
        natives.kernel.wait_once(natives.machine.monotonic() + 10**9)
        assert call(natives, "task_suspend", task) == 0
        assert call(natives, "task_resume", task) == 0
    before = natives.kernel.messages
    natives.run_until(lambda: natives.kernel.messages > before + 20)
