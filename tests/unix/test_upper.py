"""The layer that is kept: what programs see is what they would see in memory, and what the next run sees is the same again."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes import FakePlatform, Program, Unix

from skerry.abi import linux
from skerry.layer.store import Layer
from skerry.machine.hosttree import HostTree
from skerry.machine.owners import AS_THEY_ARE, Owners
from skerry.unix.fs.cow import CowFileSystem
from skerry.unix.fs.tmpfs import Directory
from skerry.unix.fs.upper import UpperFileSystem
from skerry.unix.glue.devices import LayerDevice, TreeDevice
from skerry.unix.inode import Inode

NAMES = [b"a", b"b", b"c", b"d", b"e"]
View = dict[bytes, tuple[object, ...]]


class Kept:
    """A run on a layer, by who is root inside."""

    def __init__(self, layer: Path, root: Path) -> None:
        owners = own()
        self.layer = Layer.open("--upper", str(layer), os.fsencode(root))
        parts = [LayerDevice(self.layer.part(name, owners)) for name in ("upper", "work")]

        def boot(platform: FakePlatform) -> Directory:
            self.fs = UpperFileSystem(platform, 1, TreeDevice(HostTree(os.fsencode(root), owners)), *parts)
            return self.fs.root()

        self.unix = Unix(boot)
        self.program = self.unix.program()

    def end(self) -> None:
        """A clean exit."""
        self.fs.write_times()
        self.layer.close()

    def die(self) -> None:
        """SIGKILL: nothing more is written."""
        self.layer.close()


def own() -> Owners:
    """The files of who runs the test are root's inside."""
    return AS_THEY_ARE if os.getuid() == 0 else Owners(os.getuid(), os.getgid(), 0, 0)


