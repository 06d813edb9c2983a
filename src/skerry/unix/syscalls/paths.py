"""System calls on path names: opening, looking, making, removing, renaming."""

from __future__ import annotations

import struct
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final

from skerry.abi import linux
from skerry.unix import notify, signals
from skerry.unix.arguments import c_int, c_long
from skerry.unix.capabilities import CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_MKNOD, CAP_SYS_CHROOT
from skerry.unix.errors import LinuxError
from skerry.unix.files import OpenFile, PathFile, RegularFile
from skerry.unix.fs.tmpfs import Directory
from skerry.unix.inode import Inode
from skerry.unix.pipe import PipeEnd, PipeInode
from skerry.unix.vfs import PATH_MAX, Name, drop_privileges, full_path, may, path_of, require, require_owner, resolve

if TYPE_CHECKING:
    from skerry.unix.process import Credentials, Process, System, Thread

Result = int | Coroutine[Any, Any, int]
AT_FDCWD_WORD: Final = linux.AT_FDCWD & 0xFFFFFFFF
PATH_FLAGS: Final = linux.O_PATH | linux.O_DIRECTORY | linux.O_NOFOLLOW | linux.O_CLOEXEC  # all that means something beside O_PATH
NO_NAMES: Final = (b"", b".", b"..")  # last components under which nothing can be made
Walk = Callable[..., Name]  # walk, or one that is confined: thread, directory descriptor, path, follow


def walk(thread: Thread, directory: int, path: bytes, follow: bool = True) -> Name:
    """Resolve ``path`` from the directory descriptor (or AT_FDCWD)."""
    process = thread.process
    place = process.place
    start: Inode = place.root
    if not path:
        raise LinuxError(linux.ENOENT)
    if path[:1] != b"/":
        start = place.cwd
        if directory & 0xFFFFFFFF != AT_FDCWD_WORD:
            start = process.files[c_int(directory)].inode
            if not start.is_directory:
                raise LinuxError(linux.ENOTDIR)
    names = process.system.names
    who = process.credentials
    effective = who.capabilities.effective
    rights = 0 if effective & CAP_DAC_OVERRIDE else (who.fsuid, who.fsgid, who.groups, effective & CAP_DAC_READ_SEARCH)
    key = (path, start, follow, place.root, rights)
    name = names.get(key)
    if name is None:
        name = resolve(thread, place, who, path, start, follow)
        if name.lasting:
            names.keep(key, name)
    return name


def walk_to_entry(thread: Thread, directory: int, path: bytes) -> Name:
    """The entry that ``path`` names, for calls that make, remove or move entries: a symbolic link itself, even before a slash."""
    if path[-1:] != b"/":
        return walk(thread, directory, path, False)
    name = walk(thread, directory, path.rstrip(b"/") or b"/", False)
    return Name(name.directory, name.name, name.inode, True)


def existing(thread: Thread, directory: int, path: bytes, follow: bool = True) -> Inode:
    """The inode that ``path`` leads to. Raises ENOENT."""
    inode = walk(thread, directory, path, follow).inode
    if inode is None:
        raise LinuxError(linux.ENOENT)
    return inode


def inode_at(thread: Thread, directory: int, address: int, flags: int) -> Inode:
    """What an *at call means: a path, or with AT_EMPTY_PATH the descriptor itself."""
    path = thread.process.memory.read_path(address) if address else b""
    if not path and flags & linux.AT_EMPTY_PATH:
        process = thread.process
        if directory & 0xFFFFFFFF == AT_FDCWD_WORD:
            return process.place.cwd
        return process.files[c_int(directory)].inode
    return existing(thread, directory, path, not flags & linux.AT_SYMLINK_NOFOLLOW)


def _modifiable(process: Process, name: Name) -> Directory:
    """The directory that holds ``name``, if its entries may be changed. Raises EACCES, EROFS."""
    directory = name.directory
    require(process.credentials, directory, linux.W_OK | linux.X_OK)
    if directory.fs.read_only:
        raise LinuxError(linux.EROFS)
    process.system.names.forget()
    return directory


