"""`--net` and `--publish`: servers of this host reached from inside, and servers inside reached from this host."""

from __future__ import annotations

import hashlib
import os
import select
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from running import Run

from skerry.machine.network import HostNetwork, Reach, pack_host

pytestmark = [pytest.mark.slow, pytest.mark.machine]
BIG = bytes(range(256)) * 8192  # 2 MiB: more than all buffers on the way hold
PATIENCE = 60  # seconds


@contextmanager
def served(host: str, serve: Callable[[socket.socket], None], kind: int = socket.SOCK_STREAM) -> Iterator[int]:
    """A server of this host on a port of its own: ``serve`` gets the connection, or the datagram socket."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with closing(socket.socket(family, kind)) as server:
        server.settimeout(PATIENCE)
        server.bind((host, 0))

        def accept() -> None:
            with suppress(OSError):  # of a client that is gone: what it did is what the test looks at
                if kind == socket.SOCK_DGRAM:
                    serve(server)
                else:
                    connection, _ = server.accept()
                    connection.settimeout(PATIENCE)
                    with closing(connection):
                        serve(connection)

        if kind == socket.SOCK_STREAM:
            server.listen()
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        thread.join(PATIENCE)
        assert not thread.is_alive()


def drain(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(65536), b""))


def echo_digest(connection: socket.socket) -> None:
    """Read to the end, say the digest of it, then send as much back."""
    data = drain(connection)
    connection.sendall(hashlib.sha256(data).hexdigest().encode() + data)


PROGRAM = """
import errno, hashlib, select, socket, sys
host, port = sys.argv[1], int(sys.argv[2])
family = socket.AF_INET6 if ":" in host else socket.AF_INET
def refusal(call):
    try: call()
    except OSError as error: return errno.errorcode[error.errno]
    return "done"
"""


def inside(skerry: Run, net: str, program: str, host: str, port: int) -> str:
    done = skerry("run", "--net", net, "python3", "-c", PROGRAM + program, host, str(port))
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


CONNECT = "print(refusal(lambda: socket.create_connection((host, port))))"


@pytest.mark.parametrize("net", ["none", "host"])
def test_loopback_of_the_host_is_not_reached(skerry: Run, net: str) -> None:
    with served("127.0.0.1", drain) as port:
        assert inside(skerry, net, CONNECT, "127.0.0.1", port) == "ECONNREFUSED"
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port)).close()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "::1", "127.1.2.3", "::ffff:127.0.0.1", "224.0.0.1", "ff02::1"])
def test_device_goes_to_no_loopback_or_group(host: str) -> None:
    network = HostNetwork(None, Reach.NETWORK)  # type: ignore[arg-type]  # the machine is not asked
    assert not network.reaches(pack_host(host), 80)
    with pytest.raises(OSError, match="not to be reached"):
        network.connect(pack_host(host), 80)


def test_device_goes_to_name_servers_on_the_loopback() -> None:
    network = HostNetwork(None, Reach.NETWORK, frozenset((pack_host("127.0.0.53"),)))  # type: ignore[arg-type]
    assert network.reaches(pack_host("127.0.0.53"), 53)
    assert not network.reaches(pack_host("127.0.0.53"), 80)
    assert not network.reaches(pack_host("127.0.0.54"), 53)


def test_without_a_network_all_else_is_unreachable(skerry: Run) -> None:
    assert inside(skerry, "none", CONNECT, "198.51.100.1", 80) == "ENETUNREACH"


EXCHANGE = """
import threading
data = bytes(range(256)) * 8192
s = socket.create_connection((host, port))
assert s.getpeername()[:2] == (host, port)
threading.Thread(target=lambda: (s.sendall(data), s.shutdown(socket.SHUT_WR))).start()
back = b"".join(iter(lambda: s.recv(65536), b""))
assert back == hashlib.sha256(data).hexdigest().encode() + data, len(back)
print("same")
"""


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_much_crosses_in_both_directions(skerry: Run, host: str) -> None:
    with served(host, echo_digest) as port:
        assert inside(skerry, "host,lo", EXCHANGE, host, port) == "same"


def test_what_was_written_before_the_end_arrives(skerry: Run) -> None:
    received = []
    started = threading.Event()

    def serve(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        started.wait(PATIENCE)
        received.append(drain(connection))

    with served("127.0.0.1", serve) as port:
        program = "s = socket.create_connection((host, port)); s.setblocking(False); print(s.send(bytes(range(256)) * 8192), flush=True)"
        command = [sys.executable, "-m", "skerry", "run", "--net", "host,lo", "python3", "-c", PROGRAM + program, "127.0.0.1", str(port)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
            assert run.stdout is not None
            sent = int(run.stdout.readline())
            started.set()
            assert run.wait(PATIENCE) == 0
    assert received == [BIG[:sent]]


def test_refusals_and_resets_are_the_hosts(skerry: Run) -> None:
    def reset(connection: socket.socket) -> None:
        connection.recv(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with served("127.0.0.1", drain) as closed, suppress(OSError):
        socket.create_connection(("127.0.0.1", closed)).close()
    assert inside(skerry, "host,lo", CONNECT, "127.0.0.1", closed) == "ECONNREFUSED"
    with served("127.0.0.1", reset) as port:
        program = (
            "s = socket.create_connection((host, port)); s.send(b'x'); print(refusal(lambda: s.recv(1)), refusal(lambda: s.send(b'x')))"
        )
        assert inside(skerry, "host,lo", program, "127.0.0.1", port) == "ECONNRESET EPIPE"


def test_reset_from_inside_arrives(skerry: Run) -> None:
    seen = []

    def serve(connection: socket.socket) -> None:
        try:
            drain(connection)
        except ConnectionResetError:
            seen.append("reset")

    program = """
