"""Files, links and directories whose contents are made when they are looked at: what /proc and /sys consist of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from skerry.abi import linux
from skerry.unix.errors import LinuxError
from skerry.unix.files import OpenFile, RegularFile
from skerry.unix.fs.tmpfs import Directory, MemoryFileSystem
from skerry.unix.inode import Inode

if TYPE_CHECKING:
    from skerry.unix.process import Process, Thread

Texts = dict[bytes, Callable[[], bytes]]  # path below the directory: its contents
Links = dict[bytes, bytes]  # path below the directory: where the symbolic link there leads


class GeneratedFile(Inode):
    """A file whose contents a function gives; ``store`` takes what is written, if that may be."""

    def __init__(self, fs: MemoryFileSystem, contents: Callable[[], bytes], store: Callable[[bytes], None] | None = None) -> None:
        super().__init__(fs, fs.next_ino(), linux.S_IFREG | (0o644 if store else 0o444), 0, 0, fs.now())
        self._contents = contents
        self.store = store

    def open(self, thread: Thread, flags: int) -> OpenFile:
        return SnapshotFile(self, flags, self._contents())

    def truncate(self, size: int, now: int) -> None:
        pass  # shells open with O_TRUNC what they write to


class SnapshotFile(RegularFile):
    """The contents as they were when the file was opened."""

    def __init__(self, inode: Inode, flags: int, contents: bytes) -> None:
        super().__init__(inode, flags, b"")
        self._data = contents

    def read_at(self, count: int, offset: int) -> bytes:
        return self._data[offset : offset + count]

    def read(self, count: int) -> bytes | None:
        data = self._data[self.position : self.position + count]
        self.position += len(data)
        return data

    def write(self, data: bytes) -> int | None:
        return self.write_at(data, 0)

    def write_at(self, data: bytes, offset: int) -> int:
        store = self.inode.store if isinstance(self.inode, GeneratedFile) else None
        if store is None:
            raise LinuxError(linux.EINVAL)
        store(data)
        return len(data)


class GeneratedLink(Inode):
    """A link whose target a function gives; ``where`` is the inode itself, for the magic links of /proc."""

    def __init__(
        self, fs: MemoryFileSystem, target: Callable[[Thread | None], bytes], where: Callable[[Thread], Inode | None] | None = None
    ) -> None:
        super().__init__(fs, fs.next_ino(), linux.S_IFLNK | 0o777, 0, 0, fs.now())
        self._target = target
        self._where = where

    def readlink(self) -> bytes:
        return self._target(None)

    def readlink_for(self, thread: Thread) -> bytes:
        return self._target(thread)

    def follow(self, thread: Thread) -> Inode | None:
        return self._where(thread) if self._where is not None else None


class GeneratedDirectory(Directory):
    """A directory whose names a function gives."""

    def __init__(self, fs: MemoryFileSystem, names: Callable[[], Iterable[bytes]], make: Callable[[bytes], Inode | None]) -> None:
        super().__init__(fs, fs.next_ino(), linux.S_IFDIR | 0o555, 0, 0, fs.now())
        self._names = names
        self._make = make

    def lookup(self, name: bytes) -> Inode:
        child = self._child(name)
        if child is None:
            raise LinuxError(linux.ENOENT)
        return child

    def _child(self, name: bytes) -> Inode | None:
        child = self._make(name)
        if isinstance(child, Directory):
            child.parent, child.name = self, name
        return child

    def entries(self) -> Iterable[tuple[bytes, Inode]]:
        return [(name, child) for name in self._names() if (child := self._child(name)) is not None]

    def create(self, name: bytes, mode: int, uid: int, gid: int, now: int, rdev: int = 0) -> Inode:
        raise LinuxError(linux.ENOENT)

    def _add(self, name: bytes, child: Inode, now: int) -> None:
        raise LinuxError(linux.EPERM)

    def _remove(self, name: bytes, now: int) -> None:
        raise LinuxError(linux.EPERM)


class ProcessDirectory(GeneratedDirectory):
    """One that stands for a process, /proc/PID: opened, it is a process descriptor for signals."""

    process: Process


class GeneratedTree:
    """Directories that follow from the paths of files."""

    def __init__(self, fs: MemoryFileSystem, files: Texts, links: Links | None = None) -> None:
        self._fs = fs
        self._files = files
        self._links = links or {}

    def directory(self, prefix: bytes = b"") -> GeneratedDirectory:
        """What lies below ``prefix``, which is empty or ends with a slash."""
        return GeneratedDirectory(self._fs, lambda: self.names(prefix), lambda name: self.make(prefix + name))

    def names(self, prefix: bytes) -> list[bytes]:
        """The names directly below ``prefix``."""
        return sorted({path[len(prefix) :].split(b"/")[0] for path in (*self._files, *self._links) if path.startswith(prefix)})

    def make(self, path: bytes) -> Inode | None:
        """The inode of a file, link or directory."""
        contents = self._files.get(path)
        if contents is not None:
            return GeneratedFile(self._fs, contents)
        target = self._links.get(path)
        if target is not None:
            return GeneratedLink(self._fs, lambda _thread: target)
        below = path + b"/"
        return self.directory(below) if any(known.startswith(below) for known in (*self._files, *self._links)) else None
