"""What is wrong is said in one line, with what to do, and an exit status of its own."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from running import Run

from skerry.cli import main

pytestmark = [pytest.mark.machine, pytest.mark.slow]

HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
SEGMENT = struct.Struct("<IIQQQQQQ")
X86_64, AARCH64 = 62, 183


def elf(machine: int = X86_64, interpreter: bytes = b"", segments: int = 1) -> bytes:
    """A program that loads nothing but itself; with an interpreter, or without the segments that it promises."""
    loads = [SEGMENT.pack(1, 5, 0, 0x400000, 0x400000, 4096, 4096, 4096)]
    if interpreter:
        loads.append(SEGMENT.pack(3, 4, 1024, 0x400400, 0x400400, len(interpreter), len(interpreter), 1))
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    head = HEADER.pack(ident, 2, machine, 1, 0x400200, 64, 0, 0, 64, 56, len(loads) * segments, 0, 0, 0) + b"".join(loads)
    return head.ljust(1024, b"\0") + interpreter.ljust(3072, b"\0")


def an_image(directory: Path, mode: int = 0o644) -> str:
    path = directory / "image"
    path.write_bytes(bytes(4096))
    path.chmod(mode)
    return str(path)


def program(directory: Path, contents: bytes, mode: int = 0o755) -> list[str]:
    """The arguments that run a file with these contents."""
    path = directory / "program"
    path.write_bytes(contents)
    path.chmod(mode)
    return ["--bind", str(directory), "--", str(path)]


def a_file(directory: Path) -> str:
    (directory / "file").touch()
    return str(directory / "file")


CASES: dict[str, tuple[Callable[[Path], list[str]], int, str]] = {
    "root is missing": (lambda d: ["--root", str(d / "missing"), "true"], 125, "No such file or directory: give a directory"),
    "root is a file": (lambda d: ["--root", a_file(d), "true"], 125, "Not a directory: give a directory"),
    "program is not in PATH": (lambda d: ["nosuchprogram"], 127, "nosuchprogram: not found: check the name, and PATH inside"),
    "program is not at its path": (lambda d: ["/no/such/program"], 127, "/no/such/program: not found: check the path"),
    "program is on the host only": (
        lambda d: [program(d, b"")[-1]],
        127,
        "on the host, but not inside (/tmp is another one): add --bind /",
    ),
    "program is not executable": (lambda d: program(d, b"#!/bin/sh\n", 0o644), 126, "Permission denied: make it executable"),
    "program is a directory": (lambda d: ["/usr/bin"], 126, "/usr/bin: Permission denied"),
    "program is for another machine": (lambda d: program(d, elf(AARCH64)), 126, "a program for AArch64: not x86-64"),
    "program is cut short": (lambda d: program(d, elf()[:40]), 126, "the ELF header is cut short"),
    "program headers are missing": (lambda d: program(d, elf(segments=100)), 126, "the program headers are broken"),
    "program is text": (lambda d: program(d, b"hello\n"), 126, "not an ELF file"),
    "interpreter of a script is missing": (lambda d: program(d, b"#!/no/such/sh\n"), 127, "its interpreter"),
    "script names no interpreter": (lambda d: program(d, b"#!\n"), 126, "its #! line names no interpreter"),
    "loader is missing": (lambda d: program(d, elf(interpreter=b"/lib64/no-ld.so\0")), 127, "its interpreter"),
    "memory is not a size": (lambda d: ["--memory", "12X", "true"], 125, "--memory 12X: not a size: give a number"),
    "disk is not a size": (lambda d: ["--disk", "1Q", "true"], 125, "--disk 1Q: not a size: give a number"),
    "processes are not a number": (lambda d: ["--pids", "x", "true"], 125, "--pids x: not a whole number above zero"),
    "processors are nothing": (lambda d: ["--cpus", "0", "true"], 125, "--cpus 0: not a number above zero: give one like 2"),
    "processors are not a number": (lambda d: ["--cpus", "nan", "true"], 125, "--cpus nan: not a number above zero"),
    "time is no time": (lambda d: ["--timeout", "5x", "true"], 125, "--timeout 5x: not a number above zero: give one like 30s"),
    "memory is nothing": (lambda d: ["--memory", "0", "true"], 125, "--memory 0: not a size"),
    "bind has no source": (lambda d: ["--bind", ":/x", "true"], 125, "--bind :/x: no host directory"),
    "bind has a relative place": (lambda d: ["--bind", "/tmp:x", "true"], 125, "--bind /tmp:x: x is not an absolute path, ro or rw"),
    "bind has a wrong mode": (lambda d: ["--bind", "/tmp:/x:wr", "true"], 125, "wr is neither ro nor rw"),
    "bind is missing": (lambda d: ["--bind", str(d / "missing"), "true"], 125, "No such file or directory: give a directory"),
    "bind rw is missing": (lambda d: ["--bind", f"{d / 'missing'}:/x:rw", "true"], 125, "No such file or directory: give a directory"),
    "bind is on a file": (lambda d: ["--bind", f"{d}:/etc/passwd", "true"], 125, "/etc/passwd inside: Not a directory"),
    "disk image has no file": (lambda d: ["--disk-image", "disk0", "true"], 125, "--disk-image disk0: no file: give NAME=FILE[:ro|rw]"),
    "disk image has no name": (lambda d: ["--disk-image", "=x", "true"], 125, "nothing is not a name of up to 31 letters"),
    "disk image has a name that is a path": (lambda d: ["--disk-image", "../x=x", "true"], 125, "../x is not a name of up to"),
    "disk image has the name of another device": (
        lambda d: ["--disk-image", "null=x", "true"],
        125,
        "there is another device null: choose",
    ),
    "disk images have one name": (
        lambda d: ["--disk-image", f"a={an_image(d)}", "--disk-image", f"a={an_image(d)}:ro", "true"],
        125,
        "there are two called a: give each a name of its own",
    ),
    "disk image is given twice to write": (
        lambda d: ["--disk-image", f"a={an_image(d)}:rw", "--disk-image", f"b={an_image(d)}:rw", "true"],
        125,
        "another run, or this one under another name, has it: end that first",
    ),
    "disk image is missing": (
        lambda d: ["--disk-image", "a=missing", "true"],
        125,
        "--disk-image a=missing: No such file or directory: give",
    ),
    "disk image is a directory": (lambda d: ["--disk-image", f"a={d}", "true"], 125, "not a regular file: give an image, such as truncate"),
    "disk image is a device": (lambda d: ["--disk-image", "a=/dev/zero:rw", "true"], 125, "not a regular file: give an image"),
    "disk image is empty": (lambda d: ["--disk-image", f"a={a_file(d)}", "true"], 125, "smaller than a sector: give an image"),
    "cwd is missing": (lambda d: ["--cwd", "/no/such", "true"], 125, "--cwd /no/such: No such file or directory: give a directory"),
    "cwd is a file": (lambda d: ["--cwd", "/etc/passwd", "true"], 125, "--cwd /etc/passwd: Not a directory"),
    "env has no name": (lambda d: ["--env", "=x", "true"], 125, "--env =x: no name"),
    "env is not set": (lambda d: ["--env", "SKERRY_NO_SUCH", "true"], 125, "--env SKERRY_NO_SUCH: not set on the host"),
    "config is unknown": (lambda d: ["--config", "vms", "true"], 125, "'vms' is not"),
    "option is unknown": (lambda d: ["--sats", "true"], 125, "Did you mean one of: '--stats'"),
    "there is no program": (lambda d: [], 125, "missing argument 'CMD"),
}


@pytest.mark.parametrize("case", CASES)
def test_error_is_one_line_that_says_what_to_do(case: str, skerry: Run, tmp_path: Path) -> None:
    make, status, words = CASES[case]
    result = skerry("run", *make(tmp_path))
    assert result.stderr.count("\n") == 1, result.stderr
    assert result.stderr.startswith("skerry")
    assert words in result.stderr
    assert (result.stdout, result.returncode) == ("", status)


@pytest.mark.skipif(os.getuid() == 0, reason="root may do everything")
@pytest.mark.parametrize(
    ("mode", "writes", "words"), [(0o444, "rw", "Permission denied: change its mode, or have it be ro\n"), (0, "ro", "change its mode\n")]
)
def test_disk_image_that_is_not_ones_own(skerry: Run, tmp_path: Path, mode: int, writes: str, words: str) -> None:
    result = skerry("run", "--disk-image", f"a={an_image(tmp_path, mode)}:{writes}", "true")
    assert (result.stderr.count("\n"), result.stderr.endswith(words), result.returncode) == (1, True, 125)


def test_command_that_is_unknown_gets_a_suggestion(skerry: Run) -> None:
    result = skerry("rum", "true")
    assert (result.stderr, result.returncode) == ("skerry: no command rum: did you mean run: see `skerry --help`\n", 2)
    assert "to run a program: skerry run -- ls" in skerry("ls").stderr


@pytest.mark.parametrize(
    ("release", "machine", "words"), [("5.10.0-21-amd64", "x86_64", "needs 5.16 or newer"), ("6.1.0", "aarch64", "x86-64")]
)
def test_host_that_lacks_something_is_named(
    release: str, machine: str, words: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("platform.release", lambda: release)
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr(sys, "argv", ["skerry", "run", "true"])
    with pytest.raises(SystemExit) as caught:
        main()
    said = capfd.readouterr().err
    assert (said.count("\n"), words in said, caught.value.code) == (1, True, 125)


def test_native_parts_that_are_not_built_are_named() -> None:
    script = (
        "import sys; sys.modules['skerry.machine._host'] = None; sys.argv = ['skerry', 'run', 'true']; from skerry.cli import main; main()"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert result.stderr == "skerry: the native parts are not built for this Python: run make install, or pip install .\n"
    assert result.returncode == 125


def test_fault_of_our_own_is_told_from_the_programs_status(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    def broken(options: object) -> int:
        raise RuntimeError("an invariant")

    monkeypatch.setattr("skerry.system.run", broken)
    monkeypatch.setattr(sys, "argv", ["skerry", "run", "true"])
    with pytest.raises(SystemExit) as caught:
        main()
    said = capfd.readouterr().err
    assert caught.value.code == 125
    assert "RuntimeError: an invariant" in said
    assert said.endswith("skerry: this is a fault of Skerry, not of true: please report it with the lines above\n")


def shell(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=60, check=False)


def test_closed_standard_input_is_closed_inside() -> None:
    script = f"{sys.executable} -m skerry run -- cat <&-"
    result = shell(script)
    natively = shell("LC_ALL=C cat <&-")
    assert (result.stderr, result.returncode) == (natively.stderr, natively.returncode)


def test_closed_standard_output_is_closed_inside() -> None:
    script = "echo hello; echo $? >&2"
    result = subprocess.run(
        ["sh", "-c", f"{sys.executable} -m skerry run -- sh -c '{script}' >&-"], capture_output=True, text=True, timeout=60, check=False
    )
    natively = shell(f"sh -c '{script}' >&-")
    assert (result.stderr, result.returncode) == (natively.stderr, natively.returncode)


def test_closed_standard_error_does_not_stop_the_program() -> None:
    script = f"{sys.executable} -m skerry run --strace --stats -- echo hello 2>&-"
    result = shell(script)
    assert (result.stdout, result.returncode) == ("hello\n", 0)


def test_full_device_is_an_error_of_the_program(skerry: Run) -> None:
    script = ["sh", "-c", "echo hello; echo $? >&2"]
    with open("/dev/full", "w") as full:
        inside = skerry("run", "--", *script, stdout=full)
        native = subprocess.run(script, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert (inside.stderr, inside.returncode) == (native.stderr, native.returncode)


def test_closed_pipe_kills_the_writer(skerry: Run) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        result = skerry("run", "--", "yes", stdout=writer)
    finally:
        os.close(writer)
    assert (result.stderr, result.returncode) == ("", 141)


def test_list_into_a_closed_pipe_ends_quietly(skerry: Run) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        result = skerry("calls", stdout=writer)
    finally:
        os.close(writer)
    assert (result.stderr, result.returncode) == ("", 1)
