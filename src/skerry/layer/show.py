"""Changes as text."""

from __future__ import annotations

import difflib
import stat
from collections.abc import Iterator
from typing import Final

from skerry.layer.changes import Change, Kind
from skerry.machine.hostnode import HostNode

LARGEST: Final = 1 << 18  # bytes of a file whose lines are compared
_MARKS: Final = {stat.S_IFDIR: "/", stat.S_IFLNK: "@", stat.S_IFIFO: "|", stat.S_IFSOCK: "="}
_DEVICES: Final = {stat.S_IFCHR: "a character device", stat.S_IFBLK: "a block device"}
_CONTROLS: Final = {code: f"\\x{code:02x}" for code in (*range(9), *range(11, 32), *range(127, 160))}  # tab and newline are harmless


def quoted(path: bytes) -> str:
    """A path, absolute, with everything that a terminal would obey or not show written as an escape."""
    text = "/" + path.decode(errors="backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def line(change: Change) -> str:
    """``A /opt/new/``, and what deserves a second look."""
    there = change.upper or change.lower
    mark = _MARKS.get(stat.S_IFMT(there[0]), "") if there is not None else ""
    return f"{change.kind.value} {quoted(change.path)}{mark}{_remark(change)}"


def _remark(change: Change) -> str:
    if change.upper is None:
        return ""
    mode, before = change.upper[0], change.lower[0] if change.lower is not None else 0
    remarks = [text for kind, text in _DEVICES.items() if stat.S_IFMT(mode) == kind]
    if not stat.S_ISDIR(mode):
        remarks += [text for bit, text in ((stat.S_ISUID, "set-user-id"), (stat.S_ISGID, "set-group-id")) if mode & ~before & bit]
    if change.kind is Kind.CHANGED and change.lower is not None:
        if stat.S_IFMT(mode) != stat.S_IFMT(before):
            remarks.append("of another kind")
        elif stat.S_IMODE(mode) != stat.S_IMODE(before):
            remarks.append(f"mode {stat.S_IMODE(before):04o} -> {stat.S_IMODE(mode):04o}")
        if change.upper[4:6] != change.lower[4:6]:
            remarks.append("owner {}:{} -> {}:{}".format(*change.lower[4:6], *change.upper[4:6]))
    return f" ({', '.join(remarks)})" if remarks else ""


def content(change: Change, upper: HostNode, lower: HostNode) -> Iterator[str]:
    """How the contents differ, as ``diff -u`` says it; lines without their ends. Raises OSError."""
    before, after = _text(lower, change.path, change.lower), _text(upper, change.path, change.upper)
    if before == after:
        return
    name = quoted(change.path)
    if before is None or after is None:
        yield f"Files a{name} and b{name} differ"
        return
    names = ("/dev/null" if change.lower is None else f"a{name}", "/dev/null" if change.upper is None else f"b{name}")
    for text in difflib.unified_diff(before, after, *names, lineterm=""):
        yield text.translate(_CONTROLS)


def _text(tree: HostNode, path: bytes, attributes: tuple[int, ...] | None) -> list[str] | None:
    """The lines of a file or a link; none of anything else. None: not text, or too much of it."""
    if attributes is None:
        return []
    node = tree.below(path)
    kind = stat.S_IFMT(attributes[0])
    if kind == stat.S_IFLNK:
        return [node.readlink().decode(errors="backslashreplace")]
    if kind != stat.S_IFREG:
        return []
    if attributes[7] > LARGEST:
        return None
    data = node.open(False).read(0, LARGEST)
    if b"\0" in data:
        return None
    lines = data.decode(errors="backslashreplace").split("\n")
    if lines[-1]:
        lines.append("\\ No newline at end of file")
        return lines
    return lines[:-1]
