"""Numbers of sockets beyond those of local pairs: address families, options, control messages, interface requests.

Source: linux/socket.h, asm-generic/socket.h, linux/in.h, in6.h, tcp.h, sockios.h, if.h, net/tcp_states.h.
"""

from __future__ import annotations

from typing import Final

AF_UNSPEC: Final = 0
AF_INET: Final = 2
AF_INET6: Final = 10
AF_NETLINK: Final = 16
AF_PACKET: Final = 17
SOCK_RAW: Final = 3
SOCK_PACKET: Final = 10

SHUT_RD: Final = 0
SHUT_WR: Final = 1
SHUT_RDWR: Final = 2

SO_DEBUG: Final = 1
SO_DONTROUTE: Final = 5
SO_OOBINLINE: Final = 10
SO_NO_CHECK: Final = 11
SO_PRIORITY: Final = 12
SO_RCVLOWAT: Final = 18
SO_SNDLOWAT: Final = 19
SO_RCVTIMEO: Final = 20
SO_SNDTIMEO: Final = 21
SO_TIMESTAMP: Final = 29
SO_PASSSEC: Final = 34
SO_BINDTODEVICE: Final = 25
SO_PEERNAME: Final = 28
SO_BUSY_POLL: Final = 46
SO_MAX_PACING_RATE: Final = 47
SO_COOKIE: Final = 57
SO_BINDTOIFINDEX: Final = 62
SO_TIMESTAMPNS: Final = 35
SO_MARK: Final = 36
SO_INCOMING_CPU: Final = 49
SO_RCVTIMEO_NEW: Final = 66
SO_SNDTIMEO_NEW: Final = 67

SCM_RIGHTS: Final = 1
SCM_CREDENTIALS: Final = 2
SCM_MAX_FD: Final = 253  # descriptors in one message, net/scm.h
MSG_ERRQUEUE: Final = 0x2000
MSG_WAITFORONE: Final = 0x10000

IPPROTO_IP: Final = 0
IPPROTO_ICMP: Final = 1
IPPROTO_TCP: Final = 6
IPPROTO_UDP: Final = 17
IPPROTO_IPV6: Final = 41
IPPROTO_ICMPV6: Final = 58
IPPROTO_UDPLITE: Final = 136

UDPLITE_SEND_CSCOV: Final = 10
UDPLITE_RECV_CSCOV: Final = 11

IP_TOS: Final = 1
IP_TTL: Final = 2
IP_OPTIONS: Final = 4
IP_RECVOPTS: Final = 6
IP_PKTINFO: Final = 8
IP_MTU_DISCOVER: Final = 10
IP_RECVERR: Final = 11
IP_RECVTTL: Final = 12
IP_RECVTOS: Final = 13
IP_MTU: Final = 14
IP_FREEBIND: Final = 15
IP_RECVORIGDSTADDR: Final = 20
IP_MINTTL: Final = 21
IP_TRANSPARENT: Final = 19
IP_BIND_ADDRESS_NO_PORT: Final = 24
IP_MULTICAST_IF: Final = 32
IP_MULTICAST_TTL: Final = 33
IP_MULTICAST_LOOP: Final = 34
IP_ADD_MEMBERSHIP: Final = 35
IP_DROP_MEMBERSHIP: Final = 36
IP_MULTICAST_ALL: Final = 49
MCAST_JOIN_GROUP: Final = 42
MCAST_LEAVE_GROUP: Final = 45

IPV6_UNICAST_HOPS: Final = 16
IPV6_MULTICAST_IF: Final = 17
IPV6_MULTICAST_HOPS: Final = 18
IPV6_MULTICAST_LOOP: Final = 19
IPV6_JOIN_GROUP: Final = 20
IPV6_LEAVE_GROUP: Final = 21
IPV6_MTU_DISCOVER: Final = 23
IPV6_MTU: Final = 24
IPV6_RECVERR: Final = 25
IPV6_V6ONLY: Final = 26
IPV6_MULTICAST_ALL: Final = 29
IPV6_RECVPKTINFO: Final = 49
IPV6_PKTINFO: Final = 50
IPV6_RECVHOPLIMIT: Final = 51
IPV6_HOPLIMIT: Final = 52
IPV6_DONTFRAG: Final = 62
IPV6_RECVTCLASS: Final = 66
IPV6_TCLASS: Final = 67

TCP_NODELAY: Final = 1
TCP_MAXSEG: Final = 2
TCP_CORK: Final = 3
TCP_KEEPIDLE: Final = 4
TCP_KEEPINTVL: Final = 5
TCP_KEEPCNT: Final = 6
TCP_SYNCNT: Final = 7
TCP_LINGER2: Final = 8
TCP_DEFER_ACCEPT: Final = 9
TCP_WINDOW_CLAMP: Final = 10
TCP_INFO: Final = 11
TCP_QUICKACK: Final = 12
TCP_CONGESTION: Final = 13
TCP_USER_TIMEOUT: Final = 18
TCP_FASTOPEN: Final = 23
TCP_NOTSENT_LOWAT: Final = 25

TCP_ESTABLISHED: Final = 1  # states, as tcpi_state and /proc/net/tcp say them
TCP_SYN_SENT: Final = 2
TCP_CLOSE: Final = 7
TCP_CLOSE_WAIT: Final = 8
TCP_LISTEN: Final = 10

SIOCOUTQ: Final = 0x5411
SIOCATMARK: Final = 0x8905
SIOCGIFNAME: Final = 0x8910
SIOCGIFCONF: Final = 0x8912
SIOCGIFFLAGS: Final = 0x8913
SIOCGIFADDR: Final = 0x8915
SIOCGIFDSTADDR: Final = 0x8917
SIOCGIFBRDADDR: Final = 0x8919
SIOCGIFNETMASK: Final = 0x891B
SIOCGIFMETRIC: Final = 0x891D
SIOCGIFMTU: Final = 0x8921
SIOCGIFHWADDR: Final = 0x8927
SIOCGIFINDEX: Final = 0x8933
SIOCGIFTXQLEN: Final = 0x8942
