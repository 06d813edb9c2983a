"""What runs in the helper of a mounted URL: a file system of fsspec as a translator.

A file that is written is kept in a temporary file on the host, and put where it belongs as a whole when it is synced (fsync, the last
close) or when the run ends: that is what object stores can do. Files are read through fsspec's read-ahead; where a server gives no parts of
files, the whole file is fetched once. What has been opened or fetched is kept for the last OPEN_MOST files.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections import OrderedDict
from collections.abc import Iterable
from datetime import datetime
from typing import IO, Any, Final

from skerry.abi import linux, machmsg
from skerry.lib.stubs import Dispatcher, finish
from skerry.lib.translator import SECOND, Entry, Served, Stat, Translator, TranslatorCalls
from skerry.machine.helper import serve, settle

ARCHIVES: Final = ("zip", "tar", "libarchive")  # PROTOCOL://FILE means the archive in that file
READ_ONLY: Final = (*ARCHIVES, "http", "https", "git", "github", "reference")
OPEN_MOST: Final = 16
BLOCK: Final = 1 << 20  # bytes of fsspec's read-ahead
TIMES: Final = ("mtime", "modified", "LastModified", "last_modified", "updated", "created", "date_time")
KINDS: Final = {"directory": linux.S_IFDIR, "file": linux.S_IFREG, "link": linux.S_IFREG}


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


class FsspecTree(Translator):
    """A file system of fsspec below ``root``."""

    valid = 5.0

    def __init__(self, fs: Any, root: str, writable: bool) -> None:
        self._fs = fs
        self._root = root.rstrip("/")
        self._urls = "://" in self._root  # names are URLs, and those that end in / are directories
        self.writable = writable
        self._open: OrderedDict[str, IO[bytes]] = OrderedDict()
        self._listed: OrderedDict[str, dict[str, dict[str, Any]]] = OrderedDict()
        self._changed: dict[str, str] = {}  # path: the temporary file that has its contents
        self._scratch = ""

    def _at(self, path: str) -> str:
        if not path:
            return self._root + "/" if self._urls else self._root or "/"
        return f"{self._root}/{path}" if self._root else path

    # Looking
    def _entries(self, path: str) -> dict[str, dict[str, Any]]:
        """What is in a directory, by name."""
        where = self._at(path)
        found: dict[str, dict[str, Any]] = {}
        for info in self._fs.ls(where + "/" if self._urls and not where.endswith("/") else where, detail=True):
            full = info["name"]
            name = full.rstrip("/").rsplit("/", 1)[-1]
            if full.rstrip("/") != where.rstrip("/") and "?" not in name and name not in ("", ".", ".."):
                if self._urls and full.endswith("/"):
                    info = {**info, "type": "directory"}
                found[name] = info
        self._listed[path] = found
        self._listed.move_to_end(path)
        while len(self._listed) > OPEN_MOST:
            self._listed.popitem(last=False)
        return found

    def _info(self, path: str) -> dict[str, Any]:
        parent, _, name = path.rpartition("/")
        listed = self._listed.get(parent) if path else None
        if listed is not None and name in listed:
            info = listed[name]
            if info.get("type") != "file" or info.get("size") is not None:
                return info
        info = dict(self._fs.info(self._at(path)))
        if not path:
            info["type"] = "directory"
        if info.get("type") != "directory" and info.get("size") is None:
            info["size"] = os.path.getsize(self._fetched(path).name)
        if listed is not None:
            listed[name] = info
        return info

    def stat(self, path: str) -> Stat:
        changed = self._changed.get(path)
        if changed is not None:
            status = os.stat(changed)
            return Stat(linux.S_IFREG | 0o644, status.st_size, status.st_mtime_ns)
        info = self._info(path)
        kind = KINDS.get(info.get("type", "file"), linux.S_IFREG)
        mode = info.get("mode")
        if isinstance(mode, int) and mode & 0o777:
            permissions = mode & (0o777 if self.writable else 0o555)
        else:
            permissions = (0o755 if kind == linux.S_IFDIR else 0o644) & (0o777 if self.writable else 0o555)
        size = 0 if kind == linux.S_IFDIR else int(info.get("size") or 0)
        version = hash(str(info.get("ETag", ""))) & 0xFFFFFFFF
        return Stat(kind | permissions, size, _time(info), version=version)

    def list(self, path: str) -> Iterable[Entry]:
        entries = {name: KINDS.get(info.get("type", ""), 0) for name, info in self._entries(path).items()}
        prefix = path + "/" if path else ""
        for changed in self._changed:
            if changed.startswith(prefix) and "/" not in changed[len(prefix) :]:
                entries.setdefault(changed[len(prefix) :], linux.S_IFREG)
        return entries.items()

    def read(self, path: str, offset: int, count: int) -> bytes:
        changed = self._changed.get(path)
        if changed is not None:
            with open(changed, "rb") as file:
                file.seek(offset)
                return file.read(count)
        opened = self._open.get(path) or self._kept(path, self._fs.open(self._at(path), "rb", block_size=BLOCK))
        try:
            opened.seek(offset)
            return bytes(opened.read(count))
        except ValueError:  # it cannot be read in parts
            opened = self._fetched(path)
            opened.seek(offset)
            return bytes(opened.read(count))

    def _kept(self, path: str, file: IO[bytes]) -> IO[bytes]:
        old = self._open.pop(path, None)
        if old is not None:
            old.close()
        self._open[path] = file
        while len(self._open) > OPEN_MOST:
            self._open.popitem(last=False)[1].close()
        return file

    def _fetched(self, path: str) -> Any:
        """A temporary file with all of the contents."""
        file = tempfile.NamedTemporaryFile(prefix="skerry-")  # noqa: SIM115  # it is closed when it is no longer kept
        with self._fs.open(self._at(path), "rb", block_size=0) as whole:
            shutil.copyfileobj(whole, file, BLOCK)
        file.flush()
        return self._kept(path, file)

    def _forget(self, path: str) -> None:
        """It changes: nothing that is known of it holds."""
        file = self._open.pop(path, None)
        if file is not None:
            file.close()
        self._listed.pop(path.rpartition("/")[0], None)
        self._listed.pop(path, None)
        self._fs.invalidate_cache()

    # Changing
    def _copy(self, path: str, whole: bool) -> str:
        """The temporary file for a file that changes; with what it held, if ``whole``."""
        self._refuse()
        if path not in self._changed:
            self._scratch = self._scratch or tempfile.mkdtemp(prefix="skerry-")
            descriptor, name = tempfile.mkstemp(dir=self._scratch)
            with os.fdopen(descriptor, "wb") as copy:
                if whole:
                    with self._fs.open(self._at(path), "rb") as file:
                        shutil.copyfileobj(file, copy, BLOCK)
            self._forget(path)
            self._changed[path] = name
        return self._changed[path]

    def _refuse(self) -> None:
        if not self.writable:
            raise OSError(linux.EROFS, "read-only")

    def write(self, path: str, offset: int, data: bytes) -> int:
        with open(self._copy(path, True), "r+b") as file:
            file.seek(offset)
            return file.write(data)

    def truncate(self, path: str, size: int) -> None:
        os.truncate(self._copy(path, size > 0), size)

    def create(self, path: str, mode: int) -> None:
        self._copy(path, False)

    def sync(self, path: str) -> None:
        name = self._changed.get(path)
        if name is not None:
            self._fs.put_file(name, self._at(path))
            del self._changed[path]
            os.unlink(name)
            self._forget(path)

    def make_directory(self, path: str, mode: int) -> None:
        self._refuse()
        self._fs.mkdir(self._at(path), create_parents=False)
        self._forget(path)

    def remove(self, path: str) -> None:
        self._refuse()
        name = self._changed.pop(path, None)
        if name is not None:
            os.unlink(name)
        if name is None or self._fs.exists(self._at(path)):
            self._fs.rm_file(self._at(path))
        self._forget(path)

    def remove_directory(self, path: str) -> None:
        self._refuse()
        if self.list(path):
            raise OSError(linux.ENOTEMPTY, "not empty")
        self._fs.rmdir(self._at(path))
        self._forget(path)

    def rename(self, path: str, new: str) -> None:
        self._refuse()
        for changed in [name for name in self._changed if name == path or name.startswith(path + "/")]:
            self.sync(changed)
        replaced = self._changed.pop(new, None)
        if replaced is not None:
            os.unlink(replaced)
        self._fs.mv(self._at(path), self._at(new), recursive=self._info(path).get("type") == "directory")
        self._forget(path)
        self._forget(new)

    def set_attributes(self, path: str, mode: int | None, modified: int | None) -> None:
        """fsspec keeps no permissions and sets no times: it is not refused, as cp and touch set them on everything."""
        self._refuse()

    def close(self) -> None:
        """Put away all that was written. Raises what fsspec raises."""
        try:
            for path in list(self._changed):
                self.sync(path)
        finally:
            if self._scratch:
                shutil.rmtree(self._scratch, ignore_errors=True)


def _time(info: dict[str, Any]) -> int:
    """When the object was modified, in whatever form its file system says it (ns); 0: it does not."""
    for key in TIMES:
        value = info.get(key)
        if isinstance(value, datetime):
            return max(0, int(value.timestamp() * SECOND))
        if isinstance(value, int | float):
            return max(0, int(value * SECOND))
        if isinstance(value, tuple) and len(value) >= 6:
            with contextlib.suppress(ValueError):
                return max(0, int(datetime(*value[:6]).timestamp() * SECOND))
        if isinstance(value, str):
            with contextlib.suppress(ValueError):
                return max(0, int(datetime.fromisoformat(value).timestamp() * SECOND))
    return 0


def open_tree(url: str, writable: bool, directory: str) -> FsspecTree:
    """The file system that ``url`` names. Raises UrlError."""
    from fsspec.core import url_to_fs  # type: ignore[import-untyped]

    protocol = url.partition("://")[0].partition("::")[0]
    if writable and protocol in READ_ONLY:
        raise UrlError(f"{protocol} cannot be written: leave out :rw")
    try:
        fs, root = url_to_fs(full_url(url, directory))
        if protocol == "tar" and not root and any(info["name"] == "." for info in fs.ls("")):
            root = "."  # an archive of a directory itself: tar -C DIR .
        tree = FsspecTree(fs, root, writable)
        if fs.protocol not in ("memory", ("memory",)) or tree._root:
            kind = fs.info(tree._at("")).get("type")
            if kind == "file" and not tree._urls:
                raise UrlError("it is a file: give a directory, or an archive as zip://FILE")
    except ImportError as error:
        raise UrlError(f"{error}: install that into the Python of skerry") from error
    except UrlError:
        raise
    except FileNotFoundError as error:
        raise UrlError(f"there is nothing: {_words(error)}: check the URL") from error
    except Exception as error:  # each file system of fsspec has errors of its own
        raise UrlError(f"{_words(error)}: check the URL") from error
    return tree


def _words(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def main(descriptor: int, kernel: int, url: str, writable: int, directory: str) -> None:
    """The helper: greet with + or with ! and why not, answer, and put away what was written at the end."""
    settle(kernel)
    os.chdir(directory)
    try:
        tree = open_tree(url, bool(writable), directory)
    except UrlError as error:
        serve(descriptor, kernel, b"!" + str(error).encode(), bytes)
        return
    dispatcher = Dispatcher(TranslatorCalls, Served(tree))

    def answer(message: bytes) -> bytes:
        return machmsg.pack(finish(dispatcher.answer(machmsg.parse(message)))[1])  # no method of the tree sleeps

    try:
        serve(descriptor, kernel, b"+", answer)
    finally:
        tree.close()
