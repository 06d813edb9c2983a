"""Processors and processor sets: which tasks and threads may use which of the host's processors.

Invariants:
- Every processor, task and thread is in exactly one set; who was never assigned is in the default one, which cannot be destroyed and always
  has the master processor.
- The threads of a set without processors are held (``Thread.hold``): they do not run until the set gets a processor or they another set.
- Native tasks are bound to the host processors of their set. Programs' threads are placed by the machine, whatever their set, as long as it
  has a processor at all.

A set has two ports: whoever has the name may ask, whoever has the control port may change.

Source: Mach 3 Kernel Interfaces, chapter 9; GNU Mach, kern/processor.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skerry.abi import mach
from skerry.mach.errors import KernError, KernReturn
from skerry.mach.kobject import new_object_port
from skerry.mach.port import Port
from skerry.mach.release import release
from skerry.mach.right import RightKind
from skerry.mach.scheduling import set_of, thread_max_priority, valid_policy

if TYPE_CHECKING:
    from skerry.mach.host import Host
    from skerry.mach.task import Task
    from skerry.mach.thread import Thread


class HostProcessor:
    """A processor that the machine may use; ``number`` is the host's, ``slot`` Mach's."""

    def __init__(self, host: Host, slot: int, number: int) -> None:
        self.host = host
        self.slot = slot
        self.number = number
        self.processor_set = host.default_set
        self.port: Port = new_object_port(host.kernel, self)

    @property
    def is_master(self) -> bool:
        return self.slot == 0


class ProcessorSetName:
    """A set, for those who may only ask."""

    def __init__(self, processor_set: ProcessorSet) -> None:
        self.processor_set = processor_set


class ProcessorSet:
    """A set, for those who may change it."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.active = True
        self.processors: list[HostProcessor] = []
        self.max_priority = mach.PRIORITY_USER
        self.policies = mach.POLICY_TIMESHARE
        self.port: Port = new_object_port(host.kernel, self)
        self.name_port: Port = new_object_port(host.kernel, ProcessorSetName(self))

    @property
    def processor_set(self) -> ProcessorSet:
        return self

    @property
    def tasks(self) -> list[Task]:
        """Those assigned to it."""
        return [task for task in self.host.kernel.tasks if set_of(task) is self]

    @property
    def threads(self) -> list[Thread]:
        """Those assigned to it, of whatever tasks."""
        return [thread for task in self.host.kernel.tasks for thread in task.threads if set_of(thread) is self]

    def settle(self, thread: Thread) -> None:
        """Have a thread of this set run where, and only if, the set has processors."""
        held = not self.processors
        if held != thread.without_processor:
            thread.without_processor = held
            if held:
                thread.hold()
                thread.stop()
            else:
                thread.unhold()
        if not held:
            thread.bind([processor.number for processor in self.processors])


def processor_set_create(host: Host) -> ProcessorSet:
    """A set without processors, tasks and threads."""
    created = ProcessorSet(host)
    host.sets.append(created)
    return created


def processor_set_destroy(doomed: ProcessorSet) -> None:
    """Its processors, tasks and threads are the default set's; its ports die. Raises INVALID_ARGUMENT (the default set), FAILURE (gone)."""
    default = doomed.host.default_set
    if doomed is default:
        raise KernError(KernReturn.INVALID_ARGUMENT)
    if not doomed.active:
        raise KernError(KernReturn.FAILURE)
    doomed.active = False
    tasks, threads = doomed.tasks, doomed.threads
    for processor in list(doomed.processors):
        _move(processor, default)
    for task in tasks:
        task.processor_set = None
    for thread in threads:
        thread_assign(thread, default)
    doomed.host.sets.remove(doomed)
    release((RightKind.RECEIVE, doomed.port), (RightKind.RECEIVE, doomed.name_port))


def _active(processor_set: ProcessorSet) -> ProcessorSet:
    if not processor_set.active:
        raise KernError(KernReturn.INVALID_ARGUMENT)
    return processor_set


def processor_assign(processor: HostProcessor, new_set: ProcessorSet) -> None:
    """Move a processor to a set. Raises INVALID_ARGUMENT (the set is gone), FAILURE (the master processor stays in the default set)."""
    _active(new_set)
    if processor.is_master and new_set is not processor.host.default_set:
        raise KernError(KernReturn.FAILURE)
    _move(processor, new_set)


def _move(processor: HostProcessor, new_set: ProcessorSet) -> None:
    old_set = processor.processor_set
    if old_set is new_set:
        return
    old_set.processors.remove(processor)
    new_set.processors.append(processor)
    processor.processor_set = new_set
    for thread in old_set.threads + new_set.threads:
        set_of(thread).settle(thread)


def thread_assign(thread: Thread, new_set: ProcessorSet) -> None:
    """Move a thread to a set, whose policies and maximum priority bind it. Raises INVALID_ARGUMENT (the set is gone)."""
    _active(new_set)
    thread.processor_set = None if new_set is new_set.host.default_set else new_set
    if not new_set.policies & thread.policy:
        thread.policy, thread.quantum = mach.POLICY_TIMESHARE, 0
    if thread.max_priority < new_set.max_priority:
        thread_max_priority(thread, new_set, new_set.max_priority)
    new_set.settle(thread)


def task_assign(task: Task, new_set: ProcessorSet, assign_threads: bool) -> None:
    """Move a task to a set, where its new threads will be; with ``assign_threads`` those that it has, too. Raises INVALID_ARGUMENT."""
    _active(new_set)
    task.processor_set = None if new_set is new_set.host.default_set else new_set
    for thread in list(task.threads) if assign_threads else ():
        thread_assign(thread, new_set)


def processor_set_max_priority(processor_set: ProcessorSet, maximum: int, change_threads: bool) -> None:
    """The maximum for threads that come to the set; with ``change_threads`` for those in it. Raises INVALID_ARGUMENT."""
    if not 0 <= maximum < mach.PRIORITY_LEVELS:
        raise KernError(KernReturn.INVALID_ARGUMENT)
    processor_set.max_priority = maximum
    for thread in processor_set.threads if change_threads else ():
        thread_max_priority(thread, processor_set, maximum)


def processor_set_policy_enable(processor_set: ProcessorSet, policy: int) -> None:
    """Allow a policy in the set. Raises INVALID_ARGUMENT."""
    processor_set.policies |= valid_policy(policy)


def processor_set_policy_disable(processor_set: ProcessorSet, policy: int, change_threads: bool) -> None:
    """Allow it no more; with ``change_threads`` those that have it share time. Raises INVALID_ARGUMENT (also for POLICY_TIMESHARE)."""
    if valid_policy(policy) == mach.POLICY_TIMESHARE:
        raise KernError(KernReturn.INVALID_ARGUMENT)
    processor_set.policies &= ~policy
    for thread in processor_set.threads if change_threads else ():
        if thread.policy == policy:
            thread.policy, thread.quantum = mach.POLICY_TIMESHARE, 0


def inherit_set(thread: Thread, task: Task) -> None:
    """A new thread is where its task's assignment says, with its task's priority."""
    thread.priority = thread.max_priority = task.priority
    assigned = set_of(task)
    thread.max_priority = min(assigned.max_priority, task.priority)
    if task.processor_set is not None:
        thread.processor_set = task.processor_set
        assigned.settle(thread)
