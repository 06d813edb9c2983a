"""/proc and /sys say what is true of the system and its processes."""

from __future__ import annotations

import pytest
from fakes import Program, Unix

from skerry.abi import linux
from skerry.unix.fs.proc import Proc
from skerry.unix.fs.sys import make_sys
from skerry.unix.fs.tmpfs import Directory, MemoryFileSystem
from skerry.unix.vfs import Namespace, mount


@pytest.fixture
def program() -> Program:
    unix = Unix()
    names = Namespace(unix.root)
    mount(names.make_directory(b"/proc", 0o755, 0), Proc(unix.system, 2).root())
    mount(names.make_directory(b"/sys", 0o755, 0), make_sys(unix.platform, 3))
    fs = MemoryFileSystem(unix.platform, 4)
    mount(names.make_directory(b"/a b/c", 0o755, 0), Directory(fs, fs.next_ino(), linux.S_IFDIR | 0o755, 0, 0, 0))
    return unix.program()


def read(program: Program, path: bytes) -> bytes:
    fd = program.call("open", path, linux.O_RDONLY, 0)
    assert fd >= 0, path
    buffer = program.room(8192)
    count = program.call("read", fd, buffer, 8192)
    program.call("close", fd)
    return program.peek(buffer, count)


def test_stat_has_52_fields_and_counts_time_and_memory(program: Program) -> None:
    process = program.thread.process
    process.memory.space.cpu_time = lambda: 1_230_000_000  # type: ignore[method-assign]
    process.children_time_used = 50_000_000
    head, _, rest = read(program, b"/proc/self/stat").rpartition(b") ")
    fields = [*head.split(b" (", 1), *rest.split()]
    assert len(fields) == 52
    assert (int(fields[0]), int(fields[13]), int(fields[15])) == (process.pid, 123, 5)
    assert int(fields[22]) == process.memory.total()
    assert int(fields[23]) * 4096 == process.memory.space.resident()


def test_child_names_its_parent(program: Program) -> None:
    child = program.fork()
    text = read(program, b"/proc/%d/status" % child.thread.process.pid)
    assert b"\nPPid:\t%d\n" % program.thread.process.pid in text


def test_dead_child_is_a_zombie_until_it_is_waited_for(program: Program) -> None:
    child = program.fork()
    pid = child.thread.process.pid
    child.start("exit_group", 0)
    assert b"State:\tZ (zombie)" in read(program, b"/proc/%d/status" % pid)
    assert program.call("wait4", pid, 0, 0, 0) == pid
    assert program.call("open", b"/proc/%d/status" % pid, linux.O_RDONLY, 0) == -linux.ENOENT


def test_mounts_are_those_that_there_are(program: Program) -> None:
    lines = read(program, b"/proc/mounts").splitlines()
    assert [line.split()[1] for line in lines] == [b"/", b"/proc", b"/sys", b"/a\\040b/c"]
    assert lines[2].split()[3].startswith(b"ro")


def test_name_can_be_written_and_a_read_only_file_cannot(program: Program) -> None:
    fd = program.call("open", b"/proc/self/comm", linux.O_WRONLY | linux.O_TRUNC, 0)
    assert program.call("write", fd, program.poke(b"renamed\n"), 8) == 8
    assert read(program, b"/proc/self/comm") == b"renamed\n"
    fd = program.call("open", b"/proc/self/oom_score_adj", linux.O_RDWR, 0)
    assert program.call("write", fd, program.poke(b"5000"), 4) == -linux.EINVAL


def test_processors_are_told_the_same_everywhere(program: Program) -> None:
    assert read(program, b"/sys/devices/system/cpu/online") == b"0-1\n"
    assert read(program, b"/proc/cpuinfo").count(b"processor\t:") == 2
    assert read(program, b"/proc/stat").count(b"\ncpu") == 2
    assert program.call("open", b"/sys/devices/system/cpu/online", linux.O_WRONLY, 0) == -linux.EROFS
