"""What a native task cannot do: reach the host, harm the kernel, outlive it."""

from __future__ import annotations

import gc
import json
import os
import random
import select
import signal
import subprocess
import sys

import pytest
from tests.native.natives import MODULES, Natives

from skerry.abi import mach
from skerry.mach import calls
from skerry.mach.task import Task
from skerry.machine import host

pytestmark = pytest.mark.machine


@pytest.mark.parametrize(
    "attempt",
    [
        "open('/etc/passwd')",
        "os.open('/', 0)",
        "os.fork()",
        "os.execv('/bin/true', ['true'])",
        "socket.socket()",
        "os.pipe()",
        "os.kill(os.getppid(), 9)",
        "os.memfd_create('x')",
        "mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC)",
        "os.stat('/')",
        "os.read(0, 1)",
        "os.close(0)",
        "os.dup(0)",
        "os.write(0, b'x' * 48)",
        "mmap.mmap(0, 4096)",
    ],
)
def test_the_host_is_out_of_reach(natives: Natives, attempt: str) -> None:
    source = f"""
import errno, mmap, os, socket
def main(channel):
    try:
        {attempt}
    except OSError as error:
        assert error.errno == errno.EPERM, error
    else:
        raise AssertionError("it may")
"""
    assert natives.ended(natives.start(source)) == ""


def test_it_holds_no_descriptor_but_its_mappers(natives: Natives) -> None:
    task = natives.start("def main(channel):\n    NativeTask(channel).receive(NativeTask(channel).reply_port())\n")
    natives.run_until(lambda: task.waits)
    natives.run_until(lambda: len(task.space.entries) >= 3)
    assert os.listdir(f"/proc/{task.process.pid}/fd") == ["0"]


def test_last_words_are_the_error(natives: Natives) -> None:
    assert "ZeroDivisionError" in natives.ended(natives.start("def main(channel):\n    1 / 0\n"))


FUZZ = """
import random
def main(channel, seed, count):
    chance = random.Random(seed)
    task = NativeTask(channel)
    ports = [task.self_port, task.host_self(), *(task.reply_port() for _ in range(4))]
    names = [*ports, 0, 0xFFFFFFFF, 1, 0x103, 0x7FFFFFFF]
    kinds = [0, 15, 16, 17, 18, 19, 20, 21, 22, 255]
    ids = [*range(2000, 2100), *range(3200, 3220), 0, 64, 72, 2400, 2900, -1]
    def word():
        return chance.choice((chance.getrandbits(32), chance.choice(names), chance.getrandbits(4)))
    def item():
        name, number = chance.choice(range(24)), chance.choice((0, 1, 1, 1, 2, 4095))
        flags = chance.choice((1 << 28, 1 << 28, 1 << 28, 0, 1 << 30, chance.getrandbits(32)))
        bits = chance.choice((8, 32, 32, 64, chance.getrandbits(8)))
        data = b"".join(word().to_bytes(4, "little") for _ in range(chance.choice((1, 1, 2, 0, 5))))
        return ((flags & 0xF0000000 | number << 16 | bits << 8 | name) & 0xFFFFFFFF).to_bytes(4, "little") + data
    def message():
        if chance.random() < 0.1:
            return chance.randbytes(chance.randrange(64))
        id = chance.choice(ids)
        while id in (2008, 2056):  # its own end, or its own sleep
            id = chance.choice(ids)
        bits = chance.choice(kinds) | chance.choice(kinds) << 8 | chance.choice((0, 1 << 31))
        header = mach.HEADER.pack(bits, word(), chance.choice(names), chance.choice(names), word(), id & 0xFFFFFFFF)
        return header + b"".join(item() for _ in range(chance.randrange(5)))
    bad = 0
    for n in range(count):
        option = chance.choice((1, 1, 3, 2, chance.getrandbits(12))) | mach.MACH_SEND_TIMEOUT | mach.MACH_RCV_TIMEOUT
        code, data = channel.msg(message(), option, chance.choice((0, 24, 1 << 20, 0xFFFFFFFF)), chance.choice(names), 0, word())
        bad += code != 0
        channel.trap(chance.choice((-25 - 1, -28, -29, -1, -1000, 77)))
    assert bad > count // 2, bad
"""


def test_garbage_gets_codes_and_the_kernel_does_not_grow(natives: Natives) -> None:
    """10,000 hostile messages; what they made the kernel hold ends with the task."""
    warm = natives.start(FUZZ, 1, 2000)
    assert natives.ended(warm) == ""
    before = host.resident(os.getpid())
    for seed in range(2, 6):
        task = natives.start(FUZZ, seed, 2500)
        assert natives.ended(task) == ""
        assert task.space.entries == {}
    assert host.resident(os.getpid()) - before < 4 << 20


