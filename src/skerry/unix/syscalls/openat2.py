"""openat2: opening with a walk that may be confined.

Source: openat2(2), struct open_how and RESOLVE_*.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.unix.arguments import c_int
from skerry.unix.errors import LinuxError
from skerry.unix.fs.tmpfs import Directory
from skerry.unix.syscalls.paths import AT_FDCWD_WORD, PATH_FLAGS, Result, opened, walk
from skerry.unix.vfs import SYMLINK_LIMIT, Name, require

if TYPE_CHECKING:
    from skerry.unix.inode import Inode
    from skerry.unix.process import Thread

NO_XDEV: Final = 0x01
NO_MAGICLINKS: Final = 0x02
NO_SYMLINKS: Final = 0x04
BENEATH: Final = 0x08
IN_ROOT: Final = 0x10
CACHED: Final = 0x20
_SCOPED: Final = BENEATH | IN_ROOT
_HOW: Final = struct.Struct("<QQQ")
_MAX_SIZE: Final = 4096
_FLAGS: Final = 0o37777703  # VALID_OPEN_FLAGS


def sys_openat2(thread: Thread, directory: int, address: int, how: int, size: int) -> Result:
    memory = thread.process.memory
    if size < _HOW.size:
        raise LinuxError(linux.EINVAL)
    if size > _MAX_SIZE:
        raise LinuxError(linux.E2BIG)
    data = memory.read(how, size)
    if any(data[_HOW.size :]):
        raise LinuxError(linux.E2BIG)
    flags, mode, restrict = _HOW.unpack_from(data)
    makes = flags & linux.O_CREAT or flags & linux.O_TMPFILE == linux.O_TMPFILE
    if flags & ~_FLAGS or mode & ~0o7777 or (mode and not makes) or (flags & linux.O_PATH and flags & ~PATH_FLAGS):
        raise LinuxError(linux.EINVAL)
    if restrict & ~(NO_XDEV | NO_MAGICLINKS | NO_SYMLINKS | _SCOPED | CACHED) or restrict & _SCOPED == _SCOPED:
        raise LinuxError(linux.EINVAL)
    if restrict & CACHED and (makes or flags & linux.O_TRUNC):
        raise LinuxError(linux.EAGAIN)
    if not restrict & ~CACHED:
        return opened(thread, directory, memory.read_path(address), flags, mode, walk)

    def confined(thread: Thread, directory: int, path: bytes, follow: bool = True) -> Name:
        return _resolve(thread, directory, path, follow, restrict)

    return opened(thread, directory, memory.read_path(address), flags, mode, confined)


def _resolve(thread: Thread, directory: int, path: bytes, follow: bool, restrict: int) -> Name:
    """The walk of :func:`skerry.unix.vfs.resolve`, each step checked against ``restrict``. Raises EXDEV, ELOOP besides."""
    process = thread.process
    place, who = process.place, process.credentials
    if not path:
        raise LinuxError(linux.ENOENT)
    if path[:1] == b"/" and restrict & BENEATH:
        raise LinuxError(linux.EXDEV)
    here: Inode = place.cwd
    if directory & 0xFFFFFFFF != AT_FDCWD_WORD:
        here = process.files[c_int(directory)].inode
    top = here if restrict & _SCOPED else place.root
    trailing = path[-1:] == b"/"
    parts = path.split(b"/")[::-1]
    links = 0
    if path[:1] == b"/":
        here = top
    while parts:
        name = parts.pop()
        if not isinstance(here, Directory):
            raise LinuxError(linux.ENOTDIR)
        if not name:
            continue
        require(who, here, linux.X_OK)
        if name == b".":
            continue
        if name == b"..":
            if here is not top:
                here = _crossed(here, here.parent, restrict)
            elif restrict & BENEATH:
                raise LinuxError(linux.EXDEV)
            continue
        last = not any(parts)
        try:
            child = here.lookup(name)
        except LinuxError as error:
            if error.errno == linux.ENOENT and last:
                return Name(here, name, None, trailing)
            raise
        if child.is_symlink and (not last or follow or trailing):
            links += 1
            if links > SYMLINK_LIMIT or restrict & NO_SYMLINKS:
                raise LinuxError(linux.ELOOP)
            magic = child.follow(thread)
            if magic is not None:
                if restrict & NO_MAGICLINKS:
                    raise LinuxError(linux.ELOOP)
                if restrict & _SCOPED:
                    raise LinuxError(linux.EXDEV)
                here = _crossed(here, magic, restrict)
                if last:
                    return Name(place.root, name, here, trailing)
                continue
            target = child.readlink()
            if target[:1] == b"/":
                here = _absolute(here, top, restrict)
            trailing = trailing or (last and target[-1:] == b"/")
            parts += target.split(b"/")[::-1]
            continue
        if isinstance(child, Directory) and child.covered_by is not None:
            child = _crossed(here, child.covered_by, restrict)
        if last:
            if trailing and not child.is_directory:
                raise LinuxError(linux.ENOTDIR)
            return Name(here, name, child, trailing)
        here = child
    if not isinstance(here, Directory):
        raise LinuxError(linux.ENOTDIR)
    return Name(here.parent, b"", here, trailing)


def _absolute(here: Inode, top: Inode, restrict: int) -> Inode:
    if restrict & BENEATH:
        raise LinuxError(linux.EXDEV)
    return _crossed(here, top, restrict)


def _crossed(here: Inode, there: Inode, restrict: int) -> Inode:
    """``there``, if stepping to it from ``here`` is allowed."""
    if restrict & NO_XDEV and here.fs is not there.fs:
        raise LinuxError(linux.EXDEV)
    return there
