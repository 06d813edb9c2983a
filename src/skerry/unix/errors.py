"""The Unix server's one family of errors."""


class LinuxError(Exception):
    """A system call fails with ``errno``; the server's boundary turns it into ``-errno`` in the return register."""

    def __init__(self, errno: int) -> None:
        super().__init__(errno)
        self.errno = errno
