"""mount and umount: what root inside may do, and what nobody may."""

from __future__ import annotations

import pytest
from fakes import Program, Unix

from skerry.abi import linux
from skerry.unix.fs.proc import Proc
from skerry.unix.syscalls.mounts import LIMIT, MNT_DETACH, MS_BIND, MS_RDONLY, MS_REMOUNT
from skerry.unix.vfs import Namespace, mount


@pytest.fixture
def program() -> Program:
    unix = Unix()
    mount(Namespace(unix.root).make_directory(b"/proc", 0o755, 0), Proc(unix.system, 2).root())
    program = unix.program()
    for name in (b"/a", b"/b"):
        assert program.call("mkdir", name, 0o755) == 0
    return program


def mounted(program: Program, target: bytes, kind: bytes = b"tmpfs", flags: int = 0, data: bytes = b"") -> int:
    return program.call("mount", b"none", target, kind, flags, data or 0)


def make(program: Program, path: bytes) -> int:
    fd = program.call("open", path, linux.O_CREAT | linux.O_WRONLY, 0o600)
    return fd if fd < 0 else program.call("close", fd)


def test_mounted_file_system_covers_and_goes(program: Program) -> None:
    assert make(program, b"/a/below") == 0
    assert mounted(program, b"/a", data=b"mode=700,size=1m") == 0
    assert program.call("access", b"/a/below", 0) == -linux.ENOENT
    assert make(program, b"/a/above") == 0
    assert program.call("umount2", b"/a", 0) == 0
    assert program.call("access", b"/a/above", 0) == -linux.ENOENT
    assert program.call("access", b"/a/below", 0) == 0


def test_what_is_in_use_is_not_unmounted(program: Program) -> None:
    assert mounted(program, b"/a") == 0
    assert program.call("mkdir", b"/a/b", 0o755) == 0
    assert mounted(program, b"/a/b") == 0
    assert program.call("umount2", b"/a", 0) == -linux.EBUSY
    assert program.call("chdir", b"/a/b") == 0
    assert program.call("umount2", b"/a/b", 0) == -linux.EBUSY
    assert program.call("umount2", b"/a/b", MNT_DETACH) == 0
    assert program.call("chdir", b"/") == 0
    fd = program.call("open", b"/a/f", linux.O_CREAT | linux.O_WRONLY, 0o600)
    assert program.call("umount2", b"/a", 0) == -linux.EBUSY
    assert program.call("close", fd) == 0
    assert program.call("umount2", b"/a", 0) == 0


def test_read_only_until_it_is_remounted(program: Program) -> None:
    assert mounted(program, b"/a", flags=MS_RDONLY) == 0
    assert make(program, b"/a/f") == -linux.EROFS
    assert mounted(program, b"/a", flags=MS_REMOUNT) == 0
    assert make(program, b"/a/f") == 0


@pytest.mark.parametrize(
    ("target", "kind", "flags", "error"),
    [
        (b"/none", b"tmpfs", 0, linux.ENOENT),
        (b"/a", b"ext4", 0, linux.ENODEV),
        (b"/a", b"tmpfs", MS_BIND, linux.EPERM),
        (b"/proc", b"tmpfs", 0, linux.EBUSY),
        (b"/", b"tmpfs", 0, linux.EBUSY),
        (b"/a", b"tmpfs", MS_REMOUNT, linux.EINVAL),
        (b"/", b"tmpfs", MS_REMOUNT, linux.EPERM),
        (b"/proc", b"proc", MS_REMOUNT, linux.EPERM),
    ],
)
def test_mounts_that_are_refused(program: Program, target: bytes, kind: bytes, flags: int, error: int) -> None:
    assert mounted(program, target, kind, flags) == -error


@pytest.mark.parametrize(
    ("target", "error"), [(b"/", linux.EPERM), (b"/proc", linux.EPERM), (b"/a", linux.EINVAL), (b"/none", linux.ENOENT)]
)
def test_what_the_system_came_with_stays(program: Program, target: bytes, error: int) -> None:
    """Beneath /proc lies the host's, in the root."""
    for flags in (0, MNT_DETACH):
        assert program.call("umount2", target, flags) == -error


def test_only_root_mounts(program: Program) -> None:
    user = program.unix.program(1000, 1000)
    assert mounted(user, b"/a") == -linux.EPERM
    assert user.call("umount2", b"/a", 0) == -linux.EPERM


def test_mounts_are_seen_and_limited(program: Program) -> None:
    assert mounted(program, b"/a", b"proc") == 0
    assert program.call("access", b"/a/self/status", 0) == 0
    fd = program.call("open", b"/proc/mounts", 0, 0)
    buffer = program.room(4096)
    assert b"proc /a proc rw" in program.peek(buffer, program.call("read", fd, buffer, 4096))
    for number in range(LIMIT - 1):
        assert program.call("mkdir", b"/b/%d" % number, 0o700) == 0
        assert mounted(program, b"/b/%d" % number) == 0
    assert mounted(program, b"/b") == -linux.ENOSPC
