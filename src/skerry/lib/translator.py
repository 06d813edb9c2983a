"""Translators: servers that users attach to the tree of names, as the Hurd does. Here are the calls, and classes to derive one from.

A translator answers for a directory tree. Paths are relative to its root, without a slash at either end; "" is the root. The calls are
declared once (``TranslatorCalls``); ``Served`` answers them by the methods of a ``Translator``, which are what one writes::

    class Server(Generated):
        def files(self) -> Files:
            return {"motd": "Hello\\n", "squares/7": lambda: f"{7 * 7}\\n"}

Methods raise OSError (FileNotFoundError, PermissionError, OSError(errno.ENOSPC, "")), which programs get as it is. Any other exception,
or a result that cannot be, is a fault of the translator: programs get EIO, and the user is shown what was wrong. A method may be a
coroutine function.

Source: the GNU Hurd Reference Manual, Translators; fuse(4) for which operations a tree needs.
"""

from __future__ import annotations

import linecache
import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import astuple, dataclass, fields
from inspect import isawaitable
from itertools import islice
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
NAMES_MOST: Final = 1 << 18  # in one directory
NUMBER_MOST: Final = (1 << 63) - 2  # of sizes, times and versions
VALID_MOST: Final = 1e9  # seconds
TROUBLE_MOST: Final = 4096
ENTRY: Final = Struct("<IH")  # of a list: type bits (0: not known), length of the name, which follows
SECOND: Final = 1_000_000_000  # ns

TYPES: Final = (linux.S_IFREG, linux.S_IFDIR, linux.S_IFLNK)

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
    """Attributes of an object, numbers from 0 to NUMBER_MOST. Without type bits in ``mode`` it is a regular file."""

    mode: int = 0o444
    size: int = 0
    modified: int = 0  # ns since 1970; 0: not known, and programs see since when it has had this size and version
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

    def _files(self) -> Files:
        return {path.strip("/"): contents for path, contents in self.files().items()}

    def stat(self, path: str) -> Stat:
        files = self._files()
        if path in files:
            data = self._made[path] = self._make(path, files[path])
            return Stat(size=len(data), version=hash(data) & 0xFFFFFFFF)
        if not path or any(name.startswith(path + "/") for name in files):
            return FOLDER
        raise FileNotFoundError

    def _make(self, path: str, contents: Contents) -> bytes:
        made = contents() if callable(contents) else contents
        if not isinstance(made, str | bytes):
            raise TypeError(f"files: what {path!r} holds must be str or bytes, not {type(made).__name__}")
        return made.encode() if isinstance(made, str) else made

    def list(self, path: str) -> Iterable[Entry]:
        prefix = path + "/" if path else ""
        kinds: dict[str, int] = {}
        for name in self._files():
            if name.startswith(prefix):
                first, slash, _ = name[len(prefix) :].partition("/")
                kinds[first] = linux.S_IFDIR if slash else linux.S_IFREG
        return kinds.items()

    def read(self, path: str, offset: int, count: int) -> bytes:
        if path not in self._made:
            self.stat(path)
        return self._made[path][offset : offset + count]


class Served:
    """Answers the calls by the methods of a translator. ``explain``: what the user is told of an exception that is a fault."""

    def __init__(self, translator: Translator, explain: Callable[[Exception], str] | None = None) -> None:
        self._translator = translator
        self._explain = explain or _own_traceback
        self._trouble = b""
        self._listed: tuple[str, list[bytes]] = ("", [])  # the directory whose names are being asked for, and its packed entries

    async def tr_describe(self) -> list[int]:
        def describe() -> list[int]:
            return [int(bool(self._translator.writable)), max(0, int(min(self._translator.valid, VALID_MOST) * SECOND))]

        attributes: list[int] = await self._perform(describe)
        return attributes

    async def tr_stat(self, path: bytes) -> list[int]:
        attributes: list[int] = await self._perform(self._translator.stat, _text(path), check=_attributes)
        return attributes

    async def tr_list(self, path: bytes, start: int) -> tuple[bytes, int]:
        where = _text(path)
        if not start or where != self._listed[0]:
            self._listed = (where, await self._perform(self._translator.list, where, check=_packed))
        entries = self._listed[1]
        packed, number = bytearray(), start
        while number < len(entries):
            if len(packed) + len(entries[number]) > PIECE:
                return bytes(packed), number
            packed += entries[number]
            number += 1
        self._listed = ("", [])
        return bytes(packed), 0

    async def tr_read(self, path: bytes, offset: int, count: int) -> bytes:
        count = min(count, PIECE)
        data: bytes = await self._perform(self._translator.read, _text(path), offset, count, check=lambda data: _data(data, count))
        return data

    async def tr_readlink(self, path: bytes) -> bytes:
        target: bytes = await self._perform(self._translator.readlink, _text(path), check=_target)
        return target

    async def tr_write(self, path: bytes, offset: int, data: bytes) -> tuple[int, list[int]]:
        done = await self._perform(self._translator.write, _text(path), offset, data, check=lambda done: _written(done, len(data)))
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

    async def _perform(self, method: Callable[..., Any], *arguments: Any, check: Callable[[Any], Any] | None = None) -> Any:
        """What a method gives, as ``check`` makes it fit for a message. Raises CallError."""
        try:
            result = method(*arguments)
            if isawaitable(result):
                result = await result
            return result if check is None else check(result)
        except CallError:
            raise
        except OSError as error:
            number = error.errno or next((number for kind, number in _KINDS if isinstance(error, kind)), linux.EIO)
            known = isinstance(number, int) and 0 < number <= linux.EHWPOISON
            raise CallError(ERROR + (number if known else linux.EIO)) from error
        except Exception as error:  # the translator's boundary: whatever it is, it becomes EIO and a text
            self._trouble = self._explain(error).encode(errors="backslashreplace")[-TROUBLE_MOST:]
            raise CallError(BROKEN) from error


