"""A system that the caller starts, uses and ends, in asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import os
import warnings
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from skerry.api.errors import Error, SystemEnded, Timeout
from skerry.api.link import Link
from skerry.api.process import DEVNULL, PIPE, Program, Result, Streams, Where
from skerry.api.task import Task, port_client
from skerry.api.tracing import Tracing

T = TypeVar("T")
Path = str | os.PathLike[str]
MIB = 1 << 20


class System:
    """A Unix of one's own on a Mach kernel of one's own.

    ::

        async with skerry.System(memory="512M") as system:
            result = await system.run(["gcc", "--version"])

    The kernel runs in a process of its own, in a session of its own; it ends with ``close``, with the object, or with the caller's
    process, however that ends, and all programs with it. The options are those of ``skerry run``; ``timeout`` is for the whole system.
    ``modules`` are names of Python modules that native tasks can import.
    """

    def __init__(
        self,
        *,
        config: str = "",
        root: Path = "/",
        upper: Path = "",
        user: str = "",
        bind: Sequence[str] = (),
        mount: Sequence[str] = (),
        disk_image: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        cwd: Path = "",
        net: str = "none",
        publish: Sequence[str] = (),
        memory: str | int = "",
        swap: str | int = "",
        disk: str | int = "",
        pids: int | None = None,
        cpus: float | None = None,
        timeout: float | None = None,
        modules: Sequence[str] = (),
    ) -> None:
        self._options: dict[str, Any] = {
            "config": config or os.environ.get("SKERRY_CONFIG", "mach-colocated"),
            "root": os.fspath(root),
            "upper": os.fspath(upper),
            "user": user,
            "bind": list(bind),
            "mount": list(mount),
            "disk_image": list(disk_image),
            "env": [f"{key}={value}" for key, value in (env or {}).items()],
            "cwd": os.fspath(cwd),
            "net": net,
            "publish": list(publish),
            "memory": memory,
            "swap": swap,
            "disk": disk,
            "pids": "" if pids is None else pids,
            "cpus": "" if cpus is None else cpus,
            "timeout": "" if timeout is None else timeout,
            "modules": list(modules),
        }
        self.notes: list[str] = []  # what the system has said: limits that were reached, ports of the host that were chosen
        self._link: Link | None = None
        self._programs: dict[int, Program] = {}
        self._tasks: dict[int, Task] = {}
        self._early: dict[int, dict[str, Any]] = {}  # ends that came before who waits for them was there

    # Its life
    async def start(self) -> System:
        """Start it, as ``async with`` does. Raises Error."""
        if self._link is not None:
            raise Error("the system was started already: make another System")
        self._link = Link(self._take)
        await self._link.open(self._options)
        return self

    async def close(self) -> None:
        """End all programs and the system. Twice is harmless."""
        if self._link is not None:
            await self._link.close()
        for program in self._programs.values():
            program.close()

    async def __aenter__(self) -> System:
        return await self.start()

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    def __del__(self) -> None:
        if self._link is not None and self._link.is_open:
            warnings.warn(f"{self!r} was not closed: use async with", ResourceWarning, stacklevel=2, source=self)
            self._link.drop()

    def __repr__(self) -> str:
        return f"<skerry.System {self.pid or 'not started'}>"

    @property
    def pid(self) -> int:
        """The host's number of the process that it runs in; 0 before it was started. ``skerry ps`` shows it."""
        return self._link.pid if self._link is not None else 0

    def _require(self) -> Link:
        if self._link is None:
            raise SystemEnded("the system has not been started: use async with, or await start()")
        return self._link

    def _take(self, event: dict[str, Any]) -> None:
        if "ended" in event:
            program = self._programs.get(event["ended"])
            if program is not None:
                program.has_ended(event)
                del self._programs[event["ended"]]
            else:
                self._early[event["ended"]] = event
        elif "task ended" in event:
            begun = self._tasks.pop(event["task ended"], None)
            if begun is not None:
                begun.has_ended(event)
            else:
                self._early[-event["task ended"]] = event
        elif "said" in event:
            self.notes.append(event["said"].rstrip("\n"))
            for program in self._programs.values():
                program.note(event["said"].rstrip("\n"))
        elif "gone" in event:
            ended = SystemEnded(f"the system has ended: {self._link.failure if self._link and self._link.failure else 'start another'}")
            for program in self._programs.values():
                program.has_failed(ended)
            for task in self._tasks.values():
                task.has_failed(ended)

    # Programs
    async def run(
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
        """Run a program to its end; its output is in the result. Without ``input`` its standard input is empty.

        ``env`` adds to the system's variables. ``timeout`` (seconds) kills it and all that it began. What it leaves running in the
        background goes on until the system ends, without its standard streams.

        Raises Timeout, NotFound, Error, SystemEnded.
        """
        program = await self.begin(arguments, stdin=PIPE if input else DEVNULL, stdout=stdout, stderr=stderr, env=env, cwd=cwd)
        return await finish(program, input, timeout)

    async def begin(
        self,
        arguments: Sequence[str | bytes],
        *,
        stdin: Where = DEVNULL,
        stdout: Where = None,
        stderr: Where = None,
        env: Mapping[str, str] | None = None,
        cwd: Path = "",
    ) -> Program:
        """Begin a program, and let it run.

        ``stdin``, ``stdout``, ``stderr``: as in subprocess: PIPE, DEVNULL, STDOUT, a file, a descriptor, or None for the caller's own.

        Raises NotFound, Error, SystemEnded.
        """
        link = self._require()
        if isinstance(arguments, (str, bytes)) or not arguments:
            raise Error('give a program as a list of words, like ["ls", "-l"]; for a line of the shell ["sh", "-c", LINE]')
        words = [os.fsdecode(word) for word in arguments]
        variables = dict(env or {})
        if any("\0" in word for word in (*words, *variables, *variables.values())):
            raise Error("no word and no variable of a program may contain a NUL character")
        program = Program(link, arguments)
        with Streams(stdin, stdout, stderr) as streams:
            asked = link.ask(
                "start",
                streams.given,
                arguments=words,
                environment=variables,
                directory=os.fspath(cwd),
                numbers=streams.numbers,
                count=len(streams.given),
            )
            try:
                program.pid = await _to_its_end(asked, lambda pid: self._forget(program, pid))
            except BaseException:
                streams.close_ours()
                raise
        early = self._early.pop(program.pid, None)
        if early is None:
            self._programs[program.pid] = program
        else:
            program.has_ended(early)
        try:
            await program.attach(streams.ours)
        except BaseException:  # cancelled: nobody wants it any more
            program.close()
            streams.close_ours()
            with contextlib.suppress(Error):
                await program.kill()
            raise
        return program

    async def signal(self, program: int, number: int) -> int:
        """Send a signal to all that descend from the program with this pid; how many there were. Raises SystemEnded."""
        count: int = await self._require().ask("signal", program=program, signal=int(number))
        return count

    async def _forget(self, program: Program, pid: int) -> None:
        """Nobody wants it any more."""
        if self._early.pop(pid, None) is None:
            program.pid = pid
            self._programs[pid] = program
            await program.kill()

    # Native tasks
    async def begin_task(
        self, source: str | None = None, entry: str = "main", arguments: Sequence[str | int] = (), *, name: str = ""
    ) -> Task:
        """Begin a native task: a server in Python, with nothing but its capabilities.

        ``entry`` is a function of ``source``, or ``module:function`` of one of the system's ``modules``; it is called with the channel and
        ``arguments``. The bootstrap port of the task is a name server: ``skerry.servers.name.publish`` checks in a port there. ``name`` is
        what ``skerry ports`` shows.

        Raises Error, SystemEnded.
        """
        link = self._require()
        begun = await link.ask("begin task", source=source, entry=entry, arguments=list(arguments), name=name)
        task = Task(link, begun["task"], begun["host_pid"])
        early = self._early.pop(-begun["task"], None)
        if early is None:
            self._tasks[begun["task"]] = task
        else:
            task.has_ended(early)
        return task

    def client(self, interface: type[T], name: str, *, patience: float = 5.0) -> T:
        """The calls of an interface (``skerry.lib.stubs``), made to the port that is checked in under ``name``; each is awaited.

        ``patience``: seconds to wait until somebody has checked it in. Calls raise CallError with the server's code; Error, SystemEnded.
        """
        return port_client(self._require(), interface, name, patience)

    # Looking
    async def processes(self) -> list[dict[str, Any]]:
        """The processes: pid, parent, state, time (ns), memory (bytes), command and so on. Raises SystemEnded."""
        found: list[dict[str, Any]] = await self._require().ask("processes")
        return found

    async def tasks(self) -> list[dict[str, Any]]:
        """The tasks of the kernel: host_pid, kind, name, threads, rights, memory, time. Raises SystemEnded."""
        found: list[dict[str, Any]] = await self._require().ask("tasks")
        return found

    async def ports(self) -> dict[str, Any]:
        """``tasks`` with their rights, and ``ports`` with their queues, receivers and senders. Raises SystemEnded."""
        found: dict[str, Any] = await self._require().ask("ports")
        return found

    async def memory(self, pid: int) -> list[dict[str, Any]]:
        """What a process has mapped: start, end, protection (PROT_* bits), shared, offset, name. Raises Error, SystemEnded."""
        found: list[dict[str, Any]] = await self._require().ask("memory", pid=pid)
        return found

    async def task_memory(self, host_pid: int) -> list[dict[str, Any]]:
        """What the kernel has mapped in a task: start, end, protection, maximum (VM_PROT_* bits), shared, offset, behind.

        ``behind``: ``anonymous``, ``pager``, ``memory object`` or ``file``. Raises Error, SystemEnded.
        """
        found: list[dict[str, Any]] = await self._require().ask("task memory", host_pid=host_pid)
        return found

    def trace(self) -> Tracing:
        """Trace what happens while it is entered: ``async with system.trace() as tracing``; ``tracing.events`` has it afterwards."""
        return Tracing(self._require())


async def _to_its_end(asked: Coroutine[Any, Any, int], undo: Callable[[int], Coroutine[Any, Any, Any]]) -> int:
    """The result of a request; one that is cancelled meanwhile is undone."""
    request = asyncio.ensure_future(asked)
    try:
        return await asyncio.shield(request)
    except asyncio.CancelledError:
        with contextlib.suppress(Error):
            await undo(await request)
        raise


async def finish(program: Program, input: bytes | None, timeout: float | None) -> Result:
    """Communicate with a program to its end, in time. Raises Timeout, SystemEnded."""
    out, err = bytearray(), bytearray()
    try:
        async with asyncio.timeout(timeout):
            return await program.communicate(input, out, err)
    except TimeoutError:
        await program.kill()
        await program.drain(out, err)
        name = os.fsdecode(program.arguments[0])
        raise Timeout(f"{name} did not end within {timeout:g} s and was killed", program.result(bytes(out), bytes(err))) from None
    except asyncio.CancelledError:
        await program.kill()
        raise
    finally:
        program.close()
