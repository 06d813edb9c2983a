"""The directory that keeps a writable layer.

    DIR/skerry.json   which root it was made on
    DIR/upper/        the changes, in OverlayFS's format (skerry.machine.layernode says how)
    DIR/work/         what is being prepared; empty between runs

Whoever uses a layer holds a lock (flock) on DIR; it goes with its process. DIR is its owner's alone (mode 0700): what programs inside have
made, set-user-id files for instance, is not for other users of the host.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import stat
from typing import Final, Self

from skerry.machine import libc
from skerry.machine.layernode import OPAQUE, LayerNode
from skerry.machine.owners import AS_THEY_ARE, Owners
from skerry.options import Bind, UserError, Writes

FORMAT: Final = 1
_DESCRIPTION: Final = "skerry.json"
_NEW: Final = "skerry.json.new"
_PARTS: Final = {"upper", "work", _NEW}  # all that is there before the description is


class Layer:
    """An open layer, locked. ``text`` is its directory as it was given, for what is said to the user."""

    def __init__(self, option: str, text: str, descriptor: int, root: str) -> None:
        self.option = option
        self.text = text
        self.root = root
        self._descriptor = descriptor
        self.created = 0  # when it was empty (ns): what changed in the root since then may collide with it
        self.owners = AS_THEY_ARE  # of the last run

    @classmethod
    def open(cls, option: str, text: str, root: bytes | None = None) -> Self:
        """The layer in the directory ``text``; with a ``root`` it is made if it is not there, and must have been made on that root.

        ``option``: how the user gave it, for errors. Raises UserError.
        """
        if root is not None:
            _require_directory(root)
            _make_directory(option, text)
        try:
            descriptor = os.open(text, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise UserError(f"{option} {text}: {error.strerror}: give a directory that holds a layer".lstrip()) from error
        layer = cls(option, text, descriptor, "")
        try:
            layer._lock()
            layer.root = layer._described() or (layer._make(root) if root is not None else layer._refuse())
            if root is not None and os.path.realpath(os.fsdecode(root)) != layer.root:
                raise layer.error(f"it was made over --root {layer.root}", "give that root, or another directory")
            layer._empty_work()
        except OSError as error:
            layer.close()
            where = f" ({os.fsdecode(error.filename)})" if error.filename else ""
            raise layer.error(f"{error.strerror}{where}", "give a directory that you can write") from error
        except UserError:
            layer.close()
            raise
        return layer

    def error(self, what: str, advice: str) -> UserError:
        """What is wrong with the layer, and what to do."""
        return UserError(f"{self.option} {self.text}: {what}: {advice}".lstrip())

    def part(self, name: str, owners: Owners = AS_THEY_ARE) -> LayerNode:
        """The node of ``upper`` or ``work``. Raises OSError."""
        flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        return LayerNode(os.open(name, flags, dir_fd=self._descriptor), True, owners)

    def path_below(self, root: bytes) -> bytes:
        """Where the layer lies within ``root``, relative to it; b"" if it does not."""
        here, there = os.path.realpath(os.fsencode(self.text)), os.path.realpath(root).rstrip(b"/") + b"/"
        return here[len(there) :] if here.startswith(there) else b""

    def require_apart(self, bind: Bind) -> None:
        """Raises UserError if programs could write the layer itself through ``bind``."""
        here, there = os.path.realpath(os.fsencode(self.text)), os.path.realpath(bind.source)
        if bind.writes is Writes.THROUGH and (here + b"/").startswith(there.rstrip(b"/") + b"/"):
            raise self.error(f"it lies in {os.fsdecode(bind.source)}, which --bind lets programs write", "give a directory elsewhere")

    def close(self) -> None:
        """Let others use it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _lock(self) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise self.error("in use by another run", "wait until it has ended, or give another directory") from None

    def _described(self) -> str:
        """The root that the layer was made on; "" if there is no layer yet."""
        try:
            descriptor = os.open(_DESCRIPTION, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self._descriptor)
        except FileNotFoundError:
            if set(os.listdir(self._descriptor)) <= _PARTS:
                return ""
            raise self.error("not a layer, and not empty", "give a new or an empty directory") from None
        with open(descriptor, "rb") as file:
            try:
                facts = json.loads(file.read())
                version, root, self.created = facts["format"], facts["root"], int(facts["created"])
                self.owners = Owners(*map(int, facts["owners"]))
            except (ValueError, KeyError, TypeError):
                raise self._damaged(f"{_DESCRIPTION} makes no sense") from None
        if version != FORMAT or not isinstance(root, str):
            raise self.error("made by another version of Skerry", "use that, or give another directory")
        for name in ("upper", "work"):
            try:
                self.part(name)
            except OSError:
                raise self._damaged(f"no directory {name}") from None
        return root

    def _damaged(self, what: str) -> UserError:
        return self.error(f"damaged: {what}", "give another directory")

    def _refuse(self) -> str:
        raise self.error("no layer is there", "give the directory that was given to skerry run --upper")

    def _make(self, root: bytes) -> str:
        os.fchmod(self._descriptor, 0o700)
        for name in ("upper", "work"):
            try:
                os.mkdir(name, 0o700, dir_fd=self._descriptor)
            except FileExistsError:
                if os.listdir(os.path.join(self.text, name)) and name == "upper":
                    raise self.error("not a layer, and not empty", "give a new or an empty directory") from None
        self._empty_work()
        self._require_support()
        status = os.stat(root)
        upper = self.part("upper")
        upper.change_owner(status.st_uid, status.st_gid)
        upper.change_mode(stat.S_IMODE(status.st_mode))
        upper.change_times(status.st_atime_ns, status.st_mtime_ns)
        self.root = os.path.realpath(os.fsdecode(root))
        self.created = os.stat("upper", dir_fd=self._descriptor).st_ctime_ns
        self._describe()
        return self.root

    def note_owners(self, owners: Owners) -> None:
        """Whose files are whose in the run that begins. Raises OSError."""
        if owners.numbers != self.owners.numbers:
            self.owners = owners
            self._describe()

    def note_empty(self) -> None:
        """All of it was applied to its root. Raises OSError."""
        upper = self.part("upper")
        upper.change_mode(stat.S_IMODE(upper.stat()[0]))
        self.created = upper.stat()[10]
        self._describe()

    def _describe(self) -> None:
        facts = {"format": FORMAT, "root": self.root, "created": self.created, "owners": self.owners.numbers}
        descriptor = os.open(_NEW, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=self._descriptor)
        with open(descriptor, "w") as file:
            json.dump(facts, file)
            file.flush()
            os.fsync(descriptor)
        os.rename(_NEW, _DESCRIPTION, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)
        os.fsync(self._descriptor)

    def _require_support(self) -> None:
        """Raises UserError where the file system cannot keep a layer."""
        work = self.part("work")
        try:
            for name in (b"a", b"b"):
                node, _file = work.make_file(name, 0o600, -1, -1)
                os.setxattr(b"/proc/self/fd/%d" % node.descriptor, OPAQUE, b"y")
            work.make_whiteout(b"c", 0, 0)
            work.rename(b"a", work, b"c", 0)
            libc.rename(work.descriptor, b"b", work.descriptor, b"d", 4)  # RENAME_WHITEOUT
        except OSError as error:
            if error.errno in (errno.EPERM, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                raise self.error(
                    "its file system keeps no extended attributes or no whiteouts", "give one on ext4, xfs, btrfs or tmpfs"
                ) from error
            raise
        finally:
            self._empty_work()

    def _empty_work(self) -> None:
        """Remove what a run that was killed had begun."""
        work = self.part("work")
        descriptor = os.open(b"/proc/self/fd/%d" % work.descriptor, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for name in os.listdir(descriptor):
                if stat.S_ISDIR(os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode):
                    shutil.rmtree(name, dir_fd=descriptor)
                else:
                    os.unlink(name, dir_fd=descriptor)
        finally:
            os.close(descriptor)


def _require_directory(root: bytes) -> None:
    """Before a layer is made for it."""
    try:
        os.close(os.open(root, os.O_PATH | os.O_DIRECTORY))
    except OSError as error:
        raise UserError(f"--root {os.fsdecode(root)}: {error.strerror}: give a directory") from error


def _make_directory(option: str, text: str) -> None:
    try:
        os.mkdir(text, 0o700)
    except FileExistsError:
        pass
    except OSError as error:
        raise UserError(f"{option} {text}: {error.strerror}: give a directory whose parent exists and that you can write") from error
