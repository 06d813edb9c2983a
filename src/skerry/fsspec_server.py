"""What runs in the helper of a mounted URL: a file system of fsspec as a translator.

A file that is written is kept in a temporary file on the host, and put where it belongs as a whole when it is synced (fsync, the last
close) or when the run ends: that is what object stores can do. Files are read through fsspec's read-ahead; where a server gives no parts of
files, the whole file is fetched once. What has been opened, fetched or listed is kept for the last KEPT_MOST files and directories.

What a server says is not believed: a file that is fetched is at most COPIED_MOST long and FETCH_SECONDS under way, names are those of
entries of the directory that was asked for, and memory is limited (``machine.helper``). Symbolic links in ZIP archives and git are links
to programs, too; all others are followed here.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import IO, Any, Final
from urllib.parse import quote_from_bytes, unquote_to_bytes, urlsplit

from skerry.abi import linux, machmsg
from skerry.lib.stubs import Dispatcher, finish
from skerry.lib.translator import SECOND, Entry, Served, Stat, Translator, TranslatorCalls
from skerry.machine.helper import TROUBLE, WORKING, Connection, settle

ARCHIVES: Final = ("zip", "tar", "libarchive")  # PROTOCOL://FILE means the archive in that file
READ_ONLY: Final = (*ARCHIVES, "http", "https", "git", "github", "reference")
NEVER_CHANGED: Final = 3600.0  # seconds that what an archive holds is kept
KEPT_MOST: Final = 16
COPIED_MOST: Final = 4 << 30  # bytes of one file that is fetched as a whole, and of all that are kept or wait to be put away
FETCH_SECONDS: Final = 600.0
BLOCK: Final = 1 << 20  # bytes of fsspec's read-ahead
STEP: Final = 256 << 10  # bytes that are copied between two signs of life
TIMES: Final = ("mtime", "modified", "LastModified", "Last-Modified", "last_modified", "updated", "created", "date_time")
KINDS: Final = {"directory": linux.S_IFDIR, "file": linux.S_IFREG}


class UrlError(Exception):
    """The URL cannot be served; the text says why, and what to do."""


def full_url(url: str, directory: str) -> str:
    """The URL as fsspec wants it: paths of the host are absolute, and an archive is a file of its own."""
    protocol, separator, rest = url.partition("://")
    if separator and protocol in ARCHIVES and "::" not in url:
        inner = rest if "://" in rest else "file://" + os.path.join(directory, rest)
        return f"{protocol}://::{inner}"
    if protocol in ("file", "local"):
        return f"{protocol}://{os.path.join(directory, rest)}"
    return url


@dataclass(slots=True)
class _Kept:
    """A file that is open, or a copy of it, and its attributes when it was opened, if they are known."""

    file: IO[bytes]
    copied: int  # bytes of the host that it takes
    stat: Stat | None = None


class FsspecTree(Translator):
    """A file system of fsspec below ``root``. ``working`` is called at least once for each STEP bytes that are copied."""

    def __init__(self, fs: Any, root: str, writable: bool, working: Callable[[], None] = lambda: None) -> None:
        self._fs = fs
        self._root = root.rstrip("/")
        self._urls = "://" in self._root  # names are URLs, and those that end in / are directories
        self._working = working
        self.writable = writable
        self.valid = NEVER_CHANGED if {fs.protocol} & set(ARCHIVES) else 5.0
        self._open: OrderedDict[str, _Kept] = OrderedDict()
        self._listed: OrderedDict[str, tuple[float, dict[str, dict[str, Any]]]] = OrderedDict()  # when, and the entries
        self._changed: dict[str, IO[bytes]] = {}  # path: the temporary file that has its contents
        self._made: set[str] = set()  # directories that were made here: where there are only files, nothing else shows them

    def at(self, path: str) -> str:
        """The name that fsspec has for a path."""
        if self._urls:
            path = quote_from_bytes(path.encode(errors="surrogateescape"))
        if not path:
            return self._root + "/" if self._urls else self._root or "/"
        return f"{self._root}/{path}" if self._root else path

    # Looking
    def _entries(self, path: str) -> dict[str, dict[str, Any]]:
        """What is in a directory, by name."""
        where = self.at(path)
        if self.valid < NEVER_CHANGED:
            self._fs.invalidate_cache(where)
        found: dict[str, dict[str, Any]] = {}
        try:
            listing = self._fs.ls(where + "/" if self._urls and not where.endswith("/") else where, detail=True)
        except FileNotFoundError:
            if path not in self._made:
                raise
            listing = ()
        for info in listing:
            name = self._name_in(where.rstrip("/"), info["name"])
            if name in ("", ".", "..") or "/" in name or "\0" in name or (info.get("type") == "other" and not info.get("islink")):
                continue
            if self._urls and info["name"].endswith("/"):
                info = {**info, "type": "directory"}
            found[name] = info
        self._listed[path] = (time.monotonic(), found)
        self._listed.move_to_end(path)
        while len(self._listed) > KEPT_MOST:
            self._listed.popitem(last=False)
        return found

    def _name_in(self, where: str, full: str) -> str:
        """The name of an entry that is called ``full``; "" if it is none of the directory ``where``."""
        full = full.rstrip("/")
        holder, _, name = full.rpartition("/")
        if not self._urls:
            return "" if full == where else name
        if holder != where or "?" in name or "#" in name or urlsplit(name).scheme:  # a page has other links, too
            return ""
        return unquote_to_bytes(name).decode(errors="surrogateescape")

    def _info(self, path: str) -> dict[str, Any]:
        parent, _, name = path.rpartition("/")
        then, listed = self._listed.get(parent, (0.0, None)) if path else (0.0, None)
        if listed is not None and time.monotonic() > then + self.valid:
            listed = None
        if listed is not None and name in listed:
            info = listed[name]
            if info.get("type") == "directory" or (info.get("type") == "file" and info.get("size") is not None):
                return info
        try:
            info = dict(self._fs.info(self.at(path)))
        except FileNotFoundError:
            if path not in self._made:
                raise
            info = {"type": "directory"}
        if not path or (self._urls and str(info.get("url", "")).endswith("/")):  # the server has led us to a directory
            info["type"] = "directory"
        if info.get("type") != "directory" and info.get("size") is None:
            info["size"] = self._fetch(path).copied
        if listed is not None:
            listed[name] = info
        return info

    def stat(self, path: str) -> Stat:
        changed = self._changed.get(path)
        if changed is not None:
            status = os.fstat(changed.fileno())
            return Stat(linux.S_IFREG | 0o644, status.st_size, status.st_mtime_ns)
        info = self._info(path)
        mode = _mode(info)
        kind = linux.S_IFLNK if stat.S_ISLNK(mode) else KINDS.get(info.get("type", "file"), linux.S_IFREG)
        permissions = mode & 0o777 or (0o755 if kind == linux.S_IFDIR else 0o644)
        size = 0 if kind == linux.S_IFDIR else int(info.get("size") or 0)
        version = hash(str(info.get("ETag", ""))) & 0xFFFFFFFF
        found = Stat(kind | permissions & (0o777 if self.writable else 0o555), size, _time(info), version=version)
        kept = self._open.get(path)
        if kept is not None and kept.stat not in (None, found):
            self._close(path)
        elif kept is not None:
            kept.stat = found
        return found

    def list(self, path: str) -> Iterable[Entry]:
        entries = {name: 0 if info.get("islink") else _kind(info) for name, info in self._entries(path).items()}
        prefix = path + "/" if path else ""
        for own, kind in ((self._changed, linux.S_IFREG), (self._made, linux.S_IFDIR)):
            for name in own:
                if name.startswith(prefix) and "/" not in name[len(prefix) :]:
                    entries.setdefault(name[len(prefix) :], kind)
        return entries.items()

    def readlink(self, path: str) -> str:
        return os.fsdecode(self._fs.cat_file(self.at(path)))

    def read(self, path: str, offset: int, count: int) -> bytes:
        changed = self._changed.get(path)
        if changed is not None:
            return os.pread(changed.fileno(), count, offset)
        kept = self._open.get(path)
        if kept is None:
            kept = self._keep(path, _Kept(self._fs.open(self.at(path), "rb", block_size=BLOCK), 0))
        self._open.move_to_end(path)
        try:
            return _read(kept.file, offset, count)
        except ValueError:  # it cannot be read in parts
            return _read(self._fetch(path).file, offset, count)

    def _keep(self, path: str, new: _Kept) -> _Kept:
        self._close(path)
        self._open[path] = new
        while len(self._open) > KEPT_MOST or sum(kept.copied for kept in self._open.values()) > max(COPIED_MOST, new.copied):
            self._close(next(iter(self._open)))
        return new

    def _close(self, path: str) -> None:
        kept = self._open.pop(path, None)
        if kept is not None:
            kept.file.close()

    def _fetch(self, path: str) -> _Kept:
        """A temporary file with all of the contents."""
        file = tempfile.TemporaryFile(prefix="skerry-", buffering=0)  # noqa: SIM115  # it is closed when it is no longer kept
        try:
            with self._fs.open(self.at(path), "rb", block_size=0) as whole:
                size = self._copy(whole, file)
        except BaseException:
            file.close()
            raise
        return self._keep(path, _Kept(file, size))

    def _copy(self, source: Any, target: Any) -> int:
        """Copy what a server sends; how much it was. Raises EFBIG, ETIMEDOUT."""
        size, end = 0, time.monotonic() + FETCH_SECONDS
        while piece := source.read(STEP):
            size += len(piece)
            if size > COPIED_MOST:
                raise OSError(linux.EFBIG, os.strerror(linux.EFBIG))
            if time.monotonic() > end:
                raise OSError(linux.ETIMEDOUT, os.strerror(linux.ETIMEDOUT))
            target.write(piece)
            self._working()
        return size

    def _forget(self, path: str) -> None:
        """It changes: nothing that is known of it holds."""
        self._close(path)
        self._listed.pop(path.rpartition("/")[0], None)
        self._listed.pop(path, None)
        self._fs.invalidate_cache()

    # Changing
    def _writable(self, path: str, whole: bool) -> int:
        """A descriptor of the temporary file for a file that changes; with what it held, if ``whole``."""
        self._refuse()
        if path not in self._changed:
            file = tempfile.TemporaryFile(prefix="skerry-", buffering=0)  # noqa: SIM115  # it is closed when it is put away
            try:
                if whole:
                    with self._fs.open(self.at(path), "rb") as old:
                        self._copy(old, file)
            except BaseException:
                file.close()
                raise
            self._forget(path)
            self._changed[path] = file
        return self._changed[path].fileno()

    def _refuse(self) -> None:
        if not self.writable:
            raise OSError(linux.EROFS, os.strerror(linux.EROFS))

    def _require_room(self, path: str, size: int) -> None:
        """Raises ENOSPC where the files that wait to be put away would be too large, ``path`` having ``size`` bytes."""
        others = sum(os.fstat(file.fileno()).st_size for name, file in self._changed.items() if name != path)
        if others + size > COPIED_MOST:
            raise OSError(linux.ENOSPC, os.strerror(linux.ENOSPC))

    def write(self, path: str, offset: int, data: bytes) -> int:
        descriptor = self._writable(path, True)
        self._require_room(path, offset + len(data))
        return os.pwrite(descriptor, data, offset)

    def truncate(self, path: str, size: int) -> None:
        self._require_room(path, size)
        os.truncate(self._writable(path, size > 0), size)

    def create(self, path: str, mode: int) -> None:
        self._writable(path, False)

    def sync(self, path: str) -> None:
        file = self._changed.get(path)
        if file is None:
            return
        file.seek(0)
        with self._fs.open(self.at(path), "wb") as target:
            while piece := file.read(STEP):
                target.write(piece)
                self._working()
        self._drop(path)
        self._forget(path)

    def _drop(self, path: str) -> bool:
        """Throw away what was written and not put away; whether there was something."""
        file = self._changed.pop(path, None)
        if file is not None:
            file.close()
        return file is not None

    def make_directory(self, path: str, mode: int) -> None:
        self._refuse()
        self._fs.mkdir(self.at(path), create_parents=False)
        self._made.add(path)
        self._forget(path)

    def remove(self, path: str) -> None:
        self._refuse()
        if not self._drop(path) or self._fs.exists(self.at(path)):
            self._fs.rm_file(self.at(path))
        self._forget(path)

    def remove_directory(self, path: str) -> None:
        self._refuse()
        if self.list(path):
            raise OSError(linux.ENOTEMPTY, os.strerror(linux.ENOTEMPTY))
        try:
            self._fs.rmdir(self.at(path))
        except FileNotFoundError:
            if path not in self._made:
                raise
        self._made.discard(path)
        self._forget(path)

    def rename(self, path: str, new: str) -> None:
        """Where a store cannot rename, a file is copied; for a directory EXDEV has mv do so."""
        from fsspec.spec import AbstractFileSystem  # type: ignore[import-untyped]

        self._refuse()
        renames = type(self._fs).mv is not AbstractFileSystem.mv
        kind = stat.S_IFMT(self.stat(path).mode)
        if kind == linux.S_IFDIR and not renames:
            raise OSError(linux.EXDEV, os.strerror(linux.EXDEV))
        for changed in [name for name in self._changed if name == path or name.startswith(path + "/")]:
            self.sync(changed)
        self._drop(new)
        if kind == linux.S_IFDIR and self._fs.exists(self.at(new)):
            self.remove_directory(new)
        if renames:
            self._fs.mv(self.at(path), self.at(new))
        else:
            self._fs.cp_file(self.at(path), self.at(new))
            self._fs.rm_file(self.at(path))
        self._made = {new + name[len(path) :] if name == path or name.startswith(path + "/") else name for name in self._made}
        for opened in [name for name in self._open if name.startswith(path + "/")]:
            self._close(opened)
        self._listed.clear()
        self._forget(path)
        self._forget(new)

    def set_attributes(self, path: str, mode: int | None, modified: int | None) -> None:
        """fsspec keeps no permissions and sets no times: it is not refused, as cp and touch set them on everything."""
        self._refuse()

    def finish(self) -> Iterable[str]:
        """Put away all that was written; what could not be, in words."""
        for path in list(self._changed):
            try:
                self.sync(path)
            except Exception as error:  # each file system of fsspec has errors of its own
                yield f"what was written to /{path} is not where it belongs: {words(error)}"


def _read(file: IO[bytes], offset: int, count: int) -> bytes:
    file.seek(offset)
    return bytes(file.read(count))


def _kind(info: dict[str, Any]) -> int:
    return linux.S_IFLNK if stat.S_ISLNK(_mode(info)) else KINDS.get(info.get("type", ""), 0)


def _mode(info: dict[str, Any]) -> int:
    """Permissions and type bits, as far as they are known: a number, octal digits (git), or those of a ZIP entry that Unix made."""
    mode = info.get("mode", 0)
    if isinstance(mode, str):
        return int(mode, 8) if mode.isdecimal() else 0
    if info.get("create_system") == 3:
        return int(info.get("external_attr", 0)) >> 16
    return mode & 0o777 if isinstance(mode, int) else 0


def _time(info: dict[str, Any]) -> int:
    """When the object was modified, in whatever form its file system says it (ns); 0: it does not."""
    for key in TIMES:
        value = info.get(key)
        when: float | None = None
        with contextlib.suppress(ValueError, TypeError, OverflowError, OSError):  # what cannot be a time is none
            if isinstance(value, datetime):
                when = value.timestamp()
            elif isinstance(value, int | float):
                when = value
            elif isinstance(value, tuple):
                when = datetime(*value[:6]).timestamp()
            elif isinstance(value, str):
                when = (datetime.fromisoformat(value) if value[:1].isdecimal() else parsedate_to_datetime(value)).timestamp()
        if when is not None and 0 <= when < 1 << 32:
            return int(when * SECOND)
    return 0


def open_tree(url: str, writable: bool, directory: str, working: Callable[[], None] = lambda: None) -> FsspecTree:
    """The file system that ``url`` names; paths of the host in it are relative to ``directory``. Raises UrlError."""
    from fsspec.core import url_to_fs  # type: ignore[import-untyped]

    protocol = url.partition("://")[0].partition("::")[0]
    if writable and protocol in READ_ONLY:
        raise UrlError(f"{protocol} cannot be written: leave out :rw")
    try:
        full = full_url(url, directory)
        chosen = {"ref": "HEAD"} if protocol == "git" and "@" not in url else {}
        try:
            fs, root = url_to_fs(full, **chosen)
        except ValueError:
            if "::http" not in full:
                raise
            fs, root = url_to_fs(full.replace("::http", "::simplecache::http", 1))  # a server that gives no parts of files
        if protocol == "memory":
            fs.makedirs(root, exist_ok=True)
        if protocol == "tar" and not root and any(info["name"] == "." for info in fs.ls("")):
            root = "."  # an archive of a directory itself: tar -C DIR .
        tree = FsspecTree(fs, root, writable, working)
        if root.strip("/"):
            info = fs.info(root)
        else:
            info = {}
            tree.list("")
        page = str(info.get("mimetype") or "text/html") == "text/html"
        if not page or (info.get("type") == "file" and "://" not in root):
            raise UrlError("it is a file: give a directory, or an archive as zip://FILE")
    except ImportError as error:
        raise UrlError(f"{error}: install that into the Python of skerry") from error
    except UrlError:
        raise
    except FileNotFoundError as error:
        raise UrlError(f"there is nothing at {words(error)}: check the URL") from error
    except Exception as error:  # each file system of fsspec has errors of its own
        raise UrlError(f"{words(error)}: check the URL") from error
    return tree


def words(error: BaseException) -> str:
    """What an exception says, on one line."""
    lines = str(error).strip().splitlines()
    text = lines[0] if lines else type(error).__name__
    if isinstance(error, FileNotFoundError):
        text = error.filename or text
    elif not isinstance(error, OSError):
        text = f"{type(error).__name__}: {text}"
    return text if error.__cause__ is None else f"{text} ({error.__cause__})"


def main(descriptor: int, kernel: int) -> None:
    """The helper: serve, and put away what was written at the end."""
    settle(kernel)
    with Connection(descriptor, kernel) as connection:
        url, writable, directory = connection.arguments
        os.chdir(directory)
        try:
            tree = open_tree(url, writable, directory, lambda: connection.say(WORKING))
        except UrlError as error:
            connection.say(TROUBLE, str(error).encode(errors="backslashreplace"))
            return
        dispatcher = Dispatcher(TranslatorCalls, Served(tree, words))

        def answer(message: bytes) -> bytes:
            return machmsg.pack(finish(dispatcher.answer(machmsg.parse(message)))[1])  # no method of the tree sleeps

        connection.serve(answer)
        for trouble in tree.finish():
            connection.say(TROUBLE, trouble.encode(errors="backslashreplace"))
