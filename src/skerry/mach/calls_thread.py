"""The rows of what a thread's port understands."""

from __future__ import annotations

from typing import Final

from skerry.abi.kernel_calls import ThreadPort
from skerry.mach import processor_set as sets
from skerry.mach import right, scheduling
from skerry.mach import thread as threads
from skerry.mach.call import NONE, PARTIAL, HeldOrNone, Rows, as_send, object_of, send_right
from skerry.mach.calls_task import not_configured
from skerry.mach.processor_set import ProcessorSet
from skerry.mach.release import release
from skerry.mach.thread import Thread

KEPT: Final = "the host schedules; it is told the priority of a native task's thread alone"
NO_REGISTERS: Final = "a native task's registers are not to be had: KERN_FAILURE"
ROWS: Final = Rows(ThreadPort, Thread)
bind = ROWS.bind


def _set_special_port(thread: Thread, which: int, held: HeldOrNone) -> None:
    threads.thread_set_special_port(thread, which, send_right(held))


def _max_priority(thread: Thread, held: HeldOrNone, maximum: int) -> None:
    scheduling.thread_max_priority(thread, object_of(held, ProcessorSet), maximum)
    assert held is not None
    release(held)


def _assign(thread: Thread, held: HeldOrNone) -> None:
    sets.thread_assign(thread, object_of(held, ProcessorSet))
    assert held is not None
    release(held)


def _assign_default(thread: Thread) -> None:
    sets.thread_assign(thread, thread.task.kernel.host.default_set)


def _get_assignment(thread: Thread) -> HeldOrNone:
    return as_send(right.make_send(scheduling.set_of(thread).name_port))


bind("thread_terminate", threads.thread_terminate)
bind("thread_suspend", threads.thread_suspend)
bind("thread_resume", threads.thread_resume)
bind("thread_abort", threads.thread_abort)
bind("thread_get_state", threads.thread_get_state, PARTIAL, NO_REGISTERS)
bind("thread_set_state", threads.thread_set_state, PARTIAL, NO_REGISTERS)
bind("thread_info", threads.thread_info, PARTIAL, "times are of all the task's threads together; the host tells no usage and sleep time")
bind("thread_get_special_port", lambda thread, which: as_send(threads.thread_get_special_port(thread, which)))
bind("thread_set_special_port", _set_special_port)
bind("mach_sample_thread", not_configured, NONE, "KERN_FAILURE: this kernel does not profile; perf on the host does")
bind("thread_priority", lambda thread, priority, set_max: scheduling.thread_priority(thread, priority, bool(set_max)), PARTIAL, KEPT)
bind("thread_max_priority", _max_priority, PARTIAL, KEPT)
bind("thread_policy", scheduling.thread_policy, PARTIAL, "kept and told; the host shares time among all")
bind("thread_depress_abort", scheduling.thread_depress_abort)
bind("thread_assign", _assign)
bind("thread_assign_default", _assign_default)
bind("thread_get_assignment", _get_assignment)
