"""The caller's end of a system's control socket, in asyncio, and the process at its other end.

The system is a process of its own, in a session of its own: nothing of the caller's is touched (signal handlers, affinity, limits), and the
system ends with the socket or with the caller, however that ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from skerry.api.errors import Error, NotFound, SystemEnded
from skerry.control.lines import CHUNK, LONGEST_ANSWER, Lines, encode

CLOSING_SECONDS: Final = 10  # that a system may take to end before it is killed
_PROGRAM: Final = "import sys; sys.path[:] = {path!r}; from skerry.control.boot import main; main({descriptor}, {owner})"
_CANNOT_EXECUTE: Final = (126, 127)  # exit statuses, as shells have them


class Link:
    """Requests to one system, and its events."""

    def __init__(self, on_event: Callable[[dict[str, Any]], None]) -> None:
        self.on_event = on_event
        self.pid = 0
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._sending = asyncio.Lock()
        self._reader: asyncio.Task[None] | None = None
        self._ended: SystemEnded | None = None
        self.failure: Error | None = None  # what the system said last, if it failed

    async def open(self, options: dict[str, Any]) -> None:
        """Start the system. Raises Error."""
        if not sys.executable:
            raise Error("the Python interpreter does not know its own path: set sys.executable")
        ours, theirs = socket.socketpair()
        self._socket = ours
        ours.setblocking(False)
        path = [str(Path(__file__).parents[2]), *(os.path.abspath(entry) for entry in sys.path)]
        program = _PROGRAM.format(path=path, descriptor=theirs.fileno(), owner=os.getpid())
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        with theirs:
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-c", program],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    env=environment,
                    start_new_session=True,
                )
            except OSError as error:
                ours.close()
                raise Error(f"the system's process does not start: {error}") from error
        self.pid = self._process.pid
        ready: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[0] = ready
        self._reader = asyncio.create_task(self._read())
        try:
            await self._send(encode(options), [])
            await ready
        except BaseException:
            await self.close()
            raise

    @property
    def is_open(self) -> bool:
        """Whether it was opened and not closed."""
        return self._reader is not None

    def drop(self) -> None:
        """Let the system end without waiting for it."""
        self._socket.close()

    async def ask(self, do: str, descriptors: Sequence[int] = (), **arguments: Any) -> Any:
        """The result of a request. Raises Error; SystemEnded where nobody answers."""
        if self._ended is not None:
            raise SystemEnded(str(self._ended))
        number = next(self._numbers)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            await self._send(encode({"id": number, "do": do} | arguments), descriptors)
            return await future
        finally:
            self._waiting.pop(number, None)

    async def _send(self, data: bytes, descriptors: Sequence[int]) -> None:
        loop = asyncio.get_running_loop()
        async with self._sending:
            try:
                if descriptors:
                    sent = 0
                    while not sent:
                        try:
                            sent = socket.send_fds(self._socket, [data], descriptors)
                        except BlockingIOError:
                            await loop.sock_sendall(self._socket, b"\n")  # an empty line; waits for room
                    data = data[sent:]
                await loop.sock_sendall(self._socket, data)
            except OSError as error:
                raise self._ended or self.failure or SystemEnded("the system has ended: start another") from error

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        lines = Lines(LONGEST_ANSWER)
        with contextlib.suppress(OSError, ValueError):
            while data := await loop.sock_recv(self._socket, CHUNK):
                for message in lines.feed(data):
                    self._take(message)
        self._ended = self._ended or SystemEnded(f"the system has ended: {self.failure or 'start another'}")
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(self.failure or self._ended)
        self.on_event({"gone": True})

    def _take(self, message: dict[str, Any]) -> None:
        if "failed" in message:
            self.failure = Error(message["failed"].strip().removesuffix(":"), message["status"])
        elif "ready" in message:
            self._resolve(0, None)
        elif "refused" in message:
            kind = NotFound if message["status"] in _CANNOT_EXECUTE else Error
            self._resolve(message["id"], kind(message["refused"], message["status"]))
        elif "id" in message:
            self._resolve(message["id"], message["result"])
        else:
            self.on_event(message)

    def _resolve(self, number: int, result: Any) -> None:
        future = self._waiting.pop(number, None)
        if future is None or future.done():
            return
        if isinstance(result, Error):
            future.set_exception(result)
        else:
            future.set_result(result)

    async def close(self) -> None:
        """End the system, and wait until its process has gone. Twice is harmless."""
        if self._reader is None:
            return
        reader, self._reader = self._reader, None
        self._ended = self._ended or SystemEnded("the system was closed: start another")
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
        waiting = asyncio.create_task(self._reap(reader))
        try:
            await asyncio.shield(waiting)
        except asyncio.CancelledError:  # it is closed all the same, at once
            self._process.kill()
            await waiting
            raise

    async def _reap(self, reader: asyncio.Task[None]) -> None:
        done, _ = await asyncio.wait([reader], timeout=CLOSING_SECONDS)
        if not done:
            self._process.kill()
            reader.cancel()
            await asyncio.wait([reader])
        await asyncio.get_running_loop().run_in_executor(None, self._wait_for_process)
        self._socket.close()

    def _wait_for_process(self) -> None:
        try:
            self._process.wait(CLOSING_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
