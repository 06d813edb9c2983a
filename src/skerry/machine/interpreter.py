"""The host process of a template: a Python interpreter of its own that imports what native tasks need while others start.

It can be begun before there is a machine, so that importing, which takes longest of a start, goes on beside everything else; therefore this
module imports little itself. ``template`` is what runs in it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Collection, Sequence
from typing import Final

ANSWER_SECONDS: Final = 20  # one that takes longer is broken
_SIGKILL: Final = 9
_START: Final = (
    "import os; os.sched_setaffinity(0, {processors!r}); import sys; sys.path[:] = {path!r}; from skerry.machine.template import main; "
    "main({kernel}, {modules!r}, {optional!r})"
)


class Interpreter:
    """The process, and the socket that it is told by."""

    def __init__(self, modules: Sequence[str], optional: Sequence[str] = (), processors: Collection[int] | None = None) -> None:
        """Start it; ``modules`` are imported at once, and those ``optional`` that can be, on ``processors`` (None: those of the caller).

        Raises OSError.
        """
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(ANSWER_SECONDS)
        program = _START.format(
            processors=set(processors or os.sched_getaffinity(0)),
            path=[os.path.dirname(os.path.dirname(os.path.dirname(__file__))), *(entry for entry in sys.path if entry)],
            kernel=os.getpid(),
            modules=list(modules),
            optional=list(optional),
        )
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0),
            (os.POSIX_SPAWN_DUP2, theirs.fileno(), 3),
        ]
        try:
            # in a session of its own: what is typed on the terminal, or sent to the command's group, is for the command alone
            self._pid = os.posix_spawn(sys.executable, [sys.executable, "-I", "-S", "-c", program], {}, file_actions=actions, setsid=True)
        except OSError:
            self.socket.close()
            raise
        finally:
            theirs.close()

    def send(self, said: bytes, descriptors: Sequence[int] = ()) -> None:
        """Raises OSError: it is gone."""
        socket.send_fds(self.socket, [said], descriptors)

    def receive(self) -> tuple[bytes, list[int]]:
        """What it says next; nothing if it is gone, or takes too long."""
        try:
            said, descriptors, _, _ = socket.recv_fds(self.socket, 64, 1, socket.MSG_CMSG_CLOEXEC)
        except OSError:
            return b"", []
        return said, list(descriptors)

    def close(self) -> None:
        """End it; what it has forked dies with it."""
        if self._pid:
            os.kill(self._pid, _SIGKILL)
            with contextlib.suppress(ChildProcessError):  # the machine may have reaped it
                os.waitpid(self._pid, 0)
            self._pid = 0
        self.socket.close()
