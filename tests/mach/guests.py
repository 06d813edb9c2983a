"""Tasks that run guest code on a real machine, and a task without memory that acts as their server."""

from __future__ import annotations

from collections.abc import Callable

from tests.mach.world import Outcome, World

from skerry.abi import linux, mach
from skerry.abi import registers as reg
from skerry.abi.machmsg import UserMessage
from skerry.mach import calls, right
from skerry.mach import mach_port as mp
from skerry.mach.errors import KernReturn
from skerry.mach.ipc import ANY_SIZE, mach_msg
from skerry.mach.kernel import Kernel
from skerry.mach.right import RightKind
from skerry.mach.space import Space
from skerry.mach.task import Task
from skerry.mach.thread import Thread
from skerry.machine import Machine

CODE = 0x400000
STACK = 0x500000
SYSCALL = b"\x0f\x05"
SPIN = b"\xeb\xfe"
SECONDS = 1_000_000_000


def mov_eax(number: int) -> bytes:
    return b"\xb8" + number.to_bytes(4, "little")


class Guests:
    """A kernel and the tasks of one test."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.kernel = Kernel(machine)
        self.tasks: list[Task] = []
        self.server = ServerTask(self)

    def task(self) -> tuple[Task, Thread]:
        """A task with a page of code and one of stack, whose traps go nowhere yet."""
        task, thread = self.kernel.first_task(None)
        self.tasks.append(task)
        for address in (CODE, STACK):
            assert self.call("vm_allocate", task, address, 0x1000, 0)[0] == KernReturn.SUCCESS
        self.call("vm_protect", task, CODE, 0x1000, 0, mach.VM_PROT_ALL)
        return task, thread

    def start(self, thread: Thread, code: bytes) -> None:
        thread.task.map.space.write(CODE, code)
        thread.set(reg.RIP, CODE)
        thread.set(reg.RSP, STACK + 0x800)
        thread.set(reg.EFLAGS, 0x202)
        thread.resume()

    def call(self, name: str, target: Task | Thread, *arguments: object) -> tuple[KernReturn, tuple[object, ...]]:
        return calls.invoke(self.kernel, name, target, *arguments)

    def run_until(self, done: Callable[[], bool]) -> None:
        """Serve traps until ``done``; fails after 5 s without a trap."""
        self.kernel.processor.run()
        while not done():
            trap = self.machine.wait(self.machine.monotonic() + 5 * SECONDS)
            assert trap is not None, "nothing happens"
            self.kernel.handle(trap)

    def end(self) -> None:
        for task in self.tasks:
            task.terminate()
        self.kernel.processor.run()


class ServerTask:
    """Names without memory, on the kernel's processor."""

    def __init__(self, guests: Guests) -> None:
        self.guests = guests
        self.processor = guests.kernel.processor
        self.space = Space()
        self.map = None

    def msg(self, message: UserMessage | None, option: int, name: int = 0) -> Outcome:
        outcome = Outcome()
        outcome.call = mach_msg(self, message, option, outcome, receive_size=ANY_SIZE, receive_name=name)
        return outcome

    def new_port(self) -> int:
        return mp.mach_port_allocate(self, RightKind.RECEIVE)

    def name_of(self, target: Task | Thread) -> int:
        """A send right to an object."""
        return self.space.copyout(RightKind.SEND, right.make_send(target.port))

    def send_right(self, name: int) -> tuple[RightKind, object]:
        """A send right made of our receive right, for a call."""
        return mp.mach_port_extract_right(self, name, mach.MSG_TYPE_MAKE_SEND)

    def receive(self, name: int) -> UserMessage:
        """The next message, whatever it takes."""
        outcome = self.msg(None, mach.MACH_RCV_MSG, name)
        self.guests.run_until(lambda: outcome.code is not None)
        return outcome.received

    def reply(self, to: UserMessage, body: bytes) -> None:
        answer = UserMessage(to.id + mach.REPLY_ID, to.remote, remote_type=mach.MSG_TYPE_MOVE_SEND_ONCE, body=body)
        assert self.msg(answer, mach.MACH_SEND_MSG).code == 0


__all__ = ["CODE", "SPIN", "STACK", "SYSCALL", "Guests", "ServerTask", "World", "linux", "mov_eax"]
