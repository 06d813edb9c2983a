"""The boundary of the Unix server: system calls, faults and interruptions come in here, and results go out.

Errors become numbers here and nowhere else. A handler returns its result, or a coroutine where it must wait; a signal breaks off the wait.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from skerry.abi import linux
from skerry.abi.fault import Fault
from skerry.lib.coroutine import Interrupted
from skerry.unix import lifecycle, signals
from skerry.unix.answers import NotYet, performed
from skerry.unix.errors import LinuxError

if TYPE_CHECKING:
    from skerry.unix.process import System, Thread
    from skerry.unix.substrate import UserThread
    from skerry.unix.syscalls.table import Call


class Server:
    """Answers the traps of programs."""

    def __init__(self, system: System, calls: dict[int, Call]) -> None:
        self.system = system
        self.calls = calls
        self.missing: dict[int, int] = {}
        system.handlers.update({number: (call.handler, call.arity) for number, call in calls.items() if call.handler is not None})

    def system_call(self, user: UserThread, number: int) -> None:
        """A program made system call ``number``; its arguments are in ``user``'s registers."""
        thread = user.owner
        if thread is None:
            user.terminate()
            return
        thread.in_server = True
        thread.call = number
        try:
            handler, arity = thread.handlers[number]
        except KeyError:
            known = number if number in self.calls else -1  # a program can make up four billion others
            self.missing[known] = self.missing.get(known, 0) + 1
            self.answer(thread, -linux.ENOSYS)
            return
        try:
            result = user.call(handler, thread, arity)
        except LinuxError as error:
            result = -error.errno
        except Fault as fault:
            if user.page_in(fault.args[0], lambda came: self._paged_in(user, number, came)):
                return
            result = -linux.EFAULT
        except Interrupted:  # job control has just stopped the process
            thread.restart = self.calls[number].restarts
            result = -linux.EINTR
        except NotYet as wait:
            result = performed(thread, lambda: thread.user.call(handler, thread, arity), wait)
        if result.__class__ is int:
            self.answer(thread, result)
        elif result is not None:
            self._wait(thread, self.calls.get(number), result)

    def _paged_in(self, user: UserThread, number: int, came: bool) -> None:
        """The memory that a call touches is there now: the call is made once more. A call that has waited does not come here: EFAULT."""
        thread = user.owner
        if came or thread is None:
            self.system_call(user, number)
        else:
            self.answer(thread, -linux.EFAULT)

    def _wait(self, thread: Thread, call: Call | None, body: Coroutine[Any, Any, int]) -> None:
        """The call must wait: go on with it as an activity."""

        def done(result: Any, error: BaseException | None) -> None:
            thread.activity = None
            if error is None:
                if result is not None:
                    self.answer(thread, result)
            elif isinstance(error, LinuxError):
                self.answer(thread, -error.errno)
            elif isinstance(error, Fault):
                self.answer(thread, -linux.EFAULT)
            elif isinstance(error, Interrupted):
                thread.restart = call is None or call.restarts
                if thread.tracee is not None:
                    thread.tracee.broken_off()
                self.answer(thread, -linux.EINTR)
            elif isinstance(error, NotYet):
                handler, arity = thread.handlers[thread.call]
                self._wait(thread, call, performed(thread, lambda: thread.user.call(handler, thread, arity), error))
            else:
                raise error

        # A signal that came before the call waits does not interrupt it any more: the call must not wait at all.
        thread.activity = self.system.loop.start(body, done, signals.has_pending(thread))

    def answer(self, thread: Thread, result: int) -> None:
        """The call is done."""
        if not thread.dead:
            signals.resume_with(thread, result)

    def fault(self, user: UserThread, signo: int, code: int, address: int) -> None:
        """A program's instruction could not be carried out."""
        thread = user.owner
        if thread is None:
            user.terminate()
            return
        thread.in_server = True
        thread.call = -1
        info = signals.SignalInfo(signo, code, address.to_bytes(8, "little"))
        if thread.tracee is not None and thread.tracee.armed and signo == linux.SIGTRAP and code == linux.TRAP_TRACE:
            step = thread.tracee.stepped()
            if step is None:
                return
            info = step
        signals.force(thread, info)
        signals.resume(thread)

    def interruption(self, user: UserThread) -> None:
        """A program was interrupted for a signal."""
        thread = user.owner
        if thread is None:
            user.terminate()
            return
        thread.in_server = True
        thread.call = -1
        signals.resume(thread)

    def death(self, user: UserThread) -> None:
        """The host process of a program's space is gone."""
        thread = user.owner
        if thread is not None:
            lifecycle.end_process(thread.process, linux.SIGKILL)