def in_memory(root: Path) -> Program:
    return Unix(lambda platform: CowFileSystem(platform, 1, TreeDevice(HostTree(os.fsencode(root), own()))).root()).program()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with a bit of everything."""
    root = tmp_path / "root"
    (root / "d/e").mkdir(parents=True)
    (root / "b").mkdir()
    (root / "a").write_bytes(b"contents of a")
    (root / "d/a").write_bytes(b"a" * 5000)
    (root / "d/e/c").write_bytes(b"")
    (root / "c").symlink_to("d/a")
    os.link(root / "d/a", root / "d/b")
    os.mkfifo(root / "d/d")
    return root


def view(start: Inode, path: bytes = b"", times: bool = True) -> View:
    """All that can be seen: path, and what it is."""
    found: View = {}
    for name, inode in start.entries():
        here = path + b"/" + name
        contents = inode.read_at(0, 1 << 20) if inode.is_regular else inode.readlink() if inode.is_symlink else b""
        when = inode.mtime if times else 0
        found[here] = (oct(inode.mode), inode.uid, inode.gid, inode.rdev, contents, inode.xattr_table(), when)
        if inode.is_directory:
            found |= view(inode, here, times)
    return found


def write(program: Program, path: bytes, data: bytes, flags: int = linux.O_CREAT | linux.O_TRUNC) -> int:
    fd = program.call("open", path, linux.O_WRONLY | linux.O_NONBLOCK | flags, 0o644)
    if fd < 0:
        return fd
    count = program.call("write", fd, program.poke(data), len(data))
    program.call("close", fd)
    return count


def act(rng: random.Random) -> Callable[[Program], int]:
    """One random change."""

    def path() -> bytes:
        return b"/" + b"/".join(rng.choice(NAMES) for _ in range(rng.choice((1, 1, 2, 2, 3))))

    one, two, data = path(), path(), rng.randbytes(rng.choice((0, 3, 6000)))
    mode, uid = rng.choice((0o644, 0o755, 0o4711, 0o600, 0o1777)), rng.choice((0, 7))
    chosen: list[Callable[[Program], int]] = [
        lambda p: write(p, one, data),
        lambda p: write(p, one, data, linux.O_APPEND),
        lambda p: p.call("truncate", one, len(data) * 2),
        lambda p: p.call("unlink", one),
        lambda p: p.call("mkdir", one, mode),
        lambda p: p.call("rmdir", one),
        lambda p: p.call("rename", one, two),
        lambda p: p.call("rename", one, two),
        lambda p: p.call("renameat2", linux.AT_FDCWD, one, linux.AT_FDCWD, two, linux.RENAME_EXCHANGE),
        lambda p: p.call("link", one, two),
        lambda p: p.call("symlink", two, one),
        lambda p: p.call("chmod", one, mode),
        lambda p: p.call("lchown", one, uid, uid),
        lambda p: p.call("mknod", one, linux.S_IFIFO | mode, 0),
        lambda p: p.call("setxattr", one, b"user.x", data, min(3, len(data)), 0),
        lambda p: _unnamed(p, two, data),
    ]
    return rng.choice(chosen)


def _unnamed(program: Program, name: bytes, data: bytes) -> int:
    fd = program.call("open", b"/", linux.O_TMPFILE | linux.O_RDWR, 0o640)
    program.call("write", fd, program.poke(data), len(data))
    result = program.call("linkat", fd, b"", linux.AT_FDCWD, name, linux.AT_EMPTY_PATH)
    program.call("close", fd)
    return result


@pytest.mark.parametrize("seed", range(12))
def test_layer_shows_what_memory_would_and_keeps_it(tmp_path: Path, root: Path, seed: int) -> None:
    """Random changes, with a new run after some of them, which begins after a clean end or a kill."""
    rng = random.Random(seed)
    memory = in_memory(root)
    kept = Kept(tmp_path / "layer", root)
    view(kept.unix.root)  # all names are known: files with several stay one
    log: list[object] = []
    for step in range(150):
        change = act(rng)
        state = rng.getstate()
        result = change(kept.program)
        rng.setstate(state)
        log.append((change.__code__.co_firstlineno, result))
        if result == -linux.EXDEV:  # a directory of the root is not renamed
            continue
        assert change(memory) == result, log
        if step % 25 == 24:
            before = view(kept.unix.root)
            assert _but_symlink_owners(view(memory.unix.root, times=False)) == _but_symlink_owners(view(kept.unix.root, times=False)), log
            if rng.random() < 0.5:
                kept.end()
                kept = Kept(tmp_path / "layer", root)
                assert _but_symlink_owners(view(kept.unix.root)) == _but_symlink_owners(before)
            else:
                kept.die()
                kept = Kept(tmp_path / "layer", root)
                after = view(kept.unix.root, times=False)
                assert _but_symlink_owners(after) == _but_symlink_owners(view(memory.unix.root, times=False))
    kept.die()


def _but_symlink_owners(found: View) -> View:
    """An ordinary user's layer has no place for the owner of a symbolic link."""
    return {
        path: (what[0], *((0, 0) if str(what[0]).startswith("0o12") and os.getuid() else what[1:3]), *what[3:])
        for path, what in found.items()
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"user.containers.override_stat", b"99:99:04777"),
        (b"user.containers.override_stat", b"nonsense"),
        (b"user.overlay.whiteout", b""),
        (b"user.overlay.opaque", b"y"),
        (b"user.overlay.redirect", b"/etc"),
        (b"user.skerry.origin", b"x"),
        (b"trusted.overlay.opaque", b"y"),
        (b"security.capability", b"x"),
    ],
)
def test_programs_cannot_write_the_layers_own_notes(tmp_path: Path, root: Path, name: bytes, value: bytes) -> None:
    """They are kept as what they are, attributes of programs, and mean nothing on the host."""
    kept = Kept(tmp_path / "layer", root)
    for path in (b"/file", b"/d"):
        write(kept.program, b"/file", b"")
        assert kept.program.call("setxattr", path, name, value, len(value), 0) == 0
    for path in (tmp_path / "layer/upper/file", tmp_path / "layer/upper/d"):
        assert name not in map(os.fsencode, os.listxattr(path)) or os.getxattr(path, name) != value
    before = view(kept.unix.root)
    kept.end()
    kept = Kept(tmp_path / "layer", root)
    assert view(kept.unix.root) == before
    assert before[b"/file"][5] == {name: value}
    assert b"/d/e/c" in before
    kept.end()


