"""How far the host's network may be reached, by what was asked for."""

from __future__ import annotations

from typing import Final

from skerry.machine.network import Reach
from skerry.options import Net

REACH: Final = {Net.NONE: Reach.NOTHING, Net.HOST: Reach.NETWORK, Net.HOST_AND_LOOPBACK: Reach.LOOPBACK}