def _removable(process: Process, name: Name) -> tuple[Directory, Inode]:
    """The same, for an entry that exists and may be removed (sticky directories). Raises ENOENT, EPERM."""
    if name.inode is None:
        raise LinuxError(linux.ENOENT)
    directory = _modifiable(process, name)
    who = process.credentials
    if directory.mode & linux.S_ISVTX and who.fsuid not in (directory.uid, name.inode.uid) and not who.has(CAP_FOWNER):
        raise LinuxError(linux.EPERM)
    if name.inode.is_directory and name.inode.fs is not directory.fs:
        raise LinuxError(linux.EBUSY)  # a mount point
    return directory, name.inode


def _now(thread: Thread) -> int:
    return thread.process.system.platform.realtime()


def sys_open(thread: Thread, address: int, flags: int, mode: int) -> Result:
    return sys_openat(thread, AT_FDCWD_WORD, address, flags, mode)


def sys_creat(thread: Thread, address: int, mode: int) -> Result:
    return sys_openat(thread, AT_FDCWD_WORD, address, linux.O_CREAT | linux.O_WRONLY | linux.O_TRUNC, mode)


def sys_openat(thread: Thread, directory: int, address: int, flags: int, mode: int) -> Result:
    return opened(thread, directory, thread.process.memory.read_path(address), flags & 0xFFFFFFFF, mode, walk)


def opened(thread: Thread, directory: int, path: bytes, flags: int, mode: int, find: Walk) -> Result:
    """A descriptor of what ``path`` leads to by ``find``; a fifo waits for its other side."""
    process = thread.process
    process.files.require_room()
    file = open_path(thread, directory, path, flags, mode, find)
    waits = isinstance(file, PipeEnd) and not isinstance(file.inode, PipeInode) and flags & linux.O_ACCMODE != linux.O_RDWR
    if isinstance(file, PipeEnd) and waits and not flags & linux.O_NONBLOCK:
        return _open_fifo_later(thread, file, flags)
    return process.files.install(file, bool(flags & linux.O_CLOEXEC))


async def _open_fifo_later(thread: Thread, file: PipeEnd, flags: int) -> int:
    """Opening a fifo waits for the other side."""
    file.hold()
    try:
        while not (file.pipe.writers if file.readable else file.pipe.readers):
            await file.changed.wait()
        return thread.process.files.install(file, bool(flags & linux.O_CLOEXEC))
    finally:
        file.release()


def open_path(thread: Thread, directory: int, path: bytes, flags: int, mode: int, find: Walk = walk) -> OpenFile:
    """The open file of open(2). Raises all that it does."""
    process = thread.process
    if flags & linux.O_PATH:
        flags &= PATH_FLAGS
    unnamed = flags & linux.O_TMPFILE
    if (flags & linux.O_CREAT and flags & linux.O_DIRECTORY) or unnamed == linux.O_TMPFILE & ~linux.O_DIRECTORY:
        raise LinuxError(linux.EINVAL)
    if unnamed == linux.O_TMPFILE:
        return _open_unnamed(thread, find(thread, directory, path).inode, flags, mode)
    if flags & linux.O_CREAT and path[-1:] == b"/" and path.rstrip(b"/").rsplit(b"/", 1)[-1] not in NO_NAMES:
        find(thread, directory, path.rstrip(b"/"), False)
        raise LinuxError(linux.EISDIR)
    exclusive = flags & (linux.O_CREAT | linux.O_EXCL) == linux.O_CREAT | linux.O_EXCL
    name = find(thread, directory, path, not flags & linux.O_NOFOLLOW and not exclusive)
    inode = name.inode
    created = False
    if inode is None:
        if not flags & linux.O_CREAT:
            raise LinuxError(linux.ENOENT)
        if name.trailing_slash:
            raise LinuxError(linux.EISDIR)
        inode = _create(thread, name, linux.S_IFREG | mode & 0o7777)
        created = True
    elif exclusive:
        raise LinuxError(linux.EEXIST)
    if flags & linux.O_PATH:
        file: OpenFile = PathFile(inode, flags, full_path(name, process.place.root))
        if flags & linux.O_DIRECTORY and not inode.is_directory:
            raise LinuxError(linux.ENOTDIR)
        return file
    if flags & linux.O_DIRECTORY and not inode.is_directory:
        raise LinuxError(linux.ENOTDIR)
    if inode.is_symlink:
        raise LinuxError(linux.ELOOP)
    if inode.is_directory and flags & (linux.O_ACCMODE | linux.O_CREAT | linux.O_TRUNC):
        raise LinuxError(linux.EISDIR)
    if not created:
        access = (linux.R_OK, linux.W_OK, linux.R_OK | linux.W_OK, linux.R_OK | linux.W_OK)[flags & linux.O_ACCMODE]
        if flags & linux.O_TRUNC:
            access |= linux.W_OK
        require(process.credentials, inode, access)
        if flags & linux.O_NOATIME:
            require_owner(process.credentials, inode)
        if access & linux.W_OK and inode.is_regular:
            if inode.fs.read_only:
                raise LinuxError(linux.EROFS)
            if inode.executed:
                require_not_running(process.system, inode)
    file = inode.open(thread, flags)
    if not file.path:
        file.path = full_path(name, process.place.root)
    if inode.watched is not None:
        notify.tell(inode, notify.IN_OPEN)
    if flags & linux.O_TRUNC and inode.is_regular and not created:
        drop_privileges(process.credentials, inode)
        inode.truncate(0, _now(thread))
    if file.writable and isinstance(file, RegularFile):
        file.count_writer()
    return file


