"""Pagers and their clients for tests: native tasks, and guest programs that touch memory."""

from __future__ import annotations

from tests.native.natives import Natives

from skerry.mach import message, notify, right
from skerry.mach.native import NativeTask
from skerry.mach.port import Port
from skerry.mach.release import release
from skerry.mach.right import RightKind

OBJECT = 0x2001  # what clients call the memory object
STEP = 0x2002  # where they receive when they wait for the test
PAGE = 4096
CLIENT = """
def main(channel, *arguments):
    task = NativeTask(channel)
    kernel = task.kernel
    def map_object(size, offset=0, copy=0, protection=3, inheritance=1, address=0, object=0x2001):
        where = finish(kernel.vm_map(address, size, 0, int(not address), object, offset, copy, protection, 7, inheritance))
        return where
    def view(address, size):
        return channel.memory(address, size)
    def read(address, size):
        return bytes(channel.memory(address, size))
    def code_of(call):
        try:
            finish(call)
        except CallError as error:
            return error.code
        return 0
    def step():
        "Tell the test that we are here, and wait until it lets us go on."
        task.receive(0x2002)
    PAGE = 4096
"""
PAGER = """
from skerry.lib.pager import *
from skerry.lib.service import Service
class Pages(Backing):
    def __init__(self, log):
        self.log, self.pages = log, {}
    async def read(self, offset, length):
        self.log.append(("read", offset // 4096, length // 4096))
        return b"".join(self.pages.get(at, b"%07d\\n" % at * 512) for at in range(offset // 4096, (offset + length) // 4096))
    async def write(self, offset, data, dirty):
        self.log.append(("write" if dirty else "precious", offset // 4096, len(data) // 4096))
        for at in range(len(data) // 4096):
            self.pages[offset // 4096 + at] = data[at * 4096 : (at + 1) * 4096]
    async def unlock(self, offset, length, access):
        self.log.append(("unlock", offset // 4096, length // 4096, access))
        return 0
    async def closed(self):
        self.log.append(("closed",))
"""


def indented(source: str) -> str:
    return "".join(f"    {line}\n" for line in source.strip("\n").splitlines())


class Paging:
    """A pager and its clients."""

    def __init__(self, natives: Natives) -> None:
        self.natives = natives

    def pager(self, body: str, *arguments: str | int) -> tuple[NativeTask, Port]:
        """A task with PAGER's names whose main's ``body`` has ``channel``, ``service`` and ``port``: the object's receive right."""
        source = PAGER + "def main(channel, port, *arguments):\n    service = Service(channel)\n" + indented(body)
        task = self.natives.start(source, OBJECT, *arguments)
        return task, self.natives.new_port(task, OBJECT)

    def client(self, port: Port, body: str, *arguments: str | int) -> NativeTask:
        """A task with CLIENT's names that can map ``port``."""
        task = self.natives.start(CLIENT + indented(body), *arguments)
        self.natives.give_send(task, port, OBJECT)
        self.natives.new_port(task, STEP)
        return task

    def wait_for_step(self, client: NativeTask) -> None:
        """Until it is in ``step``."""
        port = client.space.lookup(STEP).port
        self.natives.run_until(lambda: bool(port.receivers))

    def let_go(self, client: NativeTask) -> None:
        """End its ``step``."""
        once = right.make_send_once(client.space.lookup(STEP).port)
        release(*notify.post(message.simple(1, once, RightKind.SEND_ONCE)))
        self.natives.kernel.processor.run()
