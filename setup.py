"""Builds the native parts: the stub (a freestanding static program) and the host extension.

setuptools: a freestanding program and extensions in one step (docs/decisions/0001).
"""

import os
import shlex
import subprocess
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

COMPILED = [  # by mypyc: the path of a message between native tasks (docs/decisions/0007)
    "src/skerry/abi/machmsg.py",
    "src/skerry/mach/absent.py",
    "src/skerry/mach/errors.py",
    "src/skerry/mach/exchange.py",
    "src/skerry/mach/gsync.py",
    "src/skerry/mach/ipc.py",
    "src/skerry/mach/kernel.py",
    "src/skerry/mach/kobject.py",
    "src/skerry/mach/message.py",
    "src/skerry/mach/native.py",
    "src/skerry/mach/notify.py",
    "src/skerry/mach/port.py",
    "src/skerry/mach/processor.py",
    "src/skerry/mach/release.py",
    "src/skerry/mach/right.py",
    "src/skerry/mach/space.py",
    "src/skerry/mach/transfer.py",
    "src/skerry/mach/wire.py",
]
MYPY = ["--config-file=", "--follow-imports=silent", "--disable-error-code=type-abstract"]
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
    """Compiles the stub beside the extensions."""

    def run(self) -> None:
        super().run()
        target = Path("src" if self.inplace else self.build_lib, "skerry/machine/stub")
        target.parent.mkdir(parents=True, exist_ok=True)
        compiler = shlex.split(os.environ.get("CC", "cc"))
        sources = [f"{NATIVE}/stub.c", f"{NATIVE}/entry.S"]
        subprocess.run([*compiler, *STUB_FLAGS, f"-Wl,-T,{NATIVE}/stub.ld", *sources, "-o", str(target)], check=True)


def hot_modules() -> list[Extension]:
    """The compiled modules, where anything is built: setup.py runs for questions, too. SKERRY_INTERPRETED=1 leaves them Python's.

    So does a mypyc that is not there or does not take them: they run either way (a test tells).
    """
    if os.environ.get("SKERRY_INTERPRETED") or not {"build", "build_ext", "bdist_wheel", "editable_wheel"} & set(sys.argv):
        return []
    try:
        from mypyc.build import mypycify

        return mypycify([*MYPY, *COMPILED], group_name="skerry", opt_level="2", debug_level="1")
    except (ImportError, SystemExit) as error:
        print(f"mypyc is not used, and messages between tasks take a fifth longer: {error}", file=sys.stderr)
        return []


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
        *hot_modules(),
    ],
    cmdclass={"build_ext": BuildNative},
)
