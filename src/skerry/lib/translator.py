"""Translators: servers that users attach to the tree of names, as the Hurd does. Here are the calls, and classes to derive one from.

A translator answers for a directory tree. Paths are relative to its root, without a slash at either end; "" is the root. The calls are
declared once (``TranslatorCalls``); ``Served`` answers them by the methods of a ``Translator``, which are what one writes::

    class Server(Generated):
        def files(self) -> Files:
            return {"motd": "Hello\\n", "squares/7": lambda: f"{7 * 7}\\n"}

Methods raise OSError (FileNotFoundError, PermissionError, OSError(errno.ENOSPC, "")), which programs get as it is. Any other exception is
a fault of the translator: programs get EIO, and the user is shown the traceback. A method may be a coroutine function.

Source: the GNU Hurd Reference Manual, Translators; fuse(4) for which operations a tree needs.
"""

from __future__ import annotations

import linecache
import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from inspect import isawaitable
from struct import Struct
from typing import TYPE_CHECKING, Annotated, Any, Final, Protocol

from skerry.abi import linux
from skerry.lib.stubs import INLINE, Block, CallError, Dispatcher, Natural, Naturals, routine

if TYPE_CHECKING:
    from skerry.lib.channel import Channel

ERROR: Final = 7000  # a code of ERROR + errno is that error
BROKEN: Final = 6999  # an exception that is none of these: what it was, the next tr_trouble says
PATH_MOST: Final = 4096  # bytes
PIECE: Final = INLINE - 4096  # bytes of data in one message, and of names
UNCHANGED: Final = (1 << 63) - 1  # of an attribute that is not to be set
OWNER: Final = 0xFFFFFFFF  # a user or group: who runs the programs
NAME_MOST: Final = 255
TROUBLE_MOST: Final = 4096
ENTRY: Final = Struct("<IH")  # of a list: type bits (0: not known), length of the name, which follows
SECOND: Final = 1_000_000_000  # ns

Bytes = Annotated[bytes, Block(INLINE)]
Path = Annotated[bytes, Block(PATH_MOST)]
Contents = bytes | str | Callable[[], bytes | str]
Files = Mapping[str, Contents]  # path: what the file holds, or a function that gives it
_KINDS: Final = (  # of what Python raises without a number
    (FileNotFoundError, linux.ENOENT),
    (FileExistsError, linux.EEXIST),
    (NotADirectoryError, linux.ENOTDIR),
    (IsADirectoryError, linux.EISDIR),
    (PermissionError, linux.EACCES),
    (TimeoutError, linux.ETIMEDOUT),
)


class TranslatorCalls(Protocol):
    """What the Unix server asks. Attributes are [mode with type bits, size, time of modification (ns), uid, gid, version].

    ``version`` is any number that changes with the contents, where size and time do not tell. Each raises CallError: ERROR + errno, BROKEN.
    """

    @routine(6000)
    async def tr_describe(self) -> Naturals:
        """[1 if something can be changed, for how long (ns) attributes, names and contents may be kept]."""

    @routine(6001)
    async def tr_stat(self, path: Path) -> Naturals:
        """Attributes."""

    @routine(6002)
    async def tr_list(self, path: Path, start: Natural) -> tuple[Bytes, Natural]:
        """Entries (ENTRY and the name, each) from number ``start`` on, and the number of the next; 0: that was all."""

    @routine(6003)
    async def tr_read(self, path: Path, offset: Natural, count: Natural) -> Bytes:
        """At most PIECE bytes; fewer than ``count`` only at the end of the file."""

    @routine(6004)
    async def tr_readlink(self, path: Path) -> Bytes:
        """Where a symbolic link leads."""

    @routine(6005)
    async def tr_write(self, path: Path, offset: Natural, data: Bytes) -> tuple[Natural, Naturals]:
        """How much was written, and the attributes after it."""

    @routine(6006)
    async def tr_create(self, path: Path, mode: Natural) -> Naturals:
        """Make a file or directory, by the type bits of ``mode``; its attributes."""

    @routine(6007)
    async def tr_remove(self, path: Path, directory: Natural) -> None:
        """Remove a name: 1, a directory that is empty; 0, something else."""

    @routine(6008)
    async def tr_rename(self, path: Path, new: Path) -> None:
        """Move, in place of what was there."""

    @routine(6009)
    async def tr_truncate(self, path: Path, size: Natural) -> Naturals:
        """Change the length; attributes."""

    @routine(6010)
    async def tr_symlink(self, path: Path, target: Bytes) -> Naturals:
        """Make a symbolic link; attributes."""

    @routine(6011)
    async def tr_set(self, path: Path, mode: Natural, modified: Natural) -> Naturals:
        """Set permissions and the time of modification (UNCHANGED: do not); attributes."""

    @routine(6012)
    async def tr_sync(self, path: Path) -> None:
        """Have what was written be where it belongs: a program has called fsync, or closed the file."""

    @routine(6013)
    async def tr_trouble(self) -> Bytes:
        """The text of the last exception that was a fault, UTF-8; it is forgotten."""


