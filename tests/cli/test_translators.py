"""`skerry run --mount /PLACE=FILE.py:CLASS`: what a class of the user's serves, as programs see it, and translators that are at fault."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from running import Run

pytestmark = [pytest.mark.machine, pytest.mark.slow]

EXAMPLES = Path(__file__).parents[2] / "examples/translators"
MEMORY = f"{EXAMPLES}/memory.py:Memory"
SERVER = '''
import os
from skerry.lib.translator import Files, Generated, Stat, Translator

class Library(Generated):
    """Files of all sizes, a script, and a copy of a program that the text of this file holds."""

    def files(self) -> Files:
        return {"motd": "Hello\\n", "a/b/c/deep": "needle\\n", "large": bytes(range(256)) * 4000, "empty": "", "a/time": lambda: "now\\n"}

class Tools(Translator):
    def stat(self, path: str) -> Stat:
        if path == "script":
            return Stat(0o555, len(SCRIPT))
        return super().stat(path)

    def list(self, path: str):
        return ["script"]

    def read(self, path: str, offset: int, count: int) -> bytes:
        return SCRIPT[offset : offset + count]

SCRIPT = b"#!/bin/sh\\necho script: $1\\n"
'''


def serve(place: Path, text: str = SERVER) -> str:
    """Write a server's file."""
    (place / "server.py").write_text(text)
    return "server.py"


def inside(skerry: Run, script: str, *options: str) -> subprocess.CompletedProcess[str]:
    return skerry("run", *options, "--", "sh", "-c", script)


def test_ordinary_programs_read_what_a_class_serves(skerry: Run, tmp_path: Path) -> None:
    serve(tmp_path)
    large = bytes(range(256)) * 4000
    script = """
    cd /d; ls; ls a/b; stat -c '%n %s %F %A' motd a large; find . -type f | sort; grep -rl needle .; cat motd empty a/time
    test -w motd || echo no
    md5sum < large; tail -c 2 large | od -An -tx1; dd if=large bs=1000 skip=500 count=1 status=none | md5sum
    cp -r /d /tmp/copy && diff -r /d /tmp/copy && echo same; tar cf - . | tar tf - | wc -l; grep ' /d ' /proc/mounts; df /d | wc -l
    """
    result = inside(skerry, script, "--mount", "/d=server.py:Library")
    assert result.stderr == ""
    assert result.stdout.splitlines() == [
        *("a", "empty", "large", "motd", "c"),
        *("motd 6 regular file -r--r--r--", "a 4096 directory dr-xr-xr-x", "large 1024000 regular file -r--r--r--"),
        *("./a/b/c/deep", "./a/time", "./empty", "./large", "./motd"),
        *("./a/b/c/deep", "Hello", "now", "no"),
        hashlib.md5(large).hexdigest() + "  -",
        " fe ff",
        hashlib.md5(large[500_000:501_000]).hexdigest() + "  -",
        *("same", "9", "fuse /d fuse ro,relatime 0 0", "2"),
    ]


PYTHON = """
import mmap, os
with open("/d/large", "rb") as file:
    whole = file.read()
    assert os.pread(file.fileno(), 10, 256000) == whole[256000:256010]
    assert os.pread(file.fileno(), 10, 1024000) == b""
    assert file.seek(-3, os.SEEK_END) == 1023997 and file.read() == whole[-3:]
    with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as seen:
        assert seen[:] == whole
    with mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE) as own:
        own[0] = 9
        assert own[:2] == b"\\x09\\x01" and os.pread(file.fileno(), 2, 0) == b"\\0\\1"
for name, error in (("/d/none", 2), ("/d/motd/x", 20), ("/d/" + "x" * 256, 36)):
    try:
        os.stat(name)
    except OSError as found:
        assert found.errno == error, found
    else:
        raise AssertionError(name)
for change in (lambda: open("/d/new", "w"), lambda: open("/d/motd", "a"), lambda: os.mkdir("/d/x"), lambda: os.unlink("/d/motd"),
               lambda: os.rename("/d/motd", "/d/y"), lambda: os.chmod("/d/motd", 0o777), lambda: os.symlink("x", "/d/l")):
    try:
        change()
    except OSError as found:
        assert found.errno == 30, found
    else:
        raise AssertionError(change)
print("done")
"""


def test_offsets_mappings_and_errors_are_those_of_a_read_only_file_system(skerry: Run, tmp_path: Path) -> None:
    serve(tmp_path)
    result = skerry("run", "--mount", "/d=server.py:Library", "--", os.path.realpath(sys.executable), "-c", PYTHON)
    assert (result.stdout, result.stderr, result.returncode) == ("done\n", "", 0)


def test_program_that_a_class_serves_is_run(skerry: Run, tmp_path: Path) -> None:
    """As the command's own program, from the directory that it starts in, and by another program."""
    serve(tmp_path)
    assert skerry("run", "--mount", "/t=server.py:Tools", "--", "/t/script", "1").stdout == "script: 1\n"
    result = skerry("run", "--mount", "/t=server.py:Tools", "--cwd", "/t", "--", "sh", "-c", "./script 2; pwd; cat script | sh -s 3")
    assert result.stdout == "script: 2\n/t\nscript: 3\n"


