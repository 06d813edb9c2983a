"""The file system that writes through: nothing outside is reached, what is read-only stays, and the host is seen as it is now."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes import Program, Unix

from skerry.abi import linux
from skerry.machine.hostnode import HostNode
from skerry.unix.fs.hostdir import HostDirectoryFileSystem
from skerry.unix.glue.devices import NodeDevice


def boot(path: Path, writable: bool = True) -> Program:
    node = NodeDevice(HostNode.directory(os.fsencode(path), writable))
    unix = Unix(lambda platform: HostDirectoryFileSystem(platform, 1, node).root())
    return unix.program(os.getuid(), os.getgid())


@pytest.fixture
def inside(tmp_path: Path) -> Path:
    """The directory that is given; beside it lies a secret."""
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside/f").write_bytes(b"contents")
    return tmp_path / "inside"


def read(program: Program, path: bytes) -> bytes | int:
    fd = program.call("open", path, linux.O_RDONLY, 0)
    if fd < 0:
        return fd
    buffer = program.room(100)
    return program.peek(buffer, program.call("read", fd, buffer, 100))


@pytest.mark.parametrize("target", ["../secret", "{outside}/secret", "../../../../../../../etc/passwd", "/proc/self/cwd/../secret"])
def test_links_lead_nowhere_outside(inside: Path, target: str) -> None:
    (inside / "link").symlink_to(target.format(outside=inside.parent))
    program = boot(inside)
    assert read(program, b"/link") == -linux.ENOENT
    program.call("open", b"/link", linux.O_WRONLY | linux.O_CREAT | linux.O_TRUNC, 0o600)  # may make a file of that name inside
    assert (inside.parent / "secret").read_bytes() == b"secret"
    assert sorted(os.listdir(inside.parent)) == ["inside", "secret"]


def test_dotdot_stays_inside(inside: Path) -> None:
    program = boot(inside)
    assert read(program, b"/../../f") == b"contents"
    assert read(program, b"/../secret") == -linux.ENOENT


@pytest.mark.parametrize("name", [b"", b".", b"..", b"../secret", b"/etc/passwd", b"a/b", b"f\0"])
def test_names_that_are_not_components_are_refused(inside: Path, name: bytes) -> None:
    node = HostNode.directory(os.fsencode(inside), True)
    acts: list[Callable[[], object]] = [
        lambda: node.lookup(name),
        lambda: node.unlink(name),
        lambda: node.rmdir(name),
        lambda: node.make_file(name, 0o600, os.getuid(), os.getgid()),
        lambda: node.make_directory(name, 0o700, os.getuid(), os.getgid()),
        lambda: node.make_link(name, b"x", os.getuid(), os.getgid()),
        lambda: node.rename(b"f", node, name, 0),
        lambda: node.rename(name, node, b"g", 1),
        lambda: node.link(node.lookup(b"f"), name),
    ]
    for act in acts:
        with pytest.raises(OSError, match="not a name"):
            act()
    assert os.listdir(inside) == ["f"]


def test_directory_that_the_host_swaps_for_a_link_is_not_followed(inside: Path) -> None:
    (inside / "d").mkdir()
    program = boot(inside)
    held = program.call("open", b"/d", linux.O_RDONLY | linux.O_DIRECTORY, 0)
    (inside / "d").rename(inside / "moved")
    (inside / "d").symlink_to(inside.parent)
    assert program.call("openat", held, b"made", linux.O_WRONLY | linux.O_CREAT, 0o600) >= 0
    assert (inside / "moved/made").exists()
    assert program.call("openat", held, b"../secret", linux.O_RDONLY, 0) == -linux.ENOENT
    assert read(program, b"/d/secret") == -linux.ENOENT


def test_fifo_of_the_host_is_not_opened_and_does_not_block(inside: Path) -> None:
    os.mkfifo(inside / "fifo")
    program = boot(inside)
    assert program.call("open", b"/fifo", linux.O_WRONLY | linux.O_NONBLOCK, 0) == -linux.ENXIO
    reader = program.call("open", b"/fifo", linux.O_RDONLY | linux.O_NONBLOCK, 0)
    writer = program.call("open", b"/fifo", linux.O_WRONLY, 0)
    assert program.call("write", writer, program.poke(b"mine"), 4) == 4
    with pytest.raises(OSError, match="No such device"):
        os.open(inside / "fifo", os.O_WRONLY | os.O_NONBLOCK)  # nobody reads it on the host
    assert program.call("read", reader, program.room(4), 4) == 4
    with pytest.raises(OSError, match="not a regular file"):
        HostNode.directory(os.fsencode(inside), True).lookup(b"fifo").open(False)


def test_host_changes_are_seen_at_once(inside: Path) -> None:
    program = boot(inside)
    assert read(program, b"/later") == -linux.ENOENT
    (inside / "later").write_bytes(b"now")
    assert read(program, b"/later") == b"now"
    fd = program.call("open", b"/later", linux.O_RDWR | linux.O_APPEND, 0)
    (inside / "later").write_bytes(b"longer now")
    buffer = program.room(144)
    assert program.call("fstat", fd, buffer) == 0
    assert struct.unpack_from("<q", program.peek(buffer, 144), 48) == (10,)
    assert program.call("lseek", fd, 0, linux.SEEK_END) == 10
    with (inside / "later").open("ab") as file:
        file.write(b"!")
    assert program.call("write", fd, program.poke(b"?"), 1) == 1
    assert (inside / "later").read_bytes() == b"longer now!?"
    (inside / "later").unlink()
    assert read(program, b"/later") == -linux.ENOENT


def test_umask_of_the_host_has_no_say(inside: Path) -> None:
    before = os.umask(0o077)
    try:
        program = boot(inside)
        assert program.call("open", b"/made", linux.O_WRONLY | linux.O_CREAT, 0o666) >= 0
        assert program.call("mkdir", b"/dir", 0o777) == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE((inside / "made").stat().st_mode) == 0o644
    assert stat.S_IMODE((inside / "dir").stat().st_mode) == 0o755


def test_read_only_directory_refuses_every_change(inside: Path) -> None:
    (inside / "d").mkdir()
    (inside / "l").symlink_to("f")
    before = sorted((str(path), path.lstat().st_mode, path.lstat().st_mtime_ns, path.lstat().st_ctime_ns) for path in inside.rglob("*"))
    program = boot(inside, writable=False)
    times = program.poke(bytes(32))
    base = linux.AT_FDCWD
    changes: list[tuple[str, *tuple[int | bytes, ...]]] = [
        ("open", b"/f", linux.O_WRONLY, 0),
        ("open", b"/f", linux.O_RDONLY | linux.O_TRUNC, 0),
        ("open", b"/new", linux.O_WRONLY | linux.O_CREAT, 0o600),
        ("open", b"/", linux.O_RDWR | linux.O_TMPFILE, 0o600),
        ("truncate", b"/f", 0),
        ("mkdir", b"/new", 0o700),
        ("mknod", b"/new", linux.S_IFIFO | 0o600, 0),
        ("symlink", b"f", b"/new"),
        ("link", b"/f", b"/new"),
        ("unlink", b"/f"),
        ("rmdir", b"/d"),
        ("rename", b"/f", b"/new"),
        ("rename", b"/f", b"/l"),
        ("chmod", b"/f", 0o777),
        ("chown", b"/f", os.getuid(), os.getgid()),
        ("utimensat", base, b"/f", times, 0),
        ("utimensat", base, b"/f", 0, 0),
    ]
    for name, *arguments in changes:
        assert program.call(name, *arguments) == -linux.EROFS, (name, arguments)
    fd = program.call("open", b"/f", linux.O_RDONLY, 0)
    assert program.call("fchmod", fd, 0o777) == -linux.EROFS
    shared = program.call("mmap", 0, 4096, linux.PROT_READ, linux.MAP_SHARED, fd, 0)
    assert program.call("mprotect", shared, 4096, linux.PROT_READ | linux.PROT_WRITE) == -linux.EACCES
    assert read(program, b"/f") == b"contents"
    after = sorted((str(path), path.lstat().st_mode, path.lstat().st_mtime_ns, path.lstat().st_ctime_ns) for path in inside.rglob("*"))
    assert after == before


def test_user_attributes_are_the_hosts(inside: Path) -> None:
    os.setxattr(inside / "f", "user.before", b"1")
    program = boot(inside)
    value = program.poke(b"x")
    assert program.call("setxattr", b"/f", b"user.x", value, 1, 0) == 0
    assert os.getxattr(inside / "f", "user.x") == b"x"
    buffer = program.room(100)
    size = program.call("listxattr", b"/f", buffer, 100)
    assert set(program.peek(buffer, size).split(b"\0")) == {b"user.before", b"user.x", b""}
    assert program.call("removexattr", b"/f", b"user.before") == 0
    assert os.listxattr(inside / "f") == ["user.x"]


def test_other_attributes_stay_off_the_host(inside: Path) -> None:
    program = boot(inside)
    value = program.poke(b"x")
    assert program.call("setxattr", b"/f", b"trusted.x", value, 1, 0) in (-linux.EOPNOTSUPP, -linux.EPERM)  # EPERM: it is not root's
    assert program.call("setxattr", b"/f", b"security.x", value, 1, 0) in (-linux.EOPNOTSUPP, -linux.EPERM)
    assert os.listxattr(inside / "f") == []


def test_attributes_of_what_is_read_only_stay(inside: Path) -> None:
    program = boot(inside, False)
    value = program.poke(b"x")
    assert program.call("setxattr", b"/f", b"user.x", value, 1, 0) == -linux.EROFS
    assert os.listxattr(inside / "f") == []
