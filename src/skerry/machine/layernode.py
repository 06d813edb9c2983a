"""A directory of the host that keeps a writable layer, in OverlayFS's format: whiteouts, opaque directories, ids that the host refuses.

What the host would not let its user have (another's id, a device) is kept beside the file, as containers/storage keeps it: in the attribute
``user.containers.override_stat``, ``UID:GID:0MODE[:TYPE]``. Devices, fifos and sockets are empty files with a TYPE: no program inside can
have a real one made on the host. Nor can an ordinary user's program have a set-user-id file made there: the bit is kept beside it, too.

Source: Linux, Documentation/filesystems/overlayfs.rst (userxattr); containers/storage, pkg/idtools.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import Final, Self

from skerry.machine import libc
from skerry.machine.hostnode import Attributes, HostNode, checked_name

OPAQUE: Final = b"user.overlay.opaque"
WHITEOUT: Final = b"user.overlay.whiteout"  # on an empty file: the other form, which others may have written
OVERRIDE: Final = b"user.containers.override_stat"
ORIGIN: Final = b"user.skerry.origin"
ATTRIBUTE: Final = b"user.skerry.attribute."  # and the name that a program gave it
RESERVED: Final = (b"user.overlay.", b"user.containers.", b"user.skerry.")  # names of the layer's own
RENAME_WHITEOUT: Final = 4  # linux/fs.h
_PLACEHOLDERS: Final = {
    stat.S_IFIFO: b"pipe",
    stat.S_IFSOCK: b"socket",
    stat.S_IFCHR: b"char",
    stat.S_IFBLK: b"block",
}
_KINDS: Final = {text: kind for kind, text in _PLACEHOLDERS.items()}


class LayerNode(HostNode):
    """An object of a layer. Every call raises OSError; EIO where what is kept beside a file makes no sense."""

    __slots__ = ()

    # What it is
    def stat(self) -> Attributes:
        attributes = super().stat()
        kept = self._attribute(OVERRIDE) if stat.S_IFMT(attributes[0]) in (stat.S_IFREG, stat.S_IFDIR) else b""
        if not kept:
            return attributes
        uid, gid, mode, kind, rdev = _parse(kept)
        mode |= kind or stat.S_IFMT(attributes[0])
        return (mode, *attributes[1:4], uid, gid, rdev, *attributes[7:])

    def is_whiteout(self) -> bool:
        """Whether it says that a name is gone."""
        status = os.fstat(self.descriptor)
        if stat.S_ISCHR(status.st_mode):
            return status.st_rdev == 0
        return stat.S_ISREG(status.st_mode) and status.st_size == 0 and bool(self._attribute(WHITEOUT))

    def is_opaque(self) -> bool:
        """Whether a directory hides the one below."""
        return self._attribute(OPAQUE) == b"y"

    def origin(self) -> bytes:
        """What was said of the object that this is a changed copy of; b"" if it is not."""
        return self._attribute(ORIGIN)

    # Making
    def make_special(self, name: bytes, mode: int, uid: int, gid: int) -> Self:
        """A new fifo or socket, by the type bits of ``mode``."""
        return self.make_device(name, mode, uid, gid, 0)

    def make_device(self, name: bytes, mode: int, uid: int, gid: int, rdev: int) -> Self:
        """The same, or a device."""
        kind = stat.S_IFMT(mode)
        if kind not in _PLACEHOLDERS:
            raise OSError(errno.EINVAL, "not a special file")
        node, file = self.make_file(name, 0o600, -1, -1)
        file.close()
        node._keep(mode & 0o7777, uid, gid, kind, rdev)
        return node

    def make_whiteout(self, name: bytes, access: int, modification: int) -> None:
        """Say that ``name`` is gone, and in the whiteout's times (ns) what it was."""
        self._change()
        os.mknod(checked_name(name), stat.S_IFCHR, 0, dir_fd=self.descriptor)
        os.utime(checked_name(name), ns=(access, modification), dir_fd=self.descriptor, follow_symlinks=False)

    # Changing
    def change_mode(self, mode: int) -> None:
        self._change()
        attributes = self.stat()
        self._keep(mode, attributes[4], attributes[5], stat.S_IFMT(attributes[0]), attributes[6])

    def change_owner(self, uid: int, gid: int) -> None:
        self._change()
        attributes = self.stat()
        owner = (attributes[4] if uid == -1 else uid, attributes[5] if gid == -1 else gid)
        self._keep(stat.S_IMODE(attributes[0]), *owner, stat.S_IFMT(attributes[0]), attributes[6])

    def set_opaque(self) -> None:
        """Have a directory hide the one below."""
        self._change()
        os.setxattr(self._link, OPAQUE, b"y")

    def set_origin(self, text: bytes) -> None:
        """Note what the object was that this is a changed copy of; b"": it is none any more."""
        self._change()
        if text:
            os.setxattr(self._link, ORIGIN, text)
        elif self._attribute(ORIGIN):
            os.removexattr(self._link, ORIGIN)

    # Extended attributes of programs: any but an ordinary one is kept under a name of the layer's own
    def attributes(self) -> dict[bytes, bytes]:
        found = super().attributes()
        plain = {name: value for name, value in found.items() if not name.startswith(RESERVED)}
        return plain | {name[len(ATTRIBUTE) :]: value for name, value in found.items() if name.startswith(ATTRIBUTE)}

    def set_attribute(self, name: bytes, value: bytes) -> None:
        super().set_attribute(_kept_name(name), value)

    def remove_attribute(self, name: bytes) -> None:
        super().remove_attribute(_kept_name(name))

    def sync_all(self) -> None:
        """Have the whole file system that it is on reach the disk."""
        descriptor = os.open(self._link, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            libc.sync_file_system(descriptor)
        finally:
            os.close(descriptor)

    def _attribute(self, name: bytes) -> bytes:
        try:
            return os.getxattr(self._link, name)
        except OSError as error:
            if error.errno in (errno.ENODATA, errno.ENOTSUP, errno.EPERM):
                return b""
            raise

    def _adopt(self, mode: int, uid: int, gid: int) -> None:
        status = os.fstat(self.descriptor)
        mode |= status.st_mode & stat.S_ISGID if stat.S_ISDIR(status.st_mode) else 0
        owner = self.owners.shown(status.st_uid, status.st_gid)
        self._keep(stat.S_IMODE(mode), owner[0] if uid == -1 else uid, owner[1] if gid == -1 else gid, stat.S_IFMT(status.st_mode), 0)

    def _keep(self, mode: int, uid: int, gid: int, kind: int, rdev: int) -> None:
        """Keep permission bits and owner: on the host if it lets us, else beside the file. A symbolic link has no place for the latter."""
        status = os.fstat(self.descriptor)
        host = self.owners.kept(uid, gid)
        exact = (status.st_uid, status.st_gid) == host
        if not exact and os.geteuid() == 0:
            try:
                os.chown(self._link, *host)
                exact = True
            except OSError as error:
                if error.errno not in (errno.EPERM, errno.EINVAL):
                    raise
        if stat.S_ISLNK(status.st_mode):
            return
        host_mode = mode & 0o7777
        if not exact or os.geteuid() != 0 or kind in _PLACEHOLDERS:
            host_mode = mode & 0o1777 | (0o700 if kind == stat.S_IFDIR else 0o600)
        os.chmod(self._link, host_mode)
        if exact and host_mode == mode & 0o7777 and kind not in _PLACEHOLDERS:
            if self._attribute(OVERRIDE):
                os.removexattr(self._link, OVERRIDE)
            return
        text = b"%d:%d:0%o" % (uid, gid, mode & 0o7777)
        if kind in _PLACEHOLDERS:
            text += b":" + _PLACEHOLDERS[kind]
            if kind in (stat.S_IFCHR, stat.S_IFBLK):
                text += b"-%d-%d" % (os.major(rdev), os.minor(rdev))
        os.setxattr(self._link, OVERRIDE, text)


def _kept_name(name: bytes) -> bytes:
    """What the layer calls a program's attribute."""
    return name if name.startswith(b"user.") and not name.startswith(RESERVED) else ATTRIBUTE + name


def _parse(text: bytes) -> tuple[int, int, int, int, int]:
    """uid, gid, permission bits, type bits (0: the file's own) and device number. Raises EIO."""
    words = text.split(b":")
    try:
        uid, gid, mode = int(words[0]), int(words[1]), int(words[2], 8)
        name, *numbers = (words[3] if len(words) > 3 else b"").split(b"-")
        kind = _KINDS.get(name, 0)
        rdev = os.makedev(int(numbers[0]), int(numbers[1])) if kind in (stat.S_IFCHR, stat.S_IFBLK) else 0
    except (ValueError, IndexError, OverflowError):
        raise OSError(errno.EIO, "the layer is damaged: user.containers.override_stat makes no sense") from None
    if not (0 <= uid < 1 << 32 and 0 <= gid < 1 << 32 and 0 <= mode <= 0o7777 and rdev < 1 << 32):
        raise OSError(errno.EIO, "the layer is damaged: user.containers.override_stat makes no sense")
    return uid, gid, mode, kind, rdev