def test_program_that_is_not_there_is_not_found(skerry: Run, tmp_path: Path) -> None:
    serve(tmp_path)
    result = skerry("run", "--mount", "/t=server.py:Tools", "--", "/t/none")
    assert (result.stderr, result.returncode) == ("skerry: /t/none: not found: check the path: it is the name inside\n", 127)
    result = skerry("run", "--mount", "/t=server.py:Tools", "--cwd", "/t/none", "--", "true")
    assert (result.stderr.count("\n"), result.returncode) == (1, 125)


CHANGES = """
cd /m; echo one > a; echo two >> a; cat a; mkdir -p d/e; mv a d/e/b; ln -s e/b d/l; cat d/l; readlink d/l
truncate -s 3 d/e/b; cat d/e/b; echo
chmod 750 d/e/b; touch -d '2001-02-03 04:05:06 UTC' d/e/b; stat -c '%A %Y %s' d/e/b
rmdir d 2>/dev/null || echo not empty; ln d/e/b h 2>/dev/null || echo no links; cp /bin/true t; ./t && echo ran
cmp t /bin/true && echo same; printf abc | dd of=d/e/b bs=1 seek=5 conv=notrunc status=none; od -An -c d/e/b
for i in 1 2 3; do (for j in 1 2 3 4 5 6 7 8; do echo $i.$j >> log; done) & done; wait; sort -u log | wc -l; rm log
mkfifo p 2>/dev/null || echo no pipes; mkdir x; mv d x; find . | sort; rm -r x t; ls -A | wc -l
"""


def test_tree_that_can_be_written_is_changed_by_ordinary_programs(skerry: Run) -> None:
    result = inside(skerry, CHANGES, "--mount", f"/m={MEMORY}")
    assert result.stderr == ""
    assert result.stdout.splitlines() == [
        *("one", "two", "one", "two", "e/b", "one"),
        *("-rwxr-x--- 981173106 3", "not empty", "no links", "ran", "same"),
        *("   o   n   e  \\0  \\0   a   b   c", "24", "no pipes"),
        *(".", "./t", "./x", "./x/d", "./x/d/e", "./x/d/e/b", "./x/d/l", "0"),
    ]


def test_two_mounts_and_one_within_a_bind_lead_each_to_its_own(skerry: Run, tmp_path: Path) -> None:
    serve(tmp_path)
    shown = tmp_path / "shown"
    shown.mkdir()
    (shown / "file").write_text("of the host\n")
    options = ["--bind", f"{shown}:/b", "--mount", "/b/in/d=server.py:Library", "--mount", f"/one={MEMORY}", "--mount", f"/two={MEMORY}"]
    script = "cat /b/file /b/in/d/motd; echo 1 > /one/f; ls /two; mv /one/f /two/f; ls /one; cat /two/f"
    result = inside(skerry, script, *options)
    assert (result.stdout, result.stderr) == ("of the host\nHello\n1\n", "")
    assert sorted(path.name for path in shown.iterdir()) == ["file"]


@pytest.mark.skipif(shutil.which("busybox") is None, reason="busybox is not installed")
def test_mount_is_there_with_another_root_too(skerry: Run, tmp_path: Path) -> None:
    serve(tmp_path)
    (tmp_path / "root/bin").mkdir(parents=True)
    shutil.copy(str(shutil.which("busybox")), tmp_path / "root/bin/busybox")
    result = skerry("run", "--root", "root", "--mount", "/srv/d=server.py:Library", "--", "/bin/busybox", "cat", "/srv/d/motd")
    assert (result.stdout, result.stderr) == ("Hello\n", "")
    assert not (tmp_path / "root/srv").exists()


FAULTS = '''
import errno
from skerry.lib.translator import Stat, Translator

class Faults(Translator):
    """What is wrong is told by the name of the file."""

    valid = 0
    seen = 0

    def list(self, path):
        return ["../etc"]

    def stat(self, path):
        Faults.seen += 1
        if path == "text":
            return "text"
        if path == "fault":
            return 1 // 0
        if path == "escape":
            raise ValueError("\\x1b[31m")
        if path == "full":
            raise OSError(errno.ENOSPC, "")
        if path == "exit":
            raise SystemExit
        if path == "seen":
            return Stat(size=Faults.seen)
        if path.startswith("flood"):
            raise ValueError(path)
        return super().stat(path)
'''


def test_faults_of_a_class_are_errors_to_programs_and_told_to_the_user(skerry: Run, tmp_path: Path) -> None:
    serve(tmp_path, FAULTS)
    script = """
    for f in '' text fault escape full none; do ls /f/$f 2>&1 | sed 's/.*: //'; done
    for n in $(seq 40); do test -e /f/flood$n; done
    """
    result = inside(skerry, script, "--mount", "/f=server.py:Faults")
    assert result.stdout.splitlines() == [
        *("Input/output error", "Input/output error", "Input/output error", "Input/output error"),
        *("No space left on device", "No such file or directory"),
    ]
    said = result.stderr
    assert "skerry: --mount /f=server.py:Faults: ValueError: list gave '../etc': it cannot be the name of an entry\n" in said
    assert "TypeError: stat must give a Stat, not str\n" in said
    assert ", in stat\n    return 1 // 0\n" in said
    assert "ZeroDivisionError" in said
    assert "\x1b" not in said
    assert said.count("skerry: --mount") == 21
    assert said.endswith("it has further troubles, which are not shown\n")


