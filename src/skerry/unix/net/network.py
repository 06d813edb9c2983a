"""What the sockets of one system share: the abstract names, and the ports of each protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakSet

from skerry.unix.net.ports import Ports

if TYPE_CHECKING:
    from skerry.unix.net.local import LocalSocket


class Network:
    """The network inside a system. Nothing leads out of it."""

    def __init__(self) -> None:
        self.local: dict[tuple[int, bytes], LocalSocket] = {}  # by kind and abstract name
        self.local_sockets: WeakSet[LocalSocket] = WeakSet()
        self.tcp = Ports()
        self.udp = Ports()
        self.udplite = Ports()