@dataclass(frozen=True, slots=True)
class Stat:
    """Attributes of an object. Without type bits in ``mode`` it is a regular file."""

    mode: int = 0o444
    size: int = 0
    modified: int = 0  # ns since 1970
    uid: int = OWNER
    gid: int = OWNER
    version: int = 0  # changes with the contents


FOLDER: Final = Stat(linux.S_IFDIR | 0o555)
Entry = str | tuple[str, int]  # a name, or a name and its type bits (S_IFREG, S_IFDIR, S_IFLNK)


class Translator:
    """A directory tree: override what it has. As it stands it is empty and cannot be changed."""

    valid = 1.0  # seconds for which attributes, names and contents may be kept; 0: a program that looks again gets a new answer
    writable = False

    def stat(self, path: str) -> Stat | Awaitable[Stat]:
        """Attributes. Raises FileNotFoundError."""
        if path:
            raise FileNotFoundError
        return FOLDER

    def list(self, path: str) -> Iterable[Entry] | Awaitable[Iterable[Entry]]:
        """What is in a directory. It is asked once for each PIECE of names: they stay in order."""
        return ()

    def read(self, path: str, offset: int, count: int) -> bytes | Awaitable[bytes]:
        """``count`` bytes at ``offset``; fewer at the end."""
        raise FileNotFoundError

    def readlink(self, path: str) -> str | Awaitable[str]:
        """Where a symbolic link leads."""
        raise OSError(linux.EINVAL, "not a symbolic link")

    # What changes the tree
    def write(self, path: str, offset: int, data: bytes) -> int | Awaitable[int]:
        """How much was written."""
        raise self._refusal()

    def create(self, path: str, mode: int) -> Awaitable[None] | None:
        """A new file, empty."""
        raise self._refusal()

    def make_directory(self, path: str, mode: int) -> Awaitable[None] | None:
        raise self._refusal()

    def remove(self, path: str) -> Awaitable[None] | None:
        """Remove a file or link."""
        raise self._refusal()

    def remove_directory(self, path: str) -> Awaitable[None] | None:
        """Remove an empty directory. Raises OSError(ENOTEMPTY)."""
        raise self._refusal()

    def rename(self, path: str, new: str) -> Awaitable[None] | None:
        """Move, in place of what is at ``new``."""
        raise self._refusal()

    def truncate(self, path: str, size: int) -> Awaitable[None] | None:
        raise self._refusal()

    def symlink(self, path: str, target: str) -> Awaitable[None] | None:
        raise self._refusal()

    def set_attributes(self, path: str, mode: int | None, modified: int | None) -> Awaitable[None] | None:
        """Permissions, and the time of modification (ns)."""
        raise self._refusal()

    def sync(self, path: str) -> Awaitable[None] | None:
        """Have what was written to ``path`` be where it belongs."""

    def _refusal(self) -> OSError:
        return OSError(linux.EOPNOTSUPP, "not supported") if self.writable else OSError(linux.EROFS, "read-only")


class Generated(Translator):
    """A read-only tree of files whose contents are made when somebody looks: override ``files``.

    A file holds what its function gave when its attributes were last asked for, so size and contents agree.
    """

    def __init__(self) -> None:
        self._made: dict[str, bytes] = {}

    def files(self) -> Files:
        """All files by path; directories are where paths say so."""
        raise NotImplementedError("a Generated tree needs a method files")

    def stat(self, path: str) -> Stat:
        files = self.files()
        if path in files:
            contents = files[path]
            made = contents() if callable(contents) else contents
            data = self._made[path] = made.encode() if isinstance(made, str) else bytes(made)
            return Stat(size=len(data), version=hash(data) & 0xFFFFFFFF)
        if not path or any(name.startswith(path + "/") for name in files):
            return FOLDER
        raise FileNotFoundError

    def list(self, path: str) -> Iterable[Entry]:
        prefix = path + "/" if path else ""
        kinds: dict[str, int] = {}
        for name in self.files():
            if name.startswith(prefix):
                first, slash, _ = name[len(prefix) :].partition("/")
                kinds[first] = linux.S_IFDIR if slash else linux.S_IFREG
        return kinds.items()

    def read(self, path: str, offset: int, count: int) -> bytes:
        if path not in self._made:
            self.stat(path)
        return self._made[path][offset : offset + count]


