"""System calls of System V IPC."""

from __future__ import annotations

import struct
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Final, TypeVar

from skerry.abi import linux, sysv
from skerry.lib.coroutine import NEVER
from skerry.unix.arguments import c_int, c_long
from skerry.unix.errors import LinuxError
from skerry.unix.files import RegularFile
from skerry.unix.futex import deadline_of
from skerry.unix.memory import LOWEST, PAGE
from skerry.unix.sysv import msg, sem, shm
from skerry.unix.sysv.identifiers import MOST, READ, WRITE, Identified, Table

if TYPE_CHECKING:
    from skerry.unix.process import Process, Thread

Result = int | Coroutine[Any, Any, int]
Kind = TypeVar("Kind", bound=Identified)
PERMISSIONS_SIZE: Final = 48


def _command(word: int) -> int:
    return c_int(word) & ~sysv.IPC_64


def _now(process: Process) -> int:
    return process.system.platform.realtime()


def _stat(process: Process, table: Table[Kind], identifier: int, by_place: bool, anybody: bool) -> Kind:
    """What IPC_STAT and its kin speak of. Raises EINVAL, EACCES."""
    found = table.at(identifier) if by_place else table.find(identifier)
    if not anybody:
        found.require(process.credentials, READ)
    return found


# Shared memory
def sys_shmget(thread: Thread, key: int, size: int, flags: int) -> int:
    process = thread.process
    segments = process.system.segments
    segments.sweep(process.system)

    def check(found: shm.Segment) -> None:
        if size > found.size:
            raise LinuxError(linux.EINVAL)

    def make() -> shm.Segment:
        shm.check_size(size)
        return shm.Segment(c_int(key), flags, size, process)

    return segments.get(c_int(key), flags, process.credentials, check, make)


def sys_shmat(thread: Thread, identifier: int, address: int, flags: int) -> int:
    process = thread.process
    system, memory = process.system, process.memory
    system.segments.sweep(system)
    segment = system.segments.find(c_int(identifier))
    reads_only = bool(flags & sysv.SHM_RDONLY)
    segment.require(process.credentials, READ if reads_only else READ | WRITE)
    length = segment.file.size
    if address:
        if address % PAGE:
            if not flags & sysv.SHM_RND:
                raise LinuxError(linux.EINVAL)
            address -= address % PAGE
        if address < LOWEST or address + length > memory.space.limit or not (flags & sysv.SHM_REMAP or memory.is_free(address, length)):
            raise LinuxError(linux.EINVAL)
    elif flags & sysv.SHM_REMAP:
        raise LinuxError(linux.EINVAL)
    else:
        address = memory.free_range(length)
    protection = linux.PROT_READ | (0 if reads_only else linux.PROT_WRITE) | (linux.PROT_EXEC if flags & sysv.SHM_EXEC else 0)
    file = RegularFile(segment.file, linux.O_RDONLY if reads_only else linux.O_RDWR, segment.name)
    memory.map(address, length, protection, True, file, 0)
    memory.commit(address, length)
    segment.attached_at, segment.last = _now(process), process.pid
    return address


def sys_shmdt(thread: Thread, address: int) -> int:
    process = thread.process
    memory = process.memory
    for segment in process.system.segments.objects():
        if address in shm.attached_at(memory, segment.file):
            pieces = [m for m in memory.mappings() if m.inode is segment.file and m.start - m.offset == address]
            for start, end in [(piece.start, piece.end) for piece in pieces]:
                memory.unmap(start, end - start)
            segment.detached_at, segment.last = _now(process), process.pid
            process.system.segments.sweep(process.system)
            return 0
    raise LinuxError(linux.EINVAL)


def sys_shmctl(thread: Thread, identifier: int, command: int, address: int) -> int:
    process = thread.process
    system, memory, segments = process.system, process.memory, process.system.segments
    segments.sweep(system)
    identifier, command = c_int(identifier), _command(command)
    if command in (sysv.IPC_INFO, sysv.SHM_INFO):
        memory.write(address, shm.limits() if command == sysv.IPC_INFO else segments.totals(system))
        return segments.highest()
    if command in (sysv.IPC_STAT, sysv.SHM_STAT, sysv.SHM_STAT_ANY):
        segment = _stat(process, segments, identifier, command != sysv.IPC_STAT, command == sysv.SHM_STAT_ANY)
        memory.write(address, segment.describe(system))
        return 0 if command == sysv.IPC_STAT else segment.id
    segment = segments.find(identifier)
    if command == sysv.IPC_RMID:
        segment.require_owner(process.credentials)
        segments.destroy(segment, system)
    elif command == sysv.IPC_SET:
        packed = memory.read(address, PERMISSIONS_SIZE)
        segment.require_owner(process.credentials)
        segment.set_permissions(packed, _now(process))
    elif command in (sysv.SHM_LOCK, sysv.SHM_UNLOCK):  # nothing is ever swapped
        segment.require_owner(process.credentials)
        segment.mode = segment.mode & ~sysv.SHM_LOCKED | (sysv.SHM_LOCKED if command == sysv.SHM_LOCK else 0)
    else:
        raise LinuxError(linux.EINVAL)
    return 0


