"""Priorities, policies and depression: what Mach keeps of how a thread is to be scheduled.

Priorities are 0 (highest) to 31. A thread's lies between its maximum and 31; a depressed thread has 31 until the time is over or the
depression is aborted. Who runs when is the host's decision: a native task's thread is given a nice value after its priority
(``Thread.priority_changed``), programs' threads are not (docs/decisions/0005).

Source: Mach 3 Kernel Interfaces, chapters 6 and 9; GNU Mach, kern/thread.c and kern/syscall_subr.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from skerry.abi import mach
from skerry.mach.errors import KernError, KernReturn

if TYPE_CHECKING:
    from skerry.mach.processor import Timer
    from skerry.mach.processor_set import ProcessorSet
    from skerry.mach.task import Task
    from skerry.mach.thread import Thread

LOWEST: Final = mach.PRIORITY_LEVELS - 1
POLICIES: Final = (mach.POLICY_TIMESHARE, mach.POLICY_FIXEDPRI)


class Scheduled:
    """A thread's scheduling state; what is not set is the class's."""

    priority = mach.PRIORITY_USER
    max_priority = mach.PRIORITY_USER
    policy = mach.POLICY_TIMESHARE
    quantum = 0  # ms, of a thread with fixed priority
    depressed_from = -1  # the priority before a depression; -1: not depressed
    depression: Timer | None = None
    wired = False
    processor_set: ProcessorSet | None = None  # None: the default set

    def priority_changed(self) -> None:
        """Tell whoever schedules."""


def _valid_priority(priority: int) -> int:
    if not 0 <= priority <= LOWEST:
        raise KernError(KernReturn.INVALID_ARGUMENT)
    return priority


def valid_policy(policy: int) -> int:
    """``policy``, if it is one. Raises INVALID_ARGUMENT."""
    if policy not in POLICIES:
        raise KernError(KernReturn.INVALID_ARGUMENT)
    return policy


def set_of(target: Task | Thread) -> ProcessorSet:
    """The processor set that a task or thread is assigned to."""
    if target.processor_set is not None:
        return target.processor_set
    kernel = target.kernel if hasattr(target, "kernel") else target.task.kernel
    return kernel.host.default_set


def _set_priority(thread: Thread, priority: int) -> None:
    if thread.depressed_from >= 0:
        thread.depressed_from = priority
    else:
        thread.priority = priority
        thread.priority_changed()


def thread_priority(thread: Thread, priority: int, set_max: bool) -> None:
    """Set the priority, and with ``set_max`` the maximum too. Raises INVALID_ARGUMENT (no priority), FAILURE (above the maximum)."""
    if _valid_priority(priority) < thread.max_priority:
        raise KernError(KernReturn.FAILURE)
    _set_priority(thread, priority)
    if set_max:
        thread.max_priority = priority


def thread_max_priority(thread: Thread, processor_set: ProcessorSet, maximum: int) -> None:
    """Set the maximum, up or down, as who holds the set may; the priority follows if it is above.

    Raises INVALID_ARGUMENT (no priority), FAILURE (the thread is not assigned to that set).
    """
    _valid_priority(maximum)
    if set_of(thread) is not processor_set:
        raise KernError(KernReturn.FAILURE)
    thread.max_priority = maximum
    current = thread.depressed_from if thread.depressed_from >= 0 else thread.priority
    if current < maximum:
        _set_priority(thread, maximum)


def thread_policy(thread: Thread, policy: int, data: int) -> None:
    """POLICY_TIMESHARE, or POLICY_FIXEDPRI with a quantum of ``data`` ms. Raises INVALID_ARGUMENT, FAILURE (not enabled in the set)."""
    valid_policy(policy)
    if not set_of(thread).policies & policy or data < 0:
        raise KernError(KernReturn.FAILURE if data >= 0 else KernReturn.INVALID_ARGUMENT)
    thread.policy = policy
    thread.quantum = data if policy == mach.POLICY_FIXEDPRI else 0


def depress(thread: Thread, milliseconds: int) -> None:
    """Give the thread the lowest priority for so long (0: until it is aborted)."""
    if thread.depressed_from < 0:
        thread.depressed_from = thread.priority
        thread.priority = LOWEST
        thread.priority_changed()
    if thread.depression is not None:
        thread.depression.cancel()
        thread.depression = None
    if milliseconds:
        thread.depression = thread.task.processor.call_after(milliseconds, lambda: thread_depress_abort(thread))


def thread_depress_abort(thread: Thread) -> None:
    """End a depression; where there is none, nothing."""
    if thread.depression is not None:
        thread.depression.cancel()
        thread.depression = None
    if thread.depressed_from >= 0:
        thread.priority, thread.depressed_from = thread.depressed_from, -1
        thread.priority_changed()


def task_priority(task: Task, priority: int, change_threads: bool) -> None:
    """The priority that the task's new threads get, and with ``change_threads`` those that it has.

    Raises INVALID_ARGUMENT, and FAILURE if it is above the maximum of one of them; the others have it then.
    """
    task.priority = _valid_priority(priority)
    refused = False
    for thread in task.threads if change_threads else ():
        try:
            thread_priority(thread, priority, False)
        except KernError:
            refused = True
    if refused:
        raise KernError(KernReturn.FAILURE)
