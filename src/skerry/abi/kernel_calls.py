"""The kernel's remote calls, declared once: what each object's port understands.

The kernel's table (``skerry.mach.calls``) and the stubs of native tasks (``skerry.lib.kernel``) are made from these declarations. Each call
raises CallError with a kern_return_t in the client; what it means and every error it has stand in ``docs/reference/mach/calls``.

An array of 64-bit words (Naturals) is a structure of natural_t: machine words are 64 bits wide here.

Source: Mach 3 Kernel Interfaces; ids: mach.defs, mach_host.defs, mach_port.defs, device.defs, and gnumach.defs of GNU Mach.
"""

from __future__ import annotations

from typing import Protocol

from skerry.abi import mach
from skerry.abi.routine import (
    AnyRight,
    CopySend,
    Data,
    Int,
    MakeSend,
    MakeSendOnce,
    MoveSend,
    Name,
    Natural,
    Naturals,
    Numbers,
    Ports,
    Text128,
    routine,
)


class TaskPort(Protocol):
    """Calls on a task."""

    @routine(mach.ID_TASK_CREATE)
    async def task_create(self, inherit_memory: Int) -> MoveSend: ...

    @routine(mach.ID_TASK_TERMINATE)
    async def task_terminate(self) -> None: ...

    @routine(mach.ID_TASK_GET_EMULATION_VECTOR)
    async def task_get_emulation_vector(self) -> tuple[Numbers, Ports]: ...

    @routine(mach.ID_TASK_SET_EMULATION_VECTOR)
    async def task_set_emulation_vector(self, ranges: Numbers, ports: Ports) -> None: ...

    @routine(mach.ID_TASK_THREADS)
    async def task_threads(self) -> Ports: ...

    @routine(mach.ID_TASK_INFO)
    async def task_info(self, flavor: Int) -> Naturals: ...

    @routine(mach.ID_TASK_SUSPEND)
    async def task_suspend(self) -> None: ...

    @routine(mach.ID_TASK_RESUME)
    async def task_resume(self) -> None: ...

    @routine(mach.ID_TASK_GET_SPECIAL_PORT)
    async def task_get_special_port(self, which: Int) -> MoveSend: ...

    @routine(mach.ID_TASK_SET_SPECIAL_PORT)
    async def task_set_special_port(self, which: Int, port: CopySend) -> None: ...

    @routine(mach.ID_TASK_SET_EMULATION)
    async def task_set_emulation(self, first: Name, last: Name, port: CopySend) -> None: ...

    @routine(2622)
    async def task_priority(self, priority: Int, change_threads: Int) -> None: ...

    @routine(2616)
    async def task_assign(self, new_set: CopySend, assign_threads: Int) -> None: ...

    @routine(2617)
    async def task_assign_default(self, assign_threads: Int) -> None: ...

    @routine(2618)
    async def task_get_assignment(self) -> MoveSend: ...

    @routine(mach.ID_MACH_SAMPLE_TASK)
    async def mach_sample_task(self, reply: CopySend, sample_task: CopySend) -> None: ...

    @routine(mach.ID_MACH_PORTS_REGISTER)
    async def mach_ports_register(self, ports: Ports) -> None: ...

    @routine(mach.ID_MACH_PORTS_LOOKUP)
    async def mach_ports_lookup(self) -> Ports: ...

    @routine(mach.ID_THREAD_CREATE)
    async def thread_create(self) -> MoveSend: ...

    # Memory
    @routine(mach.ID_VM_ALLOCATE)
    async def vm_allocate(self, address: Natural, size: Natural, anywhere: Int) -> Natural: ...

    @routine(mach.ID_VM_DEALLOCATE)
    async def vm_deallocate(self, address: Natural, size: Natural) -> None: ...

    @routine(mach.ID_VM_PROTECT)
    async def vm_protect(self, address: Natural, size: Natural, set_maximum: Int, protection: Int) -> None: ...

    @routine(mach.ID_VM_INHERIT)
    async def vm_inherit(self, address: Natural, size: Natural, inheritance: Int) -> None: ...

    @routine(mach.ID_VM_READ)
    async def vm_read(self, address: Natural, size: Natural) -> Data: ...

    @routine(mach.ID_VM_WRITE)
    async def vm_write(self, address: Natural, data: Data) -> None: ...

    @routine(mach.ID_VM_COPY)
    async def vm_copy(self, source: Natural, size: Natural, target: Natural) -> None: ...

    @routine(mach.ID_VM_REGION)
    async def vm_region(self, address: Natural) -> tuple[Natural, Natural, Int, Int, Int, Int, MoveSend, Natural]: ...

    @routine(2030)
    async def vm_statistics(self) -> Naturals: ...

    @routine(2099)
    async def vm_machine_attribute(self, address: Natural, size: Natural, attribute: Int, value: Int) -> Int: ...

    @routine(mach.ID_VM_MAP)
    async def vm_map(
        self,
        address: Natural,
        size: Natural,
        mask: Natural,
        anywhere: Int,
        memory_object: CopySend,
        offset: Natural,
        copy: Int,
        protection: Int,
        max_protection: Int,
        inheritance: Int,
    ) -> Natural: ...

    @routine(mach.ID_VM_GET_SIZE_LIMIT)
    async def vm_get_size_limit(self) -> tuple[Natural, Natural]: ...

    @routine(mach.ID_GSYNC_WAIT)
    async def gsync_wait(self, address: Natural, value: Name, value2: Name, milliseconds: Natural, flags: Int) -> None: ...

    @routine(mach.ID_GSYNC_WAKE)
    async def gsync_wake(self, address: Natural, value: Name, flags: Int) -> None: ...

    @routine(mach.ID_GSYNC_REQUEUE)
    async def gsync_requeue(self, source: Natural, target: Natural, wake_one: Int, flags: Int) -> None: ...

    # Names of rights
    @routine(mach.ID_MACH_PORT_NAMES)
    async def mach_port_names(self) -> tuple[Numbers, Numbers]: ...

    @routine(mach.ID_MACH_PORT_TYPE)
    async def mach_port_type(self, name: Name) -> Name: ...

    @routine(mach.ID_MACH_PORT_RENAME)
    async def mach_port_rename(self, old: Name, new: Name) -> None: ...

    @routine(mach.ID_MACH_PORT_ALLOCATE_NAME)
    async def mach_port_allocate_name(self, right: Int, name: Name) -> None: ...

    @routine(mach.ID_MACH_PORT_ALLOCATE)
    async def mach_port_allocate(self, right: Int) -> Name: ...

    @routine(mach.ID_MACH_PORT_DESTROY)
    async def mach_port_destroy(self, name: Name) -> None: ...

    @routine(mach.ID_MACH_PORT_DEALLOCATE)
    async def mach_port_deallocate(self, name: Name) -> None: ...

    @routine(mach.ID_MACH_PORT_GET_REFS)
    async def mach_port_get_refs(self, name: Name, right: Int) -> Name: ...

    @routine(mach.ID_MACH_PORT_MOD_REFS)
    async def mach_port_mod_refs(self, name: Name, right: Int, delta: Int) -> None: ...

    @routine(mach.ID_MACH_PORT_SET_QLIMIT)
    async def mach_port_set_qlimit(self, name: Name, limit: Int) -> None: ...

    @routine(mach.ID_MACH_PORT_SET_MSCOUNT)
    async def mach_port_set_mscount(self, name: Name, count: Name) -> None: ...

    @routine(mach.ID_MACH_PORT_SET_SEQNO)
    async def mach_port_set_seqno(self, name: Name, number: Name) -> None: ...

    @routine(mach.ID_MACH_PORT_GET_SET_STATUS)
    async def mach_port_get_set_status(self, name: Name) -> Numbers: ...

    @routine(mach.ID_MACH_PORT_MOVE_MEMBER)
    async def mach_port_move_member(self, member: Name, after: Name) -> None: ...

    @routine(mach.ID_MACH_PORT_REQUEST_NOTIFICATION)
    async def mach_port_request_notification(self, name: Name, variant: Int, sync: Name, notify: MakeSendOnce) -> AnyRight: ...

    @routine(mach.ID_MACH_PORT_INSERT_RIGHT)
    async def mach_port_insert_right(self, name: Name, right: MakeSend) -> None: ...

    @routine(mach.ID_MACH_PORT_EXTRACT_RIGHT)
    async def mach_port_extract_right(self, name: Name, disposition: Int) -> AnyRight: ...

    @routine(mach.ID_MACH_PORT_GET_RECEIVE_STATUS)
    async def mach_port_get_receive_status(self, name: Name) -> tuple[Name, Name, Name, Name, Name, Name, Name, Name, Name]: ...


