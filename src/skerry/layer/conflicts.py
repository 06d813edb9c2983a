"""What the root has become since a layer was made of it: a change that was made of something else is not applied."""

from __future__ import annotations

import stat

from skerry.layer.changes import Change
from skerry.machine.hostnode import Attributes, HostNode
from skerry.unix.fs.upper import origin


def conflict(change: Change, root: HostNode, created: int, same_root: bool) -> str:
    """Why the change does not fit the root any more; "" if it does. Raises OSError.

    ``created``: since when the layer may differ (ns). ``same_root``: it is the root that the layer was made on, not a copy, whose change
    times mean nothing.
    """
    lower = change.lower
    if lower is None:
        return "removed in the root since" if change.origin else ""
    if change.upper is not None and stat.S_ISDIR(change.upper[0]) and stat.S_ISDIR(lower[0]):
        return ""  # its names are told one by one
    if change.origin:
        return "" if _matches(change.origin, lower, same_root) else "changed in the root since"
    if change.whiteout is not None and not stat.S_ISDIR(lower[0]):
        fits = change.whiteout[9] == lower[9] and (not same_root or change.whiteout[8] == lower[10])
        return "" if fits else "changed in the root since"
    if _newest(root, change.path, lower, same_root) > created:
        return "made or changed in the root since"
    return ""


def _matches(noted: bytes, lower: Attributes, same_root: bool) -> bool:
    now = origin(lower)
    return noted == now if same_root else noted.split()[:3] == now.split()[:3]


def _newest(root: HostNode, path: bytes, attributes: Attributes, same_root: bool) -> int:
    """When something last changed at ``path`` or below it."""
    newest = attributes[10 if same_root else 9]
    places = [path] if stat.S_ISDIR(attributes[0]) else []
    while places:
        path = places.pop()
        for name, _, kind in root.below(path).list():
            full = path + b"/" + name
            newest = max(newest, root.below(full).stat()[10 if same_root else 9])
            if kind == stat.S_IFDIR:
                places.append(full)
    return newest
