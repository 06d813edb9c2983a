"""The translators of a run (``--mount``): native tasks that serve what a user has written, and helpers that serve fsspec's file systems.

Both are asked by the calls of ``lib.translator``: a task by messages of Mach, a helper by the same messages on a socket. Whatever they
answer or do not answer, a call ends: with ETIMEDOUT after a limit, with EIO where the answer is garbage or who should give it is dead. One
that answers nothing at all for that time is ended. One that has ended is started anew when it is next asked, but not before a pause, which
doubles from PAUSE to PAUSE_MOST while it dies before it has answered anything; until then every call gets EIO.

What is wrong with a translator the user is told, in words that may be hostile: they are cut, cannot steer a terminal, and are few.
"""

from __future__ import annotations

import ast
import contextlib
import os
import re
import struct
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from skerry.abi import linux, mach, machmsg, values
from skerry.abi.machmsg import FormatError, UserMessage
from skerry.lib.stubs import CallError, Routine, request, results, routines
from skerry.lib.translator import BROKEN, ERROR, TROUBLE_MOST, TranslatorCalls
from skerry.mach import mach_port as mp
from skerry.mach import right
from skerry.mach.errors import KernError, KernReturn
from skerry.mach.ipc import mach_msg
from skerry.mach.kernel import Kernel
from skerry.mach.native import NativeTask
from skerry.mach.processor import Processor, Timer
from skerry.mach.right import RightKind
from skerry.mach.space import Space
from skerry.machine import MachineError
from skerry.machine.helper import ANSWER, GREETING, TROUBLE, Helper
from skerry.machine.native_task import Template
from skerry.machine.translator import TranslatorDevice
from skerry.options import Mount, UserError

ROUTINES: Final[dict[bytes, Routine]] = {row.name.encode(): row for row in routines(TranslatorCalls)}
TASK_LIMIT: Final = 10_000  # ms that a call may take
HELPER_LIMIT: Final = 60_000  # ms that a helper may be silent while it is asked something: a network may be on the way
CALLS_MOST: Final = 4096  # under way, of one translator
PAUSE: Final = 100_000_000  # ns
PAUSE_MOST: Final = 30_000_000_000
STEADY: Final = 10_000_000_000  # ns: who has lived so long starts with the shortest pause again
READER_SECONDS: Final = 2.0  # that a helper which has nothing to put away may take to end
NUMBER_MOST: Final = (1 << 63) - 1
TOLD_MOST: Final = 20  # things that the user is told of one translator
PORT: Final = 0x1001  # the receive right of a task's calls
SOURCE_MOST: Final = 900 << 10  # bytes of a server's text
NOT_FOR_SERVERS: Final = frozenset({"antigravity", "this", "idlelib", "turtledemo", "test", "lib2to3", "__main__"})
HELPER: Final = "skerry.fsspec_server"
ENDED: Final = "its helper has ended: it is started anew when it is needed"
Reply = Callable[[int, UserMessage | None], None]  # an errno, or 0 and the answer


