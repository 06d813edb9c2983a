#!/usr/bin/python3
"""Servers and clients in one program: http.server, socketserver, selectors, multiprocessing with managers, asyncio over TCP."""

import asyncio
import http.client
import http.server
import multiprocessing
import multiprocessing.managers
import os
import socket
import socketserver
import threading


class Page(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = f"you asked for {self.path}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))[::-1]
        self.send_response(201)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    client = http.client.HTTPConnection(*server.server_address)
    for number in range(5):
        client.request("GET", f"/{number}")
        print(client.getresponse().read())
    client.request("POST", "/", b"x" * 300000 + b"end")
    answer = client.getresponse()
    print(answer.status, len(data := answer.read()), data[:5])
    client.close()
    server.shutdown()


class Upper(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line.upper())


for kind, address in ((socketserver.ThreadingTCPServer, ("localhost", 0)), (socketserver.ThreadingUnixStreamServer, "upper.sock")):
    with kind(address, Upper) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with socket.socket(server.address_family) as client:
            client.connect(server.server_address)
            client.sendall(b"one\ntwo\n")
            client.shutdown(socket.SHUT_WR)
            print(client.makefile("rb").read())
        server.shutdown()


def square(number):
    return number * number


def put(shared, queue):
    shared["child"] = list(range(3))
    queue.put(os.getpid() != parent)


parent = os.getpid()
with multiprocessing.Manager() as manager:
    shared, queue = manager.dict(), manager.Queue()
    child = multiprocessing.Process(target=put, args=(shared, queue))
    child.start()
    child.join()
    print(dict(shared), queue.get())
with multiprocessing.Pool(3) as pool:
    print(pool.map(square, range(10)))
near, far = multiprocessing.Pipe()
reader, writer = os.pipe()
child = multiprocessing.Process(target=lambda: print(multiprocessing.reduction.recv_handle(far) > 2, flush=True))
child.start()
multiprocessing.reduction.send_handle(near, writer, child.pid)
child.join()


async def echo(stream, answers):
    while data := await stream.read(1000):
        answers.write(data)
        await answers.drain()
    answers.close()


async def talk(port, number):
    stream, answers = await asyncio.open_connection("127.0.0.1", port)
    text = f"client {number} ".encode() * 1000
    answers.write(text)
    answers.write_eof()
    same = await stream.read() == text
    answers.close()
    return same


async def main():
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    print(await asyncio.gather(*(talk(port, number) for number in range(20))))
    server.close()
    try:
        await asyncio.open_connection("127.0.0.1", port)
    except OSError as error:
        print(type(error).__name__)


asyncio.run(main())
print(sorted({info[4][0] for info in socket.getaddrinfo("127.0.0.1", 80)}))
