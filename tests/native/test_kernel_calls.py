"""Every call of the kernel interface, made by real messages (or traps) from a native task; those on memory objects have tests of their own.

A scenario is what the task does; the table says which call it is for, and the test that the kernel has been asked for it.
"""

from __future__ import annotations

import pytest
from tests.native.natives import Natives

from skerry.mach import right
from skerry.mach.interfaces import INTERFACES, Form
from skerry.mach.native import NativeTask
from skerry.mach.right import RightKind

pytestmark = pytest.mark.machine

PRIV, MASTER, OTHER, OTHER_THREAD = 0x5001, 0x5002, 0x5003, 0x5004
SETUP = """
from skerry.lib.kernel import ThreadPort, HostPort, HostPrivPort, ProcessorPort, ProcessorSetNamePort, ProcessorSetPort
from skerry.lib.kernel import DeviceMasterPort, DevicePort
PRIV, MASTER, OTHER, OTHER_THREAD = 0x5001, 0x5002, 0x5003, 0x5004
RECEIVE, SEND, SEND_ONCE, SET, DEAD = 1, 0, 2, 3, 4
class Calls:
    "Calls on a port, finished at once."
    def __init__(self, interface, task, port):
        self.stub = client(interface, task, port)
    def __getattr__(self, name):
        return lambda *arguments: finish(getattr(self.stub, name)(*arguments))
def code(call, *arguments):
    try:
        call(*arguments)
    except CallError as error:
        return error.code
    return 0
def main(channel):
    task = NativeTask(channel)
    me = Calls(TaskPort, task, task.self_port)
    thread_name = channel.trap(mach.TRAP_MACH_THREAD_SELF)
    thread = Calls(ThreadPort, task, thread_name)
    host = Calls(HostPort, task, task.host_self())
    priv = Calls(HostPrivPort, task, PRIV)
    master = Calls(DeviceMasterPort, task, MASTER)
    other, other_thread = Calls(TaskPort, task, OTHER), Calls(ThreadPort, task, OTHER_THREAD)
    def new_set():
        control, name = host.processor_set_create()
        return Calls(ProcessorSetPort, task, control), Calls(ProcessorSetNamePort, task, name), control, name
    def opened(name, mode=3):
        return Calls(DevicePort, task, master.device_open(mode, name))
"""
SCENARIOS = {
    "mach_msg": """
    port = task.reply_port()
    code_, _ = channel.msg(machmsg.pack(UserMessage(9, port, remote_type=MAKE)), 1, 0, 0, 0, 0)
    code2, data = channel.msg(None, 2, 100, port, 0, 0)
    assert (code_, code2, machmsg.parse(data).id) == (0, 0, 9)
""",
    "mach_msg_send mach_msg_receive": """
    port = task.reply_port()
    task.send(UserMessage(9, port, remote_type=MAKE))
    assert task.receive(port).id == 9
""",
    "mach_reply_port": """
    assert me.mach_port_get_refs(task.reply_port(), RECEIVE) == 1
""",
    "mach_task_self": """
    before = me.mach_port_get_refs(task.self_port, SEND)
    assert channel.trap(mach.TRAP_MACH_TASK_SELF) == task.self_port
    assert me.mach_port_get_refs(task.self_port, SEND) == before + 1
""",
    "mach_thread_self": """
    assert thread_name and me.task_threads() == [thread_name]
    assert channel.trap(mach.TRAP_MACH_THREAD_SELF) == thread_name
""",
    "mach_host_self": """
    assert task.host_self() == task.host_self() != PRIV
    assert code(Calls(HostPrivPort, task, task.host_self()).host_processors) == mach.MIG_BAD_ID
""",
    "swtch swtch_pri": """
    assert channel.trap(mach.TRAP_SWTCH) in (0, 1)
    assert channel.trap(mach.TRAP_SWTCH_PRI) in (0, 1)
    assert thread.thread_info(2)[5] in (0, 1)
    thread.thread_depress_abort()
    assert thread.thread_info(2)[4:6] == [12, 0]
""",
    "thread_switch": """
    import struct
    def switch(option, time=0):
        return channel.trap(mach.TRAP_THREAD_SWITCH, struct.pack("<III", 0, option, time))
    assert switch(mach.SWITCH_OPTION_NONE) == 0
    start = channel.clock()
    assert switch(mach.SWITCH_OPTION_WAIT, 5) == 0
    assert channel.clock() - start >= 5_000_000
    assert switch(mach.SWITCH_OPTION_DEPRESS, 100_000) == 0
    assert thread.thread_info(2)[2:7] == [12, 12, 31, 1, 12]
    thread.thread_depress_abort()
    assert thread.thread_info(2)[4:7] == [12, 0, 0]
    assert switch(mach.SWITCH_OPTION_DEPRESS, 2) == 0
    thread.thread_priority(15, 0)  # what comes back when it is over
    assert switch(mach.SWITCH_OPTION_WAIT, 5) == 0 and thread.thread_info(2)[2:7] == [15, 12, 15, 0, 0]
    assert switch(7) == channel.trap(mach.TRAP_THREAD_SWITCH, b"x") == mach.KERN_INVALID_ARGUMENT
""",
    "evc_wait": """
    assert channel.trap(mach.TRAP_EVC_WAIT) == mach.KERN_INVALID_ARGUMENT
""",
    "mach_port_allocate mach_port_allocate_name mach_port_get_refs": """
    names = [me.mach_port_allocate(kind) for kind in (RECEIVE, SET, DEAD) for _ in range(3)]
    assert len(set(names)) == 9
    assert code(me.mach_port_allocate, SEND) == code(me.mach_port_allocate, 9) == mach.KERN_INVALID_VALUE
    for name, kind in ((0x7001, RECEIVE), (0x7002, SET), (0x7003, DEAD)):
        me.mach_port_allocate_name(kind, name)
        assert me.mach_port_get_refs(name, kind) == 1
        assert code(me.mach_port_allocate_name, kind, name) == mach.KERN_NAME_EXISTS
    assert code(me.mach_port_allocate_name, RECEIVE, 0) == mach.KERN_INVALID_VALUE
    assert code(me.mach_port_get_refs, 0x7777, RECEIVE) == mach.KERN_INVALID_NAME
""",
    "mach_port_deallocate mach_port_destroy mach_port_mod_refs": """
    port = me.mach_port_allocate(RECEIVE)
    assert code(me.mach_port_deallocate, port) == mach.KERN_INVALID_RIGHT
    me.mach_port_insert_right(port, port)
    me.mach_port_mod_refs(port, SEND, 2)
    me.mach_port_deallocate(port)
    assert me.mach_port_get_refs(port, SEND) == 2
    assert code(me.mach_port_mod_refs, port, SEND, -3) == mach.KERN_INVALID_VALUE
    assert code(me.mach_port_mod_refs, port, SEND, 1 << 16) == mach.KERN_UREFS_OVERFLOW
    me.mach_port_destroy(port)
    assert code(me.mach_port_deallocate, port) == code(me.mach_port_destroy, port) == mach.KERN_INVALID_NAME
""",
    "mach_port_names mach_port_type mach_port_rename": """
    port = me.mach_port_allocate(RECEIVE)
    me.mach_port_rename(port, 0x7005)
    names, types = me.mach_port_names()
    assert len(names) == len(types) and types[names.index(0x7005)] == mach.MACH_PORT_TYPE_RECEIVE == me.mach_port_type(0x7005)
    assert me.mach_port_type(PRIV) == me.mach_port_type(MASTER) == mach.MACH_PORT_TYPE_SEND
    assert code(me.mach_port_rename, 0x7005, PRIV) == mach.KERN_NAME_EXISTS
    assert code(me.mach_port_type, port) == mach.KERN_INVALID_NAME
""",
    "mach_port_insert_right mach_port_extract_right": """
    port = task.reply_port()
    other.mach_port_insert_right(0x7101, port)
    assert me.mach_port_get_receive_status(port)[6] == 1
    assert other.mach_port_extract_right(0x7101, mach.MSG_TYPE_MOVE_SEND) == port
    assert me.mach_port_get_refs(port, SEND) == 1
    assert code(other.mach_port_extract_right, 0x7101, mach.MSG_TYPE_MOVE_SEND) == mach.KERN_INVALID_NAME
    assert code(other.mach_port_insert_right, 0, port) == mach.KERN_INVALID_VALUE
""",
    "mach_port_move_member mach_port_get_set_status": """
    port, first, second = task.reply_port(), me.mach_port_allocate(SET), me.mach_port_allocate(SET)
    assert code(me.mach_port_move_member, port, 0) == mach.KERN_NOT_IN_SET
    me.mach_port_move_member(port, first)
    me.mach_port_move_member(port, second)
    assert (me.mach_port_get_set_status(first), me.mach_port_get_set_status(second)) == ([], [port])
    assert code(me.mach_port_get_set_status, port) == mach.KERN_INVALID_RIGHT
""",
    "mach_port_set_qlimit mach_port_set_mscount mach_port_set_seqno mach_port_get_receive_status": """
    port = task.reply_port()
    me.mach_port_set_qlimit(port, 16)
    me.mach_port_set_mscount(port, 7)
    me.mach_port_set_seqno(port, 9)
    assert me.mach_port_get_receive_status(port) == (0, 9, 7, 16, 0, 0, 0, 0, 0)
    assert code(me.mach_port_set_qlimit, port, 17) == mach.KERN_INVALID_VALUE
    for call in (me.mach_port_set_mscount, me.mach_port_set_seqno):
        assert code(call, PRIV, 1) == mach.KERN_INVALID_RIGHT
""",
    "mach_port_request_notification": """
    port, notify = task.reply_port(), task.reply_port()
    me.mach_port_insert_right(port, port)
    assert me.mach_port_request_notification(port, mach.NOTIFY_DEAD_NAME, 1, notify) == 0
    me.mach_port_mod_refs(port, RECEIVE, -1)
    told = task.receive(notify)
    assert told.id == mach.NOTIFY_DEAD_NAME and machmsg.parse_items(told.body)[0].data == port.to_bytes(4, "little")
    assert me.mach_port_get_refs(port, DEAD) == 2
    assert code(me.mach_port_request_notification, port, 99, 0, notify) == mach.KERN_INVALID_VALUE
""",
    "mach_ports_register mach_ports_lookup": """
    first, second = task.reply_port(), task.reply_port()
    for port in (first, second):
        me.mach_port_insert_right(port, port)
    me.mach_ports_register([first, second])
    assert me.mach_ports_lookup() == [first, second]
    assert code(me.mach_ports_register, [first] * 5) == mach.KERN_INVALID_ARGUMENT
    me.mach_ports_register([])
    assert me.mach_ports_lookup() == []
""",
    "vm_allocate vm_deallocate vm_read vm_write": """
    address = me.vm_allocate(0, 8192, 1)
    me.vm_write(address + 100, b"skerry")
    assert me.vm_read(address + 100, 6) == b"skerry" == bytes(channel.memory(address + 100, 6))
    assert code(me.vm_allocate, address, 4096, 0) == mach.KERN_NO_SPACE
    me.vm_deallocate(address, 8192)
    assert code(me.vm_read, address, 1) == code(me.vm_write, address, b"x") == mach.KERN_INVALID_ADDRESS
    theirs = other.vm_allocate(0, 4096, 1)
    other.vm_write(theirs, b"theirs")
    assert other.vm_read(theirs, 6) == b"theirs"
""",
    "vm_protect vm_region vm_inherit": """
    address = me.vm_allocate(0, 12288, 1)
    me.vm_protect(address + 4096, 4096, 0, mach.VM_PROT_READ)
    me.vm_inherit(address, 4096, mach.VM_INHERIT_NONE)
    assert me.vm_region(address)[:6] == (address, 4096, 3, 7, mach.VM_INHERIT_NONE, 0)
    assert me.vm_region(address + 4096)[:6] == (address + 4096, 4096, 1, 7, mach.VM_INHERIT_COPY, 0)
    assert code(me.vm_write, address + 4096, b"x") == mach.KERN_PROTECTION_FAILURE
    me.vm_protect(address, 4096, 1, mach.VM_PROT_READ)
    assert me.vm_region(address)[2:4] == (1, 1)
    assert code(me.vm_protect, address, 4096, 0, 3) == mach.KERN_PROTECTION_FAILURE
    assert code(me.vm_inherit, address, 4096, 5) == mach.KERN_INVALID_ARGUMENT
    assert code(me.vm_region, 0x1FFF_FFFF_F000) == mach.KERN_NO_SPACE
""",
    "vm_copy": """
    address = me.vm_allocate(0, 16384, 1)
    channel.memory(address, 8192)[:] = bytes(range(256)) * 32
    me.vm_copy(address, 8192, address + 8192)
    assert bytes(channel.memory(address + 8192, 8192)) == bytes(range(256)) * 32
    assert code(me.vm_copy, address, 8192, address + 12288) == mach.KERN_INVALID_ADDRESS
""",
    "vm_map": """
    address = me.vm_map(0, 8192, 0xFFFF, 1, 0, 0, 0, 1, 3, mach.VM_INHERIT_SHARE)
    assert address % 0x10000 == 0 and me.vm_region(address)[:5] == (address, 8192, 1, 3, mach.VM_INHERIT_SHARE)
    assert code(me.vm_map, 0, 4096, 0, 1, 0, 0, 0, 3, 1, 1) == mach.KERN_INVALID_ARGUMENT
""",
    "vm_statistics": """
    page, free, active, *rest = me.vm_statistics()
    assert page == 4096 and free > 0 and active > 0 and len(rest) == 10
""",
    "vm_machine_attribute": """
    assert code(me.vm_machine_attribute, 0, 4096, 1, 1) == mach.KERN_INVALID_ARGUMENT
""",
    "vm_wire": """
    address = me.vm_allocate(0, 8192, 1)
    priv.vm_wire(task.self_port, address, 8192, 3)
    priv.vm_wire(task.self_port, address, 8192, 0)
    assert code(priv.vm_wire, task.self_port, address, 16384, 1) == mach.KERN_INVALID_ADDRESS
    assert code(priv.vm_wire, task.self_port, address, 4096, 9) == mach.KERN_INVALID_VALUE
    assert code(priv.vm_wire, PRIV, address, 4096, 1) == mach.KERN_INVALID_TASK
""",
    "task_create": """
    assert code(me.task_create, 1) == mach.KERN_RESOURCE_SHORTAGE
    child = Calls(TaskPort, task, me.task_create(0))
    assert child.task_threads() == []
    assert child.task_info(1)[:2] == [0, 12]
    child.task_terminate()
""",
    "thread_create": """
    assert code(me.thread_create) == mach.KERN_RESOURCE_SHORTAGE
    child = Calls(TaskPort, task, me.task_create(0))
    made = child.thread_create()
    assert child.task_threads() == [made]
    assert Calls(ThreadPort, task, made).thread_info(1)[9] == 1
    Calls(ThreadPort, task, made).thread_terminate()
    assert child.task_threads() == []
    child.task_terminate()
""",
    "task_terminate": """
    assert me.mach_port_type(OTHER) == mach.MACH_PORT_TYPE_SEND
    other.task_terminate()
    assert me.mach_port_type(OTHER) == mach.MACH_PORT_TYPE_DEAD_NAME == me.mach_port_type(OTHER_THREAD)
    try:
        other.task_resume()
    except MessageFailure as failure:
        assert failure.code == mach.MACH_SEND_INVALID_DEST
    else:
        raise AssertionError("a dead name answers")
""",
    "task_suspend task_resume": """
    assert code(other.task_resume) == mach.KERN_FAILURE
    other.task_suspend()
    other.task_suspend()
    assert other.task_info(1)[0] == 2 and other_thread.thread_info(1)[7] == mach.TH_STATE_STOPPED
    other.task_resume()
    other.task_resume()
    assert other.task_info(1)[0] == 0 and code(other.task_resume) == mach.KERN_FAILURE
""",
    "task_threads": """
    assert me.task_threads() == [thread_name] and other.task_threads() == [OTHER_THREAD]
""",
    "task_info": """
    address = me.vm_allocate(0, 1 << 20, 1)
    suspended, priority, size, resident, *times = me.task_info(1)
    assert (suspended, priority) == (0, 12) and size >= 1 << 20 and resident > 0 and len(times) == 4
    assert me.task_info(2)[0] > 0 and len(me.task_info(2)) == 7 and len(me.task_info(3)) == 4
    assert code(me.task_info, 9) == mach.KERN_INVALID_ARGUMENT
""",
    "task_get_special_port task_set_special_port": """
    assert me.task_get_special_port(mach.TASK_KERNEL_PORT) == task.self_port
    assert me.task_get_special_port(mach.TASK_EXCEPTION_PORT) == 0
    port = task.reply_port()
    me.mach_port_insert_right(port, port)
    me.task_set_special_port(mach.TASK_EXCEPTION_PORT, port)
    assert me.task_get_special_port(mach.TASK_EXCEPTION_PORT) == port
    assert code(me.task_get_special_port, 99) == code(me.task_set_special_port, 99, port) == mach.KERN_INVALID_ARGUMENT
""",
    "task_priority": """
    other.task_priority(20, 1)
    assert other.task_info(1)[1] == 20 and other_thread.thread_info(2)[2:5] == [20, 12, 20]
    assert code(other.task_priority, 32, 0) == mach.KERN_INVALID_ARGUMENT
    assert code(other.task_priority, 5, 1) == mach.KERN_FAILURE
""",
    "task_set_emulation task_get_emulation_vector task_set_emulation_vector": """
    port = task.reply_port()
    me.mach_port_insert_right(port, port)
    child = Calls(TaskPort, task, me.task_create(0))
    child.task_set_emulation(3, 5, port)
    assert child.task_get_emulation_vector() == ([3, 5], [port])
    child.task_set_emulation_vector([1, 2, 8, 9], [port, port])
    assert child.task_get_emulation_vector() == ([1, 2, 8, 9], [port, port])
    for wrong in ([1, 2, 2, 9], [5, 4, 8, 9], [1, 2]):
        assert code(child.task_set_emulation_vector, wrong, [port, port]) == mach.KERN_INVALID_ARGUMENT
    assert code(child.task_set_emulation, 5, 4, port) == mach.KERN_INVALID_ARGUMENT
    child.task_terminate()
""",
    "mach_sample_task mach_sample_thread": """
    assert code(me.mach_sample_task, 0, task.self_port) == code(thread.mach_sample_thread, 0, thread_name) == mach.KERN_FAILURE
""",
    "thread_suspend thread_resume": """
    assert code(other_thread.thread_resume) == mach.KERN_FAILURE
    other_thread.thread_suspend()
    assert other_thread.thread_info(1)[7:10] == [mach.TH_STATE_STOPPED, 0, 1]
    other_thread.thread_resume()
    assert other_thread.thread_info(1)[7:10] == [mach.TH_STATE_WAITING, 0, 0]
""",
    "thread_abort": """
    notify = task.reply_port()
    me.mach_port_request_notification(OTHER, mach.NOTIFY_DEAD_NAME, 1, notify)
    other_thread.thread_abort()  # its receive is broken off, of which it dies
    assert task.receive(notify).id == mach.NOTIFY_DEAD_NAME
    try:
        thread.thread_abort()  # who aborts itself waits for the answer
    except MessageFailure as failure:
        assert failure.code == mach.MACH_RCV_INTERRUPTED
    else:
        raise AssertionError("not aborted")
""",
    "thread_terminate": """
    other_thread.thread_terminate()
    assert me.mach_port_type(OTHER) == mach.MACH_PORT_TYPE_DEAD_NAME
""",
    "thread_get_state thread_set_state": """
    assert code(thread.thread_get_state, mach.X86_64_THREAD_STATE) == mach.KERN_FAILURE
    child = Calls(TaskPort, task, me.task_create(0))
    made = Calls(ThreadPort, task, child.thread_create())
    state = bytearray(made.thread_get_state(mach.X86_64_THREAD_STATE))
    state[0:8] = (77).to_bytes(8, "little")
    made.thread_set_state(mach.X86_64_THREAD_STATE, bytes(state))
    assert made.thread_get_state(mach.X86_64_THREAD_STATE)[0] == 77
    assert code(made.thread_set_state, mach.X86_64_THREAD_STATE, b"short") == mach.KERN_INVALID_ARGUMENT
    assert code(made.thread_get_state, 99) == mach.KERN_INVALID_ARGUMENT
    child.task_terminate()
""",
    "thread_info": """
    assert len(thread.thread_info(1)) == 11 and thread.thread_info(2) == [mach.POLICY_TIMESHARE, 0, 12, 12, 12, 0, 0]
    assert code(thread.thread_info, 7) == mach.KERN_INVALID_ARGUMENT
""",
    "thread_get_special_port thread_set_special_port": """
    assert thread.thread_get_special_port(mach.THREAD_KERNEL_PORT) == thread_name
    thread.thread_set_special_port(mach.THREAD_KERNEL_PORT, OTHER)
    assert channel.trap(mach.TRAP_MACH_THREAD_SELF) == OTHER
    assert code(thread.thread_get_special_port, 2) == code(thread.thread_set_special_port, 2, OTHER) == mach.KERN_INVALID_ARGUMENT
""",
    "thread_priority thread_max_priority": """
    thread.thread_priority(15, 0)
    assert thread.thread_info(2)[2:5] == [15, 12, 15]
    thread.thread_priority(14, 1)
    assert thread.thread_info(2)[2:5] == [14, 14, 14]
    assert code(thread.thread_priority, 12, 0) == mach.KERN_FAILURE
    assert code(thread.thread_priority, -1, 0) == mach.KERN_INVALID_ARGUMENT
    default = priv.host_processor_set_priv(host.processor_set_default())
    thread.thread_max_priority(default, 16)
    assert thread.thread_info(2)[2:5] == [16, 16, 16]
    thread.thread_max_priority(default, 12)
    _, _, foreign, _ = new_set()
    assert code(thread.thread_max_priority, foreign, 12) == mach.KERN_FAILURE
    assert code(thread.thread_max_priority, PRIV, 12) == mach.KERN_INVALID_ARGUMENT
""",
    "thread_policy processor_set_policy_enable processor_set_policy_disable": """
    default = Calls(ProcessorSetPort, task, priv.host_processor_set_priv(host.processor_set_default()))
    assert code(thread.thread_policy, mach.POLICY_FIXEDPRI, 50) == mach.KERN_FAILURE
    default.processor_set_policy_enable(mach.POLICY_FIXEDPRI)
    thread.thread_policy(mach.POLICY_FIXEDPRI, 50)
    assert thread.thread_info(2)[:2] == [mach.POLICY_FIXEDPRI, 50]
    assert code(thread.thread_policy, 3, 0) == code(default.processor_set_policy_enable, 3) == mach.KERN_INVALID_ARGUMENT
    default.processor_set_policy_disable(mach.POLICY_FIXEDPRI, 1)
    assert thread.thread_info(2)[:2] == [mach.POLICY_TIMESHARE, 0]
    assert code(default.processor_set_policy_disable, mach.POLICY_TIMESHARE, 0) == mach.KERN_INVALID_ARGUMENT
""",
    "thread_depress_abort": """
    thread.thread_depress_abort()
    assert thread.thread_info(2)[4:6] == [12, 0]
""",
    "thread_wire": """
    priv.thread_wire(thread_name, 1)
    assert code(priv.thread_wire, task.self_port, 1) == mach.KERN_INVALID_ARGUMENT
""",
    "host_info": """
    most, now, memory, kind, _ = host.host_info(1)
    assert now == most > 0 and memory > 1 << 20 and kind == mach.CPU_TYPE_X86_64
    assert len(host.host_info(2)) == now and len(host.host_info(3)) == 2 and len(host.host_info(4)) == 6
    assert code(host.host_info, 9) == mach.KERN_INVALID_ARGUMENT
""",
    "host_kernel_version host_get_boot_info": """
    assert host.host_kernel_version().startswith(b"Skerry")
    assert priv.host_get_boot_info() == b"started for a test"
""",
    "host_get_time host_set_time": """
    assert host.host_get_time()[0] > 1_600_000_000
    priv.host_set_time(1000, 5)
    seconds, microseconds = host.host_get_time()
    assert 1000 <= seconds < 1100 and 0 <= microseconds < 1_000_000
    priv.host_set_time(0x7FFF_FFFF, 999_999)  # what comes next has more than 31 bits
    while host.host_get_time()[0] > 0:
        pass
    assert host.host_get_time()[0] < 0 and host.host_get_time64()[0] == 1 << 31
    assert code(priv.host_set_time, 1, 1_000_000) == code(priv.host_set_time, -1, 0) == mach.KERN_INVALID_VALUE
    assert code(Calls(HostPrivPort, task, task.host_self()).host_set_time, 1, 1) == mach.MIG_BAD_ID
""",
    "host_adjust_time": """
    assert priv.host_adjust_time(5, 0) == (0, 0)
    seconds, microseconds = priv.host_adjust_time(-3, 0)
    assert 4 <= seconds <= 5
    assert priv.host_adjust_time(0, 0)[0] in (-2, -3)
    assert code(priv.host_adjust_time, 0, 2_000_000) == mach.KERN_INVALID_VALUE
""",
    "host_reboot": """
    priv.host_reboot(0)
""",
    "host_processors processor_info processor_get_assignment processor_start processor_exit processor_control": """
    processors = [Calls(ProcessorPort, task, name) for name in priv.host_processors()]
    for slot, processor in enumerate(processors):
        assert processor.processor_info(1) == (task.host_self(), [mach.CPU_TYPE_X86_64, 0, 1, slot, int(slot == 0)])
        assert processor.processor_get_assignment() == host.processor_set_default()
        assert code(processor.processor_start) == code(processor.processor_exit) == mach.KERN_FAILURE
        assert code(processor.processor_control, [1]) == mach.KERN_FAILURE
        assert code(processor.processor_info, 2) == mach.KERN_INVALID_ARGUMENT
""",
    "host_processor_sets processor_set_default processor_set_create host_processor_set_priv processor_set_info processor_set_destroy": """
    default = host.processor_set_default()
    assert host.host_processor_sets() == [default]
    made, made_name, control, name = new_set()
    assert host.host_processor_sets() == [default, name]
    assert priv.host_processor_set_priv(name) == control
    assert code(priv.host_processor_set_priv, OTHER) == mach.KERN_INVALID_ARGUMENT
    assert made_name.processor_set_info(1)[1][:3] == [0, 0, 0]
    assert made_name.processor_set_info(2)[1] == [mach.POLICY_TIMESHARE, 12]
    assert code(made_name.processor_set_info, 3) == mach.KERN_INVALID_ARGUMENT
    assert code(Calls(ProcessorSetPort, task, name).processor_set_destroy) == mach.MIG_BAD_ID
    made.processor_set_destroy()
    assert host.host_processor_sets() == [default] and me.mach_port_type(name) == mach.MACH_PORT_TYPE_DEAD_NAME
    assert code(Calls(ProcessorSetPort, task, priv.host_processor_set_priv(default)).processor_set_destroy) == mach.KERN_INVALID_ARGUMENT
""",
    "processor_set_tasks processor_set_threads task_assign task_assign_default task_get_assignment": """
    made, made_name, control, name = new_set()
    other.task_assign(control, 0)
    assert made.processor_set_tasks() == [OTHER] and made.processor_set_threads() == []
    assert other.task_get_assignment() == name
    other.task_assign(control, 1)
    assert made.processor_set_threads() == [OTHER_THREAD]
    assert other_thread.thread_info(1)[7] == mach.TH_STATE_STOPPED
    other.task_assign_default(1)
    assert other_thread.thread_info(1)[7] == mach.TH_STATE_WAITING and made.processor_set_tasks() == []
    assert other.task_get_assignment() == host.processor_set_default()
    assert code(other.task_assign, PRIV, 0) == mach.KERN_INVALID_ARGUMENT
""",
    "thread_assign thread_assign_default thread_get_assignment processor_set_max_priority": """
    made, made_name, control, name = new_set()
    made.processor_set_max_priority(14, 0)
    other_thread.thread_assign(control)
    assert other_thread.thread_get_assignment() == name and made.processor_set_threads() == [OTHER_THREAD]
    assert other_thread.thread_info(2)[2:5] == [14, 14, 14]
    made.processor_set_max_priority(20, 1)
    assert other_thread.thread_info(2)[2:5] == [20, 20, 20]
    assert code(made.processor_set_max_priority, 32, 0) == mach.KERN_INVALID_ARGUMENT
    other_thread.thread_assign_default()
    assert other_thread.thread_get_assignment() == host.processor_set_default()
    assert code(other_thread.thread_assign, name) == mach.KERN_INVALID_ARGUMENT
""",
    "processor_assign": """
    made, made_name, control, name = new_set()
    master_processor, *rest = (Calls(ProcessorPort, task, each) for each in priv.host_processors())
    assert code(master_processor.processor_assign, control, 0) == mach.KERN_FAILURE
    assert code(master_processor.processor_assign, OTHER, 0) == mach.KERN_INVALID_ARGUMENT
    other_thread.thread_assign(control)
    for processor in rest:
        processor.processor_assign(control, 0)
        assert processor.processor_get_assignment() == name
        assert made_name.processor_set_info(1)[1][0] == 1
        assert other_thread.thread_info(1)[7] == mach.TH_STATE_WAITING
        break
    made.processor_set_destroy()
    assert other_thread.thread_info(1)[7] == mach.TH_STATE_WAITING
    for processor in rest:
        assert processor.processor_get_assignment() == host.processor_set_default()
""",
    "device_open device_close": """
    zero = master.device_open(1, "zero")
    device = Calls(DevicePort, task, zero)
    assert device.device_read(0, 0, 3) == bytes(3)
    device.device_close()
    assert me.mach_port_type(zero) == mach.MACH_PORT_TYPE_DEAD_NAME
    assert code(master.device_open, 1, "nothing") == mach.D_NO_SUCH_DEVICE
    assert code(master.device_open, 1 << 9, "zero") == mach.D_INVALID_OPERATION
""",
    "device_read device_read_inband": """
    assert opened("null").device_read(0, 0, 100) == b""
    assert opened("zero").device_read(0, 0, 100_000) == bytes(100_000)
    assert len(set(opened("random").device_read_inband(0, 0, 100))) > 20
    assert code(opened("zero").device_read_inband, 0, 0, 129) == code(opened("zero").device_read, 0, 0, -1) == mach.D_INVALID_SIZE
    assert code(opened("zero", 2).device_read, 0, 0, 1) == mach.D_INVALID_OPERATION
    assert len(opened("time", 1).device_read(0, 0, 24)) == 24
    reply = task.reply_port()
    items = tuple(machmsg.Item(2, 32, 1, word.to_bytes(4, "little")) for word in (0, 0, 8))
    device = master.device_open(1, "zero")
    task.send(UserMessage(2804, device, reply, COPY, ONCE, None, machmsg.pack_items(items)))
    answer = task.inline(task.receive(reply))
    assert answer.id == 2904 and answer.items[1].data == bytes(8)
""",
    "device_write device_write_inband": """
    null = opened("null")
    assert (null.device_write(0, 0, b"12345"), null.device_write_inband(0, 0, b"123")) == (5, 3)
    assert code(null.device_write_inband, 0, 0, bytes(129)) in (mach.D_INVALID_SIZE, mach.MIG_BAD_ARGUMENTS)
    assert code(opened("random").device_write, 0, 0, b"1") == code(opened("null", 1).device_write, 0, 0, b"1") == mach.D_READ_ONLY
""",
    "device_get_status device_set_status": """
    assert opened("time", 1).device_get_status(mach.DEV_GET_SIZE) == [0, 24]
    assert code(opened("time", 1).device_get_status, 77) == code(opened("null").device_set_status, 1, [2]) == mach.D_INVALID_OPERATION
""",
    "device_map device_set_filter": """
    assert code(opened("null").device_map, 1, 0, 4096, 0) == mach.D_INVALID_OPERATION
    assert code(opened("time", 1).device_map, 9, 0, 4096, 0) == mach.KERN_INVALID_ARGUMENT
    assert code(opened("null").device_set_filter, 0, 0, [1, 2]) == mach.D_INVALID_OPERATION
""",
}
IDLE = """
def main(channel):
    task = NativeTask(channel)
    task.receive(task.reply_port())
"""
ELSEWHERE = {
    "exception_raise": "tests/native/test_ruled_programs.py: exceptions are of programs' threads",
    "catch_exception_raise": "the same message, received",
}


