"""The machine: what the kernels take for hardware. Alone knows the host; holds no policy."""

from skerry.machine._host import Context
from skerry.machine.hardware import HostEvent, Machine, MachineError
from skerry.machine.memory import HostFile, MemoryObject
from skerry.machine.space import AddressSpace

__all__ = ["AddressSpace", "Context", "HostEvent", "HostFile", "Machine", "MachineError", "MemoryObject"]
