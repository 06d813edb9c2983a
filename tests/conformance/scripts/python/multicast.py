#!/usr/bin/env python3
"""Groups on the loopback: who gets what is sent to one, joining and leaving, and the errors of the options."""

import pathlib
import socket
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "programs"))
from shown import show

IP, IP6 = socket.IPPROTO_IP, socket.IPPROTO_IPV6
GROUP, GROUP6 = "239.1.2.3", "ff02::114"
IP_MULTICAST_ALL = 49


def request(group, interface="127.0.0.1"):
    return socket.inet_aton(group) + socket.inet_aton(interface)


def request6(group, number=1):
    return socket.inet_pton(socket.AF_INET6, group) + struct.pack("i", number)


def bound(host="", port=0):
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((host, port))
    return made


def option(what, sock, level, number, value):
    show(what, lambda: sock.setsockopt(level, number, value))


one = bound()
port = one.getsockname()[1]
two, exact, local = bound("", port), bound(GROUP, port), bound("127.0.0.1", port)
receivers = {"one": one, "two": two, "exact": exact}
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
marker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def arrived():
    """Who got the last datagram: it came before one that is sent to ``local`` after it."""
    marker.sendto(b"marker", ("127.0.0.1", port))
    heard = {"local": local.recv(10)}
    for name, receiver in receivers.items():
        try:
            heard[name] = receiver.recv(10, socket.MSG_DONTWAIT)
        except BlockingIOError:
            continue
    print(heard)


def send(data, sock=sender):
    show(data, lambda: sock.sendto(data.encode(), (GROUP, port)))
    arrived()


option("interface", sender, IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
show("interface", lambda: sender.getsockopt(IP, socket.IP_MULTICAST_IF, 4))
send("nobody")
option("join", one, IP, socket.IP_ADD_MEMBERSHIP, request(GROUP))
option("join again", one, IP, socket.IP_ADD_MEMBERSHIP, request(GROUP))
send("joined")
option("join", exact, IP, socket.IP_ADD_MEMBERSHIP, request(GROUP))
send("both")
option("not all", two, IP, IP_MULTICAST_ALL, 0)
send("members")
option("no loop", sender, IP, socket.IP_MULTICAST_LOOP, 0)
send("loopback")
option("no hops", sender, IP, socket.IP_MULTICAST_TTL, 0)
send("no hops")
show("connect", lambda: sender.connect((GROUP, port)))
show("name", lambda: sender.getsockname()[0])
show("send", lambda: sender.send(b"connected"))
arrived()
send("bound", bound("127.0.0.1"))
option("leave", one, IP, socket.IP_DROP_MEMBERSHIP, request(GROUP))
option("leave again", one, IP, socket.IP_DROP_MEMBERSHIP, request(GROUP))
show("send", lambda: sender.send(b"one left"))
arrived()
receivers.pop("exact").close()
show("send", lambda: sender.send(b"all left"))
arrived()

print("errors")
option("no group", one, IP, socket.IP_ADD_MEMBERSHIP, request("10.0.0.1"))
option("other address of lo", one, IP, socket.IP_ADD_MEMBERSHIP, request(GROUP, "127.9.9.9"))
option("no such address", one, IP, socket.IP_MULTICAST_IF, socket.inet_aton("203.0.113.77"))
option("too short", one, IP, socket.IP_ADD_MEMBERSHIP, b"1234")
option("by number", one, IP, socket.IP_ADD_MEMBERSHIP, request("239.1.1.1", "0.0.0.0") + struct.pack("i", 1))
option("no such number", one, IP, socket.IP_ADD_MEMBERSHIP, request("239.1.1.2", "0.0.0.0") + struct.pack("i", 777))
option("interface by number", one, IP, socket.IP_MULTICAST_IF, bytes(8) + struct.pack("i", 1))
for value in (256, -1, 255):
    option(f"hops {value}", one, IP, socket.IP_MULTICAST_TTL, value)
    show("hops", lambda: one.getsockopt(IP, socket.IP_MULTICAST_TTL))
many = bound()
for number in range(21):
    option(f"join {number}", many, IP, socket.IP_ADD_MEMBERSHIP, request(f"239.2.0.{number}"))
stream = socket.socket()
option("stream", stream, IP, socket.IP_ADD_MEMBERSHIP, request(GROUP))
option("stream", stream, IP, socket.IP_MULTICAST_TTL, 3)
show("stream", lambda: stream.connect((GROUP, 80)))

print("IPv6")
six = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
six.bind(("::", 0))
option("join", six, IP6, socket.IPV6_JOIN_GROUP, request6(GROUP6))
option("join again", six, IP6, socket.IPV6_JOIN_GROUP, request6(GROUP6))
option("interface", six, IP6, socket.IPV6_MULTICAST_IF, 1)
show("interface", lambda: six.getsockopt(IP6, socket.IPV6_MULTICAST_IF))
option("leave", six, IP6, socket.IPV6_LEAVE_GROUP, request6(GROUP6))
option("leave again", six, IP6, socket.IPV6_LEAVE_GROUP, request6(GROUP6))
option("no group", six, IP6, socket.IPV6_JOIN_GROUP, request6("::1"))
option("no such interface", six, IP6, socket.IPV6_JOIN_GROUP, request6(GROUP6, 777))
