"""A native task that sends garbage to every object of the kernel: ``python -m tests.native.fuzz [COUNT] [--seed N]`` (a million messages).

Half of the messages are bytes: truncated, of wrong types, with forged names and huge counts. Half are calls, well formed, with whatever
arguments, on tasks, threads, hosts, processors, sets, devices and memory objects; what they suspend is resumed, what they end is started
anew. The kernel must answer each with a code; when the tasks are gone, nothing of them may be left: the command prints memory, descriptors
and objects as it goes on, and fails if they grow.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from dataclasses import dataclass

import click
from tests.native.natives import MODULES, Natives

from skerry.mach import calls, right
from skerry.mach.native import NativeTask
from skerry.mach.port import Port
from skerry.mach.processor_set import thread_assign
from skerry.mach.right import RightKind
from skerry.mach.task import task_resume
from skerry.mach.thread import thread_resume
from skerry.machine import Machine, host
from skerry.machine.native_task import Template

FIRST_NAME = 0x5001
ONE_TASK = 2500  # messages
SLACK = 4  # descriptors of what is under way when it is counted
ENDS = (2008, 2016, 2635)  # what ends a task is asked for less often
ATTACK = """
import json, random
def main(channel, seed, count, given, table):
    chance = random.Random(seed)
    task = NativeTask(channel)
    calls = json.loads(table)
    thread = channel.trap(mach.TRAP_MACH_THREAD_SELF)
    given = list(range(0x5001, 0x5001 + given))
    pages = [finish(task.kernel.vm_allocate(0, 4096 * n, 1)) for n in (1, 2, 3, 16)]
    objects = [task.self_port, thread, task.host_self(), *given]
    by_kind = {"Task": [task.self_port, given[2]], "Thread": [thread, given[3]], "Host": [objects[2], given[0]], "HostPriv": [given[0]]}
    by_kind |= {"DeviceMaster": [given[1]], "ProcessorSet": [given[4]], "HostProcessor": given[5:]}
    ports = [*objects, *(task.reply_port() for _ in range(4)), *range(0x103, 0x183, 4)]
    names = [*ports, 0, 0xFFFFFFFF, 1, 0x7FFFFFFF]
    def word():
        return chance.choice((chance.getrandbits(32), chance.choice(names), chance.getrandbits(4)))
    def natural():
        page = chance.choice(pages)
        near = (page, page + 4096, page - 1, page + chance.getrandbits(14))
        return chance.choice((0, 1, 4096, 8192, 100000, *near, 1 << 63, (1 << 64) - 1))
    def rights(count):
        return machmsg.rights(chance.choice((16, 17, 18, 19, 20, 21)), *(chance.choice(names) for _ in range(count)))
    def data(name, width):
        if chance.random() < 0.4:
            number = chance.choice((0, 1, 5, 4096, 9000))
            return machmsg.Item(name, 8 * width, number, natural(), False, chance.random() < 0.3)
        length = chance.choice((0, 1, 4, 128))
        plain = b"zero".ljust(length * width, bytes(1))[: length * width]
        return machmsg.Item(name, 8 * width, length, chance.choice((chance.randbytes(length * width), plain)))
    WIDTHS = {"bytes": (9, 1), "memory": (9, 1), "inline": (9, 1), "names": (2, 4), "naturals": (11, 8)}
    KINDS = (*WIDTHS, "int", "name", "natural", "right", "sends")
    def item(kind):
        if chance.random() < 0.03:
            kind = chance.choice(KINDS)
        if kind == "int":
            return machmsg.integers(chance.choice((0, 0, 1, 1, 2, 3, 4, 5, 7, 12, 16, 19, 20, 31, 69, 70, 72, -1, 1 << 30)))
        if kind == "name":
            return machmsg.Item(2, 32, 1, chance.choice((*names, 3, 17, 65535)).to_bytes(4, "little"))
        if kind == "natural":
            return machmsg.naturals(natural())
        if kind == "right":
            return rights(1)
        if kind == "sends":
            return rights(chance.choice((0, 1, 4, 5)))
        return data(*WIDTHS[kind])
    def call():
        id, kinds, target = chance.choice(calls)
        target = chance.choice(by_kind.get(target, names) if chance.random() < 0.9 else names)
        return machmsg.pack(UserMessage(id, target, task.reply_name, COPY, ONCE, tuple(item(kind) for kind in kinds)))
    def garbage():
        if chance.random() < 0.1:
            return chance.randbytes(chance.randrange(64))
        kinds = [0, 15, 16, 17, 18, 19, 20, 21, 22, 255]
        bits = chance.choice(kinds) | chance.choice(kinds) << 8 | chance.choice((0, 1 << 31))
        body = b""
        for _ in range(chance.randrange(5)):
            name, number = chance.randrange(24), chance.choice((0, 1, 1, 1, 2, 4095))
            flags = chance.choice((1 << 28, 1 << 28, 1 << 28, 0, 1 << 30, chance.getrandbits(32)))
            size = chance.choice((8, 32, 32, 64, chance.getrandbits(8)))
            body += ((flags & 0xF0000000 | number << 16 | size << 8 | name) & 0xFFFFFFFF).to_bytes(4, "little")
            body += b"".join(word().to_bytes(4, "little") for _ in range(chance.choice((1, 1, 2, 0, 5))))
        id = chance.choice((chance.choice(calls)[0], 0, 64, 72, 2400, 2900, 0xFFFFFFFF))
        return mach.HEADER.pack(bits, word(), chance.choice(names), chance.choice(names), word(), id) + body
    limits = mach.MACH_SEND_TIMEOUT | mach.MACH_RCV_TIMEOUT
    for n in range(count):
        if n % 2:
            option = chance.choice((1, 1, 3, 2, chance.getrandbits(12))) | limits
            channel.msg(garbage(), option, chance.choice((0, 24, 1 << 20, 0xFFFFFFFF)), chance.choice(names), 0, word())
        elif channel.msg(call(), 3 | limits, 1 << 20, task.reply_name, 2, 0)[0]:  # it has done away with its own names
            task.self_port, task.reply_name = channel.trap(mach.TRAP_MACH_TASK_SELF), task.reply_port()
        if n % 8 == 0:
            channel.trap(chance.choice((-26, -27, -28, -29, -1, -17, -59, -60, -1000, 77)))
