"""Block devices: what programs get of a disk, where it ends, who may have it, and how long a flush lasts."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest
from fakes import FakeMemory, Program, Unix

from skerry.abi import linux
from skerry.unix import disk
from skerry.unix.disk import BlockDevice
from skerry.unix.fs.dev import device_number
from skerry.unix.fs.generated import GeneratedTree
from skerry.unix.fs.procdisk import devices, partitions, statistics
from skerry.unix.fs.sys import make_sys
from skerry.unix.glue.devices import DiskDevice

SIZE = 1 << 20
NUMBER = device_number(disk.MAJOR, 0)
USER = 1000


class FakeDisk:
    """A disk whose flushes end when the test says so."""

    def __init__(self, writable: bool = True) -> None:
        self.size = SIZE
        self.writable = writable
        self.memory = FakeMemory(SIZE)
        self.flushes: dict[int, Callable[[], None]] = {}
        self.ended: dict[int, int] = {}
        self.cleared: list[tuple[str, int, int]] = []
        self.begun = 0

    def contents(self) -> FakeMemory:
        return self.memory

    def discard(self, offset: int, length: int) -> None:
        self.cleared.append(("discard", offset, length))

    def zero(self, offset: int, length: int) -> None:
        self.cleared.append(("zero", offset, length))

    def ask(self, method: bytes, arguments: tuple[Any, ...], done: Callable[[], None]) -> int:
        assert (method, arguments) == (b"flush", ())
        self.begun += 1
        self.flushes[self.begun] = done
        return self.begun

    def take(self, number: int) -> tuple[int, Any] | None:
        return (self.ended.pop(number), None) if number in self.ended else None

    def drop(self, number: int) -> None:
        self.ended.pop(number, None)

    def end_flushes(self, error: int = 0) -> None:
        flushes, self.flushes = self.flushes, {}
        for number, done in flushes.items():
            self.ended[number] = error
            done()


class World:
    """A system with one disk, /d, and a program of root's."""

    def __init__(self, writable: bool = True) -> None:
        self.unix = Unix()
        self.disk = FakeDisk(writable)
        self.device = BlockDevice(b"d", NUMBER, self.disk, (USER, USER))
        self.unix.system.disks[NUMBER] = self.device
        self.unix.root.create(b"d", linux.S_IFBLK | 0o660, USER, USER, 0, NUMBER)
        self.program = self.unix.program()

    def open(self, flags: int = linux.O_RDWR, program: Program | None = None) -> int:
        return (program or self.program).call("open", b"/d", flags, 0)

    def fact(self, fd: int, request: int, layout: str) -> int:
        room = self.program.room(8)
        assert self.program.call("ioctl", fd, request, room) == 0
        (value,) = struct.unpack(layout, self.program.peek(room, struct.calcsize(layout)))
        return int(value)

    def range(self, fd: int, request: int, offset: int, length: int) -> int:
        return self.program.call("ioctl", fd, request, self.program.poke(struct.pack("<QQ", offset, length)))


@pytest.fixture
def world() -> World:
    return World()


def test_reads_and_writes_end_where_the_disk_does(world: World) -> None:
    """As natively on a loop device."""
    program, fd = world.program, world.open()
    data = program.poke(b"x" * 100)
    assert program.call("pwrite64", fd, data, 100, SIZE - 30) == 30
    assert program.call("pwrite64", fd, data, 100, SIZE) == -linux.ENOSPC
    assert program.call("pwrite64", fd, data, 0, SIZE) == 0
    assert program.call("pread64", fd, data, 100, SIZE - 10) == 10
    assert program.call("pread64", fd, data, 100, SIZE) == 0
    assert program.call("pread64", fd, data, 100, SIZE + 5000) == 0
    assert world.disk.memory.size == SIZE
    assert program.call("lseek", fd, 0, linux.SEEK_END) == SIZE
    assert program.call("write", fd, data, 1) == -linux.ENOSPC
    assert program.call("lseek", fd, -4, linux.SEEK_CUR) == SIZE - 4
    assert program.call("read", fd, data, 100) == 4
    assert program.call("lseek", fd, 0, linux.SEEK_CUR) == SIZE


@pytest.mark.parametrize(
    ("offset", "whence"),
    [(SIZE + 1, linux.SEEK_SET), (-1, linux.SEEK_SET), (1, linux.SEEK_END), (0, linux.SEEK_DATA), (0, linux.SEEK_HOLE)],
)
def test_offsets_beyond_the_disk_are_none(world: World, offset: int, whence: int) -> None:
    fd = world.open()
    assert world.program.call("lseek", fd, offset, whence) == -linux.EINVAL


