"""The system calls of POSIX message queues.

Source: mq_open(3), mq_send(3), mq_receive(3), mq_notify(3), mq_getattr(3), mq_unlink(3), and what Linux adds or refuses.
"""

from __future__ import annotations

import struct
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final

from skerry.abi import linux
from skerry.lib.coroutine import NEVER
from skerry.unix import signals
from skerry.unix.arguments import c_int, c_long
from skerry.unix.capabilities import CAP_FOWNER
from skerry.unix.errors import LinuxError
from skerry.unix.futex import deadline_of
from skerry.unix.mq import COOKIE, MESSAGE_SIZE, MESSAGES, PRIORITIES, Cookie, QueueFile, Signal
from skerry.unix.net.netlink import NetlinkSocket
from skerry.unix.syscalls.system import limit_of
from skerry.unix.syscalls.timers import SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD
from skerry.unix.vfs import require

if TYPE_CHECKING:
    from skerry.unix.process import Thread

Result = int | Coroutine[Any, Any, int]
_ATTRIBUTES: Final = struct.Struct("<4q32x")  # struct mq_attr: flags, most messages, size of a message, messages
_OPEN_FLAGS: Final = linux.O_ACCMODE | linux.O_CREAT | linux.O_EXCL | linux.O_NONBLOCK | linux.O_CLOEXEC
_ACCESS: Final = (linux.R_OK, linux.W_OK, linux.R_OK | linux.W_OK)


def _name(thread: Thread, address: int) -> bytes:
    """A queue's name, without the slash that the library takes off. Raises EACCES, ENOENT, ENAMETOOLONG."""
    name = thread.process.memory.read_path(address)
    if not name:
        raise LinuxError(linux.ENOENT)
    if name in (b".", b"..") or b"/" in name:
        raise LinuxError(linux.EACCES)
    if len(name) > 255:
        raise LinuxError(linux.ENAMETOOLONG)
    return name


def sys_mq_open(thread: Thread, address: int, flags: int, mode: int, attributes: int) -> int:
    process = thread.process
    flags = c_int(flags)
    wanted = (MESSAGES, MESSAGE_SIZE)
    if attributes and flags & linux.O_CREAT:
        _, *wanted_words, _ = _ATTRIBUTES.unpack(process.memory.read(attributes, _ATTRIBUTES.size))
        wanted = (wanted_words[0], wanted_words[1])
    name = _name(thread, address)
    process.files.require_room()
    root = process.system.message_files.root
    queue = root.children.get(name)
    if queue is None:
        if not flags & linux.O_CREAT:
            raise LinuxError(linux.ENOENT)
        who = process.credentials
        require(who, root, linux.W_OK | linux.X_OK)
        root.fs.require(who, *wanted, limit_of(process, linux.RLIMIT_MSGQUEUE)[0])
        mode = linux.S_IFREG | mode & 0o7777 & ~process.place.umask
        queue = root.make_queue(name, mode, who.fsuid, who.fsgid, root.fs.now(), *wanted)
        process.system.names.forget()
    elif flags & linux.O_CREAT and flags & linux.O_EXCL:
        raise LinuxError(linux.EEXIST)
    elif flags & linux.O_ACCMODE == linux.O_ACCMODE:
        raise LinuxError(linux.EINVAL)
    else:
        require(process.credentials, queue, _ACCESS[flags & linux.O_ACCMODE])
    file = queue.open(thread, flags & _OPEN_FLAGS)
    file.path = b"/dev/mqueue/" + name
    return process.files.install(file, True)


def sys_mq_unlink(thread: Thread, address: int) -> int:
    process = thread.process
    name = _name(thread, address)
    root = process.system.message_files.root
    queue = root.lookup(name)
    who = process.credentials
    require(who, root, linux.W_OK | linux.X_OK)
    if who.fsuid not in (queue.uid, root.uid) and not who.has(CAP_FOWNER):
        raise LinuxError(linux.EPERM)
    root.unlink(name, root.fs.now())
    process.system.names.forget()
    return 0


def _queue_file(thread: Thread, fd: int) -> QueueFile:
    file = thread.process.files[c_int(fd)]
    if not isinstance(file, QueueFile):
        raise LinuxError(linux.EBADF)
    return file


