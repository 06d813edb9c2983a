"""Page faults to a user's pager, beside the host's own and userfaultfd: ``python -m bench.paging [--json FILE]``.

The pager is what a user writes (``skerry.lib.pager``), in a native task; who faults is a program (machine code) or another native task. A
figure is for one page, the median of the batches. "One page": every fault asks for one page; "in a run": the program goes through memory in
order, and a request is for up to 64 pages. userfaultfd has its handler in Python, too, in another process; where the host does not permit
it the row is missing.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import mmap
import os
import socket
import struct
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import click

from skerry.abi import mach
from skerry.abi import registers as reg
from skerry.mach import calls, right
from skerry.mach import mach_port as mp
from skerry.mach.kernel import Kernel
from skerry.mach.native import NativeTask
from skerry.mach.right import RightKind
from skerry.machine import Machine
from skerry.machine.native_task import Template

PAGE = 4096
PAGES = 512  # of one batch
BATCHES = 6
ROUNDS = 3
OBJECT = 0x2001
BASE = 0x10000000
CODE = 0x400000
PAGER = """
from skerry.lib.pager import *
from skerry.lib.service import Service
class Pages(Backing):
    def __init__(self):
        self.data = bytes(range(256)) * 1024
    async def read(self, offset, length):
        return self.data[:length]
def main(channel, port):
    service = Service(channel)
    PagerService(service).serve_object(port, Pages())
    service.run()
"""
CLIENT = """
from skerry.lib.channel import NativeTask
from skerry.lib.stubs import finish
def main(channel, object, pages, batches, step):
    kernel = NativeTask(channel).kernel
    times = []
    for batch in range(batches):
        at = finish(kernel.vm_map(0, pages * 4096, 0, 1, object, batch * pages * 4096, 0, 3, 7, 1))
        memory = channel.memory(at, pages * 4096)
        places = range(0, pages * 4096, 4096)[::step]
        start = channel.clock()
        for place in places:
            memory[place]
        times.append((channel.clock() - start) / pages)
    raise RuntimeError(" ".join(map(str, times)))
"""
# touch: mov al, [rdi]; add rdi, rsi; dec rcx; jnz touch; syscall
TOUCH = b"\x8a\x07\x48\x01\xf7\x48\xff\xc9\x75\xf6\x0f\x05"


class _System:
    """A kernel with a pager."""

    def __init__(self, stack: ExitStack) -> None:
        self.machine = stack.enter_context(Machine())
        self.template = stack.enter_context(Template(self.machine, ["skerry.lib.pager", "skerry.lib.service"]))

    def _start(self) -> tuple[Kernel, NativeTask]:
        kernel = Kernel(self.machine)
        pager = NativeTask(kernel, self.template, "main", PAGER, [OBJECT])
        mp.mach_port_allocate_name(pager, RightKind.RECEIVE, OBJECT)
        return kernel, pager

    def native(self, step: int) -> list[float]:
        """A native task touches the pages, upwards (1) or downwards (-1)."""
        kernel, pager = self._start()
        task = NativeTask(kernel, self.template, "main", CLIENT, [OBJECT, PAGES, BATCHES, step])
        task.space.copyout_name(RightKind.SEND, right.make_send(pager.space.lookup(OBJECT).port), OBJECT)
        while task.alive:
            kernel.handle(self.machine.wait(self.machine.monotonic() + 1_000_000_000))
        pager.terminate()
        return [float(word) for word in task.last_words.splitlines()[-1].partition(": ")[2].split()]

    def program(self, step: int) -> list[float]:
        """Machine code touches them."""
        kernel, pager = self._start()
        task, thread = kernel.first_task(None)
        calls.invoke(kernel, "vm_allocate", task, CODE, PAGE, 0)
        calls.invoke(kernel, "vm_protect", task, CODE, PAGE, 0, mach.VM_PROT_ALL)
        task.map.space.write(CODE, TOUCH)
        done: list[int] = []
        task.redirect = done.append  # type: ignore[assignment]
        times = []
        for batch in range(BATCHES):
            held = (RightKind.SEND, right.make_send(pager.space.lookup(OBJECT).port))
            arguments = (BASE, PAGES * PAGE, 0, 0, held, batch * PAGES * PAGE, 0, mach.VM_PROT_DEFAULT, mach.VM_PROT_ALL, 1)
            assert calls.invoke(kernel, "vm_map", task, *arguments)[0] == 0
            thread.set(reg.RIP, CODE)
            thread.set(reg.RDI, BASE if step > 0 else BASE + (PAGES - 1) * PAGE)
            thread.set(reg.RSI, step * PAGE & (1 << 64) - 1)
            thread.set(reg.RCX, PAGES)
            done.clear()
            start = time.monotonic_ns()
            thread.resume()
            while not done:
                kernel.handle(self.machine.wait(self.machine.monotonic() + 1_000_000_000))
            times.append((time.monotonic_ns() - start) / PAGES)
            calls.invoke(kernel, "vm_deallocate", task, BASE, PAGES * PAGE)
        task.terminate()
        pager.terminate()
        kernel.processor.run()
        return times


def _touched(memory: mmap.mmap) -> float:
    start = time.monotonic_ns()
    for place in range(0, PAGES * PAGE, PAGE):
        memory[place]
    return (time.monotonic_ns() - start) / PAGES


def _anonymous() -> list[float]:
    times = []
    for _ in range(BATCHES):
        with mmap.mmap(-1, PAGES * PAGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
            memory.madvise(mmap.MADV_NOHUGEPAGE)
            times.append(_touched(memory))
    return times


def _memfd() -> list[float]:
    times = []
    for _ in range(BATCHES):
        descriptor = os.memfd_create("bench")
        os.ftruncate(descriptor, PAGES * PAGE)
        with mmap.mmap(descriptor, PAGES * PAGE) as memory:
            times.append(_touched(memory))
        os.close(descriptor)
    return times


# userfaultfd(2), ioctl_userfaultfd(2)
_SYS_USERFAULTFD = 323
_USER_MODE_ONLY = 1
_API, _REGISTER, _COPY = 0xC018AA3F, 0xC020AA00, 0xC028AA03
_FEATURES = struct.Struct("<3Q")
_RANGE = struct.Struct("<4Q")
_COPYING = struct.Struct("<4Qq")


def _userfaultfd() -> list[float]:
    """Another process touches the pages; this one supplies them. Raises OSError where it is not permitted."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = os.fork()
    if child == 0:
        try:
            ours.close()
            _fault_for(theirs)
        except OSError:
            os._exit(1)
        os._exit(0)
    theirs.close()
    page = ctypes.create_string_buffer(bytes(range(256)) * 16, PAGE)
    times: list[float] = []
    try:
        while len(times) < BATCHES:
            _, descriptors, _, _ = socket.recv_fds(ours, 64, 1)
            if not descriptors:
                raise OSError("no userfaultfd here")
            for _ in range(PAGES):
                address = struct.unpack_from("<Q", os.read(descriptors[0], 32), 16)[0]
                command = bytearray(_COPYING.pack(address & ~(PAGE - 1), ctypes.addressof(page), PAGE, 0, 0))
                fcntl.ioctl(descriptors[0], _COPY, command)
            os.close(descriptors[0])
            times.append(float(ours.recv(64)))
    finally:
        ours.close()
        os.waitpid(child, 0)
    return times


