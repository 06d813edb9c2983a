"""A running system seen and steered from outside: control sockets, what they show, and traces.

``door`` is a system's socket, ``attendant`` answers there in the kernel's process, ``desk`` in the Unix server, wherever that runs.
A system that nobody asks anything imports only ``door``.
"""
