"""A layer and its root, open for the commands that look at both."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from skerry.layer.store import Layer
from skerry.machine.hostnode import HostNode
from skerry.machine.layernode import LayerNode
from skerry.options import UserError


@dataclass(frozen=True, slots=True)
class Opened:
    """What the layer has, and the root; ``same_root``: it is the one that the layer was made on."""

    layer: Layer
    upper: LayerNode
    root: HostNode
    root_name: str
    same_root: bool


@contextmanager
def opened(directory: str, root: str, writable: bool) -> Iterator[Opened]:
    """The layer in ``directory`` and the root that it is to be compared with: ``root``, or its own. Raises UserError."""
    with Layer.open("", directory) as layer:
        name = root or layer.root
        try:
            node = HostNode.directory(os.fsencode(name), writable, layer.owners)
        except OSError as error:
            advice = "give a directory" if root else "the root that it was made on is gone: give --root"
            raise UserError(f"--root {name}: {error.strerror}: {advice}") from error
        try:
            upper = layer.part("upper", layer.owners)
            yield Opened(layer, upper, node, name, os.path.realpath(name) == layer.root)
        except BrokenPipeError:  # who reads has enough
            raise
        except OSError as error:
            raise UserError(f"{directory}: {error.strerror or error}: {_advice(error)}") from error


def _advice(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "do it as the user who may read and write what it concerns"
    return "see whether the layer and the root are whole"
