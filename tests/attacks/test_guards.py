"""Each guard taken away, in a copy of the source: the attack that it stops must succeed there, and be seen.

A copy of the package is changed, built, and the attack's own test is run against it (PYTHONPATH), where it must fail. The product has no
switch for this.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pytest
from sandbox import ROOT

pytestmark = [pytest.mark.machine, pytest.mark.slow]

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Guard:
    """What stops an attack."""

    name: str
    changes: tuple[tuple[str, str, str], ...]  # file below skerry/, text that is there, what takes its place
    test: str  # of the attack
    seen: str  # in the report of its failure: a regular expression
    seconds: int = 60  # that the attack's test may take


CONTEXT_FILTER = ("machine/native/filters.h", "RETURN(SECCOMP_RET_TRAP),  /* 15 */", "RETURN(SECCOMP_RET_ALLOW),")
FROM_OUTSIDE = ("machine/native/filters.h", "RETURN(SECCOMP_RET_TRAP),  /* 24 */", "RETURN(SECCOMP_RET_ALLOW),")
DISPATCH = ("machine/native/entry.S", "mov $59, %edi", "mov $3, %edi")
RANGES = (
    ("machine/space.py", "self.limit = _host.USER_LIMIT", "self.limit = 1 << 47"),
    ("unix/glue/task.py", "self.limit = USER_LIMIT", "self.limit = 1 << 47"),
    ("machine/space.py", "self.host.call(_MUNMAP, 0, self.limit)", "self.host.call(_MUNMAP, 0, _host.USER_LIMIT)"),
)
BENEATH = "0x04 | 0x08 | 0x02}; /* RESOLVE_NO_SYMLINKS, BENEATH, NO_MAGICLINKS */"

GUARDS = (
    Guard("none", (), "test_stub.py::test_forged_channel_harms_only_the_forger", ""),
    Guard(
        "trap on a call from outside the stub",
        (CONTEXT_FILTER, FROM_OUTSIDE, DISPATCH),
        "test_gadgets.py::test_call_just_below_the_stub_is_no_better",
        r"assert \(1, 65536\) == \(0, 9\)",  # the host has mapped what was asked for
    ),
    Guard(
        "filter of contexts",
        (CONTEXT_FILTER,),
        "test_gadgets.py::test_gadget_with_the_mappers_calls_traps",
        r"\(1, True, 65536\) == \(0, True, 9\)",
    ),
    Guard(
        "kinds of futex",
        (("machine/native/filters.h", "IF_BELOW(2, 0, 3)", "IF_BELOW(0x7fffffff, 0, 3)"),),
        "test_gadgets.py::test_gadget_gives_no_other_futex_call",
        r"\(1, True\) == \(0, True\)",
    ),
    Guard(
        "words of futex",
        (("machine/native/filters.h", "IF_EQUAL(STUB_HIGH, 0, 1), /* 13 */", "IF_EQUAL(STUB_HIGH, 0, 0),"),),
        "test_gadgets.py::test_gadget_gives_no_other_futex_call",
        r"\(1, True\) == \(0, True\)",
    ),
    Guard(
        "bounds of the trap frame",
        (("machine/native/context.c", "frame > CONTEXT_SIZE - UCONTEXT_SIZE || ", ""),),
        "test_stub.py::test_forged_channel_harms_only_the_forger",
        r"status=(-11|125|139)",  # the kernel is dead, or the Unix server
    ),
    Guard(
        "signals of traps",
        (("machine/native/context.c", "if (signo >= 32 || !(1u << signo & TRAPS))", "if (0)"),),
        "test_stub.py::test_forged_channel_harms_only_the_forger",
        r"Traceback|signo",
    ),
    Guard(
        "bounds of the vector state",
        (("machine/native/context.c", "if (offset < ALTSTACK_OFFSET || offset > CONTEXT_SIZE - 512 || offset % 64)", "if (0)"),),
        "test_stub.py::test_forged_channel_harms_only_the_forger",
        r"status=(-11|125|139)",
    ),
    Guard("ranges that reach the stub", RANGES, "test_stub.py::test_stub_cannot_be_mapped_over_nor_written", r"changed|alive"),
    Guard(
        "no links on the host",
        (
            ("machine/native/host.c", "mode, " + BENEATH, "mode, 0};"),
            ("machine/native/host.c", "O_CLOEXEC, 0, 0x04 | 0x08 | 0x02}", "O_CLOEXEC, 0, 0}"),
        ),
        "test_escape.py::test_directory_that_becomes_a_link_is_not_followed",
        r"xyzzy",
    ),
    Guard(
        "looking at all contexts from time to time",
        (("machine/native/machine.c", "if (c && c->running && __atomic", "if (0 && __atomic"),),
        "test_stub.py::test_forged_channel_harms_only_the_forger",
        r"Timeout",
        seconds=20,
    ),
    Guard(
        "hostile pointers",
        (("unix/server.py", "except Fault as fault:", "except MemoryError as fault:"),),
        "test_hostile_calls.py::test_random_calls_never_break_the_server",
        r"Traceback",
    ),
    Guard(
        "few variables",
        (("cli/run.py", 'if key in kept or key.startswith("LC_")', "if True"),),
        "test_view.py::test_guest_sees_nothing_of_the_host_that_was_not_given",
        r"AssertionError: environment",
    ),
)


def constants() -> dict[str, list[str]]:
    """FLAGS and STUB_FLAGS of setup.py."""
    tree = ast.parse((ROOT / "setup.py").read_text())
    found = [node for node in tree.body if isinstance(node, ast.Assign) and isinstance(node.value, ast.List)]
    return {node.targets[0].id: ast.literal_eval(node.value) for node in found if isinstance(node.targets[0], ast.Name)}


def build(package: Path, changed: set[str]) -> None:
    """What setup.py builds of the files that were changed, in a copy."""
    flags = constants()
    machine = package / "machine"
    native = machine / "native"
    if changed & {"filters.h", "entry.S", "stub.c"}:
        sources = [native / "stub.c", native / "entry.S"]
        subprocess.run(["cc", *flags["STUB_FLAGS"], f"-Wl,-T,{native / 'stub.ld'}", *sources, "-o", machine / "stub"], check=True)
    if changed & {"host.c", "machine.c", "space.c", "context.c", "placement.c", "mapper.c"}:
        sources = [native / f"{part}.c" for part in ("host", "machine", "space", "context", "placement", "mapper")]
        target = machine / f"_host{sysconfig.get_config_var('EXT_SUFFIX')}"
        include = sysconfig.get_path("include")
        subprocess.run(["cc", *flags["FLAGS"], "-shared", "-fPIC", f"-I{include}", *sources, "-o", target], check=True)


def without(guard: Guard, place: Path) -> Path:
    """A copy of the source without the guard."""
    package = place / "skerry"
    shutil.copytree(ROOT / "src/skerry", package, ignore=shutil.ignore_patterns("__pycache__"))
    for name, old, new in guard.changes:
        path = package / name
        text = path.read_text()
        assert old in text, (name, old)
        path.write_text(text.replace(old, new))
    build(package, {Path(name).name for name, _, _ in guard.changes})
    return place


@pytest.mark.timeout(300)
@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_attack_succeeds_without_its_guard(guard: Guard, tmp_path: Path) -> None:
    place = without(guard, tmp_path)
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", f"--timeout={guard.seconds}"]
    environment = {**os.environ, "PYTHONPATH": str(place)}
    done = subprocess.run(
        [*command, HERE / guard.test], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=280, check=False
    )
    if not guard.changes:
        assert done.returncode == 0, done.stdout  # the copy itself is not what fails
        return
    assert (done.returncode, "1 failed" in done.stdout) == (1, True), done.stdout
    assert re.search(guard.seen, done.stdout), done.stdout