def require_not_running(system: System, inode: Inode) -> None:
    """Raises ETXTBSY where a process runs the program in ``inode``."""
    if any(process.executable is inode and process.exit_status is None for process in system.processes.values()):
        raise LinuxError(linux.ETXTBSY)


def _open_unnamed(thread: Thread, parent: Inode | None, flags: int, mode: int) -> OpenFile:
    process = thread.process
    if parent is None:
        raise LinuxError(linux.ENOENT)
    if not isinstance(parent, Directory):
        raise LinuxError(linux.ENOTDIR)
    if flags & linux.O_ACCMODE == linux.O_RDONLY:
        raise LinuxError(linux.EINVAL)
    require(process.credentials, parent, linux.W_OK | linux.X_OK)
    if parent.fs.read_only:
        raise LinuxError(linux.EROFS)
    who = process.credentials
    inode = parent.create_unnamed(mode & 0o7777 & ~process.place.umask, who.fsuid, who.fsgid, _now(thread))
    inode.linkable = not flags & linux.O_EXCL
    file = inode.open(thread, flags & ~linux.O_TMPFILE)
    if isinstance(file, RegularFile):
        file.count_writer()
    file.path = path_of(parent, process.place.root).rstrip(b"/") + b"/#%d (deleted)" % inode.ino
    return file


def _new_entry(thread: Thread, directory: int, path: bytes) -> Name:
    """Where something that is not a directory can be made. Raises EEXIST, ENOENT."""
    name = walk_to_entry(thread, directory, path)
    if name.inode is not None:
        raise LinuxError(linux.EEXIST)
    if name.trailing_slash:
        raise LinuxError(linux.ENOENT)
    return name


def _create(thread: Thread, name: Name, mode: int, rdev: int = 0) -> Inode:
    process = thread.process
    directory = _modifiable(process, name)
    if not name.name:
        raise LinuxError(linux.EEXIST)
    who = process.credentials
    return directory.create(name.name, mode & ~process.place.umask, who.fsuid, who.fsgid, _now(thread), rdev)


def sys_mkdir(thread: Thread, address: int, mode: int) -> Result:
    return sys_mkdirat(thread, AT_FDCWD_WORD, address, mode)


def sys_mkdirat(thread: Thread, directory: int, address: int, mode: int) -> Result:
    name = walk_to_entry(thread, directory, thread.process.memory.read_path(address))
    if name.inode is not None:
        raise LinuxError(linux.EEXIST)
    _create(thread, name, linux.S_IFDIR | mode & 0o1777)
    return 0


def sys_mknod(thread: Thread, address: int, mode: int, rdev: int) -> Result:
    return sys_mknodat(thread, AT_FDCWD_WORD, address, mode, rdev)


def sys_mknodat(thread: Thread, directory: int, address: int, mode: int, rdev: int) -> Result:
    name = _new_entry(thread, directory, thread.process.memory.read_path(address))
    kind = mode & linux.S_IFMT or linux.S_IFREG
    device = kind in (linux.S_IFCHR, linux.S_IFBLK)
    if kind == linux.S_IFDIR or (device and not thread.process.credentials.has(CAP_MKNOD)):
        raise LinuxError(linux.EPERM)
    if not device and kind not in (linux.S_IFREG, linux.S_IFIFO, linux.S_IFSOCK):
        raise LinuxError(linux.EINVAL)
    _create(thread, name, kind | mode & 0o7777, rdev & 0xFFFFFFFF if device else 0)
    return 0


