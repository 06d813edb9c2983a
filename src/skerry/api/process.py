"""Programs in a system: what they are given, what they say, and how they end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal as signals
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import IO, TYPE_CHECKING, Any, Final

from skerry.api.errors import Error

if TYPE_CHECKING:
    from skerry.api.link import Link

PIPE: Final = subprocess.PIPE
DEVNULL: Final = subprocess.DEVNULL
STDOUT: Final = subprocess.STDOUT
LIMIT: Final = 1 << 20  # bytes that a reader buffers ahead
Where = int | IO[Any] | None  # PIPE, DEVNULL, STDOUT, a descriptor or file of the caller's, or None: the caller's own stream


@dataclass(frozen=True, slots=True)
class Result:
    """A program that has ended.

    ``status`` is its exit status, or minus the number of the signal that killed it, as in subprocess. ``time`` and ``system_time`` are
    processor time in seconds, all and in the kernel; ``peak_memory`` is bytes. ``notes`` is what the system said meanwhile, such as
    limits that were reached. ``output`` and ``errors`` are b"" where they were not captured.
    """

    arguments: Sequence[str | bytes]
    status: int
    output: bytes = b""
    errors: bytes = b""
    time: float = 0.0
    system_time: float = 0.0
    peak_memory: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The output as text (UTF-8; what is not becomes U+FFFD)."""
        return self.output.decode(errors="replace")

    def check(self) -> Result:
        """Itself. Raises Error if the status is not 0."""
        if self.status:
            name = os.fsdecode(self.arguments[0])
            last = self.errors.decode(errors="replace").strip().rpartition("\n")[2]
            how = f"was killed by {_signal_name(-self.status)}" if self.status < 0 else f"ended with status {self.status}"
            raise Error(f"{name} {how}{': ' + last if last else ''}", self.status if self.status > 0 else 128 - self.status)
        return self


class Program:
    """A program that runs. ``stdin``, ``stdout`` and ``stderr`` are asyncio streams where PIPE was asked for, else None."""

    def __init__(self, link: Link, arguments: Sequence[str | bytes]) -> None:
        self._link = link
        self.arguments = arguments
        self.pid = 0  # inside
        self.stdin: asyncio.StreamWriter | None = None
        self.stdout: asyncio.StreamReader | None = None
        self.stderr: asyncio.StreamReader | None = None
        self._ended: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._ended.add_done_callback(lambda future: future.cancelled() or future.exception())  # it may be that nobody waits
        self._notes: list[str] = []
        self._transports: list[asyncio.BaseTransport] = []

    def __repr__(self) -> str:
        return f"<skerry.Program {self.pid}: {os.fsdecode(self.arguments[0])}>"

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return not self._ended.done()

    async def wait(self) -> int:
        """Its status when it has ended (see Result). Raises SystemEnded."""
        ended = await asyncio.shield(self._ended)
        return _status(ended["status"])

    async def communicate(self, input: bytes | None = None, output: bytearray | None = None, errors: bytearray | None = None) -> Result:
        """Give it ``input``, read all that it says, and wait for its end. Raises SystemEnded.

        What it says is put into ``output`` and ``errors``, if they are given, as it comes.
        """
        out = bytearray() if output is None else output
        err = bytearray() if errors is None else errors
        await asyncio.gather(self._feed(input), self.drain(out, err), self.wait())
        return self.result(bytes(out), bytes(err))

    async def drain(self, output: bytearray, errors: bytearray) -> None:
        """Read what is left of its streams, and wait for its end."""
        await asyncio.gather(self._collect(self.stdout, output), self._collect(self.stderr, errors), self.wait())

    def result(self, output: bytes = b"", errors: bytes = b"") -> Result:
        """The result of a program that has ended."""
        ended = self._ended.result()
        times = ended["time"] / 1e9, ended["system"] / 1e9
        return Result(self.arguments, _status(ended["status"]), output, errors, *times, ended["peak"], list(self._notes))

    async def signal(self, number: int) -> None:
        """Send a signal to it and to all that it has begun. Raises SystemEnded."""
        await self._link.ask("signal", program=self.pid, signal=int(number))

    async def kill(self) -> None:
        """End it and all that it has begun, at once. Raises SystemEnded."""
        await self.signal(signals.SIGKILL)

    # What the system tells
    def has_ended(self, event: dict[str, Any]) -> None:
        if not self._ended.done():
            self._ended.set_result(event)
        if self.stdin is not None:
            self.stdin.close()  # nobody reads any more

    def has_failed(self, error: Error) -> None:
        if not self._ended.done():
            self._ended.set_exception(error)

    def note(self, text: str) -> None:
        self._notes.append(text)

    # Streams
    async def _feed(self, data: bytes | None) -> None:
        if self.stdin is None:
            return
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it does not read all of it
            if data:
                self.stdin.write(data)
                await self.stdin.drain()
            self.stdin.close()

    async def _collect(self, reader: asyncio.StreamReader | None, into: bytearray) -> None:
        if reader is not None:
            while data := await reader.read(LIMIT):
                into += data

    async def attach(self, ours: dict[int, int]) -> None:
        """Take the caller's ends of its pipes, by number, out of ``ours``."""
        loop = asyncio.get_running_loop()
        for number in sorted(ours):
            descriptor = ours.pop(number)
            if number == 0:
                file = os.fdopen(descriptor, "wb", 0)
                transport, protocol = await loop.connect_write_pipe(_WriteProtocol, file)
                self.stdin = asyncio.StreamWriter(transport, protocol, None, loop)
                self._transports.append(transport)
            else:
                reader = asyncio.StreamReader(LIMIT)
                protocol_of_it = asyncio.StreamReaderProtocol(reader)
                reading, _ = await loop.connect_read_pipe(partial(_same, protocol_of_it), os.fdopen(descriptor, "rb", 0))
                self._transports.append(reading)
                if number == 1:
                    self.stdout = reader
                else:
                    self.stderr = reader

        if not self.running and self.stdin is not None:
            self.stdin.close()

    def close(self) -> None:
        """Close the caller's ends of its pipes; it goes on."""
        for transport in self._transports:
            transport.close()