def test_append_means_nothing(world: World) -> None:
    fd = world.open(linux.O_RDWR | linux.O_APPEND)
    assert world.program.call("write", fd, world.program.poke(b"abc"), 3) == 3
    assert world.disk.memory.read(0, 4) == b"abc\0"


def test_image_that_was_cut_is_an_error(world: World) -> None:
    fd = world.open()
    world.disk.memory.resize(1000)
    assert world.program.call("pread64", fd, world.program.room(100), 100, 950) == -linux.EIO


def test_direct_transfers_are_of_whole_sectors(world: World) -> None:
    program, fd = world.program, world.open(linux.O_RDWR | linux.O_DIRECT)
    room = program.room(1024)
    for offset, length, result in ((0, 1024, 1024), (512, 512, 512), (100, 512, -linux.EINVAL), (0, 100, -linux.EINVAL)):
        assert program.call("pread64", fd, room, length, offset) == result
        assert program.call("pwrite64", fd, room, length, offset) == result


def test_status_is_of_a_block_device(world: World) -> None:
    room = world.program.room(144)
    assert world.program.call("fstat", world.open(), room) == 0
    status = world.program.peek(room, 144)
    mode, uid, gid, rdev, size = (*struct.unpack_from("<III", status, 24), *struct.unpack_from("<Qq", status, 40))
    assert (mode, uid, gid, rdev, size) == (linux.S_IFBLK | 0o660, USER, USER, NUMBER, 0)


def test_others_get_it_by_permission_alone(world: World) -> None:
    assert world.open(program=world.unix.program(USER, USER)) >= 0
    assert world.open(program=world.unix.program(USER + 1, USER + 1)) == -linux.EACCES
    assert world.program.call("mknod", b"/same", linux.S_IFBLK | 0o600, NUMBER) == 0
    assert world.program.call("mknod", b"/other", linux.S_IFBLK | 0o600, NUMBER + 1) == 0
    assert world.program.call("open", b"/same", linux.O_RDWR, 0) >= 0
    assert world.program.call("open", b"/other", linux.O_RDWR, 0) == -linux.ENXIO


def test_exclusive_opening_excludes_others_of_its_kind(world: World) -> None:
    exclusive = linux.O_RDWR | linux.O_EXCL
    first = world.open(exclusive)
    assert world.open(exclusive) == -linux.EBUSY
    assert world.open() >= 0
    world.program.call("close", first)
    assert world.open(exclusive) >= 0


def test_what_was_given_read_only_is_not_written() -> None:
    world = World(writable=False)
    assert world.open() == world.open(linux.O_WRONLY) == -linux.EROFS
    fd = world.open(linux.O_RDONLY)
    assert world.fact(fd, linux.BLKROGET, "<i") == 1
    assert world.program.call("ioctl", fd, linux.BLKROSET, world.program.poke(bytes(4))) == -linux.EACCES
    assert world.range(fd, linux.BLKDISCARD, 0, 512) == -linux.EBADF
    shared = world.program.call("mmap", 0, 4096, linux.PROT_READ | linux.PROT_WRITE, linux.MAP_SHARED, fd, 0)
    assert shared == -linux.EACCES
    assert world.program.call("fsync", fd) == 0
    assert world.disk.begun == 0


def test_device_that_is_made_read_only_refuses_who_has_it_open(world: World) -> None:
    fd = world.open()
    assert world.program.call("ioctl", fd, linux.BLKROSET, world.program.poke(b"\1\0\0\0")) == 0
    assert world.program.call("write", fd, world.program.room(1), 1) == -linux.EPERM
    assert world.range(fd, linux.BLKZEROOUT, 0, 512) == -linux.EPERM
    assert world.open() == -linux.EROFS
    assert world.program.call("ioctl", fd, linux.BLKROSET, world.program.poke(bytes(4))) == 0
    assert world.open() >= 0


def test_sizes_are_told(world: World) -> None:
    fd = world.open(linux.O_RDONLY)
    assert world.fact(fd, linux.BLKGETSIZE, "<Q") == SIZE // 512
    assert world.fact(fd, linux.BLKGETSIZE64, "<Q") == SIZE
    assert world.fact(fd, linux.BLKSSZGET, "<i") == world.fact(fd, linux.BLKPBSZGET, "<I") == 512
    assert world.fact(fd, linux.BLKROGET, "<i") == 0
    assert world.program.call("ioctl", fd, linux.TCGETS, world.program.room(64)) == -linux.ENOTTY


def test_ranges_are_cleared_where_they_are_whole(world: World) -> None:
    fd = world.open()
    for request, name in ((linux.BLKDISCARD, "discard"), (linux.BLKZEROOUT, "zero")):
        world.disk.cleared.clear()
        assert world.range(fd, request, 512, 1024) == 0
        for offset, length in ((1, 512), (0, 100), (SIZE - 512, 1024), (SIZE, 512), (0, 0), ((1 << 64) - 512, 1024)):
            assert world.range(fd, request, offset, length) == -linux.EINVAL
        assert world.disk.cleared == [(name, 512, 1024)]


