"""The command `skerry`, which is `python -m skerry`: what takes longest is begun first, and what nobody needs is not done at the end."""

import errno
import os
import signal
import sys
from typing import Final, NoReturn

from skerry import warm
from skerry.messages import say

UNWRITABLE: Final = (errno.ENOSPC, errno.EDQUOT, errno.EIO)  # of standard output


def main() -> NoReturn:
    """Do what the command line says (``skerry.cli``)."""
    warm.foresee(sys.argv[1:])
    from skerry import cli

    try:
        try:
            cli.main()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:  # it was closed from the start
                stream.flush()
    except BrokenPipeError:  # who reads the output has enough
        status = 128 + signal.SIGPIPE
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        say(f"skerry: what it shows cannot be written: {error.strerror}\n")
        status = cli.FAILURE
    os._exit(status)  # to take the interpreter apart takes a tenth of a short run


if __name__ == "__main__":
    main()
