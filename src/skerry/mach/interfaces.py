"""The 140 interfaces of the manual by name, chapter by chapter: what `skerry calls --mach` prints and the reference is checked against.

Requests are rows of ``calls.TABLE``; the traps, the messages of the kernel to others (upcalls) and what a library makes of a trap stand
here. The six do_mach_notify_* of chapter 3, which are what a server makes of notifications, are listed and not counted. ``EXTRAS`` are
calls of GNU Mach.

Source: Mach 3 Kernel Interfaces (Loepere, 1992), chapters 2 to 10.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from skerry.abi import mach
from skerry.mach.call import FULL, NONE, PARTIAL
from skerry.mach.calls import BY_NAME


class Form(Enum):
    """How an interface is used."""

    REQUEST = "request"  # a message to the object's port
    TRAP = "trap"
    UPCALL = "upcall"  # a message of the kernel to a pager, a handler, or who asked
    LIBRARY = "library"  # made of other interfaces


@dataclass(frozen=True, slots=True)
class Interface:
    """A row. ``id``: the message's, or the trap's number (negative); 0: neither. ``note``: what is missing."""

    chapter: str
    name: str
    form: Form
    id: int
    support: str
    note: str = ""


CHAPTERS: Final = {
    "ipc": "mach_msg mach_msg_receive mach_msg_send",
    "ports": "mach_port_allocate mach_port_allocate_name mach_port_deallocate mach_port_destroy mach_port_extract_right"
    " mach_port_get_receive_status mach_port_get_refs mach_port_get_set_status mach_port_insert_right mach_port_mod_refs"
    " mach_port_move_member mach_port_names mach_port_rename mach_port_request_notification mach_port_set_mscount mach_port_set_qlimit"
    " mach_port_set_seqno mach_port_type mach_ports_lookup mach_ports_register mach_reply_port",
    "memory": "vm_allocate vm_copy vm_deallocate vm_inherit vm_machine_attribute vm_map vm_protect vm_read vm_region vm_statistics vm_wire"
    " vm_write",
    "memory-objects": "default_pager_info default_pager_object_create memory_object_change_attributes memory_object_change_completed"
    " memory_object_copy memory_object_create memory_object_data_error memory_object_data_initialize memory_object_data_provided"
    " memory_object_data_request memory_object_data_return memory_object_data_supply memory_object_data_unavailable"
    " memory_object_data_unlock memory_object_data_write memory_object_destroy memory_object_get_attributes memory_object_init"
    " memory_object_lock_completed memory_object_lock_request memory_object_ready memory_object_set_attributes"
    " memory_object_supply_completed memory_object_terminate vm_set_default_memory_manager",
    "threads": "catch_exception_raise evc_wait exception_raise mach_sample_thread mach_thread_self swtch swtch_pri thread_abort"
    " thread_create thread_depress_abort thread_get_special_port thread_get_state thread_info thread_max_priority thread_policy"
    " thread_priority thread_resume thread_set_special_port thread_set_state thread_suspend thread_switch thread_terminate thread_wire",
    "tasks": "mach_sample_task mach_task_self task_create task_get_emulation_vector task_get_special_port task_info"
    " task_priority task_resume task_set_emulation task_set_emulation_vector task_set_special_port task_suspend task_terminate"
    " task_threads",
    "hosts": "host_adjust_time host_get_boot_info host_get_time host_info host_kernel_version host_reboot host_set_time mach_host_self",
    "processors": "host_processor_set_priv host_processor_sets host_processors processor_assign processor_control processor_exit"
    " processor_get_assignment processor_info processor_set_create processor_set_default processor_set_destroy processor_set_info"
    " processor_set_max_priority processor_set_policy_disable processor_set_policy_enable processor_set_tasks processor_set_threads"
    " processor_start task_assign task_assign_default task_get_assignment thread_assign thread_assign_default thread_get_assignment",
    "devices": "device_close device_get_status device_map device_open device_read device_read_inband device_set_filter device_set_status"
    " device_write device_write_inband",
}
"""Chapter: names of its interfaces."""

GNU: Final = "gsync_requeue gsync_wait gsync_wake host_get_time64 host_get_uptime64 vm_get_size_limit vm_set_size_limit vm_wire_all"
"""Calls of GNU Mach, beside the 140."""

NATIVE: Final = "native tasks; a program's traps go where task_set_emulation says"
HINT: Final = "what is ready in the kernel goes first; who has the processor next is the host's choice, whatever the hint"
_OTHERS: Final = (
    ("mach_msg", Form.TRAP, mach.TRAP_MACH_MSG, PARTIAL, NATIVE),
    ("mach_msg_receive", Form.LIBRARY, 0, FULL, ""),
    ("mach_msg_send", Form.LIBRARY, 0, FULL, ""),
    ("mach_reply_port", Form.TRAP, mach.TRAP_MACH_REPLY_PORT, FULL, ""),
    ("mach_thread_self", Form.TRAP, mach.TRAP_MACH_THREAD_SELF, FULL, ""),
    ("mach_task_self", Form.TRAP, mach.TRAP_MACH_TASK_SELF, FULL, ""),
    ("mach_host_self", Form.TRAP, mach.TRAP_MACH_HOST_SELF, FULL, ""),
    ("swtch", Form.TRAP, mach.TRAP_SWTCH, PARTIAL, HINT),
    ("swtch_pri", Form.TRAP, mach.TRAP_SWTCH_PRI, PARTIAL, HINT),
    ("thread_switch", Form.TRAP, mach.TRAP_THREAD_SWITCH, PARTIAL, HINT),
    ("evc_wait", Form.TRAP, mach.TRAP_EVC_WAIT, NONE, "KERN_INVALID_ARGUMENT: no driver makes event counters; interrupts are messages"),
    ("exception_raise", Form.UPCALL, mach.ID_EXCEPTION_RAISE, FULL, ""),
    ("catch_exception_raise", Form.LIBRARY, mach.ID_EXCEPTION_RAISE, FULL, ""),
    ("memory_object_init", Form.UPCALL, mach.ID_MEMORY_OBJECT_INIT, FULL, ""),
    ("memory_object_terminate", Form.UPCALL, mach.ID_MEMORY_OBJECT_TERMINATE, FULL, ""),
    ("memory_object_copy", Form.UPCALL, mach.ID_MEMORY_OBJECT_COPY, FULL, ""),
    ("memory_object_data_request", Form.UPCALL, mach.ID_MEMORY_OBJECT_DATA_REQUEST, FULL, ""),
    ("memory_object_data_unlock", Form.UPCALL, mach.ID_MEMORY_OBJECT_DATA_UNLOCK, FULL, ""),
    ("memory_object_data_write", Form.UPCALL, 2205, NONE, "never sent: memory_object_data_return says the same and more"),
    ("memory_object_data_return", Form.UPCALL, mach.ID_MEMORY_OBJECT_DATA_RETURN, FULL, ""),
    ("memory_object_lock_completed", Form.UPCALL, mach.ID_MEMORY_OBJECT_LOCK_COMPLETED, FULL, ""),
    ("memory_object_supply_completed", Form.UPCALL, mach.ID_MEMORY_OBJECT_SUPPLY_COMPLETED, FULL, ""),
    ("memory_object_change_completed", Form.UPCALL, mach.ID_MEMORY_OBJECT_CHANGE_COMPLETED, FULL, ""),
    ("memory_object_create", Form.UPCALL, mach.ID_MEMORY_OBJECT_CREATE, FULL, ""),
    ("memory_object_data_initialize", Form.UPCALL, mach.ID_MEMORY_OBJECT_DATA_INITIALIZE, FULL, ""),
    ("default_pager_object_create", Form.LIBRARY, 0, FULL, ""),
    ("default_pager_info", Form.LIBRARY, 0, FULL, ""),
)
NOTIFICATIONS: Final = {
    "do_mach_notify_port_deleted": mach.NOTIFY_PORT_DELETED,
    "do_mach_notify_msg_accepted": mach.NOTIFY_MSG_ACCEPTED,
    "do_mach_notify_port_destroyed": mach.NOTIFY_PORT_DESTROYED,
    "do_mach_notify_no_senders": mach.NOTIFY_NO_SENDERS,
    "do_mach_notify_send_once": mach.NOTIFY_SEND_ONCE,
    "do_mach_notify_dead_name": mach.NOTIFY_DEAD_NAME,
}
"""The six that are not counted: their message ids."""


def _interfaces() -> tuple[Interface, ...]:
    others = {name: rest for name, *rest in _OTHERS}
    found: list[Interface] = []
    for chapter, names in CHAPTERS.items():
        for name in names.split():
            call = BY_NAME.get(name)
            if call is not None:
                found.append(Interface(chapter, name, Form.REQUEST, call.id, call.support, call.note))
            else:
                form, id, support, note = others[name]
                found.append(Interface(chapter, name, form, id, support, note))  # type: ignore[arg-type]
    return tuple(found)


INTERFACES: Final = _interfaces()
EXTRAS: Final = tuple(
    Interface("gnu", name, Form.REQUEST, BY_NAME[name].id, BY_NAME[name].support, BY_NAME[name].note) for name in GNU.split()
)