# What methods gave, as it goes into a message: each raises TypeError or ValueError, which says to who wrote the method what is wrong
def _attributes(stat: Any) -> list[int]:
    if not isinstance(stat, Stat):
        raise TypeError(f"stat must give a Stat, not {type(stat).__name__}")
    for field, value in zip(fields(stat), astuple(stat), strict=True):
        if not isinstance(value, int):
            raise TypeError(f"stat gave {field.name}={value!r}: it must be an int")
        if not 0 <= value <= NUMBER_MOST:
            raise ValueError(f"stat gave {field.name}={value}: it must be between 0 and {NUMBER_MOST}")
    mode = stat.mode if stat.mode & linux.S_IFMT else stat.mode | linux.S_IFREG
    if mode & linux.S_IFMT not in TYPES or mode >> 16:
        raise ValueError(f"stat gave mode={mode:#o}: it must be a regular file's, a directory's or a symbolic link's")
    return [mode, stat.size, stat.modified, stat.uid, stat.gid, stat.version]


def _packed(found: Any) -> list[bytes]:
    """Entries as ENTRY and the name, each."""
    packed: dict[bytes, bytes] = {}
    for entry in islice(found, NAMES_MOST + 1):
        if not isinstance(entry, str | tuple):
            raise TypeError(f"list must give names, or names and their types, not {type(entry).__name__}")
        name, kind = (entry, 0) if isinstance(entry, str) else entry
        encoded = _bytes(name, "list")
        if not 0 < len(encoded) <= NAME_MOST or encoded in (b".", b"..") or b"/" in encoded or b"\0" in encoded:
            raise ValueError(f"list gave {name!r}: it cannot be the name of an entry")
        kind &= linux.S_IFMT
        if kind and kind not in TYPES:
            raise ValueError(f"list gave {name!r} with the type {kind:#o}: it must be S_IFREG, S_IFDIR or S_IFLNK")
        if encoded in packed:
            raise ValueError(f"list gave {name!r} twice")
        packed[encoded] = ENTRY.pack(kind, len(encoded)) + encoded
    if len(packed) > NAMES_MOST:
        raise ValueError(f"list gave more than {NAMES_MOST} names")
    return list(packed.values())


def _data(data: Any, most: int) -> bytes:
    if not isinstance(data, bytes | bytearray | memoryview):
        raise TypeError(f"read must give bytes, not {type(data).__name__}")
    if len(data) > most:
        raise ValueError(f"read gave {len(data)} bytes, where {most} were asked for")
    return bytes(data)


def _target(target: Any) -> bytes:
    encoded = _bytes(target, "readlink")
    if not 0 < len(encoded) < PATH_MOST or b"\0" in encoded:
        raise ValueError(f"readlink gave {target[:100]!r}: it cannot be a path")
    return encoded


def _written(done: Any, most: int) -> int:
    if not isinstance(done, int):
        raise TypeError(f"write must give the number of bytes that it wrote, not {type(done).__name__}")
    if not 0 < done <= most:
        raise ValueError(f"write gave {done}, where 1 to {most} bytes can have been written")
    return done


def _own_traceback(error: Exception) -> str:
    """The traceback as the translator's author needs it: without what stands in this file before and after."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    heading = ["Traceback (most recent call last):\n"] if frames else []
    return "".join([*heading, *traceback.format_list(frames), *traceback.format_exception_only(error)])


def _text(path: bytes) -> str:
    return path.decode(errors="surrogateescape")


def _bytes(text: Any, method: str) -> bytes:
    if not isinstance(text, str):
        raise TypeError(f"{method} must give str, not {type(text).__name__}")
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
