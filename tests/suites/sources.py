"""Debian source packages, unpacked beneath ``build/suites``: where suites that are not installed with their programs come from."""

from __future__ import annotations

import subprocess
from pathlib import Path

BUILD = Path(__file__).resolve().parents[2] / "build" / "suites"
LIST = """Types: deb-src
URIs: http://deb.debian.org/debian
Suites: {suite}
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""


def unpacked(package: str) -> Path:
    """The directory with the source of ``package``, fetched with apt-get once; raises CalledProcessError where that is not possible.

    The lists of sources are kept beside it: the machine's own configuration of apt is not changed.
    """
    place = BUILD / "source" / package
    found = [path for path in place.glob(f"{package}-*") if path.is_dir()]
    if found:
        return found[0]
    place.mkdir(parents=True, exist_ok=True)
    options = _private_lists()
    subprocess.run(["apt-get", "-q", *options, "source", "--download-only", package], cwd=place, check=True)
    subprocess.run(["dpkg-source", "-x", next(place.glob("*.dsc")).name], cwd=place, check=True)
    return next(path for path in place.glob(f"{package}-*") if path.is_dir())


def _private_lists() -> list[str]:
    state = BUILD / "apt"
    lists, parts = state / "lists", state / "sources"
    options = ["-o", f"Dir::Etc::sourceparts={parts}", "-o", "Dir::Etc::sourcelist=/dev/null", "-o", f"Dir::State::lists={lists}"]
    if not lists.exists():
        (lists / "partial").mkdir(parents=True)
        parts.mkdir(exist_ok=True)
        suite = next(line.split("=")[1] for line in Path("/etc/os-release").read_text().splitlines() if line.startswith("VERSION_CODENAME"))
        (parts / "source.sources").write_text(LIST.format(suite=suite))
        subprocess.run(["apt-get", "-q", *options, "update"], check=True)
    return options