def sys_symlink(thread: Thread, target: int, address: int) -> Result:
    return sys_symlinkat(thread, target, AT_FDCWD_WORD, address)


def sys_symlinkat(thread: Thread, target: int, directory: int, address: int) -> Result:
    process = thread.process
    text = process.memory.read_path(target)
    if not text:
        raise LinuxError(linux.ENOENT)
    name = _new_entry(thread, directory, process.memory.read_path(address))
    who = process.credentials
    _modifiable(process, name).symlink(name.name, text, who.fsuid, who.fsgid, _now(thread))
    return 0


def sys_link(thread: Thread, old: int, new: int) -> Result:
    return sys_linkat(thread, AT_FDCWD_WORD, old, AT_FDCWD_WORD, new, 0)


def sys_linkat(thread: Thread, old_directory: int, old: int, new_directory: int, new: int, flags: int) -> Result:
    process = thread.process
    if flags & ~(linux.AT_SYMLINK_FOLLOW | linux.AT_EMPTY_PATH):
        raise LinuxError(linux.EINVAL)
    follow = 0 if flags & linux.AT_SYMLINK_FOLLOW else linux.AT_SYMLINK_NOFOLLOW
    inode = inode_at(thread, old_directory, old, follow | flags & linux.AT_EMPTY_PATH)
    name = _new_entry(thread, new_directory, process.memory.read_path(new))
    if inode.is_directory:
        raise LinuxError(linux.EPERM)
    if inode.fs is not name.directory.fs:
        raise LinuxError(linux.EXDEV)
    if inode.nlink == 0 and not inode.linkable:
        raise LinuxError(linux.ENOENT)
    _require_linkable(process.credentials, inode)
    _modifiable(process, name).link(name.name, inode, _now(thread))
    return 0


def _require_linkable(who: Credentials, inode: Inode) -> None:
    """Nobody may make names of somebody else's file that he cannot write, or that has privileges. Raises EPERM.

    Source: proc(5), /proc/sys/fs/protected_hardlinks, which distributions set.
    """
    if who.fsuid == inode.uid or who.has(CAP_FOWNER):
        return
    privileged = inode.mode & linux.S_ISUID or inode.mode & (linux.S_ISGID | linux.S_IXGRP) == linux.S_ISGID | linux.S_IXGRP
    if not inode.is_regular or privileged or not may(who, inode, linux.R_OK | linux.W_OK):
        raise LinuxError(linux.EPERM)


def sys_unlink(thread: Thread, address: int) -> Result:
    return sys_unlinkat(thread, AT_FDCWD_WORD, address, 0)


def sys_rmdir(thread: Thread, address: int) -> Result:
    return sys_unlinkat(thread, AT_FDCWD_WORD, address, linux.AT_REMOVEDIR)


def sys_unlinkat(thread: Thread, directory: int, address: int, flags: int) -> Result:
    process = thread.process
    if flags & ~linux.AT_REMOVEDIR:
        raise LinuxError(linux.EINVAL)
    path = process.memory.read_path(address)
    name = walk_to_entry(thread, directory, path)
    if not flags & linux.AT_REMOVEDIR:
        if name.inode is not None and (name.trailing_slash or not name.name):
            raise LinuxError(linux.EISDIR if name.inode.is_directory else linux.ENOTDIR)
        parent, inode = _removable(process, name)
        if inode.is_directory:
            raise LinuxError(linux.EISDIR)
        parent.unlink(name.name, _now(thread))
        return 0
    if not name.name:
        last = path.rstrip(b"/").rsplit(b"/", 1)[-1]
        raise LinuxError(linux.EINVAL if last == b"." else linux.ENOTEMPTY if last == b".." else linux.EBUSY)
    parent, inode = _removable(process, name)
    if not inode.is_directory:
        raise LinuxError(linux.ENOTDIR)
    parent.rmdir(name.name, _now(thread))
    return 0


