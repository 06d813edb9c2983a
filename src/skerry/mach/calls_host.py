"""The rows of what the ports of the host, of processors and of processor sets understand."""

from __future__ import annotations

from typing import Any, Final

from skerry.abi import mach
from skerry.abi.kernel_calls import HostPort, HostPrivPort, ProcessorPort, ProcessorSetNamePort, ProcessorSetPort
from skerry.mach import calls_memory, right
from skerry.mach import host as hosts
from skerry.mach import processor_set as sets
from skerry.mach import vm_calls as vm
from skerry.mach.call import NONE, PARTIAL, HeldOrNone, Rows, as_send, object_of
from skerry.mach.errors import KernError, KernReturn
from skerry.mach.host import Host, HostPriv
from skerry.mach.port import Port
from skerry.mach.processor_set import HostProcessor, ProcessorSet, ProcessorSetName
from skerry.mach.release import release
from skerry.mach.task import Task
from skerry.mach.thread import Thread
from skerry.machine import host as machine_host

UNIX_CLOCKS: Final = "this system's own time changes, as host_get_time tells it; the Unix server's clocks are the host's"
HOSTS_CORES: Final = "KERN_FAILURE: processors are the host's to start and stop; processor_assign takes them from programs"
HOST: Final = Rows(HostPort, Host, HostPriv)
PRIVILEGED: Final = Rows(HostPrivPort, HostPriv)
PROCESSOR: Final = Rows(ProcessorPort, HostProcessor)
SET_NAME: Final = Rows(ProcessorSetNamePort, ProcessorSet, ProcessorSetName)
SET: Final = Rows(ProcessorSetPort, ProcessorSet)
AnyHost = Host | HostPriv


def _send(port: Port) -> HeldOrNone:
    return as_send(right.make_send(port))


def _create(target: AnyHost) -> tuple[HeldOrNone, HeldOrNone]:
    created = sets.processor_set_create(target.host)
    return _send(created.port), _send(created.name_port)


HOST.bind("processor_set_default", lambda target: _send(target.host.default_set.name_port))
HOST.bind("processor_set_create", _create)
HOST.bind("host_kernel_version", lambda _target: hosts.VERSION)
HOST.bind("host_processor_sets", lambda target: [right.make_send(each.name_port) for each in target.host.sets])
HOST.bind("host_get_time", lambda target: hosts.host_get_time(target.host))
HOST.bind("host_info", lambda target, flavor: hosts.host_info(target.host, flavor))
HOST.bind("host_get_time64", lambda target: list(divmod(target.host.time(), hosts.SECOND)))
HOST.bind("host_get_uptime64", lambda target: list(divmod(target.host.uptime(), hosts.SECOND)))


def _set_size_limit(target: AnyHost, held: HeldOrNone, current: int, maximum: int) -> None:
    task: Task = object_of(held, Task, KernReturn.INVALID_TASK)
    vm.vm_set_size_limit(task.map, current, maximum, isinstance(target, HostPriv))
    assert held is not None
    release(held)


HOST.bind(
    "vm_set_size_limit",
    _set_size_limit,
    PARTIAL,
    "a Unix server's mappings of its programs are not counted: skerry run --memory limits those",
)


def _set_priv(_target: HostPriv, held: HeldOrNone) -> HeldOrNone:
    found: ProcessorSet = object_of(held, (ProcessorSet, ProcessorSetName)).processor_set
    if not found.active:
        raise KernError(KernReturn.INVALID_ARGUMENT)
    assert held is not None
    release(held)
    return _send(found.port)


def _wire(_target: HostPriv, held: HeldOrNone, address: int, size: int, access: int) -> None:
    task: Task = object_of(held, Task, KernReturn.INVALID_TASK)
    if access & ~mach.VM_PROT_ALL:
        raise KernError(KernReturn.INVALID_VALUE)
    vm.vm_wire(task.map, address, size, access)
    assert held is not None
    release(held)


def _wire_all(_target: HostPriv, held: HeldOrNone, flags: int) -> None:
    task: Task = object_of(held, Task, KernReturn.INVALID_TASK)
    vm.vm_wire_all(task.map, flags)
    assert held is not None
    release(held)