class Translator(TranslatorDevice):
    """What both kinds share: the calls under way, and how one that dies is started again."""

    def __init__(self, mount: Mount, processor: Processor, say: Callable[[str], None]) -> None:
        self._mount = mount
        self._processor = processor
        self._say = say
        self._name = without_password(mount.text)
        self._ended: dict[int, tuple[int, Any]] = {}
        self._waiting: dict[int, Callable[[], None]] = {}
        self._last = 0
        self._pause = 0
        self._started = 0  # when (ns)
        self._has_answered = False  # since then
        self._not_before = 0
        self._told: list[str] = []

    # The device
    def ask(self, method: bytes, arguments: bytes, done: Callable[[], None]) -> int:
        row = ROUTINES[method]
        try:
            given = tuple(values.unpack(arguments))
            message = request(row, PORT, given)
        except (struct.error, OverflowError) as error:
            raise ValueError("not what the call takes") from error
        self._last += 1
        number = self._last
        self._waiting[number] = done
        if len(self._waiting) + len(self._ended) > CALLS_MOST or not self._is_there():
            self._processor.make_ready(lambda: self._end(number, linux.EIO, None))
        else:
            self._send(number, message, lambda code, answer: self._answered(number, row, given, code, answer))
        return number

    def take(self, number: int) -> tuple[int, Any]:
        if number not in self._ended:
            raise BlockingIOError(linux.EAGAIN, "the call has not ended")
        return self._ended.pop(number)

    def drop(self, number: int) -> None:
        self._waiting.pop(number, None)
        self._ended.pop(number, None)

    # Answers
    def _answered(self, number: int, row: Routine, given: tuple[Any, ...], code: int, answer: UserMessage | None) -> None:
        value: Any = None
        if answer is not None:
            self._has_answered = True
            try:
                value = _bounded(results(row, answer))
            except CallError as error:
                code = error.code - ERROR if ERROR < error.code <= ERROR + linux.EHWPOISON else linux.EIO
                if error.code == BROKEN:  # the user reads what it was before the program reads that something was
                    self._send(0, request(ROUTINES[b"tr_trouble"], PORT, ()), lambda _, said: self._broken(number, row, given, said))
                    return
        self._over(number, row, given, code, value)

    def _broken(self, number: int, row: Routine, given: tuple[Any, ...], said: UserMessage | None) -> None:
        if said is not None:
            with contextlib.suppress(CallError):
                self._tell(results(ROUTINES[b"tr_trouble"], said).decode(errors="replace"))
        self._over(number, row, given, linux.EIO, None)

    def _over(self, number: int, row: Routine, given: tuple[Any, ...], code: int, value: Any) -> None:
        if code and row.name == "tr_sync":  # who has closed the file does not hear it
            self._tell(f"what was written to /{os.fsdecode(given[0])} is not where it belongs: {os.strerror(code)}")
        self._end(number, code, value)

    def _end(self, number: int, code: int, value: Any) -> None:
        done = self._waiting.pop(number, None)
        if done is not None:
            self._ended[number] = (code, value)
            done()

    def _tell(self, text: str) -> None:
        """Show what went wrong, if it was not shown before."""
        text = without_password(printable(text[:TROUBLE_MOST]).rstrip())
        if not text or text in self._told or len(self._told) > TOLD_MOST:
            return
        self._told.append(text)
        if len(self._told) > TOLD_MOST:
            text = "it has further troubles, which are not shown"
        self._say(f"skerry: --mount {self._name}: {text}\n")

    # Life and death
    def _is_there(self) -> bool:
        """Whether somebody can be asked; one that has died is started, if its pause is over."""
        if self._alive():
            return True
        now = self._processor.clock()
        if now < self._not_before:
            return False
        is_well = self._has_answered or now >= self._started + self._pause + STEADY
        self._pause = PAUSE if is_well else min(max(2 * self._pause, PAUSE), PAUSE_MOST)
        try:
            self._start()
        except (OSError, MachineError) as error:
            self._tell(f"it cannot be started: {error}")
            self._not_before = now + self._pause
            return False
        self._started, self._not_before = now, now + self._pause
        self._has_answered = False
        return True

    def _alive(self) -> bool:
        raise NotImplementedError

    def _start(self) -> None:
        """Start it. Raises OSError, MachineError."""
        raise NotImplementedError

    def _send(self, number: int, message: UserMessage, reply: Reply) -> None:
        """Send a request; ``reply`` is called once, later. ``number``: of the call that it is, or 0."""
        raise NotImplementedError

    def close(self) -> None:
        """The run is over."""
        raise NotImplementedError


def printable(text: str) -> str:
    """Text that cannot steer a terminal."""
    return "".join(sign if sign.isprintable() or sign in "\n\t" else f"\\x{ord(sign):02x}" for sign in text)


def without_password(text: str) -> str:
    """A text that may hold URLs, as others may read it."""
    return re.sub(r"(://[^/\s:@]*):[^/\s]*@", r"\1:***@", text)