"""
IDLE = """
def main(channel):
    task = NativeTask(channel)
    task.receive(task.reply_port())
"""


@dataclass(frozen=True)
class Left:
    """What the kernel holds."""

    memory: int  # bytes in use
    descriptors: int
    objects: int  # of Python


def left() -> Left:
    gc.collect()
    return Left(host.resident(os.getpid()), len(os.listdir("/proc/self/fd")), len(gc.get_objects()))


def _target(call: calls.Call) -> str:
    return call.target[0].__name__ if isinstance(call.target, tuple) else call.target.__name__


class Attack:
    """One kernel under attack."""

    def __init__(self, natives: Natives) -> None:
        self.natives = natives
        rows = [(call.id, [kind.value for kind in call.arguments], _target(call)) for call in calls.TABLE]
        self.table = json.dumps([row for row in rows for _ in range(1 if row[0] in ENDS else 8)])
        self.errors: list[str] = []  # last words that no attack explains

    def run(self, seed: int, count: int) -> int:
        """One task, beside one that waits, sends ``count`` messages, or fewer if it ends itself; how many calls the kernel has taken."""
        natives = self.natives
        before = natives.kernel.messages
        other = natives.start(IDLE)
        natives.run_until(lambda: other.waits)
        given = self._ports(other)
        task = natives.start(ATTACK, seed, count, len(given), self.table)
        for name, port in enumerate(given, FIRST_NAME):
            task.space.copyout_name(RightKind.SEND, right.make_send(port), name)
        natives.run_until(lambda: self._wake(task) or not task.alive)
        if task.last_words and "CallError" not in task.last_words and "MessageFailure" not in task.last_words:
            self.errors.append(task.last_words)
        other.terminate()
        natives.kernel.processor.run()
        assert not task.space.entries
        assert not other.space.entries
        self._tidy()
        natives.tasks.clear()
        return natives.kernel.messages - before

    def _ports(self, other: NativeTask) -> list[Port]:
        ours = self.natives.kernel.host
        return [ours.priv_port, ours.devices.port, other.port, other.thread.port, ours.default_set.port, *(p.port for p in ours.processors)]

    def _wake(self, task: NativeTask) -> bool:
        """Resume what has suspended itself."""
        while task.alive and task.suspend_count:
            task_resume(task)
        while task.alive and task.thread.suspend_count:
            thread_resume(task.thread)
        if task.alive and task.thread.without_processor:
            thread_assign(task.thread, self.natives.kernel.host.default_set)
        return False

    def _tidy(self) -> None:
        """End what the task has made and nobody holds: tasks and sets live until they are ended."""
        kernel = self.natives.kernel
        for task in list(kernel.tasks):
            task.terminate()
        for each in [each for each in kernel.host.sets if each is not kernel.host.default_set]:
            calls.invoke(kernel, "processor_set_destroy", each)
        kernel.processor.run()


@click.command()
@click.argument("count", type=int, default=1_000_000)
@click.option("--seed", type=int, default=1)
def main(count: int, seed: int) -> None:
    """Send COUNT messages, and print what the kernel holds."""
    with Machine() as machine, Template(machine, MODULES) as template:
        attack = Attack(Natives(machine, template))
        first: Left | None = None
        done = 0
        while done < count:
            before, done = done, done + attack.run(seed, ONE_TASK)
            seed += 1
            if first is None and done >= min(count // 4, 50_000):
                first = left()
            if done // 50_000 > before // 50_000 or done >= count:
                now = left()
                click.echo(f"{done:>9} messages: {now.memory >> 10} KiB, {now.descriptors} descriptors, {now.objects} objects")
    assert first is not None
    grown = now.memory - first.memory, now.descriptors - first.descriptors, now.objects - first.objects
    click.echo(f"grown since the first quarter: {grown[0] >> 10} KiB, {grown[1]} descriptors, {grown[2]} objects")
    click.echo(f"errors: {attack.errors or 'none'}")
    sys.exit(bool(attack.errors) or grown[0] > 8 << 20 or grown[1] > SLACK or grown[2] > 2000)


if __name__ == "__main__":
    main()
