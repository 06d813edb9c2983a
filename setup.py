"""Builds the native parts: the stub (a freestanding static program) and the host extension.

setuptools: a freestanding program and extensions in one step (docs/decisions/0001).
"""

import os
import shlex
import subprocess
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

NATIVE = "src/skerry/machine/native"
FLAGS = ["-O2", "-std=gnu11", "-Wall", "-Wextra", "-Wno-missing-field-initializers", "-Wno-cast-function-type"]
STUB_FLAGS = [
    "-O2",
    "-std=gnu11",
    "-ffreestanding",
    "-fno-stack-protector",
    "-fcf-protection=none",
    "-mgeneral-regs-only",
    "-mfsgsbase",
    "-mno-red-zone",
    "-mcmodel=large",
    "-fno-pic",
    "-fno-asynchronous-unwind-tables",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-nostdlib",
    "-static",
    "-no-pie",
    "-Wl,--build-id=none",
    "-Wl,-z,noexecstack",
]


class BuildNative(build_ext):
    """Compiles the stub beside the extension."""

    def run(self) -> None:
        super().run()
        target = Path("src" if self.inplace else self.build_lib, "skerry/machine/stub")
        target.parent.mkdir(parents=True, exist_ok=True)
        compiler = shlex.split(os.environ.get("CC", "cc"))
        sources = [f"{NATIVE}/stub.c", f"{NATIVE}/entry.S"]
        subprocess.run([*compiler, *STUB_FLAGS, f"-Wl,-T,{NATIVE}/stub.ld", *sources, "-o", str(target)], check=True)


setup(
    ext_modules=[
        Extension(
            "skerry.machine._host",
            [f"{NATIVE}/{part}.c" for part in ("host", "machine", "space", "context", "placement", "mapper")],
            depends=[f"{NATIVE}/layout.h", f"{NATIVE}/host.h"],
            extra_compile_args=FLAGS,
        ),
        Extension(
            "skerry.machine._channel",
            [f"{NATIVE}/channel.c"],
            depends=[f"{NATIVE}/layout.h"],
            extra_compile_args=FLAGS,
        ),
    ],
    cmdclass={"build_ext": BuildNative},
)