def _thread_wire(_target: HostPriv, held: HeldOrNone, wired: int) -> None:
    thread: Thread = object_of(held, Thread)
    thread.wired = bool(wired)
    assert held is not None
    release(held)


PRIVILEGED.bind("host_processors", lambda target: [right.make_send(each.port) for each in target.host.processors])
PRIVILEGED.bind("host_processor_set_priv", _set_priv)
PRIVILEGED.bind("host_set_time", lambda t, *a: hosts.host_set_time(t.host, *a), PARTIAL, UNIX_CLOCKS)
PRIVILEGED.bind("host_adjust_time", lambda t, *a: hosts.host_adjust_time(t.host, *a), PARTIAL, UNIX_CLOCKS)
PRIVILEGED.bind(
    "host_reboot", lambda t, _options: hosts.host_reboot(t.host), PARTIAL, "the system ends; what started it may start it again"
)
PRIVILEGED.bind("vm_wire", _wire, PARTIAL, "the pages are brought in; the host may page them out again")
PRIVILEGED.bind(
    "vm_wire_all", _wire_all, PARTIAL, "the pages are brought in; the host may page them out again, and new mappings are not wired"
)
PRIVILEGED.bind("thread_wire", _thread_wire, PARTIAL, "kept: no thread here waits for the kernel's memory")
PRIVILEGED.bind("host_get_boot_info", lambda target: target.host.boot_info)

PRIVILEGED.bind("vm_set_default_memory_manager", calls_memory.set_default_manager)


def _not_ours(*_arguments: Any) -> None:
    raise KernError(KernReturn.FAILURE)


def _processor_assign(processor: HostProcessor, held: HeldOrNone, _wait: int) -> None:
    sets.processor_assign(processor, object_of(held, ProcessorSet))
    assert held is not None
    release(held)


def _processor_info(processor: HostProcessor, flavor: int) -> tuple[HeldOrNone, list[int]]:
    if flavor != mach.PROCESSOR_BASIC_INFO:
        raise KernError(KernReturn.INVALID_ARGUMENT)
    return _send(processor.host.port), [mach.CPU_TYPE_X86_64, 0, 1, processor.slot, int(processor.is_master)]


PROCESSOR.bind("processor_start", _not_ours, NONE, HOSTS_CORES)
PROCESSOR.bind("processor_exit", _not_ours, NONE, HOSTS_CORES)
PROCESSOR.bind("processor_control", _not_ours, NONE, HOSTS_CORES)
PROCESSOR.bind(
    "processor_assign", _processor_assign, PARTIAL, "binds native tasks; programs stand still if their set has none, and else run on any"
)
PROCESSOR.bind("processor_get_assignment", lambda processor: _send(processor.processor_set.name_port))
PROCESSOR.bind("processor_info", _processor_info)


def _set_info(target: ProcessorSet | ProcessorSetName, flavor: int) -> tuple[HeldOrNone, list[int]]:
    found = target.processor_set
    count = len(found.processors)
    if flavor == mach.PROCESSOR_SET_BASIC_INFO:
        load = machine_host.load_averages()[0]
        factor = hosts.mach_factor(load, count)
        info = [count, len(found.tasks), len(found.threads), int(load * mach.LOAD_SCALE), factor]
    elif flavor == mach.PROCESSOR_SET_SCHED_INFO:
        info = [found.policies, found.max_priority]
    else:
        raise KernError(KernReturn.INVALID_ARGUMENT)
    return _send(found.host.port), info


SET_NAME.bind("processor_set_info", _set_info, PARTIAL, "load average and Mach factor are those of the whole host")
SET.bind("processor_set_destroy", sets.processor_set_destroy)
SET.bind("processor_set_max_priority", lambda s, maximum, change: sets.processor_set_max_priority(s, maximum, bool(change)))
SET.bind("processor_set_policy_enable", sets.processor_set_policy_enable)
SET.bind("processor_set_policy_disable", lambda s, policy, change: sets.processor_set_policy_disable(s, policy, bool(change)))
SET.bind("processor_set_tasks", lambda s: [right.make_send(task.port) for task in s.tasks])
SET.bind("processor_set_threads", lambda s: [right.make_send(thread.port) for thread in s.threads])
