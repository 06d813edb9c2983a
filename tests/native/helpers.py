"""Helpers that are at fault, as their argument says."""

from __future__ import annotations

import os
import signal

from skerry.machine.helper import TROUBLE, WORKING, Connection, settle


def main(descriptor: int, kernel: int) -> None:
    """The program of the helper."""
    settle(kernel)
    with Connection(descriptor, kernel) as connection:
        (manner,) = connection.arguments

        def answer(_message: bytes) -> bytes:
            if manner == "silent":
                signal.pause()
            if manner == "dead":
                os._exit(1)
            connection.say(WORKING)
            return b"garbage"

        connection.serve(answer)
        connection.say(TROUBLE, b"it is lost\x1b[31m")
