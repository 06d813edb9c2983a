"""Two pagers at work: ``python examples/pagers/demo.py compressed`` and ``... file``.

compressed: a task uses 64 MiB of memory, of which 4 MiB may be in memory as they are. file: a task maps a file of 1 TiB and reads three
pages.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import click

from skerry.abi import mach
from skerry.mach import mach_port as mp
from skerry.mach import right
from skerry.mach.disk import Disk
from skerry.mach.kernel import Kernel
from skerry.mach.native import NativeTask
from skerry.mach.port import Port
from skerry.mach.right import RightKind
from skerry.machine import HostFile, Machine
from skerry.machine.native_task import Template

PAGE = mach.PAGE_SIZE
TERABYTE = 1 << 40
WARM = 1024  # pages of compressed memory that may be in memory as they are
PORT, DEVICE = 0x2001, 0x2002  # what the tasks call their rights
COMPRESSED_CLIENT = """
from compressed_pager import CompressedMemory
from skerry.lib.channel import NativeTask
from skerry.lib.stubs import client, finish

def line(at):
    return b"line %d of the log, and nothing happened\\n" % at

def main(channel, port, size):
    task = NativeTask(channel)
    pager = client(CompressedMemory, task, port)
    memory_object = finish(pager.create(size))
    memory = channel.memory(finish(task.kernel.vm_map(0, size, 0, 1, memory_object, 0, 0, 3, 7, 1)), size)
    start = channel.clock()
    for at in range(0, size, 4096):
        memory[at : at + 4096] = (line(at) * 110)[:4096]
    wrong = sum(memory[at : at + 20] != line(at)[:20] for at in range(0, size, 4096))
    seconds = (channel.clock() - start) / 1e9
    warm, kept, taken = finish(pager.statistics())
    say = f"{size >> 20} MiB written and read in {seconds:.1f} s, {wrong} pages wrong: {warm} in memory, {kept} in {taken >> 10} KiB"
    raise RuntimeError(say)
"""
FILE_CLIENT = """
from skerry.lib.channel import NativeTask
from skerry.lib.stubs import finish

def main(channel, port, size):
    task = NativeTask(channel)
    at = finish(task.kernel.vm_map(0, size, 0, 1, port, 0, 0, 1, 1, 1))
    memory = channel.memory(at, size)
    start = channel.clock()
    found = [bytes(memory[place : place + 9]).decode() for place in (0, size // 2, size - 4096)]
    raise RuntimeError(f"{found} in {(channel.clock() - start) / 1e6:.1f} ms")
"""


class System:
    """A kernel that runs native tasks."""

    def __init__(self, machine: Machine, template: Template) -> None:
        self.machine = machine
        self.template = template
        self.kernel = Kernel(machine)

    def pager(self, entry: str, *arguments: int) -> tuple[NativeTask, Port]:
        """A pager's task, and the port that it serves."""
        task = NativeTask(self.kernel, self.template, entry, None, [PORT, *arguments])
        mp.mach_port_allocate_name(task, RightKind.RECEIVE, PORT)
        return task, task.space.lookup(PORT).port

    def give(self, task: NativeTask, port: Port, name: int) -> None:
        """A send right."""
        task.space.copyout_name(RightKind.SEND, right.make_send(port), name)

    def run(self, source: str, port: Port, size: int) -> str:
        """A client of the pager, to its end; what it says."""
        task = NativeTask(self.kernel, self.template, "main", source, [PORT, size])
        self.give(task, port, PORT)
        while task.alive:
            self.kernel.handle(self.machine.wait(self.kernel.processor.next_deadline()))
        return task.last_words.strip().rpartition("RuntimeError: ")[2]


def compressed(system: System, mebibytes: int) -> None:
    """Memory that is compressed when it is cold."""
    _, port = system.pager("compressed_pager:main", WARM)
    click.echo(system.run(COMPRESSED_CLIENT, port, mebibytes << 20))


def file(system: System, size: int) -> None:
    """A sparse file, of which three pages are read."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "large")
        with path.open("wb") as stream:
            stream.truncate(size)
            for place in (0, size // 2, size - PAGE):
                stream.seek(place)
                stream.write(b"page %04x" % (place // PAGE % 65536))
        disk = Disk(HostFile(os.open(path, os.O_RDONLY | os.O_CLOEXEC)), size // PAGE)
        system.kernel.host.devices.register("file", disk)
        pager, port = system.pager("file_pager:main", DEVICE, 0)
        system.give(pager, system.kernel.host.devices.open(mach.D_READ, b"file"), DEVICE)
        click.echo(f"{system.run(FILE_CLIENT, port, size)}; {system.kernel.resident.count} pages of {size // PAGE} are in memory")


@click.command()
@click.argument("which", type=click.Choice(["compressed", "file"]))
@click.option("--size", type=int, default=64, help="MiB of memory (compressed)")
def main(which: str, size: int) -> None:
    """Run one of the example pagers and a client of it."""
    sys.path.insert(0, str(Path(__file__).parent))
    modules = ["skerry.lib.service", "skerry.lib.pager", "compressed_pager", "file_pager"]
    with Machine() as machine, Template(machine, modules) as template:
        system = System(machine, template)
        if which == "compressed":
            compressed(system, size)
        else:
            file(system, TERABYTE)


if __name__ == "__main__":
    main()
