"""Root directories that were made elsewhere, as containers have them: a busybox tree, and a Debian from debootstrap where there is one."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from running import Run

pytestmark = [pytest.mark.machine, pytest.mark.slow]

BUSYBOX = shutil.which("busybox")
PASSWD = "root:x:0:0:root:/root:/bin/sh\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """What ``busybox --install`` makes, with users, as the images of busybox and Alpine are."""
    if BUSYBOX is None or b"INTERP" in subprocess.run(["readelf", "-lW", BUSYBOX], capture_output=True, check=True).stdout:
        pytest.skip("needs busybox-static")
    root = tmp_path / "tree"
    for name in ("bin", "sbin", "usr/bin", "usr/sbin", "etc", "root", "home", "tmp", "proc", "dev", "sys", "var"):
        (root / name).mkdir(parents=True)
    shutil.copy(BUSYBOX, root / "bin/busybox")
    for applet in subprocess.run([BUSYBOX, "--list-full"], capture_output=True, text=True, check=True).stdout.split():
        link = root / applet
        if not link.exists():
            link.symlink_to("/bin/busybox")
    (root / "etc/passwd").write_text(PASSWD)
    (root / "etc/group").write_text("root:x:0:\n")
    (root / "etc/shadow").write_text("root:*:19000:0:99999:7:::\n")
    (root / "etc/shadow").chmod(0o600)
    (root / "etc/hostname").write_text("small\n")
    return root


WORK = """
set -e
id; hostname; ls -d /dev/null /proc/self
echo 'anna:x:1000:1000::/home/anna:/bin/sh' >> /etc/passwd; echo 'anna:x:1000:' >> /etc/group; mkdir /home/anna
echo data > /home/anna/file; chown anna:anna /home/anna/file; chmod 600 /home/anna/file
su anna -c 'id -un; cat ~/file; cat /etc/shadow' || true
tar cf /tmp/all.tar -C / etc home; mkdir /tmp/out; tar xpf /tmp/all.tar -C /tmp/out; stat -c '%U %a' /tmp/out/home/anna/file
mkdir -p /mnt/x; mount -t tmpfs tmpfs /mnt/x; df /mnt/x | tail -1 | cut -d' ' -f1
mkdir /jail; cp -a /bin /jail/; chroot /jail /bin/sh -c 'ls /'
rm -rf /sbin/halt; ln -s /etc/passwd /link; echo gone > /etc/motd
"""
DONE = """uid=0(root) gid=0(root){groups}
small
/dev/null
/proc/self
anna
data
anna 600
tmpfs
bin
"""


def test_busybox_tree_is_a_root(skerry: Run, tree: Path, tmp_path: Path) -> None:
    """Administration by root inside, in a layer that is kept; the tree stays as it was."""
    before = sorted((str(path), path.lstat().st_mode, path.lstat().st_mtime_ns) for path in tree.rglob("*"))
    options = ["--root", str(tree), "--user", "root", "--upper", str(tmp_path / "layer")]
    result = skerry("run", *options, "--", "/bin/sh", "-c", WORK)
    groups = " groups=0(root)" if "groups=" in result.stdout else ""
    assert result.stdout == DONE.format(groups=groups)
    assert "cat: can't open '/etc/shadow': Permission denied" in result.stderr
    again = skerry("run", *options, "--", "/bin/sh", "-c", "stat -c '%U %a' /home/anna/file; readlink /link; cat /etc/motd; ls /sbin/halt")
    assert again.stdout == "anna 600\n/etc/passwd\ngone\n"
    assert again.returncode == 1
    assert sorted((str(path), path.lstat().st_mode, path.lstat().st_mtime_ns) for path in tree.rglob("*")) == before


DEBIAN = os.environ.get("SKERRY_DEBIAN", "/var/lib/skerry-test/debian")  # debootstrap --variant=minbase bookworm DIRECTORY
CONTROL = "Package: skerry-hello\nVersion: 1\nArchitecture: all\nMaintainer: N <n@example.org>\nDescription: x\n"
SCRIPT = "#!/bin/sh\nset -e\nuseradd --system skerryhello\nchown skerryhello /opt/hello\n"
INSTALL = """
set -e
dpkg -i /repository/hello.deb
dpkg -P skerry-hello
userdel skerryhello
echo 'deb [trusted=yes] file:/repository ./' > /etc/apt/sources.list
apt-get update; apt-get install -y skerry-hello
useradd -m anna
su anna -c 'id -un; stat -c %U /opt/hello; cat /etc/shadow' || true
dpkg --audit; dpkg --verify skerry-hello
"""


@pytest.mark.skipif(not Path(DEBIAN, "etc/debian_version").exists(), reason="SKERRY_DEBIAN names no tree of debootstrap's")
@pytest.mark.skipif(shutil.which("dpkg-scanpackages") is None, reason="needs dpkg-dev")
def test_debian_tree_takes_packages(skerry: Run, tmp_path: Path) -> None:
    """dpkg and apt-get with a local package and a local repository."""
    package, repository = tmp_path / "package", tmp_path / "repository"
    (package / "DEBIAN").mkdir(parents=True, mode=0o755)
    (package / "opt").mkdir()
    (package / "opt/hello").write_text("hello\n")
    (package / "DEBIAN/control").write_text(CONTROL)
    (package / "DEBIAN/postinst").write_text(SCRIPT)
    (package / "DEBIAN/postinst").chmod(0o755)
    repository.mkdir()
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", package, repository / "hello.deb"], check=True, stdout=subprocess.DEVNULL)
    with (repository / "Packages").open("w") as index:
        subprocess.run(["dpkg-scanpackages", "."], cwd=repository, check=True, stdout=index, stderr=subprocess.DEVNULL)
    options = ["--root", DEBIAN, "--user", "root", "--upper", str(tmp_path / "layer"), "--bind", f"{repository}:/repository"]
    result = skerry("run", *options, "--", "sh", "-c", INSTALL)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-2:] == ["anna", "skerryhello"]
    assert "cat: /etc/shadow: Permission denied" in result.stderr
    assert not Path(DEBIAN, "opt/hello").exists()
