"""`skerry run --user`: who the program is, and what it may do as that."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from running import Run

PACKAGE = """Package: skerry-test
Version: 1
Architecture: all
Maintainer: Nobody <nobody@example.org>
Description: for a test
"""
SCRIPT = """#!/bin/sh
set -e
groupadd --system skerrytest
useradd --system --gid skerrytest --no-create-home skerrytest
chown skerrytest:skerrytest /opt/skerry-test/data
"""


@pytest.mark.parametrize(
    ("user", "said"),
    [
        ("root", "0 0 0 /root root"),
        ("0", "0 0 0 /root root"),
        ("7:8", "7 8 8 /home7 seven"),
        ("seven", "7 77 77 99 /home7 seven"),
        ("seven:more", "7 99 99 /home7 seven"),
        ("4242", "4242 4242 4242 / 4242"),
    ],
)
def test_who_one_is(skerry: Run, rootfs: Path, user: str, said: str) -> None:
    result = skerry("run", "--root", "root", "--user", user, "/bin/sh", "-c", "echo $(id -u) $(id -g) $(id -G) $HOME $USER")
    assert (result.stdout, result.stderr) == (said + "\n", "")


@pytest.fixture
def rootfs(tmp_path: Path) -> Path:
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("busybox is not installed")
    root = tmp_path / "root"
    (root / "bin").mkdir(parents=True)
    (root / "etc").mkdir()
    shutil.copy(busybox, root / "bin/busybox")
    for applet in ("sh", "id", "stat", "cat", "touch", "su", "mount"):
        (root / "bin" / applet).symlink_to("busybox")
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nseven:x:7:77::/home7:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\nmore:x:99:seven\n")
    return root


@pytest.mark.parametrize("user", ["nobodyknown", "7:nogroup", "-1", "1:2:3", "99999999999", ":"])
def test_nobody_is_refused_in_one_line(skerry: Run, rootfs: Path, user: str) -> None:
    result = skerry("run", "--root", "root", "--user", user, "/bin/sh", "-c", "echo ran")
    assert (result.returncode, result.stdout) == (125, "")
    assert result.stderr.startswith(f"skerry: --user {user}: ")
    assert len(result.stderr.splitlines()) == 1


def test_variables_are_the_users_unless_given(skerry: Run, rootfs: Path) -> None:
    result = skerry("run", "--root", "root", "--user", "root", "--env", "HOME=/else", "/bin/sh", "-c", "echo $HOME $PATH")
    assert result.stdout == "/else /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"


def test_an_ordinary_users_files_are_roots(skerry: Run, rootfs: Path) -> None:
    """And nobody else's: another user inside cannot write them."""
    script = "stat -c %u:%g /etc/passwd; touch /etc/passwd && echo written"
    assert skerry("run", "--root", "root", "--user", "root", "/bin/sh", "-c", script).stdout == "0:0\nwritten\n"
    assert skerry("run", "--root", "root", "--user", "seven", "/bin/sh", "-c", script).stdout == "0:0\n"


def test_files_of_a_bind_stay_the_users_on_the_host(skerry: Run, rootfs: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    script = "echo x > /out/f; stat -c %u:%g /out /out/f; chown 5:5 /out/f 2>/dev/null; stat -c %u:%g /out/f"
    (rootfs / "bin/chown").symlink_to("busybox")
    result = skerry("run", "--root", "root", "--user", "root", "--bind", f"{tmp_path}/out:/out:rw", "/bin/sh", "-c", script)
    owner = "5:5" if os.getuid() == 0 else "0:0"
    assert result.stdout == f"0:0\n0:0\n{owner}\n"
    assert (tmp_path / "out/f").stat().st_uid == (5 if os.getuid() == 0 else os.getuid())


def test_root_inside_reads_no_more_of_the_host(skerry: Run, tmp_path: Path) -> None:
    if os.getuid() == 0:
        pytest.skip("for an ordinary user")
    result = skerry("run", "--user", "root", "cat", "/etc/shadow")
    assert result.returncode == 1
    assert result.stdout == ""


@pytest.mark.skipif(shutil.which("dpkg-deb") is None or not Path("/var/lib/dpkg/status").exists(), reason="not Debian")
def test_package_is_installed_and_stays(skerry: Run, tmp_path: Path) -> None:
    """dpkg on this machine's own root: the layer has the package, its user and its owners; the host has none of it."""
    package = tmp_path / "package"
    (package / "DEBIAN").mkdir(parents=True, mode=0o755)
    (package / "opt/skerry-test").mkdir(parents=True)
    (package / "opt/skerry-test/data").write_text("data\n")
    (package / "DEBIAN/control").write_text(PACKAGE)
    (package / "DEBIAN/postinst").write_text(SCRIPT)
    (package / "DEBIAN/postinst").chmod(0o755)
    subprocess.run(["dpkg-deb", "--build", "--root-owner-group", package, tmp_path / "x.deb"], check=True, stdout=subprocess.DEVNULL)
    if os.getuid() and not os.access("/etc/shadow", os.R_OK):
        pytest.skip("useradd copies /etc/shadow, which only root can read here")
    before = Path("/var/lib/dpkg/status").read_bytes()
    options = ["--upper", "layer", "--user", "root", "--bind", f"{tmp_path}:/package"]
    result = skerry("run", *options, "--", "dpkg", "-i", "/package/x.deb")
    assert result.returncode == 0, result.stderr
    seen = skerry(
        "run", *options, "--", "sh", "-c", "dpkg-query -W skerry-test; dpkg --verify skerry-test; stat -c %U:%G /opt/skerry-test/data"
    )
    assert seen.stdout == "skerry-test\t1\nskerrytest:skerrytest\n"
    assert "A /opt/skerry-test/data\n" in skerry("diff", "layer").stdout
    assert Path("/var/lib/dpkg/status").read_bytes() == before
