"""Process descriptors: a descriptor that stands for a process, whatever becomes of its number.

It becomes readable when the process has ended (as a zombie already), and names it in waitid, pidfd_send_signal and pidfd_getfd.

Source: pidfd_open(2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from skerry.abi import linux
from skerry.unix.errors import LinuxError
from skerry.unix.files import FileTable, OpenFile
from skerry.unix.fs.generated import ProcessDirectory
from skerry.unix.inode import FileSystem, Inode

if TYPE_CHECKING:
    from skerry.unix.process import Process

PIDFD_FILE_SYSTEM: Final = FileSystem("anon_inodefs", 15, 0x09041934)
PIDFD_NONBLOCK: Final = linux.O_NONBLOCK


class ProcessFile(OpenFile):
    """The open file behind a process descriptor."""

    def __init__(self, process: Process, flags: int) -> None:
        inode = Inode(PIDFD_FILE_SYSTEM, 1, 0o600, 0, 0, 0)
        super().__init__(inode, linux.O_RDWR | flags & linux.O_NONBLOCK, b"anon_inode:[pidfd]")
        self.process = process
        self.changed = process.ended

    def poll(self) -> int:
        return 0 if self.process.exit_status is None else linux.POLLIN | linux.POLLRDNORM

    def living(self) -> Process:
        """The process, which may be a zombie. Raises LinuxError(ESRCH) if it was waited for."""
        return _known(self.process)

    def information(self) -> bytes:
        """The process's number: -1 once it is gone."""
        process = self.process
        pid = process.pid if process.system.processes.get(process.pid) is process else -1
        return b"Pid:\t%d\nNSpid:\t%d\n" % (pid, pid)


def of(files: FileTable, fd: int) -> ProcessFile:
    """The process descriptor ``fd``. Raises LinuxError(EBADF) for any other descriptor, as pidfd_send_signal does."""
    file = files[fd]
    if not isinstance(file, ProcessFile):
        raise LinuxError(linux.EBADF)
    return file


def target(files: FileTable, fd: int) -> Process:
    """The process that a process descriptor, or a descriptor of /proc/PID, stands for. Raises LinuxError: EBADF, ESRCH."""
    file = files[fd]
    if isinstance(file.inode, ProcessDirectory):
        return _known(file.inode.process)
    return of(files, fd).living()


def _known(process: Process) -> Process:
    if process.system.processes.get(process.pid) is not process:
        raise LinuxError(linux.ESRCH)
    return process
