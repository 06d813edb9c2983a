"""System calls on extended attributes.

``user.`` belongs to who may read and write the file, ``trusted.`` and ``security.`` to CAP_SYS_ADMIN: they are kept and mean nothing (no
file gives capabilities). There are no access control lists: ``system.`` is not supported.

Source: xattr(7), setxattr(2), getxattr(2), listxattr(2), removexattr(2); Linux, fs/xattr.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.unix.arguments import c_int
from skerry.unix.capabilities import CAP_FOWNER, CAP_SYS_ADMIN
from skerry.unix.errors import LinuxError
from skerry.unix.syscalls.paths import AT_FDCWD_WORD, inode_at
from skerry.unix.vfs import require

if TYPE_CHECKING:
    from skerry.unix.inode import Inode
    from skerry.unix.process import Thread

NAME_MAX: Final = 255
SIZE_MAX: Final = 65536  # of a value, and of a list of names
XATTR_CREATE: Final = 1
XATTR_REPLACE: Final = 2
_PRIVILEGED: Final = (b"trusted.", b"security.")
_KNOWN: Final = (b"user.", *_PRIVILEGED)


def _name(thread: Thread, address: int) -> bytes:
    """The name of an attribute. Raises Fault, ERANGE."""
    name = thread.process.memory.read_string(address, NAME_MAX + 1)
    if not name:
        raise LinuxError(linux.ERANGE)
    return name


def _require(thread: Thread, inode: Inode, name: bytes, writing: bool) -> None:
    """Raises EPERM, ENODATA, EACCES, EROFS, EOPNOTSUPP, EINVAL."""
    who = thread.process.credentials
    if writing and inode.fs.read_only:
        raise LinuxError(linux.EROFS)
    if name.startswith(b"trusted.") and not who.has(CAP_SYS_ADMIN):
        raise LinuxError(linux.EPERM if writing else linux.ENODATA)
    if name.startswith(b"user."):
        if not (inode.is_regular or inode.is_directory):
            raise LinuxError(linux.EPERM if writing else linux.ENODATA)
        if writing and inode.is_directory and inode.mode & linux.S_ISVTX and who.fsuid != inode.uid and not who.has(CAP_FOWNER):
            raise LinuxError(linux.EPERM)
        require(who, inode, linux.W_OK if writing else linux.R_OK)
    if not inode.fs.supports_xattrs or not name.startswith(_KNOWN):
        raise LinuxError(linux.EOPNOTSUPP)
    if writing and name.startswith(b"security.") and not who.has(CAP_SYS_ADMIN):
        raise LinuxError(linux.EPERM)
    if name in (b"user.", *_PRIVILEGED):
        raise LinuxError(linux.EINVAL)


def _set(thread: Thread, inode: Inode, name: int, value: int, size: int, flags: int) -> int:
    if c_int(flags) & ~(XATTR_CREATE | XATTR_REPLACE):
        raise LinuxError(linux.EINVAL)
    key = _name(thread, name)
    if size > SIZE_MAX:
        raise LinuxError(linux.E2BIG)
    data = thread.process.memory.read(value, size) if size else b""
    _require(thread, inode, key, True)
    held = inode.xattr_table()
    if flags & XATTR_CREATE and key in held:
        raise LinuxError(linux.EEXIST)
    if flags & XATTR_REPLACE and key not in held:
        raise LinuxError(linux.ENODATA)
    if sum(len(other) + 1 for other in held if other != key) + len(key) + 1 > SIZE_MAX:
        raise LinuxError(linux.ENOSPC)
    inode.set_xattr(key, data, thread.process.system.platform.realtime())
    return 0


def _get(thread: Thread, inode: Inode, name: int, value: int, size: int) -> int:
    key = _name(thread, name)
    _require(thread, inode, key, False)
    found = inode.xattr_table().get(key)
    if found is None:
        raise LinuxError(linux.ENODATA)
    if size:
        if size < len(found):
            raise LinuxError(linux.ERANGE)
        thread.process.memory.write(value, found)
    return len(found)


def _list(thread: Thread, inode: Inode, buffer: int, size: int) -> int:
    if not inode.fs.supports_xattrs:
        return 0
    all_names = thread.process.credentials.has(CAP_SYS_ADMIN)
    names = b"".join(name + b"\0" for name in inode.xattr_table() if all_names or not name.startswith(b"trusted."))
    if size:
        if size < len(names):
            raise LinuxError(linux.ERANGE)
        thread.process.memory.write(buffer, names)
    return len(names)


def _remove(thread: Thread, inode: Inode, name: int) -> int:
    key = _name(thread, name)
    _require(thread, inode, key, True)
    if key not in inode.xattr_table():
        raise LinuxError(linux.ENODATA)
    inode.remove_xattr(key, thread.process.system.platform.realtime())
    return 0


def _followed(thread: Thread, path: int) -> Inode:
    return inode_at(thread, AT_FDCWD_WORD, path, 0)


def _itself(thread: Thread, path: int) -> Inode:
    return inode_at(thread, AT_FDCWD_WORD, path, linux.AT_SYMLINK_NOFOLLOW)


def _of_descriptor(thread: Thread, fd: int) -> Inode:
    return thread.process.files.usable(c_int(fd)).inode


def sys_setxattr(thread: Thread, path: int, name: int, value: int, size: int, flags: int) -> int:
    return _set(thread, _followed(thread, path), name, value, size, flags)


def sys_lsetxattr(thread: Thread, path: int, name: int, value: int, size: int, flags: int) -> int:
    return _set(thread, _itself(thread, path), name, value, size, flags)


def sys_fsetxattr(thread: Thread, fd: int, name: int, value: int, size: int, flags: int) -> int:
    return _set(thread, _of_descriptor(thread, fd), name, value, size, flags)


def sys_getxattr(thread: Thread, path: int, name: int, value: int, size: int) -> int:
    return _get(thread, _followed(thread, path), name, value, size)


def sys_lgetxattr(thread: Thread, path: int, name: int, value: int, size: int) -> int:
    return _get(thread, _itself(thread, path), name, value, size)


def sys_fgetxattr(thread: Thread, fd: int, name: int, value: int, size: int) -> int:
    return _get(thread, _of_descriptor(thread, fd), name, value, size)


def sys_listxattr(thread: Thread, path: int, buffer: int, size: int) -> int:
    return _list(thread, _followed(thread, path), buffer, size)


def sys_llistxattr(thread: Thread, path: int, buffer: int, size: int) -> int:
    return _list(thread, _itself(thread, path), buffer, size)


def sys_flistxattr(thread: Thread, fd: int, buffer: int, size: int) -> int:
    return _list(thread, _of_descriptor(thread, fd), buffer, size)


def sys_removexattr(thread: Thread, path: int, name: int) -> int:
    return _remove(thread, _followed(thread, path), name)


def sys_lremovexattr(thread: Thread, path: int, name: int) -> int:
    return _remove(thread, _itself(thread, path), name)


def sys_fremovexattr(thread: Thread, fd: int, name: int) -> int:
    return _remove(thread, _of_descriptor(thread, fd), name)
