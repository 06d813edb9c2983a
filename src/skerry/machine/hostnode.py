"""A host directory that may be changed: handles on what it holds, and the calls that change it.

A node is a host O_PATH descriptor, so it stays the same object whatever its name becomes. Every name is one component, relative to the
node of its directory, and no symbolic link is followed, so nothing outside the first node's tree can be reached, by races either.
Contents are reached only of regular files: a host device, fifo or socket is never opened.

Every call raises OSError; a change through a node that is not ``writable`` raises EROFS.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import Final, Self

from skerry.machine import _host, libc
from skerry.machine.memory import HostFile
from skerry.machine.owners import AS_THEY_ARE, Owners

Attributes = tuple[int, int, int, int, int, int, int, int, int, int, int, int]
_OPEN: Final = os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK | os.O_NOFOLLOW
_KINDS: Final = stat.S_IFREG | stat.S_IFIFO | stat.S_IFSOCK


class HostNode:
    """An object of the host's file system: a directory, a file, a link or something else. Owns its descriptor."""

    __slots__ = ("descriptor", "owners", "writable")

    def __init__(self, descriptor: int, writable: bool, owners: Owners = AS_THEY_ARE) -> None:
        self.descriptor = descriptor
        self.writable = writable
        self.owners = owners

    @classmethod
    def directory(cls, path: bytes, writable: bool, owners: Owners = AS_THEY_ARE) -> Self:
        """The node of the host directory ``path``: the only way to a first node."""
        return cls(os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC), writable, owners)

    def __del__(self) -> None:
        os.close(self.descriptor)

    # Attributes
    def stat(self) -> Attributes:
        """mode, ino, dev, nlink, uid, gid, rdev, size, atime, mtime, ctime (ns), blocks (512 bytes)."""
        s = os.fstat(self.descriptor)
        times = (s.st_atime_ns, s.st_mtime_ns, s.st_ctime_ns)
        owner = self.owners.shown(s.st_uid, s.st_gid)
        return (s.st_mode, s.st_ino, s.st_dev, s.st_nlink, *owner, s.st_rdev, s.st_size, *times, s.st_blocks)

    def statfs(self) -> tuple[int, int, int, int, int, int]:
        """Block size, blocks, free blocks, available blocks, files, free files."""
        s = os.fstatvfs(self.descriptor)
        return (s.f_frsize, s.f_blocks, s.f_bfree, s.f_bavail, s.f_files, s.f_ffree)

    def change_mode(self, mode: int) -> None:
        """Permission bits."""
        self._change()
        os.chmod(self._link, mode)

    def change_owner(self, uid: int, gid: int) -> None:
        """-1 leaves one as it is."""
        self._change()
        os.chown(self._link, *self.owners.kept(uid, gid))

    def change_times(self, access: int, modification: int) -> None:
        """Nanoseconds since 1970."""
        self._change()
        os.utime(self._link, ns=(access, modification))

    def attributes(self) -> dict[bytes, bytes]:
        """The extended attributes that belong to who may read the file (``user.``); none where the host keeps none."""
        return user_attributes(self.descriptor)

    def set_attribute(self, name: bytes, value: bytes) -> None:
        """Set one."""
        self._change()
        os.setxattr(self._link, name, value)

    def remove_attribute(self, name: bytes) -> None:
        """Remove one; ENODATA if it is not there."""
        self._change()
        os.removexattr(self._link, name)

    # Directories
    def lookup(self, name: bytes) -> Self:
        """What is called ``name`` here; a symbolic link itself, not what it leads to."""
        flags = os.O_PATH | os.O_NOFOLLOW
        return type(self)(_host.open_beneath(self.descriptor, checked_name(name), flags, 0), self.writable, self.owners)

    def below(self, path: bytes) -> Self:
        """What is at ``path``, of several names, below here; b"" is this object. No link is followed."""
        flags = os.O_PATH | os.O_NOFOLLOW
        return type(self)(_host.open_beneath(self.descriptor, path or b".", flags, 0), self.writable, self.owners)

    def list(self) -> list[tuple[bytes, int, int]]:
        """Name, inode number and type bits (S_IFMT) of each entry."""
        descriptor = os.open(self._link, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return list_directory(descriptor)
        finally:
            os.close(descriptor)

    def make_file(self, name: bytes, mode: int, uid: int, gid: int) -> tuple[Self, HostFile]:
        """A new regular file, open to read and write."""
        self._change()
        descriptor = os.open(checked_name(name), os.O_RDWR | os.O_CREAT | os.O_EXCL | _OPEN, 0o600, dir_fd=self.descriptor)
        file = HostFile(descriptor)
        return self._made(name, mode, uid, gid), file

    def make_unnamed(self, mode: int, uid: int, gid: int) -> tuple[Self, HostFile]:
        """A new regular file without a name (O_TMPFILE), open to read and write."""
        self._change()
        file = HostFile(os.open(b".", os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, 0o600, dir_fd=self.descriptor))
        path = b"/proc/self/fd/%d" % file.descriptor
        node = type(self)(os.open(path, os.O_PATH | os.O_CLOEXEC), self.writable, self.owners)
        node._adopt(mode, uid, gid)
        return node, file

    def make_directory(self, name: bytes, mode: int, uid: int, gid: int) -> Self:
        """A new directory."""
        self._change()
        os.mkdir(checked_name(name), 0o700, dir_fd=self.descriptor)
        return self._made(name, mode, uid, gid)

    def make_special(self, name: bytes, mode: int, uid: int, gid: int) -> Self:
        """A new fifo or socket, by the type bits of ``mode``; devices are refused with EPERM."""
        self._change()
        if stat.S_IFMT(mode) & ~_KINDS or not stat.S_IFMT(mode):
            raise OSError(errno.EPERM, "a device is not made on the host")
        os.mknod(checked_name(name), stat.S_IFMT(mode) | 0o600, dir_fd=self.descriptor)
        return self._made(name, mode, uid, gid)

    def make_link(self, name: bytes, target: bytes, uid: int, gid: int) -> Self:
        """A new symbolic link."""
        self._change()
        os.symlink(target, checked_name(name), dir_fd=self.descriptor)
        return self._made(name, 0o777, uid, gid)

    def link(self, node: Self, name: bytes) -> None:
        """One more name for ``node``, here; by it ``node`` could be written, so it must be writable, too."""
        self._change()
        node._change()
        os.link(node._link, checked_name(name), dst_dir_fd=self.descriptor, follow_symlinks=True)

    def unlink(self, name: bytes) -> None:
        """Remove a name that is not a directory."""
        self._change()
        os.unlink(checked_name(name), dir_fd=self.descriptor)

    def rmdir(self, name: bytes) -> None:
        """Remove an empty directory."""
        self._change()
        os.rmdir(checked_name(name), dir_fd=self.descriptor)

    def rename(self, name: bytes, to: Self, new_name: bytes, flags: int) -> None:
        """Move an entry to the directory ``to``; ``flags`` are RENAME_*."""
        self._change()
        to._change()
        if flags:
            libc.rename(self.descriptor, checked_name(name), to.descriptor, checked_name(new_name), flags)
        else:
            os.rename(checked_name(name), checked_name(new_name), src_dir_fd=self.descriptor, dst_dir_fd=to.descriptor)

    # Links and files
    def readlink(self) -> bytes:
        """The target of a symbolic link."""
        return os.readlink(b"", dir_fd=self.descriptor)

    def open(self, write: bool) -> HostFile:
        """The contents, to read and map, or to write as well. EINVAL for what is not a regular file."""
        if not stat.S_ISREG(os.fstat(self.descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        if write:
            self._change()
        flags = os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
        return HostFile(os.open(self._link, flags | (os.O_RDWR if write else os.O_RDONLY)))

    def sync(self) -> None:
        """Have a directory's entries reach the disk."""
        descriptor = os.open(self._link, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    @property
    def _link(self) -> bytes:
        """A host path that leads to this object and nowhere else (proc(5), /proc/self/fd)."""
        return b"/proc/self/fd/%d" % self.descriptor

    def _change(self) -> None:
        if not self.writable:
            raise OSError(errno.EROFS, "the directory was given read-only")

    def _made(self, name: bytes, mode: int, uid: int, gid: int) -> Self:
        """The node of what was just made, with its owner and mode, which the host's umask has no say in."""
        node = self.lookup(name)
        node._adopt(mode, uid, gid)
        return node

    def _adopt(self, mode: int, uid: int, gid: int) -> None:
        status = os.fstat(self.descriptor)
        uid, gid = self.owners.kept(uid, gid)
        if (status.st_uid, status.st_gid) != (uid, gid):
            os.chown(self._link, uid, gid)
        mode |= status.st_mode & stat.S_ISGID if stat.S_ISDIR(status.st_mode) else 0
        if not stat.S_ISLNK(status.st_mode):
            os.chmod(self._link, stat.S_IMODE(mode))


def checked_name(name: bytes) -> bytes:
    """``name``, if it is one component that cannot lead away. Raises EINVAL."""
    if not name or b"/" in name or b"\0" in name or name in (b".", b".."):
        raise OSError(errno.EINVAL, "not a name in a directory")
    return name


def user_attributes(descriptor: int) -> dict[bytes, bytes]:
    """The extended attributes ``user.`` of what an O_PATH descriptor refers to; links and special files have none."""
    if stat.S_IFMT(os.fstat(descriptor).st_mode) not in (stat.S_IFREG, stat.S_IFDIR):
        return {}
    path = b"/proc/self/fd/%d" % descriptor
    try:
        names = [os.fsencode(name) for name in os.listxattr(path)]
        return {name: os.getxattr(path, name) for name in names if name.startswith(b"user.")}
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return {}
        raise


def list_directory(descriptor: int) -> list[tuple[bytes, int, int]]:
    """Name, inode number and type bits (S_IFMT) of each entry of an open directory."""
    with os.scandir(descriptor) as entries:
        return [(os.fsencode(entry.name), entry.inode(), _kind(entry)) for entry in entries]


def _kind(entry: os.DirEntry[str]) -> int:
    """The type bits; most host file systems tell them without a stat."""
    if entry.is_symlink():
        return stat.S_IFLNK
    if entry.is_dir(follow_symlinks=False):
        return stat.S_IFDIR
    if entry.is_file(follow_symlinks=False):
        return stat.S_IFREG
    try:
        return stat.S_IFMT(entry.stat(follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return 0  # removed meanwhile: DT_UNKNOWN