def test_file_that_is_gone_goes_on_for_who_has_it_open(tmp_path: Path, root: Path) -> None:
    kept = Kept(tmp_path / "layer", root)
    program = kept.program
    fds = [program.call("open", path, linux.O_RDWR | linux.O_CREAT, 0o600) for path in (b"/a", b"/new")]
    assert write(program, b"/other", b"other") == 5
    assert program.call("unlink", b"/a") == 0
    assert program.call("rename", b"/other", b"/new") == 0
    for fd, contents in zip(fds, (b"contents of a", b""), strict=True):
        assert program.call("pwrite64", fd, program.poke(b"!"), 1, 20) == 1
        buffer = program.room(100)
        assert program.call("pread64", fd, buffer, 100, 0) == 21
        assert program.peek(buffer, 21) == contents.ljust(20, b"\0") + b"!"
        assert program.call("fchmod", fd, 0o600) == 0
    kept.end()
    kept = Kept(tmp_path / "layer", root)
    assert b"/a" not in view(kept.unix.root)
    assert view(kept.unix.root)[b"/new"][4] == b"other"
    kept.end()


def test_other_names_of_a_file_are_changed_with_it(tmp_path: Path, root: Path) -> None:
    """Also the one that is looked at only when the file was changed."""
    kept = Kept(tmp_path / "layer", root)
    write(kept.program, b"/d/a", b"changed")
    assert view(kept.unix.root)[b"/d/b"][4] == b"changed"
    kept.end()
    kept = Kept(tmp_path / "layer", root)
    assert view(kept.unix.root)[b"/d/b"][4] == b"changed"
    kept.end()


def test_directory_of_the_root_is_not_renamed(tmp_path: Path, root: Path) -> None:
    kept = Kept(tmp_path / "layer", root)
    assert kept.program.call("rename", b"/d", b"/f") == -linux.EXDEV
    assert kept.program.call("mkdir", b"/f", 0o700) == 0
    assert kept.program.call("rename", b"/f", b"/g") == 0
    kept.end()


def test_what_is_gone_is_not_held(tmp_path: Path, root: Path) -> None:
    """Files and directories that come and go leave no descriptors of the host behind."""
    kept = Kept(tmp_path / "layer", root)
    program = kept.program

    def once() -> None:
        assert program.call("mkdir", b"/x", 0o700) == 0
        assert write(program, b"/x/f", b"f") == 1
        assert program.call("mkdir", b"/y", 0o700) == 0
        fd = program.call("open", b"/x/f", linux.O_RDWR, 0)
        assert program.call("unlink", b"/x/f") == 0
        assert program.call("write", fd, program.poke(b"1234"), 4) == 4
        assert program.call("close", fd) == 0
        assert program.call("rename", b"/x", b"/y") == 0
        assert program.call("rmdir", b"/y") == 0
        assert write(program, b"/a", b"a") == 1
        assert program.call("unlink", b"/a") == 0

    once()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(50):
        once()
    assert len(os.listdir("/proc/self/fd")) <= before
    kept.end()


def test_tree_that_is_deeper_than_a_stack(tmp_path: Path, root: Path) -> None:
    """Programs may make one by going down as they make it."""
    kept = Kept(tmp_path / "layer", root)
    for _ in range(1500):
        assert kept.program.call("mkdir", b"x", 0o700) == 0
        assert kept.program.call("chdir", b"x") == 0
    kept.fs.directories.clear()
    assert write(kept.program, b"f", b"deep") == 4
    kept.end()
    kept = Kept(tmp_path / "layer", root)
    for _ in range(1500):
        assert kept.program.call("chdir", b"x") == 0
    assert kept.program.call("access", b"f", 0) == 0
    kept.end()
    remove_deep(tmp_path / "layer/upper/x")


def remove_deep(top: Path) -> None:
    """rmtree, which has a stack."""
    subprocess.run(["rm", "-rf", top], check=True)
