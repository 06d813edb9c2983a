"""`skerry run --disk-image`: a file of the host as a block device, as a user gives it."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from running import Run

pytestmark = [pytest.mark.machine, pytest.mark.slow]
SIZE = 8 << 20
LINUX_TOOLS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disk.img"
    with path.open("wb") as file:
        file.truncate(SIZE)
    return path


def needs(*commands: str) -> None:
    missing = [command for command in commands if shutil.which(command, path=LINUX_TOOLS) is None]
    if missing:
        pytest.skip(f"not installed: {' '.join(missing)}")


def inside(skerry: Run, script: str, *images: str) -> str:
    """What a script says; it must succeed, and all that it says on standard error is returned, too."""
    options = [word for image in images for word in ("--disk-image", image)]
    result = skerry("run", "--env", f"PATH={LINUX_TOOLS}", *options, "--", "sh", "-ec", f"exec 2>&1\n{script}")
    assert (result.returncode, result.stderr) == (0, ""), result
    return result.stdout


def test_file_system_made_inside_is_a_file_system_outside(skerry: Run, image: Path) -> None:
    needs("mkfs.ext4", "fsck.ext4", "debugfs")
    script = """
    mkfs.ext4 -q /dev/disk0
    printf 'mkdir a\\nwrite /etc/passwd a/passwd\\n' | debugfs -w -f - /dev/disk0 > /dev/null 2>&1
    fsck.ext4 -fn /dev/disk0 > /dev/null 2>&1
    debugfs -R 'cat a/passwd' /dev/disk0 2> /dev/null | cmp - /etc/passwd
    """
    assert inside(skerry, script, "disk0=disk.img:rw") == ""
    command = ["debugfs", "-R", "cat a/passwd", str(image)]
    found = subprocess.run(command, env={"PATH": LINUX_TOOLS}, capture_output=True, check=True, timeout=60)
    assert found.stdout == Path("/etc/passwd").read_bytes()
    assert subprocess.run(["fsck.ext4", "-fn", str(image)], env={"PATH": LINUX_TOOLS}, capture_output=True, timeout=60).returncode == 0


def test_other_file_systems_and_partition_tables(skerry: Run, image: Path) -> None:
    needs("mkfs.vfat", "mcopy", "mtype", "sfdisk", "blkid")
    script = """
    printf 'label: gpt\\n,2M\\n,\\n' | sfdisk -q --no-reread --no-tell-kernel /dev/d
    sfdisk -d /dev/d | grep -c '^/dev/d.*start='
    mkfs.vfat -n LABEL /dev/d > /dev/null
    mcopy -i /dev/d /etc/passwd ::p 2> /dev/null; mtype -i /dev/d ::p 2> /dev/null | cmp - /etc/passwd
    blkid -p -o value -s TYPE -s LABEL /dev/d
    """
    assert inside(skerry, script, "d=disk.img:rw").split() == ["2", "LABEL", "vfat"]


def test_programs_that_list_disks_see_it(skerry: Run, image: Path) -> None:
    needs("lsblk", "blockdev")
    script = """
    lsblk -b -r -n -o NAME,MAJ:MIN,SIZE,RO,TYPE
    blockdev --getsize64 --getss --getro /dev/disk0
    stat -c '%F %t:%T' /dev/disk0
    """
    size = str(SIZE)
    assert inside(skerry, script, "disk0=disk.img").split("\n")[:-1] == [
        f"disk0 252:0 {size} 1 disk",
        size,
        "512",
        "1",
        "block special file fc:0",
    ]


def test_copies_go_in_and_out_whole(skerry: Run, image: Path) -> None:
    data = hashlib.shake_128(b"disk").digest(SIZE)
    image.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    script = """
    sha256sum < /dev/a
    dd if=/dev/a of=/dev/b bs=3M conv=fsync 2> /dev/null
    cmp /dev/a /dev/b
    dd if=/dev/a of=/dev/b bs=1M seek=1 || :
    """
    other = image.with_name("other.img")
    with other.open("wb") as file:
        file.truncate(SIZE)
    lines = inside(skerry, script, f"a={image}", f"b={other}:rw").split("\n")
    assert lines[0] == f"{digest}  -"
    assert "No space left on device" in lines[1]
    assert other.read_bytes() == data[: 1 << 20] + data[: -1 << 20]


def test_image_is_only_read_by_default(skerry: Run, image: Path) -> None:
    script = "for mode in '' ro; do echo x > /dev/d$mode || echo refused; done; wc -c < /dev/dro; cat /dev/d | cmp - /dev/dro"
    said = inside(skerry, script, "d=disk.img", "dro=disk.img:ro").split("\n")
    assert said[1::2][:2] == ["refused", "refused"]
    assert all("Read-only file system" in line for line in said[0:4:2])
    assert said[4] == str(SIZE)
    assert image.read_bytes() == bytes(SIZE)


@pytest.mark.parametrize(("first", "second", "refused"), [("rw", "rw", True), ("rw", "ro", True), ("ro", "rw", True), ("ro", "ro", False)])
def test_who_writes_has_the_image_alone(skerry: Run, image: Path, first: str, second: str, refused: bool) -> None:
    command = [sys.executable, "-m", "skerry", "run", "--disk-image", f"d={image}:{first}", "--", "sh", "-c", "echo ready; read end"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"ready\n"
        result = skerry("run", "--disk-image", f"d={image}:{second}", "true")
        running.communicate(b"\n", timeout=60)
    assert result.returncode == (125 if refused else 0)
    assert ("end that first, or give each a copy" in result.stderr) == refused
    assert skerry("run", "--disk-image", f"d={image}:{second}", "true").returncode == 0


def test_nothing_is_lost_when_skerry_is_killed(image: Path) -> None:
    """What was written is the host's at once."""
    script = "i=0; while printf '%08d' $i | dd of=/dev/d bs=8 seek=$i conv=notrunc 2> /dev/null; do echo $i; i=$((i+1)); done"
    command = [sys.executable, "-m", "skerry", "run", "--disk-image", f"d={image}:rw", "--", "sh", "-c", script]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        for number in range(20):
            assert running.stdout.readline() == b"%d\n" % number
        running.kill()
    assert image.read_bytes()[:160] == b"".join(b"%08d" % number for number in range(20))
