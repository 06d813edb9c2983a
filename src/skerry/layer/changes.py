"""What a layer changes in a root."""

from __future__ import annotations

import errno
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeVar

from skerry.machine.hostnode import Attributes, HostNode
from skerry.machine.layernode import LayerNode

Node = TypeVar("Node", bound=HostNode)
STEP: Final = 1 << 20  # bytes that are compared at a time


class Kind(Enum):
    """What became of a name; the letters are those of ``docker diff``."""

    ADDED = "A"
    CHANGED = "C"
    DELETED = "D"


@dataclass(frozen=True, slots=True)
class Change:
    """One change. ``path`` is relative to the root."""

    kind: Kind
    path: bytes
    upper: Attributes | None  # what the layer has; None: the name goes
    lower: Attributes | None  # what the root has; None: nothing
    origin: bytes = b""  # what was noted of the root's object when it was copied
    whiteout: Attributes | None = None  # the layer's word that the name goes, if it has one for this very name
    hidden: bool = False  # within a directory that hides the root's

    @property
    def is_directory(self) -> bool:
        """Whether it is a directory, or was one."""
        there = self.upper or self.lower
        return there is not None and stat.S_ISDIR(there[0])


def changes(upper: LayerNode, lower: HostNode) -> list[Change]:
    """All changes, by path: a directory's before those below it. Raises OSError."""
    return sorted(_Walk(upper, lower).all(), key=lambda change: change.path.split(b"/"))


class _Walk:
    def __init__(self, upper: LayerNode, lower: HostNode) -> None:
        self.upper = upper
        self.lower = lower

    def all(self) -> Iterator[Change]:
        places: list[tuple[bytes, bool]] = [(b"", False)]
        while places:
            for item in list(self._directory(*places.pop())):
                if isinstance(item, Change):
                    yield item
                else:
                    places.append(item)

    def _directory(self, path: bytes, hidden: bool) -> Iterator[Change | tuple[bytes, bool]]:
        """What changes in a directory that the layer has, and its subdirectories. ``hidden``: the root's does not show through."""
        upper = self.upper.below(path)
        hidden = hidden or upper.is_opaque()
        names = {name for name, _, _ in upper.list()}
        if hidden:
            names.update(self._lower_names(path))
        for name in sorted(names):
            full = path + b"/" + name if path else name
            lower = _find(self.lower, full)
            below = lower.stat() if lower is not None else None
            node = _find(self.upper, full)
            if node is None or node.is_whiteout():
                if below is not None:
                    whiteout = node.stat() if node is not None else None
                    yield Change(Kind.DELETED, full, None, below, whiteout=whiteout, hidden=hidden)
                continue
            here = node.stat()
            kind = self._compare(node, here, lower, below)
            if kind is not None:
                yield Change(kind, full, here, below, node.origin(), hidden=hidden)
            if stat.S_ISDIR(here[0]):
                yield full, hidden or below is None or not stat.S_ISDIR(below[0])

    def _lower_names(self, path: bytes) -> set[bytes]:
        node = _find(self.lower, path)
        return {name for name, _, _ in node.list()} if node is not None and stat.S_ISDIR(node.stat()[0]) else set()

    @staticmethod
    def _compare(node: LayerNode, here: Attributes, lower: HostNode | None, below: Attributes | None) -> Kind | None:
        """None: they are the same, as far as anybody cares: times count for what is not a directory."""
        if lower is None or below is None:
            return Kind.ADDED
        kind = stat.S_IFMT(here[0])
        same = here[0] == below[0] and here[4:6] == below[4:6] and node.attributes() == lower.attributes()
        if same and kind == stat.S_IFREG:
            same = here[7] == below[7] and here[9] == below[9] and same_contents(node, lower)
        elif same and kind == stat.S_IFLNK:
            same = node.readlink() == lower.readlink()
        elif same and kind in (stat.S_IFCHR, stat.S_IFBLK):
            same = here[6] == below[6]
        return None if same else Kind.CHANGED


def same_contents(one: HostNode, other: HostNode) -> bool:
    """Whether two regular files of the same size hold the same. Raises OSError."""
    first, second = one.open(False), other.open(False)
    at = 0
    while True:
        data = first.read(at, STEP)
        if data != second.read(at, STEP):
            return False
        if not data:
            return True
        at += len(data)


def _find(node: Node, path: bytes) -> Node | None:
    """What is there; None if nothing is, or if it cannot be reached without a link."""
    try:
        return node.below(path)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return None
        raise
