"""What `--disk-image` is given."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import Final

from skerry.options import DiskImage, UserError

_SHAPE: Final = "give NAME=FILE[:ro|rw], like disk0=disk.img:rw"
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,30}", re.ASCII)
_TAKEN: Final = "time null zero full random urandom tty console ptmx pts shm mqueue fd stdin stdout stderr"
_MOST: Final = 16


def parse_disk_images(texts: Iterable[str]) -> list[DiskImage]:
    """``NAME=FILE[:ro|rw]`` each; what is written is by default refused. Raises UserError."""
    images: list[DiskImage] = []
    for text in texts:
        image = _parse(text)
        if any(other.name == image.name for other in images):
            raise UserError(f"--disk-image {text}: there are two called {image.name}: give each a name of its own")
        images.append(image)
    if len(images) > _MOST:
        raise UserError(f"--disk-image: {len(images)} are too many: give at most {_MOST}")
    return images


def _parse(text: str) -> DiskImage:
    name, equals, file = text.partition("=")
    path = file.removesuffix(":rw").removesuffix(":ro") if file[-3:] in (":rw", ":ro") else file
    if not equals or not path:
        raise UserError(f"--disk-image {text}: no file: {_SHAPE}")
    if not _NAME.fullmatch(name):
        raise UserError(f"--disk-image {text}: {name or 'nothing'} is not a name of up to 31 letters, digits, _ and -: {_SHAPE}")
    if name in _TAKEN.split():
        raise UserError(f"--disk-image {text}: there is another device {name}: choose another name, like disk0")
    return DiskImage(name, os.fsencode(os.path.abspath(path)), file.endswith(":rw"), text)
