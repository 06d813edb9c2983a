"""Native tasks of a system, and calls to them from outside."""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode
from typing import TYPE_CHECKING, Any, Final, TypeVar

from skerry.abi.machmsg import UserMessage
from skerry.api.errors import Error
from skerry.lib.stubs import client

if TYPE_CHECKING:
    from skerry.api.link import Link

T = TypeVar("T")
FIRST_PAUSE: Final = 0.002  # seconds until one looks again for a name that nobody has checked in yet


class Task:
    """A native task that was begun (docs/reference/mach/native-tasks.md)."""

    def __init__(self, link: Link, number: int, host_pid: int) -> None:
        self._link = link
        self._number = number
        self.host_pid = host_pid
        self._ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._ended.add_done_callback(lambda future: future.cancelled() or future.exception())

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return not self._ended.done()

    async def wait(self) -> None:
        """Return when it has ended by itself or was killed. Raises Error with its traceback if an error ended it; SystemEnded."""
        text = await asyncio.shield(self._ended)
        if text:
            raise Error(f"the native task has ended with an error:\n{text}")

    async def kill(self) -> None:
        """End it; its ports die. One that has ended is nothing. Raises SystemEnded."""
        await self._link.ask("end task", task=self._number)

    # What the system tells
    def has_ended(self, event: dict[str, Any]) -> None:
        if not self._ended.done():
            self._ended.set_result(event["error"])

    def has_failed(self, error: Error) -> None:
        if not self._ended.done():
            self._ended.set_exception(error)


class PortCalls:
    """Carries remote calls to what is checked in under a name (:class:`skerry.lib.stubs.Transport`)."""

    def __init__(self, link: Link, name: str, patience: float) -> None:
        self._link = link
        self._name = name
        self._patience = patience

    async def rpc(self, request: UserMessage) -> UserMessage:
        """Raises Error: nobody has checked in the name, or the message carries more than data."""
        if request.items is not None:
            raise Error("only numbers, text and short bytes go into a system: rights and memory out of line do not")
        loop = asyncio.get_running_loop()
        due, pause = loop.time() + self._patience, FIRST_PAUSE
        while True:
            try:
                number, body = await self._link.ask("call", port=self._name, number=request.id, body=b64encode(request.body).decode())
                return UserMessage(number, body=b64decode(body))
            except Error as error:
                if "no task has checked in" not in str(error) or loop.time() >= due:
                    raise
            await asyncio.sleep(pause)
            pause = min(2 * pause, 0.1)


def port_client(link: Link, interface: type[T], name: str, patience: float) -> T:
    """The interface's calls, made to what is checked in under ``name``."""
    return client(interface, PortCalls(link, name, patience), 0)
