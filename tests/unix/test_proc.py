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
    process.children_usage.time = 50_000_000
    head, _, rest = read(program, b"/proc/self/stat").rpartition(b") ")
    fields = [*head.split(b" (", 1), *rest.split()]
    assert len(fields) == 52
    assert (int(fields[0]), int(fields[13]), int(fields[14]), int(fields[15])) == (process.pid, 92, 30, 5)  # 3 ticks of 4 in the program
    assert (int(fields[9]), int(fields[11])) == (10, 2)
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


def test_caches_are_a_processors_own_or_shared_by_all(program: Program) -> None:
    def told(cpu: int, index: int, *names: str) -> list[bytes]:
        return [read(program, f"/sys/devices/system/cpu/cpu{cpu}/cache/index{index}/{name}".encode()).strip() for name in names]

    assert told(1, 0, "level", "type", "size", "coherency_line_size", "number_of_sets", "ways_of_associativity") == [
        *(b"1", b"Data", b"32K", b"64", b"64", b"8")
    ]
    assert told(1, 0, "shared_cpu_list", "shared_cpu_map") == [b"1", b"2"]
    assert told(1, 1, "level", "type", "shared_cpu_list", "shared_cpu_map") == [b"2", b"Unified", b"0-1", b"3"]


def test_priority_and_exit_signal_are_in_stat(program: Program) -> None:
    assert program.call("setpriority", 0, 0, 7) == 0
    fields = read(program, b"/proc/self/stat").rpartition(b") ")[2].split()
    assert [int(fields[n - 3]) for n in (18, 19, 38)] == [27, 7, linux.SIGCHLD]


def test_a_thread_has_a_directory_of_its_own(program: Program) -> None:
    flags = linux.CLONE_VM | linux.CLONE_FS | linux.CLONE_FILES | linux.CLONE_SIGHAND | linux.CLONE_THREAD
    tid = program.call("clone", flags, 0, 0, 0, 0)
    assert program.call("prctl", linux.PR_SET_NAME, b"leader", 0, 0, 0) == 0
    process = program.thread.process
    process.threads[tid].name = b"helper"
    assert read(program, b"/proc/self/task/%d/comm" % tid) == b"helper\n"
    assert read(program, b"/proc/self/task/%d/stat" % tid).startswith(b"%d (helper) " % tid)
    assert b"\nTgid:\t%d\n" % process.pid in read(program, b"/proc/self/task/%d/status" % tid)
    assert read(program, b"/proc/self/comm") == b"leader\n"
    assert program.call("open", b"/proc/self/task/%d/task" % tid, linux.O_RDONLY, 0) == -linux.ENOENT


def test_children_are_listed(program: Program) -> None:
    pids = [program.fork().thread.process.pid for _ in range(2)]
    me = program.thread.process.pid
    assert read(program, b"/proc/%d/task/%d/children" % (me, me)) == b"%d %d " % tuple(pids)


def test_open_files_say_position_flags_and_what_they_are(program: Program) -> None:
    fd = program.call("open", b"/f", linux.O_RDWR | linux.O_CREAT | linux.O_CLOEXEC, 0o600)
    program.call("write", fd, program.poke(b"12345"), 5)
    assert read(program, b"/proc/self/fdinfo/%d" % fd).startswith(b"pos:\t5\nflags:\t02100002\n")
    child = program.fork().thread.process.pid
    fd = program.call("pidfd_open", child, 0)
    assert b"\nPid:\t%d\n" % child in read(program, b"/proc/self/fdinfo/%d" % fd)


def test_environment_is_for_the_owner_alone(program: Program) -> None:
    child = program.fork()
    assert child.call("setuid", 1000) == 0
    assert child.call("open", b"/proc/%d/environ" % program.thread.process.pid, linux.O_RDONLY, 0) == -linux.EACCES
    assert child.call("open", b"/proc/self/environ", linux.O_RDONLY, 0) >= 0


def test_system_v_objects_are_listed(program: Program) -> None:
    assert program.call("shmget", 7, 5000, 0o1640) == 0
    assert program.call("semget", 8, 3, 0o1600) == 0
    assert program.call("msgget", 9, 0o1600) == 0
    assert read(program, b"/proc/sysvipc/shm").splitlines()[1].split()[:4] == [b"7", b"0", b"640", b"5000"]
    assert read(program, b"/proc/sysvipc/sem").splitlines()[1].split()[:4] == [b"8", b"0", b"600", b"3"]
    assert read(program, b"/proc/sysvipc/msg").splitlines()[1].split()[:3] == [b"9", b"0", b"600"]


def test_own_directory_lies_in_proc(program: Program) -> None:
    """/proc/self is a link to a directory that has a place, where .. leads out of."""
    pid = program.thread.process.pid
    for path, place in (
        (b"/proc/self", b"/proc/%d" % pid),
        (b"/proc/thread-self", b"/proc/%d/task/%d" % (pid, pid)),
        (b"..", b"/proc/%d/task" % pid),
    ):
        assert program.call("chdir", path) == 0
        room = program.room(100)
        length = program.call("getcwd", room, 100)
        assert program.peek(room, length) == place + b"\0"