class _WriteProtocol(asyncio.streams.FlowControlMixin):
    """What a StreamWriter of a pipe needs."""

    def __init__(self) -> None:
        super().__init__()
        self._closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def _get_close_waiter(self, stream: asyncio.StreamWriter) -> asyncio.Future[None]:
        return self._closed

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        if not self._closed.done():
            self._closed.set_result(None)


class Streams:
    """What a program is given: its descriptors ``numbers`` are the host's ``given``. A context manager: leaving closes those."""

    def __init__(self, stdin: Where, stdout: Where, stderr: Where) -> None:
        self.numbers: list[int] = []
        self.given: list[int] = []
        self.ours: dict[int, int] = {}  # the other ends of pipes, by number
        try:
            for number, where in enumerate((stdin, stdout, stderr)):
                self._add(number, where)
        except BaseException:
            self.__exit__()
            self.close_ours()
            raise

    def _add(self, number: int, where: Where) -> None:
        if where == PIPE:
            read, write = os.pipe2(os.O_CLOEXEC)
            theirs, self.ours[number] = (read, write) if number == 0 else (write, read)
        elif where == DEVNULL:
            theirs = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        elif where == STDOUT:
            if number != 2:
                raise Error("STDOUT is for stderr alone: give PIPE, DEVNULL or a file")
            theirs = os.dup(self.given[self.numbers.index(1)])
        else:
            descriptor = number if where is None else where if isinstance(where, int) else where.fileno()
            try:
                theirs = os.dup(descriptor)
            except OSError as error:
                if where is None:
                    return  # the caller has it closed, too
                raise Error(f"descriptor {descriptor} cannot be given to a program: {error.strerror}") from error
        self.numbers.append(number)
        self.given.append(theirs)

    def close_ours(self) -> None:
        """The program was not begun."""
        for descriptor in self.ours.values():
            os.close(descriptor)
        self.ours.clear()

    def __enter__(self) -> Streams:
        return self

    def __exit__(self, *error: object) -> None:
        for descriptor in self.given:
            os.close(descriptor)
        self.given.clear()


def _same(protocol: asyncio.StreamReaderProtocol) -> asyncio.StreamReaderProtocol:
    return protocol


def _status(status: int) -> int:
    return -(status & 0x7F) if status & 0x7F else status >> 8


def _signal_name(number: int) -> str:
    try:
        return signals.Signals(number).name
    except ValueError:
        return f"signal {number}"
