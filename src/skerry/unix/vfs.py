"""Names: path resolution, mounts, permission checks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.unix.capabilities import CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_FSETID
from skerry.unix.errors import LinuxError
from skerry.unix.fs.tmpfs import Directory
from skerry.unix.inode import Inode

if TYPE_CHECKING:
    from skerry.unix.process import Credentials, Place, Thread

SYMLINK_LIMIT: Final = 40
PATH_MAX: Final = 4096
CACHED_NAMES: Final = 8192
_PRIVILEGES: Final = linux.S_ISUID | linux.S_ISGID


class Name:
    """Where a path leads: a directory, a name in it, and what is there (None: nothing yet)."""

    __slots__ = ("directory", "inode", "lasting", "name", "trailing_slash")

    def __init__(self, directory: Directory, name: bytes, inode: Inode | None, trailing_slash: bool, lasting: bool = False) -> None:
        self.directory = directory
        self.name = name  # b"" for a root, ".", ".."
        self.inode = inode
        self.trailing_slash = trailing_slash
        self.lasting = lasting  # the path leads here until a program changes a name or a mode: no file system had to be asked


class NameCache:
    """Where paths led, until a name or a directory's mode changes: a path that is looked up again costs no walk."""

    def __init__(self) -> None:
        self._names: dict[object, Name] = {}
        self.get = self._names.get
        self.forget = self._names.clear

    def keep(self, key: object, name: Name) -> None:
        """``key``: all that the walk depended on."""
        if len(self._names) >= CACHED_NAMES:
            self.forget()
        self._names[key] = name


def may(credentials: Credentials, inode: Inode, access: int) -> bool:
    """Whether R_OK, W_OK, X_OK bits are allowed; who overrides permissions may all but execute what nobody may."""
    mode = inode.mode
    effective = credentials.capabilities.effective
    if effective & CAP_DAC_OVERRIDE:
        return not access & linux.X_OK or inode.is_directory or bool(mode & 0o111)
    if inode.uid == credentials.fsuid:
        mode >>= 6
    elif inode.gid == credentials.fsgid or inode.gid in credentials.groups:
        mode >>= 3
    if access & ~mode & 7 == 0:
        return True
    return bool(effective & CAP_DAC_READ_SEARCH) and (access == linux.R_OK or (inode.is_directory and not access & linux.W_OK))


def require(credentials: Credentials, inode: Inode, access: int) -> None:
    """Raises LinuxError: EACCES; EPERM to write what is immutable."""
    if inode.immutable and access & linux.W_OK:
        raise LinuxError(linux.EPERM)
    if not may(credentials, inode, access):
        raise LinuxError(linux.EACCES)


def require_owner(credentials: Credentials, inode: Inode) -> None:
    """Raises LinuxError(EPERM) but for the owner and who acts as one (CAP_FOWNER)."""
    if credentials.fsuid != inode.uid and not credentials.has(CAP_FOWNER):
        raise LinuxError(linux.EPERM)


def without_privileges(credentials: Credentials, inode: Inode) -> int:
    """The mode that is left of a file that somebody changes: no setuid, and no setgid if its group may execute it or is not his."""
    mode = inode.mode & ~linux.S_ISUID
    if mode & linux.S_IXGRP or not (credentials.in_group(inode.gid) or credentials.has(CAP_FSETID)):
        mode &= ~linux.S_ISGID
    return mode & 0o7777


def drop_privileges(credentials: Credentials, inode: Inode) -> None:
    """The contents of a file change: it is no longer setuid or setgid, but for who may set that (CAP_FSETID)."""
    if inode.mode & _PRIVILEGES and inode.is_regular and not credentials.has(CAP_FSETID):
        mode = without_privileges(credentials, inode)
        if mode != inode.mode & 0o7777:
            inode.set_attributes(inode.fs.now(), mode=mode)


