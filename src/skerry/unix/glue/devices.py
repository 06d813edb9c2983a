"""Devices of the machine as the Unix server sees them: the same calls, with LinuxError for what the host refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar

from skerry.abi import linux, values
from skerry.machine.clock import HostClock
from skerry.machine.hostdisk import HostDisk
from skerry.machine.hostnode import Attributes, HostNode
from skerry.machine.hosttree import HostTree
from skerry.machine.layernode import LayerNode
from skerry.machine.memory import HostFile
from skerry.machine.remote import RemoteFile
from skerry.machine.stream import Stream
from skerry.unix.errors import LinuxError

if TYPE_CHECKING:
    from skerry.machine.translator import TranslatorDevice

Arguments = ParamSpec("Arguments")
Value = TypeVar("Value")


def translated(call: Callable[Arguments, Value]) -> Callable[Arguments, Value]:
    """``call`` with LinuxError in place of OSError."""

    def translate(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Value:
        try:
            return call(*args, **kwargs)
        except OSError as error:
            raise LinuxError(error.errno or linux.EIO) from None
        except OverflowError:  # an offset past all that a file can have
            raise LinuxError(linux.EFBIG) from None

    return translate


class FileDevice(HostFile):
    """A host file's contents (:class:`skerry.unix.substrate.HostFile`). Owns the descriptor of the file that it is made from."""

    def __init__(self, file: HostFile) -> None:
        super().__init__(file.descriptor)
        file.descriptor = -1

    read = translated(HostFile.read)
    write = translated(HostFile.write)
    resize = translated(HostFile.resize)
    append = translated(HostFile.append)
    seek = translated(HostFile.seek)
    allocate = translated(HostFile.allocate)
    sync = translated(HostFile.sync)


class RemoteFileDevice(FileDevice):
    """A file's contents, or memory, whose device is in another process (:class:`skerry.unix.substrate.HostFile`)."""

    def __init__(self, file: RemoteFile) -> None:
        self.file = file

    @property
    def descriptor(self) -> int:
        try:
            return self.file.descriptor
        except OSError as error:
            raise LinuxError(error.errno or linux.EIO) from None

    @descriptor.setter
    def descriptor(self, _value: int) -> None:
        pass

    def close(self) -> None:
        self.file.close()


def as_device(file: HostFile) -> FileDevice:
    """The contents of a file as the server sees them."""
    return RemoteFileDevice(file) if isinstance(file, RemoteFile) else FileDevice(file)


class NodeDevice:
    """An object of a host directory (:class:`skerry.unix.substrate.HostNode`)."""

    def __init__(self, node: HostNode) -> None:
        self._node = node
        self.writable = node.writable

    @translated
    def stat(self) -> Attributes:
        return self._node.stat()

    @translated
    def statfs(self) -> tuple[int, int, int, int, int, int]:
        return self._node.statfs()

    @translated
    def change_mode(self, mode: int) -> None:
        self._node.change_mode(mode)

    @translated
    def change_owner(self, uid: int, gid: int) -> None:
        self._node.change_owner(uid, gid)

    @translated
    def change_times(self, access: int, modification: int) -> None:
        self._node.change_times(access, modification)

    @translated
    def attributes(self) -> dict[bytes, bytes]:
        return self._node.attributes()

    @translated
    def set_attribute(self, name: bytes, value: bytes) -> None:
        self._node.set_attribute(name, value)

    @translated
    def remove_attribute(self, name: bytes) -> None:
        self._node.remove_attribute(name)

    @translated
    def lookup(self, name: bytes) -> Self:
        return type(self)(self._node.lookup(name))

    @translated
    def list(self) -> list[tuple[bytes, int, int]]:
        return self._node.list()

    @translated
    def make_file(self, name: bytes, mode: int, uid: int, gid: int) -> tuple[Self, FileDevice]:
        node, file = self._node.make_file(name, mode, uid, gid)
        return type(self)(node), as_device(file)

    @translated
    def make_unnamed(self, mode: int, uid: int, gid: int) -> tuple[Self, FileDevice]:
        node, file = self._node.make_unnamed(mode, uid, gid)
        return type(self)(node), as_device(file)

    @translated
    def make_directory(self, name: bytes, mode: int, uid: int, gid: int) -> Self:
        return type(self)(self._node.make_directory(name, mode, uid, gid))

    @translated
    def make_special(self, name: bytes, mode: int, uid: int, gid: int) -> Self:
        return type(self)(self._node.make_special(name, mode, uid, gid))

    @translated
    def make_link(self, name: bytes, target: bytes, uid: int, gid: int) -> Self:
        return type(self)(self._node.make_link(name, target, uid, gid))

    @translated
    def link(self, node: Self, name: bytes) -> None:
        self._node.link(node._node, name)

    @translated
    def unlink(self, name: bytes) -> None:
        self._node.unlink(name)

    @translated
    def rmdir(self, name: bytes) -> None:
        self._node.rmdir(name)

    @translated
    def rename(self, name: bytes, to: Self, new_name: bytes, flags: int) -> None:
        self._node.rename(name, to._node, new_name, flags)

    @translated
    def readlink(self) -> bytes:
        return self._node.readlink()

    @translated
    def open(self, write: bool) -> FileDevice:
        return as_device(self._node.open(write))

    @translated
    def sync(self) -> None:
        self._node.sync()


