"""Keys, identifiers and permissions: what the three kinds of System V IPC have in common.

An identifier is a place in the table plus a multiple of the table's size that grows with each use of the place, so that an old one is not
taken for a new object.

Source: sysvipc(7); ftok(3); ipc_get of the Linux manual pages shmget(2), semget(2), msgget(2).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from skerry.abi import linux, sysv
from skerry.unix.errors import LinuxError

if TYPE_CHECKING:
    from skerry.unix.process import Credentials

MOST: Final = 4096  # objects of a kind
READ: Final = 4
WRITE: Final = 2
_PERM: Final = struct.Struct("<iIIIIIHHxxxxQQ")


class Identified:
    """An object with a key and permissions."""

    def __init__(self, key: int, mode: int, who: Credentials, now: int) -> None:
        self.key = key
        self.id = -1  # given by the table
        self.mode = mode & 0o777
        self.uid = self.creator_uid = who.euid
        self.gid = self.creator_gid = who.egid
        self.changed = now  # ns since 1970
        self.removed = False

    def require(self, who: Credentials, access: int) -> None:
        """Raises EACCES unless ``who`` may READ or WRITE it (bits of ``access``)."""
        if who.euid in (self.uid, self.creator_uid):
            granted = self.mode >> 6
        elif {self.gid, self.creator_gid} & {who.egid, *who.groups}:
            granted = self.mode >> 3
        else:
            granted = self.mode
        if access & ~granted and who.euid:
            raise LinuxError(linux.EACCES)

    def require_owner(self, who: Credentials) -> None:
        """Raises EPERM unless ``who`` may change or remove it."""
        if who.euid and who.euid not in (self.uid, self.creator_uid):
            raise LinuxError(linux.EPERM)

    def permissions(self) -> bytes:
        """struct ipc64_perm."""
        sequence = self.id // MOST & 0xFFFF
        return _PERM.pack(self.key, self.uid, self.gid, self.creator_uid, self.creator_gid, self.mode, sequence, 0, 0, 0)

    def set_permissions(self, packed: bytes, now: int) -> None:
        """IPC_SET: owner and mode from struct ipc64_perm."""
        _, self.uid, self.gid, _, _, mode, *_ = _PERM.unpack(packed[: _PERM.size])
        self.mode = self.mode & ~0o777 | mode & 0o777
        self.changed = now


Kind = TypeVar("Kind", bound=Identified)


class Table(Generic[Kind]):
    """The objects of one kind."""

    def __init__(self) -> None:
        self._objects: dict[int, Kind] = {}  # by place
        self._keys: dict[int, Kind] = {}
        self._uses = 0

    def objects(self) -> list[Kind]:
        return list(self._objects.values())

    def get(self, key: int, flags: int, who: Credentials, check: Callable[[Kind], None], make: Callable[[], Kind]) -> int:
        """shmget and its kin: the id of the object with ``key``, which ``check`` may refuse, or of a new one.

        Raises ENOENT, EEXIST, EACCES, ENOSPC, and what ``check`` and ``make`` raise.
        """
        found = self._keys.get(key) if key != sysv.IPC_PRIVATE else None
        if found is None:
            if key != sysv.IPC_PRIVATE and not flags & sysv.IPC_CREAT:
                raise LinuxError(linux.ENOENT)
            return self._add(make())
        if flags & sysv.IPC_CREAT and flags & sysv.IPC_EXCL:
            raise LinuxError(linux.EEXIST)
        check(found)
        found.require(who, (flags >> 6 | flags >> 3 | flags) & 7)
        return found.id

    def _add(self, made: Kind) -> int:
        place = next((number for number in range(MOST) if number not in self._objects), None)
        if place is None:
            raise LinuxError(linux.ENOSPC)
        made.id = place + MOST * (self._uses % (1 << 18))
        self._uses += 1
        self._objects[place] = made
        if made.key != sysv.IPC_PRIVATE:
            self._keys[made.key] = made
        return made.id

    def find(self, identifier: int) -> Kind:
        """Raises EINVAL."""
        found = self._objects.get(identifier % MOST) if identifier >= 0 else None
        if found is None or found.id != identifier:
            raise LinuxError(linux.EINVAL)
        return found

    def at(self, place: int) -> Kind:
        """The object at a place: what SHM_STAT and its kin take. Raises EINVAL."""
        found = self._objects.get(place)
        if found is None:
            raise LinuxError(linux.EINVAL)
        return found

    def highest(self) -> int:
        """The highest place in use; 0 if there is none."""
        return max(self._objects, default=0)

    def forget_key(self, gone: Kind) -> None:
        """Nobody finds it by its key any more."""
        if self._keys.get(gone.key) is gone:
            del self._keys[gone.key]

    def remove(self, gone: Kind) -> None:
        """The object is no more."""
        gone.removed = True
        self.forget_key(gone)
        self._objects.pop(gone.id % MOST, None)