def _fault_for(parent: socket.socket) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    for _ in range(BATCHES):
        descriptor = libc.syscall(_SYS_USERFAULTFD, os.O_CLOEXEC | _USER_MODE_ONLY)
        if descriptor < 0:
            raise OSError(ctypes.get_errno(), "userfaultfd")
        fcntl.ioctl(descriptor, _API, bytearray(_FEATURES.pack(0xAA, 0, 0)))
        memory = mmap.mmap(-1, PAGES * PAGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        memory.madvise(mmap.MADV_NOHUGEPAGE)
        address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        fcntl.ioctl(descriptor, _REGISTER, bytearray(_RANGE.pack(address, PAGES * PAGE, 1, 0)))
        socket.send_fds(parent, [b"go"], [descriptor])
        taken = _touched(memory)
        parent.send(str(taken).encode())


def _measure() -> dict[str, list[float]]:
    """Every row, in ns for a page, in turn."""
    found: dict[str, list[float]] = {}
    with ExitStack() as stack:
        system = _System(stack)
        plan: dict[str, Callable[[], list[float]]] = {
            "program, user pager: one page": lambda: system.program(-1),
            "program, user pager: in a run": lambda: system.program(1),
            "native task, user pager: one page": lambda: system.native(-1),
            "native task, user pager: in a run": lambda: system.native(1),
            "host: userfaultfd, handler in Python": _userfaultfd,
            "host: anonymous memory": _anonymous,
            "host: memfd": _memfd,
        }
        for _ in range(ROUNDS):
            for name, run in plan.items():
                processors = os.sched_getaffinity(0)
                if name.startswith("host"):
                    os.sched_setaffinity(0, ALL)
                try:
                    found.setdefault(name, []).extend(run())
                except OSError as error:
                    click.echo(f"{name}: {error}", err=True)
                os.sched_setaffinity(0, processors)
    return found


ALL = os.sched_getaffinity(0)


@click.command()
@click.option("--json", "target", type=click.Path(path_type=Path), default=None, help="Also write every value there.")
def main(target: Path | None) -> None:
    """Measure page faults to a user's pager beside the host's own."""
    found = _measure()
    click.echo("a page: median and fastest batch, in µs")
    for name, times in found.items():
        if times:
            click.echo(f"  {name:40} {median(times) / 1000:8.2f} {min(times) / 1000:8.2f}")
    if target is not None:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps({"when": datetime.now(UTC).isoformat(), "unit": "ns for a page", "python": sys.version, **found}))


if __name__ == "__main__":
    main()