@pytest.mark.parametrize(
    ("mode", "offset", "length", "result"),
    [
        (linux.FALLOC_FL_ZERO_RANGE, 512, 1024, ("zero", 512, 1024)),
        (linux.FALLOC_FL_PUNCH_HOLE | linux.FALLOC_FL_KEEP_SIZE, 0, 512, ("discard", 0, 512)),
        (linux.FALLOC_FL_ZERO_RANGE | linux.FALLOC_FL_KEEP_SIZE, SIZE - 512, 1024, ("zero", SIZE - 512, 512)),
        (linux.FALLOC_FL_ZERO_RANGE, SIZE - 512, 1024, linux.EINVAL),
        (linux.FALLOC_FL_ZERO_RANGE, 100, 512, linux.EINVAL),
        (linux.FALLOC_FL_ZERO_RANGE, SIZE, 512, linux.EINVAL),
        (0, 0, 512, linux.EOPNOTSUPP),
        (linux.FALLOC_FL_KEEP_SIZE, 0, 512, linux.EOPNOTSUPP),
        (linux.FALLOC_FL_COLLAPSE_RANGE, 0, 512, linux.EOPNOTSUPP),
    ],
)
def test_fallocate_clears_and_does_no_more(world: World, mode: int, offset: int, length: int, result: Any) -> None:
    done = world.program.call("fallocate", world.open(), mode, offset, length)
    assert (world.disk.cleared[-1] if done == 0 else -done) == result


def test_mapping_shows_what_is_written_and_is_written_through(world: World) -> None:
    program, fd = world.program, world.open()
    at = program.call("mmap", 0, 8192, linux.PROT_READ | linux.PROT_WRITE, linux.MAP_SHARED, fd, 4096)
    program.call("pwrite64", fd, program.poke(b"written"), 7, 5000)
    assert program.peek(at + 904, 7) == b"written"
    program.thread.process.memory.write(at, b"stored")
    room = program.room(6)
    assert program.call("pread64", fd, room, 6, 4096) == 6
    assert program.peek(room, 6) == b"stored"
    program.start("msync", at, 8192, linux.MS_SYNC)
    assert program.result is None
    world.disk.end_flushes()
    assert program.result == 0


@pytest.mark.parametrize("call", ["fsync", "fdatasync"])
@pytest.mark.parametrize("error", [0, linux.EIO])
def test_sync_waits_for_the_disk_and_for_nobody_else(world: World, call: str, error: int) -> None:
    fd, other = world.open(), world.unix.program()
    world.program.start(call, fd)
    assert world.program.result is None
    assert other.call("getpid") == other.thread.process.pid
    world.disk.end_flushes(error)
    assert world.program.result == -error
    assert world.disk.begun == 1


@pytest.mark.parametrize("call", ["write", "pwrite64"])
def test_synchronous_write_has_reached_the_disk_when_it_returns(world: World, call: str) -> None:
    fd = world.open(linux.O_RDWR | linux.O_DSYNC)
    world.program.start(call, fd, world.program.poke(b"12345"), 5, *([0] if call == "pwrite64" else []))
    assert world.program.result is None
    assert world.disk.memory.read(0, 5) == b"12345"
    world.disk.end_flushes()
    assert world.program.result == 5
    assert world.disk.begun == 1
    assert world.program.call("lseek", fd, 0, linux.SEEK_CUR) == (5 if call == "write" else 0)


@pytest.mark.parametrize("offset", [0, -1])
def test_synchronous_write_of_one_call(world: World, offset: int) -> None:
    """It is written once, also at the position, which moves once."""
    fd = world.open()
    vector = world.program.poke(struct.pack("<QQ", world.program.poke(b"12345"), 5))
    world.program.start("pwritev2", fd, vector, 1, offset, 0, 2)  # RWF_DSYNC
    assert world.program.result is None
    world.disk.end_flushes()
    assert world.program.result == 5
    assert world.disk.memory.read(0, 10) == b"12345" + bytes(5)
    assert world.program.call("lseek", fd, 0, linux.SEEK_CUR) == (5 if offset else 0)


