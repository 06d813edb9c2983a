"""`skerry run --mount /PLACE=URL`: file systems of fsspec as directories for ordinary programs."""

from __future__ import annotations

import functools
import getpass
import http.server
import importlib.util
import io
import os
import shutil
import socket
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from running import Run

pytestmark = [pytest.mark.machine, pytest.mark.slow]

PYTHON = os.path.realpath(sys.executable)  # not one of a version manager, which is a script
LARGE = bytes(range(256)) * 2000
SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
LOOK = "cd /z; find . | sort | tr '\\n' ' '; cat motd; ./script; cat 'sub/a b%c'; cksum < large; tail -c 2 large | od -An -tx1"


def needs(module: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(importlib.util.find_spec(module) is None, reason=f"{module} is not installed")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A directory with a script, a name that URLs must quote, and a file of several blocks."""
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "motd").write_text("Hello\n")
    (tree / "script").write_text("#!/bin/sh\necho ran\n")
    (tree / "script").chmod(0o755)
    (tree / "sub/a b%c").write_text("quoted\n")
    (tree / "large").write_bytes(LARGE)
    return tree


def seen(tree: Path, script: bool = True) -> str:
    """What LOOK shows of the tree."""
    sums = subprocess.run(["cksum"], input=LARGE, stdout=subprocess.PIPE, check=True).stdout.decode()
    ran = "ran\n" if script else ""
    return f". ./large ./motd ./script ./sub ./sub/a b%c Hello\n{ran}quoted\n{sums} fe ff\n"


def look(skerry: Run, url: str, script: bool = True) -> str:
    result = skerry("run", "--mount", f"/z={url}", "--", "sh", "-c", LOOK if script else LOOK.replace("./script; ", ""))
    assert result.stderr == ""
    return result.stdout


def test_archives(skerry: Run, tree: Path, tmp_path: Path) -> None:
    subprocess.run(["tar", "czf", tmp_path / "x.tar.gz", "-C", tree, *os.listdir(tree)], check=True)
    subprocess.run(["tar", "cf", tmp_path / "y.tar", "-C", tree, "."], check=True)
    make_zip(tmp_path / "x.zip", tree)
    for url in ("zip://x.zip", f"tar://{tmp_path}/x.tar.gz", "tar://y.tar"):
        assert look(skerry, url) == seen(tree), url


def make_zip(path: Path, tree: Path) -> None:
    """As zip -y does, with permissions and links."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(tree.rglob("*")):
            archive.write(file, file.relative_to(tree))


def test_archive_with_hostile_names_shows_those_that_can_be(skerry: Run, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name in ("../up", "/absolute", "a/../../b", "a//c", "ok/file", "./dot"):
            archive.writestr(name, name)
        link = zipfile.ZipInfo("link")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        archive.writestr(link, "../../../../etc/hostname")
    result = skerry("run", "--mount", "/z=zip://x.zip", "--", "sh", "-c", "readlink /z/link; cat /z/ok/file; find /z | grep -c '[.][.]'")
    assert result.stdout == "../../../../etc/hostname\nok/file0\n"


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A web server that gives no parts of files, and refuses /secret."""

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        if self.path == "/secret":
            self.send_error(403)
        else:
            super().do_GET()

    def do_HEAD(self) -> None:
        if self.path == "/secret":
            self.send_response(200)
            self.send_header("Content-Length", "10")
            self.end_headers()
        else:
            super().do_HEAD()

    def copyfile(self, source: Any, outputfile: Any) -> None:
        try:
            super().copyfile(source, outputfile)
        except BrokenPipeError:  # who has seen that there are no parts goes away
            self.close_connection = True


class InParts(Quiet):
    """One that gives parts."""

    def send_head(self) -> io.BytesIO | BinaryIO | None:
        path = Path(self.translate_path(self.path))
        span = self.headers.get("Range", "")
        if not path.is_file() or not span.startswith("bytes="):
            return super().send_head()
        first, _, last = span.removeprefix("bytes=").partition("-")
        data = path.read_bytes()
        part = data[int(first) : int(last or len(data) - 1) + 1]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{int(first) + len(part) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        return io.BytesIO(part)


@pytest.fixture(params=[Quiet, InParts])
def site(request: pytest.FixtureRequest, tree: Path) -> Iterator[str]:
    """The URL of a web server that shows the tree."""
    handler = functools.partial(request.param, directory=str(tree))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@needs("aiohttp")
def test_web_server(skerry: Run, site: str, tree: Path, tmp_path: Path) -> None:
    assert look(skerry, f"{site}/", script=False) == seen(tree, script=False)
    make_zip(tmp_path / "x.zip", tree)
    shutil.move(tmp_path / "x.zip", tree / "x.zip")
    assert look(skerry, f"zip://{site}/x.zip") == seen(tree)


@needs("aiohttp")
def test_web_server_that_refuses_is_an_error(skerry: Run, site: str, tree: Path) -> None:
    (tree / "index.html").write_text('<a href="secret">s</a> <a href="/elsewhere/x">x</a> <a href="?o=1">o</a> <a href="mailto:a@b">m</a>')
    result = skerry("run", "--mount", f"/z={site}", "--", "sh", "-c", "ls /z; cat /z/secret; cat /z/none")
    assert result.stdout == "secret\n"
    assert "403" in result.stderr
    assert ": Input/output error\n" in result.stderr
    assert "cat: /z/none: No such file or directory\n" in result.stderr


@pytest.fixture
def repository(tree: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tree as a repository, with a link."""
    (tree / "link").symlink_to("motd")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    git = ["git", "-C", str(tree), "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "first"], ["tag", "first"]):
        subprocess.run([*git, *command], check=True)
    (tree / "motd").write_text("Changed\n")
    subprocess.run([*git, "commit", "-qam", "second"], check=True)
    return tree


@needs("pygit2")
@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_git(skerry: Run, repository: Path) -> None:
    for url, expected in ((f"git://{repository}:first@", "Hello"), (f"git://{repository}:", "Changed")):
        result = skerry("run", "--mount", f"/z={url}", "--", "sh", "-c", "cat /z/motd /z/link; readlink /z/link; /z/script; ls /z")
        assert result.stdout == f"{expected}\n{expected}\nmotd\nran\nlarge\nlink\nmotd\nscript\nsub\n", result.stderr


@pytest.fixture
def sftp_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of an SSH server of this user, who is let in by a key of its own."""
    place = tmp_path / "ssh"
    place.mkdir(mode=0o700)
    for key in ("host", "id_ed25519"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", place / key], check=True)
    shutil.copy(place / "id_ed25519.pub", place / "authorized")
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    shutil.copy(place / "id_ed25519", home / ".ssh/id_ed25519")
    monkeypatch.setenv("HOME", str(home))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = {
        "HostKey": place / "host",
        "AuthorizedKeysFile": place / "authorized",
        "Port": port,
        "ListenAddress": "127.0.0.1",
        "StrictModes": "no",
        "PidFile": "none",
        "UsePAM": "no",
        "Subsystem": "sftp internal-sftp",
    }
    (place / "config").write_text("".join(f"{name} {value}\n" for name, value in options.items()))
    Path("/run/sshd").mkdir(exist_ok=True)
    with subprocess.Popen([str(SSHD), "-D", "-e", "-f", str(place / "config")], stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        for line in server.stderr:
            if "listening on" in line:
                break
        yield f"sftp://{getpass.getuser()}@127.0.0.1:{port}"
        server.terminate()
        server.stderr.read()


WRITES = """
cd /z; ls; cat motd; echo more >> motd; mkdir -p new/dir; cp large new/dir/copy
cmp large new/dir/copy && echo same; mv new/dir/copy new/moved
ls new new/dir; rm -r sub
echo x > 'a [b]*.txt'; mv 'a [b]*.txt' c; sed -i s/Hello/Bye/ motd; cat motd c; truncate -s 3 large; rmdir new/dir; sync c
"""


def written(skerry: Run, url: str, tree: Path) -> None:
    result = skerry("run", "--mount", f"/z={url}:rw", "--", "sh", "-ec", WRITES)
    assert (result.stdout, result.stderr) == (
        "large\nmotd\nscript\nsub\nHello\nsame\nnew:\ndir\nmoved\n\nnew/dir:\nBye\nmore\nx\n",
        "",
    )
    assert sorted(str(path.relative_to(tree)) for path in tree.rglob("*")) == ["c", "large", "motd", "new", "new/moved", "script"]
    assert (tree / "motd").read_text() == "Bye\nmore\n"
    assert ((tree / "large").read_bytes(), (tree / "new/moved").read_bytes()) == (LARGE[:3], LARGE)


@needs("paramiko")
@pytest.mark.skipif(SSHD is None or os.getuid() != 0, reason="needs sshd, and root to run it")
def test_sftp(skerry: Run, sftp_server: str, tree: Path) -> None:
    assert look(skerry, sftp_server + str(tree), script=False) == seen(tree, script=False)  # fsspec does not say who may execute what
    written(skerry, sftp_server + str(tree), tree)


def test_directory_of_the_host(skerry: Run, tree: Path) -> None:
    assert look(skerry, "file://tree") == seen(tree)
    result = skerry("run", "--mount", "/z=file://tree", "--", "sh", "-c", "echo x > /z/motd")
    assert "Read-only file system" in result.stderr
    written(skerry, "file://tree", tree)


def test_memory_lives_as_long_as_the_run(skerry: Run) -> None:
    script = "mkdir -p /z/a/b; echo hi > /z/a/b/c; mv /z/a/b/c /z/d; cat /z/d; mv /z/a /z/e; find /z | sort"
    result = skerry("run", "--mount", "/z=memory://some/place:rw", "--", "sh", "-c", script)
    assert (result.stdout, result.stderr) == ("hi\n/z\n/z/d\n/z/e\n/z/e/b\n", "")


def test_what_cannot_be_put_away_is_told(skerry: Run, tree: Path) -> None:
    """The directory is gone when the file is closed; fsync says so to the program, too."""
    script = f"""exec 3> /z/sub/f; echo x >&3; echo ready; read line; {PYTHON} -c 'import os; os.fsync(3)' 2>&1 | tail -n 1"""
    command = [sys.executable, "-m", "skerry", "run", "--mount", "/z=file://tree:rw", "--", "bash", "-c", script]
    with subprocess.Popen(
        command, cwd=tree.parent, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        shutil.rmtree(tree / "sub")
        out, err = process.communicate("go\n", timeout=60)
    assert out.startswith("FileNotFoundError")
    assert "skerry: --mount /z=file://tree:rw: what was written to /sub/f is not where it belongs: " in err
    assert "Traceback" not in err


MISTAKES = {
    "zip://none.zip": "there is nothing at ",
    "zip://motd": "File is not a zip file: check the URL",
    "file://none": "there is nothing at ",
    "file://motd": "it is a file: give a directory, or an archive as zip://FILE",
    "nothing://x": "Protocol not known: nothing",
    "zip://x.zip:rw": "zip cannot be written: leave out :rw",
    "http://127.0.0.1:1/": "there is nothing at http://127.0.0.1:1/ (Cannot connect",
    "http://me:hidden@127.0.0.1:1/": "http://me:***@127.0.0.1:1/",
    "git://none:": "Repository not found at none: check the URL",
}


@pytest.mark.parametrize("url", MISTAKES)
def test_url_that_cannot_be_served_is_one_line(url: str, skerry: Run, tmp_path: Path) -> None:
    (tmp_path / "motd").write_text("Hello\n")
    result = skerry("run", "--mount", f"/z={url}", "--", "true")
    assert (result.stderr.count("\n"), result.returncode, result.stdout) == (1, 125, ""), result.stderr
    assert MISTAKES[url] in result.stderr
    assert "hidden" not in result.stderr


def test_url_needs_fsspec(skerry: Run, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['fsspec'] = None\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    result = skerry("run", "--mount", "/z=memory://", "--", "true", env=environment)
    assert result.stderr == ("skerry: --mount /z=memory://: URLs need fsspec, which is not installed: pip install 'skerry[fsspec]'\n")
