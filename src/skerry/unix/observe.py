"""Watching the boundary of the Unix server: who wants to see every call boots this server in place of the plain one.

The plain :class:`Server` knows nothing of observers, so that they cost nothing where there are none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from skerry.unix.server import Server

if TYPE_CHECKING:
    from skerry.unix.process import System, Thread
    from skerry.unix.signals import SignalInfo
    from skerry.unix.substrate import UserThread
    from skerry.unix.syscalls.table import Call


class Observer(Protocol):
    """Who watches."""

    def enter(self, thread: Thread, number: int, call: Call | None) -> None:
        """The thread makes a system call; its arguments are in its registers. ``call`` is None for a number that Linux does not have."""

    def wait(self, thread: Thread) -> None:
        """The call that the thread is in did not end at once."""

    def leave(self, thread: Thread, result: int) -> None:
        """The call ended; ``result`` is what RAX will hold."""

    def signal(self, thread: Thread, info: SignalInfo) -> None:
        """A signal reached the thread: it will be handled, or ends or stops the process, or was ignored."""

    def fault(self, thread: Thread) -> None:
        """An instruction of the thread could not be carried out."""

    def end(self, thread: Thread, status: int) -> None:
        """The thread is gone; ``status`` as wait4 gives it."""


class ObservedServer(Server):
    """A server whose boundary is watched. What happens behind it (signals, ends, vfork) is told by :attr:`System.observers`."""

    def __init__(self, system: System, calls: dict[int, Call], observers: tuple[Observer, ...]) -> None:
        super().__init__(system, calls)
        system.observers = observers
        self._observers = observers

    def system_call(self, user: UserThread, number: int) -> None:
        thread = user.owner
        if thread is not None:
            call = self.calls.get(number)
            for observer in self._observers:
                observer.enter(thread, number, call)
        super().system_call(user, number)
        if thread is not None and thread.activity is not None:
            for observer in self._observers:
                observer.wait(thread)

    def answer(self, thread: Thread, result: int) -> None:
        for observer in self._observers:
            observer.leave(thread, result)
        super().answer(thread, result)

    def fault(self, user: UserThread, signo: int, code: int, address: int) -> None:
        if user.owner is not None:
            for observer in self._observers:
                observer.fault(user.owner)
        super().fault(user, signo, code, address)