class ThreadPort(Protocol):
    """Calls on a thread."""

    @routine(mach.ID_THREAD_TERMINATE)
    async def thread_terminate(self) -> None: ...

    @routine(mach.ID_THREAD_GET_STATE)
    async def thread_get_state(self, flavor: Int) -> Data: ...

    @routine(mach.ID_THREAD_SET_STATE)
    async def thread_set_state(self, flavor: Int, state: Data) -> None: ...

    @routine(mach.ID_THREAD_INFO)
    async def thread_info(self, flavor: Int) -> Naturals: ...

    @routine(mach.ID_THREAD_SUSPEND)
    async def thread_suspend(self) -> None: ...

    @routine(mach.ID_THREAD_RESUME)
    async def thread_resume(self) -> None: ...

    @routine(mach.ID_THREAD_ABORT)
    async def thread_abort(self) -> None: ...

    @routine(mach.ID_THREAD_GET_SPECIAL_PORT)
    async def thread_get_special_port(self, which: Int) -> MoveSend: ...

    @routine(mach.ID_THREAD_SET_SPECIAL_PORT)
    async def thread_set_special_port(self, which: Int, port: CopySend) -> None: ...

    @routine(mach.ID_MACH_SAMPLE_THREAD)
    async def mach_sample_thread(self, reply: CopySend, sample_thread: CopySend) -> None: ...

    @routine(2620)
    async def thread_priority(self, priority: Int, set_max: Int) -> None: ...

    @routine(2621)
    async def thread_max_priority(self, processor_set: CopySend, max_priority: Int) -> None: ...

    @routine(2624)
    async def thread_policy(self, policy: Int, data: Int) -> None: ...

    @routine(2631)
    async def thread_depress_abort(self) -> None: ...

    @routine(2613)
    async def thread_assign(self, new_set: CopySend) -> None: ...

    @routine(2614)
    async def thread_assign_default(self) -> None: ...

    @routine(2615)
    async def thread_get_assignment(self) -> MoveSend: ...


