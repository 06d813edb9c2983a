#!/usr/bin/python3
"""Sending and receiving more than two MiB by one call, on a local and on a TCP connection."""

import os
import socket
import threading

M = 1 << 20
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname())
for kind, (a, b) in (("local", socket.socketpair()), ("tcp", (client, server.accept()[0]))):
    for call in (
        lambda: a.send(bytes(5 * M)),
        lambda: a.sendmsg([bytes(3 * M), bytes(2 * M)]),
        lambda: os.write(a.fileno(), bytes(5 * M)),
        lambda: os.writev(a.fileno(), [bytes(4 * M), bytes(M)]),
    ):
        got = []
        reader = threading.Thread(target=lambda: got.append(len(b.recv(5 * M, socket.MSG_WAITALL))))
        reader.start()
        sent = call()
        a.shutdown(socket.SHUT_WR) if sent < 5 * M else None
        reader.join()
        print(kind, sent, *got)
