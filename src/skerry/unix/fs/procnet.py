"""/proc/net: the sockets and the interfaces of the system, as netstat, ss and lsof read them.

Source: proc(5); the columns are those of net/ipv4/tcp_ipv4.c, udp.c and net/unix/af_unix.c.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Final

from skerry.abi import sockets
from skerry.unix.net.addresses import ANY_4, ANY_6, Endpoint, is_mapped
from skerry.unix.net.interfaces import LOOPBACK, interfaces
from skerry.unix.net.local import LocalConnection, LocalSocket

if TYPE_CHECKING:
    from skerry.unix.net.inet import InetSocket
    from skerry.unix.net.network import Network
    from skerry.unix.net.ports import Ports

_HEAD: Final = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
_HEAD_6: Final = f"  sl  {'local_address':<38}{'remote_address':<38}st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
_ACCEPTS: Final = 0x10000  # __SO_ACCEPTCON


def files(network: Network) -> dict[bytes, Callable[[], bytes]]:
    """Path below /proc, and what the file says when it is read."""
    ports = {b"tcp": network.tcp, b"udp": network.udp, b"udplite": network.udplite}
    made: dict[bytes, Callable[[], bytes]] = {
        b"net/unix": lambda: _local(network.local_sockets),
        b"net/dev": lambda: _devices(network),
        b"net/route": lambda: _routes(network),
        b"net/if_inet6": lambda: _addresses(network),
    }
    for name, owner in ports.items():
        made[b"net/" + name] = partial(_inet, owner, sockets.AF_INET)
        made[b"net/" + name + b"6"] = partial(_inet, owner, sockets.AF_INET6)
    return made


def _endpoint(where: Endpoint | None, family: int) -> str:
    host, port = where if where is not None else (ANY_4 if family == sockets.AF_INET else ANY_6, 0)
    raw = host[12:] if family == sockets.AF_INET else host
    words = (int.from_bytes(raw[at : at + 4], "little") for at in range(0, len(raw), 4))
    return "".join(f"{word:08X}" for word in words) + f":{port:04X}"


def _state(socket: InetSocket) -> int:
    if socket.listening:
        return sockets.TCP_LISTEN
    return sockets.TCP_ESTABLISHED if socket.connected else sockets.TCP_CLOSE


def _inet(owner: Ports, family: int) -> bytes:
    lines = [_HEAD if family == sockets.AF_INET else _HEAD_6]
    for number, socket in enumerate(socket for socket in owner.sockets() if socket.family == family):
        inode = socket.inode
        names = f"{_endpoint(socket.local, family)} {_endpoint(socket.remote, family)}"
        queues = f"{socket.unsent():08X}:{socket.incoming.length:08X} 00:00000000 00000000"
        lines.append(f"{number:4}: {names} {_state(socket):02X} {queues} {inode.uid:5} {0:8} {inode.ino} 1 {0:016x}")
    return "".join(f"{line}\n" for line in lines).encode()


def _local(found: Iterable[LocalSocket]) -> bytes:
    lines = [b"Num       RefCount Protocol Flags    Type St Inode Path\n"]
    for socket in sorted(found, key=lambda socket: socket.inode.ino):
        if socket.references:
            flags = _ACCEPTS if socket.listening else 0
            state = 3 if isinstance(socket, LocalConnection) and socket.connected else 1  # SS_CONNECTED, SS_UNCONNECTED
            name = b" " + socket.name.replace(b"\0", b"@") if socket.name else b""
            lines.append(b"%016x: %08X %08X %08X %04X %02X %5d%s\n" % (0, 2, 0, flags, socket.kind, state, socket.inode.ino, name))
    return b"".join(lines)


def _devices(network: Network) -> bytes:
    """Nothing is counted: there are no packets."""
    return (
        "Inter-|   Receive                                                |  Transmit\n"
        " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n"
        + "".join(f"{each.name.decode():>6}:" + " 0" * 16 + "\n" for each in interfaces(network))
    ).encode()


def _routes(network: Network) -> bytes:
    """The way to everything, if there is one."""
    lines = ["Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT"]
    lines += [
        f"{each.name.decode()}\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0"
        for each in interfaces(network)
        if each is not LOOPBACK and each.host_4 is not None
    ]
    return "".join(f"{line.ljust(127)}\n" for line in lines).encode()


def _addresses(network: Network) -> bytes:
    """The IPv6 addresses: of scope host on lo, else global; permanent."""
    return b"".join(
        b"%s %02x %02x %02x 80 %8s\n" % (host.hex().encode(), each.number, prefix, 0x10 if each is LOOPBACK else 0, each.name)
        for each in interfaces(network)
        for host, prefix in each.addresses
        if not is_mapped(host)
    )