import struct
s = socket.create_connection((host, port))
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
"""
    with served("127.0.0.1", serve) as port:
        inside(skerry, "host,lo", program, "127.0.0.1", port)
    assert seen == ["reset"]


def test_urgent_bytes_cross(skerry: Run) -> None:
    seen = []

    def serve(connection: socket.socket) -> None:
        poll = select.poll()
        poll.register(connection, select.POLLPRI)
        assert poll.poll(PATIENCE * 1000)
        connection.setblocking(True)  # else Python waits for POLLIN, which an urgent byte alone is not
        seen.append((connection.recv(10), connection.recv(10, socket.MSG_OOB)))
        connection.send(b"xy!", socket.MSG_OOB)
        connection.send(b"z")
        drain(connection)

    program = """
s = socket.create_connection((host, port)); s.send(b"ab!", socket.MSG_OOB)
poll = select.poll(); poll.register(s, select.POLLPRI); poll.poll(60000)
print(s.recv(10), s.recv(10, socket.MSG_OOB), s.recv(10))
"""
    with served("127.0.0.1", serve) as port:
        assert inside(skerry, "host,lo", program, "127.0.0.1", port) == "b'xy' b'!' b'z'"
    assert seen == [(b"ab", b"!")]


def test_connect_without_waiting(skerry: Run) -> None:
    program = """
s = socket.socket(); s.setblocking(False)
first = s.connect_ex((host, port))
assert first in (0, errno.EINPROGRESS), first
poll = select.poll(); poll.register(s, select.POLLOUT)
assert poll.poll(60000) == [(s.fileno(), select.POLLOUT)]
print(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), s.getpeername()[1] == port, refusal(lambda: s.connect((host, port))))
"""
    with served("127.0.0.1", drain) as port:
        assert inside(skerry, "host,lo", program, "127.0.0.1", port) in ("0 True EISCONN", "0 True done")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_datagrams_go_and_come(skerry: Run, host: str) -> None:
    def serve(server: socket.socket) -> None:
        for _ in range(2):
            data, client = server.recvfrom(100)
            server.sendto(data.upper(), client)

    program = """
one, two = (socket.socket(family, socket.SOCK_DGRAM) for _ in range(2))
one.sendto(b"one", (host, port))
data, source = one.recvfrom(100)
assert source[:2] == (host, port)
two.connect((host, port)); two.send(b"two")
select.select([two], [], [])
print(data.decode(), two.recv(100).decode())
"""
    with served(host, serve, socket.SOCK_DGRAM) as port:
        assert inside(skerry, "host,lo", program, host, port) == "ONE TWO"


def test_datagram_that_nobody_takes_is_refused(skerry: Run) -> None:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = "s = socket.socket(family, socket.SOCK_DGRAM); s.connect((host, port)); s.send(b'x'); print(refusal(lambda: s.recv(1)))"
    assert inside(skerry, "host,lo", program, "127.0.0.1", port) == "ECONNREFUSED"


def test_who_listens_inside_comes_first(skerry: Run) -> None:
    program = """
with socket.create_server((host, port)) as server:
    s = socket.create_connection((host, port))
    print(server.accept()[0].getsockname()[1] == port)
"""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        assert inside(skerry, "host,lo", program, "127.0.0.1", taken.getsockname()[1]) == "True"


def test_abstract_names_and_netlink_of_the_host_are_not_reached(skerry: Run) -> None:
    name = f"\0skerry-test-{os.getpid()}"
    with closing(socket.socket(socket.AF_UNIX)) as server:
        server.bind(name)
        server.listen()
        program = f"""
print(refusal(lambda: socket.socket(socket.AF_UNIX).connect({name!r})))
print(refusal(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 9)))
"""
        assert inside(skerry, "host,lo", program, "", 0) == "ECONNREFUSED\nEPROTONOSUPPORT"


def test_address_of_the_host_is_reached(skerry: Run) -> None:
    far = HostNetwork(None, Reach.NETWORK).addresses()  # type: ignore[arg-type]
    found = [socket.inet_ntop(socket.AF_INET, host[12:]) for host in far if host[:12] == pack_host("0.0.0.0")[:12]]
    if not found:
        pytest.skip("this host has no route to anywhere")
    with served(found[0], echo_digest) as port:
        assert inside(skerry, "host", EXCHANGE, found[0], port) == "same"


# Published ports


@contextmanager
def published(ports: str, program: str) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """A server inside, and the port of this host that leads to it, which Skerry says."""
    command = [sys.executable, "-m", "skerry", "run", "--publish", ports, "python3", "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr is not None
        line = run.stderr.readline()
        assert line.startswith(f"skerry: --publish {ports}: the host's port is "), line
        try:
            yield int(line.rsplit(maxsplit=1)[1]), run
        finally:
            run.kill()


def line_of(run: subprocess.Popen[str]) -> str:
    assert run.stdout is not None
    return run.stdout.readline().strip()


SERVER = """
import hashlib, socket
server = socket.create_server(("0.0.0.0", 8080))
print("ready", flush=True)
while True:
    c, who = server.accept()
    data = b"".join(iter(lambda: c.recv(65536), b""))
    c.sendall(hashlib.sha256(data).hexdigest().encode() + data)
    c.close()