def resolve(thread: Thread, place: Place, credentials: Credentials, path: bytes, start: Inode, follow: bool = True) -> Name:
    """Walk ``path`` from ``start`` (or the root); the last component need not exist.

    ``follow``: a symbolic link in the last component is followed. Raises ENOENT, ENOTDIR, ELOOP, EACCES, ENAMETOOLONG.
    """
    if not path:
        raise LinuxError(linux.ENOENT)
    here: Inode = place.root if path[0] == 47 else start
    trailing = path[-1] == 47
    parts = (path.rstrip(b"/") if trailing else path).split(b"/")
    parts.reverse()
    links = 0
    lasting = True
    unprivileged = not credentials.capabilities.effective & CAP_DAC_OVERRIDE
    while parts:
        name = parts.pop()
        if not isinstance(here, Directory):
            raise LinuxError(linux.ENOTDIR)
        if not name:
            continue
        if unprivileged and not may(credentials, here, linux.X_OK):
            raise LinuxError(linux.EACCES)
        if name == b".":
            continue
        if name == b"..":
            if here is not place.root:
                here = here.parent
            continue
        child = here.children.get(name)
        if child is None:
            if name in here.children and not parts:  # known to be missing
                return Name(here, name, None, trailing, lasting)
            lasting = False
            try:
                child = here.lookup(name)
            except LinuxError as error:
                if error.errno == linux.ENOENT and not parts:
                    return Name(here, name, None, trailing)
                raise
        if isinstance(child, Directory):
            below = child.covered_by or child
            if not parts:
                return Name(here, name, below, trailing, lasting)
            here = below
            continue
        if child.mode & linux.S_IFMT == linux.S_IFLNK and (parts or follow or trailing):
            links += 1
            if links > SYMLINK_LIMIT:
                raise LinuxError(linux.ELOOP)
            magic = child.follow(thread)
            if magic is not None:
                lasting = False
                if not parts:
                    return Name(here, name, magic, trailing)
                here = magic
                continue
            target = child.readlink()
            if not target:
                raise LinuxError(linux.ENOENT)
            if target[0] == 47:
                here = place.root
            trailing = trailing or (not parts and target[-1] == 47)
            parts += reversed(target.rstrip(b"/").split(b"/"))
            continue
        if not parts:
            if trailing:
                raise LinuxError(linux.ENOTDIR)
            return Name(here, name, child, False, lasting)
        here = child
    if trailing and not here.is_directory:
        raise LinuxError(linux.ENOTDIR)
    directory = here.parent if isinstance(here, Directory) else place.root
    return Name(directory, b"", here, trailing)


def mount(over: Directory, root: Directory) -> None:
    """Cover the directory ``over`` with the root of another file system."""
    over.covered_by = root
    over.fs.covered.append(over)
    root.parent, root.name = over.parent, over.name


def path_of(inode: Inode, root: Inode) -> bytes:
    """The absolute path of a directory, as seen from ``root``."""
    parts: list[bytes] = []
    while inode is not root and isinstance(inode, Directory) and inode.parent is not inode:
        parts.append(inode.name)
        inode = inode.parent
    parts.append(b"")
    return b"/".join(reversed(parts)) or b"/"


def full_path(name: Name, root: Inode) -> bytes:
    """The absolute path of what a walk found."""
    if not name.name:
        return path_of(name.inode, root) if name.inode is not None else b"/"
    directory = path_of(name.directory, root)
    return directory + name.name if directory == b"/" else directory + b"/" + name.name


class Namespace:
    """The tree of names that the first process starts with."""

    def __init__(self, root: Directory) -> None:
        self.root = root

    def make_directory(self, path: bytes, mode: int, now: int) -> Directory:
        """The directory ``path``, made (with its parents) where it is missing. Raises LinuxError(ENOTDIR)."""
        here = self.root
        for part in path.split(b"/"):
            if not part:
                continue
            try:
                child = here.lookup(part)
            except LinuxError:
                child = here.make_place(part, mode, now)
            if not isinstance(child, Directory):
                raise LinuxError(linux.ENOTDIR)
            here = child.covered_by or child
        return here