def sys_mq_timedsend(thread: Thread, fd: int, address: int, length: int, priority: int, timeout: int) -> Result:
    process = thread.process
    if priority & 0xFFFFFFFF >= PRIORITIES:
        raise LinuxError(linux.EINVAL)
    deadline = deadline_of(thread, timeout, True, True) if timeout else NEVER
    file = _queue_file(thread, fd)
    if not file.writable:
        raise LinuxError(linux.EBADF)
    if length > file.inode.message_size:
        raise LinuxError(linux.EMSGSIZE)
    text = process.memory.read(address, length)
    if file.inode.try_send(text, priority & 0xFFFFFFFF, process):
        return 0
    if file.nonblocking:
        raise LinuxError(linux.EAGAIN)
    return _send_later(thread, file, text, priority & 0xFFFFFFFF, deadline)


async def _send_later(thread: Thread, file: QueueFile, text: bytes, priority: int, deadline: int) -> int:
    queue = file.inode
    file.hold()
    try:
        while not queue.try_send(text, priority, thread.process):
            if not await queue.left.wait(deadline):
                raise LinuxError(linux.ETIMEDOUT)
    finally:
        file.release()
    return 0


def sys_mq_timedreceive(thread: Thread, fd: int, address: int, length: int, priority: int, timeout: int) -> Result:
    deadline = deadline_of(thread, timeout, True, True) if timeout else NEVER
    file = _queue_file(thread, fd)
    if not file.readable:
        raise LinuxError(linux.EBADF)
    if length < file.inode.message_size:
        raise LinuxError(linux.EMSGSIZE)
    message = file.inode.try_receive()
    if message is not None:
        return _store(thread, address, priority, message)
    if file.nonblocking:
        raise LinuxError(linux.EAGAIN)
    return _receive_later(thread, file, address, priority, deadline)


async def _receive_later(thread: Thread, file: QueueFile, address: int, priority: int, deadline: int) -> int:
    queue = file.inode
    file.hold()
    queue.receivers += 1
    try:
        while (message := queue.try_receive()) is None:
            if not await queue.arrived.wait(deadline):
                raise LinuxError(linux.ETIMEDOUT)
    finally:
        queue.receivers -= 1
        file.release()
    return _store(thread, address, priority, message)


def _store(thread: Thread, address: int, priority: int, message: tuple[int, bytes]) -> int:
    memory = thread.process.memory
    if priority:
        memory.write(priority, struct.pack("<I", message[0]))
    memory.write(address, message[1])
    return len(message[1])


def sys_mq_notify(thread: Thread, fd: int, event: int) -> int:
    process = thread.process
    notification: Signal | Cookie | None = None
    if event:
        value, signo, kind = struct.unpack("<Qii", process.memory.read(event, 16))
        if kind not in (SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD) or (kind == SIGEV_SIGNAL and not 0 < signo <= signals.LAST):
            raise LinuxError(linux.EINVAL)
        if kind == SIGEV_SIGNAL:
            notification = Signal(process, signo, value)
        elif kind == SIGEV_THREAD:
            socket = process.files[signo]
            if not isinstance(socket, NetlinkSocket):
                raise LinuxError(linux.ENOTSOCK)
            notification = Cookie(socket, process.memory.read(value, COOKIE))
    queue = _queue_file(thread, fd).inode
    if not event:
        queue.forget(process)
        return 0
    if queue.notified is not None and queue.notified.exit_status is None:
        raise LinuxError(linux.EBUSY)
    queue.notified, queue.notification = process, notification
    return 0


def sys_mq_getsetattr(thread: Thread, fd: int, new: int, old: int) -> int:
    memory = thread.process.memory
    flags = 0
    if new:
        flags, *_ = _ATTRIBUTES.unpack(memory.read(new, _ATTRIBUTES.size))
        if c_long(flags) & ~linux.O_NONBLOCK:
            raise LinuxError(linux.EINVAL)
    file = _queue_file(thread, fd)
    queue = file.inode
    before = (file.flags & linux.O_NONBLOCK, queue.maximum, queue.message_size, len(queue.messages))
    if new:
        file.flags = file.flags & ~linux.O_NONBLOCK | flags
    if old:
        memory.write(old, _ATTRIBUTES.pack(*before))
    return 0
