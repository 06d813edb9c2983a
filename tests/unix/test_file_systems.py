"""The same calls on our file systems and on the host's: the same results, the same errors, the same trees."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest
from fakes import FakePlatform, Unix
from filecalls import Files, Outcome, native_files, our_files
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from skerry.abi import linux
from skerry.machine.hostnode import HostNode
from skerry.machine.hosttree import HostTree
from skerry.unix.fs import cow
from skerry.unix.fs.cow import CowFileSystem
from skerry.unix.fs.hostdir import HostDirectoryFileSystem
from skerry.unix.fs.tmpfs import Directory, MemoryFileSystem
from skerry.unix.glue.devices import NodeDevice, TreeDevice

NAMES = (b"a", b"b", b"c")
PLAIN = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map(b"/".join)
PATHS = st.one_of(
    PLAIN,
    PLAIN.map(lambda path: path + b"/"),
    PLAIN.map(lambda path: path + b"/."),
    st.tuples(st.sampled_from(NAMES), PLAIN).map(lambda pair: pair[0] + b"/../" + pair[1]),
    st.sampled_from((b"", b".", b"./a", b"a//b", b"a/..", b"n" * 255, b"n" * 256)),
)
SHORT = PATHS.filter(lambda path: len(path) < 256)  # which of two bad names is complained of is not our business
SLOTS = st.integers(0, 3)
MODES = st.sampled_from((0o644, 0o755, 0o600, 0o4755, 0o2775, 0o1777))
DATA = st.binary(max_size=40)
OFFSETS = st.integers(0, 100) | st.sampled_from((4095, 4096, 10000))
FLAGS = st.builds(
    lambda access, more: access | sum(more),
    st.sampled_from((linux.O_RDONLY, linux.O_WRONLY, linux.O_RDWR)),
    st.sets(
        st.sampled_from((linux.O_CREAT, linux.O_CREAT, linux.O_EXCL, linux.O_TRUNC, linux.O_APPEND, linux.O_NOFOLLOW, linux.O_DIRECTORY))
    ),
).map(lambda flags: flags | linux.O_NONBLOCK)


class FileSystemMachine(RuleBasedStateMachine):
    """Does everything twice. Subclasses say what the file system of ours is."""

    lower: ClassVar[bool] = False  # whether a tree is there before

    def make(self, platform: FakePlatform, directory: str) -> Directory:
        """The root of ours; ``directory`` is for it alone."""
        raise NotImplementedError

    @initialize()
    def boot(self) -> None:
        self.umask = os.umask(0o022)
        self.directory = tempfile.mkdtemp(prefix="skerry-test-")
        for side in ("native", "ours"):
            os.mkdir(f"{self.directory}/{side}", 0o755)
            if self.lower:
                _plant(Path(self.directory, side))
        self.native = native_files(f"{self.directory}/native")
        unix = Unix(lambda platform: self.make(platform, f"{self.directory}/ours"))
        self.ours = our_files(unix.program(os.getuid(), os.getgid()))

    def teardown(self) -> None:
        if hasattr(self, "native"):
            os.umask(self.umask)
            self.native.close_all()
            self.ours.close_all()
            for parent, _, _ in os.walk(self.directory):
                os.chmod(parent, 0o700)
            shutil.rmtree(self.directory)

    def both(self, act: Callable[[Files], Outcome]) -> None:
        native, ours = act(self.native), act(self.ours)
        assert ours == native, f"ours {_shown(ours)}, the host's {_shown(native)}"

    @rule(slot=SLOTS, path=PATHS, flags=FLAGS, mode=MODES)
    def open(self, slot: int, path: bytes, flags: int, mode: int) -> None:
        self.both(lambda files: files.open(slot, path, flags, mode))

    @rule(slot=SLOTS, path=PLAIN, mode=MODES)
    def create(self, slot: int, path: bytes, mode: int) -> None:
        self.both(lambda files: files.open(slot, path, linux.O_RDWR | linux.O_CREAT | linux.O_NONBLOCK, mode))

    @rule(slot=SLOTS)
    def close(self, slot: int) -> None:
        self.both(lambda files: files.close(slot))

    @rule(slot=SLOTS, count=st.integers(0, 64))
    def read(self, slot: int, count: int) -> None:
        self.both(lambda files: files.read(slot, count))

    @rule(slot=SLOTS, count=st.integers(0, 64), offset=OFFSETS | st.just(-1))
    def pread(self, slot: int, count: int, offset: int) -> None:
        self.both(lambda files: files.pread(slot, count, offset))

    @rule(slot=SLOTS, data=DATA)
    def write(self, slot: int, data: bytes) -> None:
        self.both(lambda files: files.write(slot, data))

    @rule(slot=SLOTS, data=DATA, offset=OFFSETS | st.just(-1))
    def pwrite(self, slot: int, data: bytes, offset: int) -> None:
        self.both(lambda files: files.pwrite(slot, data, offset))

    @rule(slot=SLOTS, offset=st.integers(-50, 200), whence=st.sampled_from((linux.SEEK_SET, linux.SEEK_CUR, linux.SEEK_END, 99)))
    def lseek(self, slot: int, offset: int, whence: int) -> None:
        if stat.S_ISREG(_kind(self.native, slot)):  # the offsets of directories are the file system's own
            self.both(lambda files: files.lseek(slot, offset, whence))

    @rule(slot=SLOTS, size=OFFSETS | st.just(-1))
    def ftruncate(self, slot: int, size: int) -> None:
        self.both(lambda files: files.ftruncate(slot, size))

    @rule(slot=SLOTS, mode=st.sampled_from((0, 1, 3, 2)), offset=OFFSETS, length=st.integers(-1, 5000))
    def fallocate(self, slot: int, mode: int, offset: int, length: int) -> None:
        self.both(lambda files: files.fallocate(slot, mode, offset, length))

    @rule(slot=SLOTS)
    def fstat(self, slot: int) -> None:
        self.both(lambda files: files.fstat(slot))

    @rule(path=PATHS, flags=st.sampled_from((0, linux.AT_SYMLINK_NOFOLLOW)))
    def stat(self, path: bytes, flags: int) -> None:
        self.both(lambda files: files.stat(path, flags))

    @rule(path=PATHS)
    def list(self, path: bytes) -> None:
        self.both(lambda files: files.list(path))

    @rule(path=PATHS, mode=MODES)
    def mkdir(self, path: bytes, mode: int) -> None:
        self.both(lambda files: files.mkdir(path, mode))

    @rule(path=PATHS, mode=MODES)
    def mkfifo(self, path: bytes, mode: int) -> None:
        self.both(lambda files: files.mkfifo(path, mode))

    @rule(path=PATHS, flags=st.sampled_from((0, linux.AT_REMOVEDIR)))
    def unlink(self, path: bytes, flags: int) -> None:
        self.both(lambda files: files.unlink(path, flags))

    @rule(text=PLAIN, path=PATHS)
    def symlink(self, text: bytes, path: bytes) -> None:
        self.both(lambda files: files.symlink(text, path))

    @rule(path=PATHS)
    def readlink(self, path: bytes) -> None:
        self.both(lambda files: files.readlink(path))

    @rule(old=PATHS, new=PATHS, flags=st.sampled_from((0, linux.AT_SYMLINK_FOLLOW)))
    def link(self, old: bytes, new: bytes, flags: int) -> None:
        self.both(lambda files: files.link(old, new, flags))

    @rule(old=SHORT, new=SHORT, flags=st.sampled_from((0, 0, linux.RENAME_NOREPLACE, linux.RENAME_EXCHANGE)))
    def rename(self, old: bytes, new: bytes, flags: int) -> None:
        self.both(lambda files: files.rename(old, new, flags))

    @rule(path=PATHS, mode=MODES)
    def chmod(self, path: bytes, mode: int) -> None:
        self.both(lambda files: files.chmod(path, mode))

    @rule(path=PATHS, mode=st.integers(0, 7))
    def access(self, path: bytes, mode: int) -> None:
        self.both(lambda files: files.access(path, mode))

    @invariant()
    def tree_is_the_same(self) -> None:
        if hasattr(self, "native"):
            ours, native = _tree(self.ours, b"."), _tree(self.native, b".")
            different = {path: (ours.get(path), native.get(path)) for path in ours | native if ours.get(path) != native.get(path)}
            assert not different, f"(ours, the host's): {different}"


def _kind(files: Files, slot: int) -> int:
    return os.fstat(files.slots[slot]).st_mode if slot in files.slots else 0


def _shown(outcome: Outcome) -> str:
    return f"{os.strerror(outcome[0])} {outcome[1]}" if outcome[0] else str(outcome[1])


def _plant(root: Path) -> None:
    """A small tree: a file, a directory with a file of two names, a link."""
    (root / "a").write_bytes(b"lower file a" * 400)
    (root / "b").mkdir()
    (root / "b/a").write_bytes(b"two names")
    os.link(root / "b/a", root / "b/b")
    (root / "c").symlink_to("b")


def _tree(files: Files, path: bytes, names: dict[int, bytes] | None = None) -> dict[bytes, object]:
    """Everything below ``path``: attributes, other names of the same inode, link targets, contents."""
    found: dict[bytes, object] = {}
    names = {} if names is None else names
    error, entries = files.list(path)
    if error:
        return {path: error}
    assert isinstance(entries, list)
    for name, kind in entries:
        if name in (b".", b".."):
            continue
        child = path + b"/" + name
        found[child] = (kind, files.stat(child, linux.AT_SYMLINK_NOFOLLOW), names.setdefault(files.ino, child))
        if kind == stat.S_IFDIR >> 12:
            found |= _tree(files, child, names)
        elif kind == stat.S_IFLNK >> 12:
            found[child] = (found[child], files.readlink(child))
        elif kind == stat.S_IFREG >> 12 and files.open(99, child, linux.O_RDONLY, 0)[0] == 0:
            found[child] = (found[child], files.read(99, 20000))
            files.close(99)
    return found


class MemoryMachine(FileSystemMachine):
    def make(self, platform: FakePlatform, directory: str) -> Directory:
        fs = MemoryFileSystem(platform, 1)
        return Directory(fs, fs.next_ino(), linux.S_IFDIR | 0o755, os.getuid(), os.getgid(), 0)


class CowMachine(FileSystemMachine):
    lower = True

    def make(self, platform: FakePlatform, directory: str) -> Directory:
        self.before = _host_tree(Path(directory))
        return CowFileSystem(platform, 1, TreeDevice(HostTree(os.fsencode(directory)))).root()

    def teardown(self) -> None:
        if hasattr(self, "native"):
            assert _host_tree(Path(self.directory, "ours")) == self.before, "the host's files were changed"
        super().teardown()


class HostDirectoryMachine(FileSystemMachine):
    lower = True

    def make(self, platform: FakePlatform, directory: str) -> Directory:
        return HostDirectoryFileSystem(platform, 1, NodeDevice(HostNode.directory(os.fsencode(directory), True))).root()

    @invariant()
    def host_sees_the_same(self) -> None:
        if hasattr(self, "native"):
            assert _host_tree(Path(self.directory, "ours"), False) == _host_tree(Path(self.directory, "native"), False)


def _host_tree(root: Path, exact: bool = True) -> list[object]:
    found: list[object] = []
    for path in sorted(root.rglob("*")):
        if not os.access(path.parent, os.X_OK):
            found.append(path.relative_to(root))
            continue
        status = path.lstat()
        contents = (
            path.read_bytes()
            if stat.S_ISREG(status.st_mode) and os.access(path, os.R_OK)
            else os.readlink(path)
            if path.is_symlink()
            else None
        )
        times = (status.st_mtime_ns, status.st_ctime_ns) if exact else ()
        found.append((path.relative_to(root), oct(status.st_mode), status.st_nlink, status.st_uid, status.st_gid, contents, times))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("machine", [MemoryMachine, CowMachine, HostDirectoryMachine], ids=["memory", "copy-on-write", "host-directory"])
def test_random_calls_agree_with_the_host(machine: type[FileSystemMachine]) -> None:
    """Random operations have the results, errors and effects that they have on the host's file system."""
    from hypothesis.stateful import run_state_machine_as_test

    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    run_state_machine_as_test(
        machine,
        settings=settings(max_examples=EXAMPLES, stateful_step_count=40, deadline=None, suppress_health_check=checks, database=None),
    )


EXAMPLES = int(os.environ.get("SKERRY_EXAMPLES", "40"))


def test_names_that_are_missing_or_were_removed_are_remembered_so_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the host is asked again; what the host has and a program has removed stays removed."""
    monkeypatch.setattr(cow, "MISSING", 10)
    for n in range(20):
        (tmp_path / f"host{n}").write_bytes(b"x")
    unix = Unix(lambda platform: CowFileSystem(platform, 1, TreeDevice(HostTree(os.fsencode(tmp_path)))).root())
    program = unix.program()
    root = unix.root
    for n in range(20):
        assert program.call("access", b"/missing%d" % n, 0) == -linux.ENOENT
        assert program.call("mkdir", b"/own%d" % n, 0o755) == 0
        assert program.call("rmdir", b"/own%d" % n) == 0
        assert program.call("unlink", b"/host%d" % n) == 0
    assert len(root.children) <= 10 + 20
    for n in range(20):
        assert program.call("access", b"/host%d" % n, 0) == -linux.ENOENT
    assert list(root.entries()) == []
