"""Exceptions: a fault of a thread becomes an RPC to its exception port, then to its task's; if neither handles it, the task is terminated.

The message is exception_raise (id 2400): send rights to the thread and the task, the exception, its code and subcode. The reply (id 2500)
carries a kern_return_t: SUCCESS resumes the thread from the state that it has by then, anything else asks the next handler. A co-located
server that waits at the port is handed the thread itself, and resumes or ends it.

Source: Mach 3 Kernel Interfaces, chapter 6, exception_raise; exc.defs. Code and subcode have 64 bits, as addresses do here.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from skerry.abi import linux, mach, machmsg
from skerry.abi import registers as reg
from skerry.abi.fault import fault_access
from skerry.mach import notify, right
from skerry.mach.absent import PageWait
from skerry.mach.errors import KernReturn
from skerry.mach.kobject import ReplyPort
from skerry.mach.message import Data, Message, Rights
from skerry.mach.release import release
from skerry.mach.right import RightKind

if TYPE_CHECKING:
    from skerry.mach.port import Port
    from skerry.mach.thread import Thread

RAISE_SIZE: Final = mach.HEADER_SIZE + 12 + 4 + 3 * 8
OTHER_SIGNALS: Final = {
    linux.SIGILL: mach.EXC_BAD_INSTRUCTION,
    linux.SIGFPE: mach.EXC_ARITHMETIC,
    linux.SIGTRAP: mach.EXC_BREAKPOINT,
}


def classify(signo: int, code: int, address: int) -> tuple[int, int, int]:
    """Exception, code and subcode of a fault of the machine. A bad access has a kern_return_t and the address."""
    if signo == linux.SIGBUS:
        return mach.EXC_BAD_ACCESS, KernReturn.MEMORY_ERROR, address
    if signo == linux.SIGSEGV:
        refused = code == linux.SEGV_ACCERR
        return mach.EXC_BAD_ACCESS, KernReturn.PROTECTION_FAILURE if refused else KernReturn.INVALID_ADDRESS, address
    return OTHER_SIGNALS.get(signo, mach.EXC_SOFTWARE), code & 0xFFFFFFFF, address


def raise_fault(thread: Thread) -> None:
    """The thread's context could not carry out an instruction."""
    context = thread.context
    what = classify(context.signo, context.code, context.address)
    if not (thread.task.map.managed and context.signo == linux.SIGSEGV and _page_in(thread, context.address)):
        raise_exception(thread, *what)


def _page_in(thread: Thread, address: int) -> bool:
    """The page may be one that comes: then the thread goes on when it has, or gets the exception that its pager caused."""
    access = fault_access(thread.get(reg.ERR))

    def arrived(code: int) -> None:
        thread.page_wait = None
        if not thread.alive:
            return
        if code in (KernReturn.SUCCESS, KernReturn.ABORTED):  # it touches the page once more
            thread.resume()
        else:
            raise_exception(thread, mach.EXC_BAD_ACCESS, code, address)

    wait = thread.task.map.fault(address, access, arrived)
    if isinstance(wait, PageWait) and not wait.finished:
        thread.page_wait = wait
        thread.task.kernel.machine.make_room()  # for the pager
    return bool(wait)


def raise_exception(thread: Thread, kind: int, code: int, subcode: int) -> None:
    """Ask the handlers, in order."""
    _ask(thread, (kind, code, subcode), [thread.exception_port, thread.task.exception_port])


def _ask(thread: Thread, what: tuple[int, int, int], ports: list[Port | None]) -> None:
    while ports:
        port = ports.pop(0)
        if port is None or port.dead:
            continue
        if port.traps is not None:
            port.next_sequence()
            port.traps.exception(thread, what[1])
        else:
            _send(thread, what, port, ports)
        return
    thread.task.terminate()


def _send(thread: Thread, what: tuple[int, int, int], port: Port, others: list[Port | None]) -> None:
    def answered(message: Message) -> None:
        if not thread.alive:
            return
        if _is_success(message):
            thread.resume()
        else:
            _ask(thread, what, others)

    reply = ReplyPort(thread.task.processor, answered)
    message = Message(mach.ID_EXCEPTION_RAISE, right.copy_send(port), RightKind.SEND, reply.port, RightKind.SEND_ONCE)
    message.items = [
        Rights(RightKind.SEND, [right.make_send(thread.port), right.make_send(thread.task.port)]),
        Data(mach.MSG_TYPE_INTEGER_64, 64, 3, struct.pack("<3Q", *what)),
    ]
    message.size = RAISE_SIZE
    release(*notify.post(message))


def _is_success(message: Message) -> bool:
    if message.id != mach.ID_EXCEPTION_RAISE + mach.REPLY_ID or message.items is not None:
        return False
    try:
        items = machmsg.parse_items(message.body)
    except machmsg.FormatError:
        return False
    return bool(items) and items[0].data == struct.pack("<i", KernReturn.SUCCESS)
