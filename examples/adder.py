"""A native task: a server in Python with nothing but its capabilities. python examples/adder.py

The task is this very module: its ``main`` runs in the system, behind a system-call filter, and serves who asks the name server for "adder".
"""

from __future__ import annotations

import asyncio
from typing import Protocol

import skerry
from skerry.lib.channel import Channel
from skerry.lib.service import Service
from skerry.lib.stubs import CallError, Dispatcher, Int, routine
from skerry.servers.name import publish


class Adder(Protocol):
    @routine(5000)
    async def add(self, left: Int, right: Int) -> Int:
        """The sum. Raises CallError(1) where it is over 1,000: the adder has few fingers."""


class Fingers:
    async def add(self, left: int, right: int) -> int:
        if left + right > 1000:
            raise CallError(1)
        return left + right


def main(channel: Channel) -> None:
    """The task's program."""
    service = Service(channel)
    publish(service, "adder", Dispatcher(Adder, Fingers()).answer)
    service.run()


async def use() -> None:
    """Begin the task in a system, and call it from outside."""
    async with skerry.System(modules=["adder"]) as system:
        await system.begin_task(entry="adder:main")
        adder = system.client(Adder, "adder")
        print(await adder.add(40, 2))
        try:
            await adder.add(999, 2)
        except skerry.CallError as error:
            print(f"refused with code {error.code}")


if __name__ == "__main__":
    asyncio.run(use())