class Served:
    """Answers the calls by the methods of a translator."""

    def __init__(self, translator: Translator) -> None:
        self._translator = translator
        self._trouble = b""
        self._listed: tuple[str, list[Entry]] = ("", [])  # the directory whose names are being asked for

    async def tr_describe(self) -> list[int]:
        return [int(self._translator.writable), max(0, int(self._translator.valid * SECOND))]

    async def tr_stat(self, path: bytes) -> list[int]:
        attributes: list[int] = await self._perform(self._stat, _text(path))
        return attributes

    async def tr_list(self, path: bytes, start: int) -> tuple[bytes, int]:
        found: tuple[bytes, int] = await self._perform(self._list, _text(path), start)
        return found

    async def tr_read(self, path: bytes, offset: int, count: int) -> bytes:
        return bytes(await self._perform(self._translator.read, _text(path), offset, min(count, PIECE)))

    async def tr_readlink(self, path: bytes) -> bytes:
        return _bytes(await self._perform(self._translator.readlink, _text(path)))

    async def tr_write(self, path: bytes, offset: int, data: bytes) -> tuple[int, list[int]]:
        done = await self._perform(self._translator.write, _text(path), offset, data)
        return done, await self.tr_stat(path)

    async def tr_create(self, path: bytes, mode: int) -> list[int]:
        make = self._translator.make_directory if mode & linux.S_IFMT == linux.S_IFDIR else self._translator.create
        await self._perform(make, _text(path), mode & 0o7777)
        return await self.tr_stat(path)

    async def tr_remove(self, path: bytes, directory: int) -> None:
        await self._perform(self._translator.remove_directory if directory else self._translator.remove, _text(path))

    async def tr_rename(self, path: bytes, new: bytes) -> None:
        await self._perform(self._translator.rename, _text(path), _text(new))

    async def tr_truncate(self, path: bytes, size: int) -> list[int]:
        await self._perform(self._translator.truncate, _text(path), size)
        return await self.tr_stat(path)

    async def tr_symlink(self, path: bytes, target: bytes) -> list[int]:
        await self._perform(self._translator.symlink, _text(path), _text(target))
        return await self.tr_stat(path)

    async def tr_set(self, path: bytes, mode: int, modified: int) -> list[int]:
        wanted = [None if value == UNCHANGED else value for value in (mode, modified)]
        await self._perform(self._translator.set_attributes, _text(path), *wanted)
        return await self.tr_stat(path)

    async def tr_sync(self, path: bytes) -> None:
        await self._perform(self._translator.sync, _text(path))

    async def tr_trouble(self) -> bytes:
        trouble, self._trouble = self._trouble, b""
        return trouble

    async def _perform(self, method: Callable[..., Any], *arguments: Any) -> Any:
        """What a method gives. Raises CallError."""
        try:
            result = method(*arguments)
            return await result if isawaitable(result) else result
        except CallError:
            raise
        except OSError as error:
            number = error.errno or next((number for kind, number in _KINDS if isinstance(error, kind)), linux.EIO)
            raise CallError(ERROR + number) from error
        except Exception as error:  # the translator's boundary: whatever it is, it becomes EIO and a text
            self._trouble = traceback.format_exc().encode(errors="replace")[-TROUBLE_MOST:]
            raise CallError(BROKEN) from error

    async def _stat(self, path: str) -> list[int]:
        result = self._translator.stat(path)
        stat = await result if isawaitable(result) else result
        mode = stat.mode if stat.mode & linux.S_IFMT else stat.mode | linux.S_IFREG
        return [mode, stat.size, stat.modified, stat.uid, stat.gid, stat.version]

    async def _list(self, path: str, start: int) -> tuple[bytes, int]:
        if not start or path != self._listed[0]:
            result = self._translator.list(path)
            self._listed = (path, list(await result if isawaitable(result) else result))
        names = self._listed[1]
        packed, number = bytearray(), start
        while number < len(names):
            entry = names[number]
            name, kind = (entry, 0) if isinstance(entry, str) else entry
            encoded = _bytes(name)
            if len(packed) + ENTRY.size + len(encoded) > PIECE:
                return bytes(packed), number
            packed += ENTRY.pack(kind & linux.S_IFMT, len(encoded)) + encoded
            number += 1
        self._listed = ("", [])
        return bytes(packed), 0


def _text(path: bytes) -> str:
    return path.decode(errors="surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")


def main(channel: Channel, port: int, source: str, name: str, place: str) -> None:
    """The program of a native task that serves: the class ``name`` of the Python text ``source``, which was read from ``place``.

    ``port``: the receive right that the calls come to. Whatever the class raises when it is made ends the task.
    """
    from skerry.lib.service import Service

    linecache.cache[place] = (len(source), None, source.splitlines(True), place)  # so that tracebacks show it
    names: dict[str, Any] = {"__name__": "translator", "__file__": place}
    exec(compile(source, place, "exec"), names)
    service = Service(channel)
    service.serve(port, Dispatcher(TranslatorCalls, Served(names[name]())).answer)
    service.run()