class LayerDevice(NodeDevice):
    """An object of a writable layer (:class:`skerry.unix.substrate.LayerNode`)."""

    _node: LayerNode

    @translated
    def is_whiteout(self) -> bool:
        return self._node.is_whiteout()

    @translated
    def is_opaque(self) -> bool:
        return self._node.is_opaque()

    @translated
    def set_opaque(self) -> None:
        self._node.set_opaque()

    @translated
    def set_origin(self, text: bytes) -> None:
        self._node.set_origin(text)

    @translated
    def make_whiteout(self, name: bytes, access: int, modification: int) -> None:
        self._node.make_whiteout(name, access, modification)

    @translated
    def make_device(self, name: bytes, mode: int, uid: int, gid: int, rdev: int) -> Self:
        return type(self)(self._node.make_device(name, mode, uid, gid, rdev))

    @translated
    def sync_all(self) -> None:
        self._node.sync_all()


class TreeDevice:
    """A host directory (:class:`skerry.unix.substrate.HostTree`)."""

    def __init__(self, tree: HostTree) -> None:
        self.stat = translated(tree.stat)
        self.list = translated(tree.list)
        self.look = translated(tree.look)
        self.readlink = translated(tree.readlink)
        self.attributes = translated(tree.attributes)
        self._open = translated(tree.open)

    def open(self, path: bytes) -> FileDevice:
        return as_device(self._open(path))


class TranslatedTree:
    """A translator (:class:`skerry.unix.substrate.Translator`)."""

    def __init__(self, device: TranslatorDevice) -> None:
        self._ask = translated(device.ask)
        self.drop = translated(device.drop)
        self._take = device.take

    def ask(self, method: bytes, arguments: tuple[Any, ...], done: Callable[[], None]) -> int:
        return self._ask(method, values.pack(*arguments), done)

    def take(self, number: int) -> tuple[int, Any] | None:
        try:
            return self._take(number)
        except BlockingIOError:
            return None
        except OSError as error:
            return error.errno or linux.EIO, None


class ClockDevice:
    """The clock (:class:`skerry.unix.substrate.Clock`)."""

    def __init__(self, clock: HostClock) -> None:
        self.time = translated(clock.time)
        self.alarm = translated(clock.alarm)


class DiskDevice:
    """A disk (:class:`skerry.unix.substrate.Disk`)."""

    def __init__(self, disk: HostDisk) -> None:
        self.size = disk.size
        self.writable = disk.writable
        self.discard = translated(disk.discard)
        self.zero = translated(disk.zero)
        self._open = translated(disk.open)
        self._begin_flush = translated(disk.begin_flush)
        self._end_flush = disk.end_flush
        self._dropped: set[int] = set()  # flushes that nobody waits for, and that have not ended

    def contents(self) -> FileDevice:
        return as_device(self._open())

    def ask(self, method: bytes, arguments: tuple[Any, ...], done: Callable[[], None]) -> int:
        assert (method, arguments) == (b"flush", ())

        def ended() -> None:
            if number in self._dropped:
                self._dropped.remove(number)
                self.take(number)
            else:
                done()

        number = self._begin_flush(ended)
        return number

    def take(self, number: int) -> tuple[int, Any] | None:
        try:
            return self._end_flush(number), None
        except OSError as error:
            return None if error.errno == linux.EAGAIN else (error.errno or linux.EIO, None)

    def drop(self, number: int) -> None:
        if self.take(number) is None:
            self._dropped.add(number)


class StreamDevice:
    """A stream (:class:`skerry.unix.substrate.StreamDevice`)."""

    def __init__(self, stream: Stream) -> None:
        self.is_terminal = stream.is_terminal
        self.mode = stream.mode
        self.kind = stream.kind
        self.rdev = stream.rdev
        self._readable = stream.readable
        self._writable = stream.writable
        self.read = translated(stream.read)
        self.write = translated(stream.write)
        self.control = translated(stream.control)
        self.seek = translated(stream.seek)
        self.truncate = translated(stream.truncate)
        self.subscribe = translated(stream.subscribe)
        self.subscribe_writable = translated(stream.subscribe_writable)

    def readable(self) -> bool:
        return _would_not_block(self._readable)

    def writable(self) -> bool:
        return _would_not_block(self._writable)


def _would_not_block(ask: Callable[[], bool]) -> bool:
    try:
        return ask()
    except OSError:  # nobody drives it any more: reading and writing say so at once
        return True
