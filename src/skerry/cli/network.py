"""What `--publish` is given."""

from __future__ import annotations

import ipaddress
from typing import Final

from skerry.options import Publish, UserError

_SHAPE: Final = "give [ADDR:]HOSTPORT:PORT[/udp], like 8080:80"
_HIGHEST: Final = 65535
_DEFAULT: Final = "127.0.0.1"


def parse_publish(text: str) -> Publish:
    """``[ADDR:]HOSTPORT:PORT[/tcp|/udp]``; the address is by default the host's loopback. Raises UserError."""
    rest, slash, protocol = text.partition("/")
    if slash and protocol not in ("tcp", "udp"):
        raise UserError(f"--publish {text}: {protocol or 'nothing'} is neither tcp nor udp: {_SHAPE}")
    words = rest.rsplit(":", 2)
    if len(words) < 2:
        raise UserError(f"--publish {text}: one port only: {_SHAPE}")
    address = words[0] if len(words) == 3 else _DEFAULT
    try:
        host = ipaddress.ip_address(address.removeprefix("[").removesuffix("]"))
    except ValueError:
        raise UserError(f"--publish {text}: {address or 'nothing'} is not an address in numbers: {_SHAPE}") from None
    packed = bytes(10) + b"\xff\xff" + host.packed if host.version == 4 else host.packed
    return Publish(packed, _port(text, words[-2], 0), _port(text, words[-1], 1), protocol == "udp", text)


def _port(text: str, word: str, least: int) -> int:
    if not (word.isascii() and word.isdigit() and least <= int(word) <= _HIGHEST):
        raise UserError(f"--publish {text}: {word or 'nothing'} is not a port from {least} to {_HIGHEST}: {_SHAPE}")
    return int(word)
