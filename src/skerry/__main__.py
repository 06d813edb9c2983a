"""The command `skerry`, which is `python -m skerry`: what takes longest is begun first, and what nobody needs is not done at the end."""

import os
import signal
import sys
from typing import NoReturn

from skerry import warm


def main() -> NoReturn:
    """Do what the command line says (``skerry.cli``)."""
    warm.foresee(sys.argv[1:])
    from skerry import cli

    try:
        cli.main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:  # it was closed from the start
                stream.flush()
    except BrokenPipeError:  # who reads the output has enough
        status = 128 + signal.SIGPIPE
    os._exit(status)  # to take the interpreter apart takes a tenth of a short run


if __name__ == "__main__":
    main()