# Semaphores
def sys_semget(thread: Thread, key: int, count: int, flags: int) -> int:
    process = thread.process
    sets = process.system.semaphores
    count = c_int(count)
    if not 0 <= count <= sem.SET_MAX:
        raise LinuxError(linux.EINVAL)

    def check(found: sem.SemaphoreSet) -> None:
        if count > len(found.values):
            raise LinuxError(linux.EINVAL)

    def make() -> sem.SemaphoreSet:
        if not count:
            raise LinuxError(linux.EINVAL)
        sets.require_room(count)
        return sem.SemaphoreSet(c_int(key), flags, count, process)

    return sets.get(c_int(key), flags, process.credentials, check, make)


def sys_semop(thread: Thread, identifier: int, address: int, count: int) -> Result:
    return sys_semtimedop(thread, identifier, address, count, 0)


def sys_semtimedop(thread: Thread, identifier: int, address: int, count: int, timeout: int) -> Result:
    process = thread.process
    count &= 0xFFFFFFFF
    if not count or c_int(identifier) < 0:
        raise LinuxError(linux.EINVAL)
    if count > sem.OPERATIONS_MAX:
        raise LinuxError(linux.E2BIG)
    operations = [sem.Operation(*fields) for fields in struct.iter_unpack("<Hhh", process.memory.read(address, 6 * count))]
    deadline = deadline_of(thread, timeout, False, False) if timeout else NEVER
    target = process.system.semaphores.find(c_int(identifier))
    if any(op.number >= len(target.values) for op in operations):
        raise LinuxError(linux.EFBIG)
    target.require(process.credentials, WRITE if any(op.change for op in operations) else READ)
    return _operate(process, target, operations, deadline)


async def _operate(process: Process, target: sem.SemaphoreSet, operations: list[sem.Operation], deadline: int) -> int:
    await sem.operate_later(target, operations, process, deadline)
    target.operated_at = _now(process)
    if any(op.flags & sysv.SEM_UNDO for op in operations):
        process.undo = process.undo or sem.Undo()
        process.undo.note(target, operations)
    return 0


def sys_semctl(thread: Thread, identifier: int, number: int, command: int, argument: int) -> int:
    process = thread.process
    memory, sets = process.memory, process.system.semaphores
    identifier, number, command = c_int(identifier), c_int(number), _command(command)
    if command in (sysv.IPC_INFO, sysv.SEM_INFO):
        memory.write(argument, sets.facts(command == sysv.SEM_INFO))
        return sets.highest()
    if command in (sysv.IPC_STAT, sysv.SEM_STAT, sysv.SEM_STAT_ANY):
        target = _stat(process, sets, identifier, command != sysv.IPC_STAT, command == sysv.SEM_STAT_ANY)
        memory.write(argument, target.describe())
        return 0 if command == sysv.IPC_STAT else target.id
    target = sets.find(identifier)
    if command == sysv.IPC_RMID:
        target.require_owner(process.credentials)
        sets.remove(target)
        target.queue.wake()
        return 0
    if command == sysv.IPC_SET:
        packed = memory.read(argument, PERMISSIONS_SIZE)
        target.require_owner(process.credentials)
        target.set_permissions(packed, _now(process))
        return 0
    return _values(process, target, number, command, argument)


def _values(process: Process, target: sem.SemaphoreSet, number: int, command: int, argument: int) -> int:
    """The commands of semctl on values."""
    memory = process.memory
    count = len(target.values)
    sets = command in (sysv.SETVAL, sysv.SETALL)
    if not sets and command not in (sysv.GETVAL, sysv.GETPID, sysv.GETNCNT, sysv.GETZCNT, sysv.GETALL):
        raise LinuxError(linux.EINVAL)
    if command not in (sysv.GETALL, sysv.SETALL) and not 0 <= number < count:
        raise LinuxError(linux.EINVAL)
    target.require(process.credentials, WRITE if sets else READ)
    if sets:
        first, last = (number, number + 1) if command == sysv.SETVAL else (0, count)
        values = [c_int(argument)] if command == sysv.SETVAL else list(struct.unpack(f"<{count}H", memory.read(argument, 2 * count)))
        target.set_values(first, values, process.pid, _now(process))
        for other in process.system.processes.values():
            if other.undo is not None:
                other.undo.forget(target, range(first, last))
        return 0
    if command == sysv.GETALL:
        memory.write(argument, struct.pack(f"<{count}H", *target.values))
        return 0
    if command == sysv.GETVAL:
        return target.values[number]
    if command == sysv.GETPID:
        return target.pids[number]
    return target.waiters(number, command == sysv.GETZCNT)