def test_requests_of_one_submission_are_carried_out_once(world: World) -> None:
    program, fd = world.program, world.open()
    where = program.poke(bytes(8))
    assert program.call("io_setup", 8, where) == 0
    context = int.from_bytes(program.peek(where, 8), "little")
    requests = []
    for at, opcode in enumerate((1, 2, 1)):  # IOCB_CMD_PWRITE, IOCB_CMD_FSYNC
        data = program.poke(b"%d" % at)
        requests.append(program.poke(struct.pack("<QIIHhIQQqQII", at, 0, 0, opcode, 0, fd, data, 1, at, 0, 0, 0)))
    program.start("io_submit", context, 3, program.poke(struct.pack("<3Q", *requests)))
    assert program.result is None
    world.disk.end_flushes()
    assert program.result == 3
    events = program.room(32 * 8)
    assert program.call("io_getevents", context, 3, 8, events, 0) == 3
    assert [struct.unpack_from("<QQq", program.peek(events + 32 * at, 32))[::2] for at in range(3)] == [(0, 1), (1, 0), (2, 1)]
    assert world.disk.memory.read(0, 3) == b"0\x002"


class FakeHostDisk:
    """The device beneath: numbers of flushes are free again when their end was taken."""

    size, writable = SIZE, True
    discard = zero = open = None

    def __init__(self) -> None:
        self.begun: dict[int, Callable[[], None]] = {}
        self.ended: dict[int, int] = {}

    def begin_flush(self, done: Callable[[], None]) -> int:
        self.begun[len(self.begun) + 1] = done
        return len(self.begun)

    def end_flush(self, number: int) -> int:
        if number not in self.ended:
            raise BlockingIOError(linux.EAGAIN, "not yet")
        return self.ended.pop(number)

    def end(self, number: int, error: int = 0) -> None:
        self.ended[number] = error
        self.begun[number]()


@pytest.mark.parametrize("before", [True, False])
def test_flush_that_nobody_waits_for_is_forgotten(before: bool) -> None:
    """Who waited was killed, before the flush has ended or after that."""
    host: Any = FakeHostDisk()
    device, called = DiskDevice(host), []
    number = device.ask(b"flush", (), lambda: called.append(1))
    assert device.take(number) is None
    if before:
        device.drop(number)
        host.end(number)
    else:
        host.end(number)
        device.drop(number)
    assert (called, host.ended) == ([] if before else [1], {})
    other = device.ask(b"flush", (), lambda: called.append(2))
    host.end(other, linux.EIO)
    assert called[-1] == 2
    assert device.take(other) == (linux.EIO, None)


def test_sync_of_everything_flushes_disks_and_never_fails(world: World) -> None:
    world.program.start("sync")
    assert world.program.result is None
    world.disk.end_flushes(linux.EIO)
    assert world.program.result == 0


def test_flush_of_the_cache_takes_an_administrator(world: World) -> None:
    user = world.unix.program(USER, USER)
    assert user.call("ioctl", world.open(program=user), linux.BLKFLSBUF, 0) == -linux.EACCES
    world.program.start("ioctl", world.open(), linux.BLKFLSBUF, 0)
    world.disk.end_flushes()
    assert world.program.result == 0


def test_file_calls_that_make_no_sense_fail(world: World) -> None:
    program, fd = world.program, world.open()
    assert program.call("ftruncate", fd, 100) == program.call("truncate", b"/d", 100) == -linux.EINVAL
    assert program.call("ioctl", fd, linux.BLKRRPART, 0) == -linux.EINVAL
    epoll = program.call("epoll_create1", 0)
    assert program.call("epoll_ctl", epoll, 1, fd, program.poke(bytes(12))) == -linux.EPERM


def test_proc_and_sys_list_it(world: World) -> None:
    system, fd = world.unix.system, world.open()
    world.program.call("pread64", fd, world.program.room(1024), 1024, 0)
    world.program.call("pwrite64", fd, world.program.room(512), 512, 0)
    assert partitions(system) == b"major minor  #blocks  name\n\n 252        0       1024 d\n"
    assert devices(system).endswith(b"Block devices:\n252 skerry\n")
    assert statistics(system).split()[:8] == [b"252", b"0", b"d", b"1", b"0", b"2", b"0", b"1"]
    root = make_sys(world.unix.platform, 1, system.disks.values())
    assert [name for name, _ in root.lookup(b"block").entries()] == [b"d"]
    assert root.lookup(b"dev").lookup(b"block").lookup(b"252:0").readlink() == b"../../devices/virtual/block/d"
    directory = root.lookup(b"devices").lookup(b"virtual").lookup(b"block").lookup(b"d")
    sizes = directory.lookup(b"size").open(world.program.thread, linux.O_RDONLY)
    assert sizes.read(100) == b"2048\n"


def test_links_of_generated_trees_are_listed(world: World) -> None:
    fs = world.unix.root.fs
    root = GeneratedTree(fs, {b"a/f": lambda: b"text"}, {b"b/l": b"../a/f"}).directory()
    assert [name for name, _ in root.entries()] == [b"a", b"b"]
    assert root.lookup(b"b").lookup(b"l").readlink() == b"../a/f"