def _bounded(value: Any) -> Any:
    """What a call returned, with numbers that fit in a signed word: larger ones mean nothing."""
    if isinstance(value, int):
        return min(value, NUMBER_MOST)
    if isinstance(value, tuple | list):
        return type(value)(_bounded(part) for part in value)
    return value


class _NoMemory:
    """The map of who takes nothing out of line (:class:`skerry.mach.transfer.VmMap`): a translator's answers are short."""

    def bring_in(self, address: int, length: int, access: int) -> None:
        """There is nothing to bring."""

    def copyin(self, address: int, length: int, destroy: bool) -> Any:
        raise KernError(KernReturn.INVALID_ADDRESS)

    def copyout(self, copy: Any, length: int) -> int:
        raise KernError(KernReturn.NO_SPACE)


class _Client:
    """Who makes one call of a translator: names that are gone when it has ended, with all that a hostile answer may have brought."""

    def __init__(self, processor: Processor) -> None:
        self.processor = processor
        self.space = Space()
        self.map = _NoMemory()


@dataclass(frozen=True)
class Server:
    """A class that a user has written, and the text that it stands in."""

    source: str
    name: str
    path: str


class TaskTranslator(Translator):
    """A native task, asked by messages to its port. ``limit``: ms that a call may take."""

    def __init__(
        self, mount: Mount, kernel: Kernel, template: Template, server: Server, say: Callable[[str], None], limit: int = TASK_LIMIT
    ) -> None:
        super().__init__(mount, kernel.processor, say)
        self._limit = limit
        self._kernel = kernel
        self._template = template
        self._server = server
        self._task: NativeTask | None = None
        self._answers = 0

    def _alive(self) -> bool:
        if self._task is None:
            return False
        if not self._task.alive or not self._task.process.alive:
            self._tell_end(self._task)
            return False
        return True

    def _tell_end(self, task: NativeTask) -> None:
        self._task = None
        self._tell("its server has ended: it is started anew when it is needed\n" + task.last_words)

    def _start(self) -> None:
        server = self._server
        self._task = NativeTask(
            self._kernel, self._template, "skerry.lib.translator:main", None, [PORT, server.source, server.name, server.path]
        )
        mp.mach_port_allocate_name(self._task, RightKind.RECEIVE, PORT)

    def _send(self, number: int, message: UserMessage, reply: Reply) -> None:
        task = self._task
        entry = task.space.entries.get(PORT) if task is not None else None
        if task is None or entry is None or not entry.types & mach.MACH_PORT_TYPE_RECEIVE:  # it has thrown its port away
            if task is not None:
                task.terminate()
            self._processor.make_ready(lambda: reply(linux.EIO, None))
            return
        client = _Client(self._processor)
        port = client.space.copyout(RightKind.SEND, right.make_send(entry.port))
        answered = mp.mach_port_allocate(client, RightKind.RECEIVE)
        asked = UserMessage(message.id, port, answered, mach.MSG_TYPE_COPY_SEND, mach.MSG_TYPE_MAKE_SEND_ONCE, message.items, message.body)
        before = self._answers

        def ended(code: int, answer: UserMessage | None) -> None:
            client.space.terminate()
            failed = code & ~(mach.MACH_MSG_IPC_SPACE | mach.MACH_MSG_VM_SPACE | mach.MACH_MSG_IPC_KERNEL | mach.MACH_MSG_VM_KERNEL)
            if failed in (mach.MACH_RCV_TIMED_OUT, mach.MACH_SEND_TIMED_OUT):
                if self._answers == before and task.alive:
                    task.terminate()
                    if task is self._task:
                        self._task = None
                        self._tell("its server has not answered in time, and was ended: it is started anew when it is needed")
                reply(linux.ETIMEDOUT, None)
            elif code != mach.MACH_MSG_SUCCESS or answer is None or answer.id != message.id + mach.REPLY_ID:
                if not task.alive and task is self._task:
                    self._tell_end(task)
                reply(linux.EIO, None)
            else:
                self._answers += 1
                reply(0, answer)

        option = mach.MACH_SEND_MSG | mach.MACH_SEND_TIMEOUT | mach.MACH_RCV_MSG | mach.MACH_RCV_TIMEOUT
        mach_msg(client, asked, option, ended, receive_name=answered, timeout=self._limit)

    def close(self) -> None:
        if self._task is not None:
            self._task.terminate()


