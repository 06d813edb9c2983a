#!/usr/bin/env python3
"""asyncio reads a shell on a pseudoterminal: epoll on the master, a window that changes, the end."""

import asyncio
import fcntl
import os
import pty
import struct
import termios


async def main():
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 11, 22, 0, 0))
    process = await asyncio.create_subprocess_exec(
        "sh",
        "-c",
        "trap 'stty size; exit 4' WINCH; stty size; while :; do sleep 0.05; done",
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(slave)
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(master, "rb", 0))
    print(await reader.readline())
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 44, 0, 0))
    print(await reader.readline())
    print(await process.wait())
    try:
        print(await reader.read())
    except OSError as error:
        print(error.errno)
    transport.close()


asyncio.run(main())
