"""Calls that need an answer from elsewhere: the system call waits, and is made once more when the answer is there.

An operation of a file system never sleeps. Where it needs an answer that is not here it raises :class:`NotYet`; the boundary lets the
thread wait for it (``performed``) and calls the handler again, which comes to the same place and goes on. So a handler that has not changed
anything needs to know nothing of this. What has changed something in the translator is not asked again: the answers of one system call are
kept in a log (``Replay``) and given once each, in order, and time stands still for what may be kept (``Replay.now``).

Rules for file systems: a change waits for its :class:`Turn`; nothing but changes is asked after it. For handlers: what was done before
an operation that may raise NotYet is done again, unless the operation is made by ``retried``. A signal does not break off the wait, as for
a disk; a kill does.

Source: VM_FAULT_RETRY of Linux is the same for faults; lib.coroutine for the waiting.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from functools import partial
from types import coroutine
from typing import TYPE_CHECKING, Any, Final

from skerry.abi import linux
from skerry.lib.coroutine import Interrupted, WaitQueue
from skerry.unix.errors import LinuxError

if TYPE_CHECKING:
    from skerry.unix.process import Thread
    from skerry.unix.substrate import Translator

ROUNDS: Final = 100_000  # in one system call: something is wrong with what needs more
Arrived = Callable[[int, Any], int]  # takes an errno, and what the call returned; gives an errno
Holding = Callable[[], Callable[[], None]]


class Question:
    """One call of a translator. ``arrived`` takes the answer, and gives an errno for ``asker`` if that is none; else the log keeps it.

    ``holding`` is called when the answer has come, before it is taken; what it gives is called when the system call is over.
    """

    __slots__ = ("answer", "arguments", "arrived", "asker", "holding", "method", "translator")

    def __init__(
        self,
        translator: Translator,
        method: bytes,
        arguments: tuple[Any, ...],
        asker: object = None,
        arrived: Arrived | None = None,
        holding: Holding | None = None,
    ) -> None:
        self.translator = translator
        self.asker = asker
        self.method = method
        self.arguments = arguments
        self.arrived = arrived
        self.holding = holding
        self.answer: tuple[int, Any] | None = None


class NotYet(Exception):
    """These questions must be answered first."""

    def __init__(self, *questions: Question) -> None:
        super().__init__("an answer is missing")
        self.questions = questions


class Turn:
    """One system call at a time changes a tree: where it writes, or that a name is free, holds until it has changed it."""

    def __init__(self) -> None:
        self._line: dict[int, Callable[[], None]] = {}  # who waits, by number; the first has the turn
        self._last = 0

    def take(self) -> None:
        """Have the turn until the system call is over. Raises NotYet."""
        if _current is None or not _current.holds(self):
            place = _Place(self)
            raise NotYet(Question(place, b"", (), self, lambda code, _value: code, lambda: place.leave))

    def join(self, done: Callable[[], None]) -> int:
        self._last += 1
        self._line[self._last] = done
        if len(self._line) == 1:
            done()
        return self._last

    def is_first(self, number: int) -> bool:
        return next(iter(self._line), 0) == number

    def leave(self, number: int) -> None:
        first = self.is_first(number)
        if self._line.pop(number, None) is not None and first and self._line:
            next(iter(self._line.values()))()


class _Place:
    """A place in the line, which is waited for as if it were an answer."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._number = 0

    def ask(self, _method: bytes, _arguments: tuple[Any, ...], done: Callable[[], None]) -> int:
        self._number = self._turn.join(done)
        return self._number

    def take(self, number: int) -> tuple[int, Any] | None:
        return (0, None) if self._turn.is_first(number) else None

    def drop(self, number: int) -> None:
        self._turn.leave(number)

    def leave(self) -> None:
        self._turn.leave(self._number)


