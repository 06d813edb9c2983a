"""Sockets: local ones, and TCP and UDP over a loopback inside the system. No packet exists: a socket hands its bytes to the other."""
