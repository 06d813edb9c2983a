"""The same without asyncio: a thread of its own runs the loop, so it works beside a loop of the caller's, too."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from skerry.api.errors import Error
from skerry.api.process import DEVNULL, PIPE, Result, Where
from skerry.api.system import Path, System
from skerry.api.task import Task
from skerry.api.tracing import Tracing

T = TypeVar("T")


class BlockingSystem:
    """A :class:`System` for callers that do not use asyncio; the options are the same.

    ::

        with skerry.BlockingSystem() as system:
            print(system.run(["uname", "-a"]).text)

    Its methods may be called from several threads at once: that is how programs run beside each other.
    """

    def __init__(self, **options: Any) -> None:
        """Start it. Raises Error."""
        self._system = System(**options)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run_loop, name="skerry", daemon=True)
        self._thread.start()
        self._closed = False
        try:
            self._do(self._system.start())
        except BaseException:
            self.close()
            raise

    def _run_loop(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()

    def _do(self, body: Coroutine[Any, Any, T]) -> T:
        if self._closed:
            body.close()
            raise Error("the system was closed: start another")
        future = asyncio.run_coroutine_threadsafe(body, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def run(
        self,
        arguments: Sequence[str | bytes],
        *,
        input: bytes | None = None,
        timeout: float | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path = "",
        stdout: Where = PIPE,
        stderr: Where = PIPE,
    ) -> Result:
        """Run a program to its end: see :meth:`System.run`."""
        return self._do(self._system.run(arguments, input=input, timeout=timeout, env=env, cwd=cwd, stdout=stdout, stderr=stderr))

    def begin(
        self,
        arguments: Sequence[str | bytes],
        *,
        stdin: Where = DEVNULL,
        stdout: Where = None,
        stderr: Where = None,
        env: Mapping[str, str] | None = None,
        cwd: Path = "",
    ) -> int:
        """Begin a program, and let it run; its number inside. Not with PIPE: :meth:`System.begin` has that. Raises NotFound, Error."""
        if PIPE in (stdin, stdout, stderr):
            raise Error("a program that was begun by a BlockingSystem has no pipes: give files or descriptors, or use System")
        program = self._do(self._system.begin(arguments, stdin=stdin, stdout=stdout, stderr=stderr, env=env, cwd=cwd))
        return program.pid

    def signal(self, program: int, number: int) -> int:
        """Send a signal to all that descend from a program that was begun; how many there were. Raises Error."""
        return self._do(self._system.signal(program, number))

    def begin_task(self, source: str | None = None, entry: str = "main", arguments: Sequence[str | int] = (), *, name: str = "") -> Task:
        """Begin a native task: see :meth:`System.begin_task`. Its own methods are for asyncio."""
        return self._do(self._system.begin_task(source, entry, arguments, name=name))

    def call(self, interface: type[Any], name: str, method: str, *arguments: Any) -> Any:
        """Make one call of an interface to what is checked in under ``name``: see :meth:`System.client`."""
        return self._do(getattr(self._system.client(interface, name), method)(*arguments))

    def processes(self) -> list[dict[str, Any]]:
        """See :meth:`System.processes`."""
        return self._do(self._system.processes())

    def tasks(self) -> list[dict[str, Any]]:
        """See :meth:`System.tasks`."""
        return self._do(self._system.tasks())

    def ports(self) -> dict[str, Any]:
        """See :meth:`System.ports`."""
        return self._do(self._system.ports())

    def memory(self, pid: int) -> list[dict[str, Any]]:
        """See :meth:`System.memory`."""
        return self._do(self._system.memory(pid))

    @contextmanager
    def trace(self) -> Iterator[Tracing]:
        """Trace what happens while it is entered; ``events`` and ``save`` have it afterwards."""
        tracing = self._system.trace()
        self._do(tracing.__aenter__())
        try:
            yield tracing
        finally:
            self._do(tracing.__aexit__())

    @property
    def pid(self) -> int:
        """The host's number of its process."""
        return self._system.pid

    @property
    def notes(self) -> list[str]:
        """What the system has said."""
        return self._system.notes

    def close(self) -> None:
        """End all programs and the system. Twice is harmless."""
        if self._closed:
            return
        try:
            self._do(self._system.close())
        finally:
            self._closed = True
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()

    def __enter__(self) -> BlockingSystem:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def run(
    arguments: Sequence[str | bytes],
    *,
    input: bytes | None = None,
    timeout: float | None = None,
    stdout: Where = PIPE,
    stderr: Where = PIPE,
    **options: Any,
) -> Result:
    """Run a program in a system of its own, in the manner of subprocess.run; what it leaves running ends with it.

    ``options`` are those of :class:`System`: memory="512M", bind=["src:/src"], env={...}, cwd=..., net="host" and so on. ``timeout``
    (seconds) raises Timeout, whose ``result`` has what the program said until then. Raises NotFound, Error, too.
    """
    with BlockingSystem(**options) as system:
        return system.run(arguments, input=input, timeout=timeout, stdout=stdout, stderr=stderr)
