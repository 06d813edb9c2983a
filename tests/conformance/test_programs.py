"""The same script natively and under Skerry: same output, same exit status."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = [pytest.mark.conformance, pytest.mark.machine, pytest.mark.slow]

PROGRAMS = Path(__file__).parent / "programs"


@dataclass(frozen=True)
class Case:
    """A script for ``shell -c``, run in an empty directory; ``needs`` are commands without which it is skipped."""

    name: str
    script: str
    needs: tuple[str, ...] = ()
    shell: str = "/bin/sh"


CASES = (
    Case("echo", "echo hello; exit 3"),
    Case("dies-of-a-signal", "kill -9 $$"),
    Case("pipeline", "seq 1000 | sort -rn | head -3 | tr '\\n' ' '; yes | head -c 100000 | wc -c"),
    Case("here-document", "cat <<X\none $((1+1))\nX\n"),
    Case("traps-and-subshells", "trap 'echo bye' EXIT; (exit 7); echo $?; (cd /; pwd); echo `echo nested`", shell="/bin/bash"),
    Case("background-jobs", "sleep 0.05 & sleep 0.01 & wait; echo $?; kill -0 $$ && echo alive", shell="/bin/bash"),
    Case("handler-runs", "trap 'echo usr1' USR1; kill -USR1 $$; echo after", shell="/bin/bash"),
    Case("process-substitution", "diff <(seq 3) <(seq 4); echo $?", shell="/bin/bash"),
    Case("busybox-applets", "busybox seq 5 | busybox awk '{s+=$1} END {print s}'; busybox ls /usr | busybox sort", ("busybox",)),
    Case("busybox-shell", "busybox sh -c 'for i in a b; do echo $i; done | busybox cat; echo $?'", ("busybox",)),
    Case(
        "files",
        "mkdir -p d/e; echo x > d/f; ln -s f d/l; ln d/f d/h; cat d/l; stat -c '%h %s %F' d/f d/l d; chmod 600 d/f; "
        "mv d/f d/e/g; ls -R d; rm -r d; ls; rmdir nothing; echo $?",
    ),
    Case("permissions-and-times", "touch -d '2001-02-03 04:05:06' f; chmod 4755 f; stat -c '%a %Y' f; umask 077; touch g; stat -c %a g"),
    Case("find-xargs-grep", "find /usr/include/linux -name 'f*.h' | sort | xargs grep -c define | tail -5"),
    Case("sed-awk-diff", "seq 20 > a; sed -i 's/1/one/' a; awk 'NR%5==0' a; seq 20 | diff - a | head -4"),
    Case("tar-gzip", "mkdir t; seq 5000 > t/a; tar czf t.tgz t; rm -r t; tar xzf t.tgz; md5sum t/a", ("gzip",)),
    Case("tar-xz", "seq 5000 > a; tar cJf a.txz a; tar xJOf a.txz | md5sum", ("xz",)),
    Case("gcc", f"gcc -O2 -pthread {PROGRAMS}/threads.c -o t && ./t", ("gcc",)),
    Case("g++", "echo '#include <iostream>\nint main(){std::cout<<\"c++\\n\";}' > a.cc; g++ a.cc -o a && ./a", ("g++",)),
    Case("errno-and-signals", f"gcc -O1 {PROGRAMS}/kernel.c -o k && ./k", ("gcc",)),
    Case("musl", "echo 'int puts(char*);int main(){puts(\"musl\");}' > m.c; musl-gcc -static m.c -o m && ./m", ("musl-gcc",)),
    Case(
        "make",
        "for i in 1 2 3 4; do echo \"int f$i(void){return $i;}\" > f$i.c; done; echo 'int f1(void);int main(void){return f1();}' > m.c; "
        "printf 'm: f1.o f2.o f3.o f4.o m.o\\n\\t$(CC) -o $@ $^\\n' > Makefile; make -s -j2; ./m; echo $?",
        ("make", "gcc"),
    ),
    Case("python", f"python3 {PROGRAMS}/processes.py", ("python3",)),
    Case("perl", 'perl -e \'open F,">f"; print F 1; close F; print -s "f", " ", join(",",map{$_**2}1..4), "\\n"; exit 4\'', ("perl",)),
    Case(
        "git",
        "git init -q r 2>/dev/null; cd r; git config user.email a@b; git config user.name n; echo a > f; git add f; "
        "git commit -qm one; git log --format=%s; git status --short",
        ("git",),
    ),
    Case(
        "sqlite", "sqlite3 x.db 'create table t(a); insert into t values(1),(2); select sum(a) from t;'; sqlite3 x.db .dump", ("sqlite3",)
    ),
)


def skerry(*arguments: str, cwd: Path, timeout: int = 60) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "skerry", "run", *arguments]
    return subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_same_as_natively(case: Case, tmp_path: Path) -> None:
    for command in case.needs:
        if shutil.which(command) is None:
            pytest.skip(f"{command} is not installed")
    place = Path(f"/tmp/skerry-{os.getpid()}")  # the same path on both sides: a fresh tmpfs inside
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    try:
        script = f"cd {place}; {case.script}"
        native = subprocess.run([case.shell, "-c", script], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    finally:
        shutil.rmtree(place)
    inside = skerry("--bind", str(PROGRAMS), "--", case.shell, "-c", f"mkdir {place}; {script}", cwd=tmp_path)
    expected = native.returncode if native.returncode >= 0 else 128 - native.returncode
    assert (inside.stdout, inside.stderr, inside.returncode) == (native.stdout, native.stderr, expected)


def test_host_is_untouched(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    place = Path("/var/tmp/skerry-victim")
    shutil.copy(victim, place)
    try:
        script = (
            f"echo changed > {place}; chmod 600 {place}; cat {place}; rm {place}; touch /var/tmp/skerry-new /etc/skerry-new; ls {place}"
        )
        result = skerry("--", "sh", "-c", script, cwd=tmp_path)
        assert result.stdout == b"changed\n"
        assert (place.read_text(), place.stat().st_mode & 0o777) == ("mine", victim.stat().st_mode & 0o777)
        assert not Path("/var/tmp/skerry-new").exists()
        assert not Path("/etc/skerry-new").exists()
    finally:
        place.unlink()


def test_bind_shows_a_directory_and_keeps_writes_inside(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("given\n")
    result = skerry("--bind", f"{tmp_path}:/data", "--cwd", "/data", "--", "sh", "-c", "cat in; echo x > out; ls", cwd=tmp_path)
    assert (result.stdout, result.returncode) == (b"given\nin\nout\n", 0)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def arm_program(path: Path) -> Path:
    head = bytearray(Path(sys.executable).resolve().read_bytes()[:4096])
    head[18:20] = (183).to_bytes(2, "little")
    path.write_bytes(head)
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("make", "status", "words"),
    [
        (lambda d: ["nosuchprogram"], 127, "not found"),
        (lambda d: ["/etc/passwd"], 126, "Permission denied"),
        (lambda d: [str(arm_program(d / "arm"))], 126, "AArch64"),
        (lambda d: ["--root", str(d / "missing"), "--", "true"], 125, "No such file"),
    ],
    ids=["missing", "not-executable", "other-architecture", "missing-root"],
)
def test_error_is_one_line(make: object, status: int, words: str, tmp_path: Path) -> None:
    assert callable(make)
    arguments = make(tmp_path)
    binds = ["--bind", f"{tmp_path}:{tmp_path}"] if arguments[0].startswith("/") else []
    result = skerry(*binds, *(arguments if "--" in arguments else ["--", *arguments]), cwd=tmp_path)
    assert result.returncode == status
    lines = result.stderr.decode().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("skerry: ")
    assert words in lines[0]
