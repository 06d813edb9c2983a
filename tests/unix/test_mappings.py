"""Mapped files agree with read and write, also when a file of the host moves to memory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fakes import Program, Unix

from skerry.abi import linux
from skerry.machine.hostnode import HostNode
from skerry.machine.hosttree import HostTree
from skerry.unix.fs.cow import CowFileSystem
from skerry.unix.fs.hostdir import HostDirectoryFileSystem
from skerry.unix.glue.devices import NodeDevice, TreeDevice

READ = linux.PROT_READ
WRITE = linux.PROT_WRITE


@pytest.fixture(params=["copy-on-write", "host-directory"])
def program(request: pytest.FixtureRequest, tmp_path: Path) -> Program:
    """A program whose root holds the host's file /f."""
    (tmp_path / "f").write_bytes(b"before" + bytes(5000))
    path = os.fsencode(tmp_path)
    if request.param == "copy-on-write":
        unix = Unix(lambda platform: CowFileSystem(platform, 1, TreeDevice(HostTree(path))).root())
    else:
        unix = Unix(lambda platform: HostDirectoryFileSystem(platform, 1, NodeDevice(HostNode.directory(path, True))).root())
    return unix.program(os.getuid(), os.getgid())


def mapped(program: Program, flags: int, protection: int, access: int) -> int:
    fd = program.call("open", b"/f", access, 0)
    address = program.call("mmap", 0, 4096, protection, flags, fd, 0)
    assert address > 0
    assert program.call("close", fd) == 0
    return address


def overwrite(program: Program, data: bytes) -> None:
    fd = program.call("open", b"/f", linux.O_WRONLY, 0)
    assert program.call("pwrite64", fd, program.poke(data), len(data), 0) == len(data)


@pytest.mark.parametrize("access", [linux.O_RDONLY, linux.O_RDWR])
def test_shared_mapping_shows_later_writes(program: Program, access: int) -> None:
    address = mapped(program, linux.MAP_SHARED, READ, access)
    assert program.peek(address, 6) == b"before"
    overwrite(program, b"after!")
    assert program.peek(address, 6) == b"after!"


def test_shared_mapping_of_a_child_shows_later_writes(program: Program) -> None:
    address = mapped(program, linux.MAP_SHARED, READ, linux.O_RDONLY)
    child = program.fork()
    overwrite(program, b"after!")
    assert child.peek(address, 6) == b"after!"
    assert program.peek(address, 6) == b"after!"


def test_what_is_written_through_a_mapping_is_read(program: Program) -> None:
    address = mapped(program, linux.MAP_SHARED, READ | WRITE, linux.O_RDWR)
    program.thread.process.memory.write(address, b"mapped")
    fd = program.call("open", b"/f", linux.O_RDONLY, 0)
    buffer = program.room(6)
    assert program.call("read", fd, buffer, 6) == 6
    assert program.peek(buffer, 6) == b"mapped"


def test_shared_mapping_that_is_made_writable_later_reaches_the_file(program: Program) -> None:
    address = mapped(program, linux.MAP_SHARED, READ, linux.O_RDWR)
    assert program.call("mprotect", address, 4096, READ | WRITE) == 0
    other = mapped(program, linux.MAP_SHARED, READ, linux.O_RDONLY)
    program.thread.process.memory.write(address, b"mapped")
    assert program.peek(other, 6) == b"mapped"


def test_shared_mapping_of_a_read_only_descriptor_stays_read_only(program: Program) -> None:
    address = mapped(program, linux.MAP_SHARED, READ, linux.O_RDONLY)
    assert program.call("mprotect", address, 4096, READ | WRITE) == -linux.EACCES
    overwrite(program, b"after!")  # now it is in memory, where every descriptor could be written
    assert program.call("mprotect", address, 4096, READ | WRITE) == -linux.EACCES


def test_private_mapping_keeps_its_own_writes(program: Program) -> None:
    address = mapped(program, linux.MAP_PRIVATE, READ | WRITE, linux.O_RDONLY)
    program.thread.process.memory.write(address, b"mine!!")
    overwrite(program, b"after!")
    assert program.peek(address, 6) == b"mine!!"


def test_host_file_changes_only_where_it_may(program: Program, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    address = mapped(program, linux.MAP_SHARED, READ | WRITE, linux.O_RDWR)
    program.thread.process.memory.write(address, b"mapped")
    expected = b"mapped" if "host-directory" in request.node.name else b"before"
    assert (tmp_path / "f").read_bytes()[:6] == expected
