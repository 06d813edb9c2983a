"""The systems that are compared: how a command is put inside each, and whether it can run here."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SKERRY = ROOT / ".venv" / "bin" / "skerry"
PINNED = ("taskset", "-c", "0")
PROBE_SECONDS = 30


@dataclass(frozen=True, slots=True)
class System:
    """A way to run a command: ``prefix`` before its words."""

    name: str
    prefix: tuple[str, ...]

    def command(self, argv: list[str], pinned: bool) -> list[str]:
        return [*(PINNED if pinned else ()), *self.prefix, *argv]

    def trouble(self) -> str:
        """Why it cannot run here, in a line; empty where it can."""
        if self.prefix and shutil.which(self.prefix[0]) is None:
            return f"{self.prefix[0]} is not installed"
        try:
            done = subprocess.run(
                self.command(["/bin/true"], False), stdin=subprocess.DEVNULL, capture_output=True, timeout=PROBE_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            return f"/bin/true did not end within {PROBE_SECONDS} s"
        if done.returncode:
            lines = done.stderr.decode(errors="replace").strip().splitlines()
            return f"/bin/true: status {done.returncode}{': ' + lines[-1] if lines else ''}"[:200]
        return ""


def systems(configs: list[str]) -> list[System]:
    """Native first: everything else is a ratio to it. All see this tree, be it in /tmp."""
    ours = [System(f"skerry {config}", (str(SKERRY), "run", "--config", config, "--bind", str(ROOT), "--")) for config in configs]
    return [System("native", ()), System("proot", ("proot",)), gvisor(), *ours]


def gvisor() -> System:
    """``runsc do`` with the first platform that runs here: an older runsc has no systrap, a host without privileges wants --rootless."""
    common = ("--network=none", "--ignore-cgroups")
    candidates = [
        System("gvisor", ("runsc", *privileges, *common, *platform, "do"))
        for platform in (("--platform=systrap",), ())
        for privileges in ((), ("--rootless",))
    ]
    if shutil.which("runsc") is None:
        return candidates[0]
    return next((each for each in candidates if not each.trouble()), candidates[-1])