# Message queues
def sys_msgget(thread: Thread, key: int, flags: int) -> int:
    process = thread.process
    return process.system.queues.get(
        c_int(key), flags, process.credentials, lambda _: None, lambda: msg.MessageQueue(c_int(key), flags, process)
    )


def sys_msgsnd(thread: Thread, identifier: int, address: int, size: int, flags: int) -> Result:
    process = thread.process
    if size > msg.MESSAGE_MAX or c_int(identifier) < 0:
        raise LinuxError(linux.EINVAL)
    kind, text = c_long(process.memory.read_words(address, 1)[0]), process.memory.read(address + 8, size)
    if kind < 1:
        raise LinuxError(linux.EINVAL)
    queue = process.system.queues.find(c_int(identifier))
    queue.require(process.credentials, WRITE)
    if queue.try_send(kind, text, process):
        return 0
    if flags & sysv.IPC_NOWAIT:
        raise LinuxError(linux.EAGAIN)
    return _send_later(process, queue, kind, text)


async def _send_later(process: Process, queue: msg.MessageQueue, kind: int, text: bytes) -> int:
    while not queue.try_send(kind, text, process):
        await queue.left.wait()
    return 0


def sys_msgrcv(thread: Thread, identifier: int, address: int, size: int, kind: int, flags: int) -> Result:
    process = thread.process
    if c_long(size) < 0 or c_int(identifier) < 0:
        raise LinuxError(linux.EINVAL)
    if flags & sysv.MSG_COPY:
        raise LinuxError(linux.ENOSYS)
    queue = process.system.queues.find(c_int(identifier))
    queue.require(process.credentials, READ)
    kind = max(c_long(kind), 1 - (1 << 63))
    found = queue.try_receive(kind, size, flags, process)
    if found is not None:
        return _store_message(process, address, found)
    if flags & sysv.IPC_NOWAIT:
        raise LinuxError(linux.ENOMSG)
    return _receive_later(process, queue, address, size, kind, flags)


async def _receive_later(process: Process, queue: msg.MessageQueue, address: int, size: int, kind: int, flags: int) -> int:
    while (found := queue.try_receive(kind, size, flags, process)) is None:
        await queue.arrived.wait()
    return _store_message(process, address, found)


def _store_message(process: Process, address: int, message: tuple[int, bytes]) -> int:
    process.memory.write(address, struct.pack("<q", message[0]) + message[1])
    return len(message[1])


def sys_msgctl(thread: Thread, identifier: int, command: int, address: int) -> int:
    process = thread.process
    memory, queues = process.memory, process.system.queues
    identifier, command = c_int(identifier), _command(command)
    if command in (sysv.IPC_INFO, sysv.MSG_INFO):
        memory.write(address, queues.facts(command == sysv.MSG_INFO))
        return queues.highest()
    if command in (sysv.IPC_STAT, sysv.MSG_STAT, sysv.MSG_STAT_ANY):
        queue = _stat(process, queues, identifier, command != sysv.IPC_STAT, command == sysv.MSG_STAT_ANY)
        memory.write(address, queue.describe())
        return 0 if command == sysv.IPC_STAT else queue.id
    queue = queues.find(identifier)
    if command == sysv.IPC_RMID:
        queue.require_owner(process.credentials)
        queues.remove(queue)
        queue.arrived.wake()
        queue.left.wake()
    elif command == sysv.IPC_SET:
        packed = memory.read(address, len(queue.describe()))
        queue.require_owner(process.credentials)
        (capacity,) = struct.unpack_from("<Q", packed, PERMISSIONS_SIZE + 40)
        if capacity > msg.QUEUE_BYTES and process.credentials.euid:
            raise LinuxError(linux.EPERM)
        queue.set_permissions(packed, _now(process))
        queue.capacity = min(capacity, msg.QUEUE_BYTES * MOST)
        queue.left.wake()
    else:
        raise LinuxError(linux.EINVAL)
    return 0
