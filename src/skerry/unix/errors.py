"""The Unix server's one family of errors."""


class LinuxError(Exception):
    """A system call fails with ``errno``; the server's boundary turns it into ``-errno`` in the return register."""

    @property
    def errno(self) -> int:
        """E*, of :mod:`skerry.abi.linux`."""
        return self.args[0]  # type: ignore[no-any-return]
