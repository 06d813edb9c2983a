"""`skerry run --upper`, `skerry diff` and `skerry commit`, as a user gives them."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from running import Run

BUSYBOX = shutil.which("busybox")
needs_busybox = pytest.mark.skipif(BUSYBOX is None, reason="busybox is not installed")
ME = ["--user", "root"]  # so that both root and an ordinary user are root inside


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with busybox and a few files."""
    if BUSYBOX is None:
        pytest.skip("busybox is not installed")
    root = tmp_path / "root"
    (root / "bin").mkdir(parents=True)
    shutil.copy(BUSYBOX, root / "bin/busybox")
    for applet in ("sh", "rm", "mv", "chmod", "ln", "mkdir", "touch", "stat", "cat", "mkfifo", "chown", "ls", "mknod", "sync", "cp"):
        (root / "bin" / applet).symlink_to("busybox")
    (root / "etc").mkdir()
    (root / "etc/a").write_text("one\ntwo\n")
    (root / "etc/b").write_text("b\n")
    (root / "etc/link").symlink_to("a")
    (root / "dir/sub").mkdir(parents=True)
    (root / "dir/sub/f").write_text("f\n")
    return root


def inside(skerry: Run, script: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a script in ``root`` with the layer ``layer``; it must succeed."""
    result = skerry("run", "--root", "root", "--upper", "layer", *ME, *options, "--", "/bin/sh", "-ec", script)
    assert (result.returncode, result.stderr) == (0, ""), result
    return result


CHANGES = """
echo three >> /etc/a; rm /etc/b; mkdir /new; echo n > /new/n; ln /new/n /new/m; ln -s /etc/passwd /new/l; chmod 4755 /new/n
mv /dir/sub/f /dir/g; mkfifo /new/p; rm -r /dir/sub; mkdir /dir/sub; echo z > /dir/sub/z; touch -d '2001-02-03 04:05:06' /dir/g
"""
SEEN = "cd /; ls /etc /new /dir /dir/sub; cat /etc/a /new/n /dir/g /dir/sub/z; stat -c '%n %f %u:%g %h %Y' /new/* /dir/g"


def test_next_run_sees_what_the_last_one_wrote(skerry: Run, root: Path) -> None:
    before = inside(skerry, CHANGES + SEEN).stdout
    assert inside(skerry, SEEN).stdout == before
    assert "89ed 0:0 2" in before, "a set-user-id file with two names"
    assert sorted(path.name for path in root.iterdir()) == ["bin", "dir", "etc"], "the root is as it was"
    assert (root / "etc/a").read_text() == "one\ntwo\n"


def test_diff_says_what_changed(skerry: Run, root: Path) -> None:
    inside(skerry, CHANGES)
    result = skerry("diff", "layer")
    assert result.stdout.splitlines() == [
        "A /dir/g",
        "D /dir/sub/f",
        "A /dir/sub/z",
        "C /etc/a",
        "D /etc/b",
        "A /new/",
        "A /new/l@",
        "A /new/m (set-user-id)",
        "A /new/n (set-user-id)",
        "A /new/p|",
    ]
    assert result.returncode == 0
    content = skerry("diff", "--content", "layer").stdout
    assert "C /etc/a\n--- a/etc/a\n+++ b/etc/a\n@@ -1,2 +1,3 @@\n one\n two\n+three\nD /etc/b\n--- a/etc/b\n+++ /dev/null\n" in content


def test_diff_shows_no_control_characters(skerry: Run, root: Path) -> None:
    """A program cannot write to the terminal of who looks at what it did."""
    inside(skerry, "n=$(printf 'a\\033[2Jb\\nD x'); : > /etc/$n; printf 'one\\033[2J\\n' > /etc/b")
    output = skerry("diff", "--content", "layer").stdout
    assert "\x1b" not in output
    assert "A /etc/a\\x1b[2Jb\\nD x\n" in output


def test_what_is_as_it_was_is_no_change(skerry: Run, root: Path) -> None:
    inside(skerry, "chmod 600 /etc/a; chmod 644 /etc/a; echo x > /tmp2; rm /tmp2; mkdir /d; rm -r /d; mv /etc/b /etc/c; mv /etc/c /etc/b")
    assert skerry("diff", "layer").stdout == ""


def test_commit_applies_and_empties(skerry: Run, root: Path) -> None:
    view = inside(skerry, CHANGES + SEEN).stdout
    dry = skerry("commit", "--dry-run", "layer")
    assert dry.stdout == skerry("diff", "layer").stdout
    assert (root / "etc/b").exists()
    result = skerry("commit", "layer")
    assert (result.returncode, result.stdout, result.stderr) == (0, f"10 changes applied to {root}\n", "")
    assert (root / "etc/a").read_text() == "one\ntwo\nthree\n"
    assert not (root / "etc/b").exists()
    assert sorted(os.listdir(root / "dir/sub")) == ["z"]
    assert (root / "new/n").stat().st_ino == (root / "new/m").stat().st_ino
    assert stat.S_IMODE((root / "new/n").stat().st_mode) == 0o4755
    assert stat.S_ISFIFO((root / "new/p").lstat().st_mode)
    assert skerry("diff", "layer").stdout == ""
    assert os.listdir(root.parent / "layer/upper") == []
    assert inside(skerry, SEEN).stdout == view


@pytest.mark.parametrize(
    "meanwhile",
    [
        lambda root: (root / "etc/a").write_text("other"),
        lambda root: (root / "etc/b").write_text("other"),
        lambda root: (root / "new").mkdir(),
        lambda root: (root / "dir/g").write_text("mine"),
        lambda root: (root / "etc/a").unlink(),
    ],
    ids=["changed", "deleted here, changed there", "directory there", "made on both sides", "removed there"],
)
def test_commit_refuses_what_changed_underneath(skerry: Run, root: Path, meanwhile: object) -> None:
    inside(skerry, CHANGES)
    assert callable(meanwhile)
    meanwhile(root)
    before = snapshot(root)
    result = skerry("commit", "layer")
    if (root / "new").is_dir():  # a directory on both sides is no conflict
        assert result.returncode == 0
        return
    assert result.returncode == 1
    assert "nothing was done" in result.stderr.splitlines()[-1]
    assert snapshot(root) == before
    assert "CONFLICT" in skerry("commit", "--dry-run", "layer").stdout
    assert skerry("commit", "--force", "layer").returncode == 0
    assert (root / "etc/a").read_text() == "one\ntwo\nthree\n"
    assert (root / "dir/g").read_text() == "f\n"


def snapshot(root: Path) -> dict[str, object]:
    return {str(path): (path.lstat().st_mode, path.lstat().st_mtime_ns, path.lstat().st_size) for path in root.rglob("*")}


def test_commit_to_a_copy_of_the_root(skerry: Run, root: Path) -> None:
    """The copy gets it; the layer keeps it, and its own root does not change."""
    copy = root.parent / "copy"
    subprocess.run(["cp", "-a", root, copy], check=True)
    inside(skerry, CHANGES)
    assert skerry("commit", "--root", "copy", "layer").returncode == 0
    assert (copy / "etc/a").read_text() == "one\ntwo\nthree\n"
    assert (root / "etc/a").read_text() == "one\ntwo\n"
    assert skerry("diff", "layer").stdout
    assert skerry("diff", "--root", "copy", "layer").stdout == ""


def test_commit_follows_no_link_out_of_the_root(skerry: Run, root: Path) -> None:
    """Where the root has got a link in place of a directory, nothing is written through it."""
    outside = root.parent / "outside"
    outside.mkdir()
    (outside / "sub").mkdir()
    inside(skerry, "echo x > /dir/sub/evil; echo y > /dir/evil")
    shutil.rmtree(root / "dir")
    (root / "dir").symlink_to(outside)
    for options in ([], ["--force"]):
        result = skerry("commit", *options, "layer")
        assert "Traceback" not in result.stderr
        assert os.listdir(outside) == ["sub"]
        assert os.listdir(outside / "sub") == []
        assert result.returncode == 0 or len(result.stderr.splitlines()) >= 1


def test_commit_makes_no_devices(skerry: Run, root: Path) -> None:
    inside(skerry, "mknod /disk b 8 0; echo x > /file")
    result = skerry("commit", "layer")
    assert result.returncode == 1
    assert "/disk: devices are not made on the host" in result.stderr
    assert not (root / "file").exists()
    assert skerry("commit", "--no-devices", "layer").returncode == 0
    assert (root / "file").exists()
    assert not (root / "disk").exists()


def test_owners_are_kept_whoever_gives_the_command(skerry: Run, root: Path) -> None:
    """An ordinary user cannot give files away on the host; the layer keeps who has them."""
    inside(skerry, "echo x > /f; chown 33:44 /f; mkdir /d; chown 7 /d; chmod 2750 /d; mknod /n c 1 3; chown 5 /n; chmod 4711 /f")
    assert inside(skerry, "stat -c '%u:%g %f %n' /f /d /n; cat /n").stdout == "33:44 89c9 /f\n7:0 45e8 /d\n5:0 21a4 /n\n"
    for path in (root.parent / "layer/upper").iterdir():
        assert os.getuid() == 0 or not path.stat().st_mode & 0o6000, "no set-user-id file of the user's own on the host"
        assert stat.S_IFMT(path.stat().st_mode) in (stat.S_IFREG, stat.S_IFDIR), "no device on the host"
    assert stat.S_IMODE((root.parent / "layer").stat().st_mode) == 0o700


def test_kill_loses_nothing(skerry: Run, root: Path, tmp_path: Path) -> None:
    """SIGKILL of Skerry while a program writes file after file: all that it had reported is there, whole, and the layer is usable."""
    script = "mkdir /d; i=0; while :; do echo $i > /d/t; mv /d/t /d/$i; rm -f /d/$((i-3)); chmod 600 /d/$i; echo $i; i=$((i+1)); done"
    command = [sys.executable, "-m", "skerry", "run", "--root", "root", "--upper", "layer", *ME, "--", "/bin/sh", "-c", script]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(40):
            last = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        rest = [int(line) for line in process.stdout.read().split("\n")[:-1] if line]
    last = max([last, *rest])
    output = inside(skerry, "cd /d; ls; for i in *; do cat $i; done; echo again > /d/x; cat /d/x").stdout
    assert str(last) in output.split()
    assert output.endswith("again\n")
    assert os.listdir(tmp_path / "layer/work") == []


def test_second_run_on_a_layer_is_refused(skerry: Run, root: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "skerry",
        "run",
        "--root",
        "root",
        "--upper",
        "layer",
        *ME,
        "--",
        "/bin/sh",
        "-c",
        "echo on; read line",
    ]
    with subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "on\n"
        for words in (["run", "--root", "root", "--upper", "layer", "/bin/sh"], ["diff", "layer"], ["commit", "layer"]):
            result = skerry(*words)
            assert result.returncode == (125 if words[0] == "run" else 1)
            assert "layer: in use by another run: wait until it has ended" in result.stderr
        process.communicate("\n")
    inside(skerry, "true")


def _wrong(place: Path, what: str) -> str:
    layer = place / "layer"
    if what == "file":
        layer.write_text("")
    elif what == "other":
        layer.mkdir()
        (layer / "thing").write_text("")
    elif what == "damaged":
        layer.mkdir()
        (layer / "skerry.json").write_text("{")
    elif what == "empty description":
        layer.mkdir()
        (layer / "skerry.json").write_text("")
    elif what == "no upper":
        layer.mkdir()
        (layer / "work").mkdir()
        (layer / "skerry.json").write_text(json.dumps({"format": 1, "root": str(place / "root"), "created": 1, "owners": [0, 0, 0, 0]}))
    elif what == "newer":
        layer.mkdir()
        (layer / "skerry.json").write_text(json.dumps({"format": 2, "root": "/", "created": 1, "owners": [0, 0, 0, 0]}))
    elif what == "no parent":
        return "none/layer"
    elif what == "link":
        (place / "elsewhere").mkdir()
        (place / "elsewhere/upper").symlink_to("/")
        (place / "elsewhere/work").mkdir()
        (place / "elsewhere/skerry.json").write_text(
            json.dumps({"format": 1, "root": str(place / "root"), "created": 1, "owners": [0, 0, 0, 0]})
        )
        return "elsewhere"
    return "layer"


@pytest.mark.parametrize("what", ["file", "other", "damaged", "empty description", "no upper", "newer", "no parent", "link"])
def test_wrong_directories_are_refused_in_one_line(skerry: Run, root: Path, what: str) -> None:
    name = _wrong(root.parent, what)
    result = skerry("run", "--root", "root", "--upper", name, "/bin/sh", "-c", "echo ran")
    assert (result.returncode, result.stdout) == (125, "")
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith(f"skerry: --upper {name}: ")


def test_layer_of_another_root_is_refused(skerry: Run, root: Path) -> None:
    inside(skerry, "true")
    shutil.copytree(root, root.parent / "other", symlinks=True)
    result = skerry("run", "--root", "other", "--upper", "layer", "/bin/sh", "-c", "true")
    assert result.returncode == 125
    assert result.stderr == f"skerry: --upper layer: it was made over --root {root}: give that root, or another directory\n"


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_directory_that_cannot_be_written_is_refused(skerry: Run, root: Path) -> None:
    (root.parent / "layer").mkdir()
    (root.parent / "layer").chmod(0o555)
    result = skerry("run", "--root", "root", "--upper", "layer/x", "/bin/sh")
    assert result.returncode == 125
    assert os.strerror(errno.EACCES) in result.stderr


def test_the_layer_is_not_seen_inside(skerry: Run, root: Path) -> None:
    """Where it lies within the root, the name is free inside."""
    result = skerry(
        "run", "--root", "root", "--upper", "root/layer", *ME, "--", "/bin/sh", "-c", "ls /; ls /layer; mkdir /layer && ls /layer"
    )
    assert "layer" not in result.stdout
    assert result.returncode == 0


def test_programs_cannot_be_given_the_layer_itself(skerry: Run, root: Path) -> None:
    for source in (root.parent, root.parent / "layer", root.parent / "layer/upper/.."):
        (root.parent / "layer").mkdir(exist_ok=True)
        result = skerry("run", "--root", "root", "--upper", "layer", "--bind", f"{source}:/mnt:rw", "/bin/sh", "-c", "echo ran")
        assert (result.returncode, result.stdout) == (125, "")
        assert result.stderr.startswith("skerry: --upper layer: it lies in ")
    inside(skerry, "ls /mnt/layer", "--bind", f"{root.parent}:/mnt:ro")


def test_links_in_the_layer_lead_nowhere_outside(skerry: Run, root: Path) -> None:
    """Directories that become links and back, with absolute and climbing targets, while files are made through them."""
    outside = root.parent / "outside"
    outside.mkdir()
    (outside / "mine").write_text("mine")
    script = f"""
        i=0; while [ $i -lt 30 ]; do
          for target in {outside} ../../../outside ../../../../../../../..{outside}; do
            mkdir -p /d; echo x > /d/f$i; mv /d /e; ln -s $target /d
            echo y > /d/g$i || true; rm -f /d/mine; mkdir -p /d/h || true; chmod 777 /d/. || true; cp /etc/a /d/copied || true
            rm /d; mv /e /d; rm -r /d
          done; i=$((i+1)); done 2>/dev/null
        ls {outside} 2>/dev/null || echo nothing"""
    assert inside(skerry, script).stdout == "nothing\n"
    assert [path.name for path in outside.iterdir()] == ["mine"]
    assert stat.S_IMODE(outside.stat().st_mode) != 0o777
    assert skerry("commit", "layer").returncode == 0
    assert [path.name for path in outside.iterdir()] == ["mine"]


def test_disk_counts_what_the_layer_keeps(skerry: Run, root: Path) -> None:
    inside(skerry, "i=0; while [ $i -lt 10 ]; do cat /bin/busybox > /f$i; i=$((i+1)); done", "--disk", "64M")
    size = (root / "bin/busybox").stat().st_size
    result = skerry(
        "run",
        "--root",
        "root",
        "--upper",
        "layer",
        "--disk",
        f"{11 * size >> 10}K",
        *ME,
        "/bin/sh",
        "-c",
        "cat /bin/busybox /bin/busybox > /g",
    )
    assert result.returncode == 1
    assert "No space left on device" in result.stderr
    assert "limit reached: --disk" in result.stderr


def test_diff_and_commit_need_a_layer(skerry: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for command in ("diff", "commit"):
        for name in ("empty", "none"):
            result = skerry(command, name)
            assert result.returncode == 1
            assert result.stderr.startswith(f"skerry: {name}: ")
            assert len(result.stderr.splitlines()) == 1
    assert os.listdir(tmp_path / "empty") == []


@pytest.mark.skipif(
    os.getuid() != 0 or "overlay" not in Path("/proc/filesystems").read_text(), reason="needs root, and overlay in the kernel"
)
def test_linux_mounts_the_layer(skerry: Run, root: Path) -> None:
    """The format is OverlayFS's."""
    inside(skerry, CHANGES)
    place = root.parent / "mnt"
    place.mkdir()
    layer = root.parent / "layer"
    options = f"lowerdir={root},upperdir={layer}/upper,workdir={layer}/work,userxattr"
    mounted = subprocess.run(["mount", "-t", "overlay", "-o", options, "overlay", place], capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"this host mounts no overlay here: {mounted.stderr.strip()}")
    try:
        found = {str(path.relative_to(place)) for path in place.rglob("*")} - {f"bin/{name}" for name in os.listdir(root / "bin")}
        assert found == {
            "bin",
            "etc",
            "etc/a",
            "etc/link",
            "new",
            "new/l",
            "new/m",
            "new/n",
            "new/p",
            "dir",
            "dir/g",
            "dir/sub",
            "dir/sub/z",
        }
        assert (place / "etc/a").read_text() == "one\ntwo\nthree\n"
        assert (place / "new/n").stat().st_mode & 0o7777 == 0o4755
    finally:
        subprocess.run(["umount", place], check=True)