def sys_rename(thread: Thread, old: int, new: int) -> Result:
    return sys_renameat2(thread, AT_FDCWD_WORD, old, AT_FDCWD_WORD, new, 0)


def sys_renameat(thread: Thread, old_directory: int, old: int, new_directory: int, new: int) -> Result:
    return sys_renameat2(thread, old_directory, old, new_directory, new, 0)


def sys_renameat2(thread: Thread, old_directory: int, old: int, new_directory: int, new: int, flags: int) -> Result:
    process = thread.process
    exchange = bool(flags & linux.RENAME_EXCHANGE)
    if flags & ~(linux.RENAME_EXCHANGE | linux.RENAME_NOREPLACE) or flags == linux.RENAME_EXCHANGE | linux.RENAME_NOREPLACE:
        raise LinuxError(linux.EINVAL)
    source = walk_to_entry(thread, old_directory, process.memory.read_path(old))
    target = walk_to_entry(thread, new_directory, process.memory.read_path(new))
    if not source.name:
        raise LinuxError(linux.EBUSY)
    if not target.name:
        raise LinuxError(linux.EEXIST if flags & linux.RENAME_NOREPLACE else linux.EBUSY)
    if source.directory.fs is not target.directory.fs:
        raise LinuxError(linux.EXDEV)
    inode, old_inode = source.inode, target.inode
    if inode is None or (exchange and old_inode is None):
        raise LinuxError(linux.ENOENT)
    if old_inode is not None and flags & linux.RENAME_NOREPLACE:
        raise LinuxError(linux.EEXIST)
    if exchange and old_inode is not None and not old_inode.is_directory and target.trailing_slash:
        raise LinuxError(linux.ENOTDIR)
    if not inode.is_directory and (source.trailing_slash or (target.trailing_slash and not exchange)):
        raise LinuxError(linux.ENOTDIR)
    if inode.is_directory and _is_at_or_above(inode, target.directory):
        raise LinuxError(linux.EINVAL)
    if old_inode is not None and old_inode.is_directory and _is_at_or_above(old_inode, source.directory):
        raise LinuxError(linux.EINVAL if exchange else linux.ENOTEMPTY)
    if old_inode is inode:
        return 0
    parent, _ = _removable(process, source)
    to = _modifiable(process, target) if old_inode is None else _removable(process, target)[0]
    if old_inode is not None and not exchange and inode.is_directory != old_inode.is_directory:
        raise LinuxError(linux.ENOTDIR if inode.is_directory else linux.EISDIR)
    parent.rename(source.name, to, target.name, _now(thread), exchange)
    return 0


def _is_at_or_above(inode: Inode, directory: Directory) -> bool:
    """Whether ``directory`` is ``inode`` or lies below it."""
    while directory is not inode:
        if directory.parent is directory:
            return False
        directory = directory.parent
    return True


def sys_chdir(thread: Thread, address: int) -> Result:
    return _change_directory(thread, existing(thread, AT_FDCWD_WORD, thread.process.memory.read_path(address)))


def sys_fchdir(thread: Thread, fd: int) -> Result:
    return _change_directory(thread, thread.process.files[c_int(fd)].inode)


def _change_directory(thread: Thread, inode: Inode) -> int:
    if not isinstance(inode, Directory):
        raise LinuxError(linux.ENOTDIR)
    require(thread.process.credentials, inode, linux.X_OK)
    thread.process.place.cwd = inode
    return 0


def sys_chroot(thread: Thread, address: int) -> Result:
    inode = existing(thread, AT_FDCWD_WORD, thread.process.memory.read_path(address))
    if not isinstance(inode, Directory):
        raise LinuxError(linux.ENOTDIR)
    require(thread.process.credentials, inode, linux.X_OK)
    if not thread.process.credentials.has(CAP_SYS_CHROOT):
        raise LinuxError(linux.EPERM)
    thread.process.place.root = inode
    return 0


def sys_getcwd(thread: Thread, address: int, size: int) -> Result:
    process = thread.process
    process.place.cwd.refresh()
    if process.place.cwd.nlink == 0:
        raise LinuxError(linux.ENOENT)
    path = path_of(process.place.cwd, process.place.root) + b"\0"
    if len(path) > PATH_MAX:
        raise LinuxError(linux.ENAMETOOLONG)
    if len(path) > size:
        raise LinuxError(linux.ERANGE)
    process.memory.write(address, path)
    return len(path)