def run(natives: Natives, body: str) -> tuple[NativeTask, NativeTask, set[int]]:
    """A task that does ``body``, another that waits, and the ids that the kernel was asked for."""
    natives.kernel.host.boot_info = b"started for a test"
    asked: set[int] = set()
    serve = natives.kernel.serve
    natives.kernel.serve = lambda target, message: (asked.add(message.id), serve(target, message))[1]  # type: ignore[method-assign]
    other = natives.start(IDLE)
    natives.run_until(lambda: other.waits and len(other.space.entries) == 3)
    task = natives.start(SETUP + body)
    host = natives.kernel.host
    for name, port in ((PRIV, host.priv_port), (MASTER, host.devices.port), (OTHER, other.port), (OTHER_THREAD, other.thread.port)):
        task.space.copyout_name(RightKind.SEND, right.make_send(port), name)
    assert natives.ended(task) == ""
    return task, other, asked


@pytest.mark.parametrize("names", SCENARIOS)
def test_call_by_message(natives: Natives, names: str) -> None:
    rows = {row.name: row for row in INTERFACES}
    task, _, asked = run(natives, SCENARIOS[names])
    for name in names.split():
        if rows[name].form is Form.REQUEST:
            assert rows[name].id in asked
    assert task.space.entries == {}
    assert natives.kernel.halted == (names == "host_reboot")


def test_every_call_has_a_scenario() -> None:
    covered = {name for names in SCENARIOS for name in names.split()} | set(ELSEWHERE)
    assert covered == {row.name for row in INTERFACES if row.chapter != "memory-objects"}
