"""System calls that change a machine, which no program inside may do, and those that begin or enter namespaces.

All of them say EPERM, as Linux does to who has no privilege: programs ask for that and go on, where ENOSYS would surprise them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.unix.errors import LinuxError
from skerry.unix.files import FileTable
from skerry.unix.process import Place

if TYPE_CHECKING:
    from skerry.unix.process import Thread

NAMESPACES: Final = (
    linux.CLONE_NEWNS
    | linux.CLONE_NEWUSER
    | linux.CLONE_NEWPID
    | linux.CLONE_NEWNET
    | linux.CLONE_NEWIPC
    | linux.CLONE_NEWUTS
    | linux.CLONE_NEWCGROUP
    | linux.CLONE_NEWTIME
)
SHARED: Final = linux.CLONE_FS | linux.CLONE_FILES | linux.CLONE_SYSVSEM
ALONE: Final = linux.CLONE_THREAD | linux.CLONE_SIGHAND | linux.CLONE_VM  # not to be had by who shares them


def sys_refused(thread: Thread) -> int:
    raise LinuxError(linux.EPERM)


def sys_unshare(thread: Thread, flags: int) -> int:
    process = thread.process
    if flags & ~(NAMESPACES | SHARED | ALONE):
        raise LinuxError(linux.EINVAL)
    if flags & ALONE and (len(process.threads) > 1 or (flags & linux.CLONE_VM and process.memory.references > 1)):
        raise LinuxError(linux.EINVAL)
    if flags & NAMESPACES:
        raise LinuxError(linux.EPERM)
    if flags & linux.CLONE_FS:
        place = process.place
        process.place = Place(place.root, place.cwd, place.umask)
    if flags & linux.CLONE_FILES and process.files.references > 1:
        old: FileTable = process.files
        process.files = old.copy()
        old.release()
    return 0
