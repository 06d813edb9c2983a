"""The one table of kernel calls, and the two ways to make one: ``invoke`` from the kernel's address space, a message to the object's port
from anywhere.

What a call's arguments are is declared in ``skerry.abi.kernel_calls``; what does it, and how far it goes, stands in the rows of
``calls_task``, ``calls_port``, ``calls_thread``, ``calls_host`` and ``calls_device``. The form of the messages is in ``wire``; the list of
all the interfaces of the manual, traps and upcalls too, in ``interfaces``.

Source: Mach 3 Kernel Interfaces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from skerry.mach import calls_device, calls_host, calls_memory, calls_task, calls_thread
from skerry.mach.call import Call, Later, perform

if TYPE_CHECKING:
    from skerry.mach.kernel import Kernel

TABLE: Final[tuple[Call, ...]] = tuple(
    row
    for rows in (
        calls_task.ROWS,
        calls_thread.ROWS,
        calls_host.HOST,
        calls_host.PRIVILEGED,
        calls_host.PROCESSOR,
        calls_host.SET_NAME,
        calls_host.SET,
        calls_device.MASTER,
        calls_device.DEVICE,
        calls_memory.CONTROL,
    )
    for row in rows.complete()
)
BY_NAME: Final = {call.name: call for call in TABLE}
BY_ID: Final = {call.id: call for call in TABLE}


def invoke(kernel: Kernel, name: str, target: object, *arguments: Any) -> tuple[int, tuple[Any, ...]]:
    """Make a call from the kernel's address space: the code, and the results if it is SUCCESS. Rights of a failed call are released.

    A call whose answer is not there yet gives a ``Later``.
    """
    outcome = perform(BY_NAME[name], target, arguments)
    kernel.processor.run()
    return outcome


__all__ = ["BY_ID", "BY_NAME", "TABLE", "Call", "Later", "invoke", "perform"]