CALLS = """
import json, random
def main(channel, seed, count, table):
    chance = random.Random(seed)
    task = NativeTask(channel)
    calls = json.loads(table)
    pages = [finish(task.kernel.vm_allocate(0, 4096 * n, 1)) for n in (1, 2, 3)]
    ports = [task.self_port, task.host_self(), *(task.reply_port() for _ in range(4)), *range(0x103, 0x183, 4)]
    names = [*ports, 0, 0xFFFFFFFF, 1, 0x7FFFFFFF]
    def natural():
        page = chance.choice(pages)
        return chance.choice((0, 1, 4096, 8192, 100000, page, page + 4096, page - 1, page + chance.getrandbits(14), 1 << 63, (1 << 64) - 1))
    def rights(count):
        return machmsg.rights(chance.choice((16, 17, 18, 19, 20, 21)), *(chance.choice(names) for _ in range(count)))
    def data(name, width):
        if chance.random() < 0.4:
            number = chance.choice((0, 1, 5, 4096, 9000))
            return machmsg.Item(name, 8 * width, number, natural(), False, chance.random() < 0.3)
        length = chance.choice((0, 1, 5, 128))
        return machmsg.Item(name, 8 * width, length, chance.randbytes(length * width))
    def item(kind):
        if chance.random() < 0.03:
            kind = chance.choice(("int", "name", "natural", "bytes", "names", "right", "sends"))
        if kind == "int":
            return machmsg.integers(chance.choice((0, 0, 1, 1, 2, 3, 4, 5, 7, 16, 19, 20, 21, 69, 70, 72, -1, 1 << 30)))
        if kind == "name":
            return machmsg.Item(2, 32, 1, chance.choice((*names, 3, 17, 65535)).to_bytes(4, "little"))
        if kind == "natural":
            return machmsg.naturals(natural())
        if kind == "right":
            return rights(1)
        return rights(chance.choice((0, 1, 4, 5))) if kind == "sends" else data(9 if kind == "bytes" else 2, 1 if kind == "bytes" else 4)
    good = 0
    for n in range(count):
        id, kinds = chance.choice(calls)
        items = tuple(item(kind) for kind in kinds)
        message = UserMessage(id, task.self_port, task.reply_name, COPY, ONCE, items)
        option = 3 | mach.MACH_RCV_TIMEOUT | mach.MACH_SEND_TIMEOUT
        code, answer = channel.msg(machmsg.pack(message), option, 1 << 20, task.reply_name, 100, 0)
        if code:  # it has done away with its own names
            task.self_port, task.reply_name = channel.trap(mach.TRAP_MACH_TASK_SELF), task.reply_port()
        good += code == 0 and int.from_bytes(answer[28:32], "little") == 0
    assert good > count // 20, good
"""


def test_calls_with_hostile_arguments_leave_nothing(natives: Natives) -> None:
    """Every call on a task, well formed, with whatever arguments; but for those that end it, stop it or start others."""
    left_out = ("task_terminate", "task_suspend", "task_create", "task_set_special_port")
    chosen = [call for call in calls.TABLE if call.target == (Task,) and call.name not in left_out]
    rows = [(call.id, [kind.value for kind in call.arguments]) for call in chosen]
    descriptors = 0
    for seed in range(5):
        task = natives.start(CALLS, seed, 600, json.dumps(rows))
        assert natives.ended(task) == ""
        assert task.space.entries == {}
        natives.tasks.clear()  # its map holds memory objects as long as anybody holds it
        del task
        gc.collect()
        now = len(os.listdir("/proc/self/fd"))
        assert not descriptors or now <= descriptors
        descriptors = now


def test_a_type_name_cannot_pose_as_a_right(natives: Natives) -> None:
    """A long descriptor may have a name of 16 bits, which must not be squeezed into the 8 of a short one, beside the size in bits."""
    source = """
def main(channel):
    task = NativeTask(channel)
    port = task.reply_port()
    forged = mach.LONG_TYPE.pack(mach.TYPE_LONGFORM | mach.TYPE_INLINE, 32 << 8 | MOVE, 32, 1) + task.self_port.to_bytes(4, "little")
    header = mach.HEADER.pack(mach.MSGH_BITS_COMPLEX | MAKE, 0, port, 0, 0, 1)
    code, _ = channel.msg(header + forged, mach.MACH_SEND_MSG, 0, 0, 0, 0)
    (item,) = task.receive(port).items
    assert not item.is_rights and item.name == 32 << 8 | MOVE, item
"""
    assert natives.ended(natives.start(source)) == ""


def test_garbage_in_the_channel_is_an_answer_or_nothing(natives: Natives) -> None:
    """Whatever the words of the channel say at whatever time, the kernel stands."""
    chance = random.Random(7)
    task = natives.start("def main(channel):\n    NativeTask(channel).receive(NativeTask(channel).reply_port())\n")
    natives.run_until(lambda: task.waits)
    descriptor = os.dup(task.process.channel.descriptor)
    try:
        for _ in range(300):
            os.pwrite(descriptor, chance.randbytes(64), 0)
            number = mach.TRAP_MACH_MSG if chance.random() < 0.7 else chance.getrandbits(31)
            os.pwrite(descriptor, number.to_bytes(4, "little", signed=True), 24)
            task.process.callback()
            natives.kernel.processor.run()
    finally:
        os.close(descriptor)
    assert natives.ended(natives.start("def main(channel):\n    pass\n")) == ""


KERNEL = f"""
import sys
from skerry.mach.kernel import Kernel
from skerry.mach.native import NativeTask
from skerry.machine import Machine
from skerry.machine.native_task import Template
with Machine() as machine, Template(machine, {MODULES!r}) as template:
    kernel = Kernel(machine)
    task = NativeTask(kernel, template, "main", "def main(channel):\\n    while True: pass")
    print(template._pid, task.process.pid, flush=True)
    sys.stdin.read()
"""


def test_tasks_and_template_die_with_the_kernel() -> None:
    with subprocess.Popen([sys.executable, "-c", KERNEL], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as kernel:
        assert kernel.stdout is not None
        numbers = [int(word) for word in kernel.stdout.readline().split()]
        handles = [os.pidfd_open(number) for number in numbers]
        kernel.send_signal(signal.SIGKILL)
    for handle in handles:
        ended, _, _ = select.select([handle], [], [], 10)
        os.close(handle)
        assert ended
