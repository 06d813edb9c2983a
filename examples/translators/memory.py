"""A tree that can be written: skerry run --mount /m=examples/translators/memory.py:Memory -- sh -c 'echo hello > /m/a; ls -l /m'

All that a translator can be asked, with dictionaries for files. What is here lives as long as the translator does: until the run ends, or
until it is started anew.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterable

from skerry.lib.translator import Entry, Stat, Translator


class File:
    """A regular file, or a symbolic link with its target as contents."""

    def __init__(self, mode: int, contents: bytes = b"") -> None:
        self.mode = mode
        self.contents = bytearray(contents)
        self.modified = time.time_ns()
        self.version = 0

    def changed(self) -> None:
        self.modified = time.time_ns()
        self.version += 1


class Directory:
    """A directory."""

    def __init__(self, mode: int) -> None:
        self.mode = mode
        self.entries: dict[str, File | Directory] = {}
        self.modified = time.time_ns()


class Memory(Translator):
    """Files in memory."""

    writable = True

    def __init__(self) -> None:
        self._root = Directory(0o755)

    def _find(self, path: str) -> File | Directory:
        here: File | Directory = self._root
        for name in path.split("/") if path else ():
            if not isinstance(here, Directory):
                raise NotADirectoryError
            if name not in here.entries:
                raise FileNotFoundError
            here = here.entries[name]
        return here

    def _directory(self, path: str) -> Directory:
        found = self._find(path)
        if not isinstance(found, Directory):
            raise NotADirectoryError
        return found

    def _file(self, path: str) -> File:
        found = self._find(path)
        if not isinstance(found, File):
            raise IsADirectoryError
        return found

    def _put(self, path: str, new: File | Directory) -> None:
        directory, _, name = path.rpartition("/")
        holder = self._directory(directory)
        holder.entries[name] = new
        holder.modified = time.time_ns()

    def _take(self, path: str) -> None:
        directory, _, name = path.rpartition("/")
        holder = self._directory(directory)
        del holder.entries[name]
        holder.modified = time.time_ns()

    # Looking
    def stat(self, path: str) -> Stat:
        found = self._find(path)
        if isinstance(found, Directory):
            return Stat(stat.S_IFDIR | found.mode, 0, found.modified)
        return Stat(found.mode, len(found.contents), found.modified, version=found.version)

    def list(self, path: str) -> Iterable[Entry]:
        return [
            (name, stat.S_IFDIR if isinstance(found, Directory) else stat.S_IFMT(found.mode))
            for name, found in self._directory(path).entries.items()
        ]

    def read(self, path: str, offset: int, count: int) -> bytes:
        return bytes(self._file(path).contents[offset : offset + count])

    def readlink(self, path: str) -> str:
        return self._file(path).contents.decode(errors="surrogateescape")

    # Changing
    def create(self, path: str, mode: int) -> None:
        self._put(path, File(stat.S_IFREG | mode))

    def make_directory(self, path: str, mode: int) -> None:
        self._put(path, Directory(mode))

    def symlink(self, path: str, target: str) -> None:
        self._put(path, File(stat.S_IFLNK | 0o777, target.encode(errors="surrogateescape")))

    def write(self, path: str, offset: int, data: bytes) -> int:
        file = self._file(path)
        if offset > len(file.contents):
            file.contents.extend(bytes(offset - len(file.contents)))
        file.contents[offset : offset + len(data)] = data
        file.changed()
        return len(data)

    def truncate(self, path: str, size: int) -> None:
        file = self._file(path)
        del file.contents[size:]
        file.contents.extend(bytes(size - len(file.contents)))
        file.changed()

    def remove(self, path: str) -> None:
        self._file(path)
        self._take(path)

    def remove_directory(self, path: str) -> None:
        if self._directory(path).entries:
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))
        self._take(path)

    def rename(self, path: str, new: str) -> None:
        found = self._find(path)
        with_old = new.rpartition("/")
        replaced = self._directory(with_old[0]).entries.get(with_old[2])
        if isinstance(replaced, Directory) and replaced.entries:
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY))
        self._take(path)
        self._put(new, found)

    def set_attributes(self, path: str, mode: int | None, modified: int | None) -> None:
        found = self._find(path)
        if mode is not None:
            found.mode = stat.S_IFMT(found.mode) | mode
        if modified is not None:
            found.modified = modified