class HelperTranslator(Translator):
    """A helper process, asked one call at a time: one whose caller is gone meanwhile is not made. ``limit``: ms that it may be silent."""

    def __init__(self, mount: Mount, kernel: Kernel, helper: Helper, say: Callable[[str], None], limit: int = HELPER_LIMIT) -> None:
        """``helper`` has greeted."""
        super().__init__(mount, kernel.processor, say)
        self._machine = kernel.machine
        self._limit = limit
        self._helper: Helper | None = helper
        self._greeted = True
        self._queue: deque[tuple[int, bytes, Reply]] = deque()  # number, message; the first has been sent
        self._timer: Timer | None = None
        helper.watch(self._machine, self._received)

    def _alive(self) -> bool:
        return self._helper is not None

    def _start(self) -> None:
        self._helper = start_helper(self._mount)
        self._greeted = False
        self._helper.watch(self._machine, self._received)

    def _send(self, number: int, message: UserMessage, reply: Reply) -> None:
        self._queue.append((number, machmsg.pack(message), reply))
        if len(self._queue) == 1:
            self._watch_time()
            self._send_first()

    def _send_first(self) -> None:
        while self._queue and self._queue[0][0] and self._queue[0][0] not in self._waiting:
            self._queue.popleft()
        if not self._queue or not self._greeted or self._helper is None:
            return
        try:
            self._helper.send(self._queue[0][1])
        except OSError:
            self._processor.make_ready(lambda: self._gone(linux.EIO, ENDED))

    def _received(self, message: bytes) -> None:
        kind, message = message[:1], message[1:]
        self._watch_time()
        if not kind:
            self._gone(linux.EIO, ENDED)
        elif kind == TROUBLE:
            self._gone(linux.EIO, message.decode(errors="replace"))
        elif kind == GREETING:
            self._greeted = True
            self._send_first()
        elif kind == ANSWER and self._queue:
            _, _, reply = self._queue.popleft()
            try:
                answer: UserMessage | None = machmsg.parse(message)
            except (FormatError, ValueError):
                answer = None
            self._send_first()
            self._watch_time()
            reply(0 if answer is not None else linux.EIO, answer)
        self._processor.run()

    def _watch_time(self) -> None:
        """It has said something, or is asked something: the limit begins anew, if there is something that it must say."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._processor.call_after(self._limit, self._too_late) if self._queue else None

    def _too_late(self) -> None:
        self._gone(linux.ETIMEDOUT, "its helper has not answered in time, and was ended: it is started anew when it is needed")

    def _gone(self, code: int, why: str) -> None:
        """End it, and what it was asked."""
        if self._timer is not None:
            self._timer.cancel()
        if self._helper is not None:
            self._helper.close()
            self._helper = None
        self._tell(why)
        queue, self._queue = self._queue, deque()
        for _, _, reply in queue:
            reply(code, None)
            code = linux.EIO

    def close(self) -> None:
        if self._helper is None:
            return
        for message in self._helper.last_messages(self._limit / 1000 if self._mount.writable else READER_SECONDS):
            if message is None and self._mount.writable:
                self._tell("its helper does not finish, and was ended: what was written last may not be where it belongs")
            elif message is not None and message[:1] == TROUBLE:
                self._tell(message[1:].decode(errors="replace"))
        self._helper.close()
        self._helper = None


class Translators:
    """All of a run, in the order of the options. Enter it before there is a machine; ``attach`` when there is."""

    def __init__(self, mounts: list[Mount], say: Callable[[str], None]) -> None:
        """Read the servers, and start the helpers. Raises UserError."""
        self._say = say
        self._mounts = mounts
        self._servers = {mount.source: read_server(mount) for mount in mounts if not mount.is_url}
        self._helpers: list[Helper] = []  # of the URLs, until ``attach``
        self._template: Template | None = None
        self.devices: list[Translator] = []
        try:
            urls = [mount for mount in mounts if mount.is_url]
            for mount in urls:
                self._helpers.append(_first_helper(mount))
            for mount, helper in zip(urls, self._helpers, strict=True):
                _await_greeting(mount, helper)
        except BaseException:
            self.close()
            raise

    def attach(self, kernel: Kernel) -> list[Translator]:
        """Make the devices, in the order of the mounts. Raises MachineError."""
        if self._servers:
            modules = sorted({module for server in self._servers.values() for module in imports(server.source)})
            self._template = Template(kernel.machine, ["skerry.lib.translator", "skerry.lib.service"], modules)
        for mount in self._mounts:
            if mount.is_url:
                self.devices.append(HelperTranslator(mount, kernel, self._helpers.pop(0), self._say))
            else:
                assert self._template is not None
                self.devices.append(TaskTranslator(mount, kernel, self._template, self._servers[mount.source], self._say))
        return self.devices

    def close(self) -> None:
        """End them all; what was written reaches where it belongs."""
        for helper in self._helpers:
            helper.close()
        for device in self.devices:
            device.close()
        self._helpers, self.devices = [], []
        if self._template is not None:
            self._template.close()
            self._template = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def read_server(mount: Mount) -> Server:
    """The text of FILE.py:CLASS. Raises UserError: no such file, no Python, no such class."""
    path, _, name = mount.source.rpartition(":")
    try:
        source = Path(path).read_text()
        tree = ast.parse(source)
    except OSError as error:
        raise UserError(f"--mount {mount.text}: {path}: {error.strerror}: give /PLACE=FILE.py:CLASS, or a URL") from error
    except (SyntaxError, ValueError) as error:
        where = f" line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        raise UserError(f"--mount {mount.text}: {path}{where} is no Python: {error.args[0]}") from error
    if len(source.encode()) > SOURCE_MOST:
        raise UserError(f"--mount {mount.text}: {path} is larger than {SOURCE_MOST >> 10} KiB: make it smaller")
    classes = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
    if name not in classes:
        known = f"one of {', '.join(classes)}" if classes else "a file that has one"
        raise UserError(f"--mount {mount.text}: {path} has no class {name}: give {known}")
    return Server(source, name, path)


def imports(source: str) -> set[str]:
    """Modules of the standard library that a server's text imports: they are there when the filter closes."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    allowed = sys.stdlib_module_names - NOT_FOR_SERVERS
    return {name for name in found if name.partition(".")[0] in allowed and name != "__future__"}


def start_helper(mount: Mount) -> Helper:
    """A helper for the URL, which has not greeted. Raises OSError."""
    return Helper(HELPER, (mount.source, mount.writable, os.getcwd()))


def _first_helper(mount: Mount) -> Helper:
    """The same where a run begins. Raises UserError."""
    from importlib.util import find_spec

    if find_spec("fsspec") is None:
        raise _cannot(mount, "URLs need fsspec, which is not installed: pip install 'skerry[fsspec]'")
    try:
        return start_helper(mount)
    except OSError as error:
        raise _cannot(mount, f"its helper cannot be started: {error.strerror}") from error


def _await_greeting(mount: Mount, helper: Helper) -> None:
    """Its URL can be served. Raises UserError."""
    said = helper.first_message(HELPER_LIMIT / 1000)
    if said is None:
        raise _cannot(mount, "no answer in time: check the URL")
    if said[:1] != GREETING:
        raise _cannot(mount, printable(said[1:].decode(errors="replace")) or "its helper has died: what it said stands above")


def _cannot(mount: Mount, reason: str) -> UserError:
    return UserError(without_password(f"--mount {mount.text}: {reason}"))
