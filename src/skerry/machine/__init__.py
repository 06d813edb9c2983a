"""The machine: what the kernels take for hardware. Alone knows the host; holds no policy.

The names below are imported when they are first used: what begins before there is a machine (``interpreter``) needs none of them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skerry.machine._host import Context
    from skerry.machine.hardware import HostEvent, Machine, MachineError
    from skerry.machine.memory import HostFile, MemoryObject
    from skerry.machine.space import AddressSpace

__all__ = ["AddressSpace", "Context", "HostEvent", "HostFile", "Machine", "MachineError", "MemoryObject"]
_MODULES = {
    "AddressSpace": "space",
    "Context": "_host",
    "HostEvent": "hardware",
    "HostFile": "memory",
    "Machine": "hardware",
    "MachineError": "hardware",
    "MemoryObject": "memory",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'skerry.machine' has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"skerry.machine.{_MODULES[name]}"), name)
    return found
