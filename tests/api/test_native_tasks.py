"""Native tasks begun from Python, calls to them, and the messages that a trace shows."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Protocol

import pytest

import skerry
from skerry.lib.stubs import Data, Int, routine

pytestmark = pytest.mark.machine

SERVER = """
from typing import Protocol
from skerry.lib.service import Service
from skerry.lib.stubs import CallError, Data, Dispatcher, Int, routine
from skerry.servers.name import publish

class Tool(Protocol):
    @routine(7000)
    async def double(self, number: Int) -> Int: ...
    @routine(7001)
    async def reverse(self, data: Data) -> Data: ...

class Implementation:
    async def double(self, number):
        if number < 0:
            raise CallError(77)
        return 2 * number
    async def reverse(self, data):
        return bytes(reversed(data))

def main(channel, name):
    service = Service(channel)
    publish(service, name, Dispatcher(Tool, Implementation()).answer)
    service.run()
"""


class Tool(Protocol):
    @routine(7000)
    async def double(self, number: Int) -> Int: ...

    @routine(7001)
    async def reverse(self, data: Data) -> Data: ...


def test_a_task_is_called_from_outside(config: str) -> None:
    async def call() -> None:
        async with skerry.System(config=config) as system:
            task = await system.begin_task(SERVER, arguments=["tool"], name="toolmaker")
            tool = system.client(Tool, "tool")
            assert await tool.double(21) == 42
            assert await tool.reverse(b"abc") == b"cba"
            with pytest.raises(skerry.CallError) as caught:
                await tool.double(-1)
            assert caught.value.code == 77
            names = {entry["name"] for entry in await system.tasks()}
            assert {"toolmaker", "name", "reincarnation"} <= names
            assert task.running

    asyncio.run(call())


def test_names_outlive_the_name_server(config: str) -> None:
    async def call() -> None:
        async with skerry.System(config=config) as system:
            await system.begin_task(SERVER, arguments=["tool"])
            tool = system.client(Tool, "tool")
            assert await tool.double(21) == 42
            for _ in range(3):
                (server,) = [task["host_pid"] for task in await system.tasks() if task["name"] == "name"]
                os.kill(server, signal.SIGKILL)
                assert await tool.double(21) == 42
                assert server not in [task["host_pid"] for task in await system.tasks()]

    asyncio.run(call())


def test_two_tasks_find_each_other_and_a_trace_shows_their_messages(config: str) -> None:
    client = """
from skerry.lib.channel import NativeTask
from skerry.lib.stubs import client, finish
from skerry.servers.name import look_up
def main(channel):
    task = NativeTask(channel)
    tool = client(Tool, task, look_up(task, "tool"))
    for number in range(3):
        assert finish(tool.double(number)) == 2 * number
"""

    async def trace() -> list[dict[str, object]]:
        async with skerry.System(config=config) as system:
            await system.begin_task(SERVER, arguments=["tool"], name="server")
            assert await system.client(Tool, "tool").double(1) == 2
            async with system.trace() as tracing:
                task = await system.begin_task(SERVER.partition("class Implementation")[0] + client, name="user")
                await task.wait()
            return tracing.events

    events = asyncio.run(trace())
    threads = {event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"}  # type: ignore[index]
    arrows: dict[object, dict[str, str]] = {}
    for event in events:
        if event["ph"] in ("s", "f"):
            arrows.setdefault(event["id"], {})[str(event["ph"])] = str(threads[event["tid"]])
    assert_nested(events)
    pairs = [(arrow.get("s"), arrow.get("f")) for arrow in arrows.values()]
    assert pairs.count(("user", "server")) >= 3
    assert pairs.count(("server", "user")) >= 3


def test_tasks_of_one_name_are_apart_in_a_trace(config: str) -> None:
    async def trace() -> list[dict[str, object]]:
        async with skerry.System(config=config) as system, system.trace() as tracing:
            for name in ("one", "two"):
                await system.begin_task(SERVER, arguments=[name], name="same")
                await system.client(Tool, name).double(1)
        return tracing.events

    events = asyncio.run(trace())
    names = [event["args"]["name"] for event in events if event["name"] == "thread_name"]  # type: ignore[index]
    assert len([name for name in names if name == "same" or name.startswith("same (")]) == 2


def assert_nested(events: list[dict[str, object]]) -> None:
    """Slices of one thread lie in or beside each other: viewers drop those that overlap in part."""
    rows: dict[object, list[tuple[float, float]]] = {}
    for event in events:
        if event["ph"] == "X":
            begin, length = event["ts"], event["dur"]
            assert isinstance(begin, float)
            assert isinstance(length, float)
            rows.setdefault((event["pid"], event["tid"]), []).append((begin, begin + length))
    for row in rows.values():
        row.sort(key=lambda slice: (slice[0], -slice[1]))
        open_until: list[float] = []
        for begin, end in row:
            while open_until and open_until[-1] <= begin + 0.0005:
                open_until.pop()
            assert not open_until or end <= open_until[-1] + 0.0005
            open_until.append(end)


def test_an_error_that_ends_a_task_is_told_with_its_traceback(config: str) -> None:
    async def fail() -> None:
        async with skerry.System(config=config) as system:
            task = await system.begin_task("def main(channel):\n    raise ValueError('on purpose')\n")
            with pytest.raises(skerry.Error, match="ValueError: on purpose"):
                await task.wait()

    asyncio.run(fail())


def test_a_message_that_nobody_takes_and_memory_are_seen(config: str) -> None:
    source = """
from skerry.abi import mach
from skerry.abi.machmsg import UserMessage
from skerry.lib.channel import NativeTask
from skerry.lib.stubs import finish
def main(channel):
    task = NativeTask(channel)
    finish(task.kernel.vm_allocate(0, 1 << 20, 1))
    port = task.reply_port()
    finish(task.kernel.mach_port_insert_right(port, port))
    task.send(UserMessage(4711, port, remote_type=mach.MSG_TYPE_COPY_SEND, body=bytes(8)))
    task.receive(task.reply_port())
"""

    async def look() -> None:
        async with skerry.System(config=config) as system:
            task = await system.begin_task(source, name="sender")
            queued: list[dict[str, int]] = []
            while not queued and task.running:
                ports = (await system.ports())["ports"]
                queued = [message for port in ports if port["receiver"] == "sender" for message in port["messages"]]
            assert queued == [{"id": 4711, "bytes": 32}]
            (region,) = await system.task_memory(task.host_pid)
            assert (region["end"] - region["start"], region["behind"]) == (1 << 20, "anonymous")
            with pytest.raises(skerry.Error, match="no task 1"):
                await system.task_memory(1)

    asyncio.run(look())


def test_a_killed_task_is_gone(config: str) -> None:
    async def kill() -> None:
        async with skerry.System(config=config) as system:
            task = await system.begin_task(SERVER, arguments=["tool"])
            assert await system.client(Tool, "tool").double(1) == 2
            await task.kill()
            await task.wait()
            with pytest.raises(skerry.Error, match="no task has checked in the name tool"):
                await system.client(Tool, "tool", patience=0).double(1)

    asyncio.run(kill())


def test_a_name_that_nobody_checks_in_is_an_error(config: str) -> None:
    async def call() -> None:
        async with skerry.System(config=config) as system:
            with pytest.raises(skerry.Error, match="no task has checked in the name nobody"):
                await system.client(Tool, "nobody", patience=0.05).double(1)

    asyncio.run(call())