"""


def test_host_connects_to_a_listener_inside() -> None:
    with published("0:8080", SERVER) as (port, run):
        assert line_of(run) == "ready"
        for data in (b"", b"x", BIG):
            with closing(socket.create_connection(("127.0.0.1", port), PATIENCE)) as client:
                sender = threading.Thread(target=lambda data=data, client=client: (client.sendall(data), client.shutdown(socket.SHUT_WR)))
                sender.start()
                assert drain(client) == hashlib.sha256(data).hexdigest().encode() + data
                sender.join()


def test_host_is_refused_while_nobody_listens() -> None:
    program = """
import socket, sys
print("no listener", flush=True); sys.stdin.readline()
server = socket.create_server(("127.0.0.1", 8080))
print("listener", flush=True); sys.stdin.readline()
server.close()
print("closed", flush=True); sys.stdin.readline()
"""

    def refused() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), PATIENCE).close()
        except ConnectionRefusedError:
            return True
        return False

    with published("0:8080", program) as (port, run):
        assert run.stdin is not None
        states = []
        for _ in range(3):
            states.append((line_of(run), refused()))
            run.stdin.write("\n")
            run.stdin.flush()
        assert states == [("no listener", True), ("listener", False), ("closed", True)]


def test_many_connections_wait_for_a_slow_listener() -> None:
    program = """
import socket, sys
server = socket.socket(); server.bind(("127.0.0.1", 8080)); server.listen(1)
print("ready", flush=True); sys.stdin.readline()
for _ in range(8):
    c, _ = server.accept(); c.sendall(c.recv(10)); c.close()
sys.stdin.readline()
"""
    with published("0:8080", program) as (port, run):
        assert line_of(run) == "ready"
        assert run.stdin is not None
        clients = [socket.create_connection(("127.0.0.1", port), PATIENCE) for _ in range(8)]
        for number, client in enumerate(clients):
            client.sendall(b"%d" % number)
        run.stdin.write("\n")
        run.stdin.flush()
        assert [drain(client) for client in clients] == [b"%d" % number for number in range(8)]
        for client in clients:
            client.close()


def test_datagrams_of_several_clients_are_told_apart() -> None:
    program = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("0.0.0.0", 5353))
print("ready", flush=True)
kept = {}
while True:
    data, who = s.recvfrom(100)
    kept.setdefault(who, []).append(data)
    s.sendto(b" ".join(kept[who]), who)
"""
    with published("0:5353/udp", program) as (port, run):
        assert line_of(run) == "ready"
        clients = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)]
        for client in clients:
            client.settimeout(PATIENCE)
            client.connect(("127.0.0.1", port))
        answers = []
        for turn in range(2):
            for number, client in enumerate(clients):
                client.send(b"%d%d" % (number, turn))
                answers.append(client.recv(100))
            for client in clients:
                assert client.fileno() >= 0
        assert answers == [b"00", b"10", b"20", b"00 01", b"10 11", b"20 21"]
        for client in clients:
            client.close()


def test_taken_port_is_said(skerry: Run) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        done = skerry("run", "--publish", f"{port}:80", "true")
    assert done.returncode == 125
    assert done.stderr == f"skerry: --publish {port}:80: the host's port is taken: choose another, or 0 for any that is free\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("80", "one port only"),
        ("x:80", "x is not a port from 0 to 65535"),
        ("80:0", "0 is not a port from 1 to 65535"),
        ("80:65536", "65536 is not a port from 1 to 65535"),
        ("80:80/sctp", "sctp is neither tcp nor udp"),
        ("localhost:80:80", "localhost is not an address in numbers"),
        ("203.0.113.77:0:80", "that is no address of this host"),
    ],
)
def test_wrong_ports_are_said(skerry: Run, text: str, reason: str) -> None:
    done = skerry("run", "--publish", text, "true")
    assert done.returncode == 125
    assert done.stderr.startswith(f"skerry: --publish {text}: {reason}: ")
    assert done.stderr.count("\n") == 1


def test_network_that_is_none_is_said(skerry: Run, tmp_path: Path) -> None:
    done = skerry("run", "--net", "bridge", "true")
    assert done.returncode == 2 or done.returncode == 125
    assert "--net" in done.stderr
    assert not list(tmp_path.iterdir())
