"""A host directory as a device: names below it, and nothing else, whatever the names are."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections import OrderedDict
from typing import Final

from skerry.machine import _host
from skerry.machine.hostnode import list_directory, user_attributes
from skerry.machine.memory import HostFile
from skerry.machine.owners import AS_THEY_ARE, Owners

_OPEN_DIRECTORIES: Final = 256


class HostTree:
    """A read-only view of the host directory ``path``. Every call raises OSError; paths are relative, b"" is the directory itself."""

    _root = -1

    def __init__(self, path: bytes, owners: Owners = AS_THEY_ARE, without: bytes = b"") -> None:
        """``without``: a path below it that is not there."""
        self._without = without
        self._owners = owners
        self._directories: OrderedDict[bytes, int] = OrderedDict()  # open parents: a name costs one call, not a walk
        self._root = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def __del__(self) -> None:
        for descriptor in self._directories.values():
            os.close(descriptor)
        if self._root >= 0:
            os.close(self._root)

    def _parent(self, path: bytes) -> tuple[int, bytes]:
        """A descriptor of the directory that holds ``path``'s last component, and that component."""
        directory, _, name = path.rpartition(b"/")
        if name == b"..":
            raise OSError(errno.EINVAL, "not a name in a directory")
        if self._without and path == self._without:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        if not directory:
            return self._root, name
        descriptor = self._directories.get(directory)
        if descriptor is None:
            descriptor = _host.open_beneath(self._root, directory, os.O_PATH | os.O_DIRECTORY, 0)
            self._directories[directory] = descriptor
            if len(self._directories) > _OPEN_DIRECTORIES:
                os.close(self._directories.popitem(last=False)[1])
        return descriptor, name

    def stat(self, path: bytes) -> tuple[int, int, int, int, int, int, int, int, int, int, int, int]:
        """mode, ino, dev, nlink, uid, gid, rdev, size, atime, mtime, ctime (ns), blocks (512 bytes)."""
        directory, name = self._parent(path)
        return self._stat(directory, name)

    def _stat(self, directory: int, name: bytes) -> tuple[int, int, int, int, int, int, int, int, int, int, int, int]:
        s = os.stat(name, dir_fd=directory, follow_symlinks=False) if name else os.fstat(directory)
        times = (s.st_atime_ns, s.st_mtime_ns, s.st_ctime_ns)
        owner = self._owners.shown(s.st_uid, s.st_gid)
        return (s.st_mode, s.st_ino, s.st_dev, s.st_nlink, *owner, s.st_rdev, s.st_size, *times, s.st_blocks)

    def look(
        self, path: bytes, names: bytes
    ) -> list[tuple[bytes, tuple[int, int, int, int, int, int, int, int, int, int, int, int], bytes]]:
        """Each of ``names`` (separated by NULs) in a directory, what stat says of it, and its target; the rest is left out."""
        found = []
        for name in names.split(b"\0"):
            with contextlib.suppress(OSError):
                directory, last = self._parent(path + b"/" + name if path else name)
                attributes = self._stat(directory, last)
                target = os.readlink(last, dir_fd=directory) if stat.S_ISLNK(attributes[0]) else b""
                found.append((name, attributes, target))
        return found

    def list(self, path: bytes) -> list[tuple[bytes, int, int]]:
        """Name, inode number and type bits (S_IFMT) of each entry."""
        descriptor = _host.open_beneath(self._root, path or b".", os.O_RDONLY | os.O_DIRECTORY, 0)
        try:
            found = list_directory(descriptor)
            return found if not self._without else [entry for entry in found if (path + b"/" + entry[0]).lstrip(b"/") != self._without]
        finally:
            os.close(descriptor)

    def readlink(self, path: bytes) -> bytes:
        """The target of a symbolic link."""
        directory, name = self._parent(path)
        return os.readlink(name, dir_fd=directory)

    def attributes(self, path: bytes) -> dict[bytes, bytes]:
        """The extended attributes ``user.`` of a regular file or directory."""
        descriptor = _host.open_beneath(self._root, path or b".", os.O_PATH | os.O_NOFOLLOW, 0)
        try:
            return user_attributes(descriptor)
        finally:
            os.close(descriptor)

    def open(self, path: bytes) -> HostFile:
        """A regular file, to read and to map; EACCES for what is none."""
        return HostFile(_host.open_regular(self._root, path))
