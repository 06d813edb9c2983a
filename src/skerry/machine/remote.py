"""Stand-ins for devices that are in another process (``device``)."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from skerry.machine.memory import HostFile


class RemoteFile(HostFile):
    """Contents of a file or of memory whose device is in the kernel. A descriptor to read and write them is fetched when needed."""

    def __init__(self, name: int, fetch: Callable[[int], int], forget: Callable[[int], None]) -> None:
        """``fetch`` gives the descriptor, ``forget`` gives up the name."""
        self.name = name
        self._fetch = fetch
        self._forget = forget
        self._own = -1

    @property
    def descriptor(self) -> int:  # type: ignore[override]
        if self._own < 0:
            self._own = self._fetch(self.name)
        return self._own

    def close(self) -> None:
        if self._own >= 0:
            os.close(self._own)
            self._own = -1
        if self.name:
            name, self.name = self.name, 0
            self._forget(name)


class RemoteDevice:
    """A device in the kernel. ``ask(name, method, arguments)`` makes a call and gives its result."""

    def __init__(
        self,
        name: int,
        attributes: tuple[tuple[bytes, Any], ...],
        ask: Callable[[int, bytes, tuple[Any, ...]], Any],
        forget: Callable[[int], None],
    ) -> None:
        self.name = name
        self._ask = ask
        self._forget = forget
        for attribute, value in attributes:
            setattr(self, attribute.decode(), value)

    def __getattr__(self, method: str) -> Callable[..., Any]:
        if method.startswith("_"):
            raise AttributeError(method)
        encoded = method.encode()

        def call(*arguments: Any) -> Any:
            return self._ask(self.name, encoded, arguments)

        self.__dict__[method] = call
        return call

    def __del__(self) -> None:
        self._forget(self.name)
