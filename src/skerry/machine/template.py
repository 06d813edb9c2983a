"""The warm template: a Python interpreter that has imported what servers need, and forks a native task when it is asked to.

It is started by exec, so that it shares nothing with the kernel, and stands behind the second wall (empty namespaces, an empty root) before
it forks anything. A task of it is behind the first wall, too, before any code of its image runs: no descriptor that it could use, and a
filter.

An image is JSON: ``entry`` (``module:function`` of a module that the template has imported, or the name of a function in ``source``),
``source`` (Python text, or null), ``arguments`` (a list), ``place`` (null, or where a task runs that receives the traps of contexts). The
function is called with the channel, what the traps come to if there is a place, and the arguments.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import resource
import signal
import socket
import sys
import traceback
from typing import Any, Final

from skerry.abi import mach
from skerry.machine import _channel
from skerry.machine._host import Machine

MEMORY: Final = 4 << 30  # bytes of memory of its own that a task may have
SOCKET: Final = 3  # the template's one descriptor
LARGEST_ORDER: Final = 1 << 16  # bytes


def main(kernel_pid: int, modules: list[str], optional: list[str]) -> None:
    """Fork tasks until the kernel is gone; import ``modules`` before, and those ``optional`` that this host has.

    The kernel's first message is JSON: more ``modules``, those ``optional``, and the ``processors`` to run on. If it comes with the
    descriptor of a process, tasks live in that one's namespaces.
    """
    os.closerange(SOCKET + 1, os.sysconf("SC_OPEN_MAX") if os.sysconf("SC_OPEN_MAX") < 4096 else 4096)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the host reaps them
    if not _channel.follow(kernel_pid):
        return
    gc.disable()  # what is imported stays: looking through it again and again takes a tenth of the start
    _import(modules, optional)
    kernel = socket.socket(fileno=SOCKET)
    data, descriptors, _, _ = socket.recv_fds(kernel, LARGEST_ORDER, 1, socket.MSG_CMSG_CLOEXEC)
    if len(data) == 0:
        return
    order = json.loads(data)
    _import(order["modules"], order["optional"])
    if descriptors:
        _channel.join(descriptors[0])
        os.close(descriptors[0])
    else:
        _channel.isolate()
    if not _channel.follow(kernel_pid):  # the host has forgotten it
        return
    gc.freeze()
    gc.enable()
    os.sched_setaffinity(0, order["processors"])  # only now: meanwhile the kernel starts on one of them
    kernel.send(b"ready")
    while True:
        data, descriptors, _, _ = socket.recv_fds(kernel, 16, 3)
        if len(data) == 0 or len(descriptors) != 3:
            return
        _fork(kernel, *descriptors)


def _import(modules: list[str], optional: list[str]) -> None:
    for name in modules:
        importlib.import_module(name)
    for name in optional:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def _fork(kernel: socket.socket, channel: int, doorbell: int, mapper: int) -> None:
    template = os.getpid()
    ready, go = os.pipe()
    try:
        pid = os.fork()
    except OSError as error:
        kernel.send(b"error %d" % (error.errno or 0))
        pid = -1
    if pid == 0:
        os.close(go)
        if _channel.follow(template):
            os.read(ready, 1)  # until the template has taken hold of us: a number alone could be another's by then
            _run(channel, doorbell, mapper)
        os._exit(1)
    if pid > 0:
        _tell(kernel, pid)
    for descriptor in (ready, go, channel, doorbell, mapper):
        os.close(descriptor)


def _tell(kernel: socket.socket, pid: int) -> None:
    try:
        process = os.pidfd_open(pid)
    except OSError as error:  # somebody has killed it already, and the host has reaped it
        kernel.send(b"error %d" % (error.errno or 0))
        return
    socket.send_fds(kernel, [b"%d" % pid], [process])
    os.close(process)


def _run(descriptor: int, doorbell: int, mapper: int) -> None:
    channel = _channel.attach(descriptor, doorbell)
    image = json.loads(channel.image())
    contexts = []
    if image["place"] is not None:
        contexts.append(Machine(doorbell))
        contexts[0].place(*image["place"])
    _channel.confine(MEMORY, mapper, bool(contexts))
    gc.enable()
    words = ""
    try:
        _entry(image)(channel, *contexts, *image["arguments"])
    except SystemExit:
        pass
    except BaseException:
        words = traceback.format_exc()
    channel.trap(mach.TRAP_LAST_WORDS, words.encode(errors="replace")[-4096:])
    os._exit(0)


def _entry(image: dict[str, Any]) -> Any:
    if image["source"] is None:
        module, _, name = image["entry"].partition(":")
        return getattr(sys.modules[module], name)
    names: dict[str, Any] = {"__name__": "native"}
    exec(compile(image["source"], "<image>", "exec"), names)
    return names[image["entry"]]