def test_class_that_ends_is_started_anew(skerry: Run, tmp_path: Path) -> None:
    serve(tmp_path, FAULTS)
    script = "stat -c %s /f/seen; stat -c %s /f/seen; stat /f/exit; until stat -c %s /f/seen 2>/dev/null; do :; done"
    result = inside(skerry, script, "--mount", "/f=server.py:Faults")
    first, second, third = (int(line) for line in result.stdout.splitlines())
    assert first < second > third
    assert "skerry: --mount /f=server.py:Faults: its server has ended: it is started anew when it is needed\n" in result.stderr


ENDS = {
    "class cannot be made": ("class C:\n    def __init__(self):\n        raise RuntimeError('no luck')\n", "RuntimeError: no luck"),
    "module is not there": ("import numpy\nclass C: pass\n", "ModuleNotFoundError: No module named 'numpy'"),
    "file is opened": ("class C:\n    def __init__(self):\n        open('/etc/passwd')\n", "PermissionError"),
}


@pytest.mark.parametrize("case", ENDS)
def test_class_that_cannot_begin_says_why(case: str, skerry: Run, tmp_path: Path) -> None:
    text, words = ENDS[case]
    serve(tmp_path, text)
    result = inside(skerry, "ls /c; echo on", "--mount", "/c=server.py:C")
    assert result.stdout == "on\n"
    assert words in result.stderr
    assert "ls: cannot access '/c': Input/output error" in result.stderr


def test_modules_that_this_host_lacks_may_be_tried(skerry: Run, tmp_path: Path) -> None:
    serve(tmp_path, "try:\n    import winreg, msvcrt\nexcept ImportError:\n    pass\nimport zlib, xml.dom.minidom\n" + SERVER)
    assert inside(skerry, "cat /d/motd", "--mount", "/d=server.py:Library").stdout == "Hello\n"


MISTAKES = {
    "place is relative": ("d=server.py:Library", "give /PLACE=FILE.py:CLASS"),
    "place is the root": ("/=server.py:Library", "give a place below it"),
    "place is in a file": ("/etc/passwd/d=server.py:Library", "Not a directory: choose another place"),
    "place is where nothing can be": ("/proc/d=server.py:Library", "choose another place"),
    "place is in another mount": ("/one/d=server.py:Library", "it lies in another mount: choose another place"),
    "nothing is named": ("/d=", "give /PLACE=FILE.py:CLASS"),
    "class is not named": ("/d=server.py", "neither FILE.py:CLASS nor a URL such as zip://x.zip"),
    "class is not there": ("/d=server.py:Nothing", "server.py has no class Nothing: give one of Library, Tools"),
    "file is not there": ("/d=none.py:A", "none.py: No such file or directory"),
    "file is no Python": ("/d=words:A", "words line 1 is no Python"),
    "file is binary": ("/d=binary:A", "no Python"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_mistake_in_the_option_is_one_line(case: str, skerry: Run, tmp_path: Path) -> None:
    serve(tmp_path)
    (tmp_path / "words").write_text("not a program\n")
    (tmp_path / "binary").write_bytes(b"\xff\0")
    text, words = MISTAKES[case]
    result = skerry("run", "--mount", f"/one={MEMORY}", "--mount", text, "--", "true")
    assert (result.stderr.count("\n"), result.returncode, result.stdout) == (1, 125, ""), result.stderr
    assert result.stderr.startswith(f"skerry: --mount {text}: ")
    assert words in result.stderr


def test_example_of_generated_files(skerry: Run) -> None:
    result = inside(skerry, "cat /s/12; tail -n 1 /s/tables/all.csv; ls /s | wc -l", "--mount", f"/s={EXAMPLES}/squares.py:Squares")
    assert (result.stdout, result.stderr) == ("144\n100,10000\n102\n", "")


def test_a_large_read_asks_for_much_at_once(skerry: Run, tmp_path: Path) -> None:
    """Seen to hang where Unix is a task: its driver had no time for calls while interrupts were not taken."""
    (tmp_path / "large.py").write_text(
        "from skerry.lib.translator import Generated\n"
        "class Large(Generated):\n"
        "    def files(self):\n"
        "        return {'large': bytes(range(256)) * 8000}\n"
    )
    script = """
import os
f, contents = os.open("/l/large", 0), bytes(range(256)) * 8000
print(os.read(f, 2_000_000) == contents[:2_000_000], os.read(f, 2_000_000) == contents[2_000_000:])
"""
    result = skerry("run", "--mount", "/l=large.py:Large", "--", os.path.realpath(sys.executable), "-c", script)
    assert (result.stdout, result.stderr) == ("True True\n", "")
