"""Whose a host file is, inside: an ordinary user who is somebody else inside keeps his files."""

from __future__ import annotations

from typing import Final

NOBODY: Final = 65534  # who nobody may give a file to but root


class Owners:
    """Shows the files of the host's ``uid`` and ``gid`` as those of ``inside_uid`` and ``inside_gid``, all others as they are.

    An id inside that is then hidden by another has no place on the host: it is kept as NOBODY's, which the host refuses.
    """

    def __init__(self, uid: int = 0, gid: int = 0, inside_uid: int = 0, inside_gid: int = 0) -> None:
        self._ids = ((uid, inside_uid), (gid, inside_gid))
        self.numbers = (uid, gid, inside_uid, inside_gid)  # what it is made of
        self.same = uid == inside_uid and gid == inside_gid

    def shown(self, uid: int, gid: int) -> tuple[int, int]:
        """The owner and group inside of what these have on the host."""
        if self.same:
            return uid, gid
        (own_uid, inside_uid), (own_gid, inside_gid) = self._ids
        return inside_uid if uid == own_uid else uid, inside_gid if gid == own_gid else gid

    def kept(self, uid: int, gid: int) -> tuple[int, int]:
        """The owner and group on the host of what these have inside; -1 stays -1."""
        if self.same:
            return uid, gid
        found = [
            own if wanted == inside else NOBODY if wanted == own else wanted
            for wanted, (own, inside) in zip((uid, gid), self._ids, strict=True)
        ]
        return found[0], found[1]


AS_THEY_ARE: Final = Owners()
