"""The import directions of the architecture."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "skerry"

ALLOWED = {  # package: what of Skerry it may import
    "abi": set(),
    "machine": {"abi"},
    "mach": {"abi", "machine"},
    "l4": {"abi", "machine"},
    "exo": {"abi", "machine"},
    "lib": {"abi"},
    "servers": {"abi", "lib"},
    "unix": {"abi", "lib"},
}
HOST = {
    "os",
    "socket",
    "ctypes",
    "mmap",
    "signal",
    "select",
    "subprocess",
    "fcntl",
    "termios",
    "resource",
    "pathlib",
    "time",
}
GLUE = {"mach": "mach", "l4": "l4", "exo": "exo"}  # unix/glue/NAME.py may import its kernel


def modules() -> list[Path]:
    return [path for path in sorted(SOURCE.rglob("*.py")) if path.relative_to(SOURCE).parts[0] in ALLOWED]


def imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_module_imports_only_what_its_layer_may(path: Path) -> None:
    parts = path.relative_to(SOURCE).parts
    package = parts[0]
    allowed = ALLOWED[package] | {package}
    if parts[:2] == ("unix", "glue"):
        allowed |= {GLUE.get(path.stem, package), "machine"}
    for name in imports(path):
        words = name.split(".")
        if words[0] == "skerry":
            assert set(words[1:2]) <= allowed, f"{path} imports {name}"
        elif package != "machine" and words[0] in HOST:
            pytest.fail(f"{path} imports {name}: only machine/ knows the host")


@pytest.mark.skipif("SKERRY_INTERPRETED" in os.environ, reason="nothing is to be compiled")
def test_the_path_of_a_message_is_compiled() -> None:
    from skerry.mach import exchange

    assert not exchange.__file__.endswith(".py"), "mypyc did not take it: see what make install says"


def test_what_is_compiled_is_compiled_from_what_is_there() -> None:
    """mypyc's modules stand beside their sources, which nobody would run any more."""
    stale = [
        path.name
        for source in SOURCE.rglob("*.py")
        for path in source.parent.glob(f"{source.stem}.*.so")
        if path.stat().st_mtime < source.stat().st_mtime
    ]
    assert not stale, "run make install"
