"""What files take of a limit: only what is not stored yet, and nothing once they are gone."""

from __future__ import annotations

import pytest
from fakes import Program, Unix

from skerry.abi import linux
from skerry.unix.fs.tmpfs import Directory, MemoryFileSystem
from skerry.unix.storage import NODE, Storage

PAGE = 4096
LIMIT = 64 * PAGE


@pytest.fixture
def storage() -> Storage:
    return Storage(LIMIT, lambda: None)


@pytest.fixture
def program(storage: Storage) -> Program:
    def root(platform: object) -> Directory:
        fs = MemoryFileSystem(platform, 1, storage=storage)  # type: ignore[arg-type]
        return Directory(fs, fs.next_ino(), linux.S_IFDIR | 0o755, 0, 0, 0)

    return Unix(root).program()


def fill(program: Program, path: bytes) -> int:
    """A file that takes all the room there is; its descriptor."""
    fd = program.call("open", path, linux.O_RDWR | linux.O_CREAT, 0o600)
    data = program.poke(bytes(PAGE))
    while program.call("write", fd, data, PAGE) > 0:
        pass
    return fd


def test_what_is_stored_can_be_written_again_where_all_is_full(program: Program) -> None:
    fd = fill(program, b"/f")
    data = program.poke(b"y" * PAGE)
    assert program.call("write", fd, data, PAGE) == -linux.ENOSPC
    assert program.call("pwrite64", fd, data, PAGE, PAGE) == PAGE


def test_room_that_was_allocated_is_there_later(program: Program) -> None:
    fd = program.call("open", b"/f", linux.O_RDWR | linux.O_CREAT, 0o600)
    assert program.call("fallocate", fd, 0, 0, LIMIT + PAGE) == -linux.ENOSPC
    assert program.call("fallocate", fd, 0, 0, 8 * PAGE) == 0
    fill(program, b"/other")
    assert program.call("pwrite64", fd, program.poke(b"y" * 8 * PAGE), 8 * PAGE, 0) == 8 * PAGE


def test_mapped_file_that_is_gone_takes_no_room(program: Program, storage: Storage) -> None:
    fd = fill(program, b"/f")
    address = program.call("mmap", 0, PAGE, linux.PROT_READ | linux.PROT_WRITE, linux.MAP_SHARED, fd, 0)
    assert storage.mapped
    assert program.call("munmap", address, PAGE) == 0
    program.call("close", fd)
    program.call("unlink", b"/f")
    assert storage.used() <= NODE
    assert not storage.mapped


def test_attributes_take_room(program: Program, storage: Storage) -> None:
    program.call("close", program.call("open", b"/f", linux.O_RDWR | linux.O_CREAT, 0o600))
    before = storage.used()
    value = program.poke(bytes(1000))
    assert program.call("setxattr", b"/f", b"user.a", value, 1000, 0) == 0
    assert storage.used() == before + 1000 + len(b"user.a")
    big = program.poke(bytes(65000))
    results = [program.call("setxattr", b"/f", b"user.%d" % number, big, 65000, 0) for number in range(8)]
    assert results[0] == 0
    assert results[-1] == -linux.ENOSPC