class Replay:
    """The answers that one system call has had, and what it holds."""

    def __init__(self, now: int) -> None:
        self.now = now  # monotonic (ns)
        self._log: list[Question] = []
        self._failures: dict[object, int] = {}  # errno by asker
        self._next = 0
        self._held: list[tuple[object, Callable[[], None]]] = []  # by whom it was asked for, and how it is given up

    def holds(self, asker: object) -> bool:
        """Whether it holds what a question of ``asker`` brought."""
        return any(held is asker for held, _ in self._held)

    def close(self) -> None:
        """The system call is over."""
        held, self._held = self._held, []
        for _, release in held:
            release()

    def answer_to(self, translator: Translator, method: bytes, arguments: tuple[Any, ...]) -> tuple[int, Any] | None:
        """The next answer to a question that begins with these arguments, if one was asked."""
        for index in range(self._next, len(self._log)):
            question = self._log[index]
            if question.translator is translator and question.method == method and question.arguments[: len(arguments)] == arguments:
                self._next = index + 1
                return question.answer
        return None

    def failure(self, asker: object) -> int:
        """The errno that ``asker`` has got instead of an answer, once; 0: none."""
        return self._failures.pop(asker, 0)

    def run(self, function: Callable[[], Any]) -> Any:
        """What the function gives, with these answers. Raises what it raises, NotYet among it."""
        global _current
        self._next = 0
        before, _current = _current, self
        try:
            return function()
        finally:
            _current = before

    @coroutine
    def drive(self, body: Coroutine[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """Await ``body`` with these answers."""
        global _current
        value: Any = None
        error: BaseException | None = None
        try:
            while True:
                before, _current = _current, self
                try:
                    request = body.send(value) if error is None else body.throw(error)
                except StopIteration as stop:
                    return stop.value
                finally:
                    _current = before
                value, error = None, None
                try:
                    value = yield request
                except Interrupted as interrupted:
                    error = interrupted
        finally:
            body.close()

    async def ask(self, wait: NotYet) -> bool:
        """Have the questions answered; whether a signal came meanwhile."""
        changed = WaitQueue()
        numbers: dict[Question, int] = {}  # of those that are not answered
        ended: list[Question] = []
        interrupted = False

        def end(question: Question) -> None:
            ended.append(question)
            changed.wake()

        try:
            for question in wait.questions:
                numbers[question] = question.translator.ask(question.method, question.arguments, partial(end, question))
            while True:
                while ended:
                    question = ended.pop()
                    self._keep(question, question.translator.take(numbers.pop(question)) or (linux.EIO, None))
                if not numbers:
                    return interrupted
                try:
                    await changed.wait()
                except Interrupted:
                    interrupted = True
        finally:
            for question, number in numbers.items():
                question.translator.drop(number)

    def _keep(self, question: Question, answer: tuple[int, Any]) -> None:
        """Keep an answer, and what comes with it."""
        if question.holding is not None:
            self._held.append((question.asker, question.holding()))
        if question.arrived is not None:
            failed = question.arrived(*answer)
            if failed:
                self._failures[question.asker] = failed
        else:
            question.answer = answer
            self._log.append(question)


_current: Replay | None = None  # of the system call that is being made again


def current() -> Replay | None:
    """The log of the call that is being made, if it has waited before."""
    return _current


async def performed(thread: Thread, function: Callable[[], Any], wait: NotYet) -> Any:
    """What ``function`` comes to when everything is answered, ``wait`` first. Raises what it raises; EIO where there is no end."""
    replay = Replay(thread.process.system.platform.monotonic())
    try:
        for _ in range(ROUNDS):
            if await replay.ask(wait) and thread.activity is not None:
                thread.activity.broken_off = Interrupted()  # it is no longer a disk that is waited for
            try:
                result = replay.run(function)
                return await replay.drive(result) if hasattr(result, "send") else result
            except NotYet as again:
                wait = again
        raise LinuxError(linux.EIO)
    finally:
        replay.close()


async def retried(thread: Thread, function: Callable[[], Any]) -> Any:
    """``function``'s result or its coroutine's, made again by itself until everything is answered."""
    try:
        result = function()
        return await result if hasattr(result, "send") else result
    except NotYet as wait:
        return await performed(thread, function, wait)