class HostPort(Protocol):
    """Calls on the host's name port (mach_host_self), and on the privileged one."""

    @routine(2606)
    async def processor_set_default(self) -> MoveSend: ...

    @routine(2608)
    async def processor_set_create(self) -> tuple[MoveSend, MoveSend]: ...

    @routine(2619)
    async def host_kernel_version(self) -> Data: ...

    @routine(2629)
    async def host_processor_sets(self) -> Ports: ...

    @routine(2634)
    async def host_get_time(self) -> tuple[Int, Int]: ...

    @routine(2638)
    async def host_info(self, flavor: Int) -> Naturals: ...

    @routine(2643)
    async def host_get_time64(self) -> Naturals: ...

    @routine(2647)
    async def host_get_uptime64(self) -> Naturals: ...

    @routine(mach.ID_VM_SET_SIZE_LIMIT)
    async def vm_set_size_limit(self, task: CopySend, current: Natural, maximum: Natural) -> None: ...


class HostPrivPort(Protocol):
    """Calls on the host's privileged port."""

    @routine(2600)
    async def host_processors(self) -> Ports: ...

    @routine(2630)
    async def host_processor_set_priv(self, set_name: CopySend) -> MoveSend: ...

    @routine(2632)
    async def host_set_time(self, seconds: Int, microseconds: Int) -> None: ...

    @routine(2633)
    async def host_adjust_time(self, seconds: Int, microseconds: Int) -> tuple[Int, Int]: ...

    @routine(2635)
    async def host_reboot(self, options: Int) -> None: ...

    @routine(2636)
    async def vm_wire(self, task: CopySend, address: Natural, size: Natural, access: Int) -> None: ...

    @routine(2637)
    async def thread_wire(self, thread: CopySend, wired: Int) -> None: ...

    @routine(2642)
    async def host_get_boot_info(self) -> Data: ...

    @routine(mach.ID_VM_WIRE_ALL)
    async def vm_wire_all(self, task: CopySend, flags: Int) -> None: ...

    @routine(mach.ID_VM_SET_DEFAULT_MEMORY_MANAGER)
    async def vm_set_default_memory_manager(self, manager: CopySend) -> AnyRight: ...