def sys_readlink(thread: Thread, address: int, buffer: int, size: int) -> Result:
    return sys_readlinkat(thread, AT_FDCWD_WORD, address, buffer, size)


def sys_readlinkat(thread: Thread, directory: int, address: int, buffer: int, size: int) -> Result:
    if c_int(size) <= 0:
        raise LinuxError(linux.EINVAL)
    memory = thread.process.memory
    path = memory.read_path(address)
    inode = _link_at(thread, directory, path)
    target = inode.readlink_for(thread)[: c_int(size)]
    inode.note_access()
    memory.write(buffer, target)
    return len(target)


def _link_at(thread: Thread, directory: int, path: bytes) -> Inode:
    """What readlinkat means: with an empty path the descriptor itself, which must be a link (O_PATH)."""
    if path:
        return existing(thread, directory, path, False)
    if directory & 0xFFFFFFFF == AT_FDCWD_WORD:
        raise LinuxError(linux.ENOENT)
    inode = thread.process.files[c_int(directory)].inode
    if not inode.is_symlink:
        raise LinuxError(linux.ENOENT)
    return inode


def sys_access(thread: Thread, address: int, mode: int) -> Result:
    return sys_faccessat2(thread, AT_FDCWD_WORD, address, mode, 0)


def sys_faccessat(thread: Thread, directory: int, address: int, mode: int) -> Result:
    return sys_faccessat2(thread, directory, address, mode, 0)


def sys_faccessat2(thread: Thread, directory: int, address: int, mode: int, flags: int) -> Result:
    if mode & ~7 or flags & ~(linux.AT_EACCESS | linux.AT_SYMLINK_NOFOLLOW | linux.AT_EMPTY_PATH):
        raise LinuxError(linux.EINVAL)
    process = thread.process
    effective = process.credentials
    who = effective if flags & linux.AT_EACCESS else effective.as_real()
    process.credentials = who  # for the walk as well
    try:
        inode = inode_at(thread, directory, address, flags)
    finally:
        process.credentials = effective
    if mode:
        require(who, inode, mode)
    if mode & linux.W_OK and inode.fs.read_only and not inode.mode & linux.S_IFCHR:
        raise LinuxError(linux.EROFS)
    return 0


def require_below_limit(thread: Thread, size: int) -> None:
    """A file is to grow to ``size`` bytes. Raises EFBIG, with SIGXFSZ, beyond RLIMIT_FSIZE."""
    limit = thread.process.limits.get(linux.RLIMIT_FSIZE)
    if limit is not None and size > limit[0]:
        signals.send_to_thread(thread, signals.SignalInfo(linux.SIGXFSZ))
        raise LinuxError(linux.EFBIG)


def sys_truncate(thread: Thread, address: int, size: int) -> Result:
    inode = existing(thread, AT_FDCWD_WORD, thread.process.memory.read_path(address))
    if c_long(size) < 0:
        raise LinuxError(linux.EINVAL)
    if inode.is_directory:
        raise LinuxError(linux.EISDIR)
    if not inode.is_regular:
        raise LinuxError(linux.EINVAL)
    require(thread.process.credentials, inode, linux.W_OK)
    if inode.fs.read_only:
        raise LinuxError(linux.EROFS)
    if inode.executed:
        require_not_running(thread.process.system, inode)
    if size > inode.size:
        require_below_limit(thread, size)
    drop_privileges(thread.process.credentials, inode)
    inode.truncate(size, _now(thread))
    return 0


def sys_statfs(thread: Thread, address: int, buffer: int) -> Result:
    return _statfs(thread, existing(thread, AT_FDCWD_WORD, thread.process.memory.read_path(address)), buffer)


def sys_fstatfs(thread: Thread, fd: int, buffer: int) -> Result:
    return _statfs(thread, thread.process.files[c_int(fd)].inode, buffer)


def _statfs(thread: Thread, inode: Inode, buffer: int) -> int:
    block, blocks, free, available, files, free_files = inode.fs.statfs()
    words = (inode.fs.magic, block, blocks, free, available, files, free_files, inode.fs.device, 255, block, 0x20, 0, 0, 0, 0)
    thread.process.memory.write(buffer, struct.pack("<15q", *words))
    return 0
