#!/usr/bin/python3
# Needs: python3
"""asyncio: subprocesses, pipes, signals, threads; and pairs of sockets."""

import asyncio
import multiprocessing
import os
import signal
import socket
import subprocess
import threading

got = []


async def main():
    p = await asyncio.create_subprocess_exec("cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    print(await p.communicate(b"asyncio" * 100000) == (b"asyncio" * 100000, None))
    p = await asyncio.create_subprocess_shell("sleep 0.02; exit 4")
    print(await p.wait())
    p = await asyncio.create_subprocess_exec("sleep", "10")
    p.terminate()
    print(await p.wait())

    async def lines(n):
        p = await asyncio.create_subprocess_exec("seq", str(n), stdout=subprocess.PIPE)
        return sum([int(line) async for line in p.stdout]), await p.wait()

    print(await asyncio.gather(*(lines(n) for n in (10, 100, 1000))))
    print(await asyncio.gather(*(asyncio.sleep(0.01, i) for i in range(5))), await asyncio.to_thread(lambda: 6))
    try:
        await asyncio.wait_for(asyncio.sleep(5), 0.01)
    except asyncio.TimeoutError:
        print("timed out")
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, got.append, "signal")
    os.kill(os.getpid(), signal.SIGUSR1)
    await asyncio.sleep(0.02)
    print(got)
    threading.Timer(0.01, loop.call_soon_threadsafe, (got.append, "from a thread")).start()
    await asyncio.sleep(0.05)
    print(got[-1])
    a, b = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=a)
    b.sendall(b"line\n")
    print(await reader.readline())
    writer.write(b"x" * 1000000)
    t = asyncio.create_task(asyncio.to_thread(lambda: sum(len(b.recv(65536)) for _ in iter(lambda: len(b.recv(1, socket.MSG_PEEK)), 0))))
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    print(await t)


asyncio.run(main())
for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
    a, b = socket.socketpair(type=kind)
    print(
        a.family == socket.AF_UNIX,
        a.type == kind,
        repr(a.getsockname()),
        repr(a.getpeername()),
        a.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR),
    )
    a.send(b"one")
    a.send(b"two three")
    print(b.recv(5), b.recv(100))
    a.sendmsg([b"v1", b"v2"])
    print(b.recvmsg(100)[:1])
    b.settimeout(0.01)
    try:
        b.recv(1)
    except socket.timeout as e:
        print("timeout", e)
    b.setblocking(False)
    for f in (
        lambda: b.recv(1),
        lambda: a.send(b"x" * 10_000_000),
        lambda: a.connect("/nowhere"),
        lambda: a.accept(),
        lambda: a.sendto(b"x", "/nowhere"),
        lambda: a.getsockopt(socket.SOL_SOCKET, 9999),
    ):
        try:
            r = f()
            print("ok", r < 10_000_000) if isinstance(r, int) else print(r)
        except OSError as e:
            print(type(e).__name__, e.errno)
        a.setblocking(False)
    if kind != socket.SOCK_DGRAM:
        a.shutdown(socket.SHUT_WR)
        while b.recv(1 << 20):
            pass
        print(b.recv(10))
    a.close()
    for f in (lambda: b.recv(1), lambda: b.send(b"x")):
        try:
            print(f())
        except OSError as e:
            print(type(e).__name__, e.errno)
a, b = multiprocessing.Pipe()
p = multiprocessing.Process(target=lambda: (b.send(b.recv() * 2), b.close()))
p.start()
a.send("x" * 100000)
print(len(a.recv()))
p.join()
print(p.exitcode, a.poll(0))
a, b = socket.socketpair()
pid = os.fork()
if not pid:
    a.close()
    b.sendall(b"child " + b.recv(100))
    os._exit(0)
b.close()
a.sendall(b"parent")
print(a.recv(100), a.recv(100))
os.wait()
print(
    subprocess.run(
        ["perl", "-MSocket", "-e", "socketpair(A, B, AF_UNIX, SOCK_STREAM, PF_UNSPEC); print A 'x'; close A; print <B>"],
        capture_output=True,
    ).stdout
)
