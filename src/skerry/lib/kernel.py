"""The kernel's calls as a native task makes them: messages to the port of the object, mostly to the task's own.

``client(TaskPort, task, task.self_port)`` makes them; the declarations are those that the kernel's table is made from.

Source: Mach 3 Kernel Interfaces.
"""

from __future__ import annotations

from skerry.abi.kernel_calls import (
    DeviceMasterPort,
    DevicePort,
    HostPort,
    HostPrivPort,
    ProcessorPort,
    ProcessorSetNamePort,
    ProcessorSetPort,
    TaskPort,
    ThreadPort,
)

__all__ = [
    "DeviceMasterPort",
    "DevicePort",
    "HostPort",
    "HostPrivPort",
    "ProcessorPort",
    "ProcessorSetNamePort",
    "ProcessorSetPort",
    "TaskPort",
    "ThreadPort",
]