class ProcessorPort(Protocol):
    """Calls on a processor."""

    @routine(2603)
    async def processor_start(self) -> None: ...

    @routine(2604)
    async def processor_exit(self) -> None: ...

    @routine(2611)
    async def processor_assign(self, new_set: CopySend, wait: Int) -> None: ...

    @routine(2612)
    async def processor_get_assignment(self) -> MoveSend: ...

    @routine(2639)
    async def processor_info(self, flavor: Int) -> tuple[MoveSend, Naturals]: ...

    @routine(2641)
    async def processor_control(self, command: Numbers) -> None: ...


class ProcessorSetNamePort(Protocol):
    """Calls on a processor set's name port, and on its control port."""

    @routine(2640)
    async def processor_set_info(self, flavor: Int) -> tuple[MoveSend, Naturals]: ...


class ProcessorSetPort(Protocol):
    """Calls on a processor set's control port."""

    @routine(2609)
    async def processor_set_destroy(self) -> None: ...

    @routine(2623)
    async def processor_set_max_priority(self, max_priority: Int, change_threads: Int) -> None: ...

    @routine(2625)
    async def processor_set_policy_enable(self, policy: Int) -> None: ...

    @routine(2626)
    async def processor_set_policy_disable(self, policy: Int, change_threads: Int) -> None: ...

    @routine(2627)
    async def processor_set_tasks(self) -> Ports: ...

    @routine(2628)
    async def processor_set_threads(self) -> Ports: ...


class DeviceMasterPort(Protocol):
    """The call on the master device port."""

    @routine(2800)
    async def device_open(self, mode: Name, name: Text128) -> MoveSend: ...


class DevicePort(Protocol):
    """Calls on an open device. A call's request may be sent alone, and its reply be received at any port: id plus 100."""

    @routine(2801)
    async def device_close(self) -> None: ...

    @routine(2802)
    async def device_write(self, mode: Name, record: Name, data: Data) -> Int: ...

    @routine(2803)
    async def device_write_inband(self, mode: Name, record: Name, data: Data) -> Int: ...

    @routine(2804)
    async def device_read(self, mode: Name, record: Name, bytes_wanted: Int) -> Data: ...

    @routine(2805)
    async def device_read_inband(self, mode: Name, record: Name, bytes_wanted: Int) -> Data: ...

    @routine(2809)
    async def device_map(self, protection: Int, offset: Natural, size: Natural, unmap: Int) -> MoveSend: ...

    @routine(2810)
    async def device_set_status(self, flavor: Name, status: Numbers) -> None: ...

    @routine(2811)
    async def device_get_status(self, flavor: Name) -> Numbers: ...

    @routine(2812)
    async def device_set_filter(self, receive_port: CopySend, priority: Int, filter: Numbers) -> None: ...
